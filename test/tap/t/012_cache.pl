# The read cache of distant storage: what is served from it is right, whatever
# becomes of its files; one fetch for many; its bound; who may be served.
use strict;
use warnings;
use Fcntl;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Supertable;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = new_node('cache', plain => 1);
my $lake = lake_of($node);
my $log = "$lake-count.log";
my $dir = $node->data_dir . '/pgsql_tmp_supertable';
sql($node, "CREATE SERVER counted FOREIGN DATA WRAPPER supertable OPTIONS (url 'count:file://$lake');
	CREATE FUNCTION store_count_rounds() RETURNS bigint AS '\$libdir/supertable_store_count', 'store_count_rounds' LANGUAGE C;
	CREATE FUNCTION store_count_reset() RETURNS void AS '\$libdir/supertable_store_count', 'store_count_reset' LANGUAGE C;
	CREATE FOREIGN TABLE t (i int, k int, v text) SERVER counted OPTIONS (path 't');
	CREATE FOREIGN TABLE local (i int, k int, v text) SERVER lake OPTIONS (path 't')");
# 6 superfiles of more than 1 MB, too large to come whole for one column
sql($node, "SET supertable.row_group_rows = 5000;" . join('', map { "INSERT INTO local SELECT i, i % 4, md5(i::text) || md5(i || 'b') || md5(i || 'c') || md5(i || 'd') FROM generate_series($_ * 20000 + 1, $_ * 20000 + 20000) i;" } 0 .. 5));

my $q = 'SELECT count(*), sum(i), max(v), min(v) FROM t WHERE k >= 0';
(my $q_local = $q) =~ s/ t / local /;
my $right = sql($node, $q_local);

# What a script prints, and its requests for superfiles and vectors as [pid, op, key, bytes].
sub counted
{
	my ($script) = @_;
	unlink $log;
	my $out = sql($node, "SET store_count.log = '$log';\n$script");
	return ($out, data_requests());
}

sub data_requests { return grep { $_->[2] =~ /seg-|deletion_vector/ } map { [ split / / ] } split /\n/, (-e $log ? read_file($log) : ''); }

sub cache_files { return glob "$dir/block-*"; }
sub cache_bytes { my $sum = 0; $sum += (stat $_)[12] * 512 for cache_files(); return $sum; }
sub clear { unlink cache_files(); }
sub overwrite { my ($f, $at, $bytes) = @_; open(my $fh, '+<', $f) or die; binmode $fh; seek $fh, $at, 0; print $fh $bytes; close $fh; }

my ($out, @requests) = counted($q);
is($out, $right, 'a cold session');
cmp_ok(scalar @requests, '>=', 6, '... asks storage');
($out, @requests) = counted($q);
is($out, $right, 'another session');
is(scalar @requests, 0, '... asks storage for no superfile');
like(sql($node, "EXPLAIN (ANALYZE, COSTS off, TIMING off) $q"), qr/Storage Requests: 1\n.*Cache Hits: [1-9]/s, 'EXPLAIN tells of hits');
($out, @requests) = counted('SELECT sum(i) FROM t WHERE k = 3; SELECT max(v) FROM t WHERE i = 77777');
is($out, sql($node, 'SELECT sum(i) FROM local WHERE k = 3; SELECT max(v) FROM local WHERE i = 77777'), 'parts of what is there');
is(scalar @requests, 0, '... come from there too');
($out, @requests) = counted("SET supertable.cache_size = 0; $q");
cmp_ok(scalar @requests, '>=', 6, 'with cache_size 0 storage is asked');

# only the server's user may read it
my @modes = map { sprintf '%o', (stat $_)[2] & 07777 } $dir, cache_files();
is($modes[0], '700', 'the folder is the server\'s');
is("@modes[1 .. $#modes]", join(' ', ('600') x (@modes - 1)), '... and its files');

# one column: not all of a large superfile
clear();
(undef, @requests) = counted('SELECT sum(i) FROM t');
my $bytes = 0;
$bytes += $_->[3] for @requests;
my $all = 0;
$all += -s $_ for glob "$lake/t/seg-*";
cmp_ok($bytes, '<', $all / 2, "one column of three: $bytes of $all bytes are asked for");
is(sql($node, $q), $right, 'the others come later');
is(sql($node, $q), $right, '... and stay');

# columns larger than a piece: some of their blocks there, some not
sql($node, "CREATE FOREIGN TABLE large (i int, b bytea) SERVER counted OPTIONS (path 'large');
	INSERT INTO large SELECT i, (SELECT string_agg(decode(md5(i || '-' || j), 'hex'), NULL) FROM generate_series(1, 128) j) FROM generate_series(1, 6000) i");
my $digest = 'SELECT count(*), sum(length(b)), md5(string_agg(md5(b), NULL ORDER BY i)) FROM large';
my ($large) = sql($node, "SET supertable.cache_size = 0; $digest");
is(sql($node, $digest), $large, 'a column of 12 MB');
($out, @requests) = counted($digest);
is("$out " . @requests, "$large 0", '... is cached');
for my $holes ([ 3, 1 ], [ 0, 40 ], [ 120, 10 ], [ 60, 100 ])
{
	my ($file) = grep { -s $_ > 8_000_000 } cache_files();
	overwrite($file, 256 + 8 * $holes->[0], "\0" x (8 * $holes->[1]));
	($out, @requests) = counted($digest);
	is($out, $large, "without $holes->[1] blocks from $holes->[0] on");
	my $got = 0;
	$got += $_->[3] for @requests;
	cmp_ok($got, '<=', $holes->[1] * 65536, '... only those are asked for');
	cmp_ok($got, '>', 0, '... and they are');
}

# ---- damage ----

sub damage
{
	my ($what, $how) = @_;
	sql($node, $q);
	$how->($_) for cache_files();
	my ($out, @requests) = counted($q);
	is($out, $right, "$what: the answer is right");
	cmp_ok(scalar @requests, '>', 0, '... storage is asked again');
	($out, @requests) = counted($q);
	is("$out " . @requests, "$right 0", '... and then no more');
}


damage('a flipped byte in each block', sub { my ($f) = @_; for (my $at = 5000; $at < -s $f; $at += 65536) { overwrite($f, $at, 'X'); } });
damage('files cut short', sub { truncate $_[0], 70000; });
damage('files cut within the header', sub { truncate $_[0], 100; });
damage('empty files', sub { truncate $_[0], 0; });
damage('files of zeros', sub { my $n = -s $_[0]; truncate $_[0], 0; truncate $_[0], $n; });
damage('tables of garbage', sub { overwrite($_[0], 256, join '', map { chr(int(rand(256))) } 1 .. 80); });
damage('foreign files', sub { write_file($_[0], 'something else entirely' x 1000); chmod 0600, $_[0]; });
damage('the files of other objects', sub { my @f = cache_files(); rename $f[0], "$dir/swap"; for (1 .. $#f) { rename $f[$_], $f[ $_ - 1 ]; } rename "$dir/swap", $f[-1]; }) if cache_files() > 1;
damage('no files', sub { unlink $_[0]; });
damage('no folder', sub { system("rm -rf $dir"); });

# of the object that a name stood for before
sql($node, $q);
my ($seg) = glob "$lake/t/seg-*";
{
	my $text = read_file($seg);
	# the same bytes as another object: another etag
	write_file("$seg.new", $text);
	rename "$seg.new", $seg or die;
	my ($f) = cache_files();
	overwrite($_, 256 + 8, "\0" x 8) for cache_files();
	is(sql($node, $q), $right, 'an object that was replaced');
	is(sql($node, $q), $right, '... is read again');
}

# ---- many at once ----

clear();
unlink $log;
my @sessions;
for (1 .. 6)
{
	my ($in, $o, $e) = ("SET store_count.log = '$log';\n$q;\n", '', '');
	push @sessions, { out => \$o, err => \$e, h => IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$o, '2>', \$e) };
}
$_->{h}->finish for @sessions;
is(join(' ', map { ${ $_->{out} } . ${ $_->{err} } } @sessions), join(' ', ("$right\n") x 6), 'six cold sessions at once are answered rightly');
my %blocks;
for (data_requests()) { $blocks{"$_->[2]"} += $_->[3]; }
my $most = 0;
for (keys %blocks) { my $ratio = $blocks{$_} / -s "$lake/$_"; $most = $ratio if $ratio > $most; }
cmp_ok($most, '<=', 1.2, sprintf('... and each superfile was fetched once (%.2f of its size at most)', $most));

# an owner that does not look after what it has asked for is not waited for for ever
clear();
{
	my ($in, $o, $e) = ('', '', '');
	my $h = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$o, '2>', \$e);
	$in = "BEGIN; DECLARE c CURSOR FOR SELECT * FROM t; FETCH 1 FROM c;\n";
	$h->pump until $o =~ /\n/;
	my $t0 = time;
	is(sql($node, $q), $right, 'with a cursor left open in another session');
	cmp_ok(time - $t0, '<', 30, '... the answer comes');
	$in .= "COMMIT;\n\\q\n";
	$h->finish;
}

# the same of an owner that gives no answer at all: the test, which holds the locks of all blocks
{
	sql($node, $q);
	my (@held, $n_held);
	for my $f (cache_files())
	{
		overwrite($f, 256, "\0" x 800);
		my $beyond_data = pack('s s x4 q q l x4', F_WRLCK, 0, 1 << 50, 0, 0);
		open(my $fh, '+<', $f) or die;
		$n_held++ if fcntl($fh, F_SETLK, $beyond_data);
		push @held, $fh;
	}
	is($n_held, 6, 'all blocks are being fetched by somebody else');
	my $t0 = time;
	my (undef, undef, $err) = sql_err($node, "SET statement_timeout = '300ms'; $q");
	like($err, qr/57014/, 'L34: waiting for what another session fetches can be cancelled');
	cmp_ok(time - $t0, '<', 2, '... at once');
	my ($in, $o, $e) = ("SELECT pg_backend_pid();\n$q;\n", '', '');
	my $h = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$o, '2>', \$e);
	$h->pump until $o =~ /^(\d+)\n/;
	my $pid = $1;
	for (1 .. 200) { last if sql($node, "SELECT wait_event FROM pg_stat_activity WHERE pid = $pid"); usleep(5_000); }
	$t0 = time;
	sql($node, "SELECT pg_terminate_backend($pid, 10000)");
	$h->finish;
	cmp_ok(time - $t0, '<', 2, '... and ended');
	unlike($o, qr/\Q$right/, '... before there was an answer');
	$t0 = time;
	is(sql($node, $q), $right, 'who has time gets the answer');
	cmp_ok(time - $t0, '>', 2, '... after it has waited for the others for a while');
	is(sql($node, $q), $right, '... though it may not keep it');
	close $_ for @held;
	is(sql($node, $q), $right, 'when they are gone');
	my (undef, @requests) = counted($q);
	is(scalar @requests, 0, '... it is cached');
}

# a process that is killed while it fetches
for my $again (1 .. 3)
{
	clear();
	my ($in, $o, $e) = ("SELECT pg_backend_pid();\n$q;\n", '', '');
	my $h = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$o, '2>', \$e);
	$h->pump until $o =~ /^(\d+)\n/;
	usleep(4_000 * $again);
	kill 9, $1;
	$h->finish;
	wait_up($node);
	is(sql($node, $q), $right, 'after kill -9');
}

# ... or cancelled
clear();
for my $ms (2, 5, 9, 14, 20)
{
	clear();
	my (undef, $o) = sql_err($node, "SET statement_timeout = '${ms}ms'; $q; SET statement_timeout = 0; $q", go_on => 1);
	like($o, qr/\Q$right\E$/, "cancelled after $ms ms, the same session goes on");
}
my (undef, $fds) = sql_err($node, "SET statement_timeout = '3ms';" . ("$q;\n" x 40) . "SET statement_timeout = 0; $q; SELECT 'fds', count(*) FROM pg_ls_dir('/proc/self/fd')", go_on => 1);
($fds) = $fds =~ /fds\|(\d+)/;
cmp_ok($fds, '<', 60, "no descriptors are left by statements that were cancelled ($fds)");

# ---- its bound ----

clear();
my $limit = 4 * 1024 * 1024;
my $small = "SET supertable.cache_size = '4MB';";
sql($node, "$small SELECT count(*) FROM t WHERE k = 9");
for (1 .. 3)
{
	is(sql($node, "$small $q"), $right, 'a table larger than the cache');
	cmp_ok(cache_bytes(), '<=', $limit, '... which stays within its bound: ' . cache_bytes());
}
my @parallel = map { my ($in, $o) = ("$small $q;", ''); { out => \$o, h => IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$o) } } 1 .. 4;
$_->{h}->finish for @parallel;
is(join('', map { ${ $_->{out} } } @parallel), "$right\n" x 4, 'four sessions at once');
cmp_ok(cache_bytes(), '<=', $limit * 1.1, '... within the bound too: ' . cache_bytes());

