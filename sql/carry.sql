-- UPDATE through a foreign table that lacks stored columns: their values are carried over
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET supertable.row_group_rows = 100;
CREATE FOREIGN TABLE cw (id int, must int NOT NULL, v text, b boolean, i2 smallint, i8 bigint, f4 real, f8 float8, n9 numeric(9,2), n18 numeric(18,3), n38 numeric(38,5),
	d date, ts timestamp, tz timestamptz, y bytea, u uuid, j jsonb, ai int[], an numeric(20,2)[], at text[]) SERVER lake OPTIONS (path 'carry');
CREATE TABLE ch (LIKE cw);
INSERT INTO ch SELECT i, i * 2, 'v' || i, i % 2 = 0, i, i * 10000000000, i / 8.0, CASE WHEN i = 7 THEN 'NaN' ELSE i / 3.0 END, i / 100.0, -i / 1000.0, i * 123456789012345678901::numeric,
	date '2000-01-01' + i, timestamp '2020-01-01 00:00:00.000001' + i * interval '1 h', timestamptz '1969-12-31 23:59:59.5' - i * interval '1 d', decode(md5(i::text), 'hex'), md5(i::text)::uuid,
	jsonb_build_object('i', i), ARRAY[i, NULL], ARRAY[i / 4.0, NULL, -i], CASE WHEN i % 4 > 0 THEN ARRAY['a' || i, NULL, ''] WHEN i % 8 = 0 THEN '{}' END
FROM generate_series(1, 700) i;
UPDATE ch SET b = NULL, i8 = NULL, f8 = NULL, n18 = NULL, n38 = NULL, tz = NULL, y = NULL, u = NULL, ai = NULL, an = NULL WHERE id % 5 = 0;
INSERT INTO cw SELECT * FROM ch WHERE id <= 350;
INSERT INTO cw SELECT * FROM ch WHERE id > 350;
CREATE FOREIGN TABLE cn (id int, v text) SERVER lake OPTIONS (path 'carry');
CREATE VIEW differ AS (SELECT 'lake', x.* FROM (SELECT t::text FROM cw t EXCEPT ALL SELECT t::text FROM ch t) x) UNION ALL (SELECT 'heap', x.* FROM (SELECT t::text FROM ch t EXCEPT ALL SELECT t::text FROM cw t) x);
SELECT * FROM differ;

UPDATE cn SET v = 'changed ' || id WHERE id % 3 = 0;
UPDATE ch SET v = 'changed ' || id WHERE id % 3 = 0;
SELECT * FROM differ;
UPDATE cn SET v = upper(v), id = id + 1000 WHERE id IN (5, 7, 8, 699) RETURNING id, v;
UPDATE ch SET v = upper(v), id = id + 1000 WHERE id IN (5, 7, 8, 699);
SELECT * FROM differ;

-- rows in the order of another table, from row groups here and there
CREATE TABLE cf AS SELECT i AS id, 'joined ' || i AS w FROM generate_series(1, 700, 7) i;
SET enable_nestloop = off; SET enable_mergejoin = off;
UPDATE cn SET v = w FROM (SELECT * FROM cf ORDER BY md5(id::text) OFFSET 0) f WHERE cn.id = f.id;
UPDATE ch SET v = w FROM cf f WHERE ch.id = f.id;
RESET enable_nestloop; RESET enable_mergejoin;
SELECT * FROM differ;

-- a row that is not there, and none at all
UPDATE cn SET v = 'x' WHERE id = -1;
-- an insert writes NULL, which the storage refuses here
\set VERBOSITY sqlstate
INSERT INTO cn VALUES (5000, 'new');
\set VERBOSITY terse

-- prepared, with rows that were deleted
DELETE FROM cn WHERE id % 10 = 1;
DELETE FROM ch WHERE id % 10 = 1;
PREPARE up (text, int) AS UPDATE cn SET v = $1 WHERE id BETWEEN $2 AND $2 + 40;
EXECUTE up ('prepared', 80); EXECUTE up ('prepared again', 340);
UPDATE ch SET v = 'prepared' WHERE id BETWEEN 80 AND 120; UPDATE ch SET v = 'prepared again' WHERE id BETWEEN 340 AND 380;
SELECT * FROM differ;

-- rows of the transaction itself: in memory, in superfiles, changed before, under savepoints
BEGIN;
INSERT INTO cw SELECT id + 2000, must, v, b, i2, i8, f4, f8, n9, n18, n38, d, ts, tz, y, u, j, ai, an, at FROM ch WHERE id < 30;
INSERT INTO ch SELECT id + 2000, must, v, b, i2, i8, f4, f8, n9, n18, n38, d, ts, tz, y, u, j, ai, an, at FROM ch WHERE id < 30;
UPDATE cn SET v = 'own' WHERE id > 2010 OR id < 10;
UPDATE ch SET v = 'own' WHERE id > 2010 OR id < 10;
SELECT * FROM differ;
SAVEPOINT a;
UPDATE cn SET v = 'lost';
ROLLBACK TO a;
SELECT * FROM differ;
INSERT INTO cw SELECT id + 4000, must, v, b, i2, i8, f4, f8, n9, n18, n38, d, ts, tz, y, u, j, ai, an, at FROM ch WHERE id < 1000;
INSERT INTO ch SELECT id + 4000, must, v, b, i2, i8, f4, f8, n9, n18, n38, d, ts, tz, y, u, j, ai, an, at FROM ch WHERE id < 1000;
UPDATE cn SET v = v || '!' WHERE id % 2 = 0;
UPDATE cn SET v = v || '?' WHERE id % 3 = 0;
UPDATE ch SET v = v || '!' WHERE id % 2 = 0;
UPDATE ch SET v = v || '?' WHERE id % 3 = 0;
SELECT * FROM differ;
COMMIT;
SELECT * FROM differ;

