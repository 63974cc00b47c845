-- Credentials of the database server's environment: who may lend them, and what is refused before anything is asked
\set VERBOSITY verbose
CREATE FUNCTION cred_state(q text) RETURNS text LANGUAGE plpgsql AS $$
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
SET supertable.retry_deadline = 0;
CREATE ROLE regress_cred_user;
GRANT USAGE ON FOREIGN DATA WRAPPER supertable TO regress_cred_user;
GRANT CREATE ON SCHEMA public TO regress_cred_user;
-- not everybody
SET ROLE regress_cred_user;
SELECT cred_state($$CREATE SERVER cred_mine FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://bucket', credentials 'environment')$$);
SELECT cred_state($$CREATE SERVER cred_mine FOREIGN DATA WRAPPER supertable OPTIONS (url 'gs://bucket', service_account_key_file '/etc/passwd')$$);
CREATE SERVER cred_mine FOREIGN DATA WRAPPER supertable OPTIONS (url 'gs://bucket', endpoint 'http://127.0.0.1:1');
SELECT cred_state($$ALTER SERVER cred_mine OPTIONS (ADD credentials 'environment')$$);
SELECT cred_state($$ALTER SERVER cred_mine OPTIONS (ADD service_account_key_file '/etc/passwd')$$);
SELECT cred_state($$CREATE USER MAPPING FOR CURRENT_USER SERVER cred_mine OPTIONS (credentials 'environment')$$);
-- nor by owning what a superuser has made
RESET ROLE;
ALTER SERVER cred_mine OPTIONS (ADD credentials 'environment');
SET ROLE regress_cred_user;
CREATE FOREIGN TABLE cred_t (i int) SERVER cred_mine OPTIONS (path 't');
SELECT cred_state('SELECT * FROM cred_t');
SELECT cred_state($$ALTER SERVER cred_mine OPTIONS (SET endpoint 'http://127.0.0.1:2')$$);
RESET ROLE;
SELECT cred_state('SELECT * FROM cred_t');
ALTER SERVER cred_mine OPTIONS (DROP credentials, ADD service_account_key_file '/nonexistent/key.json');
SELECT cred_state('SELECT * FROM cred_t');
GRANT pg_read_server_files TO regress_cred_user;
SELECT cred_state('SELECT * FROM cred_t');
REVOKE pg_read_server_files FROM regress_cred_user;
-- what a superuser owns others may use
ALTER SERVER cred_mine OWNER TO CURRENT_USER;
GRANT USAGE ON FOREIGN SERVER cred_mine TO regress_cred_user;
SET ROLE regress_cred_user;
SELECT cred_state('SELECT * FROM cred_t');
RESET ROLE;
-- values that are none
ALTER SERVER cred_mine OPTIONS (SET service_account_key_file 'key.json');
SELECT cred_state('SELECT * FROM cred_t');
ALTER SERVER cred_mine OPTIONS (ADD credentials 'environment');
SELECT cred_state('SELECT * FROM cred_t');
ALTER SERVER cred_mine OPTIONS (DROP service_account_key_file, SET credentials 'file');
SELECT cred_state('SELECT * FROM cred_t');
ALTER SERVER cred_mine OPTIONS (DROP credentials);
-- keys of service accounts
CREATE USER MAPPING FOR PUBLIC SERVER cred_mine OPTIONS (service_account_key 'the-secret-that-nobody-sees');
SELECT cred_state('SELECT * FROM cred_t');
ALTER USER MAPPING FOR PUBLIC SERVER cred_mine OPTIONS (SET service_account_key '{"type":"service_account","client_email":"a@b","private_key":"the-secret-that-nobody-sees","token_uri":"http://127.0.0.1:1/"}');
SELECT cred_state('SELECT * FROM cred_t');
ALTER USER MAPPING FOR PUBLIC SERVER cred_mine OPTIONS (SET service_account_key '{"type":"service_account","client_email":"a@b","private_key":"the-secret-that-nobody-sees"}');
SELECT cred_state('SELECT * FROM cred_t');
ALTER USER MAPPING FOR PUBLIC SERVER cred_mine OPTIONS (ADD access_token 'the-secret-that-nobody-sees');
SELECT cred_state('SELECT * FROM cred_t');
-- profiles of AWS
CREATE SERVER cred_aws FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://bucket', endpoint 'http://127.0.0.1:1', profile 'no such profile');
CREATE FOREIGN TABLE cred_s (i int) SERVER cred_aws OPTIONS (path 't');
SELECT cred_state('SELECT * FROM cred_s');
ALTER SERVER cred_aws OPTIONS (ADD credentials 'environment');
SELECT cred_state('SELECT * FROM cred_s');
-- a user mapping comes first
CREATE USER MAPPING FOR CURRENT_USER SERVER cred_aws OPTIONS (access_key_id 'the-id', secret_access_key 'the-secret-that-nobody-sees');
SELECT cred_state('SELECT * FROM cred_s');
\set VERBOSITY terse
SET client_min_messages = warning;
DROP FOREIGN TABLE cred_t, cred_s;
DROP SERVER cred_mine CASCADE;
DROP SERVER cred_aws CASCADE;
REVOKE ALL ON FOREIGN DATA WRAPPER supertable FROM regress_cred_user;
REVOKE ALL ON SCHEMA public FROM regress_cred_user;
DROP ROLE regress_cred_user;
DROP FUNCTION cred_state(text);
