# Eight backends, 40 seconds: random one- and two-phase transactions over a
# heap table and supertables, TRUNCATE and rows that move out of a heap
# partition among them, killed at random, the server stopped at once now and
# then.  Covers G1-G6, G11, L1, L2, L8, L14.
#
# On an S3 server one in fifty requests fails as well.  STBL_S3_KILL: a command
# that ends the server at once and starts it again, on the same objects and
# under the same address; it is run every few seconds.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;
use POSIX ();
use Time::HiRes qw(time sleep);

my $seconds = $ENV{STBL_LONG} ? 600 : on_s3() ? 60 : 40;
my $workers = 8;
my $node = new_node('storm', s3 => 1, plain => !on_s3(), conf => on_s3() ? "store_fault.error_rate = 0.02\n" : '');
# There a commit takes milliseconds for each of its round trips: fewer of them
# come through, and more time is left between two kills.
my $share = on_s3() ? 20 : 1;
my ($kill_every, $restart_every) = on_s3() ? (2.5, 20) : (0.6, 8);
my $at_least = 500 / $share;
my $dir = lake_of($node) . '-out';
mkdir $dir;
srand(20261125);

# 20 rows of its own for each worker, 10 that all fight for.
my $n_rows = $workers * 20 + 10;
sql($node, "
	CREATE FOREIGN TABLE acc (id int, bal bigint) SERVER lake OPTIONS (path 'acc');
	CREATE FOREIGN TABLE ledger (no bigint) SERVER lake OPTIONS (path 'ledger');
	CREATE TABLE hacc (id int PRIMARY KEY, bal bigint);
	CREATE TABLE hledger (no bigint);
	CREATE FOREIGN TABLE pile (no bigint) SERVER lake OPTIONS (path 'pile');
	CREATE TABLE side (no bigint, cold bool) PARTITION BY LIST (cold);
	CREATE TABLE side_hot PARTITION OF side FOR VALUES IN (false);
	CREATE FOREIGN TABLE side_cold PARTITION OF side FOR VALUES IN (true) SERVER lake OPTIONS (path 'side_cold');
	CREATE TABLE hpile (no bigint, previous bigint);
	INSERT INTO pile VALUES (0);
	INSERT INTO acc SELECT i, 1000 FROM generate_series(0, $n_rows - 1) i;
	INSERT INTO hacc SELECT i, 1000 FROM generate_series(0, $n_rows - 1) i");
# TRUNCATE locks its foreign table: each worker has a name of its own for the folder.
sql($node, "CREATE FOREIGN TABLE pile$_ (no bigint) SERVER lake OPTIONS (path 'pile')") for 0 .. $workers - 1;
my $total = 2 * 1000 * $n_rows;

my @psql = ('psql', '-XAtq', '-h', $node->host, '-p', $node->port, '-d', 'postgres', '-f', '-');

sub worker
{
	my ($w) = @_;
	my $no = $w * 1_000_000_000;
	srand(7 + $w);
	my $own = sub { return 10 + $w * 20 + int(rand(20)); };
	my $shared = sub { return int(rand(10)); };
	while (!-e "$dir/enough")
	{
		my $script = "\\set VERBOSITY verbose\n";
		for (1 .. 8)
		{
			my $kind = (qw(insert update update two two two fight read pile move))[ int(rand(10)) ];
			$kind = 'gc' if $w == 0 && rand() < 0.3;	# one of them cleans up, with hardly any grace
			my ($a, $b, $x) = ($own->(), $own->(), 1 + int(rand(9)));
			$no++;
			my $q;
			if ($kind eq 'insert') { $q = "INSERT INTO ledger VALUES ($no);" }
			elsif ($kind eq 'update')
			{
				$b = $a == 10 + $w * 20 ? $a + 1 : $a - 1;
				$q = "UPDATE acc SET bal = bal + CASE WHEN id = $a THEN $x ELSE -$x END WHERE id IN ($a, $b);";
			}
			elsif ($kind eq 'gc')
			{
				$q = "SELECT 'GC', n_state_docs, n_superfiles, n_tombstones, n_log_versions FROM supertable_gc('" . ($no % 2 ? 'acc' : 'ledger') .
				  "', grace => '1 second', retention => '10 seconds');";
			}
			elsif ($kind eq 'read')
			{
				$q = "SELECT 'READ', count(*), count(DISTINCT id) FROM acc; SELECT 'PILE', count(*) FROM pile;";
				# G11: heap and supertables in one statement, or in one snapshot; in either order
				my $sum = 'SELECT sum(bal) FROM';
				$q .= rand(2) < 1 ? "SELECT 'SUM', ($sum acc) + ($sum hacc);" :
				  "BEGIN ISOLATION LEVEL REPEATABLE READ\\; SELECT sum(bal) AS heap FROM hacc \\gset\nSELECT 'SUM', ($sum acc) + :heap\\; COMMIT;";
				$q .= "SELECT 'HEIR', (SELECT no FROM pile) = coalesce((SELECT no FROM hpile a WHERE NOT EXISTS (SELECT FROM hpile b WHERE b.previous = a.no)), 0);";
				$q .= "SELECT 'SIDES', count(*) - count(DISTINCT no) FROM side;";
			}
			elsif ($kind eq 'move')
			{
				# Moves all there is, whoever put it there, and leaves one for the next.  Core itself
				# has no waiting here: what another has moved is 40001.
				$q = "BEGIN\\; UPDATE side SET cold = true WHERE NOT cold\\; INSERT INTO side VALUES ($no, false)\\; COMMIT;";
			}
			elsif ($kind eq 'pile')
			{
				# One row replaced by one, and its heir noted in the heap: each has one heir at most.
				my $replace = rand(2) < 1 ? "TRUNCATE pile$w\\; INSERT INTO pile$w VALUES ($no)" : "UPDATE pile$w SET no = $no";
				$q = "BEGIN ISOLATION LEVEL REPEATABLE READ\\; INSERT INTO hpile SELECT $no, no FROM pile$w\\; $replace\\; COMMIT;";
			}
			else
			{
				($a, $b) = ($shared->(), $shared->()) if $kind eq 'fight';
				my $hb = $kind eq 'fight' ? $own->() : $b;
				$q = "BEGIN\\; UPDATE acc SET bal = bal + $x WHERE id = $a\\; UPDATE hacc SET bal = bal - $x WHERE id = $hb\\; INSERT INTO ledger VALUES ($no)\\; INSERT INTO hledger VALUES ($no)\\; COMMIT;";
			}
			$script .= "\\echo BEGUN $kind $no\n$q\n\\if :ERROR\n\\echo FAILED $kind $no :SQLSTATE :LAST_ERROR_MESSAGE\nROLLBACK;\n\\else\n\\echo ACK $kind $no\n\\endif\n";
		}
		open(my $p, '|-', "@psql >> $dir/out.$w 2>> $dir/err.$w") or die;
		print $p $script;
		close $p;
	}
	POSIX::_exit(0);
}

# Whether as many commits of each kind were acknowledged as are asked for below.
sub is_enough
{
	my %n;
	for my $f (glob "$dir/out.*") { /^ACK (\w+)/ && $n{$1}++ for split /\n/, read_file($f); }
	my $sum = sub { my $s = 0; $s += $n{$_} // 0 for @_; return $s; };
	return $sum->(qw(insert update)) >= $at_least && $sum->(qw(two fight)) >= $at_least &&
	  $sum->('move') >= 20 / $share && $sum->('pile') >= 50 / $share;
}

my $until = time + $seconds;
my @pids;
for my $w (0 .. $workers - 1)
{
	my $pid = fork // die;
	if ($pid == 0) { $SIG{PIPE} = 'IGNORE'; worker($w); }
	push @pids, $pid;
}

my ($kills, $restarts, $store_kills) = (0, 0, 0);
my $last_restart = time;
my $last_store_kill = time;
# On a busy machine it goes on until there was enough of each, up to four minutes.
while (time < $until || (time < $until + 240 && !is_enough()))
{
	sleep($kill_every);
	if ($ENV{STBL_S3_KILL} && time - $last_store_kill > 8)
	{
		system($ENV{STBL_S3_KILL}) == 0 or die 'the S3 server does not come back';
		$store_kills++;
		$last_store_kill = time;
	}
	if (time - $last_restart > $restart_every)
	{
		$node->stop('immediate');
		$node->start;
		$restarts++;
		$last_restart = time;
		next;
	}
	my ($out, $err) = ('', '');
	my $rc = $node->psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1},
		stdout => \$out, stderr => \$err, on_error_die => 0);
	$kills++ if $rc == 0 && $out =~ /^\d+$/ && kill('KILL', $out);
}
write_file("$dir/enough", '');
waitpid $_, 0 for @pids;
wait_up($node, 'any');

