-- TRUNCATE: alone, beside others, in savepoints, before and after other changes
CREATE FOREIGN TABLE tr (id int, v text) SERVER lake OPTIONS (path 'tr');
CREATE FOREIGN TABLE tr2 (id int, v text) SERVER lake OPTIONS (path 'tr2');
CREATE TABLE tr_heap (id int);
-- no table on storage, and no rows: nothing is written
TRUNCATE tr;
INSERT INTO tr VALUES (1, 'one');
DELETE FROM tr;
TRUNCATE tr;
SELECT count(*) FROM supertable_wal('tr');
-- several at once, a heap table among them
INSERT INTO tr SELECT i, 'row' FROM generate_series(1, 5) i;
INSERT INTO tr SELECT i, 'row' FROM generate_series(6, 9) i;
DELETE FROM tr WHERE id = 7;
INSERT INTO tr2 VALUES (1, 'two');
INSERT INTO tr_heap VALUES (1);
BEGIN;
TRUNCATE tr, tr_heap, tr2;
SELECT (SELECT count(*) FROM tr), (SELECT count(*) FROM tr2), (SELECT count(*) FROM tr_heap);
ROLLBACK;
SELECT (SELECT count(*) FROM tr), (SELECT count(*) FROM tr2), (SELECT count(*) FROM tr_heap);
TRUNCATE tr, tr_heap, tr2;
SELECT (SELECT count(*) FROM tr), (SELECT count(*) FROM tr2), (SELECT count(*) FROM tr_heap);
SELECT count(*) FROM supertable_files('tr');
SELECT op_kind, state, n_targets, n_new_rows, problem FROM supertable_wal('tr') ORDER BY wal_id;
-- rows before and after it in one transaction; changes of both
INSERT INTO tr SELECT i, 'old' FROM generate_series(1, 5) i;
BEGIN;
UPDATE tr SET v = 'changed' WHERE id = 1;
INSERT INTO tr VALUES (10, 'before');
TRUNCATE tr;
INSERT INTO tr VALUES (11, 'after'), (12, 'after'), (13, 'after');
UPDATE tr SET v = 'after it' WHERE id = 12;
DELETE FROM tr WHERE id = 13;
SELECT * FROM tr ORDER BY id;
COMMIT;
SELECT * FROM tr ORDER BY id;
SELECT op_kind, n_targets, n_new_rows FROM supertable_wal('tr') ORDER BY wal_id DESC LIMIT 1;
SELECT operation, wal_id IS NOT NULL AS two_phase, n_rows_added, n_rows_deleted FROM supertable_history('tr') ORDER BY version;
-- only rows of the transaction itself: nothing is left to commit
BEGIN;
INSERT INTO tr2 VALUES (1, 'x');
TRUNCATE tr2;
SELECT count(*) FROM tr2;
COMMIT;
SELECT count(*) FROM tr2;
-- encoded and sealed superfiles of the transaction go too
SET supertable.row_group_rows = 100;
SET supertable.superfile_size = '1kB';
BEGIN;
INSERT INTO tr2 SELECT i, 'x' FROM generate_series(1, 350) i;
TRUNCATE tr2;
INSERT INTO tr2 SELECT i, 'y' FROM generate_series(1, 150) i;
SELECT count(*), min(v) FROM tr2;
COMMIT;
SELECT count(*), min(v) FROM tr2;
RESET supertable.row_group_rows;
RESET supertable.superfile_size;
-- savepoints
BEGIN;
INSERT INTO tr VALUES (20, 'kept');
SAVEPOINT a;
TRUNCATE tr;
INSERT INTO tr VALUES (21, 'in a');
SAVEPOINT b;
TRUNCATE tr;
SELECT count(*) FROM tr;
ROLLBACK TO b;
SELECT * FROM tr;
ROLLBACK TO a;
SELECT * FROM tr ORDER BY id;
SAVEPOINT c;
TRUNCATE tr;
RELEASE c;
INSERT INTO tr VALUES (22, 'last');
COMMIT;
SELECT * FROM tr;
-- twice in one transaction, and in a function
CREATE FUNCTION tr_fill(i int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE tr;
	INSERT INTO tr SELECT g, 'fill' FROM generate_series(1, i) g;
	RETURN (SELECT count(*) FROM tr);
END $$;
SELECT tr_fill(3), tr_fill(2);
SELECT * FROM tr ORDER BY id;
-- REPEATABLE READ: what the transaction's snapshot held
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM tr;
TRUNCATE tr;
SELECT count(*) FROM tr;
INSERT INTO tr VALUES (30, 'rr');
COMMIT;
SELECT * FROM tr;
-- identity: continued, restarted, and not when rolled back
CREATE FOREIGN TABLE tr_id (id int GENERATED ALWAYS AS IDENTITY, v text) SERVER lake OPTIONS (path 'tr_id');
INSERT INTO tr_id(v) VALUES ('a'), ('b');
TRUNCATE tr_id;
INSERT INTO tr_id(v) VALUES ('c') RETURNING id;
TRUNCATE tr_id RESTART IDENTITY CASCADE;
INSERT INTO tr_id(v) VALUES ('d') RETURNING id;
BEGIN; TRUNCATE tr_id RESTART IDENTITY; ROLLBACK;
INSERT INTO tr_id(v) VALUES ('e') RETURNING id;
SELECT * FROM tr_id ORDER BY id;
-- what a version held is known to a session that reads it from a checkpoint
SET supertable.checkpoint_interval = 1;
INSERT INTO tr_id(v) VALUES ('old');
DELETE FROM tr_id WHERE v = 'd';
\c -
BEGIN;
TRUNCATE tr_id;
SELECT count(*) FROM tr_id;
INSERT INTO tr_id(v) VALUES ('new');
COMMIT;
SELECT v FROM tr_id;
SET supertable.checkpoint_interval = 1;
TRUNCATE tr_id;
\c -
SELECT count(*) FROM tr_id;
-- a table in use
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM tr;
FETCH c;
TRUNCATE tr;
ROLLBACK;
-- under another name of the same storage, in the middle of a scan
CREATE FOREIGN TABLE tr_alias (id int, v text) SERVER lake OPTIONS (path 'tr');
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM tr;
TRUNCATE tr_alias;
INSERT INTO tr VALUES (31, 'new');
FETCH ALL FROM c;
SELECT * FROM tr;
ROLLBACK;
CREATE FUNCTION tr_empty() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE tr_alias; RETURN NEW; END $$;
CREATE TRIGGER tr_empty BEFORE UPDATE ON tr FOR EACH ROW EXECUTE FUNCTION tr_empty();
UPDATE tr SET v = 'gone';
DROP TRIGGER tr_empty ON tr;
-- partitions
CREATE TABLE tr_part (k int, v text) PARTITION BY LIST (k);
CREATE TABLE tr_p1 PARTITION OF tr_part FOR VALUES IN (1);
CREATE FOREIGN TABLE tr_p2 PARTITION OF tr_part FOR VALUES IN (2) SERVER lake OPTIONS (path 'tr_p2');
INSERT INTO tr_part VALUES (1, 'a'), (2, 'b');
TRUNCATE ONLY tr_part;
TRUNCATE tr_part;
SELECT count(*) FROM tr_part;
-- privileges, read only
CREATE ROLE tr_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON tr TO tr_role;
SET ROLE tr_role;
TRUNCATE tr;
RESET ROLE;
BEGIN READ ONLY;
TRUNCATE tr;
ROLLBACK;
SELECT count(*) FROM tr;
DROP OWNED BY tr_role;
DROP ROLE tr_role;
DROP TABLE tr_part, tr_heap;
DROP FUNCTION tr_fill, tr_empty;
DROP FOREIGN TABLE tr, tr2, tr_id, tr_alias;
