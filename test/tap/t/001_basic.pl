# A table on a directory, from COPY to a restart; a standby that reads and
# refuses to write; a promoted one; a dump restored.  Covers G9, G10, L9, L43, L45, L53.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('basic', plain => 1, init => { allows_streaming => 1 });
my $lake = lake_of($node);

sub objects
{
	my ($table) = @_;
	return join "\n", sort(split /\n/, `cd '$lake' && find '$table' -type f`);
}

sql($node, q{CREATE FOREIGN TABLE t (id int, v text, n numeric(10,2)) SERVER lake OPTIONS (path 'deep/er/t')});
is(sql($node, 'SELECT count(*) FROM t'), '0', 'a table without storage has no rows');
ok(!-e "$lake/deep", 'G9: reading it writes nothing');

my $csv = "$lake-rows.csv";
write_file($csv, join '', map { "$_,row $_," . ($_ / 4) . "\n" } 1 .. 1000);
sql($node, "\\copy t FROM '$csv' CSV");
is(sql($node, 'SELECT count(*), sum(id), sum(n), min(v), max(v) FROM t'), '1000|500500|125125.00|row 1|row 999', 'COPY in, SELECT out');
sql($node, "COPY t FROM '$csv' CSV");
is(sql($node, 'SELECT count(*), count(DISTINCT id) FROM t'), '2000|1000', 'COPY from a file of the server');
is(sql($node, 'DELETE FROM t WHERE id > 500 RETURNING id') =~ tr/\n//, 999, 'DELETE tells its rows');
is(sql($node, 'SELECT count(*) FROM t'), '1000', 'L53: count(*) subtracts the vectors');
is(sql($node, "COPY (SELECT count(*) FROM t WHERE v = 'row 7') TO STDOUT"), '2', 'COPY of a query');
sql($node, "UPDATE t SET v = 'seven' WHERE id = 7");

# L9, G9
my $before = objects('deep');
sql($node, 'UPDATE t SET v = v WHERE false; DELETE FROM t WHERE id = 4711; SELECT count(*) FROM t; BEGIN; SELECT * FROM t LIMIT 1; COMMIT; INSERT INTO t SELECT * FROM t WHERE false');
is(objects('deep'), $before, 'L9, G9: what changes nothing writes nothing');
my ($rc, $out, $err) = sql_err($node, "BEGIN READ ONLY; INSERT INTO t VALUES (1, 'x', 1)");
like($err, qr/25006/, 'a read-only transaction cannot write');

# every session and a restarted server see the same
my $sum = "SELECT count(*), sum(id), sum(n), md5(string_agg(v, ',' ORDER BY id, v)) FROM t";
my $want = sql($node, $sum);
$node->restart;
is(sql($node, $sum), $want, 'after a restart');
$node->stop('immediate');
$node->start;
is(sql($node, $sum), $want, 'G10: after a crash');

# another foreign table, and another database, on the same root
sql($node, "CREATE FOREIGN TABLE again (v text, id int) SERVER lake OPTIONS (path 'deep/er/t')");
is(sql($node, "SELECT id, v FROM again WHERE v = 'seven' ORDER BY id"), "7|seven\n7|seven", 'columns are matched by name');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', "CREATE EXTENSION supertable; CREATE SERVER lake FOREIGN DATA WRAPPER supertable OPTIONS (url 'file://$lake');
	CREATE FOREIGN TABLE t (id int, v text, n numeric(10,2)) SERVER lake OPTIONS (path 'deep/er/t')");
is($node->safe_psql('other', $sum), $want, 'another database reads it');
$node->safe_psql('other', "BEGIN; UPDATE t SET v = 'other' WHERE id = 8; CREATE TABLE heap (i int); COMMIT");
is(sql($node, "SELECT count(*) FROM t WHERE v = 'other'"), '2', '... and writes it');
is(sql($node, "SELECT n_scanned, n_in_doubt, n_already_complete FROM supertable_recover('t')"), '1|0|1', 'its document is complete here too');

# DROP leaves storage
sql($node, 'DROP FOREIGN TABLE again');
ok(-d "$lake/deep/er/t/_delta_log", 'DROP FOREIGN TABLE leaves storage');

# a standby
$want = sql($node, $sum);
$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay');
is($standby->safe_psql('postgres', $sum), $want, 'a standby reads');
is($standby->safe_psql('postgres', "SELECT count(*) > 0 FROM supertable_files('t')"), 't', '... and lists superfiles');
$before = objects('deep');
for my $q ("INSERT INTO t VALUES (1, 'x', 1)", "UPDATE t SET v = 'x'", 'DELETE FROM t', "SELECT supertable_recover('t')")
{
	($rc, $out, $err) = sql_err($standby, $q);
	like($err, qr/25006/, "a standby refuses: $q");
}
is(objects('deep'), $before, '... and nothing was written');
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
$standby->safe_psql('postgres', "BEGIN; INSERT INTO t VALUES (9999, 'promoted', 1); CREATE TABLE heap2 (i int); COMMIT");
is(sql($node, 'SELECT v FROM t WHERE id = 9999'), 'promoted', 'once promoted it writes, and the old primary sees it');
my $cluster = "SELECT split_part(coordinator, '/', 1) FROM supertable_wal('t') ORDER BY created_at";
my @clusters = split /\n/, sql($node, $cluster);
is(scalar @clusters, 2, 'two documents');
isnt($clusters[0], $clusters[1], 'L43: a copied data directory is another cluster');
like(PostgreSQL::Test::Utils::slurp_file($standby->logfile), qr/is a copy, or was moved/, '... and says so in the log');

# uninstalled and installed again
sql($node, 'DROP EXTENSION supertable CASCADE');
is(sql($node, "SELECT count(*) FROM pg_namespace WHERE nspname = 'supertable_internal'"), '0', 'DROP EXTENSION leaves nothing');
sql($node, "CREATE EXTENSION supertable; CREATE SERVER lake FOREIGN DATA WRAPPER supertable OPTIONS (url 'file://$lake');
	CREATE FOREIGN TABLE t (id int, v text, n numeric(10,2)) SERVER lake OPTIONS (path 'deep/er/t')");
is(sql($node, 'SELECT v FROM t WHERE id = 9999'), 'promoted', 'installed again, the table is as it was');

# dump and restore: definitions only, and another coordinator
my $dump = "$lake-dump.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
my $text = read_file($dump);
unlike($text, qr/supertable_internal/, 'bookkeeping is not dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'restore');
is($node->safe_psql('restored', 'SELECT v FROM t WHERE id = 9999'), 'promoted', 'the restored database finds its table');
isnt($node->safe_psql('restored', 'SELECT witness_id FROM supertable_internal.coordinator'), sql($node, 'SELECT witness_id FROM supertable_internal.coordinator'),
	'L45: and is another coordinator');

$standby->stop;
$node->stop;
done_testing();
