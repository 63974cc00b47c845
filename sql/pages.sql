-- L52: pages passed over by their bounds, and answers that are those of heap
SET timezone = 'UTC';
SET max_parallel_workers_per_gather = 0;
CREATE TABLE pages_heap (id bigint, falling int, f8 float8, f4 real, padded text COLLATE "C", word text, n numeric(30,4), b boolean, y bytea, ai int[], tz timestamptz);
-- pages of 16384 rows: the second has no value of falling, the third a NaN in f8
INSERT INTO pages_heap SELECT i, CASE WHEN i % 7 > 0 AND i NOT BETWEEN 16385 AND 32768 THEN -i END,
	CASE WHEN i = 40000 THEN 'NaN' ELSE i / 10.0 END, CASE WHEN i <= 16384 THEN -i WHEN i <= 32768 THEN '-0' ELSE i END,
	'a prefix longer than what is kept of a bound, so that the bound is cut ' || lpad(i::text, 10, '0'), 'word ' || i / 5000,
	i * 1000000000000000::numeric - 30000000000000000000::numeric + 0.5, i > 30000, decode(lpad(to_hex(i * 3), 8, '0'), 'hex'),
	CASE WHEN i % 3 > 0 THEN ARRAY[i, NULL, -i] WHEN i % 2 = 0 THEN '{}' END, timestamptz '2024-01-01' + i * interval '1 minute'
FROM generate_series(1, 60000) i;
CREATE FOREIGN TABLE pages (id bigint, falling int, f8 float8, f4 real, padded text COLLATE "C", word text, n numeric(30,4), b boolean, y bytea, ai int[], tz timestamptz)
	SERVER lake OPTIONS (path 'pages');
INSERT INTO pages SELECT * FROM pages_heap;

-- what EXPLAIN says of row groups and pages
CREATE FUNCTION pages_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; said text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) ' || query LOOP
		IF line ~ 'Row Groups (Read|Skipped)|Pages' THEN said := concat_ws(', ', said, trim(line)); END IF;
	END LOOP;
	RETURN said;
END $$;
SELECT pages_of('SELECT id FROM pages WHERE id = 20000');
SELECT pages_of('SELECT * FROM pages WHERE id BETWEEN 16000 AND 17000');
SELECT pages_of('SELECT sum(f8) FROM pages WHERE id < 10 OR id > 59990');
SELECT pages_of('SELECT sum(f8) FROM pages WHERE id < 10 OR word = ''word 6''');
-- nothing between two pages, though between the row group's bounds
SELECT pages_of('SELECT id FROM pages WHERE falling IN (-16387, -32767)');
SELECT pages_of('SELECT id FROM pages WHERE falling IS NULL AND f4 = 0');
SELECT pages_of('SELECT id FROM pages WHERE falling IS NOT NULL AND f4 = 0');
-- a NaN: no bounds of f8, those of f4 hold
SELECT pages_of('SELECT id FROM pages WHERE f8 = 4.5');
SELECT pages_of('SELECT id FROM pages WHERE f4 < 0');
-- few rows pass: few pages of the other columns
SELECT pages_of('SELECT n FROM pages WHERE f8 = 2500.1');
-- nothing to be gained
SELECT pages_of('SELECT id FROM pages WHERE y IS NOT NULL');

-- answers
CREATE FUNCTION pages_differ() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	p text;
	a text;
	b text;
	list text := $l$concat_ws(' ', count(*), sum(id), sum(hashtext(t::text)::bigint), count(f8), max(n))$l$;
