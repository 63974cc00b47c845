# What users and others do outside of the plain path: L35 (errors and time
# limits), L51 (documents are not read to open a table), L55 (features of the
# format that are not known, or not used).
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('outside');
my $lake = lake_of($node);
sql($node, "CREATE FOREIGN TABLE t (id int, v text) SERVER lake OPTIONS (path 't'); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 100) i; CREATE ROLE nobody LOGIN");

# ---- L35: what a user can cause has a code of its own, and ends ----

my %mistakes = (
	'an unknown scheme' => "CREATE SERVER x FOREIGN DATA WRAPPER supertable OPTIONS (url 'gopher://x')",
	'a relative directory' => "CREATE SERVER x FOREIGN DATA WRAPPER supertable OPTIONS (url 'file://lake'); CREATE FOREIGN TABLE xt (i int) SERVER x OPTIONS (path 'x'); INSERT INTO xt VALUES (1)",
	'an unknown option' => "CREATE SERVER x FOREIGN DATA WRAPPER supertable OPTIONS (url 'file:///tmp', ulr 'x')",
	'a missing directory' => "CREATE SERVER x FOREIGN DATA WRAPPER supertable OPTIONS (url 'file:///nonexistent/lake'); CREATE FOREIGN TABLE xt (i int) SERVER x OPTIONS (path 'x'); INSERT INTO xt VALUES (1)",
	'no path' => 'CREATE FOREIGN TABLE xt (i int) SERVER lake',
	'a path that leads out' => "CREATE FOREIGN TABLE xt (i int) SERVER lake OPTIONS (path '../x'); SELECT * FROM xt",
	'a type that cannot be kept' => "CREATE FOREIGN TABLE xt (i inet) SERVER lake OPTIONS (path 'x'); INSERT INTO xt VALUES ('::1')",
	'another type than stored' => "CREATE FOREIGN TABLE xt (id text) SERVER lake OPTIONS (path 't'); SELECT * FROM xt",
	'an infinite timestamp' => "CREATE FOREIGN TABLE xt (i timestamp) SERVER lake OPTIONS (path 'x'); INSERT INTO xt VALUES ('infinity')",
	'ON CONFLICT' => "INSERT INTO t VALUES (1, 'x') ON CONFLICT DO NOTHING",
	'FOR UPDATE' => 'SELECT * FROM t FOR UPDATE',
	'PREPARE TRANSACTION' => "BEGIN; INSERT INTO t VALUES (1, 'x'); PREPARE TRANSACTION 'x'",
	'no owner' => "SET ROLE nobody; SELECT supertable_recover('t')",
	'no server' => "SELECT supertable_storage_probe('none')",
	'no supertable' => "SELECT supertable_files('pg_class')",
	'a grace too short' => "GRANT ALL ON t TO nobody; ALTER FOREIGN TABLE t OWNER TO nobody; SET ROLE nobody; SELECT supertable_gc('t', grace => '1 second')");
