"""Reads the tables by DuckDB, delta-rs and Polars and compares with PostgreSQL."""
import os, sys

import duckdb
import polars
from deltalake import DeltaTable, QueryBuilder

from expected import check, check_encoded, check_many, check_paged, check_wider, columns, enc_columns, finish, lake, ok, paged_query, pg

duck = duckdb.connect()
duck.execute("SET TimeZone = 'UTC'")
try:
    import duckdb_extension_delta
    duck.execute(f"LOAD '{os.path.join(os.path.dirname(duckdb_extension_delta.__file__), 'extensions', 'v' + duckdb.__version__, 'delta.duckdb_extension')}'")
except Exception:
    import glob
    path = [p for p in glob.glob(os.path.join(sys.prefix, "lib*", "python*", "site-packages", "duckdb_extension*", "**", "delta.duckdb_extension"), recursive=True)]
    duck.execute(f"LOAD '{path[0]}'")

select = ", ".join('"%s"' % c for c in columns)
check("DuckDB", duck.execute(f"SELECT {select} FROM delta_scan('{lake}/kinds') ORDER BY id").fetchall())


def delta_rs(path, query):
    import pyarrow
    table = pyarrow.table(QueryBuilder().register("t", DeltaTable(path)).execute(query).read_all())
    return list(zip(*[c.to_pylist() for c in table.columns])) if table.num_rows else []


check("delta-rs", delta_rs(f"{lake}/kinds", f"SELECT {select} FROM t ORDER BY id"))
check("Polars", polars.scan_delta(f"{lake}/kinds").sort("id").select(columns).collect().rows())

q = "SELECT count(*), sum(id), sum(k), sum(v), count(DISTINCT t) FROM "
check_many("DuckDB", duck.execute(q + f"delta_scan('{lake}/sub/many')").fetchone())
check_many("delta-rs", delta_rs(f"{lake}/sub/many", q + "t")[0])
p = polars.scan_delta(f"{lake}/sub/many").select(polars.len().alias("n"), polars.col("id").sum().alias("a"), polars.col("k").cast(polars.Int64).sum().alias("b"), polars.col("v").sum().alias("c"), polars.col("t").n_unique().alias("d")).collect().rows()[0]
check_many("Polars", p)

# Cleaned up, and begun anew after a drop.
for name in ("cleaned", "anew"):
    expected = [(int(a), b) for a, b in pg(f"SELECT id, t FROM {name} ORDER BY id")]
    ok(len(expected) > 0, f"PostgreSQL: {name} has {len(expected)} rows")
    for engine, rows in (("DuckDB", duck.execute(f"SELECT id, t FROM delta_scan('{lake}/{name}') ORDER BY id").fetchall()),
                         ("delta-rs", delta_rs(f"{lake}/{name}", "SELECT id, t FROM t ORDER BY id")),
                         ("Polars", polars.scan_delta(f"{lake}/{name}").sort("id").select(["id", "t"]).collect().rows())):
        ok(rows == expected, f"{engine}: {name} is equal, row for row", f"{rows[:5]} for {expected[:5]}")


enc_select = ", ".join('"%s"' % c for c in enc_columns)
check_encoded("DuckDB", duck.execute(f"SELECT {enc_select} FROM delta_scan('{lake}/encoded') ORDER BY id").fetchall())
check_encoded("delta-rs", delta_rs(f"{lake}/encoded", f"SELECT {enc_select} FROM t ORDER BY id"))
check_encoded("Polars", polars.scan_delta(f"{lake}/encoded").sort("id").select(enc_columns).collect().rows())
check_paged("DuckDB", lambda where: duck.execute(paged_query.format(f"delta_scan('{lake}/encoded')", where)).fetchone())
check_paged("delta-rs", lambda where: delta_rs(f"{lake}/encoded", paged_query.format("t", where))[0])
check_paged("Polars", lambda where: polars.SQLContext(t=polars.scan_delta(f"{lake}/encoded")).execute(paged_query.format("t", where)).collect().rows()[0])
import pyarrow.parquet
written = {}
indexed = []
for f in os.listdir(f"{lake}/encoded"):
    if f.endswith(".parquet"):
        group = pyarrow.parquet.ParquetFile(f"{lake}/encoded/{f}").metadata.row_group(0)
        for i in range(group.num_columns):
            c = group.column(i)
            written[c.path_in_schema.split(".")[0]] = set(c.encodings) | {c.compression}
            indexed.append(c.has_offset_index and c.has_column_index)
ok({"DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "RLE_DICTIONARY", "PLAIN", "ZSTD", "UNCOMPRESSED"} <= set().union(*written.values())
   and "DELTA_BINARY_PACKED" in written["id"] & written["i4"] & written["ts"] and "DELTA_LENGTH_BYTE_ARRAY" in written["t"], "... and they do occur", written)

ok(indexed and all(indexed), "... and all of them have a page index", indexed)

ok(DeltaTable(f"{lake}/plain").protocol().min_reader_version == 1, "a table that was only appended to asks for reader version 1")
ok(DeltaTable(f"{lake}/plain").to_pyarrow_table().sort_by("id").to_pylist() == [{"id": 1, "t": "one"}, {"id": 2, "t": None}, {"id": 3, "t": "three"}], "... and readers without vectors read it")

check_wider("DuckDB", duck.execute(f"SELECT id, t, n, \"at\", tags FROM delta_scan('{lake}/wider') ORDER BY id").fetchall())
check_wider("delta-rs", delta_rs(f"{lake}/wider", 'SELECT id, t, n, "at", tags FROM t ORDER BY id'))
check_wider("Polars", polars.scan_delta(f"{lake}/wider").sort("id").select(["id", "t", "n", "at", "tags"]).collect().rows())
ok(os.path.exists(f"{lake}/kinds/_delta_log/_last_checkpoint"), "kinds has a checkpoint")
finish()
