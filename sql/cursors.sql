-- joins that find a row twice, cursors over later changes, views
CREATE FOREIGN TABLE cu (id int, v text) SERVER lake OPTIONS (path 'cu');
CREATE TABLE cu_twice (id int, w text);
INSERT INTO cu SELECT i, 'v' || i FROM generate_series(1, 6) i;
INSERT INTO cu_twice VALUES (1, 'a'), (1, 'b'), (2, 'c'), (2, 'd'), (2, 'e'), (9, 'f');
-- a row that is found several times is changed once
BEGIN;
WITH d AS (DELETE FROM cu USING cu_twice t WHERE t.id = cu.id RETURNING cu.id) SELECT count(*), count(DISTINCT id) FROM d;
SELECT count(*) FROM cu;
ROLLBACK;
BEGIN;
WITH u AS (UPDATE cu SET v = v || '+' FROM cu_twice t WHERE t.id = cu.id RETURNING cu.*) SELECT * FROM u ORDER BY id;
SELECT * FROM cu ORDER BY id;
-- rows that are the transaction's own, found twice
UPDATE cu SET v = v || '+' FROM cu_twice t WHERE t.id = cu.id;
DELETE FROM cu USING cu_twice t WHERE t.id = cu.id;
SELECT * FROM cu ORDER BY id;
ROLLBACK;
-- joined with itself: what the statement writes it does not find
UPDATE cu SET v = 'self' FROM cu other WHERE other.id >= cu.id;
SELECT count(*), count(*) FILTER (WHERE v = 'self') FROM cu;
UPDATE cu SET v = 'v' || id;
-- two CTEs that change one row: one of them does
WITH a AS (UPDATE cu SET v = 'a' WHERE id = 1 RETURNING 1), b AS (UPDATE cu SET v = 'b' WHERE id = 1 RETURNING 1)
	SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b);
SELECT count(*) FROM cu WHERE id = 1;
UPDATE cu SET v = 'v' || id;
-- an open cursor shows what was there when it was opened, whatever the transaction does
BEGIN;
INSERT INTO cu VALUES (7, 'own');
DECLARE c CURSOR FOR SELECT * FROM cu ORDER BY id;
DECLARE plain CURSOR FOR SELECT count(*) OVER (), id FROM cu;
DECLARE back SCROLL CURSOR FOR SELECT id FROM cu;
DECLARE raw NO SCROLL CURSOR FOR SELECT id FROM cu WHERE id > 3;
FETCH 2 FROM c;
MOVE 1 IN raw;
UPDATE cu SET v = 'new';
DELETE FROM cu WHERE id > 4;
INSERT INTO cu SELECT i, 'later' FROM generate_series(100, 400) i;
SAVEPOINT s;
DELETE FROM cu;
INSERT INTO cu VALUES (8, 'in s');
FETCH 3 FROM c;
ROLLBACK TO s;
SET LOCAL supertable.row_group_rows = 100;
INSERT INTO cu SELECT i, 'later' FROM generate_series(500, 800) i;
SELECT count(*) FROM cu;
FETCH ALL FROM c;
FETCH 1 FROM plain;
MOVE ALL IN raw;
FETCH FORWARD ALL FROM back;
FETCH BACKWARD 3 FROM back;
FETCH ABSOLUTE 2 FROM back;
FETCH LAST FROM back;
FETCH PRIOR FROM back;
FETCH FIRST FROM back;
FETCH BACKWARD 1 FROM raw;
ROLLBACK;
-- a cursor opened in a savepoint goes with it
BEGIN;
SAVEPOINT s;
INSERT INTO cu VALUES (50, 'in s');
DECLARE c CURSOR FOR SELECT * FROM cu WHERE id = 50;
ROLLBACK TO s;
FETCH c;
ROLLBACK;
-- WITH HOLD: kept past COMMIT, with the transaction's own rows, and past changes by others
BEGIN;
INSERT INTO cu VALUES (9, 'held');
DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT * FROM cu WHERE id > 4 ORDER BY id;
FETCH 1 FROM h;
DELETE FROM cu WHERE id = 9;
COMMIT;
DELETE FROM cu WHERE id = 6;
FETCH ALL FROM h;
FETCH BACKWARD 2 FROM h;
CLOSE h;
-- one that is opened and not read before COMMIT
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT * FROM cu WHERE id < 3;
COMMIT;
FETCH ALL FROM h;
CLOSE h;
-- a loop over what it changes
DO $$
DECLARE r record; n int := 0;
BEGIN
	FOR r IN SELECT id, v FROM cu LOOP
		n := n + 1;
		UPDATE cu SET v = 'loop ' || n WHERE id = r.id;
		INSERT INTO cu VALUES (r.id + 1000, 'loop');
	END LOOP;
	RAISE NOTICE '% rows', n;
