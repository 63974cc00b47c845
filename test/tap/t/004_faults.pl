# Faults of the storage and of sessions: L5, L33, L37, L56, L57, L58, L9.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('faults');
sql($node, "CREATE FOREIGN TABLE t (id int, v text) SERVER lake OPTIONS (path 't'); INSERT INTO t VALUES (1, 'one'); CREATE TABLE heap (i int)");

# L37: conditions that are checked before the write, not with it
my $probe = sql($node, "SET store_fault.non_atomic = on; SELECT capability, ok FROM supertable_storage_probe('lake') ORDER BY 1");
like($probe, qr/create-only\|f/, 'L37: the probe refuses a create-only that is not atomic');
like($probe, qr/etag-CAS\|f/, 'L37: ... and an If-Match');
unlike(sql($node, "SELECT ok FROM supertable_storage_probe('lake')"), qr/f/, 'a sound store passes');

# L5: the answer to the publishing PUT is lost: told the truth, once
my ($rc, $out, $err) = sql_err($node, "SET store_fault.action = 'lose_answer'; SET store_fault.at = 2; INSERT INTO t VALUES (2, 'two')");
is($rc, 0, 'L5: the outcome is learnt by reading back');
is(sql($node, 'SELECT count(*) FROM t WHERE id = 2'), 1, 'L5: applied once');

# a storage that fails for good: an error, nothing changed
($rc, $out, $err) = sql_err($node, "SET store_fault.action = 'fail'; SET store_fault.at = 1; INSERT INTO t VALUES (3, 'three')");
like($err, qr/58030: could not write object/, 'a failing write is an I/O error');
($rc, $out, $err) = sql_err($node, "SET supertable.http_timeout = '200ms'; SET supertable.retry_deadline = '400ms'; SET store_fault.action = 'silent'; SET store_fault.repeat = 1000; SET store_fault.at = 2; INSERT INTO t VALUES (3, 'three')");
like($err, qr/40003/, 'a silent storage after the deciding PUT: 40003');
is(sql($node, 'SELECT count(*) FROM t WHERE id = 3'), 0, 'nothing of it is there');

# L57: statement_timeout holds at pre-commit, and the session can be cancelled afterwards
my $t0 = time;
($rc, $out, $err) = sql_err($node, "SET statement_timeout = '500ms'; SET store_fault.action = 'silent'; SET store_fault.at = 1; SET store_fault.repeat = 1000; BEGIN; INSERT INTO heap VALUES (1); INSERT INTO t VALUES (4, 'four'); COMMIT; SET store_fault.at = 0; SELECT pg_sleep(5)", go_on => 1);
my @cancelled = $err =~ /57014/g;
cmp_ok(scalar @cancelled, '>=', 2, 'L57: cancelled at pre-commit, and the next statement too');
cmp_ok(time - $t0, '<', 20, '... in time');
is(sql($node, 'SELECT count(*) FROM heap'), 0, '... and rolled back');

# a checkpoint that cannot be written holds a COMMIT up for a few seconds at most, and not the next one
sql($node, "CREATE FOREIGN TABLE ck (id int) SERVER lake OPTIONS (path 'ck'); INSERT INTO ck VALUES (1)");
$t0 = time;
($rc, $out, $err) = sql_err($node, "SET supertable.checkpoint_interval = 1; SET supertable.http_timeout = '300s'; SET supertable.retry_deadline = '300s'; SET store_fault.action = 'silent'; SET store_fault.at = 3; SET store_fault.repeat = 1; INSERT INTO ck VALUES (2); SET store_fault.at = 3; INSERT INTO ck VALUES (3)");
is($rc, 0, 'the commit stands without its checkpoint');
like($err, qr/WARNING.*\n.*a later one will write the checkpoint/s, '... with a WARNING');
cmp_ok(time - $t0, '<', 120, '... and is not held up until the deadline of requests');
is(sql($node, 'SELECT count(*) FROM ck'), 3, '... nor is the next one');

# no retries is not no time: a slow answer is waited for
is(sql($node, "SET supertable.retry_deadline = 0; SET store_fault.latency_ms = 50; INSERT INTO ck VALUES (4); SELECT count(*) FROM ck"), 4,
	'retry_deadline = 0 sends once, and waits for the answer');

