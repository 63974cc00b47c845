-- INSERT, SELECT, COPY, UPDATE, DELETE, RETURNING, prepared statements
CREATE FOREIGN TABLE basic (id int, name text, v float8) SERVER lake OPTIONS (path 'basic');
\set VERBOSITY terse
SELECT * FROM basic;
\set VERBOSITY default
INSERT INTO basic VALUES (1, 'one', 1.5), (2, NULL, NULL) RETURNING *;
COPY basic FROM stdin;
3	three	3.25
4	\N	-0
\.
SELECT * FROM basic ORDER BY id;
SELECT count(*), sum(v) FROM basic;
UPDATE basic SET name = coalesce(name, 'was null'), v = v * 2 WHERE id IN (2, 3) RETURNING id, name, v;
DELETE FROM basic WHERE id = 4 RETURNING *;
SELECT * FROM basic ORDER BY id;
UPDATE basic SET v = 0 WHERE false;
DELETE FROM basic WHERE id = 99;
-- L9: statements that change nothing write nothing
SELECT max(added_version), count(*) FROM supertable_files('basic');
PREPARE ins(int, text) AS INSERT INTO basic(id, name) VALUES ($1, $2);
EXECUTE ins(5, 'five');
EXECUTE ins(6, 'six');
PREPARE sel(int) AS SELECT name FROM basic WHERE id = $1;
EXECUTE sel(5);
EXECUTE sel(6);
EXECUTE sel(5); EXECUTE sel(5); EXECUTE sel(5); EXECUTE sel(6);
-- a statement does not see its own changes (L59)
INSERT INTO basic SELECT id + 100, name FROM basic;
SELECT count(*) FROM basic;
UPDATE basic SET id = id + 1000;
SELECT count(*), min(id), max(id) FROM basic;
-- a row changed twice in one statement is changed once
CREATE TABLE twice (id int, t text);
INSERT INTO twice VALUES (1001, 'a'), (1001, 'b');
UPDATE basic SET name = 'joined' FROM twice WHERE twice.id = basic.id RETURNING basic.id;
SELECT count(*) FROM basic WHERE name = 'joined';
DELETE FROM basic USING twice WHERE twice.id = basic.id RETURNING basic.id;
SELECT count(*) FROM basic;
-- subselects, CTEs
WITH gone AS (DELETE FROM basic WHERE id > 1100 RETURNING id) SELECT count(*) FROM gone;
UPDATE basic SET v = (SELECT count(*) FROM basic b);
SELECT DISTINCT v FROM basic;
WITH a AS (INSERT INTO basic(id) VALUES (7) RETURNING id), b AS (INSERT INTO basic(id) VALUES (8) RETURNING id) SELECT * FROM a, b;
SELECT count(*) FROM basic;
-- projection, whole rows, system columns
SELECT b FROM basic b WHERE id = 7;
SELECT tableoid::regclass, id FROM basic WHERE id = 8;
SELECT count(*) FROM basic a JOIN basic b USING (id);
SELECT 1 FROM basic LIMIT 1;
-- views, also with a check option
CREATE VIEW small AS SELECT * FROM basic WHERE id < 10 WITH CHECK OPTION;
INSERT INTO small VALUES (9, 'nine', 9);
INSERT INTO small VALUES (10, 'ten', 10);
SELECT id, name FROM small ORDER BY id;
-- cursors
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM basic WHERE id < 10 ORDER BY id;
FETCH 2 FROM c;
DELETE FROM basic WHERE id = 9;
FETCH ALL FROM c;
FETCH BACKWARD 1 FROM c;
COMMIT;
DROP VIEW small;
DROP FOREIGN TABLE basic;
DROP TABLE twice;
