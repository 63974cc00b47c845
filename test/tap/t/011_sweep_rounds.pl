# How long a sweep takes in round trips, counted by test/modules/store_count
# with the 32 connections of the network drivers: the sequential depth grows
# with documents, never with rows.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;
use Digest::SHA qw(sha256_hex);

my $node = new_node('rounds');
my $lake = lake_of($node);
my $log = "$lake-rounds.log";
sql($node, "CREATE FUNCTION store_count_rounds() RETURNS bigint AS '\$libdir/supertable_store_count', 'store_count_rounds' LANGUAGE C;
	CREATE SERVER far FOREIGN DATA WRAPPER supertable OPTIONS (url 'count:file://$lake');
	CREATE TABLE heap (i int);
	-- the first write of all proves the store
	CREATE FOREIGN TABLE first (id int) SERVER far OPTIONS (path 'first'); INSERT INTO first VALUES (1)");

# Rows of a payload: a superfile of another table of the same columns.
sub payload_source
{
	my ($name, $first, $n) = @_;
	sql($node, "CREATE FOREIGN TABLE $name (id int, v text) SERVER lake OPTIONS (path '$name'); INSERT INTO $name SELECT i, 'asked' FROM generate_series($first, $first + $n - 1) i");
	my ($file) = glob "$lake/$name/seg-*.parquet";
	return read_file($file);
}

sub request
{
	my ($t, $no, $op, $rows, $bytes, $count) = @_;
	my $id = sprintf '%032x', $no;
	my $uuid = sprintf '0f0f0f0f-0000-4000-8000-%012x', $no;
	my @ids = map { sprintf '%032x', $_ } @$rows;
	write_file("$lake/$t/seg-$uuid.parquet", $bytes) if defined $bytes;
	write_file(doc_path($node, $t, $id), sprintf('{"wal_id":"%s","schema_version":1,"op_kind":"%s","state":"INTENT","created_at":"2026-01-01T00:00:00Z","lease":null,"predicate_repr":"","target_ids":[%s],"new_row_count":%s,"new_row_content_hash":%s,"preallocated_superfile_id":%s,"minted_id_spans":null,"tombstone_progress":[%s]}',
		$id, $op, join(',', map { qq("$_") } @ids), defined $bytes ? ($count, '"' . sha256_hex($bytes) . '"', qq("$uuid")) : qw(null null null),
		join(',', map { qq({"target_id":"$_","outcome":"PENDING","tombstoned_in_superfile":null}) } @ids)));
}

# n documents to be carried out on a table of 8 superfiles of 1,000 rows, each
# with `rows` rows: of six one is a request to delete, one to update, one to
# insert; one is an INSERT, one an UPDATE and one a DELETE of this database,
# committed and not published; but of each tenth the commit is taken back.
sub unfinished
{
	my ($t, $n, $rows) = @_;
	my $away = 0;
	my $script = "SET store_fault.action = 'fail'; SET store_fault.ops = 'write'; SET store_fault.repeat = 1000000;\n";
	sql($node, "CREATE FOREIGN TABLE $t (id int, v text) SERVER lake OPTIONS (path '$t'); CREATE FOREIGN TABLE far_$t (id int, v text) SERVER far OPTIONS (path '$t');"
		  . join('', map { "INSERT INTO $t SELECT i, 'row' FROM generate_series($_ * 1000, $_ * 1000 + 999) i;" } 0 .. 7));
	my $bytes = payload_source("p_$t", 100_000, $rows);
	for my $i (0 .. $n - 1)
	{
		# spread over the superfiles; the row ids are as the ids
		my ($first, $last) = map { ($i % 8) * 1000 + int($i / 8) * $rows + $_ } 0, $rows - 1;
		my $kind = (qw(delete update insert own_insert own_update own_delete))[ $i % 6 ];
		if ($kind !~ /own/)
		{
			request($t, 0x1000 + $i, uc $kind, $kind eq 'insert' ? [] : [ $first .. $last ], $kind eq 'delete' ? () : ($bytes, $rows));
			next;
		}
		my ($write, $sql) = @{ {
			# the first write after the commit record fails: superfile, document and PREPARED come before
			own_insert => [ 3, "INSERT INTO $t SELECT i, 'own' FROM generate_series(200000, 200000 + $rows - 1) i" ],
			own_update => [ 4, "UPDATE $t SET v = 'own' WHERE id BETWEEN $first AND $last" ],
			own_delete => [ 3, "DELETE FROM $t WHERE id BETWEEN $first AND $last" ] }->{$kind} };
		# the next writer would publish it, if it saw the witness
		$script .= "SET store_fault.at = $write; BEGIN; INSERT INTO heap VALUES ($i); $sql; COMMIT; SET store_fault.at = 0;\n"
		  . ($away++ % 10 == 9 ? "DELETE FROM supertable_internal.witness WHERE root NOT LIKE 'away %';\n" : "UPDATE supertable_internal.witness SET root = 'away ' || root WHERE root NOT LIKE 'away %';\n");
	}
	my ($rc, undef, $err) = sql_err($node, $script);
	is($rc, 0, "$n documents of $rows rows each are made") or diag($err);
	is(sql($node, "SELECT count(*) FROM supertable_internal.witness WHERE root LIKE 'away %'"), $away - int($away / 10), '... those of our own owed');
	sql($node, "UPDATE supertable_internal.witness SET root = substr(root, 6) WHERE root LIKE 'away %'");
	return $away;
}

sub sweep
{
	my ($t) = @_;
	unlink $log;
	return split /\|/, sql($node, "LOAD 'supertable'; SET store_count.log = '$log'; SELECT n_scanned, n_full_pipeline_completed + n_tombstone_only_completed, n_rolled_back, n_scanned - n_full_pipeline_completed - n_tombstone_only_completed - n_rolled_back, store_count_rounds() FROM supertable_recover('far_$t')");
}

my %rounds;
for my $case ([ 'few', 24, 1 ], [ 'many', 100, 1 ], [ 'rows', 100, 40 ])
{
	my ($t, $n, $rows) = @$case;
	my $away = unfinished($t, $n, $rows);
	my @got = sweep($t);
	my $taken_back = int($away / 10);
	is("@got[0 .. 3]", "$n " . ($n - $taken_back) . " $taken_back 0", "all of $n documents are completed, $taken_back of them rolled back");
	$rounds{$t} = $got[4];
	my %depth;
	$depth{ (split / /)[5] }{ (split / /)[1] . ' ' . ((split / /)[2] =~ s{^\w+/}{}r =~ s{[\w-]{16,}.*}{}r) }++ for split /\n/, read_file($log);
	for my $r (sort { $a <=> $b } keys %depth)
	{
		note("round $r: " . join ', ', map { "$depth{$r}{$_} $_" } sort keys %{ $depth{$r} });
	}
	is(sql($node, "SELECT count(*) FROM supertable_wal('$t') WHERE state <> 'COMPLETE' OR problem IS NOT NULL"), 0, '... and say so');
	is((sweep($t))[0], $n, 'a second sweep looks at them again');
}
cmp_ok($rounds{many}, '<=', 40, "a sweep over 100 documents takes $rounds{many} round trips, 24 take $rounds{few}");
cmp_ok($rounds{rows}, '<=', $rounds{many} + 1, "with 40 rows each it takes $rounds{rows}");

$node->stop;
done_testing();