-- columns that came later: null where a superfile lacks them
ALTER FOREIGN TABLE cw ADD COLUMN late text;
ALTER TABLE ch ADD COLUMN late text;
CREATE OR REPLACE VIEW differ AS (SELECT 'lake', x.* FROM (SELECT t::text FROM cw t EXCEPT ALL SELECT t::text FROM ch t) x) UNION ALL (SELECT 'heap', x.* FROM (SELECT t::text FROM ch t EXCEPT ALL SELECT t::text FROM cw t) x);
UPDATE cw SET late = 'late ' || id WHERE id % 4 = 0;
UPDATE ch SET late = 'late ' || id WHERE id % 4 = 0;
UPDATE cn SET v = 'after' WHERE id < 60;
UPDATE ch SET v = 'after' WHERE id < 60;
SELECT * FROM differ;

-- triggers see and change what the foreign table has
CREATE FUNCTION c_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := NEW.v || ' by trigger'; RETURN CASE WHEN NEW.id % 2 = 0 THEN NEW END; END $$;
CREATE TRIGGER c_trg BEFORE UPDATE ON cn FOR EACH ROW EXECUTE FUNCTION c_trigger();
UPDATE cn SET v = 'x' WHERE id BETWEEN 60 AND 90;
UPDATE ch SET v = 'x by trigger' WHERE id BETWEEN 60 AND 90 AND id % 2 = 0;
SELECT * FROM differ;
DROP TRIGGER c_trg ON cn;

-- a row that an UPDATE moves in from elsewhere is new: NULL, or refused
CREATE FOREIGN TABLE cpw (k int, id int, extra text) SERVER lake OPTIONS (path 'carry_part');
INSERT INTO cpw VALUES (1, 1, 'kept');
CREATE TABLE cp (k int, id int) PARTITION BY LIST (k);
CREATE FOREIGN TABLE cp1 PARTITION OF cp FOR VALUES IN (1) SERVER lake OPTIONS (path 'carry_part');
CREATE TABLE cp2 PARTITION OF cp FOR VALUES IN (2);
INSERT INTO cp VALUES (2, 2);
UPDATE cp SET k = 1, id = id + 10;
SELECT * FROM cpw ORDER BY id;
CREATE FOREIGN TABLE cpm (k int, id int, extra text NOT NULL) SERVER lake OPTIONS (path 'carry_must');
INSERT INTO cpm VALUES (3, 3, 'must');
CREATE FOREIGN TABLE cp3 PARTITION OF cp FOR VALUES IN (3) SERVER lake OPTIONS (path 'carry_must');
UPDATE cp SET id = id + 100 WHERE k = 3;
SELECT * FROM cpm;
INSERT INTO cp2 VALUES (2, 4);
\set VERBOSITY sqlstate
UPDATE cp SET k = 3, id = 5 WHERE id = 4;
\set VERBOSITY terse
SELECT * FROM cpm;

-- decimals that a superfile has in a narrower form than its table
CREATE FOREIGN TABLE cd (id int, n numeric(9,2), an numeric(9,2)[], n18 numeric(9,3)) SERVER lake OPTIONS (path 'carry_decimal');
INSERT INTO cd VALUES (1, 1.5, '{-1.25,NULL}', 0.001), (2, -9999999.99, '{}', -999999.999), (3, NULL, NULL, NULL);
\! sed -i 's/decimal(9,2)/decimal(20,2)/g; s/decimal(9,3)/decimal(18,3)/' "$PG_ABS_BUILDDIR"/lake/carry_decimal/_delta_log/00000000000000000000.json
\c -
\set VERBOSITY terse
DROP FOREIGN TABLE cd;
CREATE FOREIGN TABLE cd (id int, n numeric(20,2), an numeric(20,2)[], n18 numeric(18,3)) SERVER lake OPTIONS (path 'carry_decimal');
CREATE FOREIGN TABLE cd_narrow (id int) SERVER lake OPTIONS (path 'carry_decimal');
UPDATE cd_narrow SET id = id + 10;
SELECT * FROM cd ORDER BY id;

DROP FOREIGN TABLE cd, cd_narrow;
DROP TABLE cp;
DROP VIEW differ;
DROP FOREIGN TABLE cw, cn, cpw, cpm;
DROP TABLE ch, cf;
DROP FUNCTION c_trigger();
RESET supertable.row_group_rows;
