-- IMPORT FOREIGN SCHEMA: the tables right under a folder
CREATE SCHEMA im_src;
CREATE SCHEMA im;
SET search_path = im_src, public;
CREATE FOREIGN TABLE every (
	id int NOT NULL, b boolean, i2 smallint, i8 bigint, f4 real, f8 double precision, n numeric(12,3), t text, vc varchar(20), v varchar, c char(5),
	bin bytea, d date, ts timestamptz, tn timestamp, u uuid, j json, jb jsonb, tm time,
	ai int[], at text[], au uuid[], avc varchar(7)[], an numeric(5,1)[] NOT NULL, "Quoted ""Name" int, "select" text
) SERVER lake OPTIONS (path 'imp/every');
INSERT INTO every (id, vc, c, u, tm, au, an, "Quoted ""Name") VALUES (1, 'vc', 'c', '00000000-0000-4000-8000-000000000001', '01:02:03', '{00000000-0000-4000-8000-000000000002}', '{1.5}', 7);
CREATE FOREIGN TABLE other (a int) SERVER lake OPTIONS (path 'imp/Other Table');
INSERT INTO other VALUES (1);
CREATE FOREIGN TABLE third (a int) SERVER lake OPTIONS (path 'imp/third');
INSERT INTO third VALUES (1);
-- not right under it; not a table; no data yet
CREATE FOREIGN TABLE deep (a int) SERVER lake OPTIONS (path 'imp/below/deep');
INSERT INTO deep VALUES (1);
CREATE FOREIGN TABLE never (a int) SERVER lake OPTIONS (path 'imp/never');
CREATE FUNCTION im_shape() RETURNS TABLE (tab text, col text, type text, opts text[]) LANGUAGE sql AS $$
	SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END, coalesce(attfdwoptions, ftoptions)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 JOIN pg_foreign_table f ON f.ftrelid = c.oid
	WHERE c.relnamespace = 'im'::regnamespace ORDER BY c.relname COLLATE "C", a.attnum $$;