# L56: synchronous_commit = off; the server stops at once right after COMMIT
sql($node, "SET synchronous_commit = off; BEGIN; INSERT INTO heap VALUES (5); INSERT INTO t VALUES (5, 'five'); COMMIT");
$node->stop('immediate');
$node->start;
sql($node, 'SELECT supertable_recover()');
is(sql($node, 'SELECT (SELECT count(*) FROM heap WHERE i = 5), (SELECT count(*) FROM t WHERE id = 5)'), '1|1', 'L56: heap and supertable agree');

# an upload of a load that fails is tried once more; where that fails too, so does the load, and nothing of it is there
sql($node, "CREATE FOREIGN TABLE ld (id int, v text) SERVER lake OPTIONS (path 'ld'); INSERT INTO ld VALUES (0, 'here')");
my $load = "SET supertable.row_group_rows = 100; SET supertable.superfile_size = '1kB'; SET store_fault.ops = 'write'; SET store_fault.at = 2; INSERT INTO ld SELECT i, md5(i::text) FROM generate_series(1, 1000) i";
for my $action (qw(fail lose_answer late_unknown))
{
	my $before = sql($node, 'SELECT count(*) FROM ld');
	($rc, $out, $err) = sql_err($node, "SET store_fault.spool = '" . lake_of($node) . "-late'; SET store_fault.action = '$action'; $load");
	is("$rc " . sql($node, 'SELECT count(*), count(DISTINCT id) FROM ld'), '0 ' . ($before + 1000) . '|1001', "load, upload $action: every row, once");
}
($rc, $out, $err) = sql_err($node, "SET store_fault.action = 'fail'; SET store_fault.repeat = 1000; $load");
like($err, qr/could not write object "ld\/seg-/, 'load, every upload fails: an error');
is(sql($node, 'SELECT count(*), count(DISTINCT id) FROM ld'), '3001|1001', '... and no row of it');

# L58: neither ROLLBACK TO nor pg_advisory_unlock_all lets go of the owner's lock
sql($node, "SET supertable.row_group_rows = 100; SET supertable.superfile_size = '1kB'; BEGIN; SAVEPOINT s; INSERT INTO t SELECT i, 'bulk' FROM generate_series(1000, 1300) i; ROLLBACK TO s; SELECT pg_advisory_unlock_all(); INSERT INTO t VALUES (6, 'six'); COMMIT");
is(sql($node, 'SELECT count(*) FILTER (WHERE id = 6), count(*) FILTER (WHERE id >= 1000) FROM t'), '1|0', 'L58: the load commits without what was rolled back');

# G4: the next writer publishes what is owed before its statement reads, so
# that a row whose committed change a crash left unpublished can be changed.
for my $what ("UPDATE t SET v = v || '+' WHERE id = 1", "BEGIN; UPDATE t SET v = v || '+' WHERE id = 1; INSERT INTO heap VALUES (8); COMMIT", 'DELETE FROM t WHERE id = 1')
{
	($rc, $out, $err) = sql_err($node, "SET store_fault.ops = 'write'; SET store_fault.action = 'kill_before'; SET store_fault.at = 4; BEGIN; INSERT INTO heap VALUES (7); UPDATE t SET v = 'owed' WHERE id = 1; COMMIT");
	wait_up($node);
	is(sql($node, 'SELECT count(*) FROM heap WHERE i = 7'), 1, 'committed, and killed before it was published');
	($rc, $out, $err) = sql_err($node, $what);
	is($rc, 0, "G4: $what succeeds") or diag($err);
	is(sql($node, 'SELECT v FROM t WHERE id = 1'), $what =~ /DELETE/ ? '' : 'owed+', '... on what was owed');
	sql($node, 'DELETE FROM heap WHERE i = 7');
}

# bounded: many two-phase commits on one table
my $n = $ENV{STBL_LONG} ? 10000 : 300;
sql($node, "SET supertable.one_phase = off; CREATE PROCEDURE many(n int) LANGUAGE plpgsql AS 'BEGIN FOR i IN 1..n LOOP INSERT INTO t VALUES (10, \$x\$x\$x\$); COMMIT; END LOOP; END'; CALL many($n)");
my $witnesses = sql($node, 'SELECT count(*) FROM supertable_internal.witness');
cmp_ok($witnesses, '<=', 110, "witness rows stay bounded: $witnesses after $n two-phase commits");
is(sql($node, 'SELECT count(*) FROM t WHERE id = 10'), $n, 'each is there once');
done_testing();
