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
	$node->{epoch} = epoch($node);
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

sub doc_path { my ($node, $table, $id) = @_; return lake_of($node) . "/$table/_supertable/wal/mutations/$id.json"; }

1;
