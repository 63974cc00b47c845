-- parallel scans: each row once, in whichever process; never without the transaction's own rows
CREATE FOREIGN TABLE par (id int, v text) SERVER lake OPTIONS (path 'par');
SET supertable.row_group_rows = 500;
INSERT INTO par SELECT i, 'a' || i FROM generate_series(1, 5000) i;
INSERT INTO par SELECT i, 'b' || i FROM generate_series(5001, 8000) i;
DELETE FROM par WHERE id % 10 = 0;
DELETE FROM par WHERE id BETWEEN 5001 AND 5999;
RESET supertable.row_group_rows;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS off) SELECT count(*), sum(id), count(DISTINCT id) FROM par WHERE length(v) > 3;
SELECT count(*), sum(id), count(DISTINCT id) FROM par WHERE length(v) > 3;
SET parallel_leader_participation = off;
SELECT count(*), sum(id), count(DISTINCT id) FROM par WHERE length(v) > 3;

-- a plan made for workers, run where they would miss rows
SET plan_cache_mode = force_generic_plan;
PREPARE p AS SELECT count(*), sum(id), count(DISTINCT id) FROM par WHERE length(v) > 3;
EXECUTE p;
BEGIN;
INSERT INTO par VALUES (10000, 'own row');
DELETE FROM par WHERE id = 1;
UPDATE par SET v = 'changed' WHERE id = 2;
EXECUTE p;
EXPLAIN (COSTS off) SELECT count(*) FROM par WHERE length(v) > 3;
ROLLBACK;
BEGIN;
TRUNCATE par;
EXECUTE p;
INSERT INTO par VALUES (10001, 'after');
EXECUTE p;
ROLLBACK;
EXECUTE p;
-- a column that the storage lacks: told once, not by each process
ALTER FOREIGN TABLE par ADD COLUMN w int;
\set VERBOSITY terse
SELECT count(*), count(w) FROM par WHERE length(v) > 3 AND length(w::text) IS NULL;
\set VERBOSITY default
ALTER FOREIGN TABLE par DROP COLUMN w;
RESET parallel_leader_participation;

-- a scan begun again and again
SELECT x, (SELECT count(*) FROM par WHERE length(v) > 3 AND id > x * 1000) FROM generate_series(0, 8, 2) x;
SET enable_material = off;
SELECT count(*) FROM (VALUES (1), (2), (3)) w(x) JOIN par ON length(par.v) > 3 AND par.id % 3 = w.x % 3;

-- filters and statistics in each process
SELECT count(*), min(id), max(id) FROM par WHERE id BETWEEN 4000 AND 6100 AND length(v) > 3;
RESET ALL;
DROP FOREIGN TABLE par;
