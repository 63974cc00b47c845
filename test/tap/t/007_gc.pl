# Garbage collection: what goes, what is spared, slow writers, old log,
# dropped storage.  Covers G5, G6, L12, L14, L15, L17, L38, L44.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;
use POSIX qw(strftime);
use Time::HiRes qw(time sleep);

my $node = new_node('gc');
my $lake = lake_of($node);
my $peer = new_node('gcpeer', dir => $lake);	# another cluster: it queues behind nobody of the first
my $day = 86400;

sub gc
{
	my ($table, $args) = @_;
	return sql($node, "SELECT n_state_docs, n_superfiles, n_tombstones, n_log_versions FROM supertable_gc('$table'" . ($args // '') . ')');
}
my $now = ", grace => '0', retention => '0'";

sub files { my ($t, $what) = @_; return scalar(my @f = glob "$lake/$t/$what"); }
sub versions { return files($_[0], '_delta_log/*.json'); }

# Makes objects older, as the storage's clock sees them.
sub age
{
	my ($seconds, @files) = @_;
	my $then = time - $seconds;
	utime($then, $then, @files) == @files or die "utime: $!";
}

sub table
{
	my ($t, $rows) = @_;
	sql($node, "CREATE FOREIGN TABLE $t (id int, v text) SERVER lake OPTIONS (path '$t')");
	sql($node, "INSERT INTO $t SELECT i, 'row' FROM generate_series(1, $rows) i") if $rows;
}

sub sum { return sql($node, "SELECT count(*), coalesce(sum(id), 0) FROM $_[0]"); }

sub faults { my ($action, $at, %o) = @_;
	return "SET store_fault.ops = '" . ($o{ops} // 'write') . "'; SET store_fault.action = '$action'; SET store_fault.repeat = " . ($o{repeat} // 1) . "; SET store_fault.at = $at;\n"; }

# A session that stops itself before a write to storage, until it is told to go on.
my $psql = 'psql -XAtq -h ' . $node->host . ' -p ' . $node->port . ' -d postgres -v VERBOSITY=verbose';
my ($stopped, $child, $out_file) = (0, 0, "$lake.out");
END { kill 'KILL', $stopped if $stopped; }
sub start
{
	my ($script) = @_;
	$child = fork // die;
	exec 'sh', '-c', "$psql > '$out_file' 2>&1 <<'SQL'\n$script;\n\\echo told :SQLSTATE\nSQL\n" if $child == 0;
}
sub stop_at
{
	my ($at, $script) = @_;
	start(faults('stop', $at) . $script);
	for (1 .. 400)
	{
		sleep(0.05);
		for my $p (split /\n/, sql($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()"))
		{
			$stopped = $p if (eval { read_file("/proc/$p/stat") } // '') =~ /\) T /;
		}
		return 1 if $stopped;
	}
	return 0;
}
sub go_on
{
	kill 'CONT', $stopped if $stopped;
	$stopped = 0;
	waitpid $child, 0;
	return read_file($out_file);
}
sub stopped_files { my ($t) = @_; return sort { -M $a <=> -M $b } glob "$lake/$t/seg-*.parquet"; }

my ($rc, $out, $err);

# ---- nothing to do ----

table('a', 0);
is(gc('a', $now), '0|0|0|0', 'no table on storage: nothing is deleted');
sql($node, "INSERT INTO a SELECT i, 'row' FROM generate_series(1, 100) i");
is(gc('a', $now), '0|0|0|0', 'a table without garbage');
is(versions('a'), 1, 'no version was written for nothing');

# ---- orphans, old superfiles and vectors, documents ----

sql($node, "UPDATE a SET v = 'new' WHERE id % 2 = 0; BEGIN; INSERT INTO a VALUES (1000, 'two-phase'); DELETE FROM a WHERE id = 1; COMMIT; DELETE FROM a WHERE id BETWEEN 2 AND 90");
my $before = sum('a');
write_file("$lake/a/seg-0f0f0f0f-0000-4000-8000-000000000001.parquet", 'an orphan');
write_file("$lake/a/part-00000-0f0f0f0f.c000.snappy.parquet", 'what a refused writer left');
write_file("$lake/a/deletion_vector_0f0f0f0f-0000-4000-8000-000000000002.bin", 'an orphan');
write_file("$lake/a/notes.txt", 'not ours');
write_file("$lake/a/sub/seg-0f0f0f0f-0000-4000-8000-000000000003.parquet", 'of another table');
is(gc('a'), '0|0|0|0', 'G6: younger than grace: nothing is deleted');
is(gc('a', ", dry_run => true, grace => '0'"), '1|2|1|0', 'L15: a dry run counts the document and the orphans');
is(files('a', '{seg,part}-*') + files('a', '*.bin') , 3 + 2 + 1, 'a dry run deletes nothing');
is(gc('a', ", grace => '0'"), '1|2|1|0', 'L15: orphans of a mutation that never was go, and the finished document');
is(gc('a', ", grace => '0'"), '0|0|0|0', 'G5: the second run finds nothing');
is(sum('a'), $before, 'L14: every row is there');
ok(-e "$lake/a/notes.txt" && -e "$lake/a/sub/seg-0f0f0f0f-0000-4000-8000-000000000003.parquet", 'what is not the table\'s is left alone');
is(sql($node, "SELECT count(*) FROM supertable_wal('a')"), '0', 'the documents are gone');

# ---- retention: what old versions refer to ----

table('v', 20000);
sql($node, "DELETE FROM v WHERE id % $_ = 0") for 2, 3, 5;
is(files('v', '*.bin'), 3, 'three vector files, of which the last is live');
is(gc('v', ", grace => '0'"), '0|0|0|0', 'G6: vectors that retained versions refer to stay');
is(gc('v', $now), '0|0|2|0', 'L15: those that only old versions refer to go when these are not retained');
is(sql($node, 'SELECT count(*) FROM v'), 5334, 'L14: every row is there');
sql($node, 'DELETE FROM a WHERE id = 1000');
is(gc('a', ", grace => '0'"), '0|0|0|0', 'G6: a superfile that a retained version refers to stays');
is(gc('a', ", grace => '0', retention => '0', dry_run => true"), '0|1|0|0', 'one that none refers to may go');
is(gc('a', $now), '0|1|0|0', 'L15: and goes');
is(sum('a'), '10|955', 'L14: every row is there');

# ---- documents: what is unfinished, or cannot be read, spares what it names ----

table('d', 10);
sub doc
{
	my ($t, $id, %d) = @_;
	my $superfiles = $d{superfile} ? qq(,"superfiles":[{"path":"$d{superfile}","bytes":1,"n_rows":1,"hash":null,"dead":null,"stats":null}]) : '';
	write_file(doc_path($node, $t, $id), sprintf('{"wal_id":"%s","schema_version":1,"op_kind":"INSERT","state":"%s","created_at":"2026-01-01T00:00:00Z","lease":null,"predicate_repr":"","target_ids":[],"new_row_count":1,"new_row_content_hash":null,"preallocated_superfile_id":%s,"minted_id_spans":null,"tombstone_progress":[]%s}',
		$id, $d{state} // 'INTENT', $d{uuid} ? qq("$d{uuid}") : 'null', ($d{coordinator} ? ',"revision":0,"coordinator":{"cluster":"elsewhere","cluster_name":"","database_oid":7,"database":"x","witness_id":"w"},"table_id":"x"' : '') .
		($d{outcome} ? qq(,"outcome":"$d{outcome}") : '') . $superfiles));
}
my $id_time = int(time * 1000);
sub id { return sprintf '%016x%016x', $id_time, $_[0]; }
my @named = ('seg-0f0f0f0f-0000-4000-8000-00000000000a', 'seg-0f0f0f0f-0000-4000-8000-00000000000a-2', 'seg-0f0f0f0f-0000-4000-8000-00000000000b');
write_file("$lake/d/$_.parquet", 'payload') for @named, 'seg-orphan';
doc('d', id(1), uuid => '0f0f0f0f-0000-4000-8000-00000000000a');
doc('d', id(2), coordinator => 1, superfile => "$named[2].parquet");
age(30 * $day, map({ "$lake/d/$_.parquet" } @named, 'seg-orphan'), doc_path($node, 'd', id(1)));
is(gc('d'), '0|1|0|0', 'G6: what unfinished documents name is spared, however old; an orphan goes');
is(files('d', 'seg-0f0f*'), 3, '... payloads of a request and of another coordinator\'s mutation');

# a load that has its document first, and does not say what it uploads
doc('d', id(3), coordinator => 1);
write_file("$lake/d/seg-early.parquet", 'of the load');
write_file("$lake/d/seg-orphan.parquet", 'older than the load');
age(3 * 3600, "$lake/d/seg-early.parquet", doc_path($node, 'd', id(3)));
age(30 * $day, "$lake/d/seg-orphan.parquet");
is(gc('d'), '0|1|0|0', 'G6: what is younger than the document of a load under way is spared');
ok(-e "$lake/d/seg-early.parquet", '... its superfile');
unlink doc_path($node, 'd', id(3));

# a document that cannot be read
write_file(doc_path($node, 'd', id(4)), '{"wal_id":');
write_file("$lake/d/seg-orphan.parquet", 'older than the document');
age(5 * 3600, doc_path($node, 'd', id(4)));
age(5 * 3600, "$lake/d/seg-early.parquet");
age(10 * 3600, "$lake/d/seg-orphan.parquet");
is(gc('d'), '0|1|0|0', 'G6, G7: what may belong to an unreadable document is spared, L15: what is older is not');
ok(-e "$lake/d/seg-early.parquet" && -e doc_path($node, 'd', id(4)), '... and so is the document');
unlink doc_path($node, 'd', id(4));
is(gc('d'), '0|1|0|0', 'once it is gone, so is what it may have named');

# finished documents
my @doc = map { doc_path($node, 'd', id($_)) } 5 .. 8;
doc('d', id(5), state => 'COMPLETE');
doc('d', id(6), state => 'COMPLETE', coordinator => 1, outcome => 'COMMITTED', superfile => 'seg-x.parquet');
doc('d', id(7), state => 'COMPLETE', coordinator => 1, outcome => 'ROLLED_BACK', superfile => 'seg-x.parquet');
doc('d', id(8), state => 'COMPLETE');
age(2 * 3600, @doc[ 0 .. 2 ]);
is(gc('d'), '2|0|0|0', 'COMPLETE documents older than grace go; what another coordinator may have to be told of stays');
age(8 * $day, $doc[2]);
is(gc('d'), '1|0|0|0', '... for the retention');
ok(-e $doc[3] && -e doc_path($node, 'd', id(1)) && -e doc_path($node, 'd', id(2)), 'a young one and unfinished ones stay');
# ... and what was forced to roll back although it was committed here stays as the record of it
doc('d', id(9), state => 'COMPLETE', coordinator => 1, outcome => 'ROLLED_BACK', superfile => 'seg-x.parquet');
age(30 * $day, doc_path($node, 'd', id(9)));
sql($node, "INSERT INTO supertable_internal.witness SELECT '" . id(9) . "', oid, 'file://$lake/d', 'x', 10 FROM pg_foreign_server WHERE srvname = 'lake'");
is(gc('d'), '0|0|0|0', 'a rolled back document whose witness is here stays');
sql($node, "DELETE FROM supertable_internal.witness WHERE wal_id = '" . id(9) . "'");
is(gc('d'), '1|0|0|0', '... and goes when that is gone');
is(sum('d'), '10|55', 'L14: every row is there');

# L16: a table deep under the url
sql($node, "CREATE FOREIGN TABLE deep (id int, v text) SERVER lake OPTIONS (path 'deep/er/still')");
sql($node, "INSERT INTO deep VALUES (1, 'x'); BEGIN; SELECT 1; INSERT INTO deep VALUES (2, 'y'); DELETE FROM deep WHERE id = 1; COMMIT");
write_file("$lake/deep/er/still/seg-orphan.parquet", 'orphan');
write_file("$lake/deep/seg-orphan.parquet", 'of nobody');
is(gc('deep', $now), '1|2|0|0', 'L16: orphan, superseded superfile and document of a table under a prefix');
ok(-e "$lake/deep/seg-orphan.parquet", '... and nothing beside it');
is(sum('deep'), '1|2', '... every row is there');

# ---- a writer that is slower than grace ----

table('s', 10);
ok(stop_at(2, "INSERT INTO s VALUES (100, 'slow')"), 'G6: a one-phase writer is stopped between upload and publishing');
is(gc('s', $now), '0|1|0|0', '... gc takes what it has uploaded for an orphan');
like(go_on(), qr/40001: could not go on(?=.*older than the cutoff)/s, '... and the writer is told to start over');
is(sum('s'), '10|55', '... nothing of it is published');
sql($node, "INSERT INTO s VALUES (100, 'again')");
is(sum('s'), '11|155', '... the retry is');

sql($node, 'CREATE TABLE heap (i int)');
# writes: superfile and document, then PREPARED
ok(stop_at(3, "BEGIN; INSERT INTO heap VALUES (1); UPDATE s SET v = 'slow' WHERE id = 1; COMMIT"), 'G6: a two-phase writer is stopped before PREPARED, its document durable');
is(gc('s', $now), '0|0|0|0', '... gc spares what the document names');
like(go_on(), qr/told 00000|told 40001/, '... it commits, or starts over');
sql($node, "SELECT supertable_recover('s')");
is(sql($node, "SELECT count(*), sum(id) FROM s"), '11|155', '... every row is there');

# its document is refused for a while by the store, after the superfile was taken
my $n_before = files('s', 'seg-*');
start(faults('error', 2, repeat => 9) . "BEGIN; INSERT INTO heap VALUES (1); INSERT INTO s VALUES (200, 'slow'); COMMIT");
for (1 .. 200) { last if files('s', 'seg-*') > $n_before; sleep(0.01); }
is(files('s', 'seg-*'), $n_before + 1, 'G6: the superfile of one is there before its document');
is(gc('s', $now), '1|1|0|0', '... gc takes what it has uploaded for an orphan');
like(go_on(), qr/told 40001/, '... and it starts over');
is(sql($node, "SELECT count(*), sum(id) FROM s"), '11|155', '... every row is there, no more');

ok(stop_at(3, "BEGIN; INSERT INTO heap VALUES (1); INSERT INTO s VALUES (200, 'owed'); COMMIT"), 'G6: one is stopped after the commit record');
is(gc('s', $now), '1|0|0|0', '... gc spares what is owed');
like(go_on(), qr/told 00000/, '... it publishes it');
is(sql($node, "SELECT count(*), sum(id) FROM s"), '12|355', '... every row is there');

# a load that uploads early, slower than grace
ok(stop_at(6, "SET supertable.row_group_rows = 100; SET supertable.superfile_size = '1kB'; INSERT INTO s SELECT i, md5(i::text) FROM generate_series(1001, 1500) i"), 'G6: a load is stopped between two uploads');
is(gc('s', ", grace => '0'"), '1|0|0|0', '... gc spares what it has uploaded');
like(go_on(), qr/told 00000/, '... it commits');
is(sql($node, "SELECT count(*) FROM s"), '512', '... every row is there');

# ---- old log, and a writer that meets a version number it has freed (L38) ----

table('o', 10);
my $clock = "$lake.clock";
sql($node, "SET supertable.checkpoint_interval = 4; UPDATE o SET v = 'v$_'") for 1 .. 9;
my @log = sort glob "$lake/o/_delta_log/*";
is(gc('o', ", grace => '0', retention => '0'"), '0|9|0|0', 'L38: log versions younger than a day stay, whatever is asked');
is(versions('o'), 11, '... all of them (and the one that condemned)');
age(10 * $day, @log);
age(8 * $day, (sort glob "$lake/o/_delta_log/*.json")[10]);
is(gc('o', ', dry_run => true'), '0|0|0|8', 'a dry run counts the versions before the newest old checkpoint');
is(gc('o'), '0|0|0|8', 'they go');
is(join(' ', map { m{/0*(\d+\.[a-z.]+)$} } sort glob "$lake/o/_delta_log/0*"), '8.checkpoint.parquet 8.json 9.json 10.json', 'the checkpoint and its own version stay');
is(sum('o'), '10|55', 'the table is read from there');
is(gc('o'), '0|0|0|0', 'G5: the second run finds nothing');

sql($peer, "CREATE FOREIGN TABLE o (id int, v text) SERVER lake OPTIONS (path 'o')");
sql($node, 'UPDATE o SET v = v');
unlink $clock;
ok(stop_at(2, "SET store_fault.clock = '$clock'; INSERT INTO o VALUES (100, 'stale')"), 'L38: a writer is stopped before its version is put');
my $base = versions('o');
sql($peer, "SET supertable.checkpoint_interval = 4; UPDATE o SET v = 'w$_'") for 1 .. 9;
age(3 * $day, glob "$lake/o/_delta_log/*");
my ($freed) = (sort glob "$lake/o/_delta_log/*.json")[$base];
like(gc('o', ", retention => '1 day', grace => '30 days'"), qr/^0\|0\|0\|[1-9]/, 'L38: clean-up frees the number of that version');
ok(!-e $freed, '... it is gone');
write_file($clock, 3 * $day);
like(go_on(), qr/told 40001/, 'L38: the writer does not take the freed number for its own');
ok(!-e $freed, '... and leaves no stray version');
is(sum('o'), '10|55', 'L38: what it was not told is not there, what others wrote is');
sql($node, "INSERT INTO o VALUES (100, 'again')");
is(sum('o'), '11|155', '... the retry is there');

# a session that has not looked for days asks once more, and finds what is new
unlink $clock;
$out = sql($node, "SET store_fault.clock = '$clock'; SELECT count(*) FROM o;\n\\! echo 999999 > $clock\nSELECT count(*) FROM o; SELECT count(*) FROM o;\n\\! $psql -c \"INSERT INTO o VALUES (7, 'new')\"\nSELECT count(*) FROM o;");
is($out, "11\n11\n11\n12", 'L38: a reader whose snapshot is days old');
unlink $clock;

# ---- a session that has not looked for long; several at once ----

# L12, L14: what a session knows is not what is: another cluster has deleted rows and added some meanwhile
table('k', 3000);
sql($peer, "CREATE FOREIGN TABLE k (id int, v text) SERVER lake OPTIONS (path 'k')");
$out = sql($node, "SELECT count(*) FROM k;\n\\! " . ($psql =~ s/-p \d+/'-p ' . $peer->port/er =~ s/-h \S+/'-h ' . $peer->host/er) .
	" -c 'DELETE FROM k WHERE id % 2 = 0' -c 'DELETE FROM k WHERE id % 3 = 0' -c \"INSERT INTO k VALUES (9999, 'new')\"\n" .
	"SELECT n_superfiles, n_tombstones FROM supertable_gc('k', grace => '0', retention => '0');");
is($out, "3000\n0|1", 'L12, L14: gc judges by what storage says now, not by what its session knew');
is(sql($node, 'SELECT count(*), max(id) FROM k'), '1001|9999', 'L12: no deleted row is back, no new one is gone');

# G5: many at once, in both clusters
write_file("$lake/k/seg-orphan$_.parquet", 'orphan') for 1 .. 300;
my @gcs = map { my $n = $_ % 2 ? $node : $peer; open(my $f, '-|', 'psql', '-XAtq', '-h', $n->host, '-p', $n->port, '-d', 'postgres', '-c',
	"SELECT n_superfiles FROM supertable_gc('k', grace => '0', retention => '0')") or die; $f } 1 .. 6;
my @said = map { my $f = $_; my $l = join '', <$f>; close $f; $l } @gcs;
is(scalar(grep { /^\d+$/ } @said), 6, 'G5: six at once, of two clusters, all come to their end') or diag("@said");
is(files('k', 'seg-orphan*'), 0, '... nothing is left to delete');
is(sql($node, 'SELECT count(*), max(id) FROM k'), '1001|9999', '... and nothing is missing');

# L17: it can be cancelled, and tells how far it is
write_file("$lake/k/seg-orphan$_.parquet", 'orphan') for 1 .. 3000;
my $t0 = time;
($rc, $out, $err) = sql_err($node, "SET store_fault.latency_ms = 200; SET statement_timeout = '6s'; SELECT supertable_gc('k', grace => '0', retention => '0')");
like($err, qr/57014/, 'L17: a gc is cancelled');
cmp_ok(time - $t0, '<', 9, '... at once');
like($err, qr/NOTICE:.*supertable_gc of table .*\d/, 'L17: it has told how far it is');
is(gc('k', $now) =~ /^0\|\d+\|0\|0$/ ? files('k', 'seg-orphan*') : -1, 0, 'G5: the next one goes on');
is(sql($node, 'SELECT count(*), max(id) FROM k'), '1001|9999', '... nothing is missing');

# L15: an object that cannot be deleted holds up no other
write_file("$lake/k/seg-orphan$_.parquet", 'orphan') for 1 .. 5;
($rc, $out, $err) = sql_err($node, faults('fail', 4) . "SELECT n_superfiles FROM supertable_gc('k', grace => '0', retention => '0')");
is("$rc|$out", '0|4', 'L15: one deletion fails, the others are done');
like($err, qr/WARNING:  58030: could not delete object "k\/seg-orphan/, '... and it is named');
is(gc('k', $now), '0|1|0|0', '... the next call takes it');

# ---- dropped storage ----

sub drop_storage { return sql($node, "SELECT supertable_drop_storage('lake', '$_[0]')"); }
sub everything { my ($t) = @_; return join ' ', sort map { s{^\Q$lake/$t/\E}{}r } split /\n/, `find $lake/$t -type f`; }

table('x', 10);
sql($node, "SET supertable.checkpoint_interval = 2; BEGIN; INSERT INTO heap VALUES (1); UPDATE x SET v = 'new' WHERE id = 1; COMMIT; DELETE FROM x WHERE id = 2; DELETE FROM x WHERE id = 3");
write_file("$lake/x/nested/_delta_log/00000000000000000000.json", 'of another table');
my @before = split / /, everything('x');
ok(stop_at(2, "BEGIN; SELECT count(*) FROM x; INSERT INTO x VALUES (500, 'late'); COMMIT"), 'a writer is under way while storage is dropped');
my $n_objects = drop_storage('x');
cmp_ok($n_objects, '>=', @before - 1, "drop_storage deletes $n_objects objects");
like(everything('x'), qr{^_delta_log/\d+\.json nested/\S+$}, 'all but the version that says so, and what lies deeper');
like(go_on(), qr/ERROR:  55000: the storage of table.*was dropped.*told 55000|told 55000/s, 'the writer meets it: 55000');
drop_storage('x');
($rc, $out, $err) = sql_err($node, 'SELECT * FROM x');
like($err, qr/ERROR:  55000: the storage of table/, 'so does a reader');
($rc, $out, $err) = sql_err($node, "UPDATE x SET v = 'w'");
like($err, qr/ERROR:  55000: /, 'and one that changes rows');
($rc, $out, $err) = sql_err($node, "SELECT supertable_gc('x')");
like($err, qr/ERROR:  55000: /, 'and gc');
like(everything('x'), qr{^_delta_log/\d+\.json nested/\S+$}, 'a second call takes what the writer left, and keeps such a version');
my ($marker) = everything('x') =~ /(\d+)\.json /;
sql($node, "INSERT INTO x VALUES (7, 'anew')");
is(sum('x'), '1|7', 'a first write begins the table anew');
ok(-e sprintf("$lake/x/_delta_log/%020d.json", $marker + 1), '... at the next version');
ok(-e sprintf("$lake/x/_delta_log/%020d.checkpoint.parquet", $marker + 1), '... with a checkpoint, for other engines');
is(sql($peer, "CREATE FOREIGN TABLE x (id int, v text) SERVER lake OPTIONS (path 'x'); SELECT count(*), sum(id) FROM x"), '1|7', '... and others read it');
unlink sprintf("$lake/x/_delta_log/%020d.checkpoint.parquet", $marker + 1), "$lake/x/_delta_log/_last_checkpoint";
is(sum('x'), '1|7', '... without the checkpoint, too');
my ($old_id, $new_id) = map { read_file(sprintf("$lake/x/_delta_log/%020d.json", $_)) =~ /"metaData":\{"id":"([^"]+)/ } $marker, $marker + 1;
isnt($new_id, $old_id, '... with another metaData.id');
sql($node, "BEGIN; INSERT INTO heap VALUES (1); UPDATE x SET v = 'again' WHERE id = 7; COMMIT");
is(sql($node, 'SELECT id, v FROM x'), '7|again', '... and it is a table like any');
drop_storage('x');
age(2 * $day, glob "$lake/x/_delta_log/*.json");
is(drop_storage('x'), 1, 'a day later the version goes, too');
is(everything('x'), 'nested/_delta_log/00000000000000000000.json', '... and nothing is left of the table');
is(drop_storage('x'), 0, 'G5: nothing more to do');
sql($node, "INSERT INTO x VALUES (8, 'once more')");
is(sum('x'), '1|8', 'a table made there is a new one');

# a drop that dies anywhere is finished by the next call
for my $at (1 .. 3, 5, 9)
{
	table("z$at", 10);
	sql($node, "SET supertable.checkpoint_interval = 2; BEGIN; INSERT INTO heap VALUES (1); UPDATE z$at SET v = 'new' WHERE id = 1; COMMIT; DELETE FROM z$at WHERE id = 2");
	($rc, $out, $err) = sql_err($node, faults('kill_after', $at) . "SELECT supertable_drop_storage('lake', 'z$at')");
	wait_up($node);
	($rc, $out, $err) = sql_err($node, "SELECT * FROM z$at");
	like($err, qr/55000/, "G5: a drop dies after its write $at: readers are turned away");
	($rc, $out, $err) = sql_err($node, "INSERT INTO z$at VALUES (1)");
	like($err, qr/55000/, '... and writers, as long as it has not come to its end');
	drop_storage("z$at");
	like(everything("z$at"), qr{^_delta_log/\d+\.json$}, '... the next call goes on');
	sql($node, "INSERT INTO z$at VALUES (5, 'anew')");
	is(sum("z$at"), '1|5', '... and then the table can begin anew');
}

# refused while a document is unsettled; L44: and so are the extension and its servers
table('y', 10);
($rc, $out, $err) = sql_err($node, faults('kill_before', 4) . "BEGIN; INSERT INTO heap VALUES (44); UPDATE y SET v = 'owed' WHERE id = 1; COMMIT");
wait_up($node);
is(sql($node, 'SELECT count(*) FROM heap WHERE i = 44'), 1, 'L44: committed, and owed');
for my $drop ("SELECT supertable_drop_storage('lake', 'y')", 'DROP EXTENSION supertable CASCADE', 'DROP SERVER lake CASCADE',
	'DROP SCHEMA public CASCADE', 'DROP OWNED BY CURRENT_USER CASCADE')
{
	($rc, $out, $err) = sql_err($node, "SET session_replication_role = replica; $drop");
	like($err, qr/ERROR:  (55006|2BP01): /, "L44: refused: $drop");
}
like($err, qr/55006/, 'L44: by the guard');
is(sum('y'), '10|55', 'L44: the table is in use as before');
sql($node, "SELECT supertable_recover('y')");
is(sql($node, "SELECT v FROM y WHERE id = 1"), 'owed', 'L44: what was owed is published');
cmp_ok(drop_storage('y'), '>', 3, 'settled, the storage can be dropped');
is(sql($node, "DROP EXTENSION supertable CASCADE; SELECT 'dropped'"), 'dropped', 'L44: and the extension');

done_testing();
