-- docs/limits.md: what core or the wrapper refuses, and what to write instead
CREATE FOREIGN TABLE li (id int, v text) SERVER lake OPTIONS (path 'li');
CREATE TABLE li_src (id int, v text);
INSERT INTO li VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO li_src VALUES (2, 'TWO'), (4, 'FOUR');
CREATE FUNCTION li_try(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE m text; d text; s text;
BEGIN
	EXECUTE q;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS s = RETURNED_SQLSTATE, m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL;
	RETURN s || ': ' || m || CASE WHEN d <> '' THEN ' | ' || d ELSE '' END;
END $$;
\t on
\a
-- MERGE
SELECT li_try('MERGE INTO li USING li_src s ON s.id = li.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)');
BEGIN;
UPDATE li SET v = s.v FROM li_src s WHERE s.id = li.id;
INSERT INTO li SELECT * FROM li_src s WHERE NOT EXISTS (SELECT FROM li WHERE li.id = s.id);
COMMIT;
SELECT * FROM li ORDER BY id;
MERGE INTO li_src s USING li ON s.id = li.id WHEN MATCHED THEN UPDATE SET v = li.v WHEN NOT MATCHED THEN INSERT VALUES (li.id, li.v);
SELECT count(*) FROM li_src;
-- INSERT ... ON CONFLICT
SELECT li_try('INSERT INTO li VALUES (1, $$x$$) ON CONFLICT DO NOTHING');
SELECT li_try('INSERT INTO li VALUES (1, $$x$$) ON CONFLICT (id) DO UPDATE SET v = excluded.v');
INSERT INTO li SELECT 1, 'x' WHERE NOT EXISTS (SELECT FROM li WHERE id = 1);
-- COPY TO
COPY li TO stdout;
COPY (SELECT * FROM li ORDER BY id) TO stdout;
SELECT li_try('COPY li FROM $$/dev/null$$ WITH (FREEZE)');
-- triggers
CREATE FUNCTION li_trg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
SELECT li_try('CREATE TRIGGER t AFTER UPDATE ON li REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION li_trg()');
SELECT li_try('CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON li DEFERRABLE FOR EACH ROW EXECUTE FUNCTION li_trg()');
SELECT li_try('CREATE TRIGGER t AFTER TRUNCATE ON li FOR EACH STATEMENT EXECUTE FUNCTION li_trg()');
SELECT li_try('CREATE TRIGGER t AFTER UPDATE ON li FOR EACH ROW EXECUTE FUNCTION li_trg()');
SELECT li_try('CREATE TRIGGER s BEFORE DELETE ON li FOR EACH STATEMENT EXECUTE FUNCTION li_trg()');
DROP TRIGGER t ON li; DROP TRIGGER s ON li;
CREATE TABLE li_part (id int, v text) PARTITION BY LIST (id);
CREATE FOREIGN TABLE li_p1 PARTITION OF li_part FOR VALUES IN (1) SERVER lake OPTIONS (path 'li_p1');
CREATE TRIGGER t AFTER INSERT ON li_part REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION li_trg();
SELECT li_try('INSERT INTO li_part VALUES (1, $$x$$)');
DROP TRIGGER t ON li_part;
-- constraints and indexes
SELECT li_try('ALTER FOREIGN TABLE li ADD PRIMARY KEY (id)');
SELECT li_try('ALTER FOREIGN TABLE li ADD UNIQUE (id)');
SELECT li_try('ALTER FOREIGN TABLE li ADD FOREIGN KEY (id) REFERENCES pg_class (oid)');
SELECT li_try('ALTER FOREIGN TABLE li ADD EXCLUDE (id WITH =)');
SELECT li_try('CREATE TABLE li_ref (id int REFERENCES li (id))');
SELECT li_try('CREATE INDEX ON li (id)');
SELECT li_try('CREATE UNIQUE INDEX ON li_part (id)');
SELECT li_try('CREATE INDEX ON li_part (id)');
SELECT li_try('ALTER FOREIGN TABLE li ADD CONSTRAINT li_check CHECK (id > 0)');
SELECT li_try('INSERT INTO li VALUES (-1, $$x$$)');
SELECT li_try('ALTER FOREIGN TABLE li ALTER COLUMN id SET NOT NULL');
SELECT li_try('INSERT INTO li VALUES (NULL, $$x$$)');
-- adding them does not look at the rows that are there
SELECT li_try('ALTER FOREIGN TABLE li ADD CONSTRAINT li_check2 CHECK (id > 100)');
ALTER FOREIGN TABLE li DROP CONSTRAINT li_check2;
-- row security
SELECT li_try('ALTER TABLE li ENABLE ROW LEVEL SECURITY');
SELECT li_try('CREATE POLICY p ON li');
CREATE VIEW li_safe WITH (security_barrier) AS SELECT * FROM li WHERE id > 1 WITH CHECK OPTION;
SELECT count(*) FROM li_safe;
-- rows of a cursor
SELECT li_try('SELECT * FROM li FOR UPDATE');
SELECT li_try('SELECT * FROM li_part FOR SHARE');
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM li;
FETCH c;
UPDATE li SET v = 'x' WHERE CURRENT OF c;
ROLLBACK;
UPDATE li SET v = 'one' WHERE id = 1;
-- locks, samples, maintenance
SELECT li_try('LOCK TABLE li');
SELECT li_try('SELECT * FROM li TABLESAMPLE SYSTEM (10)');
SELECT count(*) FROM li WHERE random() <= 1;
VACUUM li;
SELECT li_try('CLUSTER li');
SELECT li_try('REINDEX TABLE li');
SELECT li_try('CREATE TEMP FOREIGN TABLE li_temp (id int) SERVER lake OPTIONS (path $$x$$)');
SELECT li_try('CREATE PUBLICATION li_pub FOR TABLE li');
SELECT li_try('CREATE STATISTICS li_stat ON id, v FROM li');
-- system columns are those of a row's place, not of a tuple
SELECT li_try('SELECT xmin FROM li');
SELECT count(DISTINCT ctid), bool_and(tableoid = 'li'::regclass) FROM li;
BEGIN;
INSERT INTO li VALUES (9, 'nine');
PREPARE TRANSACTION 'li';
-- what isolation means: write skew between supertables is not noticed under SERIALIZABLE (see test/isolation)
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM li;
COMMIT;
\a
\t off
DROP VIEW li_safe;
DROP TABLE li_part, li_src;
DROP FOREIGN TABLE li;
DROP FUNCTION li_trg, li_try;