my %recovered;
my @report = split /\|/, sql($node, 'SELECT sum(n_scanned), sum(n_full_pipeline_completed + n_tombstone_only_completed), sum(n_rolled_back), sum(n_quarantined + n_in_doubt + n_held_by_peer + n_cas_lost) FROM supertable_recover()');

my (%acked, %begun, %failed, %count, @wrong_reads, @halves, @bad_conflicts);
my $n_both = 0;
my @gone = (0) x 4;
for my $w (0 .. $workers - 1)
{
	my @lines = split /\n/, read_file("$dir/out.$w");
	for (@lines)
	{
		if (/^BEGUN (\w+) (\d+)/) { $begun{$2} = $1 }
		elsif (/^ACK (\w+) (\d+)/) { $acked{$2} = $1; $count{$1}++ }
		elsif (/^FAILED (\w+) (\d+) (\S+)\s?(.*)/)
		{
			$failed{$3}++;
			delete $begun{$2} unless $3 eq '00000' || $3 =~ /^57P|^08|^40003/;
			push @bad_conflicts, $_ if $3 eq '40001' && $1 !~ /fight|pile|move/ && !/undecided transaction|could not go on with table/;
		}
		elsif (/^PILE\|(\d+)/) { push @wrong_reads, $_ if $1 != 1 }
		elsif (/^SUM\|(-?\d*)/) { $n_both++; push @halves, $_ if $1 ne $total }
		elsif (/^HEIR\|(.*)/) { $n_both++; push @halves, $_ if $1 ne 't' }
		elsif (/^SIDES\|(.*)/) { $n_both++; push @halves, $_ if $1 ne '0' }
		elsif (/^GC\|(\d+)\|(\d+)\|(\d+)\|(\d+)/) { my @g = ($1, $2, $3, $4); $gone[$_] += $g[$_] for 0 .. 3 }
		elsif (/^READ\|(\d+)\|(\d+)/) { push @wrong_reads, $_ if $1 != $n_rows || $2 != $n_rows }
	}
}
my $one = ($count{insert} // 0) + ($count{update} // 0);
my $two = ($count{two} // 0) + ($count{fight} // 0);
note("$one one-phase commits, $two two-phase commits, " . ($count{read} // 0) . " reads, " . ($failed{'40001'} // 0) . " serialization failures, $kills kills, $restarts restarts, $store_kills of the storage");
print "# storm: $one one-phase commits, $two two-phase commits, " . ($failed{'40001'} // 0) . " 40001s, $kills kills, $restarts restarts, $store_kills of the storage; recovery: scanned $report[0], completed $report[1], rolled back $report[2]\n";

cmp_ok($one, '>=', $at_least, "at least $at_least one-phase commits");
cmp_ok($two, '>=', $at_least, "at least $at_least two-phase commits");
cmp_ok($kills, '>=', 20 / (on_s3() ? 2 : 1), 'sessions were killed');
cmp_ok($store_kills, '>=', 4, 'the S3 server was killed, and came back') if $ENV{STBL_S3_KILL};
my @rest = split /\|/, sql($node, "SELECT sum((g).n_state_docs), sum((g).n_superfiles), sum((g).n_tombstones), sum((g).n_log_versions) FROM (VALUES ('acc'::regclass), ('ledger')) v(t), LATERAL (SELECT supertable_gc(t, grace => '0', retention => '0') AS g OFFSET 0) x");
$gone[$_] += $rest[$_] for 0 .. 3;
print '# storm: ' . ($count{gc} // 0) . " gc: $gone[0] documents, $gone[1] superfiles, $gone[2] vectors, $gone[3] log versions\n";
cmp_ok($gone[0], '>', 0, 'G5, G6: gc has deleted documents');
cmp_ok($gone[1], '>', 0, '... and superfiles');

is($report[3], '0', 'nothing is quarantined, in doubt, held or lost after recovery');
is(scalar @wrong_reads, 0, 'G1: every read of one statement saw every row once') or diag($wrong_reads[0]);
is(scalar @halves, 0, "G11: none of $n_both reads of heap and supertables saw a half of a transaction") or diag("@halves[0 .. ($#halves > 5 ? 5 : $#halves)]");
cmp_ok($n_both, '>=', 100 / $share, '... of several');
is(scalar @bad_conflicts, 0, 'G4, L8: transactions of disjoint rows get no 40001') or diag($bad_conflicts[0]);
is(sql($node, 'SELECT (SELECT sum(bal) FROM acc) + (SELECT sum(bal) FROM hacc)'), $total, 'the sum over both tables is conserved');
is(sql($node, 'SELECT count(*), count(DISTINCT id) FROM acc'), "$n_rows|$n_rows", 'every row is there once');
is(sql($node, 'SELECT count(*) FROM (SELECT no FROM ledger GROUP BY no HAVING count(*) > 1) d'), 0, 'G2: no change was applied twice');

my %in_ledger = map { $_ => 1 } split /\n/, sql($node, 'SELECT no FROM ledger');
my %in_heap = map { $_ => 1 } split /\n/, sql($node, 'SELECT no FROM hledger');
my @lost = grep { $acked{$_} =~ /insert|two|fight/ && !$in_ledger{$_} } keys %acked;
is(scalar @lost, 0, 'G2: no acknowledged change is lost') or diag("lost: @lost[0 .. ($#lost > 5 ? 5 : $#lost)]");
my @half = grep { ($begun{$_} // '') =~ /two|fight/ && (($in_ledger{$_} // 0) != ($in_heap{$_} // 0)) } keys %begun;
is(scalar @half, 0, 'G2, G3: heap and supertable agree on every transaction') or diag("half: @half[0 .. ($#half > 5 ? 5 : $#half)]");
my %in_side = map { $_ => 1 } split /\n/, sql($node, 'SELECT no FROM side');
is(sql($node, 'SELECT count(*) - count(DISTINCT no) FROM side'), '0', 'G1-G3: no row that moved into a supertable is on both sides');
my @unmoved = grep { $acked{$_} eq 'move' && !$in_side{$_} } keys %acked;
is(scalar @unmoved, 0, '... and none is on neither') or diag("@unmoved");
cmp_ok(sql($node, 'SELECT count(*) FROM side WHERE cold'), '>=', 20 / $share, 'some have moved');
my %heir;
my @forks = grep { $heir{ (split /\|/)[1] }++ } split /\n/, sql($node, 'SELECT no, previous FROM hpile');
is(scalar @forks, 0, 'G4: of a TRUNCATE and another change of the same row one wins') or diag("@forks[0 .. ($#forks > 5 ? 5 : $#forks)]");
is(sql($node, 'SELECT no FROM pile'), sql($node, 'SELECT coalesce((SELECT no FROM hpile a WHERE NOT EXISTS (SELECT FROM hpile b WHERE b.previous = a.no)), 0)'),
	'G1-G3: the row that is left is the heir of all');
my %in_pile = map { $_ => 1 } split /\n/, sql($node, 'SELECT no FROM hpile');
my @unpiled = grep { $acked{$_} eq 'pile' && !$in_pile{$_} } keys %acked;
is(scalar @unpiled, 0, 'no acknowledged one is lost') or diag("@unpiled");
cmp_ok($count{pile} // 0, '>=', 50 / $share, '... of several');
my @ghosts = grep { !$begun{$_} } keys %in_ledger;
is(scalar @ghosts, 0, 'G3: nothing that failed is visible') or diag("ghosts: @ghosts[0 .. ($#ghosts > 5 ? 5 : $#ghosts)]");
my ($rc, undef, $err) = sql_err($node, 'UPDATE acc SET bal = bal; INSERT INTO ledger VALUES (-1)');
is($rc, 0, 'the next commits succeed') or diag($err);
print "# errors met: ", join(', ', map { "$_ $failed{$_}" } sort keys %failed), "\n";
done_testing();
