/* control/supertable--0.1.0.sql */

\echo Use "CREATE EXTENSION supertable" to load this file. \quit

-- The foreign data wrapper.

CREATE FUNCTION supertable_fdw_handler() RETURNS pg_catalog.fdw_handler
    AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION supertable_fdw_handler() IS 'handler of the foreign data wrapper supertable';

CREATE FUNCTION supertable_fdw_validator(pg_catalog.text[], pg_catalog.oid) RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION supertable_fdw_validator(pg_catalog.text[], pg_catalog.oid) IS 'option validator of the foreign data wrapper supertable';

CREATE FOREIGN DATA WRAPPER supertable
    HANDLER supertable_fdw_handler
    VALIDATOR supertable_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER supertable IS 'tables as Parquet on object storage';

-- What a transaction leaves in this database.  Never dumped: a restored
-- database must not take itself for the one whose mutations it would decide.

CREATE SCHEMA supertable_internal;
COMMENT ON SCHEMA supertable_internal IS 'bookkeeping of the extension supertable';

CREATE TABLE supertable_internal.witness (
    wal_id pg_catalog.text COLLATE pg_catalog."C" PRIMARY KEY,
    server pg_catalog.oid NOT NULL,
    root pg_catalog.text NOT NULL,
    table_id pg_catalog.text NOT NULL,
    role pg_catalog.oid NOT NULL
);
COMMENT ON TABLE supertable_internal.witness IS 'one row a committed mutation that may not be published yet';

CREATE TABLE supertable_internal.coordinator (
    witness_id pg_catalog.text NOT NULL
);
COMMENT ON TABLE supertable_internal.coordinator IS 'identity of this witness table';
INSERT INTO supertable_internal.coordinator VALUES (pg_catalog.gen_random_uuid()::pg_catalog.text);

REVOKE ALL ON SCHEMA supertable_internal FROM PUBLIC;
REVOKE ALL ON TABLE supertable_internal.witness, supertable_internal.coordinator FROM PUBLIC;

-- Functions.  They check ownership themselves.

CREATE FUNCTION supertable_recover(
    relation pg_catalog.regclass DEFAULT NULL,
    lease pg_catalog.interval DEFAULT NULL,
    max_time pg_catalog.interval DEFAULT NULL,
    dry_run pg_catalog.bool DEFAULT false,
    in_doubt pg_catalog.text DEFAULT 'leave',
    coordinator pg_catalog.text DEFAULT NULL,
    OUT relation pg_catalog.regclass,
    OUT n_scanned pg_catalog.int8,
    OUT n_already_complete pg_catalog.int8,
    OUT n_held_by_peer pg_catalog.int8,
    OUT n_full_pipeline_completed pg_catalog.int8,
    OUT n_tombstone_only_completed pg_catalog.int8,
    OUT n_vanished_during_scan pg_catalog.int8,
    OUT n_cas_lost pg_catalog.int8,
    OUT total_targets_tombstoned pg_catalog.int8,
    OUT total_targets_not_found pg_catalog.int8,
    OUT n_rolled_back pg_catalog.int8,
    OUT n_in_doubt pg_catalog.int8,
    OUT n_quarantined pg_catalog.int8,
    OUT elapsed pg_catalog.interval,
    OUT problem pg_catalog.text)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000 ROWS 10;
COMMENT ON FUNCTION supertable_recover(pg_catalog.regclass, pg_catalog.interval, pg_catalog.interval, pg_catalog.bool, pg_catalog.text, pg_catalog.text)
    IS 'finishes or rolls back what a crash left, and carries out requests';

CREATE FUNCTION supertable_wal(
    relation pg_catalog.regclass,
    OUT wal_id pg_catalog.text,
    OUT op_kind pg_catalog.text,
    OUT state pg_catalog.text,
    OUT created_at pg_catalog.timestamptz,
    OUT lease_owner pg_catalog.text,
    OUT lease_expires_at pg_catalog.timestamptz,
    OUT coordinator pg_catalog.text,
    OUT predicate pg_catalog.text,
    OUT n_targets pg_catalog.int8,
    OUT n_new_rows pg_catalog.int8,
    OUT problem pg_catalog.text)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000 ROWS 100;
