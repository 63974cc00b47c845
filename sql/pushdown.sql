-- filters and aggregates that the scan decides itself: what EXPLAIN shows, and the results at the edges of types
\set VERBOSITY sqlstate
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET supertable.row_group_rows = 3;
CREATE FOREIGN TABLE push (id int, b boolean, i2 smallint, i8 bigint, f4 real, f8 double precision, n numeric(9,2), c char(4),
	y bytea, d date, ts timestamp, tz timestamptz, a int[]) SERVER lake OPTIONS (path 'push');
INSERT INTO push VALUES
	(1, true, 1, 1, 1.5, 1.5, 1.50, 'a', '\x61', '2024-02-29', '2024-02-29', '2024-02-29', '{1}'),
	(2, false, -32768, -9223372036854775808, '-Infinity', '-Infinity', -9999999.99, '', '\x', '4713-01-01 BC', '4713-11-24 BC', '4713-11-24 BC', '{}'),
	(3, NULL, 32767, 9223372036854775807, 'NaN', 'NaN', 9999999.99, 'zzzz', '\xff', '5874897-12-31', '294247-01-10 04:00:54.775807', '294247-01-10 04:00:54.775807', '{NULL}'),
	(4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(5, true, 0, 0, '-0', '-0', 0, 'a   ', '\x00', '1970-01-01', '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999', '{NULL,NULL}'),
	(6, false, 0, 0, 'Infinity', 'Infinity', -0.01, E'a\t', '\x6162', '1969-12-31', '1970-01-01', '1970-01-01', NULL);

EXPLAIN (COSTS off) SELECT id FROM push WHERE i2 < 5::bigint AND (f8 >= 'NaN' OR n = 1.505 OR NOT b) AND id = ANY ('{1,2,NULL}') AND d > '-infinity' AND tz <= '2024-02-29'::date;
EXPLAIN (COSTS off) SELECT count(*), sum(n), avg(f4), min(d), max(i8) FROM push WHERE i2 IS NOT NULL;
EXPLAIN (COSTS off) SELECT b, d, count(f8) FROM push GROUP BY b, d HAVING count(*) > 1;
-- left to the executor: another type's arithmetic, arrays, what the collation or the session decides
EXPLAIN (COSTS off) SELECT id FROM push WHERE i8 > 0.5 AND a IS NULL AND ts < '2024-02-29 00:00:00+00'::timestamptz AND f4 + 1 > 0;

-- an infinite time, or one too far to be stored, is beyond the last that is stored
SELECT id FROM push WHERE ts < 'infinity' ORDER BY id;
SELECT id FROM push WHERE ts >= 'infinity' OR tz = 'infinity' OR tz > '294260-01-01' OR ts IN ('infinity', '294276-12-31') ORDER BY id;
SELECT id FROM push WHERE tz <> 'infinity' AND ts <> ALL ('{infinity,294270-01-01}') AND ts <= '294270-01-01' ORDER BY id;
SELECT id FROM push WHERE ts > '-infinity' AND ts < 'infinity'::date AND tz < '300000-01-01'::date AND tz > '-infinity'::timestamp ORDER BY id;
SELECT id FROM push WHERE d < 'infinity' AND d > '-infinity' AND d <> 'infinity' ORDER BY id;
SELECT id FROM push WHERE d = 'infinity' OR d <= '-infinity' OR ts = 'infinity'::date ORDER BY id;

-- whether an array is null, not whether its first element is
SELECT id FROM push WHERE a IS NULL ORDER BY id;
SELECT id FROM push WHERE a IS NOT NULL ORDER BY id;

-- NaN is above all, the zeros are one
SELECT id FROM push WHERE f8 > 'Infinity' ORDER BY id;
SELECT id FROM push WHERE f4 >= 'NaN'::float8 ORDER BY id;
SELECT id FROM push WHERE f8 < 'NaN' ORDER BY id;
SELECT id FROM push WHERE f8 = 0 AND f4 = '-0'::float8 AND f4 IN (0, 'NaN') ORDER BY id;
SELECT id FROM push WHERE f8 <> ALL ('{0,NaN}') ORDER BY id;
SELECT min(f8), max(f8), min(f4), max(f4) FROM push;
SELECT min(f8), max(f8), sum(f8), avg(f8) FROM push WHERE id < 2 OR id = 5;
SELECT f8 + 0 AS f8, count(*) FROM push GROUP BY push.f8 ORDER BY 1;

-- constants between two values of the column, and beyond all of them
SELECT id FROM push WHERE n < 1.505 AND n > 1.495 ORDER BY id;
SELECT id FROM push WHERE n = 1.505 OR n >= 'NaN' OR n > 1e30 OR n < '-Infinity' ORDER BY id;
SELECT id FROM push WHERE n <> 1.505 AND n > -1e30 AND n <= 'NaN' ORDER BY id;
SELECT id FROM push WHERE n IN (1.5000, 1.505, 'NaN', NULL) ORDER BY id;
SELECT id FROM push WHERE n >= -0.001 AND n <= 0.001 ORDER BY id;
SELECT id FROM push WHERE i2 > 32766::bigint OR i2 < (-32767)::int OR i2 = 9223372036854775807 ORDER BY id;
SELECT id FROM push WHERE i8 >= 9223372036854775807 OR i8 < 1::smallint ORDER BY id;

-- nulls in lists, empty lists, null parameters
SELECT id FROM push WHERE i2 NOT IN (1, NULL) ORDER BY id;
SELECT id FROM push WHERE i2 = ANY ('{}') OR i2 <> ALL ('{}') ORDER BY id;
SET plan_cache_mode = force_generic_plan;
PREPARE p (smallint, smallint[]) AS SELECT id FROM push WHERE i2 = $1 OR i2 = ANY ($2) ORDER BY id;
EXECUTE p (0, '{1,NULL}');
EXECUTE p (NULL, '{32767}');
EXECUTE p (1, NULL);
EXECUTE p (NULL, NULL);
DEALLOCATE p;
RESET plan_cache_mode;

-- blanks at the end of char, signs in bytes
SELECT id FROM push WHERE c = 'a' ORDER BY id;
SELECT id FROM push WHERE c COLLATE "C" <= 'a' ORDER BY id;
SELECT id FROM push WHERE y > '\x61' AND y <> '\x6162' ORDER BY id;

-- aggregates: exact, of nothing, out of range
SELECT count(*), count(b), sum(i2), avg(i2), sum(i8), avg(i8), sum(n), avg(n) FROM push;
SELECT count(*), count(b), sum(i2), avg(i8), sum(n), min(d), max(ts) FROM push WHERE id > 100;
SELECT count(*), sum(i2), min(d), max(ts), min(tz), min(i8), max(n) FROM push WHERE i2 IS NULL;
SELECT min(d), max(d), min(ts), max(ts), min(tz), max(tz), min(i8), max(i8), min(n), max(n) FROM push;
SELECT b, count(*), max(n) FROM push GROUP BY b HAVING count(*) > 1 ORDER BY b;
CREATE FOREIGN TABLE huge (f4 real, f8 double precision) SERVER lake OPTIONS (path 'huge');
INSERT INTO huge VALUES (3e38, 1.5e308), (1, 1);
SELECT sum(f4), sum(f8), avg(f4) FROM huge;
SELECT avg(f8) FROM huge;
INSERT INTO huge VALUES (3e38, 1.5e308);
SELECT avg(f4) FROM huge;
SELECT sum(f4) FROM huge;
SELECT sum(f8) FROM huge;
SELECT f8, sum(f4) FROM huge GROUP BY f8;
INSERT INTO huge VALUES ('Infinity', 'Infinity'), ('-Infinity', '-Infinity');
SELECT sum(f4), sum(f8), avg(f4), avg(f8) FROM huge WHERE f4 = 1 OR f8 > 1.6e308;
SELECT sum(f4), sum(f8), avg(f4), avg(f8) FROM huge WHERE f8 NOT IN (1, 1.5e308);
DROP FOREIGN TABLE huge;

-- more groups than memory holds; rows of the transaction's own among them
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SET supertable.row_group_rows = 100;
CREATE FOREIGN TABLE many (k int, t text, v int) SERVER lake OPTIONS (path 'many');
INSERT INTO many SELECT i % 3000, 't' || i % 3000, i FROM generate_series(1, 6000) i;
BEGIN;
INSERT INTO many SELECT i % 3000, 't' || i % 3000, 1 FROM generate_series(1, 3000) i;
DELETE FROM many WHERE k < 10;
SELECT count(*), sum(n), sum(s), min(t), max(t) FROM (SELECT k, t, count(*) AS n, sum(v) AS s FROM many GROUP BY k, t OFFSET 0) g;
SELECT count(*), sum(n), sum(s), min(k), max(k) FROM (SELECT k, count(*) AS n, sum(v) AS s FROM many WHERE v <= 3000 GROUP BY k HAVING sum(v) > 1 OFFSET 0) g;
ROLLBACK;
SELECT count(*), sum(n), sum(s) FROM (SELECT k, t, count(*) AS n, sum(v) AS s FROM many GROUP BY k, t OFFSET 0) g;
RESET ALL;
DROP FOREIGN TABLE many, push;
