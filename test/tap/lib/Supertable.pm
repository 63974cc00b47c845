# Helpers of the TAP tests: a node with the extension and a lake.
package Supertable;

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep time);

our @EXPORT = qw(new_node lake_of sql sql_err wait_up write_file read_file doc_path);

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
	my $dir = $opt{dir} // abs_path($node->basedir) . '/lake';
	mkdir $dir;
	$node->{lake} = $dir;
	my $url = $opt{plain} ? "file://$dir" : "fault:file://$dir";
	$node->safe_psql('postgres', "CREATE EXTENSION supertable; CREATE SERVER lake FOREIGN DATA WRAPPER supertable OPTIONS (url '$url')");
	return $node;
}

sub lake_of { return $_[0]->{lake}; }

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

# Waits until the server takes connections again after a crash.
sub wait_up
{
	my ($node) = @_;
	for (1 .. 600)
	{
		my ($out, $err);
		return 1 if $node->psql('postgres', 'SELECT 1', stdout => \$out, stderr => \$err, on_error_die => 0) == 0;
		usleep(50_000);
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

sub doc_path { my ($node, $table, $id) = @_; return lake_of($node) . "/$table/_supertable/wal/mutations/$id.json"; }

1;
