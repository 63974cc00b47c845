# Random statements for a table, the same whatever kind of table it is: a list
# of steps made from a seed.  test/tap/t/008_differential.pl runs them on a heap
# table and on a supertable and compares.
#
# What PostgreSQL leaves open is not asked for: rows are compared as a set
# unless they are ordered by id, reals are summed from columns whose sums are
# the same in every order, a zero is shown without its sign where one of several
# equal values is shown.  Values that docs/limits.md says cannot be stored do
# not occur among rows (as constants they do).
package Differential;

use strict;
use warnings;
use utf8;

my @OPS = ('=', '<>', '<', '<=', '>', '>=');
my %MIRROR = ('=' => '=', '<>' => '<>', '<' => '>', '<=' => '>=', '>' => '<', '>=' => '<=');

# ---- values ----

my $LONG = 'a long text with the same beginning, ';

my %POOL = (
	bool => { few => ['true', 'false'], far => ['true'] },
	int2 => { few => [-3 .. 12], far => [-32768, 32767, -32767, 0] },
	int4 => { few => [-3 .. 12, 100, 70000], far => [-2147483648, 2147483647, 0] },
	int8 => { few => [-3 .. 12, 5000000000], far => ['-9223372036854775808', '9223372036854775807', '-9223372036854775807', 2147483648] },
	float4 => { few => [-2, -0.5, 0, 0.25, 1, 1.5, 3.75, 16777216, 0.1], far => ['NaN', 'Infinity', '-Infinity', '-0', '3.4028235e38', '-3.4028235e38', '1e-45', '-1e-45'] },
	float8 => { few => [-2, -0.5, 0, 0.25, 1, 1.5, 3.75, 0.1, 16777217], far => ['NaN', 'Infinity', '-Infinity', '-0', '1.7976931348623157e308', '-1.7976931348623157e308', '5e-324', '-5e-324'] },
	exact => { few => [map { $_ / 8 } -20 .. 40], far => ['NaN', 'Infinity', '-Infinity', '-0', '-0'] },
	hugef4 => { few => [map { $_ / 8 } -20 .. 40], far => ['3.4028235e38', '-0', 0] },
	hugef8 => { few => [map { $_ / 8 } -20 .. 40], far => ['1.7976931348623157e308', '-0', 0] },
	'numeric(9,2)' => { few => ['-1.50', '0', '0.01', '1', '1.5', '2.25', '10.10'], far => ['9999999.99', '-9999999.99', '-0.01'] },
	'numeric(18,4)' => { few => ['-1.5', '0', '0.0001', '1', '1.5', '12345678.0625'], far => ['99999999999999.9999', '-99999999999999.9999'] },
	'numeric(5,0)' => { few => [-2 .. 9], far => [99999, -99999] },
	'numeric(38,10)' => { few => ['-1.5', '0', '1', '1.5', '0.0000000001'], far => ['9999999999999999999999999999.9999999999', '-9999999999999999999999999999.9999999999'] },
	text => { few => ['a', 'A', 'b', 'B', 'Z', 'z', '_', 'ab', 'abc', 'Ab', 'é', 'z%', 'a b', 'straße', 'STRASSE', '10', '9'],
		far => ['', ' ', 'ab ', "\x{10ffff}", "\x{7f}", "\x{d7ff}", "\x{e000}é", "${LONG}a", "${LONG}b", $LONG . ('é' x 40), 'a' x 31 . 'é', 'a' x 32 . 'é', "\x{10ffff}" x 20, 'z' x 300] },
	'varchar(20)' => { few => ['a', 'A', 'b', 'B', 'Z', 'ab', 'abc', 'é', 'x y', '10', '9'], far => ['', 'ab ', "\x{10ffff}" x 20, 'z' x 20] },
	'char(8)' => { few => ['a', 'A', 'b', 'B', 'ab', 'é', 'a b'], far => ['', "\t", "a\x01", "ab\x1f", "\x{10ffff}" x 8, 'zzzzzzzz'] },
	bytea => { few => ['\x', '\x00', '\x61', '\x6162', '\x80', '\xff'], far => ['\x' . 'ff' x 40, '\x' . '00' x 40, '\x' . '61' x 33] },
	date => { few => ['2024-02-28', '2024-02-29', '2024-03-01', '1999-12-31', '2000-01-01', '1970-01-01', '1969-12-31'], far => ['4713-01-01 BC', '5874897-12-31', '0001-01-01', '294246-12-31'] },
	time => { few => ['00:00:00', '12:30:00.5', '23:59:59.999999'], far => ['24:00:00', '00:00:00.000001'] },
	timestamp => { few => ['2024-02-29 00:00:00', '2024-02-29 12:00:00.123456', '2000-01-01 00:00:00', '1969-12-31 23:59:59.999999', '2024-03-01 00:00:00'],
		far => ['4713-11-24 00:00:00 BC', '294246-12-31 23:59:59.999999', '294247-01-10 04:00:54.775807', '1969-12-31 23:59:59.000001', '0001-01-01 00:00:00', '10000-01-01 00:00:00.0005'] },
	timestamptz => { few => ['2024-02-29 00:00:00+00', '2024-02-29 12:00:00.123456+00', '2000-01-01 00:00:00+00', '1969-12-31 23:59:59.999999+00', '2024-02-29 05:00:00+00', '2024-02-28 18:30:00+00'],
		far => ['4713-11-25 00:00:00+00 BC', '294246-12-31 23:59:59.999999+00', '294247-01-10 04:00:54.775807+00', '1969-12-31 23:59:59.000001+00', '0001-01-01 00:00:00+00'] },
	uuid => { few => ['6c40ac10-0000-4000-8000-000000000001', '6c40ac10-0000-4000-8000-000000000002', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'], far => ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'] },
	json => { few => ['{"a": 1}', '{"a":1}', '[1, 2]', '"é"', 'null'], far => ['{}', '[]', '  1e400 ', '{"a":1,"a":2}'] },
	jsonb => { few => ['{"a": 1}', '{"b": [1, null]}', '"é"', 'null', '1.50'], far => ['{}', '[]', '1e300', '{"a":1,"a":2}'] },
	'integer[]' => { few => ['{}', '{1}', '{1,2,NULL}', '{NULL}'], far => ['{-2147483648,2147483647}', '{' . join(',', 1 .. 60) . '}'] },
	'double precision[]' => { few => ['{}', '{1.5,NULL}'], far => ['{NaN,Infinity,-Infinity,-0,5e-324}', '{NULL,NULL}'] },
	'text[]' => { few => ['{}', '{a,NULL,"b c"}', '{""}'], far => ["{\x{10ffff}}", '{"\"",NULL,"\\\\"}'] },
	'numeric(38,10)[]' => { few => ['{}', '{1.5,NULL}'], far => ['{9999999999999999999999999999.9999999999,-0.0000000001}'] },
	'timestamptz[]' => { few => ['{}', '{2024-02-29 00:00:00+00,NULL}'], far => ['{"4713-11-25 00:00:00+00 BC","294246-12-31 23:59:59.999999+00"}'] },
	'boolean[]' => { few => ['{}', '{t,f,NULL}'], far => ['{NULL,NULL,NULL}'] },
);

