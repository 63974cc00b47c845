-- transactions, savepoints, exceptions: nothing of what is rolled back is left
CREATE FOREIGN TABLE tx (id int, v text) SERVER lake OPTIONS (path 'tx');
CREATE FOREIGN TABLE tx2 (id int, v text) SERVER lake OPTIONS (path 'tx2');
CREATE TABLE tx_heap (id int, v text);
BEGIN;
INSERT INTO tx_heap VALUES (1, 'heap');
INSERT INTO tx VALUES (1, 'a'), (2, 'b');
INSERT INTO tx2 VALUES (1, 'x');
SELECT * FROM tx ORDER BY id;
UPDATE tx SET v = 'a2' WHERE id = 1;
SELECT * FROM tx ORDER BY id;
DELETE FROM tx WHERE id = 2;
SELECT * FROM tx ORDER BY id;
COMMIT;
SELECT 'tx', * FROM tx UNION ALL SELECT 'tx2', * FROM tx2 UNION ALL SELECT 'heap', * FROM tx_heap ORDER BY 1, 2;
-- the superfile holds only what survived
SELECT n_rows, n_tombstoned FROM supertable_files('tx');
BEGIN;
INSERT INTO tx VALUES (3, 'c');
UPDATE tx SET v = 'lost' WHERE id = 1;
ROLLBACK;
SELECT * FROM tx ORDER BY id;
-- savepoints
BEGIN;
INSERT INTO tx VALUES (4, 'kept');
SAVEPOINT a;
INSERT INTO tx VALUES (5, 'gone');
UPDATE tx SET v = 'gone' WHERE id = 1;
SAVEPOINT b;
DELETE FROM tx;
SELECT count(*) FROM tx;
ROLLBACK TO b;
SELECT * FROM tx ORDER BY id;
ROLLBACK TO a;
SELECT * FROM tx ORDER BY id;
SAVEPOINT c;
UPDATE tx SET v = v || '+' WHERE id = 4;
RELEASE c;
SELECT * FROM tx ORDER BY id;
COMMIT;
SELECT * FROM tx ORDER BY id;
-- a failed statement in a PL/pgSQL block with an exception handler
DO $$
BEGIN
	INSERT INTO tx VALUES (6, 'before');
	BEGIN
		INSERT INTO tx VALUES (7, 'inside');
		UPDATE tx SET v = 'inside' WHERE id = 6;
		PERFORM 1 / 0;
	EXCEPTION WHEN division_by_zero THEN
		RAISE NOTICE 'caught';
	END;
	INSERT INTO tx VALUES (8, 'after');
END $$;
SELECT * FROM tx WHERE id >= 6 ORDER BY id;
DO $$
BEGIN
	FOR i IN 100..110 LOOP
		BEGIN
			INSERT INTO tx VALUES (i, 'loop');
			IF i % 2 = 0 THEN RAISE EXCEPTION 'even'; END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
SELECT count(*), sum(id) FROM tx WHERE id >= 100;
-- statements in a function see those before them
CREATE FUNCTION tx_fn() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	DELETE FROM tx WHERE id >= 100;
	INSERT INTO tx VALUES (200, 'fn');
	SELECT count(*) INTO n FROM tx WHERE id >= 100;
	RETURN n;
END $$;
SELECT tx_fn();
-- encoded row groups and savepoints
SET supertable.row_group_rows = 10;
BEGIN;
INSERT INTO tx2 SELECT i, 'bulk' FROM generate_series(1, 25) i;
SAVEPOINT s;
INSERT INTO tx2 SELECT i, 'bulk' FROM generate_series(26, 60) i;
DELETE FROM tx2 WHERE id <= 30;
SELECT count(*), sum(id) FROM tx2;
ROLLBACK TO s;
SELECT count(*), sum(id) FROM tx2;
INSERT INTO tx2 SELECT i, 'bulk' FROM generate_series(61, 63) i;
DELETE FROM tx2 WHERE id = 2;
COMMIT;
SELECT count(*), sum(id) FROM tx2;
RESET supertable.row_group_rows;
-- isolation levels
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO tx VALUES (300, 'rr');
SELECT count(*) FROM tx WHERE id = 300;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE tx SET v = 'ser' WHERE id = 300;
COMMIT;
SELECT v FROM tx WHERE id = 300;
-- READ ONLY
BEGIN READ ONLY;
\set VERBOSITY sqlstate
INSERT INTO tx VALUES (1, 'x');
ROLLBACK;
-- wrote, then READ ONLY: legal
BEGIN;
INSERT INTO tx VALUES (301, 'ro');
SET TRANSACTION READ ONLY;
COMMIT;
SELECT count(*) FROM tx WHERE id = 301;
-- PREPARE TRANSACTION is refused
BEGIN;
INSERT INTO tx VALUES (302, 'x');
PREPARE TRANSACTION 'p';
\set VERBOSITY default
SELECT count(*) FROM tx WHERE id = 302;
-- one-phase off
SET supertable.one_phase = off;
INSERT INTO tx VALUES (303, 'two-phase');
RESET supertable.one_phase;
-- nothing is left open
SELECT state, count(*) FROM supertable_wal('tx') GROUP BY 1;
SELECT n_scanned > 0 AS scanned, n_rolled_back, n_quarantined, n_in_doubt FROM supertable_recover('tx');
DROP FUNCTION tx_fn;
DROP FOREIGN TABLE tx, tx2;
DROP TABLE tx_heap;
