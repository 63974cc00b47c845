-- The extension, a lake of the run's own, and a server on it.
\! rm -rf "$PG_ABS_BUILDDIR/lake" && mkdir -p "$PG_ABS_BUILDDIR/lake"
\getenv dir PG_ABS_BUILDDIR
\set url 'file://' :dir '/lake'
CREATE EXTENSION supertable;
CREATE SERVER lake FOREIGN DATA WRAPPER supertable OPTIONS (url :'url');
SELECT capability, ok FROM supertable_storage_probe('lake');
