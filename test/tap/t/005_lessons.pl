# What others got wrong, one by one.  Covers L2, L11, L31-L34, L42, L46, L49,
# L57, L58, L60, G5, G7, G8.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Fcntl;
use POSIX ();
use Time::HiRes qw(time usleep);

my $node = new_node('lessons');
my $lake = lake_of($node);
my $psql = 'psql -XAtq -h ' . $node->host . ' -p ' . $node->port . ' -d postgres';
my ($rc, $out, $err);

sub started { return sql($node, 'SELECT pg_postmaster_start_time()'); }
sub docs { my ($t) = @_; my @d = glob "$lake/$t/_supertable/wal/mutations/*.json"; return scalar @d; }
sub faults { my ($action, $at, %o) = @_;
	return "SET store_fault.ops = '" . ($o{ops} // 'write') . "'; SET store_fault.action = '$action'; SET store_fault.repeat = " . ($o{repeat} // 1) . "; SET store_fault.at = $at;\n"; }
my $calm = "SET store_fault.at = 0;\n";
sub request { my ($t, $id, $row) = @_;
	write_file(doc_path($node, $t, $id), sprintf('{"wal_id":"%s","schema_version":1,"op_kind":"DELETE","state":"INTENT","created_at":"2026-01-01T00:00:00Z","lease":null,"predicate_repr":"","target_ids":["%032x"],"new_row_count":null,"new_row_content_hash":null,"preallocated_superfile_id":null,"minted_id_spans":null,"tombstone_progress":[{"target_id":"%032x","outcome":"PENDING","tombstoned_in_superfile":null}]}', $id, $row, $row)); }
sub table { my ($t) = @_; sql($node, "CREATE FOREIGN TABLE $t (id int, v text) SERVER lake OPTIONS (path '$t'); INSERT INTO $t SELECT i, 'row' FROM generate_series(1, 10) i"); }
# Another session in the middle of a script.
sub other { my ($q) = @_; return "\n\\! $psql -c \"$q\"\n"; }

sql($node, 'CREATE TABLE heap (name text)');

# L2: a reader that began before an UPDATE sees the old rows, all of them, to its end
table('l2');
sql($node, 'SET supertable.row_group_rows = 2; UPDATE l2 SET v = v');
$out = sql($node, "BEGIN; DECLARE c CURSOR FOR SELECT id, v FROM l2 ORDER BY id; FETCH 3 FROM c;" . other("UPDATE l2 SET v = 'new'") . "FETCH ALL FROM c; SELECT count(*), count(*) FILTER (WHERE v = 'new') FROM l2; COMMIT");
is($out, join("\n", map({ "$_|row" } 1 .. 10), '10|10'), 'L2: an open reader sees the old version, a new statement the new one');

# L11: a row id is resolved without reading a byte of data
sql($node, "CREATE SERVER counted FOREIGN DATA WRAPPER supertable OPTIONS (url 'count:file://$lake');
	CREATE FOREIGN TABLE l11 (id int, v text) SERVER counted OPTIONS (path 'l11'); INSERT INTO l11 SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i; INSERT INTO l11 VALUES (0, 'small')");
my $id = sprintf '%032x', 0x7000;
request('l11', $id, 4711);
my $log = "$lake-count.log";
is(sql($node, "SET store_count.log = '$log'; SELECT total_targets_tombstoned FROM supertable_recover('l11')"), '1', 'L11: a request deletes one row');
unlike(read_file($log), qr/ seg-/, 'L11: no superfile was touched');
is(sql($node, 'SELECT count(*) FROM l11 WHERE id = 4712'), '0', 'L11: it is the row asked for');

# L31: whatever fails after PostgreSQL's commit, the cluster stays up and the commit holds
table('l31');
my $up = started();
for my $action (qw(fail lose_answer))
{
	($rc, $out, $err) = sql_err($node, "SET supertable.retry_deadline = '1s';\n" . faults($action, 4, repeat => 1000) . "BEGIN; INSERT INTO heap VALUES ('$action'); UPDATE l31 SET v = '$action' WHERE id = 1; COMMIT;\n");
	is($rc, 0, "L31: $action of every write after the commit record is no error") or diag($err);
	is(started(), $up, '... the server did not restart');
	is(sql($node, "SELECT count(*) FROM heap WHERE name = '$action'"), '1', '... the heap row is there');
	sql($node, "SELECT supertable_recover('l31')");
	is(sql($node, "SELECT count(*), count(*) FILTER (WHERE v = '$action') FROM l31"), '10|1', '... and recovery brings the supertable to it');
}

# L57: and the session can still be cancelled afterwards
($rc, $out, $err) = sql_err($node, "SET supertable.retry_deadline = '1s';\n" . faults('fail', 4, repeat => 1000) . "BEGIN; INSERT INTO heap VALUES ('l57'); UPDATE l31 SET v = 'l57' WHERE id = 2; COMMIT;\nSET statement_timeout = '300ms'; SELECT pg_sleep(10);\n");
like($err, qr/57014/, 'L57: after errors in the commit callback the session can be cancelled');
sql($node, "SELECT supertable_recover('l31')");
is(sql($node, "SELECT v FROM l31 WHERE id = 2"), 'l57', '... and what it committed is published');

# L57: statement_timeout holds in pre-commit
my $t0 = time;
($rc, $out, $err) = sql_err($node, faults('silent', 1, repeat => 1000) . "SET statement_timeout = '500ms'; BEGIN; INSERT INTO heap VALUES ('late'); UPDATE l31 SET v = 'late' WHERE id = 3;\nCOMMIT;\n");
like($err, qr/57014/, 'L57: statement_timeout holds in pre-commit');
cmp_ok(time - $t0, '<', 15, '... in time');
is(sql($node, "SELECT count(*) FROM heap WHERE name = 'late'"), '0', '... and nothing is committed');
$t0 = time;
($rc, $out, $err) = sql_err($node, faults('silent', 1, repeat => 1000) . "SET statement_timeout = '500ms'; INSERT INTO l31 VALUES (99, 'late')");
like($err, qr/57014/, 'L57: in one-phase before the decision too');
cmp_ok(time - $t0, '<', 15, '... in time');
sql($node, "SELECT supertable_recover('l31')");
is(sql($node, "SELECT count(*), count(*) FILTER (WHERE v = 'late') FROM l31"), '10|0', '... nothing is visible');

# L34: a read that waits on storage is cancelled
$t0 = time;
($rc, $out, $err) = sql_err($node, faults('silent', 1, repeat => 1000, ops => 'read') . "SET statement_timeout = '500ms'; SELECT count(*) FROM l31");
like($err, qr/57014/, 'G8, L34: a read that waits on storage can be cancelled');
cmp_ok(time - $t0, '<', 5, '... at once');

# L32: the unflushed xid of a dead transaction is used again by another
table('l32');
($rc, $out, $err) = sql_err($node, faults('kill_after', 3) . "BEGIN; INSERT INTO heap VALUES ('dead'); SELECT 'xid ' || pg_current_xact_id(); UPDATE l32 SET v = 'dead' WHERE id = 1; COMMIT;\n");
wait_up($node);
my ($dead) = $out =~ /xid (\d+)/;
my $now = 0;
for (1 .. 50)
{
	$now = sql($node, "INSERT INTO heap VALUES ('alive') RETURNING pg_current_xact_id()");
	last if $now >= $dead;
}
cmp_ok($now, '>=', $dead, "L32: xid $dead of the dead transaction is passed");
is(sql($node, "SELECT n_rolled_back FROM supertable_recover('l32')"), '1', 'L32: it is rolled back all the same');
is(sql($node, "SELECT count(*) FILTER (WHERE v = 'dead') FROM l32"), '0', '... nothing of it is visible');

# L33: failing requests leak no descriptors
table('l33');
$out = sql($node, "DO \$\$ BEGIN PERFORM count(*) FROM l33; END \$\$; SELECT count(*) FROM pg_ls_dir('/proc/self/fd');\n" . faults('fail', 1, ops => 'read', repeat => 1000000) . "DO \$\$ BEGIN FOR i IN 1 .. 200 LOOP BEGIN PERFORM count(*) FROM l33; EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END \$\$;\n$calm SELECT count(*) FROM pg_ls_dir('/proc/self/fd')");
my ($before, $after) = split /\n/, $out;
cmp_ok($after - $before, '<=', 2, "L33: 200 failed requests, descriptors $before before and $after after");
$out = sql($node, "SELECT count(*) FROM l33; SELECT count(*) FROM pg_ls_dir('/proc/self/fd');\n" . faults('fail', 1, repeat => 1000000) . "DO \$\$ BEGIN FOR i IN 1 .. 50 LOOP BEGIN INSERT INTO l33 VALUES (i, 'x'); DELETE FROM l33 WHERE id = i; RAISE division_by_zero; EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END \$\$;\n$calm SELECT count(*) FROM pg_ls_dir('/proc/self/fd'); SELECT count(*) FROM l33");
(undef, $before, $after, $now) = split /\n/, $out;
cmp_ok($after - $before, '<=', 2, "L33: 50 rolled-back changes, descriptors $before before and $after after");
is($now, '10', '... which left nothing');

# L42: what fails at COMMIT after our pre-commit
sql($node, "CREATE EXTENSION postgres_fdw; CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '" . $node->host . "', port '" . $node->port . "', dbname 'postgres');
	CREATE USER MAPPING FOR CURRENT_USER SERVER loop; CREATE TABLE uniq (i int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO uniq VALUES (1);
	CREATE FOREIGN TABLE remote (i int) SERVER loop OPTIONS (table_name 'uniq')");
table('l42');
for my $first ('SELECT count(*) FROM remote', "LOAD 'supertable'")
{
	for my $script ("BEGIN; INSERT INTO remote VALUES (1); UPDATE l42 SET v = 'l42' WHERE id = 1; COMMIT",
		"BEGIN; UPDATE l42 SET v = 'l42' WHERE id = 1; INSERT INTO remote VALUES (1); COMMIT",
		"WITH a AS (INSERT INTO remote VALUES (1) RETURNING i) UPDATE l42 SET v = 'l42' WHERE id IN (SELECT i FROM a)",
		"WITH a AS (INSERT INTO remote VALUES (1) RETURNING i) INSERT INTO l42 SELECT i, 'l42' FROM a")
	{
		($rc, $out, $err) = sql_err($node, "$first;\n$script");
		like($err, qr/23505/, "L42: the remote commit fails ($first; " . substr($script, 0, 40) . ' ...)');
		sql($node, "SELECT supertable_recover('l42')");
		is(sql($node, "SELECT count(*), count(*) FILTER (WHERE v = 'l42') FROM l42"), '10|0', '... and nothing of ours is visible');
	}
}
my $n = docs('l42');
sql($node, "CREATE TEMP TABLE tmp (i int) ON COMMIT DELETE ROWS; INSERT INTO tmp VALUES (1); INSERT INTO l42 SELECT 50, 'x' FROM (SELECT count(*) FROM tmp) c");
is(docs('l42'), ++$n, 'L42: a statement that touches a temporary table commits by two-phase');
sql($node, "INSERT INTO l42 SELECT 51, 'x' FROM pg_notify('a', 'b')");
is(docs('l42'), ++$n, 'L42: so does one that notifies');
sql($node, "CREATE FUNCTION loud() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO heap VALUES (''loud''); RETURN 52; END'; INSERT INTO l42 VALUES (loud(), 'x')");
is(docs('l42'), ++$n, '... and one that calls a volatile function');
sql($node, "INSERT INTO l42 VALUES (53, 'x')");
is(docs('l42'), $n, 'a plain one has no document');
sql($node, "SET supertable.one_phase = off; INSERT INTO l42 VALUES (54, 'x')");
is(docs('l42'), ++$n, '... but where one_phase is off');

# L46: the server changes in the middle of a scan
table('l46');
mkdir "$lake-two";
my $there = "ALTER SERVER lake OPTIONS (SET url 'fault:file://$lake-two')";
my $back = "ALTER SERVER lake OPTIONS (SET url 'fault:file://$lake')";
$out = sql($node, "SET client_min_messages = error; BEGIN; DECLARE c CURSOR FOR SELECT id FROM l46; FETCH 2 FROM c;" . other($there) . "FETCH ALL FROM c; COMMIT; SELECT count(*) FROM l46;" . other($back) . 'SELECT count(*) FROM l46');
is($out, join("\n", 1 .. 10, 0, 10), 'L46: a scan ends where it began; the next statement reads the new place');
$out = sql($node, "SET client_min_messages = error; DO \$\$ DECLARE r record; n int := 0; BEGIN FOR r IN SELECT id FROM l46 LOOP n := n + r.id; IF n = 1 THEN EXECUTE \$q\$$there\$q\$; END IF; END LOOP; RAISE EXCEPTION 'sum %', n; EXCEPTION WHEN raise_exception THEN INSERT INTO heap VALUES (SQLERRM); END \$\$; SELECT count(*) FROM l46; SELECT count(*) FROM heap WHERE name = 'sum 55'");
is($out, "10\n1", 'L46: the same within one function');
$out = sql($node, "PREPARE p AS SELECT count(*) FROM l46 WHERE v IS NULL; EXECUTE p;" . other('ALTER FOREIGN TABLE l46 ALTER COLUMN v DROP NOT NULL') . "EXECUTE p;" . other("INSERT INTO l46 (id) VALUES (11)") . 'EXECUTE p;');
is($out, "0\n0\n1", 'L46: a prepared statement goes on after ALTER FOREIGN TABLE, and reads what is new');

# L49: an owner that was stopped past its lease; a lock held for ever
table('l49');
my $pid = fork // die;
if ($pid == 0)
{
	exec 'sh', '-c', "$psql -v VERBOSITY=verbose > '$lake-l49.out' 2>&1 <<'SQL'\nSET supertable.lease_duration = '1s'; SET store_fault.ops = 'write'; SET store_fault.action = 'stop'; SET store_fault.at = 4; BEGIN; INSERT INTO heap VALUES ('l49'); UPDATE l49 SET v = 'l49' WHERE id = 1; COMMIT;\n\\echo told\nSQL\n";
}
my $stopped = 0;
END { kill 'KILL', $stopped if $stopped; }
for (1 .. 200)
{
	usleep(50_000);
	my $p = sql($node, "SELECT pid FROM pg_stat_activity WHERE query ~ '^COMMIT' AND state = 'active'");
	$stopped = $p if $p =~ /^\d+$/ && read_file("/proc/$p/stat") =~ /\) T /;
	last if $stopped;
}
ok($stopped, 'L49: an owner is stopped between its commit record and its publishing');
usleep(1_200_000);
$t0 = time;
is(sql($node, "SELECT n_scanned, n_held_by_peer FROM supertable_recover('l49')"), '1|1', 'L49: a sweep leaves it to its owner, whose lock is held');
cmp_ok(time - $t0, '<', 10, '... without hanging');
($rc, $out, $err) = sql_err($node, "SET statement_timeout = '2s'; UPDATE l49 SET v = 'other' WHERE id = 1");
isnt($rc, 0, 'L49: who wants the same row is turned away, and waits not for ever');
kill 'CONT', $stopped;
$stopped = 0;
waitpid $pid, 0;
is(read_file("$lake-l49.out"), "told\n", 'L49: the owner goes on and is told the truth');
is(sql($node, "SELECT count(*), count(*) FILTER (WHERE v = 'l49') FROM l49"), '10|1', '... the change is there, once');
is(sql($node, "SELECT n_already_complete FROM supertable_recover('l49')"), '1', '... and its document complete');

# ... whatever lock on storage it holds
my $holder = fork // die;
if ($holder == 0)
{
	my $all_of_it = pack('s s x4 q q l x4', F_WRLCK, 0, 0, 0, 0);
	my $f;
	my $ok = open($f, '+<', "$lake/.supertable-tmp/lock") && fcntl($f, F_SETLK, $all_of_it);
	write_file("$lake-held", $ok ? 'held' : "not held: $!");
	sleep 120;
	POSIX::_exit(0);
}
for (1 .. 500) { last if -s "$lake-held"; usleep(20_000); }
is(read_file("$lake-held"), 'held', 'all locks of the directory are held by somebody else');
request('l49', $id, 5);
$t0 = time;
($rc, $out, $err) = sql_err($node, "SET supertable.http_timeout = '1s'; SET supertable.retry_deadline = '2s'; SELECT n_scanned FROM supertable_recover('l49')");
cmp_ok(time - $t0, '<', 30, 'L49: a lock that is held for ever hangs nobody');
kill 'KILL', $holder;
waitpid $holder, 0;
sql($node, "SELECT supertable_recover('l49')");
is(sql($node, 'SELECT count(*) FROM l49'), '9', '... and once it is free the request is carried out');

# L58: the liveness lock outlives a rolled-back savepoint and pg_advisory_unlock_all
table('l58');
$out = sql($node, "SET supertable.row_group_rows = 10; SET supertable.superfile_size = '1kB'; BEGIN; SAVEPOINT s; INSERT INTO l58 SELECT i, 'gone' FROM generate_series(101, 400) i; ROLLBACK TO s; SELECT pg_advisory_unlock_all(); INSERT INTO l58 VALUES (11, 'kept');"
	. other("SELECT n_scanned, n_held_by_peer, n_rolled_back FROM supertable_recover('l58')") . "COMMIT; SELECT count(*), count(*) FILTER (WHERE v = 'gone') FROM l58");
like($out, qr/^1\|1\|0$/m, 'L58: a sweep finds the owner alive');
like($out, qr/^11\|0$/m, '... and it commits what it kept');
$out = sql($node, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'");
is($out, '0', 'L58: no lock is left');

# L60: a sweep whose snapshot is older than the commit it judges
table('l60');
write_file("$lake-l60.sql", "SET supertable.retry_deadline = '1s'; " . faults('fail', 4, repeat => 1000) . "BEGIN; INSERT INTO heap VALUES ('l60'); UPDATE l60 SET v = 'l60' WHERE id = 1; COMMIT;");
$out = sql($node, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM heap WHERE name = 'l60';\n\\! $psql -f '$lake-l60.sql' 2> /dev/null\nSELECT n_rolled_back, n_full_pipeline_completed + n_tombstone_only_completed FROM supertable_recover('l60'); COMMIT; SELECT count(*), count(*) FILTER (WHERE v = 'l60') FROM l60; SELECT count(*) FROM heap WHERE name = 'l60'");
is($out, "0\n0|1\n10|1\n1", 'L60: the witness is read with a snapshot of its own');

# G7: answers cut short or damaged give an error or the right rows, never wrong ones
table('g7');
sql($node, "SET supertable.checkpoint_interval = 2; DELETE FROM g7 WHERE id = 3; UPDATE g7 SET v = repeat('x', 100) WHERE id < 3; BEGIN; INSERT INTO heap VALUES ('g7'); DELETE FROM g7 WHERE id = 10; COMMIT");
my ($errors, $right, @wrong) = (0, 0);
for my $action (qw(truncate wrong_etag lose_answer error))
{
	for my $at (1 .. 12)
	{
		($rc, $out, $err) = sql_err($node, "SET supertable.retry_deadline = '1s';\n" . faults($action, $at, ops => 'read') . "SELECT count(*), sum(id), sum(length(v)) FROM g7;\n$calm SELECT count(*), sum(id), sum(length(v)) FROM g7", go_on => 1);
		my @got = split /\n/, $out;
		push @wrong, "$action at $at: $out" if grep { $_ ne '8|42|218' } @got or @got == 0 or $got[-1] ne '8|42|218';
		@got == 2 ? $right++ : $errors++;
		push @wrong, "$action at $at: $err" if @got == 1 && $err !~ /ERROR:\s+(XX001|58030|08006|22023)/;
	}
}
is(join("\n", @wrong), '', "G7: reads with a damaged answer: $right right, $errors errors, none wrong");
cmp_ok($errors, '>', 0, '... and some were errors');

# G5: sweeps at once, cancelled, repeated
table('g5');
my @ids = map { sprintf '%032x', 0x8000 + $_ } 1 .. 8;
request('g5', $ids[ $_ - 1 ], $_) for 1 .. 8;
my @sweeps = map { my $p = fork // die; if ($p == 0) { system("$psql -c \"SELECT supertable_recover('g5')\" > /dev/null 2>> '$lake-g5.err'"); POSIX::_exit($? ? 1 : 0); } $p } 1 .. 4;
my $ended = 0;
for (@sweeps) { waitpid $_, 0; $ended += $? == 0; }
is($ended, 4, 'G5: four sweeps at once, none fails') or diag(read_file("$lake-g5.err"));
sql($node, "SELECT supertable_recover('g5')");
is(sql($node, "SELECT count(*), min(id), max(id) FROM g5"), '2|1|10', 'G5: each request is carried out');
is(sql($node, "SELECT n_scanned, n_already_complete FROM supertable_recover('g5')"), '8|8', '... once');
table('g5b');
request('g5b', $ids[ $_ - 1 ], $_) for 1 .. 8;
my $cancelled = 0;
for my $ms (30, 60, 90, 150, 250)
{
	($rc, $out, $err) = sql_err($node, "LOAD 'supertable'; SELECT count(*) FROM g5b; SET store_fault.latency_ms = 20; SET statement_timeout = $ms; SELECT supertable_recover('g5b', lease => interval '1 millisecond')");
	$cancelled++ if $err =~ /57014/;
}
cmp_ok($cancelled, '>', 0, "G5, G8: $cancelled sweeps were cancelled on the way");
usleep(50_000);
sql($node, "SELECT supertable_recover('g5b')");
is(sql($node, "SELECT count(*) FROM g5b") . ' ' . sql($node, "SELECT count(*) FROM supertable_wal('g5b') WHERE state <> 'COMPLETE'"), '2 0', '... and the next one ends what they began');

# sweeps beside each other and beside a writer: deletions, which none of them
# leases, and changes with payloads, which each of them would
sql($node, "CREATE FOREIGN TABLE g5c (id int, v text) SERVER lake OPTIONS (path 'g5c'); INSERT INTO g5c SELECT i, 'row' FROM generate_series(0, 999) i;
	CREATE FOREIGN TABLE g5p (id int, v text) SERVER lake OPTIONS (path 'g5p'); INSERT INTO g5p VALUES (5000, 'payload')");
my ($g5p) = glob "$lake/g5p/seg-*.parquet";
sub update_request
{
	my ($t, $id, $row, $payload) = @_;
	my $uuid = '0f0f0f0f-0000-4000-8000-' . substr($id, -12);
	write_file("$lake/$t/seg-$uuid.parquet", $payload);
	request($t, $id, $row);
	my $asked = read_file(doc_path($node, $t, $id));
	$asked =~ s/"op_kind":"DELETE"/"op_kind":"UPDATE"/;
	$asked =~ s/"preallocated_superfile_id":null/"preallocated_superfile_id":"$uuid"/;
	write_file(doc_path($node, $t, $id), $asked);
}
for my $i (0 .. 159)
{
	my $id = sprintf '%032x', 0x9000 + $i;
	$i % 4 == 3 ? update_request('g5c', $id, $i * 5, read_file($g5p)) : request('g5c', $id, $i * 5);
}
my @beside = ((map { "SELECT supertable_recover('g5c', lease => '1 second'); SELECT supertable_recover('g5c', lease => '1 second')" } 1 .. 3),
	join(';', map { "INSERT INTO g5c VALUES (" . (6000 + $_) . ", 'beside'); BEGIN; UPDATE g5c SET v = 'beside' WHERE id = 997; INSERT INTO heap VALUES ('g5c'); COMMIT" } 1 .. 10));
@sweeps = map { my $q = $_; my $p = fork // die; if ($p == 0) { system("echo \"$q\" | $psql -v ON_ERROR_STOP=1 > /dev/null 2>> '$lake-g5c.err'"); POSIX::_exit($? ? 1 : 0); } $p } @beside;
$ended = 0;
for (@sweeps) { waitpid $_, 0; $ended += $? == 0; }
is($ended, 4, 'G5: three sweeps at once, each twice, and a writer beside them') or diag(read_file("$lake-g5c.err"));
sql($node, "SELECT pg_sleep(1); SELECT supertable_recover('g5c')");
is(sql($node, "SELECT count(*) FILTER (WHERE id < 1000), count(*) FILTER (WHERE id < 800 AND id % 5 = 0), count(*) FILTER (WHERE id = 5000), count(*) FILTER (WHERE v = 'beside') FROM g5c"),
	'840|0|40|11', 'G5, L4: each request is carried out once');
is(sql($node, "SELECT count(*) FROM supertable_wal('g5c') WHERE state <> 'COMPLETE' OR problem IS NOT NULL"), 0, '... and its document says so');

# what a cancelled sweep has leased is free at once
table('leased');
sql($node, "CREATE FOREIGN TABLE leased_from (id int, v text) SERVER lake OPTIONS (path 'leased_from'); INSERT INTO leased_from VALUES (77, 'payload')");
my ($payload) = glob "$lake/leased_from/seg-*.parquet";
update_request('leased', $ids[0], 1, read_file($payload));
# the version, after the lease, gets no answer
($rc, $out, $err) = sql_err($node, "SELECT count(*) FROM leased;\n" . faults('silent', 2) . "SET statement_timeout = 300; SELECT supertable_recover('leased')");
like($err, qr/57014/, 'G5: a sweep is cancelled that has leased a request');
like(read_file(doc_path($node, 'leased', $ids[0])), qr/"state":"APPENDED".*"lease":null.*"revision":1/, '... it has given the lease back');
is(sql($node, "SELECT n_held_by_peer, n_tombstone_only_completed FROM supertable_recover('leased')"), '0|1', '... and the next one need not wait');
is(sql($node, "SELECT count(*) FROM leased WHERE id = 77"), 1, '... to carry it out');

$node->stop;
done_testing();
