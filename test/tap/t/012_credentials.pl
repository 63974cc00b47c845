# Credentials of the database server's environment, in its sessions: services
# and stores are played by test/conformance/credserver.py.  L33, L34, L35.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Supertable;
use Test::More;
use Time::HiRes qw(time);

my $dir = PostgreSQL::Test::Utils::tempdir();
my ($services, $port) = start_server('credserver.py', $dir);

# what the postmaster is started with
delete $ENV{$_} for grep { /^(AWS|AZURE|GOOGLE|GCE|IDENTITY|CLOUDSDK)_/ } keys %ENV;
$ENV{HOME} = $dir;
$ENV{AWS_EC2_METADATA_SERVICE_ENDPOINT} = "http://127.0.0.1:$port/imds/good";
$ENV{AZURE_POD_IDENTITY_AUTHORITY_HOST} = "http://127.0.0.1:$port/imds/silent";
$ENV{GCE_METADATA_HOST} = "127.0.0.1:$port";
my $node = new_node('credentials', plain => 1, conf => "log_min_messages = debug5\nlog_statement = none\n");
for my $s ([ 'aws', 's3://s3-echo' ], [ 'azure', 'az://az-echo', ", account_name 'theaccount'" ], [ 'google', 'gs://gs-echo' ])
{
	my ($name, $url, $more) = (@$s, '');
	sql($node, "CREATE SERVER $name FOREIGN DATA WRAPPER supertable OPTIONS (url '$url', endpoint 'http://127.0.0.1:$port', credentials 'environment'$more);
		CREATE FOREIGN TABLE $name (i int) SERVER $name OPTIONS (path 't')");
}

sub n_fetches
{
	my ($name) = @_;
	return curl("http://127.0.0.1:$port/count/$name");
}

# a store that tells what it was sent is no store, which is found out behind the credentials
my $short = 'SET supertable.retry_deadline = 0;';
my ($rc, $out, $err) = sql_err($node, "$short SELECT * FROM aws; SELECT * FROM aws; SELECT * FROM aws", go_on => 1);
is(() = $err =~ /08P01/g, 3, 'three requests go out with keys of the instance');
is(n_fetches('good'), 1, 'which were fetched once');
sql_err($node, "$short SELECT * FROM aws");
is(n_fetches('good'), 2, 'another session fetches its own');
($rc, $out, $err) = sql_err($node, "$short SELECT * FROM google");
like($err, qr/08P01/, 'a token of the metadata service');
is(n_fetches('gce'), 1, 'is fetched');

# L34: what waits for credentials ends when it is told to
for my $q ('SELECT * FROM azure', 'INSERT INTO azure VALUES (1)', q{SELECT * FROM supertable_storage_probe('azure')})
{
	my $t0 = time;
	($rc, $out, $err) = sql_err($node, "SET statement_timeout = '300ms'; $q");
	like($err, qr/57014/, "L34: statement_timeout ends $q");
	cmp_ok(time - $t0, '<', 3, '... at once');
}
($rc, $out, $err) = sql_err($node, "$short SET supertable.http_timeout = '500ms'; SELECT * FROM azure");
like($err, qr/08001.*no credentials came in time/s, 'L35: a request waits no longer than its own time');
($rc, $out, $err) = sql_err($node, "$short SELECT * FROM azure");
like($err, qr/08006.*no credentials from the managed identity/s, 'L35: a silent service: 08006');

# L33
($rc, $out, $err) = sql_err($node, "SET statement_timeout = '30ms';" . ("SELECT * FROM azure;\n" x 30)
	. "SET statement_timeout = 0; SELECT 'fds', count(*) FROM pg_ls_dir('/proc/self/fd')", go_on => 1);
is(() = $err =~ /57014/g, 30, 'L33: 30 statements are cancelled in one session');
my ($fds) = $out =~ /fds\|(\d+)/;
cmp_ok($fds, '<', 60, "L33: no descriptors are left by them ($fds)");

# a role without rights of its own uses them where it has USAGE, and not where the owner is no superuser
sql($node, 'CREATE ROLE writer; GRANT USAGE ON FOREIGN SERVER aws TO writer; GRANT SELECT ON aws TO writer');
($rc, $out, $err) = sql_err($node, "$short SET ROLE writer; SELECT * FROM aws");
like($err, qr/08P01/, 'a role with USAGE is lent them');
sql($node, 'GRANT CREATE ON SCHEMA public TO writer; GRANT USAGE ON FOREIGN DATA WRAPPER supertable TO writer; ALTER SERVER aws OWNER TO writer');
($rc, $out, $err) = sql_err($node, "$short SELECT * FROM aws");
like($err, qr/42501/, 'a server whose owner is no superuser is not');

$node->stop;
my $log = read_file($node->logfile);
ok($log =~ /DEBUG/, 'the server logged at the highest level');
ok($log !~ /SECRET[-.]/, 'L35: no secret is in the log');
stop_server($services);
done_testing();
