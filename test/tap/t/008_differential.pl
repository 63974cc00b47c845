# Random statements on a heap table and on a supertable side by side: equal
# rows, counts, command tags and SQLSTATEs.  Covers L52.
#
# SUPERTABLE_SEED sets the seed, SUPERTABLE_RUNS how many runs with consecutive
# seeds are made, SUPERTABLE_STATEMENTS how many statements each has.
use strict;
use warnings;
no warnings 'nonchar';
use utf8;
use Differential;
use Encode qw(encode);
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;

sub show { diag(encode('UTF-8', $_[0])); }

my $seed = $ENV{SUPERTABLE_SEED} // int(rand(1 << 30));
my $n_runs = $ENV{SUPERTABLE_RUNS} // 1;
my $n_statements = $ENV{SUPERTABLE_STATEMENTS} // 500;

my $node = new_node('differential', plain => 1, init => { extra => ['--encoding=UTF8', '--locale=C'] });
sql($node, "CREATE DATABASE icu TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'");
$node->safe_psql('icu', "CREATE EXTENSION supertable; CREATE SERVER lake FOREIGN DATA WRAPPER supertable OPTIONS (url 'file://" . lake_of($node) . "')");
$node->safe_psql($_, Differential::shared_objects()) for 'postgres', 'icu';

sub spew
{
	my ($path, $text) = @_;
	open(my $fh, '>:utf8', $path) or die "$path: $!";
	print $fh $text;
	close $fh;
}

# The script of a run for one side.  EXPLAIN is asked of the supertable only.
sub script
{
	my ($steps, $schema) = @_;
	my $out = "\\set QUIET on\nLOAD 'supertable';\n\\set QUIET off\n\\pset null '<null>'\n";
	for my $i (0 .. $#$steps)
	{
		my $s = $steps->[$i];
		my $how = ($s->{expect} // '') eq 'passes' ? 'ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF' : 'COSTS OFF';
		$out .= "\\echo \@x $i\nEXPLAIN ($how) $s->{text}\n" if $schema eq 'lake' && $s->{expect};
		$out .= "\\echo \@\@ $i\n$s->{text}\n\\echo \@= :ERROR :SQLSTATE :ROW_COUNT\n";
	}
	return $out;
}

# Runs a script; a list of outputs, one a step, and plans in ->[1].
sub run_script
{
	my ($name, $database, $schema, $text) = @_;
	my $base = $node->basedir . "/$name.$schema";
	my (@outputs, @plans);

	spew("$base.sql", $text);
	local $ENV{PGOPTIONS} = "-c search_path=$schema,public -c client_encoding=UTF8 -c statement_timeout=300000";
	my $rc = system("psql -X -A -t -v VERBOSITY=verbose -d '" . $node->connstr($database) . "' -f '$base.sql' > '$base.out' 2> '$base.err'");
	die "psql: $rc, see $base.err" if $rc != 0;
	open(my $fh, '<:utf8', "$base.out") or die "$base.out: $!";
	my $to;
	while (my $line = <$fh>)
	{
		if ($line =~ /^\@([x@]) (\d+)$/)
		{
			$to = $1 eq 'x' ? \$plans[$2] : \$outputs[$2];
			$$to = '';
		}
		elsif (defined $to) { $$to .= $line; }
	}
	close $fh;
	return (\@outputs, \@plans);
}

sub first { my ($n, @list) = @_; return @list > $n ? @list[0 .. $n - 1] : @list; }

# Rows in no order, unless the step has one; the lines of a step with several statements stay where they are.
sub settled
{
	my ($text, $step) = @_;
	$text //= '';
	return $text if $step->{ordered};
	return join "\n", sort split /\n/, $text;
}

my %total;
my ($n_filters, $n_aggregates, $n_unpushed, $n_passes) = (0, 0, 0, 0);

sub run_one
{
	my ($seed) = @_;
	my $run = Differential::make_run($seed, $n_statements);
	my $steps = $run->{steps};
	my $n = 0;

	# the default collation is that of bytes, or another
	my $database = $seed % 2 ? 'icu' : 'postgres';

	$node->safe_psql($database, "DROP SCHEMA IF EXISTS heap CASCADE; DROP SCHEMA IF EXISTS lake CASCADE; CREATE SCHEMA heap; CREATE SCHEMA lake;
		CREATE TABLE heap.t (" . Differential::table_columns() . "); CREATE FOREIGN TABLE lake.t (" . Differential::table_columns() . ") SERVER lake OPTIONS (path 'run$seed')");
	my ($want) = run_script("run$seed", $database, 'heap', script($steps, 'heap'));
	my ($got, $plans) = run_script("run$seed", $database, 'lake', script($steps, 'lake'));
	for my $i (0 .. $#$steps)
	{
		my $s = $steps->[$i];
		my ($w, $g) = (settled($want->[$i], $s), settled($got->[$i], $s));
		if ($w ne $g && $n++ < 5)
		{
			my %of_w = map { $_ => 1 } split /\n/, $w;
			my %of_g = map { $_ => 1 } split /\n/, $g;
			show "seed $seed, step $i: $s->{text}";
			show join "\n", map({ "  heap:  $_" } first(5, grep { !$of_g{$_} } split /\n/, $w)), map({ "  lake:  $_" } first(5, grep { !$of_w{$_} } split /\n/, $g));
		}
		# the rest follows from a change that went another way
		last if $w ne $g && $s->{changes};
		next if !$s->{expect} || ($database eq 'icu' && $s->{text} =~ /\bvc\b/) || !defined $plans->[$i] || $plans->[$i] !~ /Scan/;
		my $line = $s->{expect} eq 'filter' ? 'Storage Filter' : 'Storage Aggregate on';
		if (index($plans->[$i], $line) >= 0) { $s->{expect} eq 'filter' ? $n_filters++ : $n_aggregates++; }
		elsif ($n_unpushed++ < 3) { show "seed $seed, step $i, no $line: $s->{text}\n$plans->[$i]"; }
	}
	for my $plan (grep { defined } @$plans)
	{
		$n_passes++ if $plan =~ /^ *Superfiles: (\d+)$/m && ($plan =~ /^ *Superfiles Read: (\d+)$/m)[0] > ($plan =~ /^ *Superfiles: (\d+)$/m)[0];
	}
	$total{$_} += $run->{kinds}{$_} for keys %{ $run->{kinds} };
	is($n, 0, "seed $seed: $run->{n_statements} statements have equal results");
	cmp_ok($run->{n_changes_in_txn} * 3, '>=', $run->{n_statements}, "seed $seed: $run->{n_changes_in_txn} changes in transactions with savepoints");
	system('rm', '-rf', lake_of($node) . "/run$seed") if $n == 0;
}

note "seed $seed";
run_one($seed + $_) for 0 .. $n_runs - 1;

note "$_: " . ($total{$_} // 0) for sort(keys %total);
is(join(', ', grep { !$total{$_} } Differential::all_kinds()), '', 'each kind occurred');
# where reading costs most, a sorted plan of nearly the same cost may be preferred
cmp_ok($n_unpushed * 20, '<=', $n_filters + $n_aggregates, 'what can be decided below the executor was, mostly');
cmp_ok($n_passes, '>', 0, "$n_passes statements had more groups than memory and read the table again");
cmp_ok($n_filters, '>=', 10, "$n_filters filters were decided by the scan");
cmp_ok($n_aggregates, '>=', 10, "$n_aggregates statements were aggregated by the scan");
done_testing();
