# How many round trips of a distant store a statement waits for, counted by
# the counting store (not by any clock): what is sent together is one round.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('rounds', plain => 1);
my $lake = lake_of($node);
my $log = "$lake-count.log";
sql($node, "CREATE SERVER counted FOREIGN DATA WRAPPER supertable OPTIONS (url 'count:file://$lake');
	CREATE FUNCTION store_count_rounds() RETURNS bigint AS '\$libdir/supertable_store_count', 'store_count_rounds' LANGUAGE C;
	CREATE FUNCTION store_count_reset() RETURNS void AS '\$libdir/supertable_store_count', 'store_count_reset' LANGUAGE C;
	CREATE TABLE heap (i int)");

# The rounds of $script in a session that has run $before; of them, those in
# which something else was done than reading superfiles and vectors.
sub rounds
{
	my ($before, $script) = @_;
	unlink $log;
	my $out = sql($node, "\\o /dev/null\nSET supertable.checkpoint_interval = 0;\n$before;\nSET store_count.log = '$log';\nSELECT store_count_reset();\n$script;\n\\o\nSELECT store_count_rounds()");
	my %commit;
	for (-e $log ? split(/\n/, read_file($log)) : ())
	{
		my (undef, $op, $key, undef, undef, $round) = split / /;
		$commit{$round} = 1 unless $op =~ /^GET/ && $key =~ /seg-|deletion_vector_/;
	}
	return ($out, scalar keys %commit);
}

sub at_most
{
	my ($limit, $what, $before, $script) = @_;
	my ($all, $n) = rounds($before, $script);
	unlike(read_file($log), qr/ PUT_NEW (\S+) .* OK (.*\n)+.* GET\S* \1 /, "$what: nothing is read back");
	cmp_ok($n, '<=', $limit, "$what: $n rounds, at most $limit, and " . ($all - $n) . ' that read rows') or diag(read_file($log));
}

sql($node, "CREATE FOREIGN TABLE t (id int, v text) SERVER counted OPTIONS (path 't');
	INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 1000) i; INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1001, 2000) i;");
my $insert = "INSERT INTO t SELECT i, 'new ' || i FROM generate_series(1, 1000) i";
my $warm = 'SELECT count(*), max(v) FROM t WHERE id >= 0';

at_most(2, 'INSERT of 1,000 rows', $insert, $insert);
at_most(5, 'INSERT of 1,000 rows in a transaction block', "BEGIN; $insert; COMMIT", "BEGIN; $insert; COMMIT");
at_most(5, 'two-phase UPDATE', "$warm; $insert", "BEGIN; UPDATE t SET v = v || '+' WHERE id = 7; COMMIT");
at_most(3, 'one-phase UPDATE', "$warm; $insert", "UPDATE t SET v = v || '+' WHERE id = 8");
at_most(3, 'one-phase DELETE', "$warm; $insert", "DELETE FROM t WHERE id = 9");

# What another session has committed by two-phase, and this one has seen applied, is not asked about.
my $psql = "psql -qX -d '" . $node->connstr('postgres') . "'";
for my $case ([ 2, 'INSERT', $insert ], [ 5, 'two-phase UPDATE', "BEGIN; UPDATE t SET v = v || '+' WHERE id = 12; COMMIT" ], [ 3, 'one-phase DELETE', 'DELETE FROM t WHERE id = 13' ])
{
	my ($limit, $what, $script) = @$case;
	at_most($limit, "$what after another session's two-phase commit", "$insert;\n\\! $psql -c \"BEGIN; UPDATE t SET v = v || '+' WHERE id = 11; COMMIT\"\n$warm", $script);
	unlike(read_file($log), qr/ GET \S+mutations/, '... without reading its document');
}

my $copy = "COPY t FROM PROGRAM 'yes 1,copied | head -1000' CSV";
at_most(2, 'COPY of 1,000 rows', $insert, $copy);
sql($node, "CREATE FOREIGN TABLE vectors (id int) SERVER counted OPTIONS (path 'vectors'); INSERT INTO vectors SELECT generate_series(1, 60000)");
$insert = 'INSERT INTO vectors VALUES (0)';
at_most(3, 'one-phase DELETE with a vector file', $insert, 'DELETE FROM vectors WHERE id::bigint * id % 13 = 3');
like(read_file($log), qr/PUT_NEW vectors\/deletion_vector/, '... which it has');
at_most(5, 'two-phase DELETE with a vector file', $insert, 'BEGIN; DELETE FROM vectors WHERE id::bigint * id % 13 = 4; COMMIT');

