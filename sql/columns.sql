-- columns that come, go, and have another name on storage
\set VERBOSITY terse
CREATE FOREIGN TABLE co (id int NOT NULL, v text) SERVER lake OPTIONS (path 'co');
INSERT INTO co VALUES (1, 'one'), (2, 'two');
INSERT INTO co VALUES (3, 'three');
-- one that the storage lacks reads as null, and the session is told once
ALTER FOREIGN TABLE co ADD COLUMN n bigint, ADD COLUMN at timestamp;
SELECT count(*) FROM co;
SELECT * FROM co ORDER BY id;
SELECT id, n FROM co WHERE n IS NULL AND v > 'p' ORDER BY id;
SELECT count(*) FROM co WHERE n > 5 OR n < 5;
SELECT count(*), count(n), sum(n), max(at) FROM co;
-- no rows, no change: the stored schema stays
UPDATE co SET n = 1 WHERE id = 99;
DELETE FROM co WHERE id = 3;
CREATE FOREIGN TABLE co_old (id int NOT NULL, v text) SERVER lake OPTIONS (path 'co');
SELECT * FROM co_old ORDER BY id;
UPDATE co_old SET v = 'TWO' WHERE id = 2;
-- the next write adds it, in one version with the rows
INSERT INTO co VALUES (4, 'four', 44, '2026-01-01');
SELECT * FROM co ORDER BY id;
UPDATE co SET n = id * 10 WHERE id < 3;
SELECT * FROM co ORDER BY id;
SELECT id FROM co WHERE n >= 20 ORDER BY id;
-- a narrower foreign table does not read it, inserts it as null, and does not lose it in an update
SELECT * FROM co_old ORDER BY id;
INSERT INTO co_old VALUES (5, 'narrow');
DELETE FROM co_old WHERE id = 1;
UPDATE co_old SET v = 'x' WHERE id = 2;
SELECT * FROM co ORDER BY id;
CREATE FOREIGN TABLE co_none (v text, extra int) SERVER lake OPTIONS (path 'co');
SELECT v FROM co_none ORDER BY v;
\set VERBOSITY sqlstate
INSERT INTO co_none VALUES ('x', 1);
\set VERBOSITY terse
DELETE FROM co_none WHERE v = 'narrow';
-- two-phase, savepoints, several widths in one transaction
BEGIN;
INSERT INTO co VALUES (6, 'six', 6);
ALTER FOREIGN TABLE co ADD COLUMN tags text[];
INSERT INTO co VALUES (7, 'seven', 7, NULL, '{a,b}');
SELECT id, n, tags FROM co ORDER BY id;
INSERT INTO co_old VALUES (8, 'eight');
SELECT id, n, tags FROM co WHERE id > 6 ORDER BY id;
UPDATE co SET tags = '{all}' WHERE tags IS NULL;
SAVEPOINT s;
ALTER FOREIGN TABLE co ADD COLUMN lost int;
INSERT INTO co VALUES (9, 'nine', 9, NULL, NULL, 9);
SELECT id, lost FROM co WHERE lost IS NOT NULL;
ROLLBACK TO s;
INSERT INTO co VALUES (10, 'ten', 10, NULL, '{ten}');
SELECT id, tags FROM co ORDER BY id;
COMMIT;
SELECT * FROM co ORDER BY id;
-- one column with two types in one folder
CREATE FOREIGN TABLE co_type (id int NOT NULL, lost text) SERVER lake OPTIONS (path 'co');
INSERT INTO co_type VALUES (11, 'text');
ALTER FOREIGN TABLE co ADD COLUMN lost int;
\set VERBOSITY sqlstate
SELECT id, lost FROM co WHERE id = 11;
\set VERBOSITY terse
\set VERBOSITY sqlstate
INSERT INTO co (id, lost) VALUES (12, 12);
\set VERBOSITY terse
ALTER FOREIGN TABLE co DROP COLUMN lost;
-- rolled back as a whole: nothing is added
BEGIN;
ALTER FOREIGN TABLE co ADD COLUMN never int;
INSERT INTO co (id, never) VALUES (13, 13);
ROLLBACK;
CREATE FOREIGN TABLE co_never (id int NOT NULL, never text) SERVER lake OPTIONS (path 'co');
INSERT INTO co_never VALUES (13, 'text');
SELECT * FROM co_never WHERE never IS NOT NULL;
-- NOT NULL and defaults are the foreign table's: old rows read as null all the same
ALTER FOREIGN TABLE co ADD COLUMN d int NOT NULL DEFAULT 7;
INSERT INTO co (id) VALUES (14);
INSERT INTO co (id, d) VALUES (15, NULL);
SELECT count(*), count(d), min(d) FROM co;
-- another session reads it from a checkpoint
SET supertable.checkpoint_interval = 1;
INSERT INTO co (id, n, tags) VALUES (17, 17, '{after}');
INSERT INTO co (id) VALUES (18);
\c -
\set VERBOSITY terse
SELECT * FROM co WHERE id IN (4, 7, 17, 18) ORDER BY id;
DELETE FROM co WHERE id > 16;
-- column_name: renamed in the foreign table, quoted, swapped
ALTER FOREIGN TABLE co RENAME COLUMN v TO word;
ALTER FOREIGN TABLE co ALTER COLUMN word OPTIONS (ADD column_name 'v');
SELECT id, word FROM co WHERE word LIKE 's%' ORDER BY id;
\set VERBOSITY sqlstate
UPDATE co SET word = upper(word) WHERE id = 6 RETURNING word;
\set VERBOSITY terse
CREATE FOREIGN TABLE co_map ("Weird ""Id" int OPTIONS (column_name 'id') NOT NULL, v bigint OPTIONS (column_name 'n'), n text OPTIONS (column_name 'v')) SERVER lake OPTIONS (path 'co');
SELECT * FROM co_map WHERE "Weird ""Id" IN (6, 7) ORDER BY 1;
INSERT INTO co_map VALUES (16, 160, 'mapped');
SELECT id, word, n FROM co WHERE id = 16;
SELECT "Weird ""Id" FROM co_map WHERE v = 160;
CREATE FOREIGN TABLE co_new (k int OPTIONS (column_name 'Key "1"'), l int) SERVER lake OPTIONS (path 'co_new');
INSERT INTO co_new VALUES (1, 2);
CREATE FOREIGN TABLE co_new2 ("Key ""1""" int) SERVER lake OPTIONS (path 'co_new');
SELECT * FROM co_new2;
-- wrong options
ALTER FOREIGN TABLE co ALTER COLUMN n OPTIONS (ADD colum_name 'x');
ALTER FOREIGN TABLE co ALTER COLUMN n OPTIONS (ADD column_name '');
ALTER FOREIGN TABLE co ALTER COLUMN n OPTIONS (ADD column_name 'v');
SELECT count(*) FROM co;
ALTER FOREIGN TABLE co ALTER COLUMN n OPTIONS (DROP column_name);
-- a type that storage cannot take
ALTER FOREIGN TABLE co ALTER COLUMN n TYPE text;
\set VERBOSITY sqlstate
SELECT n FROM co WHERE id = 6;
\set VERBOSITY terse
ALTER FOREIGN TABLE co ALTER COLUMN n TYPE bigint;
SELECT n FROM co WHERE id = 6;
-- a trigger that writes through a wider table in the middle of a statement
CREATE FOREIGN TABLE co_a (id int, v text) SERVER lake OPTIONS (path 'co_trg');
CREATE FOREIGN TABLE co_b (id int, v text, w int) SERVER lake OPTIONS (path 'co_trg');
INSERT INTO co_a VALUES (0, 'zero');
CREATE FUNCTION co_trg() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.id = 2 THEN INSERT INTO co_b VALUES (NEW.id + 100, 'wide', 1); END IF;
	IF NEW.id = 4 THEN
		BEGIN
			INSERT INTO co_b VALUES (NEW.id + 100, 'undone', 2);
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER co_trg BEFORE INSERT ON co_a FOR EACH ROW EXECUTE FUNCTION co_trg();
INSERT INTO co_a SELECT i, 'narrow' FROM generate_series(1, 5) i;
SELECT * FROM co_b ORDER BY id;
TRUNCATE co_b;
INSERT INTO co_a SELECT i, 'narrow' FROM generate_series(4, 5) i;
SELECT * FROM co_b ORDER BY id;
-- a new column in a partition
CREATE TABLE co_part (k int, v text) PARTITION BY LIST (k);
CREATE FOREIGN TABLE co_p1 PARTITION OF co_part FOR VALUES IN (1) SERVER lake OPTIONS (path 'co_p1');
CREATE TABLE co_p2 PARTITION OF co_part FOR VALUES IN (2);
INSERT INTO co_part VALUES (1, 'a'), (2, 'b');
ALTER TABLE co_part ADD COLUMN w int;
UPDATE co_part SET w = k;
UPDATE co_part SET k = 1 WHERE k = 2;
SELECT tableoid::regclass, * FROM co_part ORDER BY w;
DROP TABLE co_part;
DROP FOREIGN TABLE co, co_old, co_none, co_type, co_never, co_map, co_new, co_new2, co_a, co_b;
DROP FUNCTION co_trg;
