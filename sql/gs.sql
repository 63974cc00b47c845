-- Servers on gs://: options, credentials, what is refused, without any store
\set VERBOSITY verbose
CREATE FUNCTION gs_state(q text) RETURNS text LANGUAGE plpgsql AS $$
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
SELECT gs_state($$CREATE SERVER gs_x FOREIGN DATA WRAPPER supertable OPTIONS (url 'gs://bucket', region 'x')$$);
SELECT gs_state($$CREATE SERVER gs_x FOREIGN DATA WRAPPER supertable OPTIONS (url 'gs://bucket', access_token 'x')$$);
CREATE SERVER gs_dead FOREIGN DATA WRAPPER supertable OPTIONS (url 'gs://bucket/folder', endpoint 'http://127.0.0.1:1');
CREATE USER MAPPING FOR CURRENT_USER SERVER gs_dead OPTIONS (access_token 'the-secret-that-nobody-sees');
CREATE FOREIGN TABLE gs_t (i int) SERVER gs_dead OPTIONS (path 't');
-- a dead host
SET supertable.retry_deadline = 0;
SELECT gs_state('SELECT * FROM gs_t');
SELECT gs_state('INSERT INTO gs_t VALUES (1)');
-- urls and values that are none
ALTER SERVER gs_dead OPTIONS (SET url 'gs://Bucket');
SELECT gs_state('SELECT * FROM gs_t');
ALTER SERVER gs_dead OPTIONS (SET url 'gs://bucket//b');
SELECT gs_state('SELECT * FROM gs_t');
ALTER SERVER gs_dead OPTIONS (SET url 'gs://bucket', SET endpoint 'https://127.0.0.1:1/path');
SELECT gs_state('SELECT * FROM gs_t');
-- a token does not leave the machine unencrypted
ALTER SERVER gs_dead OPTIONS (SET endpoint 'http://storage.example.com');
SELECT gs_state('SELECT * FROM gs_t');
ALTER SERVER gs_dead OPTIONS (SET endpoint 'http://127.evil.example.com');
SELECT gs_state('SELECT * FROM gs_t');
-- what no header may hold
ALTER SERVER gs_dead OPTIONS (SET endpoint 'http://127.0.0.1:1');
ALTER USER MAPPING FOR CURRENT_USER SERVER gs_dead OPTIONS (SET access_token E'a\r\nx-other: header');
SELECT gs_state('SELECT * FROM gs_t');
-- one kind of credentials, and whole
ALTER USER MAPPING FOR CURRENT_USER SERVER gs_dead OPTIONS (SET access_token 'the-secret-that-nobody-sees', ADD access_key_id 'the-id');
SELECT gs_state('SELECT * FROM gs_t');
ALTER USER MAPPING FOR CURRENT_USER SERVER gs_dead OPTIONS (DROP access_token);
SELECT gs_state('SELECT * FROM gs_t');
ALTER USER MAPPING FOR CURRENT_USER SERVER gs_dead OPTIONS (ADD secret_access_key 'the-secret-that-nobody-sees');
SELECT gs_state('SELECT * FROM gs_t');
ALTER USER MAPPING FOR CURRENT_USER SERVER gs_dead OPTIONS (DROP access_key_id, DROP secret_access_key, ADD access_token 'x');
-- hosts that are not allowed
ALTER USER MAPPING FOR CURRENT_USER SERVER gs_dead OPTIONS (SET access_token 'the-secret-that-nobody-sees');
SET supertable.allowed_endpoints = '*.googleapis.com';
SELECT gs_state('SELECT * FROM gs_t');
RESET supertable.allowed_endpoints;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP FOREIGN TABLE gs_t;
DROP SERVER gs_dead CASCADE;
DROP FUNCTION gs_state(text);
