# Two roles that meet one table in one transaction: each reads, and the one
# that changes it writes, with the credentials of its own mapping.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Supertable;
use Test::More;

my ($weak, $port) = start_server('weakserver.py');

my $node = new_node('roles', plain => 1, conf => "supertable.cache_size = 0\n");
sql($node, "CREATE ROLE anna; CREATE ROLE bert; GRANT CREATE ON SCHEMA public TO anna;
	CREATE SERVER store FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://sound', endpoint 'http://127.0.0.1:$port');
	GRANT USAGE ON FOREIGN SERVER store TO anna, bert;
	CREATE USER MAPPING FOR anna SERVER store OPTIONS (access_key_id 'KEYANNA', secret_access_key 'a');
	CREATE USER MAPPING FOR bert SERVER store OPTIONS (access_key_id 'KEYBERT', secret_access_key 'b');
	SET ROLE anna;
	CREATE FOREIGN TABLE t (i int, v text) SERVER store OPTIONS (path 't');
	CREATE VIEW seen AS SELECT * FROM t;
	GRANT SELECT, INSERT, UPDATE ON t TO bert; GRANT SELECT ON seen TO bert;
	INSERT INTO t SELECT i, repeat('a', 100) FROM generate_series(1, 10000) i; INSERT INTO t SELECT i, repeat('b', 100) FROM generate_series(1, 10000) i;
	INSERT INTO t SELECT i, repeat('c', 100) FROM generate_series(1, 10000) i; INSERT INTO t SELECT i, repeat('d', 100) FROM generate_series(1, 10000) i");

# How many different objects of a kind were asked for by a role's key.
sub signed_by
{
	my ($who, $what) = @_;
	my $out = curl("http://127.0.0.1:$port/-/sound?by=KEY" . uc $who);
	my %asked = map { $_ => 1 } grep { /$what/ } split /\n/, $out;
	return scalar keys %asked;
}
cmp_ok(signed_by('anna', 'PUT .*/seg-'), '==', 4, 'the owner has written four superfiles');
is(signed_by('bert', '.'), 0, '... alone');

is(sql($node, 'SET ROLE bert; SELECT count(*) FROM (SELECT DISTINCT v FROM t) a'), 4, 'another role reads');
is(signed_by('bert', 'GET .*/seg-') . ' ' . signed_by('anna', '.'), '4 0', '... by its own key');

# a cursor of the one is read on after the view of the other was begun
is(sql($node, 'SET ROLE bert; BEGIN; DECLARE c CURSOR FOR SELECT v FROM t; FETCH c; SELECT count(DISTINCT v) FROM seen; MOVE ALL c; SELECT count(DISTINCT v) FROM seen; COMMIT'),
	('a' x 100) . "\n4\n4", 'a cursor of the one beside a view of the other');
is(signed_by('bert', 'GET .*/seg-') . ' ' . signed_by('anna', 'GET .*/seg-'), '4 4', '... each by its key');
is(sql($node, 'SET ROLE bert; SELECT count(*) FROM seen s JOIN t USING (v, i)'), 40000, 'both in one statement');
is(signed_by('bert', 'GET .*/seg-') . ' ' . signed_by('anna', 'GET .*/seg-'), '4 4', '... too');

# what one has changed is written by its key, whoever was met since
sql($node, "SET ROLE bert; BEGIN; INSERT INTO t VALUES (1, 'by bert'); UPDATE t SET v = 'bert' WHERE i = 5; SELECT count(*) FROM seen; COMMIT");
is(signed_by('bert', 'PUT') . ' ' . signed_by('anna', 'PUT'), '4 0', 'a commit is written by the key of who has changed the table');
sql($node, "SET ROLE bert; SET supertable.row_group_rows = 100; SET supertable.superfile_size = '1kB'; BEGIN; INSERT INTO t SELECT i, md5(i::text) || (SELECT count(*) FROM seen) FROM generate_series(1, 1000) i; ROLLBACK");
is((signed_by('bert', 'PUT') > 2 ? 'some' : 'none') . ' ' . signed_by('anna', 'PUT'), 'some 0', '... and so are early uploads, and what takes them back');

stop_server($weak);
done_testing();
