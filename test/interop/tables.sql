-- Tables of every shape for other engines to read.
CREATE EXTENSION supertable;
CREATE SERVER lake FOREIGN DATA WRAPPER supertable OPTIONS (url :'lake');

-- every type, NULLs everywhere, a vector, a checkpoint
SET supertable.checkpoint_interval = 5;
CREATE FOREIGN TABLE kinds (
	id int, b boolean, i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision,
	n9 numeric(9,2), n18 numeric(18,6), n38 numeric(38,10), t text, vc varchar(20), c char(5), bin bytea,
	d date, ts timestamptz, tn timestamp, u uuid, j json, jb jsonb, tm time,
	ai int[], at text[], an numeric(20,4)[]
) SERVER lake OPTIONS (path 'kinds');
INSERT INTO kinds
SELECT i, i % 2 = 0, i, -i, i * 10000000000, i / 3.0::real, i / 7.0::float8,
	i + 0.25, -i + 0.000001, i * 1234567890123456789.0123456789, 'text ' || i || ' äöü €', 'vc' || i, 'c' || i, decode(lpad(to_hex(i), 8, '0'), 'hex'),
	date '2000-01-01' + i, timestamptz '2020-01-01 00:00:00.123456+00' + i * interval '1 day', timestamp '1960-01-01 12:34:56.789' + i * interval '1 day',
	('00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, json_build_object('i', i), jsonb_build_object('k', i), time '01:02:03.456' + i * interval '1 second',
	CASE WHEN i % 3 = 0 THEN '{}'::int[] ELSE ARRAY[i, NULL, -i] END, ARRAY['a' || i, NULL], ARRAY[i + 0.5, NULL]
FROM generate_series(1, 50) i;
INSERT INTO kinds (id) VALUES (51), (52);
INSERT INTO kinds (id, f4, f8, i2, i4, i8, n38, t, d) VALUES
	(53, 'Infinity', '-Infinity', 32767, 2147483647, 9223372036854775807, 9999999999999999999999999999.9999999999, '', '9999-12-31'),
	(54, '-0', 0, -32768, -2147483648, -9223372036854775808, -9999999999999999999999999999.9999999999, repeat('x', 5000), '0001-01-01');
DELETE FROM kinds WHERE id % 10 = 3;
UPDATE kinds SET t = 'updated' WHERE id % 10 = 4;
INSERT INTO kinds (id, t) VALUES (60, 'after'), (61, NULL);
DELETE FROM kinds WHERE id = 60;
INSERT INTO kinds (id, t) VALUES (62, 'after the checkpoint');

-- many rows, several row groups and superfiles, a vector file
CREATE FOREIGN TABLE many (id bigint, k int, v double precision, t text) SERVER lake OPTIONS (path 'sub/many');
SET supertable.row_group_rows = 20000;
INSERT INTO many SELECT i, i % 100, i / 3.0, 'row ' || i % 1000 FROM generate_series(1, 60000) i;
BEGIN;
INSERT INTO many SELECT i, i % 100, i / 3.0, 'row ' || i FROM generate_series(60001, 100000) i;
UPDATE many SET v = -v WHERE (id * 7919) % 11 = 0;
COMMIT;
DELETE FROM many WHERE (id * 104729) % 13 = 0;

-- only appended to: readable where vectors are unknown
CREATE FOREIGN TABLE plain (id int, t text) SERVER lake OPTIONS (path 'plain');
INSERT INTO plain VALUES (1, 'one'), (2, NULL);
INSERT INTO plain VALUES (3, 'three');

-- every encoding that we write, chosen by what each column holds
CREATE FOREIGN TABLE encoded (
	id bigint, i4 int, d date, ts timestamptz, n9 numeric(9,2), n18 numeric(18,4), seldom bigint,
	k int, word text, t text, bin bytea, v double precision, r real, b boolean, ai int[]
) SERVER lake OPTIONS (path 'encoded');
SET supertable.row_group_rows = 20000;
INSERT INTO encoded SELECT i, 2000000000 - i * 3, date '2000-01-01' + (i / 40)::int, timestamptz '2024-01-01' + i * interval '1 s' + (i * 7919 % 1000003) * interval '1 us',
	i / 100.0, -i / 10000.0, CASE WHEN i % 50 = 0 THEN i END, i * 7919 % 100, 'word ' || i * 7919 % 30, md5(i::text), decode(md5(i::text), 'hex'),
	sin(i), CASE WHEN i % 3 = 0 THEN NULL ELSE i END, i % 7 = 0, CASE WHEN i % 9 = 0 THEN NULL ELSE ARRAY[i, NULL, -i] END
FROM generate_series(1, 50000) i;
DELETE FROM encoded WHERE id % 1000 = 17;

-- columns that came later, one of them with a feature of its own; emptied once, filled again
CREATE FOREIGN TABLE wider (id int, t text) SERVER lake OPTIONS (path 'wider');
INSERT INTO wider VALUES (0, 'gone');
TRUNCATE wider;
INSERT INTO wider VALUES (1, 'one'), (2, 'two');
ALTER FOREIGN TABLE wider ADD COLUMN n bigint, ADD COLUMN at timestamp;
INSERT INTO wider VALUES (3, 'three', 33, '2026-01-02 03:04:05.678901');
BEGIN;
UPDATE wider SET n = 11 WHERE id = 1;
ALTER FOREIGN TABLE wider ADD COLUMN tags text[];
INSERT INTO wider VALUES (4, 'four', NULL, NULL, '{a,b}');
COMMIT;

-- one change a version, for who reads old ones
CREATE FOREIGN TABLE travel (id int, t text) SERVER lake OPTIONS (path 'travel');
SET supertable.one_phase = on;
BEGIN;
CREATE TABLE seen (i int);
INSERT INTO travel VALUES (1, 'one');
COMMIT;
INSERT INTO travel VALUES (2, 'two'), (3, 'three');
UPDATE travel SET t = upper(t) WHERE id = 2;
DELETE FROM travel WHERE id = 1;
DELETE FROM travel;
INSERT INTO travel VALUES (4, 'four');

-- cleaned up: old versions and superfiles are gone, the log begins at a checkpoint
CREATE FOREIGN TABLE cleaned (id int, t text) SERVER lake OPTIONS (path 'cleaned');
SET supertable.checkpoint_interval = 3;
INSERT INTO cleaned SELECT i, 'row ' || i FROM generate_series(1, 5000) i;
UPDATE cleaned SET t = 'new' WHERE id % 2 = 0;
DELETE FROM cleaned WHERE id % 3 = 0;
DELETE FROM cleaned WHERE t = 'new' AND id > 1000;
INSERT INTO cleaned SELECT i, 'more' FROM generate_series(5001, 5010) i;
UPDATE cleaned SET t = 'last' WHERE id = 5001;
\setenv lake :lake
\! find "${lake#file://}/cleaned/_delta_log" -type f -exec touch -d '10 days ago' {} +
SELECT supertable_gc('cleaned', grace => '0', retention => '0');
UPDATE cleaned SET t = 'after gc' WHERE id = 5002;

-- dropped, and begun anew
CREATE FOREIGN TABLE anew (old int) SERVER lake OPTIONS (path 'anew');
INSERT INTO anew VALUES (1), (2);
UPDATE anew SET old = 3 WHERE old = 1;
SELECT supertable_drop_storage('lake', 'anew');
DROP FOREIGN TABLE anew;
CREATE FOREIGN TABLE anew (id int, t text) SERVER lake OPTIONS (path 'anew');
INSERT INTO anew VALUES (10, 'ten'), (11, 'eleven');
DELETE FROM anew WHERE id = 10;
