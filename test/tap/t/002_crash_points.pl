# Every storage operation of every kind of transaction is a crash point.
#
# The operations are those of an undisturbed run.  At each the backend dies
# before it, or after it; its answer is lost; or the PUT lands after its
# sender's death, when another has recovered already.  Then another backend
# recovers, and what the tables hold is compared with what the client was
# told.  Covers G1-G3, G11, L1, L5, L7, L39, L61.
#
# On a directory all of them are tried.  On an S3 server a sample is: of each
# protocol (one-phase, two-phase, sweep, gc) each kind of operation on each kind
# of object, a write for each time that one transaction does it, with each thing
# that can happen to it.  With STBL_LONG all are tried there too.
# STBL_SCENARIO: only those whose names it matches.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('crash', s3 => 1);
my $lake = lake_of($node);
my $spool = "$lake-spool";
my $log = "$lake-ops.log";
my $clock = "$lake-clock";
my $all = !on_s3() || $ENV{STBL_LONG};
mkdir $spool;
$node->append_conf('postgresql.conf', "store_fault.clock = '$clock'\n");
$node->reload;
sql($node, 'CREATE TABLE heap (name text, what text)');

my $seq = 0;
my %count;

# Runs a script in a session of its own: 'ok', 'error <SQLSTATE>', or 'died'.
sub run_session
{
	my ($script) = @_;
	my ($rc, $out, $err) = sql_err($node, $script);
	return 'ok' if $rc == 0;
	return 'died' if $err =~ /server closed the connection|terminating connection|connection to server was lost|could not send data/;
	return "error $1" if $err =~ /ERROR:\s+(\w{5}):/;
	return "error $err";
}

sub faults
{
	my ($at, $ops, $action) = @_;
	return "SET store_fault.spool = '$spool'; SET store_fault.log = '$log'; SET store_fault.ops = '$ops'; SET store_fault.action = '$action'; SET store_fault.at = $at; SET supertable.retry_deadline = '20s';\n";
}

sub operations
{
	my @ops = map { [ (split / /)[ 1, 2, 3, 4 ] ] } split /\n/, (-e $log ? read_file($log) : '');
	unlink $log;
	return @ops;
}

# By how many seconds the store's clock is ahead.
sub set_clock { write_file($clock, $_[0]); }

# What is done to what kind of object: of each of these one is as good as another.
my %sampled;
sub kind_of
{
	my ($op) = @_;
	my ($what, $key) = @$op[ 1, 2 ];
	$key =~ s{^[^/]+/}{};
	$key =~ s/[0-9a-f]{8,}(?:-[0-9a-f]+)*|\d+/N/g;
	return "$what $key";
}
sub sample
{
	my ($protocol, $points, $all_ops, $writes) = @_;
	my (%nth, @of_write, @sample);
	push @of_write, kind_of($_) . ' ' . ++$nth{ kind_of($_) } for @$writes;
	for my $p (@$points)
	{
		my ($at, $ops, $action) = @$p;
		my $kind = $ops eq 'all' ? kind_of($all_ops->[ $at - 1 ]) : $of_write[ $at - 1 ];
		push @sample, $p unless $sampled{"$protocol $action $kind"}++;
	}
	return @sample;
}

