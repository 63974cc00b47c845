# The sweep over documents written by hand: S1-S8, L3, L4, L6, L8, L47, L50.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;
use Digest::SHA qw(sha256_hex);
use POSIX qw(strftime);

my $node = new_node('sweep', plain => 1);
my @cols = qw(n_scanned n_already_complete n_held_by_peer n_full_pipeline_completed n_tombstone_only_completed
  n_vanished_during_scan n_cas_lost total_targets_tombstoned total_targets_not_found n_rolled_back n_in_doubt n_quarantined);

# The counters that are not 0, as "name=value ...".
sub recover
{
	my ($table, $args) = @_;
	my @v = split /\|/, sql($node, 'SELECT ' . join(',', @cols) . " FROM supertable_recover('$table'" . ($args // '') . ')');
	return join ' ', map { "$cols[$_]=$v[$_]" } grep { $v[$_] ne '0' } 0 .. $#cols;
}

my $seq = 0;
sub rfc { return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + ($_[0] // 0))); }
sub new_id { return sprintf '%032x', (int(time) * 1000 << 64 - 64) * 1 + 0x10000 + $seq++; }

# A document in the 13-key form; with schema_id => 1 in the 14-key one.
sub doc
{
	my (%d) = @_;
	my $targets = join ',', map { qq("$_") } @{ $d{targets} // [] };
	my $progress = join ',', map { qq({"target_id":"$_->[0]","outcome":"$_->[1]","tombstoned_in_superfile":null}) }
	  @{ $d{progress} // [ map { [ $_, 'PENDING' ] } @{ $d{targets} // [] } ] };
	my $lease = $d{lease} ? sprintf('{"owner":"%s","acquired_at":"%s","expires_at":"%s"}', $d{lease}[0], rfc(-1000), rfc($d{lease}[1])) : 'null';
	my $q = sub { defined $_[0] ? qq("$_[0]") : 'null' };
	return sprintf '{"wal_id":"%s","schema_version":%s,"op_kind":"%s","state":"%s","created_at":"%s","lease":%s,"predicate_repr":"by hand","target_ids":[%s],"new_row_count":%s,"new_row_content_hash":%s,%s"preallocated_superfile_id":%s,"minted_id_spans":null,"tombstone_progress":[%s]}',
	  $d{id}, $d{version} // 1, $d{op}, $d{state}, rfc(), $lease, $targets, $d{count} // 'null', $q->($d{hash}),
	  $d{schema_id} ? '"schema_id":7,' : '', $q->($d{uuid}), $progress;
}

sub row_id { return sprintf '%032x', $_[0]; }

# A payload: the superfile of another table of the same columns, under the name a document gives it.
sub payload
{
	my ($table, $rows) = @_;
	my $src = "p$seq"; $seq++;
	sql($node, "CREATE FOREIGN TABLE $src (id int, v text) SERVER lake OPTIONS (path '$src'); INSERT INTO $src VALUES $rows");
	my ($file) = glob lake_of($node) . "/$src/seg-*.parquet";
	my $uuid = sprintf '0f0f0f0f-0000-4000-8000-%012x', $seq++;
	my $bytes = read_file($file);
	write_file(lake_of($node) . "/$table/seg-$uuid.parquet", $bytes);
	return ($uuid, sha256_hex($bytes));
}

for my $form (0, 1)
{
	my $t = "t$form";
	my $keys = $form ? 14 : 13;
	my @f = (schema_id => $form);
	my $root = lake_of($node) . "/$t";
	sql($node, "CREATE FOREIGN TABLE $t (id int, v text) SERVER lake OPTIONS (path '$t')");

	is(recover($t), '', "S1: an empty table, every count is 0 ($keys keys)");

	my $id = new_id();
	write_file(doc_path($node, $t, $id), doc(@f, id => $id, op => 'DELETE', state => 'INTENT', targets => [ row_id(99) ]));
	is(recover($t), 'n_scanned=1 n_tombstone_only_completed=1 total_targets_not_found=1', "S2: DELETE of a row that is not there ($keys keys)");
	like(read_file(doc_path($node, $t, $id)), qr/"state":"COMPLETE".*"outcome":"NOTFOUND"/, "S2: the document is COMPLETE, its entry NOTFOUND ($keys keys)");
	ok(!-e "$root/_delta_log", "S2: no version was written ($keys keys)");

	my $before = read_file(doc_path($node, $t, $id));
	my @stat = stat doc_path($node, $t, $id);
	is(recover($t), 'n_scanned=1 n_already_complete=1', "S3: a COMPLETE document ($keys keys)");
	is(read_file(doc_path($node, $t, $id)), $before, "S3: its bytes are unchanged ($keys keys)");
	is((stat doc_path($node, $t, $id))[1], $stat[1], "S3: it was not written again ($keys keys)");

	sql($node, "INSERT INTO $t SELECT i, 'row ' || i FROM generate_series(0, 9) i");
	my $held = new_id();
	write_file(doc_path($node, $t, $held), doc(@f, id => $held, op => 'DELETE', state => 'INTENT', targets => [ row_id(3) ], lease => [ 'peer', 120 ]));
	$before = read_file(doc_path($node, $t, $held));
	is(recover($t), 'n_scanned=2 n_already_complete=1 n_held_by_peer=1', "S4, L4: a live lease of another owner ($keys keys)");
	is(read_file(doc_path($node, $t, $held)), $before, "S4: nothing changed ($keys keys)");
	write_file(doc_path($node, $t, $held), doc(@f, id => $held, op => 'DELETE', state => 'INTENT', targets => [ row_id(3) ], lease => [ 'peer', -120 ]));
	is(recover($t), 'n_scanned=2 n_already_complete=1 n_tombstone_only_completed=1 total_targets_tombstoned=1', "S4: an expired lease is taken over ($keys keys)");
	is(sql($node, "SELECT count(*), count(*) FILTER (WHERE id = 3) FROM $t"), '9|0', "S4: the row is gone ($keys keys)");

	my ($uuid, $hash) = payload($t, "(4, 'four again'), (5, 'five again')");
	my $upd = new_id();
	write_file(doc_path($node, $t, $upd), doc(@f, id => $upd, op => 'UPDATE', state => 'INTENT', targets => [ row_id(4), row_id(5) ], uuid => $uuid, hash => $hash, count => 2));
	is(recover($t), 'n_scanned=3 n_already_complete=2 n_full_pipeline_completed=1 total_targets_tombstoned=2', "S5: INTENT UPDATE with its payload ($keys keys)");
	is(sql($node, "SELECT string_agg(id || ' ' || v, ',' ORDER BY id) FROM $t WHERE id IN (4, 5)"), '4 four again,5 five again', "S5: every row once ($keys keys)");
	is(recover($t), 'n_scanned=3 n_already_complete=3', "S5, L50: again: already complete ($keys keys)");

	($uuid, $hash) = payload($t, "(6, 'six again')");
	my $app = new_id();
	write_file(doc_path($node, $t, $app), doc(@f, id => $app, op => 'UPDATE', state => 'APPENDED', targets => [ row_id(6), row_id(3) ],
		progress => [ [ row_id(6), 'PENDING' ], [ row_id(3), 'TOMBSTONED' ] ], uuid => $uuid, hash => $hash, count => 1));
	is(recover($t), 'n_scanned=4 n_already_complete=3 n_tombstone_only_completed=1 total_targets_tombstoned=2', "S6: APPENDED UPDATE goes on at its first PENDING entry ($keys keys)");
	is(sql($node, "SELECT string_agg(v, ',') FROM $t WHERE id = 6"), 'six again', "S6: the row once ($keys keys)");

	($uuid, $hash) = payload($t, "(100, 'insert')");
	my $ins = new_id();
	write_file(doc_path($node, $t, $ins), doc(@f, id => $ins, op => 'INSERT', state => 'INTENT', uuid => $uuid, hash => $hash, count => 1));
	is(recover($t), 'n_scanned=5 n_already_complete=4 n_full_pipeline_completed=1', "INTENT INSERT ($keys keys)");
	is(sql($node, "SELECT count(*) FROM $t"), 10, "the row is there ($keys keys)");

	($uuid, $hash) = payload($t, "(7, 'never')");
	my $all = new_id();
	write_file(doc_path($node, $t, $all), doc(@f, id => $all, op => 'UPDATE', state => 'INTENT', targets => [ row_id(7), row_id(3) ], uuid => $uuid, hash => $hash, count => 1));
	is(recover($t), 'n_scanned=6 n_already_complete=5 total_targets_not_found=1 n_rolled_back=1', "an UPDATE is all or nothing ($keys keys)");
	is(sql($node, "SELECT string_agg(v, ',') FROM $t WHERE id = 7"), 'row 7', "nothing of it is published ($keys keys)");
	like(read_file(doc_path($node, $t, $all)), qr/"outcome":"ROLLED_BACK"/, "it is COMPLETE / ROLLED_BACK ($keys keys)");

	# S8: bad documents hold back no other
	my @bad = map { new_id() } 1 .. 6;
	my $good = new_id();
	my $text = doc(@f, id => $bad[0], op => 'DELETE', state => 'INTENT', targets => [ row_id(8) ]);
	write_file(doc_path($node, $t, $bad[0]), substr($text, 0, length($text) - 20));
	write_file(doc_path($node, $t, $bad[1]), doc(@f, id => $bad[1], op => 'MERGE', state => 'INTENT'));
	write_file(doc_path($node, $t, $bad[2]), doc(@f, id => $bad[2], version => 2, op => 'DELETE', state => 'INTENT', targets => [ row_id(8) ]));
	write_file(doc_path($node, $t, $bad[3]), doc(@f, id => $bad[3], op => 'DELETE', state => 'INTENT', targets => [ row_id(8) ]) =~ s/"target_ids":\[/"target_ids":[7,/r);
	write_file(doc_path($node, $t, $bad[4]), doc(@f, id => $bad[4], op => 'UPDATE', state => 'INTENT', targets => [ row_id(8) ], uuid => '0f0f0f0f-0000-4000-8000-ffffffffffff', count => 1));
	($uuid, $hash) = payload($t, "(8, 'eight')");
	write_file(doc_path($node, $t, $bad[5]), doc(@f, id => $bad[5], op => 'UPDATE', state => 'INTENT', targets => [ row_id(8) ], uuid => $uuid, hash => ('0' x 64), count => 1));
	write_file(doc_path($node, $t, $good), doc(@f, id => $good, op => 'DELETE', state => 'INTENT', targets => [ row_id(9) ]));
	my $txt = read_file(doc_path($node, $t, $bad[1]));
	is(recover($t), 'n_scanned=13 n_already_complete=6 n_tombstone_only_completed=1 total_targets_tombstoned=1 n_quarantined=6', "S8: six bad documents, the good one completed ($keys keys)");
	is(read_file(doc_path($node, $t, $bad[1])), $txt, "S8: a quarantined document is left as it is ($keys keys)");
	is(sql($node, "SELECT count(*) FROM supertable_wal('$t') WHERE problem IS NOT NULL"), 6, "S8: supertable_wal tells what is unreadable or has a bad payload ($keys keys)");
	unlink doc_path($node, $t, $_) for @bad;
	is(sql($node, "SELECT count(*) FROM $t"), 9, "nothing else changed ($keys keys)");
}

# S7
sql($node, "CREATE SERVER bare FOREIGN DATA WRAPPER supertable; CREATE FOREIGN TABLE nowhere (id int) SERVER bare OPTIONS (path 'x')");
my ($rc, $out, $err) = sql_err($node, "SELECT supertable_recover('nowhere')");
like($err, qr/55000: recovery requires storage; supertable "nowhere" has none attached/, 'S7: no storage attached');
($rc, $out, $err) = sql_err($node, "SELECT relation, problem FROM supertable_recover() WHERE problem IS NOT NULL");
like($out, qr/nowhere\|recovery requires storage/, 'a table that cannot be swept gives its row with problem');
like($err, qr/WARNING.*could not recover supertable "nowhere"/, '... and a WARNING');
sql($node, "DROP FOREIGN TABLE nowhere");

# L6: the mutation was applied, then a compaction merged its superfile away
sql($node, "CREATE FOREIGN TABLE c (id int, v text) SERVER lake OPTIONS (path 'c'); INSERT INTO c VALUES (1, 'one')");
my ($uuid, $hash) = payload('c', "(2, 'two')");
my $id = new_id();
my $text = doc(id => $id, op => 'INSERT', state => 'INTENT', uuid => $uuid, hash => $hash, count => 1);
write_file(doc_path($node, 'c', $id), $text);
recover('c');
my $log = lake_of($node) . '/c/_delta_log';
my $compacted = read_file("$log/00000000000000000001.json");
my ($add) = grep { /"add"/ } split /\n/, $compacted;
my $new = '0f0f0f0f-0000-4000-8000-c00000000000';
system('cp', lake_of($node) . "/c/seg-$uuid.parquet", lake_of($node) . "/c/seg-$new.parquet");
$add =~ s/$uuid/$new/; $add =~ s/"dataChange":true/"dataChange":false/;
write_file("$log/00000000000000000002.json", qq({"commitInfo":{"inCommitTimestamp":9999999999999,"operation":"OPTIMIZE"}}\n{"remove":{"path":"seg-$uuid.parquet","deletionTimestamp":1,"dataChange":false}}\n$add\n));
write_file(doc_path($node, 'c', $id), $text);
like(recover('c'), qr/n_full_pipeline_completed=1/, 'L6: the document alone had gone back to INTENT');
is(sql($node, 'SELECT count(*) FROM c WHERE id = 2'), 1, 'L6: it was not appended again');

# a payload with a null where the table has none
sql($node, "CREATE FOREIGN TABLE nn (id int NOT NULL, v text) SERVER lake OPTIONS (path 'nn'); INSERT INTO nn VALUES (1, 'one')");
($uuid, $hash) = payload('nn', "(2, 'two'), (NULL, 'null')");
$id = new_id();
write_file(doc_path($node, 'nn', $id), doc(id => $id, op => 'INSERT', state => 'INTENT', uuid => $uuid, hash => $hash, count => 2));
($uuid, $hash) = payload('nn', "(3, 'three')");
$id = new_id();
write_file(doc_path($node, 'nn', $id), doc(id => $id, op => 'INSERT', state => 'INTENT', uuid => $uuid, hash => $hash, count => 1));
like(recover('nn'), qr/n_full_pipeline_completed=1 .*n_quarantined=1/, 'a null in a NOT NULL column: quarantined, and the others completed');
is(sql($node, "SELECT count(*), count(id) FROM nn"), '2|2', '... and no null is there');

# L3: a mutation rolled back by its client is not applied later
($rc, $out, $err) = sql_err($node, "BEGIN; CREATE TABLE IF NOT EXISTS heap (i int); INSERT INTO c VALUES (50, 'x'); SELECT 1/0; COMMIT");
recover('c');
is(sql($node, 'SELECT count(*) FROM c WHERE id = 50'), 0, 'L3: what failed does not come back');

# refusals
($rc, $out, $err) = sql_err($node, "BEGIN; INSERT INTO c VALUES (60, 'x'); SELECT supertable_recover('c');");
like($err, qr/25001/, 'refused in a transaction that has changed a supertable');
($rc, $out, $err) = sql_err($node, "BEGIN READ ONLY; SELECT supertable_recover('c');");
like($err, qr/25006/, 'refused when read only');
($rc, $out, $err) = sql_err($node, "SELECT supertable_recover('c', in_doubt => 'abort')");
like($err, qr/22023/, 'in_doubt needs a coordinator');
sql($node, 'CREATE ROLE other LOGIN');
($rc, $out, $err) = sql_err($node, "SET ROLE other; SELECT supertable_recover('c')");
like($err, qr/42501/, 'L36: only the owner');

# a dry run changes nothing
$id = new_id();
write_file(doc_path($node, 'c', $id), doc(id => $id, op => 'DELETE', state => 'INTENT', targets => [ row_id(0) ]));
$text = read_file(doc_path($node, 'c', $id));
like(recover('c', ', dry_run => true'), qr/n_tombstone_only_completed=1 total_targets_tombstoned=1/, 'a dry run counts');
is(read_file(doc_path($node, 'c', $id)), $text, '... and changes nothing');
is(sql($node, 'SELECT count(*) FROM c'), 2, '... nothing at all');
like(recover('c'), qr/n_tombstone_only_completed=1 total_targets_tombstoned=1/, 'then it is done');

done_testing();