# what was not used for longest goes first
clear();
sql($node, "SELECT count(v) FROM t WHERE i <= 20000 AND k >= 0");
my ($old) = cache_files();
is(scalar(my @one = cache_files()), 1, 'one superfile is cached');
utime time - 1000, time - 1000, $old;
is(sql($node, "$small SELECT count(v), count(k) FROM t WHERE i > 20000 AND k >= 0"), '100000|100000', 'a statement that reads more than fits in');
ok(-e $old, '... pushes out nothing of what others have there');
cmp_ok(cache_bytes(), '<=', $limit / 2 + (stat $old)[12] * 512 + 100_000, '... and fills at most half of the cache');
sql($node, "$small SELECT count(v) FROM t WHERE i BETWEEN $_ + 1 AND $_ + 20000 AND k >= 0") for 20000, 40000, 60000, 80000;
ok(!-e $old, 'the one that was used least lately goes first');

# ---- a folder that cannot be used ----

my $other = "$lake-elsewhere";
mkdir $other;
for my $case ([ 'not a folder', "$other/file", sub { write_file("$other/file", 'x') } ], [ 'nowhere', "$other/no/such", sub { } ],
	[ 'without permission', "$other/closed", sub { mkdir "$other/closed", 0500 } ])
{
	my ($what, $path, $make) = @$case;
	$make->();
	my ($rc, $o, $err) = sql_err($node, "SET supertable.cache_dir = '$path'; $q; $q");
	is("$rc $o", "0 $right\n$right", "a cache_dir that is $what harms no statement");
}
# no space: the process may write no file beyond 400 kB
{
	mkdir "$other/full", 0700;
	my $script = "\\o /dev/null\nSELECT pg_backend_pid() AS pid \\gset\n\\setenv PID :pid\n\\! prlimit --pid \$PID --fsize=400000\n\\o\nSET supertable.cache_dir = '$other/full'; $q; $q";
	my ($rc, $o, $err) = sql_err($node, $script);
	is("$rc $o", "0 $right\n$right", 'a full disk harms no statement');
	ok(read_file($node->logfile) =~ /could not write read cache/, '... and the log tells of it');
}

