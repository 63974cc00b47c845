-- wrong input: a message with its SQLSTATE, detail and hint, and nothing changed
\getenv dir PG_ABS_BUILDDIR
\set SHOW_CONTEXT never
CREATE FUNCTION state_of(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE s text; m text; h text; d text;
BEGIN
	EXECUTE q;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS s = RETURNED_SQLSTATE, m = MESSAGE_TEXT, h = PG_EXCEPTION_HINT, d = PG_EXCEPTION_DETAIL;
	RETURN s || ': ' || regexp_replace(m, '/[^" ]*/', '.../', 'g') || CASE WHEN d <> '' THEN ' | ' || regexp_replace(d, '/[^" ]*/', '.../', 'g') ELSE '' END || CASE WHEN h <> '' THEN ' | ' || h ELSE '' END;
END $$;
SELECT state_of($$CREATE SERVER bad FOREIGN DATA WRAPPER supertable OPTIONS (url 'nosuch://x')$$);
SELECT state_of($$CREATE SERVER bad FOREIGN DATA WRAPPER supertable OPTIONS (url 'plain text')$$);
SELECT state_of($$CREATE SERVER bad FOREIGN DATA WRAPPER supertable OPTIONS (url 'file:///tmp', region 'x')$$);
SELECT state_of($$CREATE SERVER bad FOREIGN DATA WRAPPER supertable OPTIONS (region 'x')$$);
SELECT state_of($$CREATE USER MAPPING FOR CURRENT_USER SERVER lake OPTIONS (password 'x')$$);
SELECT state_of($$CREATE FOREIGN TABLE e (i int) SERVER lake$$);
SELECT state_of($$CREATE FOREIGN TABLE e (i int) SERVER lake OPTIONS (pth 'x')$$);
SELECT state_of($$CREATE FOREIGN TABLE e (i int) SERVER lake OPTIONS (path '../x')$$);
SELECT state_of($$CREATE FOREIGN TABLE e (i int) SERVER lake OPTIONS (path '/x')$$);
SELECT state_of($$CREATE FOREIGN TABLE e (i int) SERVER lake OPTIONS (path 'a//b')$$);
SELECT state_of($$CREATE FOREIGN TABLE e (i int) SERVER lake OPTIONS (path '')$$);
-- a url that leads nowhere
CREATE SERVER nowhere FOREIGN DATA WRAPPER supertable OPTIONS (url 'file:///nonexistent/lake');
CREATE FOREIGN TABLE e1 (i int) SERVER nowhere OPTIONS (path 'x');
SELECT state_of('SELECT * FROM e1');
SELECT state_of('INSERT INTO e1 VALUES (1)');
SELECT state_of($$SELECT * FROM supertable_storage_probe('nowhere')$$);
CREATE SERVER relative FOREIGN DATA WRAPPER supertable OPTIONS (url 'file://tmp');
CREATE FOREIGN TABLE e2 (i int) SERVER relative OPTIONS (path 'x');
SELECT state_of('SELECT * FROM e2');
-- no url
CREATE SERVER bare FOREIGN DATA WRAPPER supertable;
CREATE FOREIGN TABLE e3 (i int) SERVER bare OPTIONS (path 'x');
SELECT state_of('SELECT * FROM e3');
SELECT state_of($$SELECT supertable_recover('e3')$$);
SELECT state_of($$SELECT * FROM supertable_storage_probe('bare')$$);
-- columns that do not match the stored schema
CREATE FOREIGN TABLE e (id int, v text) SERVER lake OPTIONS (path 'errors');
INSERT INTO e VALUES (1, 'one');
CREATE FOREIGN TABLE e_type (id text, v text) SERVER lake OPTIONS (path 'errors');
SELECT state_of('SELECT * FROM e_type');
SELECT state_of($$INSERT INTO e_type VALUES ('a', 'b')$$);
CREATE FOREIGN TABLE e_more (id int, v text, extra int) SERVER lake OPTIONS (path 'errors');
-- a column that the storage lacks is none: sql/columns.sql
SET client_min_messages = warning;
SELECT state_of('SELECT * FROM e_more');
RESET client_min_messages;
CREATE FOREIGN TABLE e_less (id int) SERVER lake OPTIONS (path 'errors');
SELECT * FROM e_less;
INSERT INTO e_less VALUES (2);
SELECT * FROM e ORDER BY id;
-- functions on what is no supertable
CREATE TABLE heap (i int);
SELECT state_of($$SELECT supertable_recover('heap')$$);
SELECT state_of($$SELECT * FROM supertable_files('heap')$$);
-- privileges (L36)
CREATE ROLE regress_st_owner;
CREATE ROLE regress_st_other;
GRANT CREATE ON SCHEMA public TO regress_st_owner;
GRANT USAGE ON FOREIGN DATA WRAPPER supertable TO regress_st_owner;
GRANT USAGE ON FOREIGN SERVER lake TO regress_st_owner;
SET ROLE regress_st_owner;
SELECT state_of($$CREATE SERVER mine FOREIGN DATA WRAPPER supertable OPTIONS (url 'file:///tmp')$$);
CREATE FOREIGN TABLE e_priv (id int, v text) SERVER lake OPTIONS (path 'errors');
SELECT count(*) FROM e_priv;
SET ROLE regress_st_other;
SELECT state_of('SELECT * FROM e_priv');
SELECT state_of('INSERT INTO e_priv VALUES (1)');
SELECT state_of($$SELECT * FROM supertable_files('e_priv')$$);
SELECT state_of($$SELECT * FROM supertable_wal('e_priv')$$);
SELECT state_of($$SELECT supertable_recover('e_priv')$$);
SELECT state_of('SELECT * FROM supertable_internal.witness');
RESET ROLE;
DROP OWNED BY regress_st_owner, regress_st_other;
DROP ROLE regress_st_owner, regress_st_other;
-- damaged and foreign files in the table's folder
\! echo 'not a version' > "$PG_ABS_BUILDDIR/lake/errors/_delta_log/00000000000000000002.json"
SELECT state_of('SELECT * FROM e');
SELECT state_of($$INSERT INTO e VALUES (9, 'x')$$);
\! rm "$PG_ABS_BUILDDIR/lake/errors/_delta_log/00000000000000000002.json"
SELECT count(*) FROM e;
\! cd "$PG_ABS_BUILDDIR/lake/errors" && echo hello > notes.txt && touch _delta_log/readme.txt && ln -sf /etc seg-link
SELECT count(*) FROM e;
\! cd "$PG_ABS_BUILDDIR/lake/errors" && for f in seg-*.parquet; do cp $f keep.$f; printf garbage > $f; done
SELECT regexp_replace(state_of('SELECT * FROM e'), 'seg-[0-9a-f-]*', 'seg-*', 'g');
\! cd "$PG_ABS_BUILDDIR/lake/errors" && rm seg-*.parquet
SELECT regexp_replace(state_of('SELECT * FROM e'), 'seg-[0-9a-f-]*', 'seg-*', 'g');
\! cd "$PG_ABS_BUILDDIR/lake/errors" && for f in keep.*; do mv $f ${f#keep.}; done
SELECT count(*) FROM e;
-- the folder removed and made anew behind the session's back
BEGIN;
UPDATE e SET v = 'x';
\! rm -r "$PG_ABS_BUILDDIR/lake/errors"
\set VERBOSITY sqlstate
COMMIT;
SELECT count(*) FROM e;
\set VERBOSITY default
INSERT INTO e VALUES (10, 'anew');
SELECT * FROM e;
DROP FOREIGN TABLE e, e1, e2, e3, e_type, e_more, e_less;
DROP SERVER nowhere; DROP SERVER relative; DROP SERVER bare;
DROP TABLE heap;
DROP FUNCTION state_of;