# One scenario: setup, the script that is disturbed, the state before and after it.
sub scenario
{
	my (%s) = @_;
	return if $ENV{STBL_SCENARIO} && $s{name} !~ /$ENV{STBL_SCENARIO}/;
	my $one = sub {
		my ($at, $ops, $action) = @_;
		my $t = 'x' . $seq++;
		set_clock(0);
		my $fill = sub { my $q = $_[0]; $q =~ s/\bT\b/$t/g; $q =~ s/\bU\b/${t}u/g; return $q; };
		sql($node, $fill->("CREATE FOREIGN TABLE T (id int, v text) SERVER lake OPTIONS (path 'T');
			CREATE FOREIGN TABLE U (id int, v text) SERVER lake OPTIONS (path 'U');") . $fill->($s{setup} // ''));
		$s{prepare}->($t) if $s{prepare};
		unlink $log;
		my $told = run_session(faults($at, $ops, $action) . $fill->($s{script}));
		wait_up($node) if $told eq 'died';
		my @ops = operations();
		my $state = sub { return sql($node, $fill->($s{state})); };
		return ($t, $told, $fill, $state, @ops);
	};

	my ($t, $told, $fill, $state, @ops) = $one->(0, 'all', 'none');
	is($told, $s{told} // 'ok', "$s{name}: undisturbed") or return;
	is($state->(), $s{told} ? $s{before} : $s{after}, "$s{name}: undisturbed state");
	my @writes = grep { $_->[1] =~ /PUT|DELETE/ } @ops;
	cmp_ok(scalar @writes, '>', 0, "$s{name}: " . scalar(@ops) . ' operations, ' . scalar(@writes) . ' writes');

	my @points;
	push @points, map { [ $_, 'all', 'kill_before' ] } 1 .. @ops;
	push @points, map { my $i = $_; map { [ $i, 'write', $_ ] } qw(kill_after lose_answer) } 1 .. @writes;
	push @points, map { my $i = $_; ($writes[ $i - 1 ][1] =~ /PUT/) ? map { [ $i, 'write', $_ ] } qw(late_kill late_unknown) : () } 1 .. @writes;
	@points = sample($s{one_phase} ? 'one-phase' : $s{always} ? $s{name} : 'two-phase', \@points, \@ops, \@writes) unless $all;
	my ($hit, @bad) = (0);
	for my $p (@points)
	{
		my ($at, $ops, $action) = @$p;
		my ($t, $told, $fill, $state, @done) = $one->($at, $ops, $action);
		my $what = "$s{name}: $action at $ops $at (told: $told)";
		$hit++ if grep { $_->[3] eq $action } @done;
		$count{$action}++;
		my $problem = sub { push @bad, "$what: $_[0]"; };
		$problem->('the operation was not met') unless grep { $_->[3] eq $action } @done;
		$problem->('the backend did not die') if $action =~ /kill/ && $told ne 'died';
		$problem->('the outcome was not told') if $told =~ /40003/;
		my $recover = sub { sql($node, $fill->("SELECT supertable_recover('T'), supertable_recover('U'); " . ($s{then} // ''))) };
		my @allowed = $told eq 'ok' ? ($s{after}) : $told =~ /^error/ ? ($s{before}) : ($s{before}, $s{after});
		@allowed = ($s{before}) if $s{told};

		# G11: one statement sees all of a transaction at once, or nothing.
		my $at_once = $s{always} ? '' : $state->();
		$problem->("at once the state is $at_once, allowed: @allowed") unless $s{always} || grep { $_ eq $at_once } @allowed;
		select(undef, undef, undef, $s{lease}) if $s{lease};	# the dead sweep's leases
		$recover->();
		my $now = $state->();
		$problem->("recovery changed $at_once to $now") unless $s{always} || $s{one_phase} || $now eq $at_once;
		@allowed = ($s{after}) if $s{always};
		$problem->("state is $now, allowed: @allowed") unless grep { $_ eq $now } @allowed;
		if ($action =~ /late/)
		{
			# The deciding PUT of a one-phase transaction may still land: its
			# client was told nothing, and nobody has decided otherwise.
			land_late($node, $spool);
			$recover->();
			my $later = $state->();
			my $may = $s{one_phase} && $told eq 'died' && $later eq $s{after};
			$problem->("a PUT that landed late changed $now to $later") if $later ne $now && !$may;
		}
		my $open = sql($node, $fill->("SELECT count(*) FROM (SELECT * FROM supertable_wal('T') UNION ALL SELECT * FROM supertable_wal('U')) w WHERE state <> 'COMPLETE' OR problem IS NOT NULL"));
		$problem->("$open mutations are left open") if $open ne ($s{open} // 0);
		my ($rc, undef, $err) = sql_err($node, $fill->("INSERT INTO T VALUES (777, 'next'); UPDATE T SET v = 'next' WHERE id = 1; SELECT 1 / (count(*))::int FROM T WHERE id = 777"));
		$problem->("the next commit failed: $err") if $rc != 0;
		sql($node, $fill->('DROP FOREIGN TABLE T, U'));
		last if @bad > 5;
	}
	is($hit, scalar @points, "$s{name}: every one of " . scalar(@points) . ' points was met');
	is(join("\n", @bad), '', "$s{name}: every state is the one the client was told");
}

my $rows = "INSERT INTO T SELECT i, 'row' FROM generate_series(1, 10) i; INSERT INTO U SELECT i, 'row' FROM generate_series(1, 10) i; DELETE FROM heap;";
my $both = "SELECT (SELECT count(*) || ',' || coalesce(sum(id), 0) || ',' || count(*) FILTER (WHERE v = 'new') FROM T WHERE id <> 777) || ' '
	|| (SELECT count(*) || ',' || coalesce(sum(id), 0) || ',' || count(*) FILTER (WHERE v = 'new') FROM U) || ' ' || (SELECT count(*) FROM heap)";

scenario(name => 'one-phase INSERT', one_phase => 1, setup => $rows, state => $both,
	script => "INSERT INTO T VALUES (100, 'new')", before => '10,55,0 10,55,0 0', after => '11,155,1 10,55,0 0');
scenario(name => 'first INSERT', one_phase => 1, setup => 'DELETE FROM heap;', state => $both,
	script => "INSERT INTO T VALUES (100, 'new')", before => '0,0,0 0,0,0 0', after => '1,100,1 0,0,0 0');
scenario(name => 'one-phase UPDATE', one_phase => 1, setup => $rows, state => $both,
	script => "UPDATE T SET v = 'new' WHERE id <= 3", before => '10,55,0 10,55,0 0', after => '10,55,3 10,55,0 0');
scenario(name => 'one-phase DELETE', one_phase => 1, setup => $rows, state => $both,
	script => 'DELETE FROM T WHERE id <= 3', before => '10,55,0 10,55,0 0', after => '7,49,0 10,55,0 0');
scenario(name => 'two-phase, heap and two supertables', setup => $rows, state => $both,
	script => "BEGIN; INSERT INTO heap VALUES ('a', 'b'); UPDATE T SET v = 'new' WHERE id <= 3; DELETE FROM U WHERE id = 10; INSERT INTO U VALUES (100, 'new'); COMMIT",
	before => '10,55,0 10,55,0 0', after => '10,55,3 10,145,1 1');
scenario(name => 'two-phase INSERT', setup => $rows, state => $both,
	script => "BEGIN; INSERT INTO heap VALUES ('a', 'b'); INSERT INTO T VALUES (100, 'new'); COMMIT",
	before => '10,55,0 10,55,0 0', after => '11,155,1 10,55,0 1');
scenario(name => 'savepoint rolled back', setup => $rows, state => $both,
	script => "BEGIN; INSERT INTO heap VALUES ('a', 'b'); UPDATE T SET v = 'new' WHERE id <= 3; SAVEPOINT s; DELETE FROM T; INSERT INTO U VALUES (5, 'new'); ROLLBACK TO s; INSERT INTO T VALUES (100, 'new'); COMMIT",
	before => '10,55,0 10,55,0 0', after => '11,155,4 10,55,0 1');
scenario(name => 'spilling COPY', setup => 'DELETE FROM heap;' . $rows, state => $both,
	script => "SET supertable.row_group_rows = 100; SET supertable.superfile_size = '1kB'; BEGIN; INSERT INTO heap VALUES ('a', 'b'); INSERT INTO T SELECT i, 'new' FROM generate_series(101, 350) i; COMMIT",
	before => '10,55,0 10,55,0 0', after => '260,56430,250 10,55,0 1');

scenario(name => 'TRUNCATE', setup => $rows . "INSERT INTO T VALUES (11, 'row'); DELETE FROM T WHERE id = 5;", state => $both,
	script => 'TRUNCATE T', before => '10,61,0 10,55,0 0', after => '0,0,0 10,55,0 0');
scenario(name => 'TRUNCATE and rows, heap and two supertables', setup => $rows, state => $both,
	script => "BEGIN; INSERT INTO heap VALUES ('a', 'b'); INSERT INTO T VALUES (50, 'new'); TRUNCATE T; INSERT INTO T VALUES (100, 'new'), (101, 'new'); DELETE FROM T WHERE id = 101; SAVEPOINT s; TRUNCATE U; ROLLBACK TO s; DELETE FROM U WHERE id = 10; COMMIT",
	before => '10,55,0 10,55,0 0', after => '1,100,1 9,45,0 1');
# A column that the storage lacks comes with the rows, or not at all.
my $wide = $both;
$wide =~ s/FILTER \(WHERE v = 'new'\) FROM T/FILTER (WHERE v = 'new') || ',' || count(w) FROM T/;
scenario(name => 'one-phase INSERT with a new column', one_phase => 1, setup => $rows . 'ALTER FOREIGN TABLE T ADD COLUMN w int;', state => $wide,
	script => "INSERT INTO T VALUES (100, 'new', 1)", before => '10,55,0,0 10,55,0 0', after => '11,155,1,1 10,55,0 0');
scenario(name => 'two-phase INSERT with a new column', setup => $rows . 'ALTER FOREIGN TABLE T ADD COLUMN w int;', state => $wide,
	script => "BEGIN; INSERT INTO heap VALUES ('a', 'b'); INSERT INTO T VALUES (100, 'new', 1); COMMIT", before => '10,55,0,0 10,55,0 0', after => '11,155,1,1 10,55,0 1');

# Rows of a heap partition that move into a supertable beside it.
scenario(name => 'moving UPDATE', state => "SELECT (SELECT count(*) || ',' || coalesce(sum(id), 0) || ',' || count(*) FILTER (WHERE v = 'new') FROM T WHERE id <> 777) || ' '
	|| (SELECT count(*) || ',' || coalesce(sum(id), 0) FROM part_heap) || ' ' || (SELECT count(*) FROM part WHERE id <> 777)",
	setup => "SET client_min_messages = warning; DROP TABLE IF EXISTS part; CREATE TABLE part (id int, v text) PARTITION BY RANGE (id); CREATE TABLE part_heap PARTITION OF part FOR VALUES FROM (0) TO (500);
		ALTER TABLE part ATTACH PARTITION T FOR VALUES FROM (500) TO (2000); INSERT INTO part SELECT i, 'row' FROM generate_series(1, 5) i; INSERT INTO T VALUES (600, 'row');",
	script => "UPDATE part SET id = id + 500, v = 'new' WHERE id <= 3 OR id = 600", before => '1,600,0 5,15 6', after => '4,2606,4 2,9 6');

# The second table's conflict ends the transaction after the first one's PREPARED.
my $psql = 'psql -XAtq -h ' . $node->host . ' -p ' . $node->port . ' -d postgres';
scenario(name => 'abort after PREPARED', setup => $rows, state => $both, told => 'error 40001',
	script => "BEGIN; INSERT INTO heap VALUES ('a', 'b'); UPDATE T SET v = 'new' WHERE id <= 3; UPDATE U SET v = 'new' WHERE id = 1;\n\\! $psql -c \"UPDATE U SET v = 'other' WHERE id = 1\"\nCOMMIT",
	before => '10,55,0 10,55,0 0', after => '10,55,0 10,55,0 0');

# A sweep over an owed mutation, an undecided one, and two requests: one that
# is leased for its payload, one that is published without a word before.
sql($node, "CREATE FOREIGN TABLE payload (id int, v text) SERVER lake OPTIONS (path 'payload'); INSERT INTO payload VALUES (9, 'new')");
my $payload = sql($node, "SELECT path FROM supertable_files('payload')");
sub request
{
	my ($t, $id, $op, $row, $uuid) = @_;
	put_object($node, "$t/_supertable/wal/mutations/$id.json", sprintf('{"wal_id":"%s","schema_version":1,"op_kind":"%s","state":"INTENT","created_at":"2026-01-01T00:00:00Z","lease":null,"predicate_repr":"","target_ids":["%032x"],"new_row_count":null,"new_row_content_hash":null,"preallocated_superfile_id":%s,"minted_id_spans":null,"tombstone_progress":[{"target_id":"%032x","outcome":"PENDING","tombstoned_in_superfile":null}]}',
		$id, $op, $row, $uuid ? qq("$uuid") : 'null', $row));
}
scenario(name => 'recovery sweep', setup => $rows, state => $both, always => 1,
	prepare => sub {
		my ($t) = @_;
		# undecided: dies right after PREPARED.  It comes first: it would publish what is owed.
		run_session(faults(3, 'write', 'kill_after') . "BEGIN; INSERT INTO heap VALUES ('a', 'b'); UPDATE $t SET v = 'lost' WHERE id = 4; COMMIT");
		wait_up($node);
		# owed: dies at its first write after the commit record (objects, document, PREPARED come before)
		run_session(faults(4, 'write', 'kill_before') . "BEGIN; INSERT INTO heap VALUES ('a', 'b'); UPDATE $t SET v = 'new' WHERE id <= 3; COMMIT");
		wait_up($node);
		request($t, sprintf('%032x', 0x7000 + $seq), 'DELETE', 9);
		my $uuid = sprintf '0f0f0f0f-0000-4000-8000-%012x', $seq;
		copy_object($node, "$t/seg-$uuid.parquet", "payload/$payload");
		request($t, sprintf('%032x', 0x60000 + $seq), 'UPDATE', 8, $uuid);
	},
	# an S3 server tells its time, which leases go by, in whole seconds
	lease => $node->{on_s3} ? 1.5 : 0.2,
	script => "SELECT supertable_recover('T', lease => interval '0.2 s')", before => '9,45,4 10,55,0 1', after => '9,45,4 10,55,0 1');

# A gc that dies anywhere leaves nothing that the next one does not take, and
# takes nothing that is needed: orphans, superfiles and log that are old,
# documents, and a mutation of another coordinator, undecided.
my $gc = "SELECT supertable_gc('T', grace => '0', retention => '0')";
scenario(name => 'gc', always => 1,
	setup => "SET supertable.checkpoint_interval = 2; $rows UPDATE T SET v = 'row' WHERE id <= 3; DELETE FROM T WHERE id = 10;
		BEGIN; INSERT INTO heap VALUES ('a', 'b'); DELETE FROM T WHERE id = 9; COMMIT; DELETE FROM heap;",
	prepare => sub {
		my ($t) = @_;
		put_object($node, "$t/$_", 'orphan') for 'seg-orphan.parquet', 'deletion_vector_orphan.bin';
		put_object($node, "$t/seg-undecided.parquet", 'of another coordinator');
		my $id = sprintf '%032x', 0x7000 + $seq;
		put_object($node, "$t/_supertable/wal/mutations/$id.json", sprintf('{"wal_id":"%s","schema_version":1,"op_kind":"INSERT","state":"COMPLETE","created_at":"2026-01-01T00:00:00Z","lease":null,"predicate_repr":"","target_ids":[],"new_row_count":1,"new_row_content_hash":null,"preallocated_superfile_id":null,"minted_id_spans":null,"tombstone_progress":[]}', $id));
		my $other = sprintf '%032x', 0x8000 + $seq;
		put_object($node, "$t/_supertable/wal/mutations/$other.json", sprintf('{"wal_id":"%s","schema_version":1,"op_kind":"INSERT","state":"INTENT","created_at":"2026-01-01T00:00:00Z","lease":null,"predicate_repr":"","target_ids":[],"new_row_count":1,"new_row_content_hash":null,"preallocated_superfile_id":null,"minted_id_spans":null,"tombstone_progress":[],"revision":0,"coordinator":{"cluster":"elsewhere","cluster_name":"","database_oid":7,"database":"x","witness_id":"w"},"table_id":"x","superfiles":[{"path":"seg-undecided.parquet","bytes":1,"n_rows":1,"hash":null,"dead":null,"stats":null}]}', $other));
		# log that is old: by its times where they can be set, else by the clock it is measured by
		my $then = time - 3 * 86400;
		if ($node->{on_s3}) { set_clock(3 * 86400); }
		else { utime($then, $then, glob "$lake/$t/_delta_log/*"); }
	},
	script => $gc, then => $gc, open => 1,
	state => $both . " || ' ' || (SELECT count(*) FROM " . list_objects($node, 'T') . " f WHERE f LIKE '%orphan%' OR f LIKE '%undecided%')
		|| ' ' || (SELECT count(*) FROM " . list_objects($node, 'T/_supertable/wal/mutations') . ")
		|| ' ' || (SELECT min(substr(f, 17, 4)) FROM " . list_objects($node, 'T/_delta_log') . " f WHERE f LIKE '%.json')",
	before => 'not met', after => '8,36,0 10,55,0 0 1 1 0004');

my $n = 0;
$n += $_ for values %count;
note("$n crash points: " . join(', ', map { "$count{$_} $_" } sort keys %count));
print "# $n crash points\n";
done_testing();
