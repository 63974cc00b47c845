-- Servers on az://: options, credentials, what is refused, without any store
\set VERBOSITY verbose
CREATE FUNCTION az_state(q text) RETURNS text LANGUAGE plpgsql AS $$
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
SELECT az_state($$CREATE SERVER az_x FOREIGN DATA WRAPPER supertable OPTIONS (url 'az://container', acount_name 'x')$$);
SELECT az_state($$CREATE SERVER az_x FOREIGN DATA WRAPPER supertable OPTIONS (url 'az://container', account_key 'x')$$);
CREATE SERVER az_dead FOREIGN DATA WRAPPER supertable OPTIONS (url 'az://container/folder', endpoint 'https://127.0.0.1:1');
SELECT az_state($$CREATE USER MAPPING FOR CURRENT_USER SERVER az_dead OPTIONS (account_name 'x')$$);
CREATE USER MAPPING FOR CURRENT_USER SERVER az_dead OPTIONS (sas_token '?sv=2021-12-02&sp=rwdlc&sig=the-secret-that-nobody-sees');
CREATE FOREIGN TABLE az_t (i int) SERVER az_dead OPTIONS (path 't');
SELECT az_state('SELECT * FROM az_t');
ALTER SERVER az_dead OPTIONS (ADD account_name 'devstoreaccount1');
-- a dead host
SET supertable.retry_deadline = 0;
SELECT az_state('SELECT * FROM az_t');
SELECT az_state('INSERT INTO az_t VALUES (1)');
-- urls and values that are none
ALTER SERVER az_dead OPTIONS (SET url 'az://Container');
SELECT az_state('SELECT * FROM az_t');
ALTER SERVER az_dead OPTIONS (SET url 'az://container@account.dfs.core.windows.net/folder');
SELECT az_state('SELECT * FROM az_t');
ALTER SERVER az_dead OPTIONS (SET url 'az://container', SET account_name 'My Account');
SELECT az_state('SELECT * FROM az_t');
ALTER SERVER az_dead OPTIONS (SET account_name 'devstoreaccount1', ADD url_style 'dns');
SELECT az_state('SELECT * FROM az_t');
ALTER SERVER az_dead OPTIONS (DROP url_style);
-- credentials that are none; their text is not shown
ALTER USER MAPPING FOR CURRENT_USER SERVER az_dead OPTIONS (ADD account_key 'dGhlLXNlY3JldA==');
SELECT az_state('SELECT * FROM az_t');
ALTER USER MAPPING FOR CURRENT_USER SERVER az_dead OPTIONS (DROP sas_token, SET account_key 'the-secret-that-nobody-sees');
SELECT az_state('SELECT * FROM az_t');
ALTER USER MAPPING FOR CURRENT_USER SERVER az_dead OPTIONS (DROP account_key, ADD sas_token 'https://the-secret-that-nobody-sees');
SELECT az_state('SELECT * FROM az_t');
-- hosts that are not allowed
SET supertable.allowed_endpoints = '*.blob.core.windows.net';
ALTER USER MAPPING FOR CURRENT_USER SERVER az_dead OPTIONS (SET sas_token 'sig=the-secret-that-nobody-sees');
SELECT az_state('SELECT * FROM az_t');
RESET supertable.allowed_endpoints;
\set VERBOSITY terse
SET client_min_messages = error;
DROP SERVER az_dead CASCADE;
DROP FUNCTION az_state(text);
