-- what core leaves to the wrapper is enforced: NOT NULL, CHECK, partition bounds; generated columns, defaults, triggers
CREATE FOREIGN TABLE con (id int NOT NULL, v int DEFAULT 7 CHECK (v > 0), g int GENERATED ALWAYS AS (v * 2) STORED) SERVER lake OPTIONS (path 'con');
INSERT INTO con(id) VALUES (1) RETURNING *;
INSERT INTO con(id, v) VALUES (NULL, 1);
INSERT INTO con(id, v) VALUES (2, -1);
UPDATE con SET v = -1;
UPDATE con SET id = NULL;
UPDATE con SET v = 10 RETURNING *;
COPY con(id, v) FROM stdin;
3	-5
\.
COPY con(id) FROM stdin;
4
\.
SELECT * FROM con ORDER BY id;
-- triggers
CREATE TABLE con_log (what text);
CREATE FUNCTION con_trg() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO con_log VALUES (TG_WHEN || ' ' || TG_OP || ' ' || TG_LEVEL || ' ' || coalesce(CASE WHEN TG_LEVEL = 'ROW' THEN CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END END::text, ''));
	IF TG_WHEN = 'BEFORE' AND TG_LEVEL = 'ROW' AND TG_OP = 'INSERT' THEN NEW.v := NEW.v + 1; END IF;
	RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER b BEFORE INSERT OR UPDATE OR DELETE ON con FOR EACH ROW EXECUTE FUNCTION con_trg();
CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON con FOR EACH ROW EXECUTE FUNCTION con_trg();
CREATE TRIGGER s AFTER INSERT OR UPDATE OR DELETE ON con FOR EACH STATEMENT EXECUTE FUNCTION con_trg();
INSERT INTO con(id, v) VALUES (5, 1), (6, 2) RETURNING *;
UPDATE con SET v = 100 WHERE id = 5;
DELETE FROM con WHERE id = 6;
SELECT * FROM con_log;
SELECT * FROM con ORDER BY id;
DROP TRIGGER b ON con; DROP TRIGGER a ON con; DROP TRIGGER s ON con;
-- partitions
CREATE TABLE part (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE part_heap PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE FOREIGN TABLE part_cold PARTITION OF part FOR VALUES FROM (100) TO (200) SERVER lake OPTIONS (path 'part_cold');
INSERT INTO part VALUES (1, 'heap'), (101, 'cold'), (102, 'cold');
SELECT tableoid::regclass, * FROM part ORDER BY k;
UPDATE part SET k = 150 WHERE k = 1;
SELECT tableoid::regclass, * FROM part ORDER BY k;
INSERT INTO part_cold VALUES (5, 'wrong');
UPDATE part SET k = 5 WHERE k = 101;
DELETE FROM part WHERE k = 102;
SELECT tableoid::regclass, * FROM part ORDER BY k;
-- refused, never silently ignored
SELECT * FROM con FOR UPDATE;
SELECT * FROM con FOR SHARE;
INSERT INTO con(id) VALUES (1) ON CONFLICT DO NOTHING;
EXPLAIN (COSTS off) SELECT id FROM con WHERE v > 5;
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, VERBOSE) SELECT id FROM con WHERE v > 5;
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) DELETE FROM con WHERE id = 1;
DROP TABLE part;
DROP FOREIGN TABLE con;
DROP TABLE con_log;
DROP FUNCTION con_trg;
