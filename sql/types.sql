-- every type, NULLs everywhere; what the format cannot hold is refused (L54)
CREATE FOREIGN TABLE types (
	id int, b boolean, i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision,
	n5 numeric(5,2), n18 numeric(18,0), n38 numeric(38,10), t text, vc varchar(10), c char(5), bin bytea,
	d date, tm time, ts timestamptz, tn timestamp, u uuid, j json, jb jsonb,
	ab boolean[], ai int[], at text[], an numeric(10,2)[], ad date[], au uuid[]
) SERVER lake OPTIONS (path 'types');
INSERT INTO types (id) VALUES (0);
INSERT INTO types VALUES
	(1, true, 32767, 2147483647, 9223372036854775807, 3.4e38, 1.7e308, 999.99, 999999999999999999, 9999999999999999999999999999.9999999999,
	 'text', 'varchar', 'ab', '\xdeadbeef', '2024-02-29', '23:59:59.999999', '2024-02-29 12:34:56.789+00', '2024-02-29 12:34:56.789',
	 '01234567-89ab-cdef-0123-456789abcdef', '{"a": [1, 2]}', '{"b": null}',
	 '{t,f,NULL}', '{1,NULL,-1}', '{"a,b",NULL,""}', '{1.25,NULL}', '{2024-01-01,NULL}', '{01234567-89ab-cdef-0123-456789abcdef}'),
	(2, false, -32768, -2147483648, -9223372036854775808, '-Infinity', 'NaN', -999.99, -999999999999999999, -9999999999999999999999999999.9999999999,
	 '', '', '', '', '0001-01-01 BC', '00:00', '4713-01-01 00:00:00+00 BC', '294246-12-31 23:59:59.999999',
	 '00000000-0000-0000-0000-000000000000', 'null', '[]', '{}', '{}', '{}', '{}', '{}', '{}'),
	(3, NULL, 0, 0, 0, '-0', '-0', 0, 0, 0.0000000001, repeat('x', 3000), 'ä€😀', 'äö', decode(repeat('00', 100), 'hex'),
	 '5874897-12-31', '12:00', 'epoch', 'epoch', NULL, '"s"', '1.50', NULL, '{0}', NULL, NULL, NULL, NULL);
\x
SELECT id, b, i2, i4, i8, f4, f8, n5, n18, n38, left(t, 10) AS t, length(t), vc, c || '|' AS c, bin = decode(repeat('00', 100), 'hex') AS zeros, left(bin::text, 12) AS bin, d, tm, ts, tn, u, j, jb, ab, ai, at, an, ad, au FROM types ORDER BY id;
\x
SELECT count(*) FROM types WHERE f8 = 'NaN' OR f4 = '-Infinity';
SELECT id FROM types WHERE n38 = 9999999999999999999999999999.9999999999;
SELECT count(*) FROM types WHERE ai IS NULL;
\set VERBOSITY sqlstate
INSERT INTO types (d) VALUES ('infinity');
INSERT INTO types (ts) VALUES ('-infinity');
INSERT INTO types (tn) VALUES ('infinity');
INSERT INTO types (tn) VALUES ('294276-12-31');
INSERT INTO types (n5) VALUES ('NaN');
INSERT INTO types (ai) VALUES ('{{1,2},{3,4}}');
INSERT INTO types (ai) VALUES ('[0:1]={1,2}');
INSERT INTO types (n5) VALUES (1000);
\set VERBOSITY default
SELECT count(*) FROM types;
-- types that cannot be stored
CREATE FOREIGN TABLE badtype (id int, p point) SERVER lake OPTIONS (path 'badtype');
SELECT * FROM badtype;
INSERT INTO badtype(id) VALUES (1);
DROP FOREIGN TABLE badtype;
CREATE FOREIGN TABLE badtype (n numeric) SERVER lake OPTIONS (path 'badtype');
INSERT INTO badtype VALUES (1);
DROP FOREIGN TABLE badtype;
CREATE FOREIGN TABLE badtype (n numeric(50,2)) SERVER lake OPTIONS (path 'badtype');
\set VERBOSITY sqlstate
INSERT INTO badtype VALUES (1);
\set VERBOSITY default
DROP FOREIGN TABLE badtype;
-- the stored types, declared in another way
CREATE FOREIGN TABLE types2 (id bigint, i2 int, vc text, u text) SERVER lake OPTIONS (path 'types');
SELECT * FROM types2 ORDER BY id;
\set VERBOSITY sqlstate
INSERT INTO types2 VALUES (4, 1, 'x', 'y');
\set VERBOSITY default
DROP FOREIGN TABLE types2, types;
