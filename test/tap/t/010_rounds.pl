# How many round trips of a distant store a statement waits for, counted by
# the counting store (not by any clock): what is sent together is one round.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('rounds', plain => 1);
my $lake = lake_of($node);
my $log = "$lake-count.log";
sql($node, "CREATE SERVER counted FOREIGN DATA WRAPPER supertable OPTIONS (url 'count:file://$lake');
	CREATE FUNCTION store_count_rounds() RETURNS bigint AS '\$libdir/supertable_store_count', 'store_count_rounds' LANGUAGE C;
	CREATE FUNCTION store_count_reset() RETURNS void AS '\$libdir/supertable_store_count', 'store_count_reset' LANGUAGE C;
	CREATE TABLE heap (i int)");

# The rounds of $script in a session that has run $before; of them, those in
# which something else than superfiles was read or written.
sub rounds
{
	my ($before, $script) = @_;
	unlink $log;
	my $out = sql($node, "\\o /dev/null\nSET supertable.checkpoint_interval = 0;\n$before;\nSET store_count.log = '$log';\nSELECT store_count_reset();\n$script;\n\\o\nSELECT store_count_rounds()");
	my %commit;
	for (-e $log ? split(/\n/, read_file($log)) : ())
	{
		my (undef, $op, $key, undef, undef, $round) = split / /;
		$commit{$round} = 1 unless $op =~ /^GET/ && $key =~ /seg-/;
	}
	return ($out, scalar keys %commit);
}

sub at_most
{
	my ($limit, $what, $before, $script) = @_;
	my ($all, $n) = rounds($before, $script);
	cmp_ok($n, '<=', $limit, "$what: $n rounds, at most $limit, and " . ($all - $n) . ' that read superfiles') or diag(read_file($log));
}

sql($node, "CREATE FOREIGN TABLE t (id int, v text) SERVER counted OPTIONS (path 't');
	INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 1000) i; INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1001, 2000) i;");
my $insert = "INSERT INTO t SELECT i, 'new ' || i FROM generate_series(1, 1000) i";
my $warm = 'SELECT count(*), max(v) FROM t WHERE id >= 0';

at_most(3, 'INSERT of 1,000 rows', $insert, $insert);
at_most(6, 'INSERT of 1,000 rows in a transaction block', "BEGIN; $insert; COMMIT", "BEGIN; $insert; COMMIT");
at_most(6, 'two-phase UPDATE', "$warm; $insert", "BEGIN; UPDATE t SET v = v || '+' WHERE id = 7; COMMIT");
at_most(3, 'one-phase UPDATE', "$warm; $insert", "UPDATE t SET v = v || '+' WHERE id = 8");
at_most(3, 'one-phase DELETE', "$warm; $insert", "DELETE FROM t WHERE id = 9");

$node->stop;
done_testing();
