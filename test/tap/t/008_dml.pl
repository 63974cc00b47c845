# What a crash leaves of TRUNCATE and of new columns, settled by each of those
# who may: recovery with and without the document, the next writer, another
# cluster.  G1-G4.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_node('dml');
my $lake = lake_of($node);
my ($rc, $out, $err);

sub faults { my ($action, $at) = @_; return "SET store_fault.ops = 'write'; SET store_fault.action = '$action'; SET store_fault.at = $at;\n"; }
sub table { my ($t) = @_; sql($node, "CREATE FOREIGN TABLE $t (id int, v text) SERVER lake OPTIONS (path '$t'); INSERT INTO $t SELECT i, 'row' FROM generate_series(1, 10) i; INSERT INTO $t VALUES (11, 'row'); DELETE FROM $t WHERE id = 3"); }
sub dies { my ($script, $action, $at) = @_; (undef, undef, my $e) = sql_err($node, faults($action, $at) . $script); wait_up($node); return $e; }
sub wal { my ($t) = @_; return sql($node, "SELECT op_kind, state, n_targets, problem FROM supertable_wal('$t') WHERE state <> 'COMPLETE'"); }
sub documents { my ($t) = @_; return glob "$lake/$t/_supertable/wal/mutations/*.json"; }

# Its writes: the document, PREPARED, the version that removes, the document again.
table('owed');
dies('TRUNCATE owed', 'kill_before', 3);
is(wal('owed'), 'DELETE|INTENT|10|', 'a TRUNCATE that is owed is shown with the rows it takes');
sql($node, "INSERT INTO owed VALUES (12, 'later')");
is(sql($node, 'SELECT id FROM owed'), '12', 'the next writer publishes it before its own rows');

table('lone');
dies('TRUNCATE lone', 'kill_before', 3);
unlink documents('lone');
is(wal('lone'), 'DELETE|PREPARED|10|the state document is missing', 'its PREPARED alone says all of it');
is(sql($node, "SELECT n_tombstone_only_completed, total_targets_tombstoned, n_quarantined FROM supertable_recover('lone')"), '1|10|0', '... and is enough to publish');
is(sql($node, 'SELECT count(*) FROM lone'), '0', '... whole');

table('undecided');
dies('TRUNCATE undecided', 'kill_after', 2);
sql($node, "UPDATE undecided SET v = 'changed' WHERE id = 1");
is(sql($node, "SELECT count(*), count(*) FILTER (WHERE v = 'changed') FROM undecided"), '10|1', 'the next writer rolls an undecided one back, then changes a row of it');
dies("BEGIN; DELETE FROM undecided WHERE id = 2; COMMIT", 'kill_after', 2);
sql($node, 'TRUNCATE undecided');
is(sql($node, 'SELECT count(*) FROM undecided'), '0', 'and TRUNCATE an undecided change');