# Superfiles of a load: four at a time.
my $load = "INSERT INTO l SELECT i, md5(i::text) FROM generate_series(1, 20000) i";
sql($node, "CREATE FOREIGN TABLE l (id int, v text) SERVER counted OPTIONS (path 'l'); INSERT INTO l VALUES (0, '')");
at_most(12, 'load of twenty superfiles', "SET supertable.row_group_rows = 1000; SET supertable.superfile_size = '1kB'; INSERT INTO l VALUES (-1, '')", $load);
my $files = () = read_file($log) =~ / PUT_NEW l\/seg-/g;
cmp_ok($files, '>=', 20, "... which it has: $files");
is(sql($node, 'SELECT count(*), sum(id), count(DISTINCT v) FROM l WHERE id > 0'), '20000|200010000|20000', '... all rows are there');

# An INSERT that did not look when it began finds at pre-commit what others have done since.
sub behind
{
	my ($t, $change) = @_;
	return sql($node, "CREATE FOREIGN TABLE $t (id int, v text) SERVER counted OPTIONS (path '$t'); INSERT INTO $t VALUES (1, 'one');
		\\! $change
		INSERT INTO $t VALUES (2, 'two');
		SELECT id, v FROM $t ORDER BY id");
}
is(behind('wider', qq{$psql -c "CREATE FOREIGN TABLE wider2 (id int, v text, w text) SERVER counted OPTIONS (path 'wider'); INSERT INTO wider2 VALUES (5, 'five', 'w')"}),
	"1|one\n2|two\n5|five", 'columns came since: the rows have NULL there');
is(sql($node, 'SELECT * FROM wider2 ORDER BY id'), "1|one|\n2|two|\n5|five|w", '... as the wider table shows');
is(behind('gone', "rm -r '$lake/gone'"), '2|two', 'the table was removed since: it is made anew');
is(behind('anew', qq{rm -r '$lake/anew'; $psql -c "INSERT INTO anew VALUES (7, 'seven')"}), "2|two\n7|seven", 'the table was made anew since: the row is in the new one');
is(behind('narrow', qq{rm -r '$lake/narrow'; $psql -c "CREATE FOREIGN TABLE narrow2 (id int) SERVER counted OPTIONS (path 'narrow'); INSERT INTO narrow2 VALUES (7)"}),
	"2|two\n7|", '... without one of the columns: it is added');
is(behind('dropped', qq{$psql -Atc "SELECT supertable_drop_storage('counted', 'dropped') > 0" > /dev/null}), '2|two', 'its storage was dropped since: it is begun anew');
my (undef, undef, $err) = sql_err($node, "CREATE FOREIGN TABLE other (id int, v text) SERVER counted OPTIONS (path 'other'); INSERT INTO other VALUES (1, 'one');
	\\! rm -r '$lake/other'; $psql -c \"CREATE FOREIGN TABLE other2 (id int, v date) SERVER counted OPTIONS (path 'other'); INSERT INTO other2 VALUES (7, '2026-01-01')\"
	INSERT INTO other VALUES (2, 'two')");
like($err, qr/HV021.*column "v" does not fit/, 'the table was made anew with another type: the INSERT is refused');
is(sql($node, 'SELECT * FROM other2'), '7|2026-01-01', '... and nothing of it is there');

# What fails while the document is on its way leaves none undecided.
(undef, undef, $err) = sql_err($node, "CREATE FOREIGN TABLE torn (id int, v text) SERVER counted OPTIONS (path 'torn'); INSERT INTO torn VALUES (1, 'one');
	BEGIN; INSERT INTO torn VALUES (2, 'two');
	\\! rm -r '$lake/torn'
	COMMIT");
like($err, qr/40001.*could not go on with table/, 'the table is gone at COMMIT: 40001');
my @torn = glob "$lake/torn/_supertable/wal/mutations/*.json";
is(join(' ', map { read_file($_) =~ /"state":"(\w+)".*"outcome":"(\w+)"/ ? "$1 $2" : read_file($_) } @torn), 'COMPLETE ROLLED_BACK', '... and the document says so');

$node->stop;
done_testing();
