# L37: a store that does not do what tables on it need is refused at the first
# write, and nothing is written to it.  The stores are those of
# test/conformance/weakserver.py, each breaks another rule.  Covers L16 and
# L40 as well.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Supertable;
use Test::More;
use Time::HiRes qw(time);

my ($weak, $port) = start_server('weakserver.py');

my $node = new_node('probe', plain => 1);

sub store
{
	my ($bucket) = @_;
	sql($node, "CREATE SERVER $bucket FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://$bucket/lake', endpoint 'http://127.0.0.1:$port');
		CREATE FOREIGN TABLE $bucket (i int, v text) SERVER $bucket OPTIONS (path 't')");
}

# (requests, PUTs, objects but the probe's, most PUTs of one key at once)
sub seen
{
	my ($bucket) = @_;
	my $out = curl("http://127.0.0.1:$port/-/$bucket");
	return split / /, $out;
}

# a store as it should be
store('sound');
is(sql($node, 'SELECT count(*) FROM sound'), 0, 'reading needs no proof');
is((seen('sound'))[1], 0, 'G9: ... and writes nothing');
sql($node, "INSERT INTO sound VALUES (1, 'one')");
is(sql($node, 'SELECT v FROM sound'), 'one', 'a sound store takes writes');
my @s = seen('sound');
is($s[3], 16, 'L37: sixteen creates of one object, and sixteen replacements, were under way at once');
cmp_ok($s[1], '>=', 2 * 4 * 16, '... in four races each');
for my $how ('a new session', 'a crash of the server', 'a restart')
{
	if ($how =~ /crash/) { $node->stop('immediate'); $node->start; }
	if ($how =~ /restart/) { $node->stop; $node->start; }
	my $puts = (seen('sound'))[1];
	sql($node, "INSERT INTO sound VALUES (2, 'two')");
	is((seen('sound'))[1] - $puts, 2, "after $how it is known: a commit takes its two PUTs and no more");
}
my @proofs = glob $node->data_dir . '/supertable_stores/*';
is(scalar @proofs, 1, 'the proof is a file of the data directory');
like(read_file($proofs[0]), qr{^s3://sound\@127.0.0.1:\d+/lake\n$}, '... that names the store');
utime(time - 90000, time - 90000, @proofs);
my $puts = (seen('sound'))[1];
sql($node, "INSERT INTO sound VALUES (3, 'three')");
cmp_ok((seen('sound'))[1] - $puts, '>', 100, 'a day later it is tried again');

# one that tells etags with quotes, and knows them again only without
store('bare');
sql($node, "INSERT INTO bare SELECT i, 'x' FROM generate_series(1, 10) i");
my ($passed) = grep { read_file($_) =~ m{s3://bare} } glob $node->data_dir . '/supertable_stores/*';
like(read_file($passed), qr/\netags without quotes\n$/, 'etags without quotes are learnt by the probe, and kept with what it found');
for my $how ('in a session that looks at the file', 'in another', 'after the probe by hand')
{
	sql($node, q{SELECT supertable_storage_probe('bare')}) if $how =~ /hand/;
	sql($node, "SELECT 1; BEGIN; INSERT INTO bare VALUES (11, 'y'); UPDATE bare SET v = v || 'y' WHERE i <= 3; COMMIT");
}
is(sql($node, 'SELECT count(*), count(*) FILTER (WHERE v = $$xyyy$$) FROM bare'), '13|3', '... so that documents are replaced');
is(sql($node, q{SELECT count(*) FROM supertable_wal('bare') WHERE state <> 'COMPLETE'}), 0, '... each to its end');
is(sql($node, q{SELECT bool_and(ok) FROM supertable_storage_probe('bare')}), 't', '... and the store is as good as others');
unlike(read_file($proofs[0]), qr/quotes/, '... of which that is not said');

# those that break a rule
my @broken = ([ 'racecreate', qr/create-only: \d+ of 16 concurrent creates/ ], [ 'racematch', qr/etag-CAS: \d+ of 16 concurrent replacements/ ],
	[ 'nocreate', qr/create-only: 16 of 16/ ], [ 'nomatch', qr/etag-CAS: 16 of 16/ ],
	[ 'upsert', qr/etag-CAS: a replacement of a missing object was not refused/, 'L40: ' ],
	[ 'norange', qr/range: a range was not answered exactly/ ], [ 'allkeys', qr/list: /, 'L16: ' ], [ 'lacking', qr/create-only: none of 16/ ]);
for my $case (@broken)
{
	my ($bucket, $detail, $lesson) = @$case;
	$lesson //= '';
	store($bucket);
	my ($rc, $out, $err) = sql_err($node, "INSERT INTO $bucket VALUES (1, 'one')");
	like($err, $bucket =~ /norange|allkeys/ ? qr/ERROR:  08P01/ : qr/ERROR:  0A000/, "${lesson}L37: $bucket is refused");
	like($err, $detail, '... the detail says what is wrong');
	is((seen($bucket))[2], 0, '... and nothing was written but by the probe');
}
for my $what ("BEGIN; CREATE TABLE heap (i int); INSERT INTO racecreate VALUES (1, 'one'); COMMIT", "COPY racecreate FROM STDIN;\n1\tone\n\\.\n",
	"SET supertable.row_group_rows = 100; SET supertable.superfile_size = '1kB'; INSERT INTO racecreate SELECT i, 'x' FROM generate_series(1, 1000) i")
{
	my ($rc, $out, $err) = sql_err($node, $what);
	like($err, qr/0A000/, 'L37: also by ' . substr($what, 0, 30));
}
is((seen('racecreate'))[2], 0, '... and nothing was written');
is(sql($node, "SELECT count(*) FROM pg_class WHERE relname = 'heap'"), 0, '... nor committed');

# the result is kept for the session
my @asked = map {
	my $before = (seen('racematch'))[0];
	sql_err($node, "INSERT INTO racematch VALUES (1);\n" x $_, go_on => 1);
	(seen('racematch'))[0] - $before
} 1, 11;
cmp_ok($asked[0], '>', 100, 'a session finds out once');
cmp_ok($asked[1] - $asked[0], '<', 100, '... and is refused from then on without another race');

# a DELETE of one phase: its first PUT is its decision, and interrupts are held by then
sub forget_proofs { unlink glob $node->data_dir . '/supertable_stores/*'; }
forget_proofs();
@s = seen('sound');
sql($node, 'DELETE FROM sound WHERE i = 3');
cmp_ok((seen('sound'))[1] - $s[1], '>', 100, 'a DELETE whose first PUT is the deciding one is preceded by the probe');
sql($node, "ALTER SERVER racecreate OPTIONS (SET url 's3://sound/lake'); INSERT INTO racecreate VALUES (9, 'nine')");
is(sql($node, 'SELECT count(*) FROM racecreate WHERE i = 9'), 1, 'another url is another store');

# what is no verdict on the store is told as what it is
store('notmine');
my ($rc, $out, $err) = sql_err($node, "INSERT INTO notmine VALUES (1, 'one')");
like($err, qr/ERROR:  42501/, 'no right to try is no verdict');
store('nodelete');
sql($node, "INSERT INTO nodelete VALUES (1, 'one')");
is(sql($node, 'SELECT count(*) FROM nodelete'), 1, 'a writer needs no right to delete');
is(sql($node, q{SELECT string_agg(capability, ' ') FROM supertable_storage_probe('nodelete') WHERE NOT ok}), 'delete', '... though the probe says so');

store('folders');
sql($node, "INSERT INTO folders VALUES (1, 'one')");
is(sql($node, q{SELECT string_agg(capability, ' ') FROM supertable_storage_probe('folders') WHERE NOT ok}), 'list', 'nor one whose folders are shown more than once');

# a store that is busy for a while is tried again; one that stays so is not called wrong
store('flaky');
($rc, $out, $err) = sql_err($node, "SET supertable.retry_deadline = '30s'; INSERT INTO flaky VALUES (1, 'one')");
is($rc, 0, 'a store that is busy for a moment is tried again') or diag($err);
is(sql($node, 'SELECT count(*) FROM flaky'), 1, '... and takes the row');
store('busy');
(undef, undef, $err) = sql_err($node, "SET supertable.retry_deadline = '1s'; INSERT INTO busy VALUES (1, 'one')");
like($err, qr/ERROR:  58030/, 'a store that stays busy is an I/O error');

stop_server($weak);
done_testing();