# Constants that no row has, beside the values that rows have.
my %MORE = (
	date => ['infinity', '-infinity'],
	timestamp => ['infinity', '-infinity', '294260-01-01 00:00:00', '294276-12-31 23:59:59.999999'],
	timestamptz => ['infinity', '-infinity', '294260-01-01 00:00:00+00'],
	numeric => ['NaN', 'Infinity', '-Infinity', '1.50000000000000000001', '0.009', '-0.009', '-1.505', '1.5000', '1e30', '-1e30', '1e-30', '9999999.991', '-99999999999999.99991', '9223372036854775807', '92233720368547758.08'],
);

# name, type, collation, pool, what is decided below the executor:
# e = <> IN, o < <= > >=, p LIKE 'x%', s sum avg, m min max, g GROUP BY
my @COLUMNS = (
	[b => 'bool', '', 'bool', 'eog'],
	[i2 => 'int2', '', 'int2', 'eosmg'],
	[i4 => 'int4', '', 'int4', 'eosmg'],
	[i8 => 'int8', '', 'int8', 'eosmg'],
	[f4 => 'float4', '', 'exact', 'eosmg'],
	[f8 => 'float8', '', 'exact', 'eosmg'],
	[w4 => 'float4', '', 'float4', 'eomg'],
	[w8 => 'float8', '', 'float8', 'eomg'],
	[n2 => 'numeric(9,2)', '', 'numeric(9,2)', 'eosmg'],
	[n4 => 'numeric(18,4)', '', 'numeric(18,4)', 'eosmg'],
	[n0 => 'numeric(5,0)', '', 'numeric(5,0)', 'eosmg'],
	[n38 => 'numeric(38,10)', '', 'numeric(38,10)', ''],
	[t => 'text', '"C"', 'text', 'eopg'],
	[tl => 'text', '"und-x-icu"', 'text', 'epg'],
	[nd => 'text', 'nd', 'text', ''],
	[vc => 'varchar(20)', '', 'varchar(20)', 'eopg'],
	[c => 'char(8)', '"C"', 'char(8)', 'eo'],
	[cl => 'char(8)', '"und-x-icu"', 'char(8)', 'e'],
	[by => 'bytea', '', 'bytea', 'eog'],
	[d => 'date', '', 'date', 'eomg'],
	[tm => 'time', '', 'time', ''],
	[ts => 'timestamp', '', 'timestamp', 'eomg'],
	[tz => 'timestamptz', '', 'timestamptz', 'eomg'],
	[u => 'uuid', '', 'uuid', ''],
	[j => 'json', '', 'json', ''],
	[jb => 'jsonb', '', 'jsonb', ''],
	[ai => 'integer[]', '', 'integer[]', ''],
	[af => 'double precision[]', '', 'double precision[]', ''],
	[at => 'text[]', '', 'text[]', ''],
	[an => 'numeric(38,10)[]', '', 'numeric(38,10)[]', ''],
	[az => 'timestamptz[]', '', 'timestamptz[]', ''],
	[ab => 'boolean[]', '', 'boolean[]', ''],
	# added when there are rows already
	[z2 => 'int2', '', 'int2', 'eosmg'],
	[zt => 'text', '"C"', 'text', 'eopg'],
	[zf => 'float8', '', 'float8', 'eomg'],
	[za => 'integer[]', '', 'integer[]', ''],
);
my @LATE = qw(z2 zt zf za);
my %COL = map { $_->[0] => { name => $_->[0], type => $_->[1], collation => $_->[2], pool => $_->[3], can => $_->[4] } } @COLUMNS;
my @NAMES = map { $_->[0] } @COLUMNS;
my @EARLY = @NAMES[0 .. $#NAMES - @LATE];
my @SCALAR = grep { $COL{$_}{type} !~ /\[\]/ } @NAMES;
my @ORDERED = grep { $_ ne 'j' } @SCALAR;

# Tests against constants of another type: column, constant's type, decided below or not.
my @CROSS = (
	(map { my $c = $_; map { [$c, $_, 1] } grep { $_ ne $COL{$c}{type} } qw(int2 int4 int8) } qw(i2 i4 i8)),
	[w4 => 'float8', 1], [w8 => 'float4', 1], [f4 => 'float8', 1],
	[i4 => 'numeric', 0], [i8 => 'float8', 0], [w4 => 'numeric', 0],
	[n2 => 'numeric', 1], [n4 => 'numeric', 1], [n0 => 'numeric', 1], [n38 => 'numeric', 0], [n2 => 'int8', 1],
	[d => 'timestamp', 0], [d => 'timestamptz', 0],
	[ts => 'date', 1], [ts => 'timestamptz', 0],
	[tz => 'date', 1], [tz => 'timestamp', 1],
	[vc => 'text', 1], [c => 'text', 0],
);

sub pick { return $_[int(rand(@_))]; }
sub chance { return rand() < $_[0]; }

sub quoted
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	return "'$text'";
}

sub count { my ($g, $kind) = @_; $g->{kinds}{$kind}++; }

# Text of a value out of a pool; undef for a null.
sub pool_value
{
	my ($pool, $nulls) = @_;
	return undef if chance($nulls);
	my $p = $POOL{$pool};
	return chance(0.2) ? pick(@{ $p->{far} }) : pick(@{ $p->{few} });
}