BEGIN
	FOREACH p IN ARRAY ARRAY[
		'id = 1', 'id = 16384', 'id = 16385', 'id = 60000', 'id = 0', 'id BETWEEN 16384 AND 16385', 'id > 59999 OR id < 2', 'id IN (5, 20000, 59000)',
		'id NOT BETWEEN 2 AND 59999', 'id <> 5 AND id < 7', 'id = ANY (''{1,32768,32769}'') AND b', 'falling = -5', 'falling = -20000', 'falling IS NULL AND id BETWEEN 16000 AND 17000',
		'falling IS NOT NULL AND id BETWEEN 16300 AND 32900', 'falling < -59990', 'falling > -3 OR falling IS NULL AND id > 59990', 'f8 = ''NaN''', 'f8 > 5999', 'f8 < 1',
		'f8 >= ''Infinity''', 'f8 <> ''NaN'' AND id = 40000', 'f4 = 0 AND id % 50 = 0', 'f4 = ''-0'' AND id % 1000 = 0', 'f4 >= 0 AND f4 < 40000 AND id % 100 = 0', 'f4 < -16380', 'f4 > 59999',
		'padded = ''a prefix longer than what is kept of a bound, so that the bound is cut 0000020000''', 'padded > ''a prefix longer than what is kept of a bound, so that the bound is cut 0000059990''',
		'padded < ''a prefix longer than what is kept of a bound, so that the bound is cut 0000000002''', 'padded < ''a prefix''', 'padded >= ''b''', 'padded LIKE ''%cut 00000163%''',
		'word = ''word 3'' AND id % 20 = 0', '(word = ''word 11'' AND id % 20 = 0) OR id = 3', 'word > ''word 9''', 'word <> ''word 1'' AND id < 6000 AND id % 20 = 0', 'n < -29990000000000000000', 'n = 0.5', 'n > 29999000000000000000 OR n BETWEEN -1 AND 1',
		'b AND id < 30003', 'NOT b AND id > 29990', 'y = ''\x0000ea60''', 'y < ''\x00000010''', 'ai IS NULL AND id < 100', 'ai = ''{1,NULL,-1}''', 'tz < ''2024-01-01 00:10''', 'tz BETWEEN ''2024-01-12 09:00'' AND ''2024-01-12 09:10''',
		'id < 20000 AND word = ''word 2'' AND falling < -11000', '(id < 100 AND f4 > -50) OR (word = ''word 12'' AND id % 20 = 0) OR (n > 0 AND n < 10000000000000000)', 'id > 60000']
	LOOP
		EXECUTE format('SELECT %s FROM (SELECT * FROM pages_heap WHERE %s) t', list, p) INTO a;
		EXECUTE format('SELECT %s FROM (SELECT * FROM pages WHERE %s) t', list, p) INTO b;
		IF a IS DISTINCT FROM b THEN RETURN NEXT p || ': ' || a || ' in heap, ' || b; END IF;
	END LOOP;
END $$;
SELECT pages_differ();

-- aggregates of the scan, whose vectors hold values of the rows that pass alone
SELECT count(*), count(falling), sum(falling), min(f4), max(n), sum(id) FROM pages WHERE id BETWEEN 30000 AND 35000;
SELECT count(*), count(falling), sum(falling), min(f4), max(n), sum(id) FROM pages_heap WHERE id BETWEEN 30000 AND 35000;
SELECT word, count(*), sum(falling), avg(f8) FROM pages WHERE id < 10 OR id BETWEEN 34990 AND 35010 GROUP BY word ORDER BY word;
SELECT word, count(*), sum(falling), avg(f8) FROM pages_heap WHERE id < 10 OR id BETWEEN 34990 AND 35010 GROUP BY word ORDER BY word;

-- rows are found where they are: changes of some pages' rows, then those that are hidden
UPDATE pages SET word = 'changed' WHERE id BETWEEN 16380 AND 16390 OR id > 59995;
UPDATE pages_heap SET word = 'changed' WHERE id BETWEEN 16380 AND 16390 OR id > 59995;
DELETE FROM pages WHERE id IN (1, 16386, 20000, 32769) OR falling BETWEEN -50010 AND -50000;
DELETE FROM pages_heap WHERE id IN (1, 16386, 20000, 32769) OR falling BETWEEN -50010 AND -50000;
SELECT pages_differ();

-- rows of the transaction itself, in superfiles that it has not committed
BEGIN;
SET LOCAL supertable.superfile_size = '1MB';
INSERT INTO pages SELECT id + 60000, falling, f8, f4, padded, word, n, b, y, ai, tz FROM pages_heap;
INSERT INTO pages_heap SELECT id + 60000, falling, f8, f4, padded, word, n, b, y, ai, tz FROM pages_heap;
SELECT pages_differ();
DELETE FROM pages WHERE id IN (60002, 76387, 80001) OR id > 119990;
DELETE FROM pages_heap WHERE id IN (60002, 76387, 80001) OR id > 119990;
SELECT pages_differ();
ROLLBACK;

-- parallel
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
SELECT pages_differ();

DROP FOREIGN TABLE pages;
DROP TABLE pages_heap;
DROP FUNCTION pages_differ(), pages_of(text);
