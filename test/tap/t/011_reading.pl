# What a scan of a distant store asks for, and when: counted by the counting
# store, whose round trips go by no clock.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;

# without the read cache, which has a test of its own
my $node = new_node('reading', plain => 1, conf => "supertable.cache_size = 0\n");
my $lake = lake_of($node);
my $log = "$lake-count.log";
sql($node, "CREATE SERVER counted FOREIGN DATA WRAPPER supertable OPTIONS (url 'count:file://$lake');
	CREATE FUNCTION store_count_rounds() RETURNS bigint AS '\$libdir/supertable_store_count', 'store_count_rounds' LANGUAGE C;
	CREATE FUNCTION store_count_reset() RETURNS void AS '\$libdir/supertable_store_count', 'store_count_reset' LANGUAGE C;
	CREATE TABLE h (i int, k int, v text);
	CREATE FOREIGN TABLE t (i int, k int, v text) SERVER counted OPTIONS (path 't');
	CREATE FOREIGN TABLE local (i int, k int, v text) SERVER lake OPTIONS (path 't')");
sql($node, "SET supertable.row_group_rows = 200;" . join('', map { "INSERT INTO h SELECT i, i % 4, 'row ' || i FROM generate_series($_ * 1000 + 1, $_ * 1000 + 1000) i;
	INSERT INTO local SELECT i, i % 4, 'row ' || i FROM generate_series($_ * 1000 + 1, $_ * 1000 + 1000) i;" } 0 .. 63));

# What a script prints, its round trips, and its requests as [op, key], in a session that has run $before.
sub counted
{
	my ($script, $before) = @_;
	unlink $log;
	my $out = sql($node, ($before ? "\\o /dev/null\n$before;\n\\o\n" : '') . "SET store_count.log = '$log';\nSELECT store_count_reset();\n$script;\nSELECT store_count_rounds()");
	my @lines = grep { $_ ne '' } split /\n/, $out;
	my $rounds = pop @lines;
	my @requests = map { my @f = split / /; [ @f[ 1, 2 ] ] } split /\n/, (-e $log ? read_file($log) : '');
	return (join("\n", @lines), $rounds, @requests);
}

sub superfiles
{
	my %seen;
	$seen{ $_->[1] } = 1 for grep { $_->[1] =~ /seg-/ } @_;
	return scalar keys %seen;
}

my $sums = q{SELECT count(*), sum(i), max(v) FROM TABLE WHERE k = 1};
(my $of_heap = $sums) =~ s/TABLE/h/;
(my $of_t = $sums) =~ s/TABLE/t/;
my $right = sql($node, $of_heap);

my ($out, $rounds, @requests) = counted($of_t);
is($out, $right, 'a cold session reads 64 superfiles, and rightly');
cmp_ok($rounds, '<=', 8, "... in $rounds round trips, at most 8");
cmp_ok(scalar(grep { $_->[1] =~ /seg-/ } @requests), '<=', 64, '... each superfile by one request');

($out, $rounds, @requests) = counted('SELECT i FROM t LIMIT 1');
is($out, 1, 'LIMIT 1');
cmp_ok(superfiles(@requests), '<=', 4, '... asks for few superfiles: ' . superfiles(@requests));

($out, $rounds, @requests) = counted("BEGIN; DECLARE c CURSOR FOR SELECT i FROM t; FETCH 1 FROM c; FETCH 2 FROM c; COMMIT");
is($out, "1\n2\n3", 'a cursor that is left');
cmp_ok(superfiles(@requests), '<=', 4, '... has asked for few superfiles: ' . superfiles(@requests));

($out, $rounds, @requests) = counted('SELECT count(*), sum(k) FROM t WHERE i BETWEEN 20500 AND 22500');
is($out, sql($node, 'SELECT count(*), sum(k) FROM h WHERE i BETWEEN 20500 AND 22500'), 'a range');
is(superfiles(@requests), 3, '... asks for no superfile that the log rules out');

($out, $rounds, @requests) = counted('SELECT count(*) FROM t; SELECT min(i), max(i) FROM t');
is(superfiles(@requests), 0, 'what statistics answer asks for no superfile');

# rows of few row groups pass: the other columns are read late
($out, $rounds, @requests) = counted("SELECT v FROM t WHERE i % 2 = 0 AND i = 41000");
is($out, 'row 41000', 'a needle');

# a nested loop scans again and again
($out) = counted('SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SELECT count(*) FROM (VALUES (5), (20000), (63999)) x (i), t WHERE t.i = x.i OR t.i = x.i + 1');
is($out, sql($node, 'SELECT count(*) FROM (VALUES (5), (20000), (63999)) x (i), h WHERE h.i = x.i OR h.i = x.i + 1'), 'scans of a nested loop');

# parallel, with and without the leader's part
for my $leader ('on', 'off')
{
	my $set = "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2; SET parallel_leader_participation = $leader; SET enable_partitionwise_aggregate = off";
	my $q = q{SELECT count(*), sum(i), max(v) FROM t WHERE length(v) + k > 9};
	like(sql($node, "$set; EXPLAIN (COSTS off) $q"), qr/Parallel Foreign Scan/, 'a parallel plan');
	is(sql($node, "$set; $q"), sql($node, "SELECT count(*), sum(i), max(v) FROM h WHERE length(v) + k > 9"), "... reads each row once, leader $leader");
}

# of a large superfile only the pages that may hold the row are asked for
sql($node, "CREATE FOREIGN TABLE big_local (i int, v text, w text) SERVER lake OPTIONS (path 'big'); CREATE FOREIGN TABLE big (i int, v text, w text) SERVER counted OPTIONS (path 'big');
	INSERT INTO big_local SELECT i, md5(i::text) || md5((-i)::text), md5((i * 7)::text) FROM generate_series(1, 120000) i");
my $size = sql($node, "SELECT sum(bytes) FROM supertable_files('big_local')");
cmp_ok($size, '>', 5e6, "a superfile of $size bytes");
($out, $rounds, @requests) = counted('SELECT v, w FROM big WHERE i = 70000');
is($out, sql($node, "SELECT md5('70000') || md5('-70000') || '|' || md5('490000')"), 'a needle in it');
cmp_ok($rounds, '<=', 5, "... in $rounds round trips");
($out) = counted('EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT v, w FROM big WHERE i = 70000');
my ($bytes) = $out =~ /Bytes Read: (\d+)/;
my ($read, $skipped) = $out =~ /Pages Read: (\d+)\s+Pages Skipped: (\d+)/;
cmp_ok($bytes, '<', $size / 4, "... $bytes bytes are read");
is($read, 3, '... and three pages');
cmp_ok($skipped, '>', 20, '... of many');

# deleted rows, and superfiles of which all rows are deleted
sql($node, 'DELETE FROM h WHERE i % 5 = 0 OR i BETWEEN 30001 AND 31500; DELETE FROM local WHERE i % 5 = 0 OR i BETWEEN 30001 AND 31500');
is((counted($of_t))[0], sql($node, $of_heap), 'deleted rows are not there');
is((counted("BEGIN; DELETE FROM t WHERE k = 1 AND i < 50000; $of_t; ROLLBACK"))[0], sql($node, "BEGIN; DELETE FROM h WHERE k = 1 AND i < 50000; $of_heap; ROLLBACK"), 'those of the transaction itself neither');

# a superfile that is broken is met by who reads it, and by nobody else
my $last = sql($node, "SELECT path FROM supertable_files('local') ORDER BY base_row_id OFFSET 3 LIMIT 1");
rename "$lake/t/$last", "$lake/t/$last.away" or die;
is((counted('SELECT i FROM t LIMIT 1'))[0], 1, 'a superfile ahead is missing: no matter to who does not read it');
my ($rc, undef, $err) = sql_err($node, $of_t);
like($err, qr/XX001.*superfile "\Q$last\E"/s, '... and an error to who does');
rename "$lake/t/$last.away", "$lake/t/$last" or die;
is((counted($of_t))[0], sql($node, $of_heap), '... and is there again');

# a column larger than a piece comes by several requests, and whole; large row groups are asked for ahead as well
sql($node, "CREATE FOREIGN TABLE large (i int, b bytea) SERVER counted OPTIONS (path 'large'); CREATE FOREIGN TABLE large_local (i int, b bytea) SERVER lake OPTIONS (path 'large')");
sql($node, "INSERT INTO large_local SELECT i, (SELECT string_agg(decode(md5(i || '-' || j), 'hex'), NULL) FROM generate_series(1, 128) j) FROM generate_series($_ * 10000 + 1, $_ * 10000 + 6000) i") for 0, 1;
my $digest = 'SELECT count(*), sum(length(b)), md5(string_agg(md5(b), NULL ORDER BY i)) FROM large';
($out, $rounds, @requests) = counted($digest);
is($out, sql($node, "$digest\_local" =~ s/\\_/_/r), 'columns of 12 MB');
cmp_ok(scalar(grep { $_->[1] =~ /seg-/ } @requests), '>=', 6, '... by several requests');

# ---- the log ----

sub log_requests { return grep { $_->[1] =~ /_delta_log/ } @_; }

my $count = 'SELECT count(*) FROM t';
($out, $rounds, @requests) = counted($count);
cmp_ok($rounds, '<=', 5, "66 versions without a checkpoint are read in $rounds round trips");
($out, $rounds, @requests) = counted($count, $count);
is("@{[ map { $_->[0] } @requests ]}", 'LIST', 'a warm repeat makes one request');
is($rounds, 1, '... in one round trip');

# a session sees what others do in between: versions up to 110, so that names differ in one, two and three digits
sql($node, "CREATE FOREIGN TABLE u (i int) SERVER counted OPTIONS (path 'u'); CREATE FOREIGN TABLE u_local (i int) SERVER lake OPTIONS (path 'u'); INSERT INTO u_local VALUES (0)");
my $psql = '\! psql -Xq -h ' . $node->host . ' -p ' . $node->port . ' -d postgres';
my $script = "SET supertable.checkpoint_interval = 40;\n";
# twice, so that the second look is one after nothing had changed
$script .= "SELECT count(*) FROM u; SELECT count(*) FROM u;\n$psql -c 'INSERT INTO u_local VALUES ($_)'\n" for 1 .. 110;
$script .= 'SELECT count(*) FROM u';
unlink $log;
is(sql($node, "SET store_count.log = '$log';\n$script"), join("\n", (map { "$_\n$_" } 1 .. 110), 111), 'each look sees what came since');
my %n_ops;
$n_ops{ (split / /)[1] }++ for split /\n/, read_file($log);
cmp_ok($n_ops{LIST} // 0, '>', 50, 'listings: ' . join(', ', map { "$_ $n_ops{$_}" } sort keys %n_ops));
($out, $rounds, @requests) = counted('SELECT count(*) FROM u');
cmp_ok($rounds, '<=', 3, "a log of 111 versions and a checkpoint is read in $rounds round trips");

# a folder that is emptied by hand, and a table made anew in it, up to the same version
for my $again (0, 1)
{
	my $wipe = "\\! rm -rf $lake/w/_delta_log $lake/w/*.parquet";
	sql($node, "CREATE FOREIGN TABLE w (i int) SERVER counted OPTIONS (path 'w'); CREATE FOREIGN TABLE w_local (i int) SERVER lake OPTIONS (path 'w')") unless $again;
	my $anew = $again ? "$psql -c 'INSERT INTO w_local VALUES (3), (4), (5)'" : '';
	is(sql($node, "INSERT INTO w VALUES (1), (2); SELECT count(*) FROM w; SELECT count(*) FROM w;\n$wipe\n$anew\nSELECT count(*) FROM w"),
		"2\n2\n" . ($again ? 3 : 0), $again ? 'a table made anew is another' : 'a folder that was emptied is no table');
}

$node->stop;
done_testing();
