# Helpers of the TAP tests: a node with the extension and a lake.
#
# The lake is a directory, or, for the tests that know of it, a place on an S3
# server: STBL_TAP_STORE=s3, with STBL_S3_BASE (s3://bucket/folder),
# STBL_S3_ENDPOINT, STBL_S3_CA (with TLS), STBL_S3_KEY and STBL_S3_SECRET_FILE.
package Supertable;

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter 'import';
use FindBin;
use IO::Handle;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep time);

our @EXPORT = qw(new_node lake_of on_s3 sql sql_err wait_up write_file read_file doc_path
	put_object copy_object list_objects land_late start_server stop_server curl);

my $n = 0;

# A started node, its database with the extension, and server `lake` on a
# directory of its own (behind the fault store unless plain is asked for).
sub new_node
{
	my ($name, %opt) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%{ $opt{init} // {} });
	$node->append_conf('postgresql.conf', <<CONF);
restart_after_crash = on
log_min_messages = warning
max_connections = 50
supertable.fsync = off
timezone = 'UTC'
CONF
	$node->append_conf('postgresql.conf', $opt{conf}) if $opt{conf};
	$node->start;
	$node->{epoch} = epoch($node);
	my $dir = $opt{dir} // abs_path($node->basedir) . '/lake';
	mkdir $dir;
	$node->{lake} = $dir;
	my $url = $opt{s3} && on_s3() ? "$ENV{STBL_S3_BASE}/$name-$$" : "file://$dir";
	$url = "fault:$url" unless $opt{plain};
	my $options = $url =~ /s3:/ ? ", endpoint '" . ($opt{endpoint} // $ENV{STBL_S3_ENDPOINT}) . "'" . ($ENV{STBL_S3_CA} ? ", ca_file '$ENV{STBL_S3_CA}'" : '') : '';
	$node->safe_psql('postgres', "CREATE EXTENSION supertable; CREATE SERVER lake FOREIGN DATA WRAPPER supertable OPTIONS (url '$url'$options)");
	if ($options)
	{
		my $secret = read_file($ENV{STBL_S3_SECRET_FILE}) =~ s/\s+$//r;
		$node->safe_psql('postgres', "CREATE USER MAPPING FOR PUBLIC SERVER lake OPTIONS (access_key_id '$ENV{STBL_S3_KEY}', secret_access_key '$secret')");
		$node->{on_s3} = 1;
	}
	$node->safe_psql('postgres', q{
		CREATE FUNCTION land(text, text) RETURNS int AS '$libdir/supertable_store_fault', 'store_fault_land' LANGUAGE C STRICT;
		CREATE FUNCTION store_do(text, text, text, text) RETURNS text AS '$libdir/supertable_store_fault', 'store_fault_do' LANGUAGE C STRICT})
		unless $opt{plain};
	return $node;
}

sub lake_of { return $_[0]->{lake}; }

# Whether tests are to be run on an S3 server; a test says so of its node by s3 => 1.
sub on_s3 { return ($ENV{STBL_TAP_STORE} // '') eq 's3'; }

# Writes an object of the lake behind everybody's back.
sub put_object
{
	my ($node, $key, $text) = @_;
	return write_file(lake_of($node) . "/$key", $text) unless $node->{on_s3};
	$text =~ s/'/''/g;
	return $node->safe_psql('postgres', "LOAD 'supertable'; SELECT store_do('lake', 'PUT', '$key', '$text')");
}

# Makes an object of the lake a copy of another.
sub copy_object
{
	my ($node, $key, $from) = @_;
	return write_file(lake_of($node) . "/$key", read_file(lake_of($node) . "/$from")) unless $node->{on_s3};
	return $node->safe_psql('postgres', "LOAD 'supertable'; SELECT store_do('lake', 'COPY', '$key', '$from')");
}

# An SQL expression: the names in a folder of the lake.
sub list_objects
{
	my ($node, $folder) = @_;
	return "pg_ls_dir('" . lake_of($node) . "/$folder', true, false)" unless $node->{on_s3};
	return "regexp_split_to_table(trim(E'\\n' FROM store_do('lake', 'LIST', '$folder/', '')), E'\\n')";
}

# Lets the PUTs that were put aside land; how many of them were applied.
sub land_late
{
	my ($node, $spool) = @_;
	return $node->safe_psql('postgres', "LOAD 'supertable'; SELECT land('lake', '$spool')");
}

sub sql { my ($node, $q) = @_; return $node->safe_psql('postgres', $q); }

# (exit code, stdout, stderr) of a script that may fail.
sub sql_err
{
	my ($node, $q, %opt) = @_;
	my ($out, $err) = ('', '');
	my $rc = $node->psql('postgres', "\\set VERBOSITY verbose\n$q", stdout => \$out, stderr => \$err,
		on_error_stop => $opt{go_on} ? 0 : 1, on_error_die => 0);
	return ($rc, $out, $err);
}

# The checkpointer's pid, another after each restart; empty while there is no connecting.
sub epoch
{
	my ($node) = @_;
	my ($out, $err) = ('', '');

	# A psql that cannot connect may be gone before it is handed its input.
	my $rc = eval {
		$node->psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'},
			stdout => \$out, stderr => \$err, on_error_die => 0);
	};
	return defined $rc && $rc == 0 ? $out : '';
}

# Waits until the server has restarted after a backend was killed.  That a
# connection is taken is not enough: the postmaster may not have noticed yet.
# With $any, until it has stayed the same for a while, however often it
# restarted before.
sub wait_up
{
	my ($node, $any) = @_;
	my $last = $any ? '' : ($node->{epoch} // '');
	for (1 .. 1200)
	{
		my $now = epoch($node);
		if ($now ne '' && ($any ? $now eq $last : $now ne $last))
		{
			$node->{epoch} = $now;
			return 1;
		}
		$last = $now if $any;
		usleep($any ? 1_000_000 : 50_000);
	}
	die "the server does not come up";
}

sub write_file
{
	my ($path, $text) = @_;
	my $tmp = "$path.tmp";
	my ($dir) = $path =~ m{^(.*)/};
	system('mkdir', '-p', $dir) == 0 or die;
	open(my $fh, '>', $tmp) or die "$tmp: $!";
	print $fh $text;
	close $fh;
	rename $tmp, $path or die;
}

sub read_file { local $/; open(my $fh, '<', $_[0]) or die "$_[0]: $!"; return <$fh>; }

# A server of test/conformance, which prints its ports (the first is returned
# too) and ends with its standard input.
sub start_server
{
	my ($script, @args) = @_;
	my %s = (out => '');
	$s{h} = IPC::Run::start([ 'python3', "$FindBin::Bin/../../conformance/$script", @args ], '<pipe', $s{in} = IO::Handle->new, '>', \$s{out});
	for (1 .. 300) { $s{h}->pump_nb; last if $s{out} =~ /\n/; usleep(100_000); }
	my ($port) = $s{out} =~ /^(\d+)/ or die "$script does not start";
	return (\%s, $port);
}
sub stop_server { my ($s) = @_; close $s->{in}; eval { $s->{h}->finish }; return; }

# What a server answers to curl.
sub curl
{
	my (@args) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'curl', '-s', '-f', '--max-time', '10', @args ], '>', \$out, '2>', \$err) or die "curl @args: $err";
	return $out;
}

sub doc_path { my ($node, $table, $id) = @_; return lake_of($node) . "/$table/_supertable/wal/mutations/$id.json"; }

1;
