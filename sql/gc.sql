-- supertable_gc, supertable_history, supertable_drop_storage: rights, arguments, results
CREATE FOREIGN TABLE g (id int, v text) SERVER lake OPTIONS (path 'g');
SELECT * FROM supertable_gc('g');
SELECT * FROM supertable_history('g');
INSERT INTO g SELECT i, 'row' FROM generate_series(1, 10) i;
UPDATE g SET v = 'new' WHERE id <= 3;
BEGIN;
DELETE FROM g WHERE id = 4;
INSERT INTO g SELECT i, 'two-phase' FROM generate_series(11, 15) i;
COMMIT;
BEGIN;
INSERT INTO g VALUES (99, 'rolled back');
ROLLBACK;
DELETE FROM g WHERE v = 'row';
DELETE FROM g;
-- one row a mutation; preparing and taking back are none
SELECT version, committed_at IS NOT NULL AS at, operation, wal_id IS NOT NULL AS two_phase, n_rows_added, n_rows_deleted FROM supertable_history('g');
SELECT count(DISTINCT committed_at) = count(*) AS ascending, bool_and(committed_at > now() - interval '1 hour') AS recent FROM supertable_history('g');
-- all superfiles went with their last rows; the log keeps them for the retention
SELECT count(*) FROM supertable_files('g');
SELECT n_state_docs, n_superfiles, n_tombstones, n_log_versions, bytes FROM supertable_gc('g', dry_run => true);
SELECT n_state_docs, n_superfiles, n_tombstones, n_log_versions, bytes > 0 AS bytes FROM supertable_gc('g', grace => '0', retention => '0', dry_run => true);
SELECT n_state_docs, n_superfiles, n_tombstones, n_log_versions, bytes > 0 AS bytes FROM supertable_gc('g', grace => '0', retention => '0');
SELECT n_state_docs, n_superfiles, n_tombstones, n_log_versions, bytes FROM supertable_gc('g', grace => '0', retention => '0');
SELECT operation, n_rows_added, n_rows_deleted FROM supertable_history('g') ORDER BY version DESC LIMIT 1;
SELECT count(*) FROM g;
INSERT INTO g VALUES (1, 'after');
SELECT * FROM g;
-- where it may run
\set VERBOSITY sqlstate
BEGIN;
INSERT INTO g VALUES (2, 'x');
SELECT supertable_gc('g');
ROLLBACK;
BEGIN;
INSERT INTO g VALUES (2, 'x');
SELECT supertable_drop_storage('lake', 'g');
ROLLBACK;
BEGIN READ ONLY;
SELECT n_superfiles FROM supertable_gc('g', dry_run => true);
SELECT supertable_gc('g');
ROLLBACK;
BEGIN READ ONLY;
SELECT supertable_drop_storage('lake', 'g');
ROLLBACK;
SELECT supertable_gc('g', grace => '-1 second');
SELECT supertable_gc('g', retention => '-1 day');
CREATE TABLE g_heap (id int);
SELECT supertable_gc('g_heap');
SELECT * FROM supertable_history('g_heap');
SELECT supertable_drop_storage('nowhere', 'g');
SELECT supertable_drop_storage('lake', '../g');
SELECT supertable_drop_storage('lake', '');
CREATE SERVER g_bare FOREIGN DATA WRAPPER supertable;
SELECT supertable_drop_storage('g_bare', 'g');
DROP SERVER g_bare;
-- who may: the owner; nobody but a superuser goes below the minima
CREATE ROLE regress_g_owner;
CREATE ROLE regress_g_other;
GRANT USAGE ON FOREIGN SERVER lake TO regress_g_other;
ALTER FOREIGN TABLE g OWNER TO regress_g_owner;
GRANT SELECT ON g TO regress_g_other;
SET ROLE regress_g_other;
SELECT supertable_gc('g');
SELECT supertable_gc('g', dry_run => true);
SELECT supertable_drop_storage('lake', 'g');
SELECT count(*) > 3 AS rows FROM supertable_history('g');
RESET ROLE;
REVOKE SELECT ON g FROM regress_g_other;
SET ROLE regress_g_other;
SELECT count(*) FROM supertable_history('g');
RESET ROLE;
SET ROLE regress_g_owner;
SELECT n_superfiles FROM supertable_gc('g');
SELECT n_superfiles FROM supertable_gc('g', grace => '10 minutes', retention => '1 day');
SELECT supertable_gc('g', grace => '9 minutes');
SELECT supertable_gc('g', retention => '23 hours');
SELECT supertable_drop_storage('lake', 'g');
RESET ROLE;
\set VERBOSITY default
-- dropped storage
SELECT supertable_drop_storage('lake', 'g') > 3 AS deleted;
\set VERBOSITY sqlstate
SELECT * FROM g;
DELETE FROM g;
SELECT * FROM supertable_files('g');
SELECT * FROM supertable_history('g');
SELECT relation FROM supertable_recover('g');
-- a first write begins it anew, with other columns if it has others
DROP FOREIGN TABLE g;
CREATE FOREIGN TABLE g (other date) SERVER lake OPTIONS (path 'g');
INSERT INTO g VALUES ('2026-11-25');
\set VERBOSITY default
SELECT * FROM g;
SELECT operation, n_rows_added, n_rows_deleted FROM supertable_history('g') ORDER BY version;
BEGIN;
INSERT INTO g VALUES ('2026-11-26');
DELETE FROM g WHERE other = '2026-11-25';
COMMIT;
SELECT * FROM g;
DROP FOREIGN TABLE g;
SELECT supertable_drop_storage('lake', 'g') > 0 AS deleted;
-- two-phase first write on dropped storage
CREATE FOREIGN TABLE g (id int) SERVER lake OPTIONS (path 'g');
BEGIN;
INSERT INTO g_heap VALUES (1);
INSERT INTO g VALUES (1);
SELECT * FROM g;
COMMIT;
SELECT * FROM g;
DROP FOREIGN TABLE g;
DROP TABLE g_heap;
REVOKE ALL ON FOREIGN SERVER lake FROM regress_g_other;
DROP ROLE regress_g_owner, regress_g_other;