IMPORT FOREIGN SCHEMA imp FROM SERVER lake INTO im;
SELECT * FROM im_shape();
SELECT id, vc, c, u, tm, au, an, "Quoted ""Name" FROM im.every;
INSERT INTO im.every (id, an, c, vc) VALUES (2, '{}', 'xy', 'abc');
SELECT count(*) FROM every;
IMPORT FOREIGN SCHEMA "imp/below" FROM SERVER lake INTO im;
SELECT * FROM im.deep;
-- LIMIT TO and EXCEPT
DROP FOREIGN TABLE im.every, im."Other Table", im.third, im.deep;
IMPORT FOREIGN SCHEMA imp LIMIT TO ("Other Table", never, nothing) FROM SERVER lake INTO im;
SELECT tab FROM im_shape() GROUP BY tab;
IMPORT FOREIGN SCHEMA imp EXCEPT ("Other Table", third) FROM SERVER lake INTO im;
SELECT tab FROM im_shape() GROUP BY tab ORDER BY tab COLLATE "C";
-- the url itself
CREATE SERVER im_sub FOREIGN DATA WRAPPER supertable OPTIONS (url 'file:///nowhere');
SELECT srvoptions[1] AS url FROM pg_foreign_server WHERE srvname = 'lake' \gset
SELECT replace(:'url', 'url=', '') || '/imp' AS sub \gset
ALTER SERVER im_sub OPTIONS (SET url :'sub');
DROP FOREIGN TABLE im.every, im."Other Table";
IMPORT FOREIGN SCHEMA root FROM SERVER im_sub INTO im;
SELECT DISTINCT tab COLLATE "C", opts FROM im_shape() ORDER BY 1;
-- one folder by two servers in one session and one transaction
BEGIN;
INSERT INTO third VALUES (2);
INSERT INTO im.third VALUES (3);
SELECT (SELECT count(*) FROM third), (SELECT count(*) FROM im.third);
COMMIT;
SELECT (SELECT count(*) FROM third), (SELECT count(*) FROM im.third);
-- what another has written into a table's log does not become SQL; a name that is too long
\! mkdir -p "$PG_ABS_BUILDDIR/lake/imp2/evil/_delta_log" "$PG_ABS_BUILDDIR/lake/imp2/broken/_delta_log"
\! (echo '{"commitInfo":{"timestamp":1,"inCommitTimestamp":1,"operation":"WRITE"}}'; echo '{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}'; printf '%s' '{"metaData":{"id":"m","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"string\",\"nullable\":true,\"metadata\":{\"supertable.type\":\"text); DROP TABLE x; --\"}},{\"name\":\"b\\\" int); DROP TABLE x; --\",\"type\":\"string\",\"nullable\":true,\"metadata\":{\"supertable.type\":\"varchar(3)\"}},{\"name\":\"s\",\"type\":{\"type\":\"struct\",\"fields\":[]},\"nullable\":true,\"metadata\":{}},{\"name\":\"l123456789012345678901234567890123456789012345678901234567890123456789\",\"type\":\"byte\",\"nullable\":true,\"metadata\":{\"supertable.type\":\"uuid\"}}]}","partitionColumns":[],"configuration":{}}}'; echo) > "$PG_ABS_BUILDDIR/lake/imp2/evil/_delta_log/00000000000000000000.json"
\! echo '{"protocol"' > "$PG_ABS_BUILDDIR/lake/imp2/broken/_delta_log/00000000000000000000.json"
DROP FOREIGN TABLE im.every, im."Other Table", im.third;
\set VERBOSITY terse
IMPORT FOREIGN SCHEMA imp2 EXCEPT (broken) FROM SERVER lake INTO im;
SELECT * FROM im_shape();
SET client_min_messages = error;
IMPORT FOREIGN SCHEMA imp2 EXCEPT (evil) FROM SERVER lake INTO im;
RESET client_min_messages;
SELECT count(*) FROM im_shape() WHERE tab = 'broken';
-- refused
IMPORT FOREIGN SCHEMA "no such folder" FROM SERVER lake INTO im;
IMPORT FOREIGN SCHEMA "../x" FROM SERVER lake INTO im;
IMPORT FOREIGN SCHEMA imp FROM SERVER lake INTO im OPTIONS (x 'y');
ALTER SERVER im_sub OPTIONS (DROP url);
IMPORT FOREIGN SCHEMA root FROM SERVER im_sub INTO im;
-- ANALYZE: a sample of what there is
CREATE FOREIGN TABLE an (id int, k int, v text, n float8) SERVER lake OPTIONS (path 'an');
ANALYZE an;
SET supertable.row_group_rows = 1000;
INSERT INTO an SELECT i, i % 10, CASE WHEN i % 4 = 0 THEN NULL ELSE 'v' || i % 100 END, 'NaN' FROM generate_series(1, 20000) i;
DELETE FROM an WHERE id <= 4000;
INSERT INTO an SELECT i, i % 10, 'last', 1 FROM generate_series(20001, 20100) i;
SET default_statistics_target = 10;
ANALYZE an;
SELECT reltuples FROM pg_class WHERE oid = 'an'::regclass;
SELECT attname, n_distinct BETWEEN 9 AND 11 AS ten, abs(null_frac - 0.25) < 0.05 AS quarter, correlation > 0.9 AS correlated, (histogram_bounds::text::int[])[1] > 4000 AS live_only
FROM pg_stats WHERE tablename = 'an' AND attname = 'k'
UNION ALL SELECT attname, n_distinct BETWEEN 9 AND 11, abs(null_frac - 0.25) < 0.05, correlation > 0.9, (histogram_bounds::text::int[])[1] > 4000 FROM pg_stats WHERE tablename = 'an' AND attname = 'id'
UNION ALL SELECT attname, n_distinct BETWEEN 9 AND 11, abs(null_frac - 0.25) < 0.05, correlation > 0.9, NULL FROM pg_stats WHERE tablename = 'an' AND attname = 'v';
CREATE FUNCTION an_rows(q text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE j json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || q INTO j;
	RETURN (j -> 0 -> 'Plan' ->> 'Plan Rows')::float;
END $$;
SELECT an_rows('SELECT * FROM an'), an_rows('SELECT * FROM an WHERE k = 3') BETWEEN 1200 AND 2000, an_rows('SELECT * FROM an WHERE id < 12050') BETWEEN 7000 AND 9000, an_rows('SELECT * FROM an WHERE v IS NULL') BETWEEN 3000 AND 5000;
-- within a transaction: its own rows too; a partitioned table over both kinds
BEGIN;
TRUNCATE an;
INSERT INTO an SELECT i, 1, 'own', i FROM generate_series(1, 50) i;
ANALYZE an (k, v);
SELECT reltuples FROM pg_class WHERE oid = 'an'::regclass;
SELECT attname, n_distinct, most_common_vals FROM pg_stats WHERE tablename = 'an' AND attname IN ('k', 'v') ORDER BY 1;
ROLLBACK;
CREATE TABLE an_part (k int, v text) PARTITION BY LIST (k);
CREATE TABLE an_p1 PARTITION OF an_part FOR VALUES IN (1);
CREATE FOREIGN TABLE an_p2 (v text, k int) SERVER lake OPTIONS (path 'an_p2');
ALTER TABLE an_part ATTACH PARTITION an_p2 FOR VALUES IN (2);
INSERT INTO an_part SELECT i % 2 + 1, 'x' FROM generate_series(1, 1000) i;
ANALYZE an_part;
SELECT attname, n_distinct FROM pg_stats WHERE tablename = 'an_part' AND inherited ORDER BY 1;
VACUUM ANALYZE an_p2;
SELECT reltuples FROM pg_class WHERE oid = 'an_p2'::regclass;
RESET default_statistics_target;
RESET supertable.row_group_rows;
DROP TABLE an_part;
DROP FUNCTION an_rows;
DROP FOREIGN TABLE an;
SET client_min_messages = error;
DROP SCHEMA im, im_src CASCADE;
DROP SERVER im_sub;
RESET client_min_messages;
RESET search_path;
