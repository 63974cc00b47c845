# G11: a statement sees of a transaction of its database the heap rows and the
# supertable rows, or neither: while its owner has committed and not published
# yet, where a crash came in between, and where it has committed and published
# after the statement's snapshot was taken.  G9: readers publish nothing.
use strict;
use warnings;
use IPC::Run;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_node('statement');
my $lake = lake_of($node);
my ($rc, $out, $err);

sub faults { my ($action, $at) = @_; return "SET store_fault.ops = 'write'; SET store_fault.action = '$action'; SET store_fault.at = $at;\n"; }
sub dies { my ($script, $action, $at) = @_; (undef, undef, my $e) = sql_err($node, faults($action, $at) . $script); wait_up($node); return $e; }
sub table { my ($t, $n) = @_; $n //= 10; sql($node, "CREATE TABLE h_$t (id int); CREATE FOREIGN TABLE $t (id int, v text) SERVER lake OPTIONS (path '$t'); INSERT INTO $t SELECT i, 'row' FROM generate_series(1, $n) i"); }
sub log_of { my ($t) = @_; return scalar(my @all = glob("$lake/$t/_delta_log/* $lake/$t/*.bin $lake/$t/*.parquet $lake/$t/_supertable/wal/mutations/*")); }

# A session that is kept, and what it answers.
sub session { my %s = (in => '', out => '', err => ''); $s{h} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$s{in}, '>', \$s{out}, '2>', \$s{err}); return \%s; }
sub ask
{
	my ($s, $q) = @_;
	$s->{out} = '';
	$s->{in} .= "$q\n\\echo .\n";
	for (1 .. 600) { $s->{h}->pump_nb; last if $s->{out} =~ /^\.$/m; usleep(50_000); }
	return $s->{out} =~ s/^\.\n//mr =~ s/\n\z//r;
}
sub end { my ($s) = @_; $s->{in} .= "\\q\n"; $s->{h}->finish; }

# ---- owed: the owner died right after its commit record ----

# Writes: superfile, vectors (where they are not inline), document, PREPARED, the version.
table('owed', 20000);
sql($node, "INSERT INTO owed SELECT i, 'second' FROM generate_series(20001, 20100) i");
my $all = "SELECT count(*), sum(id), count(*) FILTER (WHERE v = 'new'), (SELECT count(*) FROM h_owed) FROM owed";
dies("BEGIN; INSERT INTO h_owed VALUES (1); UPDATE owed SET v = 'new' WHERE id % 3 = 0; DELETE FROM owed WHERE id > 20000; INSERT INTO owed VALUES (30000, 'added'); COMMIT", 'kill_before', 5);
my $objects = log_of('owed');
like(sql($node, "SELECT op_kind, state FROM supertable_wal('owed') WHERE state <> 'COMPLETE'"), qr/UPDATE\|INTENT/, 'a transaction is owed: large vectors, a superfile that goes, new rows');
is(sql($node, $all), '20001|200040000|6666|1', 'a statement sees all of it');
is(sql($node, "SELECT count(*) FROM owed WHERE v = 'row'"), '13334', '... with a filter');
is(sql($node, "SELECT v, count(*) FROM owed GROUP BY v ORDER BY v"), "added|1\nnew|6666\nrow|13334", '... in groups');
is(sql($node, "SELECT min(id), max(id), count(*) FROM owed"), '1|30000|20001', '... by metadata');
is(sql($node, "SELECT count(*), count(DISTINCT o.id) FROM owed o JOIN h_owed h ON h.id <> o.id"), '20000|20000', '... in a join');
is(sql($node, "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY; $all; COMMIT"), '20001|200040000|6666|1', '... SERIALIZABLE and READ ONLY');
my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;';
my $executor = "SELECT count(*), sum(id) FROM owed WHERE reverse(v) = 'wen'";
like(sql($node, "$parallel EXPLAIN $executor"), qr/Workers Planned/, '... in parallel');
is(sql($node, "$parallel SET parallel_leader_participation = off; $executor"), '6666|66663333', '... by workers alone');
is(sql($node, "SET plan_cache_mode = force_generic_plan; PREPARE p(int) AS SELECT v FROM owed WHERE id = \$1; EXECUTE p(3); EXECUTE p(20001); EXECUTE p(30000)"), "new\nadded", '... by a prepared statement');
is(sql($node, "SELECT sum(n_rows) - sum(n_tombstoned) FROM supertable_files('owed')"), '20100', 'supertable_files() tells what is published');
is(log_of('owed'), $objects, 'G9: nothing has been published');
is(sql($node, "UPDATE owed SET v = 'newer' WHERE id = 3 OR id = 30000; SELECT count(*) FILTER (WHERE v = 'new'), count(*) FILTER (WHERE v = 'newer') FROM owed"), '6665|2', 'the next writer publishes it, and changes rows of it');
is(sql($node, "SELECT count(*) FROM supertable_wal('owed') WHERE state <> 'COMPLETE' OR problem IS NOT NULL"), '0', '... and nothing is left');

