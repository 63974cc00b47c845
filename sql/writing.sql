-- A row group ends at 64 MB of values, counted row by row: wide rows must not make one that cannot be written.
CREATE FOREIGN TABLE wide (i int, t text, b bytea[]) SERVER lake OPTIONS (path 'wide');
SET supertable.superfile_size = '1kB';
INSERT INTO wide SELECT i, repeat('x', 8 * 1024 * 1024) FROM generate_series(1, 20) i;
SELECT n_rows FROM supertable_files('wide') ORDER BY base_row_id;
INSERT INTO wide SELECT i, NULL, ARRAY[decode(repeat('00', 16 * 1024 * 1024), 'hex'), NULL, ''] FROM generate_series(21, 26) i;
SELECT n_rows FROM supertable_files('wide') ORDER BY base_row_id;
RESET supertable.superfile_size;
SELECT count(*), sum(length(t)), sum(length(b[1])) FROM wide;
DROP FOREIGN TABLE wide;