END $$;
SELECT count(*), count(*) FILTER (WHERE v LIKE 'loop%') FROM cu;
DELETE FROM cu WHERE id > 1000;
UPDATE cu SET v = 'v' || id;
-- rescans
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;
SELECT a.id, b.id FROM (VALUES (1), (2)) a(id), LATERAL (SELECT id FROM cu WHERE cu.id > a.id ORDER BY id LIMIT 2) b;
SELECT count(*) FROM cu_twice t JOIN cu ON cu.id >= t.id;
BEGIN;
DELETE FROM cu WHERE id = 1;
INSERT INTO cu VALUES (60, 'own');
SELECT count(*) FROM cu_twice t JOIN cu ON cu.id >= t.id;
ROLLBACK;
RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_material;
-- updatable views, and WITH CHECK OPTION
CREATE VIEW cu_low AS SELECT id, v FROM cu WHERE id < 10 WITH LOCAL CHECK OPTION;
CREATE VIEW cu_short AS SELECT id, v AS val FROM cu_low WHERE length(v) < 5 WITH CASCADED CHECK OPTION;
CREATE VIEW cu_any AS SELECT v, id FROM cu;
INSERT INTO cu_low VALUES (8, 'eight') RETURNING *;
UPDATE cu_any SET v = 'any' WHERE id = 8 RETURNING *;
DELETE FROM cu_any WHERE id = 8 RETURNING *;
\set VERBOSITY terse
INSERT INTO cu_low VALUES (12, 'x');
INSERT INTO cu_short VALUES (8, 'too long');
INSERT INTO cu_short VALUES (12, 'x');
UPDATE cu_low SET id = id + 20 WHERE id = 2;
UPDATE cu_short SET val = 'too long' WHERE id = 2;
BEGIN;
INSERT INTO cu_low VALUES (8, 'ok');
SAVEPOINT s;
INSERT INTO cu_low SELECT i, 'many' FROM generate_series(8, 12) i;
ROLLBACK TO s;
UPDATE cu_low SET v = 'fine' WHERE id = 8;
COMMIT;
\set VERBOSITY default
SELECT * FROM cu WHERE id >= 8 OR v = 'many';
UPDATE cu_short SET val = 'ok' WHERE id IN (2, 12) RETURNING *;
DELETE FROM cu_short WHERE id = 8;
SELECT count(*) FROM cu_low;
-- a security barrier: the leaky function sees only what the view shows
CREATE FUNCTION cu_leak(int) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
CREATE VIEW cu_safe WITH (security_barrier) AS SELECT * FROM cu WHERE id = 2;
SELECT id FROM cu_safe WHERE cu_leak(id);
UPDATE cu_safe SET v = 'safe' WHERE cu_leak(id);
-- rules and INSTEAD OF triggers, through which rows reach a supertable
CREATE VIEW cu_sum AS SELECT count(*) AS n FROM cu;
CREATE FUNCTION cu_instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO cu VALUES (NEW.n, 'instead'); RETURN NEW; END $$;
CREATE TRIGGER cu_instead INSTEAD OF INSERT ON cu_sum FOR EACH ROW EXECUTE FUNCTION cu_instead();
INSERT INTO cu_sum VALUES (70);
SELECT * FROM cu WHERE id = 70;
CREATE MATERIALIZED VIEW cu_mat AS SELECT * FROM cu WHERE id < 3;
UPDATE cu SET v = 'mat' WHERE id = 1;
REFRESH MATERIALIZED VIEW cu_mat;
SELECT * FROM cu_mat ORDER BY id;
DROP MATERIALIZED VIEW cu_mat;
DROP VIEW cu_sum, cu_safe, cu_any, cu_short, cu_low;
DROP FUNCTION cu_instead, cu_leak;
DROP TABLE cu_twice;
DROP FOREIGN TABLE cu;