# ---- vectors, and who may be served ----

sql($node, 'DELETE FROM local WHERE i % 3 = 0');
$right = sql($node, $q_local);
is(sql($node, $q), $right, 'deleted rows');
($out, @requests) = counted($q);
is("$out " . @requests, "$right 0", 'deletion vectors are cached');

{
	my $set = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2; SET parallel_leader_participation = off';
	my $p = 'SELECT count(*), sum(i) FROM T WHERE length(v) + k > 9';
	like(sql($node, "$set; EXPLAIN (COSTS off) " . $p =~ s/T W/t W/r), qr/Parallel Foreign Scan/, 'a parallel plan');
	clear();
	for my $what ('cold', 'cached')
	{
		is(sql($node, "$set; " . $p =~ s/T W/t W/r), sql($node, $p =~ s/T W/local W/r), "... of workers that read the vectors themselves, $what");
	}
}

my @before = cache_files();
sql($node, "CREATE SERVER again FOREIGN DATA WRAPPER supertable OPTIONS (url 'count:file://$lake/'); CREATE FOREIGN TABLE t2 (i int, k int, v text) SERVER again OPTIONS (path 't')");
(my $q2 = $q) =~ s/ t / t2 /;
($out, @requests) = counted($q2);
is($out, $right, 'the same table through another server');
cmp_ok(scalar @requests, '>', 0, '... whose options are others, is not served what the first has cached');
my @after = cache_files();
cmp_ok(scalar @after, '>', scalar @before, '... but has files of its own');

# a base backup leaves it out
$node->append_conf('postgresql.conf', "wal_level = replica\nmax_wal_senders = 2\n");
$node->append_conf('pg_hba.conf', "local replication all trust\n");
$node->restart;
my $backup = $node->basedir . '/backup';
system('pg_basebackup', '-h', $node->host, '-p', $node->port, '-D', $backup, '-X', 'none', '-c', 'fast') == 0 or die;
ok(-e "$backup/PG_VERSION" && !-e "$backup/pgsql_tmp_supertable", 'a base backup leaves it out');
is(sql($node, $q), $right, 'a restart leaves it right');

$node->stop;
done_testing();
