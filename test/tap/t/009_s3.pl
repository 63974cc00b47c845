# A session that waits on a store of the network: L33, L34, L35.  The store is
# one that misbehaves on purpose (test/conformance/faultserver.py).
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Supertable;
use Test::More;
use Time::HiRes qw(time usleep);

my $dir = PostgreSQL::Test::Utils::tempdir();
my ($faults, $port) = start_server('faultserver.py', $dir);

my $node = new_node('s3', plain => 1, conf => "log_min_messages = debug5\nlog_statement = none\n");
for my $bucket (qw(silent slow cut badxml error500 skew leak))
{
	sql($node, "CREATE SERVER $bucket FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://$bucket', endpoint 'http://127.0.0.1:$port');
		CREATE USER MAPPING FOR PUBLIC SERVER $bucket OPTIONS (access_key_id 'theaccesskey', secret_access_key 'thesecretkey');
		CREATE FOREIGN TABLE $bucket (i int) SERVER $bucket OPTIONS (path 't')");
}

# L34: a statement that waits on the network ends when it is told to.
for my $q ('SELECT * FROM silent', 'INSERT INTO silent VALUES (1)', q{SELECT * FROM supertable_storage_probe('silent')}, 'SELECT * FROM slow')
{
	my $t0 = time;
	my ($rc, $out, $err) = sql_err($node, "SET statement_timeout = '300ms'; $q");
	like($err, qr/57014/, "L34: statement_timeout ends $q");
	cmp_ok(time - $t0, '<', 3, '... at once');
}

# A session of its own that waits, and its pid.
sub waiting
{
	my ($out, $err) = ('', '');
	my $h = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', '\\set VERBOSITY verbose', '-c', 'SELECT * FROM silent' ],
		'>', \$out, '2>', \$err);
	my $pid = '';
	for (1 .. 200)
	{
		$pid = sql($node, q{SELECT pid FROM pg_stat_activity WHERE query = 'SELECT * FROM silent' AND wait_event_type = 'Extension'});
		last if $pid;
		usleep(50_000);
	}
	return ($h, $pid, \$err);
}

for my $how ([ 'pg_cancel_backend', qr/57014/ ], [ 'pg_terminate_backend', qr/57P01|terminat/ ])
{
	my ($h, $pid, $err) = waiting();
	ok($pid, 'a session waits, and says so in pg_stat_activity');
	my $t0 = time;
	sql($node, "SELECT $how->[0]($pid)");
	$h->finish;
	like($$err, $how->[1], "L34: $how->[0] ends it");
	cmp_ok(time - $t0, '<', 2, '... at once');
}

# L33: nothing is left of statements that were cancelled, and the session goes on
my ($rc, $fds, $err) = sql_err($node, "SET statement_timeout = '30ms';" . ("SELECT * FROM silent;\n" x 40)
	. "SET statement_timeout = 0; SELECT 'fds', count(*) FROM pg_ls_dir('/proc/self/fd')", go_on => 1);
is(() = $err =~ /57014/g, 40, 'L33: 40 statements are cancelled in one session');
($fds) = $fds =~ /fds\|(\d+)/;
cmp_ok($fds, '<', 60, "L33: no descriptors are left by them ($fds)");

# L35: each fault with its SQLSTATE, and no secret in any log
my $short = "SET supertable.retry_deadline = 0; SET supertable.http_timeout = '500ms';";
for my $case ([ 'silent', '08006' ], [ 'slow', '08006' ], [ 'cut', '08006' ], [ 'error500', '58030' ], [ 'skew', '55000' ], [ 'leak', '28000' ])
{
	my ($rc, $out, $err) = sql_err($node, "$short SELECT * FROM $case->[0]");
	like($err, qr/$case->[1]/, "L35: $case->[0]: $case->[1]");
	unlike($err, qr/thesecretkey|theaccesskey/, '... without a secret');
}

# a backend does not outlive its postmaster
my ($h, $pid) = waiting();
kill 'KILL', read_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
my $t0 = time;
usleep(50_000) while kill(0, $pid) && time - $t0 < 20;
ok(!kill(0, $pid), 'L34: a backend that waits ends with its postmaster');
eval { $h->finish };
$node->{_pid} = undef;

my $log = read_file($node->logfile);
ok($log =~ /DEBUG/, 'the server logged at the highest level');
ok($log !~ /thesecretkey|theaccesskey/, 'L35: no secret is in the log');

stop_server($faults);
done_testing();