table('emptied');
dies("BEGIN; INSERT INTO h_emptied VALUES (1); TRUNCATE emptied; INSERT INTO emptied VALUES (7, 'first'); COMMIT", 'kill_before', 4);
is(sql($node, 'SELECT count(*), max(v), (SELECT count(*) FROM h_emptied) FROM emptied'), '1|first|1', 'a TRUNCATE that is owed');
is(sql($node, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM emptied; INSERT INTO emptied VALUES (8, 'second'); SELECT count(*) FROM emptied; COMMIT; SELECT count(*) FROM emptied"), "1\n2\n2", '... in a transaction that goes on to write');

table('wide');
sql($node, 'ALTER FOREIGN TABLE wide ADD COLUMN w int');
dies("BEGIN; INSERT INTO h_wide VALUES (1); INSERT INTO wide VALUES (11, 'new', 5); COMMIT", 'kill_before', 4);
is(sql($node, 'SELECT count(*), sum(w), (SELECT count(*) FROM h_wide) FROM wide'), '11|5|1', 'a column that comes with rows that are owed');

table('broken');
dies("BEGIN; INSERT INTO h_broken VALUES (1); INSERT INTO broken VALUES (11, 'new'); COMMIT", 'kill_before', 3);
my ($doc) = glob "$lake/broken/_supertable/wal/mutations/*.json";
my $sound = read_file($doc);
write_file($doc, substr($sound, 0, 100));
($rc, $out, $err) = sql_err($node, 'SELECT count(*) FROM broken');
is($out, '10', 'one that cannot be read is not shown');
like($err, qr/WARNING:  01000: mutation \w{32} of table .* is committed, but cannot be shown\n.*DETAIL:.*\.json.*\n.*HINT:  See supertable_wal\(\)/s, '... which is said');
write_file($doc, $sound);
is(sql($node, 'SELECT count(*) FROM broken'), '11', 'sound again, it is');

# ---- an owner that has committed and is at its publishing ----

sub stopped
{
	my ($script, $at) = @_;
	my $s = session();
	$s->{in} .= faults('stop', $at) . "$script\n\\echo told\n";
	my $pid = '';
	for (1 .. 600)
	{
		$s->{h}->pump_nb;
		$pid = join ' ', grep { (read_file("/proc/$_/stat") =~ /\) (\w)/)[0] eq 'T' } split /\n/, sql($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
		last if $pid;
		usleep(50_000);
	}
	$s->{pid} = $pid;
	return $s;
}
sub go_on { my ($s) = @_; kill 'CONT', $s->{pid}; for (1 .. 600) { $s->{h}->pump_nb; last if $s->{out} =~ /told/; usleep(50_000); } }

table('live');
my $owner = stopped("BEGIN; INSERT INTO h_live VALUES (1); INSERT INTO live VALUES (11, 'new'); UPDATE live SET v = 'changed' WHERE id <= 3; COMMIT;", 4);
like($owner->{pid}, qr/^\d+$/, 'an owner is stopped before it publishes');
is(sql($node, "SELECT count(*), count(*) FILTER (WHERE v = 'changed'), (SELECT count(*) FROM h_live) FROM live"), '11|3|1', 'others see what it has committed');
my $writer = session();
is(ask($writer, "BEGIN; UPDATE live SET v = 'again' WHERE id IN (1, 11); SELECT count(*) FILTER (WHERE v = 'again'), count(*) FROM live; INSERT INTO live VALUES (12, 'x'); SELECT count(*) FROM live;"), "2|11\n12", '... and change rows of it');
$writer->{in} .= "COMMIT;\n\\echo committed\n";
usleep(500_000);
$writer->{h}->pump_nb;
unlike($writer->{out}, qr/committed/, '... whose commit waits for it');
go_on($owner);
is(ask($writer, "SELECT count(*), count(*) FILTER (WHERE v = 'again'), count(*) FILTER (WHERE v = 'changed'), (SELECT count(*) FROM h_live) FROM live;"), "committed\n12|2|2|1", 'then both are there');
is($owner->{err} . $writer->{err}, '', '... without a word');
end($_) for $owner, $writer;

table('live2');
$owner = stopped("BEGIN; INSERT INTO h_live2 VALUES (1); INSERT INTO live2 VALUES (11, 'new'); COMMIT;", 3);
$writer = session();
$writer->{in} .= "TRUNCATE live2;\n\\echo committed\n";
usleep(500_000);
$writer->{h}->pump_nb;
unlike($writer->{out}, qr/committed/, 'a TRUNCATE waits for an owner');
go_on($owner);
is(ask($writer, 'SELECT count(*) FROM live2;'), "committed\n0", '... and takes its rows too');
end($_) for $owner, $writer;

# ---- committed and published after the snapshot was taken ----

table('later', 1000);
sql($node, "INSERT INTO later SELECT i, 'second' FROM generate_series(1001, 1010) i");
my $reader = session();
my $sees = "SELECT count(*), sum(id), count(*) FILTER (WHERE v = 'row'), count(*) FILTER (WHERE id > 1000), (SELECT count(*) FROM h_later) FROM later;";
is(ask($reader, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM h_later;'), '0', 'a snapshot is taken');
sql($node, "BEGIN; INSERT INTO h_later VALUES (1); UPDATE later SET v = 'changed' WHERE id % 2 = 0 AND id <= 1000; COMMIT");
sql($node, "INSERT INTO later VALUES (5000, 'one-phase')");
sql($node, "BEGIN; INSERT INTO h_later VALUES (2); DELETE FROM later WHERE id > 1000; INSERT INTO later VALUES (6000, 'two-phase'); COMMIT");
sql($node, 'SELECT supertable_recover()');
sql($node, "BEGIN; INSERT INTO h_later VALUES (3); TRUNCATE later; COMMIT");
is(ask($reader, $sees), '1010|510555|1000|10|0', 'it has nothing of what was committed since, by UPDATE, DELETE and TRUNCATE');
is(ask($reader, "SELECT count(*) FROM later WHERE id BETWEEN 995 AND 1005; SELECT v, count(*) FROM later GROUP BY v ORDER BY v;"), "11\nrow|1000\nsecond|10", '... with statistics and without');
is(ask($reader, "$parallel SELECT count(*) FROM later WHERE reverse(v) = 'wor';"), '1000', '... in parallel');
ask($reader, 'COMMIT;');
is(ask($reader, $sees), '0||0|0|3', 'the next snapshot has all of it');

# the transaction's own change of what has changed since
table('mine');
is(ask($reader, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM h_mine;'), '0', 'another snapshot');
sql($node, "BEGIN; INSERT INTO h_mine VALUES (1); UPDATE mine SET v = 'theirs' WHERE id = 1; COMMIT");
is(ask($reader, "UPDATE mine SET v = 'mine' WHERE id = 2; SELECT v FROM mine WHERE id <= 2 ORDER BY id; COMMIT; SELECT v FROM mine WHERE id <= 2 ORDER BY id;"), "row\nmine\ntheirs\nmine", 'it changes another row');
ask($reader, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM h_mine;');
sql($node, "BEGIN; INSERT INTO h_mine VALUES (2); UPDATE mine SET v = 'theirs' WHERE id = 3; COMMIT");
ask($reader, "\\set VERBOSITY verbose\nUPDATE mine SET v = 'mine' WHERE id = 3; COMMIT;");
like($reader->{err}, qr/40001/, 'G4: the same row is a conflict');
$reader->{err} = '';

# a cursor is older than its first FETCH
table('cur');
is(ask($reader, 'BEGIN; DECLARE c CURSOR FOR SELECT (SELECT count(*) FROM h_cur), (SELECT count(*) FROM cur);'), '', 'a cursor');
sql($node, "BEGIN; INSERT INTO h_cur VALUES (1); INSERT INTO cur VALUES (11, 'new'); COMMIT");
is(ask($reader, 'FETCH c; SELECT (SELECT count(*) FROM h_cur), (SELECT count(*) FROM cur); COMMIT;'), "0|10\n1|11", '... sees what there was at its DECLARE, another statement what there is');

# a function that sees what its caller sees, beside one that sees what is newest
table('fun');
sql($node, q{CREATE FUNCTION changes() RETURNS bigint VOLATILE LANGUAGE plpgsql AS $$ DECLARE n bigint; BEGIN UPDATE fun SET v = 'mine' WHERE id IN (1, 11); SELECT count(*) FROM fun WHERE v = 'mine' INTO n; RETURN n; END $$;
	CREATE FUNCTION stays() RETURNS bigint STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM fun); END $$});
$writer = session();
ask($writer, 'BEGIN; DECLARE c CURSOR FOR SELECT (SELECT count(*) FROM h_fun), changes(), stays();');
sql($node, "BEGIN; INSERT INTO h_fun VALUES (1); INSERT INTO fun VALUES (11, 'new'); COMMIT");
is(ask($writer, "FETCH c; COMMIT; SELECT count(*) FILTER (WHERE v = 'mine'), count(*) FROM fun;"), "0|2|10\n2|11", 'a volatile function changes a row that its caller does not see');
is($writer->{err}, '', '... which is no conflict');
end($writer);

# many since, in a session that has read the table before and in one that has not
table('many');
my $fresh = session();
ask($reader, 'SELECT count(*) FROM many; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM h_many;');
ask($fresh, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM h_many;');
sql($node, 'DO $$ BEGIN FOR i IN 1 .. 150 LOOP INSERT INTO h_many VALUES (i); IF i % 3 = 0 THEN UPDATE many SET v = v || i WHERE id = i % 10; ELSE INSERT INTO many VALUES (100 + i, i); END IF; COMMIT; END LOOP; END $$');
is(ask($_, 'SELECT count(*), max(v), (SELECT count(*) FROM h_many) FROM many; COMMIT; SELECT count(*), (SELECT count(*) FROM h_many) FROM many;'), "10|row|0\n110|150", '150 transactions since') for $reader, $fresh;
end($fresh);

# committed before, published after what was committed later
table('late');
$owner = stopped("BEGIN; INSERT INTO h_late VALUES (1); INSERT INTO late VALUES (11, 'before'); COMMIT;", 3);
is(ask($reader, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM h_late;'), '1', 'a snapshot after a commit that is not published yet');
$writer = session();
$writer->{in} .= "BEGIN; INSERT INTO h_late VALUES (2); INSERT INTO late VALUES (12, 'after'); COMMIT;\n\\echo committed\n";
usleep(300_000);
go_on($owner);
is(ask($writer, ''), 'committed', 'another commits after it');
is(ask($reader, "SELECT count(*), string_agg(v, ',') FILTER (WHERE id > 10), (SELECT count(*) FROM h_late) FROM late; COMMIT;"), '11|before|1', 'it has the one and not the other');
end($_) for $owner, $writer;

# the log as it is cleaned up
table('cleaned');
sql($node, "SET supertable.checkpoint_interval = 2; INSERT INTO cleaned VALUES (11, 'x'); INSERT INTO cleaned VALUES (12, 'x'); INSERT INTO cleaned VALUES (13, 'x')");
utime(time - 3 * 86400, time - 3 * 86400, glob "$lake/cleaned/_delta_log/*");
ask($reader, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM h_cleaned;');
sql($node, "BEGIN; INSERT INTO h_cleaned VALUES (1); INSERT INTO cleaned VALUES (14, 'since'); COMMIT; SELECT supertable_gc('cleaned', grace => '0', retention => '0')");
cmp_ok(scalar(my @left = glob "$lake/cleaned/_delta_log/*.json"), '<', 4, 'the log has been cleaned up');
is(ask($reader, 'SELECT count(*), (SELECT count(*) FROM h_cleaned) FROM cleaned; COMMIT;'), '13|0', 'what came before the snapshot need not be there');
is($reader->{err}, '', 'nothing else was said');
end($reader);
done_testing();
