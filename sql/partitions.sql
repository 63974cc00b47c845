-- supertables as partitions: routing, moving rows, pruning
CREATE TABLE pt (region text, k int, v text) PARTITION BY LIST (region);
CREATE TABLE pt_hot PARTITION OF pt FOR VALUES IN ('hot');
CREATE FOREIGN TABLE pt_cold PARTITION OF pt FOR VALUES IN ('cold') SERVER lake OPTIONS (path 'pt_cold');
-- columns in another order, and one that was dropped
CREATE FOREIGN TABLE pt_ice (v text, gone int, k int, region text NOT NULL) SERVER lake OPTIONS (path 'pt_ice');
ALTER FOREIGN TABLE pt_ice DROP COLUMN gone;
ALTER TABLE pt ATTACH PARTITION pt_ice FOR VALUES IN ('ice');
-- a level below, and the rest
CREATE TABLE pt_deep PARTITION OF pt FOR VALUES IN ('deep') PARTITION BY RANGE (k);
CREATE FOREIGN TABLE pt_deep1 PARTITION OF pt_deep FOR VALUES FROM (0) TO (100) SERVER lake OPTIONS (path 'pt_deep1');
CREATE TABLE pt_deep2 PARTITION OF pt_deep FOR VALUES FROM (100) TO (200);
CREATE FOREIGN TABLE pt_rest PARTITION OF pt DEFAULT SERVER lake OPTIONS (path 'pt_rest');
-- INSERT and COPY are routed
INSERT INTO pt VALUES ('hot', 1, 'a'), ('cold', 2, 'b'), ('ice', 3, 'c'), ('deep', 4, 'd'), ('deep', 104, 'e'), ('other', 5, 'f'), (NULL, 6, 'g') RETURNING tableoid::regclass, *;
INSERT INTO pt SELECT 'cold', i, 'series' FROM generate_series(10, 19) i;
COPY pt FROM stdin;
hot	20	copy
cold	21	copy
ice	22	copy
deep	23	copy
deep	123	copy
other	24	copy
\.
SELECT tableoid::regclass, count(*), sum(k) FROM pt GROUP BY 1 ORDER BY tableoid::regclass::text COLLATE "C";
-- a row that fits nowhere fails alone
INSERT INTO pt VALUES ('deep', 500, 'x');
COPY pt FROM stdin;
cold	30	copy
deep	500	copy
\.
SELECT count(*) FROM pt WHERE k >= 30 AND k < 100;
-- directly, the bounds hold too
INSERT INTO pt_cold VALUES ('hot', 1, 'x');
COPY pt_cold FROM stdin;
hot	1	x
\.
UPDATE pt_ice SET region = 'cold';
-- from heap partitions into supertables; the target itself is changed by the same statement
UPDATE pt SET region = 'cold', v = v || '!' WHERE k IN (1, 2) RETURNING tableoid::regclass, *;
UPDATE pt SET region = 'ice' WHERE region = 'hot' RETURNING tableoid::regclass, k;
UPDATE pt SET k = k - 100 WHERE region = 'deep' AND k >= 100;
SELECT tableoid::regclass, count(*), sum(k) FROM pt GROUP BY 1 ORDER BY tableoid::regclass::text COLLATE "C";
-- out of a supertable: core would leave the row where it is
\set VERBOSITY sqlstate
UPDATE pt SET region = 'hot' WHERE k = 21;
UPDATE pt SET region = 'ice' WHERE k = 21;
UPDATE pt SET region = 'hot' WHERE region IS NULL;
UPDATE pt SET k = 150 WHERE region = 'deep' AND k = 4;
-- ... and nothing of the statement stays
BEGIN;
SAVEPOINT s;
UPDATE pt SET region = CASE WHEN k = 24 THEN 'hot' ELSE region END, v = 'lost';
ROLLBACK TO s;
SELECT count(*) FROM pt WHERE v = 'lost';
COMMIT;
\set VERBOSITY default
-- what to write instead
WITH moved AS (DELETE FROM pt WHERE k = 21 RETURNING k, v) INSERT INTO pt SELECT 'hot', k, v FROM moved;
SELECT tableoid::regclass, * FROM pt WHERE k = 21;
-- a trigger that sends the row elsewhere is an error too
CREATE FUNCTION pt_trg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.region := 'ice'; RETURN NEW; END $$;
CREATE TRIGGER pt_trg BEFORE INSERT ON pt_cold FOR EACH ROW EXECUTE FUNCTION pt_trg();
INSERT INTO pt VALUES ('cold', 40, 'x');
DROP TRIGGER pt_trg ON pt_cold;
-- DELETE, joins and whole rows over both kinds
WITH c AS (DELETE FROM pt USING (VALUES (1), (3), (5)) d(k) WHERE pt.k = d.k RETURNING pt.tableoid::regclass, pt.*) SELECT * FROM c ORDER BY k;
WITH c AS (UPDATE pt SET v = 'joined' FROM (VALUES (2), (20), (22)) d(k) WHERE pt.k = d.k RETURNING pt.tableoid::regclass, d.k, pt) SELECT * FROM c ORDER BY k;
-- pruning, when planned and when executed
CREATE FUNCTION pt_plan(q text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE l text;
BEGIN
	FOR l IN EXECUTE 'EXPLAIN (COSTS off) ' || q LOOP
		IF l ~ ' on pt|Subplans' THEN RETURN NEXT l; END IF;
	END LOOP;
END $$;
SELECT pt_plan($$SELECT * FROM pt WHERE region = 'cold' AND k = 10$$);
SELECT pt_plan($$UPDATE pt SET v = 'x' WHERE region IN ('cold', 'ice')$$);
SELECT pt_plan($$DELETE FROM pt WHERE region = 'deep' AND k < 50$$);
SET plan_cache_mode = force_generic_plan;
PREPARE pt_q(text) AS SELECT count(*) FROM pt WHERE region = $1;
SELECT pt_plan($$EXECUTE pt_q('cold')$$);
EXECUTE pt_q('cold');
EXECUTE pt_q('nowhere');
RESET plan_cache_mode;
SET enable_partitionwise_aggregate = on;
SELECT region, count(*) FROM pt GROUP BY region ORDER BY region;
RESET enable_partitionwise_aggregate;
-- DETACH and ATTACH leave the rows alone
ALTER TABLE pt DETACH PARTITION pt_cold;
SELECT count(*) FROM pt_cold;
SELECT count(*) FROM pt WHERE region = 'cold';
ALTER TABLE pt ATTACH PARTITION pt_cold FOR VALUES IN ('cold');
SELECT count(*) FROM pt WHERE region = 'cold';
-- TRUNCATE of the whole tree
TRUNCATE pt;
SELECT count(*) FROM pt;
-- plain inheritance
CREATE TABLE inh (a int, b text);
CREATE FOREIGN TABLE inh_child () INHERITS (inh) SERVER lake OPTIONS (path 'inh_child');
INSERT INTO inh VALUES (1, 'parent');
INSERT INTO inh_child VALUES (2, 'child'), (3, 'child');
UPDATE inh SET b = b || '!' WHERE a <> 3;
DELETE FROM inh WHERE a = 3 RETURNING tableoid::regclass, *;
SELECT tableoid::regclass, * FROM inh ORDER BY a;
DROP TABLE inh CASCADE;
DROP TABLE pt;
DROP FUNCTION pt_trg, pt_plan;
