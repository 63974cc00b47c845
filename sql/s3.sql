-- Servers on s3://: options, credentials, what is refused, without any store
\set VERBOSITY verbose
CREATE FUNCTION s3_state(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE h text; d text;
BEGIN
	EXECUTE q;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS h = PG_EXCEPTION_HINT, d = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ': ' || SQLERRM || CASE WHEN d <> '' THEN ' | ' || regexp_replace(d, 'Failed to connect.*server', '...') ELSE '' END || CASE WHEN h <> '' THEN ' | ' || h ELSE '' END;
END $$;
\pset format unaligned
\pset tuples_only on
-- wrong options, and where they do not belong
SELECT s3_state($$CREATE SERVER s3_x FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://bucket', endpnt 'x')$$);
SELECT s3_state($$CREATE SERVER s3_x FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://bucket', secret_access_key 'x')$$);
SELECT s3_state($$CREATE SERVER s3_x FOREIGN DATA WRAPPER supertable OPTIONS (url 's4://bucket')$$);
CREATE SERVER s3_dead FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://bucket/folder', endpoint 'http://127.0.0.1:1');
SELECT s3_state($$CREATE USER MAPPING FOR CURRENT_USER SERVER s3_dead OPTIONS (region 'x')$$);
CREATE USER MAPPING FOR CURRENT_USER SERVER s3_dead OPTIONS (access_key_id 'the-id', secret_access_key 'the-secret-that-nobody-sees');
CREATE FOREIGN TABLE s3_t (i int) SERVER s3_dead OPTIONS (path 't');
-- a dead host
SET supertable.retry_deadline = 0;
SELECT s3_state('SELECT * FROM s3_t');
SELECT s3_state('INSERT INTO s3_t VALUES (1)');
SELECT capability, ok FROM supertable_storage_probe('s3_dead');
-- urls and values that are none
ALTER SERVER s3_dead OPTIONS (SET url 's3://no');
SELECT s3_state('SELECT * FROM s3_t');
ALTER SERVER s3_dead OPTIONS (SET url 's3://bucket/a/../b');
SELECT s3_state('SELECT * FROM s3_t');
ALTER SERVER s3_dead OPTIONS (SET url 's3://bucket', SET endpoint 'http://user:password@host/');
SELECT s3_state('SELECT * FROM s3_t');
ALTER SERVER s3_dead OPTIONS (SET endpoint 'http://127.0.0.1:1', ADD url_style 'dns');
SELECT s3_state('SELECT * FROM s3_t');
ALTER SERVER s3_dead OPTIONS (DROP url_style, ADD ca_file 'ca.pem');
SELECT s3_state('SELECT * FROM s3_t');
ALTER SERVER s3_dead OPTIONS (DROP ca_file);
-- half of the credentials
ALTER USER MAPPING FOR CURRENT_USER SERVER s3_dead OPTIONS (DROP access_key_id);
SELECT s3_state('SELECT * FROM s3_t');
ALTER USER MAPPING FOR CURRENT_USER SERVER s3_dead OPTIONS (ADD access_key_id 'the-id');
-- hosts that are not allowed; also for a store that was open before
SELECT s3_state('SELECT * FROM s3_t');
SET supertable.allowed_endpoints = 's3.*.amazonaws.com';
SELECT s3_state('SELECT * FROM s3_t');
SET supertable.allowed_endpoints = 's3.*.amazonaws.com, 127.0.0.1:1';
SELECT s3_state('SELECT * FROM s3_t');
-- who may do what
CREATE ROLE regress_s3_user;
GRANT USAGE ON FOREIGN DATA WRAPPER supertable TO regress_s3_user;
SET ROLE regress_s3_user;
SELECT s3_state('SET supertable.allowed_endpoints = DEFAULT');
SELECT s3_state($$CREATE SERVER s3_mine FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://bucket', ca_file '/etc/passwd')$$);
SELECT s3_state($$CREATE SERVER s3_mine FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://bucket', endpoint 'http://127.0.0.1:22')$$);
SELECT s3_state($$SELECT * FROM supertable_storage_probe('s3_mine')$$);
-- another's keys are not shown
SELECT umoptions FROM pg_user_mappings WHERE srvname = 's3_dead';
RESET ROLE;
\set VERBOSITY terse
SET client_min_messages = error;
DROP OWNED BY regress_s3_user;
DROP ROLE regress_s3_user;
DROP SERVER s3_dead CASCADE;
DROP FUNCTION s3_state(text);
