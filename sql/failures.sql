-- what a failed row, a trigger, a narrower table or a moved row must not do
CREATE FOREIGN TABLE f (a date[], t timestamptz, n int) SERVER lake OPTIONS (path 'f');
\set VERBOSITY sqlstate
-- elements of a failed row do not reach the next one
BEGIN;
SAVEPOINT s;
INSERT INTO f(a) VALUES ('{2020-01-01,infinity}');
ROLLBACK TO s;
INSERT INTO f(a) VALUES ('{2021-05-05}');
COMMIT;
SELECT a FROM f;
-- a failed row as the last one does not fail the commit
BEGIN;
INSERT INTO f(n) VALUES (1);
SAVEPOINT s;
INSERT INTO f(a, t) VALUES ('{2020-01-01}', 'infinity');
ROLLBACK TO s;
COMMIT;
SELECT count(*) FROM f WHERE n = 1;
-- a superfile that cannot be spooled leaves nothing of its savepoint
CREATE FOREIGN TABLE f_spool (i int, t text) SERVER lake OPTIONS (path 'f_spool');
SET supertable.row_group_rows = 100000;
SET supertable.compression = none;
SET temp_file_limit = '1MB';
BEGIN;
INSERT INTO f_spool SELECT i, md5(i::text) || md5((i + 1)::text) FROM generate_series(1, 60000) i;
SAVEPOINT s;
INSERT INTO f_spool SELECT i, md5(i::text) || md5((i + 1)::text) FROM generate_series(60001, 120000) i;
ROLLBACK TO s;
RESET temp_file_limit;
INSERT INTO f_spool VALUES (0, 'last');
COMMIT;
SELECT count(*), count(DISTINCT i), max(i) FROM f_spool;
RESET supertable.row_group_rows;
RESET supertable.compression;
-- an UPDATE does not null columns that the foreign table does not have
CREATE FOREIGN TABLE f_wide (a int, b text, c text) SERVER lake OPTIONS (path 'f_wide');
INSERT INTO f_wide VALUES (1, 'b', 'c');
CREATE FOREIGN TABLE f_narrow (a int, b text) SERVER lake OPTIONS (path 'f_wide');
UPDATE f_narrow SET b = 'B';
DELETE FROM f_narrow WHERE a = 2;
SELECT * FROM f_wide;
-- a row that a trigger has changed is not silently left as the trigger made it
CREATE FUNCTION f_inner() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.b = 'outer' THEN UPDATE f_wide SET b = 'inner' WHERE a = NEW.a; END IF; RETURN NEW; END $$;
CREATE TRIGGER f_trg BEFORE UPDATE ON f_wide FOR EACH ROW EXECUTE FUNCTION f_inner();
UPDATE f_wide SET b = 'outer';
SELECT * FROM f_wide;
DROP TRIGGER f_trg ON f_wide;
-- rows moved into a supertable partition that is a target itself; DELETE RETURNING over several
CREATE TABLE f_part (a int, b text) PARTITION BY LIST (a);
CREATE TABLE f_p1 PARTITION OF f_part FOR VALUES IN (1);
CREATE FOREIGN TABLE f_p2 PARTITION OF f_part FOR VALUES IN (2) SERVER lake OPTIONS (path 'f_p2');
CREATE FOREIGN TABLE f_p3 PARTITION OF f_part FOR VALUES IN (3) SERVER lake OPTIONS (path 'f_p3');
INSERT INTO f_part VALUES (1, 'one'), (2, 'two'), (3, 'three');
UPDATE f_part SET a = 2, b = b || 'x' WHERE a IN (1, 2);
SELECT tableoid::regclass, * FROM f_part ORDER BY a, b;
WITH d AS (DELETE FROM f_part RETURNING *) SELECT * FROM d ORDER BY a, b;
-- statement_timeout holds in a procedure after its COMMIT
CREATE PROCEDURE f_proc() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO f(n) VALUES (2); COMMIT; PERFORM pg_sleep(30); END $$;
SET statement_timeout = '700ms';
CALL f_proc();
RESET statement_timeout;
\set VERBOSITY default
DROP TABLE f_part;
DROP FOREIGN TABLE f, f_spool, f_wide, f_narrow;
DROP FUNCTION f_inner;
DROP PROCEDURE f_proc;