COMMENT ON FUNCTION supertable_wal(pg_catalog.regclass) IS 'state documents and prepared entries of a supertable';

CREATE FUNCTION supertable_files(
    relation pg_catalog.regclass,
    OUT path pg_catalog.text,
    OUT n_rows pg_catalog.int8,
    OUT n_tombstoned pg_catalog.int8,
    OUT bytes pg_catalog.int8,
    OUT base_row_id pg_catalog.int8,
    OUT added_version pg_catalog.int8)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000 ROWS 100;
COMMENT ON FUNCTION supertable_files(pg_catalog.regclass) IS 'live superfiles of a supertable';

CREATE FUNCTION supertable_gc(
    relation pg_catalog.regclass,
    grace pg_catalog.interval DEFAULT '1 hour',
    retention pg_catalog.interval DEFAULT '7 days',
    dry_run pg_catalog.bool DEFAULT false,
    OUT n_state_docs pg_catalog.int8,
    OUT n_superfiles pg_catalog.int8,
    OUT n_tombstones pg_catalog.int8,
    OUT n_log_versions pg_catalog.int8,
    OUT bytes pg_catalog.int8)
    RETURNS pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION supertable_gc(pg_catalog.regclass, pg_catalog.interval, pg_catalog.interval, pg_catalog.bool)
    IS 'deletes what no retained version and no unfinished mutation needs';

CREATE FUNCTION supertable_drop_storage(server pg_catalog.name, path pg_catalog.text)
    RETURNS pg_catalog.int8
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION supertable_drop_storage(pg_catalog.name, pg_catalog.text)
    IS 'deletes all objects of a table on storage; returns how many';

CREATE FUNCTION supertable_history(
    relation pg_catalog.regclass,
    OUT version pg_catalog.int8,
    OUT committed_at pg_catalog.timestamptz,
    OUT operation pg_catalog.text,
    OUT wal_id pg_catalog.text,
    OUT n_rows_added pg_catalog.int8,
    OUT n_rows_deleted pg_catalog.int8)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100000 ROWS 100;
COMMENT ON FUNCTION supertable_history(pg_catalog.regclass) IS 'mutations of a supertable, as far back as its log goes';

CREATE FUNCTION supertable_storage_probe(
    server pg_catalog.name,
    OUT capability pg_catalog.text,
    OUT ok pg_catalog.bool,
    OUT detail pg_catalog.text)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100000 ROWS 5;
COMMENT ON FUNCTION supertable_storage_probe(pg_catalog.name) IS 'tries what the storage of a server must be able to do';

CREATE FUNCTION supertable_stat_rows(
    OUT root pg_catalog.text,
    OUT n_get pg_catalog.int8,
    OUT n_head pg_catalog.int8,
    OUT n_put pg_catalog.int8,
    OUT n_list pg_catalog.int8,
    OUT n_delete pg_catalog.int8,
    OUT bytes_read pg_catalog.int8,
    OUT bytes_written pg_catalog.int8,
    OUT n_retries pg_catalog.int8,
    OUT n_cas_lost pg_catalog.int8,
    OUT n_conflicts pg_catalog.int8,
    OUT n_commits pg_catalog.int8)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 17;
COMMENT ON FUNCTION supertable_stat_rows() IS 'rows of the view supertable_stat';

CREATE VIEW supertable_stat AS SELECT * FROM supertable_stat_rows();
COMMENT ON VIEW supertable_stat IS 'requests to storage and commits since the server started';
GRANT SELECT ON supertable_stat TO PUBLIC;

-- Witness rows are the only record of what was committed and not published
-- yet: the extension and its servers stay until they have served.

CREATE FUNCTION supertable_guard_drop() RETURNS pg_catalog.event_trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION supertable_guard_drop() IS 'refuses to drop what committed changes still need to be published';

CREATE EVENT TRIGGER supertable_guard_drop ON ddl_command_start
    WHEN TAG IN ('DROP EXTENSION', 'DROP OWNED', 'DROP SCHEMA', 'DROP SERVER')
    EXECUTE FUNCTION supertable_guard_drop();
ALTER EVENT TRIGGER supertable_guard_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER supertable_guard_drop IS 'keeps the extension supertable and its servers while committed changes are not published';