for my $what (sort keys %mistakes)
{
	my ($rc, $out, $err) = sql_err($node, "BEGIN;\n$mistakes{$what};\nROLLBACK");
	my ($code) = $err =~ /ERROR:\s+(\w{5}):/;
	isnt($rc, 0, "L35: $what is an error");
	isnt($code // 'none', 'XX000', "L35: ... with a code of its own, " . ($code // 'none'));
}
is(sql($node, "SELECT string_agg(name, ' ') FROM pg_settings WHERE name LIKE 'supertable.%' AND name ~ 'secret|password|key|token'"), '', 'L35: no setting holds a secret');
my $t0 = time;
my ($rc, $out, $err) = sql_err($node, "SET supertable.http_timeout = '300ms'; SET supertable.retry_deadline = '600ms'; SET store_fault.ops = 'all'; SET store_fault.action = 'silent'; SET store_fault.at = 1; SET store_fault.repeat = 100000; SELECT count(*) FROM t");
like($err, qr/ERROR:\s+(58030|08006)/, 'L35: a storage that is silent is an error');
cmp_ok(time - $t0, '<', 60, '... in time');

# ---- L51: unfinished documents cost a reader and a writer nothing ----

sub document
{
	my ($id, $state) = @_;
	my $target = sprintf '%032x', 99999;
	return qq({"wal_id":"$id","schema_version":1,"op_kind":"DELETE","state":"$state","created_at":"2026-01-01T00:00:00Z","lease":null,"predicate_repr":"x","target_ids":["$target"],"new_row_count":null,"new_row_content_hash":null,"preallocated_superfile_id":null,"minted_id_spans":null,"tombstone_progress":[{"target_id":"$target","outcome":"PENDING","tombstoned_in_superfile":null}]});
}
for my $i (1 .. 300)
{
	my $id = sprintf '%032x', $i;
	write_file(doc_path($node, 't', $id), document($id, 'INTENT'));
}
my $log = "$lake-ops.log";
sql($node, "SET store_fault.ops = 'all'; SET store_fault.log = '$log'; SELECT count(*) FROM t; INSERT INTO t VALUES (1000, 'new'); UPDATE t SET v = 'x' WHERE id = 1; SELECT count(*) FROM t");
my @ops = split /\n/, read_file($log);
cmp_ok(scalar @ops, '>', 5, 'L51: operations are seen');
is(scalar(grep { /_supertable\/wal/ } @ops), 0, 'L51: a reader and a one-phase writer open no document, 300 of them unfinished');
unlink $log;
my $rest = sql($node, "SET store_fault.ops = 'all'; SET store_fault.log = '$log'; SELECT n_scanned, n_tombstone_only_completed FROM supertable_recover('t')");
is($rest, '300|300', 'L51: a sweep completes them');
my ($gets, $puts) = map { my $op = $_; scalar grep { /$op/ && /_supertable\/wal/ } split /\n/, read_file($log) } qw(GET PUT);
cmp_ok($gets, '<=', 300, "L51: ... and reads each once: $gets GETs");
is($puts, 300, 'L51: ... and writes each once');
unlink $log;
sql($node, "SET store_fault.ops = 'all'; SET store_fault.log = '$log'; SELECT count(*) FROM t; INSERT INTO t VALUES (1001, 'new')");
is(scalar(grep { /_supertable\/wal/ } split /\n/, read_file($log)), 0, 'L51: nor are finished ones read again');

# ---- L55: tables of others ----

my $schema = '{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"integer\",\"nullable\":true,\"metadata\":{}},{\"name\":\"v\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}}]}';
my ($file) = glob "$lake/t/seg-*.parquet";
my $size = -s $file;
my $n_rows = sql($node, "SELECT n_rows FROM supertable_files('t') WHERE path = '" . ($file =~ s{.*/}{}r) . "'");

sub foreign_table
{
	my ($name, $protocol, $add) = @_;
	system('mkdir', '-p', "$lake/$name/_delta_log") == 0 && system('cp', $file, "$lake/$name/part-0.parquet") == 0 or die;
	write_file("$lake/$name/_delta_log/00000000000000000000.json", qq({"commitInfo":{"operation":"WRITE"}}\n{"protocol":$protocol}\n)
		. qq({"metaData":{"id":"11111111-0000-4000-8000-000000000000","format":{"provider":"parquet","options":{}},"schemaString":"$schema","partitionColumns":[],"configuration":{}}}\n)
		. qq({"add":{"path":"part-0.parquet","partitionValues":{},"size":$size,"modificationTime":1,"dataChange":true$add}}\n));
	sql($node, "CREATE FOREIGN TABLE $name (id int, v text) SERVER lake OPTIONS (path '$name')");
}
foreign_table('unused', '{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors","timestampNtz"],"writerFeatures":["deletionVectors","timestampNtz"]}', '');
is(sql($node, 'SELECT count(*) FROM unused'), $n_rows, 'L55: features that no file uses hinder nobody');
foreign_table('future', '{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors","futureFeature"],"writerFeatures":["deletionVectors","futureFeature"]}', '');
($rc, $out, $err) = sql_err($node, 'SELECT count(*) FROM future');
like($err, qr/0A000.*futureFeature/s, 'L55: a reader feature that is not known is refused by its name');
my $both = '{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}';
foreign_table('elsewhere', $both, ',"deletionVector":{"storageType":"p","pathOrInlineDv":"file:///nonexistent/vector.bin","offset":1,"sizeInBytes":34,"cardinality":1}');
($rc, $out, $err) = sql_err($node, 'SELECT count(*) FROM elsewhere');
isnt($rc, 0, 'L55: a vector that cannot be read is an error, not no vector');
foreign_table('strange', $both, ',"deletionVector":{"storageType":"x","pathOrInlineDv":"abcde","sizeInBytes":34,"cardinality":1}');
($rc, $out, $err) = sql_err($node, 'SELECT count(*) FROM strange');
isnt($rc, 0, 'L55: ... nor one of an unknown kind');
isnt(($err =~ /ERROR:\s+(\w{5}):/)[0], 'XX000', '... with a code of its own');
foreign_table('broken', $both, ',"deletionVector":{"storageType":"i","pathOrInlineDv":"wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L","sizeInBytes":40,"cardinality":7}');
($rc, $out, $err) = sql_err($node, 'SELECT count(*) FROM broken');
isnt($rc, 0, 'L55: ... nor one whose cardinality is not what is said');
done_testing();