# New columns come with their rows.  Writes: superfile, document, PREPARED, the version, the document again.
my $new = 'SET client_min_messages = warning; BEGIN; INSERT INTO %s VALUES (20, \'new\', \'2026-01-01\'); COMMIT';
sub wide { my ($t) = @_; table($t); sql($node, "ALTER FOREIGN TABLE $t ADD COLUMN at timestamp; CREATE FOREIGN TABLE ${t}_n (id int, v text) SERVER lake OPTIONS (path '$t')"); }
sub stored { my ($t) = @_; my $all = ''; $all .= join("\n", grep { /^\{"(metaData|protocol)/ } split /\n/, read_file($_)) for glob "$lake/$t/_delta_log/*.json"; return ($all =~ /\\"name\\":\\"at\\"/ ? 1 : 0) . '|' . ($all =~ /timestampNtz/ ? 1 : 0); }

wide('owes');
dies(sprintf($new, 'owes'), 'kill_before', 4);
is(stored('owes'), '0|0', 'a new column that is owed is not in the schema yet');
is(sql($node, "SELECT op_kind, state, n_targets, n_new_rows FROM supertable_wal('owes') WHERE state <> 'COMPLETE'"), 'INSERT|INTENT|0|1', '... an INSERT like any other');
sql($node, "INSERT INTO owes_n VALUES (21, 'data')");
is(stored('owes'), '1|1', 'the next writer publishes it, with the feature its type needs');
is(sql($node, "SELECT count(*), count(at), max(at) FROM owes"), '12|1|2026-01-01 00:00:00', '... and its rows');

wide('owes2');
dies(sprintf($new, 'owes2'), 'kill_after', 4);
is(sql($node, "SELECT n_full_pipeline_completed FROM supertable_recover('owes2')"), '1', 'recovery completes one that was published');
is(sql($node, 'SELECT count(*), count(at) FROM owes2'), '11|1', '... once');

wide('undone');
dies(sprintf($new, 'undone'), 'kill_after', 3);
is(sql($node, "SELECT count(*) FROM supertable_wal('undone') WHERE state <> 'COMPLETE'"), '1', 'an undecided one has its PREPARED');
sql($node, "INSERT INTO undone_n VALUES (21, 'data'); DELETE FROM undone_n WHERE id = 1");
sql($node, "CREATE FOREIGN TABLE undone_o (id int, v text, at text) SERVER lake OPTIONS (path 'undone'); INSERT INTO undone_o VALUES (22, 'other', 'text')");
is(sql($node, 'SELECT count(*), count(at), max(at) FROM undone_o'), '11|1|text', 'it holds up no data, and the next schema change settles it');
is(sql($node, "SELECT count(*) FROM supertable_wal('undone') WHERE state <> 'COMPLETE'"), '0', '... for good');

wide('fenced');
dies(sprintf($new, 'fenced'), 'kill_after', 2);
my $versions = () = glob "$lake/fenced/_delta_log/*.json";
is(sql($node, "SELECT n_rolled_back FROM supertable_recover('fenced')"), '1', 'one whose PREPARED may still land is rolled back');
my $fenced = () = glob "$lake/fenced/_delta_log/*.json";
is($fenced, $versions + 1, '... with a version that takes its slot');

# An owner elsewhere, of whom nothing is known here.
table('elsewhere');
dies('TRUNCATE elsewhere', 'kill_after', 2);
sql($node, "INSERT INTO elsewhere VALUES (12, 'later')");
$node->append_conf('postgresql.conf', "supertable.cluster_id = 'other'");
$node->reload;
usleep(300_000);
for my $q ("UPDATE elsewhere SET v = 'x' WHERE id = 1", 'DELETE FROM elsewhere WHERE id = 11', 'TRUNCATE elsewhere')
{
	($rc, $out, $err) = sql_err($node, $q);
	like($err, qr/40001.*undecided transaction.*The row is held by mutation/s, "held by an undecided TRUNCATE of another cluster: $q");
}
($rc, $out, $err) = sql_err($node, "UPDATE elsewhere SET v = 'mine' WHERE id = 12; INSERT INTO elsewhere VALUES (13, 'mine')");
is($rc, 0, 'rows that came after the version it saw are not held');
my $wal_id = sprintf '%032x', 0x7000;
write_file(doc_path($node, 'elsewhere', $wal_id), sprintf('{"wal_id":"%s","schema_version":1,"op_kind":"DELETE","state":"INTENT","created_at":"2026-01-01T00:00:00Z","lease":null,"predicate_repr":"","target_ids":["%032x"],"new_row_count":null,"new_row_content_hash":null,"preallocated_superfile_id":null,"minted_id_spans":null,"tombstone_progress":[{"target_id":"%032x","outcome":"PENDING","tombstoned_in_superfile":null}]}', $wal_id, 0, 0));
is(sql($node, "SELECT n_held_by_peer, n_in_doubt FROM supertable_recover('elsewhere')"), '1|1', 'a request for a row of it waits');
my $coordinator = sql($node, "SELECT coordinator FROM supertable_wal('elsewhere') WHERE state = 'INTENT' AND coordinator IS NOT NULL");
is(sql($node, "SELECT n_tombstone_only_completed, total_targets_tombstoned, total_targets_not_found FROM supertable_recover('elsewhere', in_doubt => 'commit', coordinator => '$coordinator')"),
	'2|10|1', 'a person decides that it was committed, and the request finds its row gone');
wide('away');
$node->append_conf('postgresql.conf', "supertable.cluster_id = 'third'");
dies(sprintf($new, 'away'), 'kill_after', 3);
$node->append_conf('postgresql.conf', "supertable.cluster_id = 'fourth'");
$node->reload;
usleep(300_000);
($rc, $out, $err) = sql_err($node, "SET client_min_messages = warning; INSERT INTO away VALUES (30, 'x', NULL)");
like($err, qr/40001.*could not add columns.*not decided yet.*supertable_recover/s, 'a schema change meets an undecided one of another cluster');
is(sql($node, "INSERT INTO away_n VALUES (31, 'data'); UPDATE away_n SET v = 'data' WHERE id = 1; SELECT count(*) FROM away_n"), '11', '... and data does not');
is(sql($node, 'SELECT id, v FROM elsewhere ORDER BY id'), "12|mine\n13|mine", 'what came later is there');
is(sql($node, "SELECT operation, n_rows_added, n_rows_deleted FROM supertable_history('elsewhere') WHERE wal_id IS NOT NULL AND n_rows_deleted > 1"), 'TRUNCATE|0|10',
	'... and the history has the TRUNCATE');

# the other way: it is given up, whoever comes for it later
($coordinator) = sql($node, "SELECT coordinator FROM supertable_wal('away') WHERE state <> 'COMPLETE'");
my $doubtful = sql($node, "SELECT wal_id FROM supertable_wal('away') WHERE state <> 'COMPLETE'");
($rc, $out, $err) = sql_err($node, "SELECT supertable_recover('away', in_doubt => 'abort', coordinator => 'another/1/x')");
is(sql($node, "SELECT count(*) FROM supertable_wal('away') WHERE state <> 'COMPLETE'"), '1', 'what is said of another coordinator changes nothing');
is(sql($node, "SELECT n_rolled_back, n_in_doubt FROM supertable_recover('away', in_doubt => 'abort', coordinator => '$coordinator')"), '1|0', 'a person decides that it was not committed');
is(sql($node, "SELECT wal_id, operation, n_rows_added, n_rows_deleted FROM supertable_history('away') WHERE operation = 'ABORT'"), "$doubtful|ABORT|0|0", '... which the history tells');
is(sql($node, "SELECT count(*), count(*) FILTER (WHERE v = 'data') FROM away_n"), '11|2', '... nothing of it is there');
is(sql($node, "SET client_min_messages = warning; INSERT INTO away VALUES (30, 'x', NULL); SELECT count(*) FROM away"), '12', '... and nothing waits for it any more');
$node->append_conf('postgresql.conf', "supertable.cluster_id = 'third'");
$node->reload;
usleep(300_000);
is(sql($node, "SELECT n_full_pipeline_completed + n_tombstone_only_completed FROM supertable_recover('away')"), '0', 'its owner, back again, does not bring it back');
is(sql($node, 'SELECT count(*) FROM away_n'), '12', '... though it may have a witness');

done_testing();
