# What a commit costs: storage writes until COMMIT returns, the size of the
# document, the memory of the backend; what many commits leave.  Covers L10,
# L41.  With STBL_LONG 5,000,000 rows and 10,000 commits, as the limits ask;
# fewer otherwise.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(time usleep);

my $node = new_node('counts', plain => 1);
my $lake = lake_of($node);
my $log = "$lake-count.log";
my $long = $ENV{STBL_LONG};
sql($node, "CREATE SERVER counted FOREIGN DATA WRAPPER supertable OPTIONS (url 'count:file://$lake'); CREATE TABLE heap (i int)");

# Runs a script; its writes as [op, key, bytes], and the most anonymous memory its backend was seen with, in MiB.
sub measured
{
	my ($script) = @_;
	unlink $log, "$log.pid";
	my $watch = fork // die;
	if ($watch == 0)
	{
		my $most = 0;
		usleep(5_000) until -s "$log.pid";
		my $pid = int(read_file("$log.pid"));
		while (open(my $f, '<', "/proc/$pid/status"))
		{
			my ($kb) = join('', <$f>) =~ /RssAnon:\s+(\d+)/;
			last unless defined $kb;
			$most = $kb if $kb > $most;
			write_file("$log.rss", $most);
			usleep(20_000);
		}
		POSIX::_exit(0);
	}
	my $out = sql($node, "\\o $log.pid\nSELECT pg_backend_pid();\n\\o\nSET store_count.log = '$log'; SET supertable.checkpoint_interval = 0;\n$script;\nSELECT pg_sleep(0.05)");
	waitpid $watch, 0;
	my @writes = grep { $_->[0] =~ /PUT|DELETE/ } map { my @f = split / /; [ @f[ 1, 2, 3 ] ] } split /\n/, (-e $log ? read_file($log) : '');
	return ($out, read_file("$log.rss") / 1024, @writes);
}

sub fill
{
	my ($t) = @_;
	sql($node, "CREATE FOREIGN TABLE $t (id int, k int, v text) SERVER counted OPTIONS (path '$t');" . join('', map { "INSERT INTO $t SELECT i, i % 4, 'row ' || i FROM generate_series($_ * 53000 + 1, $_ * 53000 + 53000) i;" } 0 .. 7));
	# 1,000 rows of each superfile, spread, are gone already
	sql($node, "DELETE FROM $t WHERE id % 50 = 3");
}

my %cases = (
	'one-phase DELETE' => [ 2, 'DELETE FROM T WHERE k = 1' ],
	'one-phase UPDATE' => [ 3, "UPDATE T SET v = v || '+' WHERE k = 1" ],
	'two-phase DELETE' => [ 5, 'BEGIN; INSERT INTO heap VALUES (1); DELETE FROM T WHERE k = 1; COMMIT' ],
	'two-phase UPDATE' => [ 6, "BEGIN; INSERT INTO heap VALUES (1); UPDATE T SET v = v || '+' WHERE k = 1; COMMIT" ]);
my $n = 0;
for my $name (sort keys %cases)
{
	my ($limit, $script) = @{ $cases{$name} };
	my $t = 'c' . $n++;
	fill($t);
	$script =~ s/\bT\b/$t/;
	my $hit = sql($node, "SELECT count(*) FROM $t WHERE k = 1");
	my (undef, $rss, @writes) = measured($script);
	cmp_ok(scalar @writes, '<=', $limit, "$name of $hit rows in 8 superfiles: " . scalar(@writes) . " writes, at most $limit") or diag(map { "@$_\n" } @writes);
	cmp_ok($rss, '<', 256, sprintf('%s: %d MiB of memory', $name, $rss));
	my ($doc) = glob "$lake/$t/_supertable/wal/mutations/*.json";
	if ($name =~ /two-phase/)
	{
		my $bytes = -s $doc;
		cmp_ok($bytes, '<', 16384, "L10: $name: the document has $bytes bytes");
		like(read_file($doc), qr/"state":"COMPLETE"/, "$name: and is complete when COMMIT returns");
	}
	is(sql($node, "SELECT count(*) FROM $t WHERE k = 1" . ($name =~ /UPDATE/ ? " AND v LIKE '%+'" : '')), $name =~ /UPDATE/ ? $hit : 0, "$name: is done");
}

# a load of many rows in bounded memory
my $rows = $long ? 5_000_000 : 1_000_000;
sql($node, "CREATE FOREIGN TABLE big (id bigint, k int, at timestamptz, v double precision, t text) SERVER counted OPTIONS (path 'big')");
my $t0 = time;
my $program = "seq 1 $rows | awk '{ print \$1 \",\" \$1 % 97 \",2026-01-01 00:00:\" \$1 % 60 \",\" \$1 / 7 \",some text of row \" \$1 }'";
my (undef, $rss, @writes) = measured("COPY big FROM PROGRAM \$p\$$program\$p\$ CSV");
my $s = time - $t0;
cmp_ok($rss, '<', 256, sprintf('COPY of %d rows: %d MiB of memory, %d writes, %.1f s', $rows, $rss, scalar @writes, $s));
is(sql($node, 'SELECT count(*), sum(id) FROM big'), "$rows|" . $rows * ($rows + 1) / 2, '... all of them are there');

# many two-phase commits without a sweep
my $commits = $long ? 10_000 : 1_000;
sql($node, "CREATE FOREIGN TABLE many (id int, v text) SERVER counted OPTIONS (path 'many'); INSERT INTO many SELECT i, 'x' FROM generate_series(1, 100) i;
	CREATE PROCEDURE many(first int, n int) LANGUAGE plpgsql AS 'BEGIN FOR i IN first .. first + n - 1 LOOP INSERT INTO heap VALUES (i); UPDATE many SET v = i::text WHERE id = 1; COMMIT; END LOOP; END'");
sub part
{
	my ($first, $n) = @_;
	unlink $log;
	sql($node, "SET store_count.log = '$log'; CALL many($first, $n)");
	my @lines = split /\n/, read_file($log);
	sql($node, "SET supertable.checkpoint_interval = 1; INSERT INTO many VALUES (-$first, 'x')");
	my $files = sql($node, "SELECT count(*) FROM supertable_files('many')");
	return (@lines / $n, sql($node, 'SELECT count(*) FROM supertable_internal.witness'), $files);
}
my @early = part(1, 200);
part(201, $commits - 400);
my @late = part($commits - 199, 200);
note(sprintf('requests a commit: %.1f, after %d commits %.1f', $early[0], $commits, $late[0]));
cmp_ok($late[0], '<', $early[0] * 1.5 + 5, sprintf('L41: requests a commit: %.1f at first, %.1f after %d commits', $early[0], $late[0], $commits));
cmp_ok($late[1], '<=', 110, "witness rows are bounded: $late[1]");
my %domain;
for my $f (sort glob "$lake/many/_delta_log/*.json")
{
	for (split /\n/, read_file($f))
	{
		next unless /"domain":"(supertable\.wal\.\w+)".*"removed":(true|false)/;
		if ($2 eq 'true') { delete $domain{$1} } else { $domain{$1} = 1 }
	}
}
cmp_ok(scalar keys %domain, '<=', 110, 'L41: markers in the snapshot are bounded: ' . scalar keys %domain);
is(sql($node, 'SELECT v FROM many WHERE id = 1'), $commits, 'the last commit is what is seen');
is(sql($node, "SELECT count(*) FROM supertable_wal('many') WHERE state <> 'COMPLETE'"), '0', 'every document is complete');
$node->stop;
done_testing();
