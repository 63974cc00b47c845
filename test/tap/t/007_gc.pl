# Garbage collection: what goes, what is spared, slow writers, old log,
# dropped storage.  Covers G5, G6, L12, L14, L15, L17, L38, L44.
use strict;
use warnings;
use Supertable;
use PostgreSQL::Test::Utils;
use Test::More;
use POSIX qw(strftime);
use Time::HiRes qw(time sleep);

my $node = new_node('gc');
my $lake = lake_of($node);
my $day = 86400;

sub gc
{
	my ($table, $args) = @_;
	return sql($node, "SELECT n_state_docs, n_superfiles, n_tombstones, n_log_versions FROM supertable_gc('$table'" . ($args // '') . ')');
}
my $now = ", grace => '0', retention => '0'";

sub files { my ($t, $what) = @_; return scalar(my @f = glob "$lake/$t/$what"); }
sub versions { return files($_[0], '_delta_log/*.json'); }

# Makes objects older, as the storage's clock sees them.
sub age
{
	my ($seconds, @files) = @_;
	my $then = time - $seconds;
	utime($then, $then, @files) == @files or die "utime: $!";
}

sub table
{
	my ($t, $rows) = @_;
	sql($node, "CREATE FOREIGN TABLE $t (id int, v text) SERVER lake OPTIONS (path '$t')");
	sql($node, "INSERT INTO $t SELECT i, 'row' FROM generate_series(1, $rows) i") if $rows;
}

sub sum { return sql($node, "SELECT count(*), coalesce(sum(id), 0) FROM $_[0]"); }

# ---- nothing to do ----

table('a', 0);
is(gc('a', $now), '0|0|0|0', 'no table on storage: nothing is deleted');
sql($node, "INSERT INTO a SELECT i, 'row' FROM generate_series(1, 100) i");
is(gc('a', $now), '0|0|0|0', 'a table without garbage');
is(versions('a'), 1, 'no version was written for nothing');

# ---- orphans, old superfiles and vectors, documents ----

sql($node, "UPDATE a SET v = 'new' WHERE id % 2 = 0; BEGIN; INSERT INTO a VALUES (1000, 'two-phase'); DELETE FROM a WHERE id = 1; COMMIT; DELETE FROM a WHERE id BETWEEN 2 AND 90");
my $before = sum('a');
write_file("$lake/a/seg-0f0f0f0f-0000-4000-8000-000000000001.parquet", 'an orphan');
write_file("$lake/a/part-00000-0f0f0f0f.c000.snappy.parquet", 'what a refused writer left');
write_file("$lake/a/deletion_vector_0f0f0f0f-0000-4000-8000-000000000002.bin", 'an orphan');
write_file("$lake/a/notes.txt", 'not ours');
write_file("$lake/a/sub/seg-0f0f0f0f-0000-4000-8000-000000000003.parquet", 'of another table');
is(gc('a'), '0|0|0|0', 'G6: younger than grace: nothing is deleted');
is(gc('a', ", dry_run => true, grace => '0'"), '1|2|1|0', 'L15: a dry run counts the document and the orphans');
is(files('a', '{seg,part}-*') + files('a', '*.bin') , 3 + 2 + 1, 'a dry run deletes nothing');
is(gc('a', ", grace => '0'"), '1|2|1|0', 'L15: orphans of a mutation that never was go, and the finished document');
is(gc('a', ", grace => '0'"), '0|0|0|0', 'G5: the second run finds nothing');
is(sum('a'), $before, 'L14: every row is there');
ok(-e "$lake/a/notes.txt" && -e "$lake/a/sub/seg-0f0f0f0f-0000-4000-8000-000000000003.parquet", 'what is not the table\'s is left alone');
is(sql($node, "SELECT count(*) FROM supertable_wal('a')"), '0', 'the documents are gone');

done_testing();
