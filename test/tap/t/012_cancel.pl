# L33, L34, L57: a session that waits on a store of the network, in whatever
# state, ends within half a second when it is told to, and leaves no
# descriptor and no memory behind, however often.  With STBL_LONG a thousand
# times in each state.  The store is test/conformance/weakserver.py, which can
# be told which requests not to answer.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Supertable;
use Test::More;
use Time::HiRes qw(time usleep);

my ($warm_up, $times) = $ENV{STBL_LONG} ? (300, 1000) : (10, 15);
my ($weak, $port) = start_server('weakserver.py');

my $node = new_node('cancel', plain => 1, conf => "supertable.cache_size = 0\n");
sql($node, "CREATE SERVER store FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://sound', endpoint 'http://127.0.0.1:$port');
	CREATE FOREIGN TABLE t (i int, v text) SERVER store OPTIONS (path 't');
	CREATE TABLE heap (i int);
	INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 1000) i;
	CREATE FUNCTION own(OUT fds bigint, OUT anon bigint) LANGUAGE sql AS \$\$
		SELECT (SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/fd')),
			substring(pg_read_file('/proc/' || pg_backend_pid() || '/status') FROM 'RssAnon:\\s+(\\d+)')::bigint \$\$");

sub rule { curl('-X', 'PUT', '--data-binary', $_[0], "http://127.0.0.1:$port/-/sound"); }
sub uploads { return curl("http://127.0.0.1:$port/-/sound?uploads"); }
sub held { return split / /, curl("http://127.0.0.1:$port/-/sound?held"); }

# The statement that waits, by the requests that are not answered.  A state has
# what is done before each statement, if anything.
my $warm = 'SELECT count(*) FROM t;';
my @states = (
	[ 'GET of a version', 'hang GET _delta_log/.*json', $warm ],
	[ 'GET of a range', 'hang GET seg-', 'SELECT sum(length(v)) FROM t;' ],
	[ 'LIST', 'hang GET list-type', q{SELECT supertable_gc('t', dry_run => true);} ],
	[ 'PUT of a superfile', 'hang PUT seg-', "INSERT INTO t VALUES (1, 'x');" ],
	[ 'PUT of a document', 'hang PUT _supertable/wal', "BEGIN; INSERT INTO heap VALUES (1); INSERT INTO t VALUES (1, 'x'); COMMIT;" ],
	[ 'PUT of PREPARED', 'hang PUT _delta_log/', "BEGIN; INSERT INTO heap VALUES (1); UPDATE t SET v = 'y' WHERE i = 1; COMMIT;" ],
	[ 'CAS of a document', 'hang CAS _supertable/wal', q{SELECT supertable_recover('t');} ],
	[ 'DELETE by gc', 'hang DELETE orphan', q{SELECT supertable_gc('t', grace => '0', retention => '1 day');} ],
	[ 'the probe', 'hang PUT _supertable_probe', q{SELECT supertable_storage_probe('store');} ],
	[ 'a pause before another try', 'busy GET _delta_log/.*json', $warm ],
	[ 'a pause that the store asks for', 'later GET _delta_log/.*json', $warm ],
);
curl('-X', 'PUT', '--data-binary', 'orphan', "http://127.0.0.1:$port/sound/t/seg-orphan.parquet");
my $id = sprintf '%032x', 0x7000;
curl('-X', 'PUT', '--data-binary', sprintf('{"wal_id":"%s","schema_version":1,"op_kind":"DELETE","state":"INTENT","created_at":"2026-01-01T00:00:00Z","lease":null,"predicate_repr":"","target_ids":["%032x"],"new_row_count":null,"new_row_content_hash":null,"preallocated_superfile_id":null,"minted_id_spans":null,"tombstone_progress":[{"target_id":"%032x","outcome":"PENDING","tombstoned_in_superfile":null}]}', $id, 0, 0),
	"http://127.0.0.1:$port/sound/t/_supertable/wal/mutations/$id.json");

# How long each statement took that came to its timeout, in ms.
my $timeout = 100;
sub took { return grep { $_ >= $timeout } map { /^Time: ([\d.]+) ms/ ? $1 : () } split /\n/, $_[0]; }

for my $state (@states)
{
	my ($name, $rule, $statement) = @$state;
	(my $quiet = $statement) =~ s/;\s*(?=\S)/\\; /g;
	rule($rule);
	my $once = "$quiet\nROLLBACK;\n";
	my $look = "SET statement_timeout = 0; SELECT 'own', * FROM own(); SET statement_timeout = '${timeout}ms';\n";
	my $many = "\\timing on\n" . ($once x $times) . "\\timing off\n$look";
	my ($rc, $out, $err) = sql_err($node, "SET client_min_messages = error; SET supertable.retry_deadline = '100s'; SET supertable.http_timeout = '50s'; SET statement_timeout = '${timeout}ms';
		" . ($once x $warm_up) . "$look$many$many", go_on => 1);
	my @cancelled = $err =~ /57014/g;
	is(scalar @cancelled, 2 * $times + $warm_up, "L34: $name: each is cancelled") or diag(substr($err, 0, 600));
	my @ms = sort { $a <=> $b } took($out);
	my $late = $ms[ int(@ms * 0.95) - 1 ];
	cmp_ok($late, '<', $timeout + 500, sprintf('... within 0.5 s (the slowest %.0f ms)', $ms[-1]));
	my @own = $out =~ /^own\|(\d+)\|(\d+)/mg;
	# Sixteen connections and 32 handles are kept, with buffers that fill once, at any time; a leak
	# grows in both halves, and in the long run one of one kB each time shows.
	my ($first, $second) = ($own[3] - $own[1], $own[5] - $own[3]);
	cmp_ok($own[4], '<=', $own[0] + 16, "L33: ... and no descriptor is left ($own[0], then $own[4])");
	cmp_ok($first < $second ? $first : $second, '<', $ENV{STBL_LONG} ? 1024 : 8192, "... and no memory: $first kB after $times, $second kB after as many more");
	my ($held) = held();
	cmp_ok($held, '>', 0, "... it did wait there");
	rule('');
}

# An upload in parts, of a superfile of 66 MB that nothing compresses: what was begun is taken back.
{
	my $n = $ENV{STBL_LONG} ? 1000 : 6;
	sql($node, "CREATE TABLE source (i int, v bytea);
		INSERT INTO source SELECT i, (SELECT string_agg(decode(md5(i || '-' || j), 'hex'), NULL) FROM generate_series(1, 65536) j) FROM generate_series(1, 66) i;
		CREATE FOREIGN TABLE parts (i int, v bytea) SERVER store OPTIONS (path 'parts');
		INSERT INTO parts SELECT 0, v FROM source");
	my $digest = 'SELECT count(*), sum(length(v)), md5(string_agg(md5(v), NULL ORDER BY v)) FROM';
	is(sql($node, "$digest parts"), sql($node, "$digest source"), 'an upload in parts');
	is(uploads(), 0, '... which is ended');
	rule('hang PUT partNumber');
	my $once = "INSERT INTO parts SELECT * FROM source;\n";
	my (undef, $out, $err) = sql_err($node, "SET client_min_messages = error; SET supertable.retry_deadline = '100s'; SET supertable.http_timeout = '50s'; SET statement_timeout = '2s';
		" . ($once x 3) . "SET statement_timeout = 0; SELECT 'own', * FROM own(); SET statement_timeout = '2s';\n\\timing on\n" . ($once x $n)
		. "\\timing off\nSET statement_timeout = 0; SELECT 'own', * FROM own()", go_on => 1);
	my @cancelled = $err =~ /57014/g;
	is(scalar @cancelled, $n + 3, 'L34: PUT of a part: each is cancelled') or diag(substr($err, 0, 600));
	my @ms = sort { $a <=> $b } grep { $_ >= 2000 } map { /^Time: ([\d.]+) ms/ ? $1 : () } split /\n/, $out;
	my $late = $ms[ int(@ms * 0.95) - 1 ];
	cmp_ok($late, '<', 2500, sprintf('... within 0.5 s (the slowest %.0f ms)', $ms[-1]));
	my @own = $out =~ /^own\|(\d+)\|(\d+)/mg;
	cmp_ok($own[2], '<=', $own[0] + 16, "L33: ... and no descriptor is left ($own[0], then $own[2])");
	cmp_ok($own[3] - $own[1], '<', 8192, '... and no memory: ' . ($own[3] - $own[1]) . " kB after $n");
	cmp_ok((held())[0], '>=', $n, '... they did wait there');
	for (1 .. 100) { last if uploads() == 0; usleep(20_000); }
	is(uploads(), 0, 'L33: ... and no upload is left behind');
	rule('');
	is(sql($node, 'SELECT count(*) FROM parts'), 66, '... and no row');
}

# The other two ways, once or often.
sub waiting
{
	my ($statement) = @_;
	my ($out, $err) = ('', '');
	my $h = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', '\set VERBOSITY verbose',
			'-c', "SET client_min_messages = error; SET application_name = 'waits'", '-c', $statement ], '>', \$out, '2>', \$err);
	my $pid = '';
	for (1 .. 400)
	{
		my ($held, $now) = held();
		$pid = sql($node, q{SELECT pid FROM pg_stat_activity WHERE application_name = 'waits'});
		last if $pid && $now > 0;
		usleep(20_000);
	}
	return ($h, $pid, \$err);
}
for my $state (grep { $_->[1] =~ /^hang/ } @states)
{
	my ($name, $rule, $statement) = @$state;
	for my $how ([ 'pg_cancel_backend', qr/57014/ ], [ 'pg_terminate_backend', qr/57P01|server closed|terminat/ ])
	{
		rule($rule);
		my ($h, $pid, $err) = waiting($statement);
		my $t0 = time;
		sql($node, "SELECT $how->[0]($pid)");
		$h->finish;
		my $ms = int(1000 * (time - $t0));
		like($$err, $how->[1], "L34: $how->[0]: $name");
		cmp_ok($ms, '<', 1000, "... $ms ms, with all that a client takes");
		for (1 .. 100) { last if (held())[1] == 0; usleep(20_000); }
		is((held())[1], 0, '... no connection of it is left');
		rule('');
	}
}

# the deciding PUT: what is told waits until the outcome is known, http_timeout at most for a try
rule('hang PUT _delta_log/');
my ($rc, $out, $err) = sql_err($node, "SET supertable.http_timeout = '400ms'; SET supertable.retry_deadline = '400ms'; SET statement_timeout = '${timeout}ms';\n\\timing on\nINSERT INTO t VALUES (7777, 'x')", go_on => 1);
like($err, qr/40003|57014/, 'a deciding PUT without an answer: its outcome is not known');
cmp_ok((took($out))[0] // 99999, '<', 2500, '... and told soon after http_timeout');
rule('');

# a lock that another holds while it waits
rule('hang PUT _delta_log/');
my ($h, $pid) = waiting("BEGIN; INSERT INTO heap VALUES (1); UPDATE t SET v = 'z' WHERE i = 2; COMMIT;");
my $t0 = time;
($rc, $out, $err) = sql_err($node, "SET statement_timeout = '300ms'; INSERT INTO t VALUES (8888, 'x')");
like($err, qr/57014/, 'L34: one that waits for the lock of another is cancelled');
cmp_ok(time - $t0, '<', 2, '... at once');
sql($node, "SELECT pg_cancel_backend($pid)");
$h->finish;
rule('');

is(sql($node, 'SELECT count(*) FROM t WHERE i = 3'), 1, 'the table is as it was');
stop_server($weak);
done_testing();
