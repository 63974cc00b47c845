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
sub stop_at
{
	my ($at, $script) = @_;
	$child = fork // die;
	exec 'sh', '-c', "$psql > '$out_file' 2>&1 <<'SQL'\n" . faults('stop', $at) . "$script;\n\\echo told :SQLSTATE\nSQL\n" if $child == 0;
	for (1 .. 400)
	{
		sleep(0.05);
		for my $p (split /\n/, sql($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()"))
		{
			# It may have ended since it was listed.
			my $stat = eval { read_file("/proc/$p/stat") } // '';
			$stopped = $p if $stat =~ /\) T /;
		}
		return 1 if $stopped;
	}
	return 0;
}
sub go_on
{
	kill 'CONT', $stopped;
	$stopped = 0;
	waitpid $child, 0;
	return read_file($out_file);
}
sub stopped_files { my ($t) = @_; return sort { -M $a <=> -M $b } glob "$lake/$t/seg-*.parquet"; }

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
is(sum('d'), '10|55', 'L14: every row is there');

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

ok(stop_at(2, "BEGIN; INSERT INTO heap VALUES (1); INSERT INTO s VALUES (200, 'slow'); COMMIT"), 'G6: one is stopped before its document');
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

done_testing();