# What is told apart among the values of rows; '' for the usual ones.
sub kind_of_value
{
	my ($pool, $v) = @_;
	return 'null' unless defined $v;
	return $v if $v eq 'NaN' || $v eq '-0' || $v =~ /^-?Infinity$/;
	return (grep { $_ eq $v } @{ $POOL{$pool}{far} }) ? 'extreme' : '';
}

sub row_value
{
	my ($g, $name) = @_;
	my $pool = $g->{pools}{$name};
	my $v = pool_value($pool, 0.12);
	my $kind = kind_of_value($pool, $v);
	count($g, "value $name $kind") if $kind ne '';
	return $v;
}

sub literal
{
	my ($value) = @_;
	return defined $value ? quoted($value) : 'NULL';
}

# A constant of a type to compare a column with; undef for a null.
sub constant_value
{
	my ($g, $type, $nulls) = @_;
	return undef if chance($nulls);
	return pick(@{ $MORE{$type} }) if $MORE{$type} && chance(0.25);
	return pool_value(pick('numeric(9,2)', 'numeric(18,4)', 'numeric(5,0)', 'numeric(38,10)'), 0) if $type eq 'numeric';
	return pool_value($type, 0);
}

# Constants that columns are compared with carry no length, which would cut or pad them.
sub bare
{
	my ($type) = @_;
	return $type if $type =~ /\[\]/;
	$type =~ s/\(.*//;
	return $type eq 'char' ? 'bpchar' : $type;
}

sub constant
{
	my ($g, $type, $nulls) = @_;
	my $v = constant_value($g, $type, $nulls);
	return (defined $v ? quoted($v) . '::' . bare($type) : 'NULL::' . bare($type), defined $v);
}

# ---- tests of one column ----

# Each kind of test is one entry here: a name, and what makes (text, decided below).
my (%TESTS, @TEST_KINDS, @BELOW_KINDS);

sub test_kind
{
	my ($name, $below, $make) = @_;
	$TESTS{$name} = $make;
	push @TEST_KINDS, $name;
	push @BELOW_KINDS, $name if $below;
}

sub comparison
{
	my ($g, $a, $name, $op, $type, $below) = @_;
	my ($const, $known) = constant($g, $type, 0.04);
	my $text = chance(0.25) ? "$const $MIRROR{$op} $a.$name" : "$a.$name $op $const";
	return ($text, $below && $known);
}

sub list_of
{
	my ($g, $type, $nulls) = @_;
	return map { (constant($g, $type, $nulls))[0] } 1 .. 1 + int(rand(5));
}

for my $name (@ORDERED)
{
	my $c = $COL{$name};
	for my $op (@OPS)
	{
		my $below = index($c->{can}, $op eq '=' || $op eq '<>' ? 'e' : 'o') >= 0;
		test_kind("$name $op", $below, sub { my ($g, $a) = @_; return comparison($g, $a, $name, $op, $c->{type}, $below); });
	}
	my $below = index($c->{can}, 'e') >= 0;
	for my $nulls ('', ' with NULL')
	{
		my $share = $nulls ? 0.5 : 0;
		test_kind("$name IN$nulls", $below, sub { my ($g, $a) = @_; return ("$a.$name " . (chance(0.5) ? 'IN' : 'NOT IN') . ' (' . join(', ', list_of($g, $c->{type}, $share)) . ')', $below && !$share); });
		test_kind("$name ANY$nulls", $below, sub {
			my ($g, $a) = @_;
			my @list = chance(0.1) ? () : list_of($g, $c->{type}, $share);
			return ("$a.$name " . (chance(0.5) ? '= ANY' : '<> ALL') . ' (ARRAY[' . join(', ', @list) . ']::' . bare($c->{type}) . '[])', $below && !$share && @list > 0);
		});
	}
}
for my $name (@NAMES)
{
	my $below = $COL{$name}{type} !~ /\[\]/;
	test_kind("$name IS NULL", $below, sub { my ($g, $a) = @_; return ("$a.$name IS NULL", $below); });
	test_kind("$name IS NOT NULL", $below, sub { my ($g, $a) = @_; return ("$a.$name IS NOT NULL", $below); });
}
for my $cross (@CROSS)
{
	my ($name, $type, $below) = @$cross;
	test_kind("$name against $type", $below, sub { my ($g, $a) = @_; return comparison($g, $a, $name, pick(@OPS), $type, $below); });
	test_kind("$name IN $type", $below, sub {
		my ($g, $a) = @_;
		return ("$a.$name " . (chance(0.5) ? '= ANY' : '<> ALL') . ' (ARRAY[' . join(', ', list_of($g, $type, 0.1)) . "]::$type\[])", 0);
	}) if $type ne 'text';
}
for my $name (qw(t tl vc c))
{
	my $below = index($COL{$name}{can}, 'p') >= 0;
	test_kind("$name LIKE prefix", $below, sub { my ($g, $a) = @_; return ("$a.$name LIKE " . quoted(pick('a', 'A', 'ab', 'é', 'Z', $LONG, 'a' x 32, "\x{10ffff}", 'ab ') . '%'), $below); });
	test_kind("$name LIKE other", 0, sub { my ($g, $a) = @_; return ("$a.$name " . pick('LIKE', 'NOT LIKE', 'ILIKE') . ' ' . quoted(pick('%', '', 'a', '%b', 'a_%', 'z\%', 'a%c', '_')), 0); });
	next if $name eq 'c';
	test_kind("$name ^@", $below, sub { my ($g, $a) = @_; return ("$a.$name ^@ " . quoted(pick('', 'a', 'A', 'ab', 'é', $LONG)), $below); });
	test_kind("$name starts_with", 0, sub { my ($g, $a) = @_; return ("starts_with($a.$name, " . quoted(pick('', 'a', 'é')) . ')', 0); });
}
test_kind('b', 1, sub { my ($g, $a) = @_; return ("$a.b", 1); });
test_kind('NOT b', 1, sub { my ($g, $a) = @_; return ("NOT $a.b", 1); });
test_kind('b IS', 0, sub { my ($g, $a) = @_; return ("$a.b IS " . pick('TRUE', 'NOT TRUE', 'FALSE', 'NOT FALSE', 'UNKNOWN'), 0); });
test_kind('BETWEEN', 1, sub {
	my ($g, $a) = @_;
	my $name = pick(grep { $COL{$_}{can} =~ /eo/ && $_ ne 'b' } @ORDERED);
	return ("$a.$name BETWEEN " . (constant($g, $COL{$name}{type}, 0))[0] . ' AND ' . (constant($g, $COL{$name}{type}, 0))[0], 1);
});
test_kind('id range', 1, sub { my ($g, $a) = @_; my $from = int(rand($g->{next_id})); return ("$a.id >= $from AND $a.id < $from + " . int(rand(100)), 1); });
test_kind("tl in C", 1, sub { my ($g, $a) = @_; my ($const, $known) = constant($g, 'text', 0); return ("$a.tl COLLATE \"C\" " . pick(@OPS) . " $const", $known); });
test_kind("t in ICU", 0, sub { my ($g, $a) = @_; return ("$a.t " . pick(@OPS) . ' ' . (constant($g, 'text', 0))[0] . ' COLLATE "und-x-icu"', 0); });
test_kind('query once', 0, sub { my ($g, $a) = @_; return (pick("$a.i4 = (SELECT max(k) FROM dim)", "$a.i4 = ANY (ARRAY(SELECT k FROM dim))", "$a.n2 > (SELECT min(n) FROM dim WHERE k = 3)", "$a.d = (SELECT max(d) FROM dim WHERE k < 0)"), 0); });
test_kind('stable', 1, sub { my ($g, $a) = @_; return (pick("$a.tz < now()", "$a.d <= current_date", "$a.ts < localtimestamp", "$a.tz >= '2024-02-29'::text::timestamptz"), 1); });
test_kind('two columns', 0, sub { my ($g, $a) = @_; return (pick("$a.i2 < $a.i4", "$a.f8 = $a.w8", "$a.t < $a.tl COLLATE \"C\"", "$a.d < $a.ts"), 0); });
test_kind('expression', 0, sub { my ($g, $a) = @_; return (pick("$a.id % 3 = 1", "length($a.t) > 2", "coalesce($a.i2, 0) = 0", "$a.b IS DISTINCT FROM true", "$a.ai[1] = 1", "upper($a.t) = 'AB'"), 0); });

# The next kind of a list whose kinds come in random order, none a second time before each came once.
sub next_of
{
	my ($g, $list, @all) = @_;
	$g->{left}{$list} = [sort { $a->[0] <=> $b->[0] } map { [rand(), $_] } @all] unless @{ $g->{left}{$list} // [] };
	return (shift @{ $g->{left}{$list} })->[1];
}

# The first of some kinds of tests that is still to come.
sub take
{
	my ($g, @kinds) = @_;
	my $left = $g->{left}{test} // [];
	my %is = map { $_ => 1 } @kinds;
	for my $i (0 .. $#$left)
	{
		return (splice @$left, $i, 1)->[1] if $is{ $left->[$i][1] };
	}
	return undef;
}

sub one_test
{
	my ($g, $a, $below_only) = @_;
	my $kind = $below_only ? take($g, @BELOW_KINDS) // pick(@BELOW_KINDS) : next_of($g, 'test', @TEST_KINDS);
	return test_of($g, $a, $kind);
}

sub test_of
{
	my ($g, $a, $kind) = @_;
	count($g, "test $kind");
	my ($text, $below) = $TESTS{$kind}->($g, $a);
	return ("($text)", $below);
}

# A condition: a test, or a tree of them.  (text, decided below)
sub condition
{
	my ($g, $a, $depth, $below_only) = @_;
	return one_test($g, $a, $below_only) if $depth == 0 || chance(0.5);
	my $form = $below_only ? pick('AND', 'OR') : next_of($g, 'tree', 'AND', 'AND', 'OR', 'OR', 'NOT OR');
	count($g, "tree $form");
	my @parts = map { [condition($g, $a, $depth - 1, $below_only)] } 1 .. 2 + int(rand(2));
	my $below = !grep { !$_->[1] } @parts;
	return ('(' . join(' AND ', map { $_->[0] } @parts) . ')', $below) if $form eq 'AND';
	return ('(' . join(' OR ', map { $_->[0] } @parts) . ')', $below) if $form eq 'OR';
	return ('NOT (' . join(' OR ', map { $_->[0] } @parts) . ')', 0);
}

# Most of them are made to be decided below the executor.
sub loose { my ($g, $a) = @_; return condition($g, $a, 2, chance(0.6)); }

# ---- statements ----

sub columns_list
{
	my ($a) = @_;
	return "$a.*" if chance(0.15);
	return join ', ', map { "$a.$_" } 'id', map { pick(@NAMES) } 1 .. 1 + int(rand(5));
}

# A value to show for a group's key, or a least or greatest: no sign on a zero.
sub shown
{
	my ($name, $text) = @_;
	return $COL{$name}{type} =~ /float/ ? "$text + '0'::$COL{$name}{type}" : $text;
}

my @AGGREGATES = (['count(*)', 1], map {
	my $name = $_;
	my $can = $COL{$name}{can};
	my @of = (["count($name)", 1]);
	push @of, ["sum($name)", 1], ["avg($name)", 1] if $can =~ /s/;
	push @of, ["min($name)", 1], ["max($name)", 1] if $can =~ /m/;
	@of;
} @SCALAR);
my @OTHER_AGGREGATES = ('sum(n38)', 'min(t)', 'max(tl)', 'max(tm)', 'min(n38)', 'max(n38)', 'count(DISTINCT i4)', 'count(*) FILTER (WHERE b)', 'bool_and(b)',
	'string_agg(i2::text, \',\' ORDER BY i2)', 'sum(i4 + 1::bigint)', 'stddev(i2)', 'sum(DISTINCT i2)', 'count(ai)', 'count(t.*)', 'max(c)');

sub aggregate_text
{
	my ($g, $other) = @_;
	return (pick(@OTHER_AGGREGATES), 0) if $other;
	my $agg = next_of($g, 'aggregate', @AGGREGATES);
	count($g, "aggregate $agg->[0]");
	my ($fn, $name) = $agg->[0] =~ /^(\w+)\((.*)\)$/;
	return ($fn =~ /min|max/ ? shown($name, $agg->[0]) : $agg->[0], 1);
}

sub aggregates
{
	my ($g, $n) = @_;
	my @texts;
	my $below = 1;
	for (1 .. $n)
	{
		my ($text, $can) = aggregate_text($g, chance(0.05));
		push @texts, $text;
		$below &&= $can;
	}
	return (\@texts, $below);
}

my @KEYS = grep { $COL{$_}{can} =~ /g/ } @SCALAR;
my @OTHER_KEYS = qw(c u n38 tm cl);

sub select_rows
{
	my ($g) = @_;
	my ($where, $below) = loose($g, 'x');
	my $order = chance(0.3) ? ' ORDER BY x.id' . (chance(0.6) ? ' LIMIT ' . int(rand(20)) . (chance(0.3) ? ' OFFSET 3' : '') : '') : '';
	return ("SELECT " . columns_list('x') . " FROM t x WHERE $where$order", $below ? 'filter' : '');
}

sub where_text
{
	my ($g, $share) = @_;
	return ('', 1) unless chance($share);
	my ($text, $below) = loose($g, 't');
	return (" WHERE $text", $below);
}

sub select_total
{
	my ($g) = @_;
	my ($texts, $agg_below) = aggregates($g, 1 + int(rand(4)));
	my ($where, $where_below) = where_text($g, 0.6);
	return ('SELECT ' . join(', ', @$texts) . " FROM t$where", $agg_below && $where_below ? 'aggregate' : '');
}

# Grouped by one to three keys.
sub grouped
{
	my ($g, $having) = @_;
	my $n = next_of($g, 'keys', 1, 1, 2, 2, 3);
	my %seen;
	my @keys = grep { !$seen{$_}++ } map { next_of($g, 'key', @KEYS) } 1 .. $n;
	my $below = 1;
	if (chance(0.07))
	{
		push @keys, pick(@OTHER_KEYS);
		$below = 0;
	}
	count($g, 'group by ' . scalar(@keys));
	count($g, "group by $_") for @keys;
	my ($texts, $agg_below) = aggregates($g, 1 + int(rand(3)));
	my ($where, $where_below) = where_text($g, 0.4);
	my $text = 'SELECT ' . join(', ', (map { shown($_, $_) } @keys), @$texts) . " FROM t$where GROUP BY " . join(', ', @keys);
	if ($having)
	{
		my ($agg) = aggregate_text($g, 0);
		$text .= ' HAVING ' . pick("count(*) > 1", "$agg IS NOT NULL", "sum(i2) < 20 OR max(i4) IS NULL", 'avg(i4) > 1.5', "count(*) > (SELECT count(*) / 100 FROM dim)");
	}
	return ($text, $agg_below && $where_below && $below ? 'aggregate' : '');
}

sub select_groups { return grouped($_[0], 0); }
sub select_having { return grouped($_[0], 1); }

# More groups than a small memory holds.
sub select_passes
{
	my ($g) = @_;
	my ($texts, $below) = aggregates($g, 5);
	my $more = pick('t', 'by', 'vc', 'i8', 'w8');
	step($g, "SET $_", control => 1) for "work_mem = '64kB'", 'hash_mem_multiplier = 1';
	return ('SELECT id, ' . join(', ', shown($more, $more), @$texts) . " FROM t GROUP BY id, $more", $below ? 'passes' : '');
}

sub select_join
{
	my ($g) = @_;
	my ($where) = loose($g, 'x');
	my $kind = next_of($g, 'join', 'heap', 'left', 'self', 'semi', 'anti');
	count($g, "join $kind");
	return ("SELECT x.id, d.name FROM t x JOIN dim d ON x.i4 = d.k WHERE $where", '') if $kind eq 'heap';
	return ("SELECT d.k, count(x.id), sum(x.i2) FROM dim d LEFT JOIN t x ON x.i4 = d.k AND $where GROUP BY d.k", '') if $kind eq 'left';
	return ("SELECT count(*), sum(x.i4 + y.i2::int8) FROM t x JOIN t y USING (" . pick('i2', 'd', 'n2', 'vc', 'ts') . ") WHERE $where AND y.id % 3 = 0", '') if $kind eq 'self';
	return ("SELECT x.id FROM t x WHERE $where AND EXISTS (SELECT 1 FROM t y WHERE y.i2 = x.i4 AND y.b)", '') if $kind eq 'semi';
	return ("SELECT x.id FROM t x WHERE $where AND NOT EXISTS (SELECT 1 FROM dim d WHERE d.t = x.t)", '');
}

# A scan begun again for each outer row, with another constant.
sub select_outer
{
	my ($g) = @_;
	my $op = pick(@OPS);
	my ($name, $of) = @{ pick([i2 => 'k'], [i4 => 'k'], [i8 => 'k'], [w8 => 'f'], [w4 => 'f'], [t => 't'], [vc => 't'], [d => 'd'], [ts => 'd'], [tz => 'd'], [n2 => 'n'], [n4 => 'n']) };
	my ($agg) = aggregate_text($g, 0);
	count($g, 'outer ' . $name);
	$op = '=' if $of eq 't' && chance(0.5);
	return ("SELECT d.k, d.name, (SELECT $agg FROM t WHERE t.$name $op d.$of) FROM dim d", '') if chance(0.4);
	return ("SELECT d.k, l.* FROM dim d, LATERAL (SELECT $COL{i2}{name}, count(*) AS n, $agg AS a FROM t WHERE t.$name $op d.$of GROUP BY i2) l", '') if chance(0.5);
	return ("SELECT d.k, l.* FROM dim d, LATERAL (SELECT id, $name FROM t WHERE t.$name $op d.$of ORDER BY id LIMIT 5) l", '');
}

# Parameters, null among them; several statements in one step.
sub select_prepared
{
	my ($g) = @_;
	my $class = next_of($g, 'parameter', 'value', 'value', 'value', 'list', 'list', '^@');
	my ($name, $type) = @{ next_of($g, "parameter $class",
		$class eq 'value' ? ((map { [$_, $COL{$_}{type}] } grep { $COL{$_}{can} =~ /e/ } @ORDERED), (map { [$_->[0], $_->[1]] } @CROSS)) :
		$class eq 'list' ? (map { [$_, $COL{$_}{type}] } qw(i2 i4 i8 w4 w8 n2 n4 t by d ts tz vc)) : (map { [$_, 'text'] } qw(t tl vc))) };
	my ($op, $of_list) = ($class eq '^@' ? $class : '', $class eq 'list');
	my $array = $of_list ? '[]' : '';
	my $bare = bare($type);
	my $test = $of_list ? pick("$name = ANY (\$1)", "$name <> ALL (\$1)") : "$name " . ($op || pick(@OPS)) . " \$1";
	my $n = $g->{n_prepared}++;
	my $what = chance(0.5) ? 'id, ' . $name : (aggregates($g, 2))[0][0] . ', count(*)';
	my @lines = ("PREPARE p$n ($bare$array) AS SELECT $what FROM t WHERE $test");
	count($g, "parameter $class");
	for my $i (0 .. 3)
	{
		my $arg = $i == 1 ? 'NULL' :
			$of_list ? 'ARRAY[' . join(', ', list_of($g, $type, 0.15)) . "]::$bare\[]" : (constant($g, $type, 0))[0];
		push @lines, "EXECUTE p$n ($arg)";
	}
	return (join(";\n", @lines, "DEALLOCATE p$n"), '');
}

# A plan made once, and run later in whatever the session is then about.
sub select_kept
{
	my ($g) = @_;
	my $kept = $g->{kept};
	if (!@$kept || (!$g->{in_txn} && chance(0.4)))
	{
		my ($text) = pick(\&select_rows, \&select_total, \&select_groups)->($g);
		return ($text, '') if $g->{in_txn};
		my $n = $g->{n_prepared}++;
		push @$kept, "k$n";
		return ("PREPARE k$n AS $text;\nEXECUTE k$n", '');
	}
	return ('EXECUTE ' . pick(@$kept), '');
}

sub select_cursor
{
	my ($g) = @_;
	my ($where) = loose($g, 'x');
	my $n = $g->{n_prepared}++;
	my $hold = $g->{in_txn} ? '' : ' WITH HOLD';
	return ("DECLARE c$n SCROLL CURSOR$hold FOR SELECT x.id, x.t, x.w8 FROM t x WHERE $where ORDER BY x.id;\nFETCH 5 FROM c$n;\nMOVE 3 IN c$n;\nFETCH BACKWARD 2 FROM c$n;\nFETCH ALL FROM c$n;\nFETCH FIRST FROM c$n;\nCLOSE c$n", '');
}

sub new_id { my ($g) = @_; return $g->{next_id}++; }

sub insert_values
{
	my ($g) = @_;
	my @rows = map { '(' . join(', ', new_id($g), map { literal(row_value($g, $_)) } @NAMES) . ')' } 1 .. 1 + int(rand(12));
	return "INSERT INTO t VALUES " . join(",\n", @rows) . (chance(0.2) ? ' RETURNING id, t, w8, n38' : '');
}

sub insert_select
{
	my ($g) = @_;
	my $from = $g->{next_id};
	my ($where) = loose($g, 'x');
	$g->{next_id} += 1000000;
	return 'INSERT INTO t SELECT ' . join(', ', "x.id % 1000000 + $from", map { "x.$_" } @NAMES) . " FROM t x WHERE $where AND x.id % 5 = " . int(rand(5)) .
		" AND x.id IN (SELECT min(id) FROM t GROUP BY id % 1000000 LIMIT 1000) ORDER BY x.id LIMIT 25";
}

sub copy_escape
{
	my ($v) = @_;
	return '\N' unless defined $v;
	$v =~ s/\\/\\\\/g;
	$v =~ s/\t/\\t/g;
	return $v;
}

sub copy_rows
{
	my ($g, $n, @names) = @_;
	@names = @NAMES unless @names;
	return "COPY t FROM stdin;\n" . join('', map { join("\t", new_id($g), map { copy_escape(row_value($g, $_)) } @names) . "\n" } 1 .. $n) . "\\.\n";
}

sub copy_in { my ($g) = @_; return copy_rows($g, 1 + int(rand(20))); }

# One that cannot fail.
sub assignment
{
	my ($g) = @_;
	my $name = pick(@NAMES);
	return pick("b = NOT b", "i2 = i4 % 100", "t = left(t || 'x', 300)", "vc = left(vc || 'é', 20)", "w8 = w4", "ai = ai || 7", "jb = jb || '1'", "n4 = n2", "ts = d", "tl = t", "by = by || '\\x00'") if chance(0.25);
	return "$name = " . literal(row_value($g, $name));
}

sub assignments
{
	my ($g) = @_;
	my %set = map { my $s = assignment($g); $s =~ /^(\w+)/; ($1 => $s) } 1 .. 1 + int(rand(4));
	# a date beyond the years of a timestamp
	delete $set{ts} if ($set{ts} // '') eq 'ts = d';
	$set{i2} //= "i2 = NULL" unless %set;
	return join(', ', map { $set{$_} } sort keys %set);
}

sub some_rows
{
	my ($g, $a, $m) = @_;
	my ($where) = loose($g, $a);
	return "$where AND $a.id % $m = " . int(rand($m));
}

sub returning { my ($a) = @_; return chance(0.25) ? " RETURNING $a.id, $a.t, $a.f8, $a.n4" : ''; }

sub update_rows { my ($g) = @_; return 'UPDATE t SET ' . assignments($g) . ' WHERE ' . some_rows($g, 't', pick(2, 3, 5)) . returning('t'); }
sub update_from { my ($g) = @_; return "UPDATE t SET t = d.name, i4 = d.k FROM dim d WHERE t.i4 = d.k AND d.once AND " . some_rows($g, 't', 3) . returning('t'); }
sub delete_rows { my ($g) = @_; return 'DELETE FROM t WHERE ' . some_rows($g, 't', pick(4, 7)) . returning('t'); }
sub delete_using { my ($g) = @_; return "DELETE FROM t USING dim d WHERE t.i2 = d.k AND " . some_rows($g, 't', 6); }

sub cte_change
{
	my ($g) = @_;
	return 'WITH gone AS (DELETE FROM t WHERE ' . some_rows($g, 't', 9) . ' RETURNING id, i2) SELECT count(*), sum(i2), min(id) FROM gone' if chance(0.5);
	return 'WITH new AS (UPDATE t SET i4 = 5, t = NULL WHERE ' . some_rows($g, 't', 4) . ' RETURNING id, i4) SELECT * FROM new';
}

sub prepared_change
{
	my ($g) = @_;
	my $n = $g->{n_prepared}++;
	my ($name, $type) = @{ pick([i2 => 'int8'], [w8 => 'float4'], [n2 => 'numeric'], [tz => 'date'], [t => 'text'], [d => 'date']) };
	my @lines = ("PREPARE p$n (int, $type) AS " . pick("UPDATE t SET i4 = \$1 WHERE $name = \$2", "DELETE FROM t WHERE $name = \$2 AND id % 8 = \$1", "UPDATE t SET b = (\$1 > 3) WHERE $name > \$2 AND id % 4 = 1"));
	push @lines, "EXECUTE p$n (" . pick(0 .. 7, 'NULL') . ', ' . (constant($g, $type, 0.2))[0] . ')' for 1 .. 3;
	return join(";\n", @lines, "DEALLOCATE p$n");
}

sub truncate_and_fill { my ($g) = @_; return "TRUNCATE t;\n" . copy_rows($g, 100 + int(rand(100))); }

# Each fails, at the latest if it meets a row of some kind.
sub failing_change
{
	my ($g) = @_;
	my $kind = next_of($g, 'failure', 'integer overflow', 'smallint overflow', 'real overflow', 'numeric overflow', 'too long', 'bad cast', 'not null', 'date overflow', 'bigint overflow');
	count($g, "failure $kind");
	return "UPDATE t SET i4 = i4 + 2147483600 WHERE i4 > 1" if $kind eq 'integer overflow';
	return "UPDATE t SET i2 = i4 WHERE id % 2 = 1" if $kind eq 'smallint overflow';
	return "UPDATE t SET w4 = w4 * 1e38::real WHERE w4 > 10" if $kind eq 'real overflow';
	return "UPDATE t SET n2 = n2 + 9999999.99 WHERE n2 >= 0" if $kind eq 'numeric overflow';
	return "UPDATE t SET vc = repeat('y', 21) WHERE id % 3 = 0" if $kind eq 'too long';
	return "UPDATE t SET i4 = t::int WHERE t IN ('10', 'a')" if $kind eq 'bad cast';
	return "UPDATE t SET d = d + 1 WHERE d > '2024-02-29'" if $kind eq 'date overflow';
	return "DELETE FROM t WHERE i8 * 4 < 0 AND i8 IS NOT NULL" if $kind eq 'bigint overflow';
	return "INSERT INTO t (id, i4) VALUES (" . new_id($g) . ", 1), (NULL, 2)";
}

my %SELECTS = (rows => \&select_rows, total => \&select_total, groups => \&select_groups, having => \&select_having, passes => \&select_passes, join => \&select_join,
	outer => \&select_outer, prepared => \&select_prepared, kept => \&select_kept, cursor => \&select_cursor);
my %CHANGES = (insert => \&insert_values, 'insert select' => \&insert_select, copy => \&copy_in, update => \&update_rows, 'update from' => \&update_from,
	delete => \&delete_rows, 'delete using' => \&delete_using, 'with change' => \&cte_change, truncate => \&truncate_and_fill, prepared => \&prepared_change, failing => \&failing_change);

# ---- a run ----

sub step
{
	my ($g, $text, %more) = @_;
	$text .= ';' unless $text =~ /\n\\\.\n$/ || $text =~ /^\\/;
	push @{ $g->{steps} }, { text => $text, %more };
}

sub control { my ($g, $text) = @_; step($g, $text, control => 1); $text =~ /^(\w+(?: TO)?)/; count($g, "transaction $1"); }

sub do_select
{
	my ($g) = @_;
	my $kind = next_of($g, 'select', qw(rows rows rows total total total groups groups groups having join outer prepared prepared kept kept cursor passes));
	$kind = 'groups' if $kind eq 'passes' && $g->{in_txn};
	my ($text, $expect) = $SELECTS{$kind}->($g);
	count($g, "select $kind");
	$g->{n_statements}++;
	step($g, $text, ordered => scalar($text =~ /ORDER BY x.id/ && $kind ne 'outer'), expect => $expect);
}

sub do_change
{
	my ($g, $kind) = @_;
	$kind //= next_of($g, 'change', 'insert', 'insert', 'insert', 'copy', 'insert select', 'update', 'update', 'update', 'update from', 'delete', 'delete', 'delete using', 'with change', 'prepared', 'failing');
	$kind = 'truncate' if $kind eq 'with change' && chance(0.2);
	my $text = $CHANGES{$kind}->($g);
	count($g, "change $kind");
	$g->{n_statements}++;
	$g->{n_changes_in_txn}++ if $g->{in_txn};
	step($g, $text, changes => 1);
	return $kind;
}

sub transaction
{
	my ($g) = @_;
	my $n = 5 + int(rand(7));
	my @open;
	my $first = 1 + int(rand(3));

	control($g, 'BEGIN' . pick('', '', ' ISOLATION LEVEL REPEATABLE READ', ' ISOLATION LEVEL SERIALIZABLE'));
	$g->{in_txn} = 1;
	for my $i (1 .. $n)
	{
		if ($i == $first || chance(0.2))
		{
			push @open, 's' . ++$g->{n_savepoints};
			control($g, "SAVEPOINT $open[-1]");
		}
		my $kind = chance(0.72) ? do_change($g) : do_select($g);
		# after what may have failed the transaction goes on, mostly
		if (@open && (chance(0.2) || ($kind eq 'failing' && chance(0.9))))
		{
			my $k = int(rand(@open));
			control($g, "ROLLBACK TO $open[$k]");
			$#open = $k;
			$#open-- if chance(0.5) && (control($g, "RELEASE $open[-1]") || 1);
		}
		elsif (@open && chance(0.15))
		{
			my $k = int(rand(@open));
			control($g, "RELEASE $open[$k]");
			$#open = $k - 1;
		}
	}
	$g->{in_txn} = 0;
	control($g, chance(0.75) ? 'COMMIT' : 'ROLLBACK');
}

my %SETTINGS = (
	'supertable.row_group_rows' => [3, 7, 20, 100, 100, 131072],
	'supertable.superfile_size' => ["'1kB'", "'4kB'", "'64kB'", "'128MB'"],
	'supertable.compression' => ["'zstd'", "'zstd:3'", "'none'"],
	'supertable.one_phase' => ['on', 'on', 'off'],
	'supertable.checkpoint_interval' => [3, 10, 100],
	work_mem => ["'64kB'", "'4MB'"],
	hash_mem_multiplier => [1, 2],
	plan_cache_mode => ['auto', 'force_generic_plan', 'force_custom_plan'],
	enable_hashjoin => ['on', 'off'],
	enable_mergejoin => ['on', 'off'],
	enable_hashagg => ['on', 'on', 'off'],
	max_parallel_workers_per_gather => [0, 2],
	parallel_setup_cost => [0, 1000],
	parallel_tuple_cost => [0, 0.1],
	min_parallel_table_scan_size => [0, "'8MB'"],
	parallel_leader_participation => ['on', 'on', 'off'],
	timezone => ["'UTC'", "'America/New_York'", "'Asia/Kolkata'"],
);

sub reconnect
{
	my ($g) = @_;
	step($g, '\c', control => 1);
	$g->{kept} = [];
}

sub settings
{
	my ($g) = @_;
	my $name = next_of($g, 'setting', ('supertable.row_group_rows') x 3, sort keys %SETTINGS);
	my $value = pick(@{ $SETTINGS{$name} });
	step($g, "SET $name = $value", control => 1);
	count($g, "set $name");
}

# The columns, for CREATE TABLE or CREATE FOREIGN TABLE.
sub column_text
{
	my $c = $COL{ $_[0] };
	return "$c->{name} $c->{type}" . ($c->{collation} ? " COLLATE $c->{collation}" : '');
}

# One is dropped again at once, so that numbers of attributes have a gap.
sub table_columns { return join(', ', 'id bigint NOT NULL', 'gone text', map { column_text($_) } @EARLY); }

sub shared_objects
{
	return <<'SQL';
CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE dim (k int, name text, d date, n numeric, f float8, t text COLLATE "C", once boolean);
INSERT INTO dim SELECT k, 'name ' || k, '2024-02-27'::date + k, k / 2.0, k / 4.0, chr(96 + k), true FROM generate_series(1, 8) k;
INSERT INTO dim VALUES (5, 'again', NULL, NULL, NULL, NULL, false), (NULL, 'none', 'infinity', 'NaN', 'NaN', '', false), (-3, 'minus', '-infinity', '-Infinity', '-0', 'z', true);
SQL
}

# What chance has left out; it does not count as a part of the run.
sub finish
{
	my ($g) = @_;
	my $n_statements = $g->{n_statements};
	for my $kind (grep { !$g->{kinds}{"test $_"} } @TEST_KINDS)
	{
		my ($text) = test_of($g, 'x', $kind);
		step($g, "SELECT x.id FROM t x WHERE $text");
	}
	do_change($g, $_) for grep { !$g->{kinds}{"change $_"} } sort keys %CHANGES;
	for (1 .. 300)
	{
		last if !grep { !$g->{kinds}{$_} } all_kinds();
		do_select($g);
	}
	if (grep { !$g->{kinds}{"transaction $_"} } 'COMMIT', 'ROLLBACK', 'ROLLBACK TO', 'RELEASE')
	{
		control($g, $_) for 'BEGIN', 'SAVEPOINT s', 'RELEASE s', 'SAVEPOINT s', 'ROLLBACK TO s', 'ROLLBACK', 'BEGIN', 'COMMIT';
	}
	step($g, copy_rows($g, 300));
	for (1 .. 3)
	{
		my ($text, $expect) = select_passes($g);
		step($g, $text, expect => $expect);
	}
	$g->{n_statements} = $n_statements;
}

# The steps of a run of n statements: { steps, kinds, n_statements, n_changes_in_txn }.
sub make_run
{
	my ($seed, $n) = @_;
	my $g = { steps => [], kinds => {}, left => {}, next_id => 1, n_statements => 0, n_changes_in_txn => 0, n_prepared => 0, n_savepoints => 0,
		in_txn => 0, kept => [] };

	srand($seed);
	$g->{pools} = { map { $_ => $COL{$_}{pool} } @NAMES };
	# sums with a value near the end of the range and with infinities depend on the order
	if (chance(0.4))
	{
		$g->{pools}{f4} = 'hugef4';
		$g->{pools}{f8} = 'hugef8';
	}
	step($g, 'ALTER TABLE t DROP COLUMN gone', control => 1);
	for my $i (1 .. 3)
	{
		settings($g) for 1 .. 3;
		step($g, copy_rows($g, 150, $i < 3 ? @EARLY : @NAMES));
		next unless $i == 2;
		step($g, "ALTER TABLE t ADD COLUMN " . column_text($_), control => 1) for @LATE;
		do_select($g) for 1 .. 3;
	}
	while ($g->{n_statements} < $n)
	{
		settings($g) if chance(0.5);
		reconnect($g) if chance(0.04);
		step($g, 'ANALYZE t', control => 1) if chance(0.04);
		if (chance(0.3) || $g->{n_changes_in_txn} * 2.8 < $g->{n_statements}) { transaction($g); }
		else
		{
			for (1 .. 1 + int(rand(6)))
			{
				if (chance(0.15)) { do_change($g); }
				else { do_select($g); }
			}
		}
	}
	finish($g);
	step($g, 'SELECT t.* FROM t ORDER BY t.id', ordered => 1);
	return $g;
}

# Each kind that a run must have had.
sub all_kinds
{
	return sort((map { ("value $_ null", "value $_ extreme") } grep { !/^f[48]$/ } @NAMES), (map { my $n = $_; map { "value $n $_" } 'NaN', 'Infinity', '-Infinity', '-0' } qw(w4 w8)),
		(map { "test $_" } @TEST_KINDS), (map { "aggregate $_->[0]" } @AGGREGATES), (map { "group by $_" } @KEYS, 1, 2, 3),
		(map { "select $_" } keys %SELECTS), (map { "change $_" } keys %CHANGES),
		(map { "transaction $_" } 'BEGIN', 'COMMIT', 'ROLLBACK', 'ROLLBACK TO', 'SAVEPOINT', 'RELEASE'),
		(map { "tree $_" } 'AND', 'OR', 'NOT OR'), (map { "join $_" } qw(heap left self semi anti)), (map { "parameter $_" } 'value', 'list', '^@'));
}

1;
