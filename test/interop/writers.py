"""
Files that pyarrow, DuckDB, Polars and delta-rs write, in every encoding,
compression and page version they have, read by PostgreSQL: rows equal to
those that were written.  Prints TAP.
"""
import json, os, re, time

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from values import N, arrow, check, check_filters, done, kinds, lake, milliseconds, ok, pg, readable, rows, table


def log(path, files, of=kinds):
    """A first version of a Delta table over these files."""
    fields = [{"name": c, "type": k[1], "nullable": True, "metadata": {}} for c, k in of.items()]
    actions = [{"commitInfo": {"timestamp": int(time.time() * 1000), "operation": "WRITE"}},
               {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"], "writerFeatures": ["timestampNtz"]}},
               {"metaData": {"id": "00000000-0000-4000-8000-00000000beef", "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps({"type": "struct", "fields": fields}), "partitionColumns": [], "configuration": {}, "createdTime": 0}}]
    for f in files:
        actions.append({"add": {"path": f, "partitionValues": {}, "size": os.path.getsize(f"{path}/{f}"), "modificationTime": 0, "dataChange": True}})
    os.makedirs(f"{path}/_delta_log")
    with open(f"{path}/_delta_log/{0:020}.json", "w") as out:
        out.write("".join(json.dumps(a) + "\n" for a in actions))


others = f"{lake}/others"
os.makedirs(others)

# ---- pyarrow ----

deltas = {"id": "DELTA_BINARY_PACKED", "i2": "DELTA_BINARY_PACKED", "i4": "DELTA_BINARY_PACKED", "i8": "DELTA_BINARY_PACKED", "seq": "DELTA_BINARY_PACKED",
          "d": "DELTA_BINARY_PACKED", "ts": "DELTA_BINARY_PACKED", "tn": "DELTA_BINARY_PACKED", "f4": "BYTE_STREAM_SPLIT", "f8": "BYTE_STREAM_SPLIT",
          "n9": "DELTA_BYTE_ARRAY", "n18": "DELTA_BYTE_ARRAY", "n38": "DELTA_BYTE_ARRAY", "s": "DELTA_LENGTH_BYTE_ARRAY", "t": "DELTA_BYTE_ARRAY",
          "bin": "DELTA_LENGTH_BYTE_ARRAY", "li.list.element": "DELTA_BINARY_PACKED", "ls.list.element": "DELTA_BYTE_ARRAY"}
splits = {"id": "BYTE_STREAM_SPLIT", "i4": "BYTE_STREAM_SPLIT", "i8": "BYTE_STREAM_SPLIT", "seq": "BYTE_STREAM_SPLIT", "d": "BYTE_STREAM_SPLIT", "ts": "BYTE_STREAM_SPLIT",
          "n9": "BYTE_STREAM_SPLIT", "n18": "BYTE_STREAM_SPLIT", "n38": "BYTE_STREAM_SPLIT", "t": "DELTA_LENGTH_BYTE_ARRAY", "bin": "DELTA_BYTE_ARRAY"}
encodings = {"dictionary": dict(use_dictionary=True), "plain": dict(use_dictionary=False), "delta": dict(use_dictionary=False, column_encoding=deltas),
             "split": dict(use_dictionary=False, column_encoding=splits)}
more = {"decimals as integers": dict(store_decimal_as_integer=True), "INT96": dict(use_deprecated_int96_timestamps=True), "milliseconds": dict(coerce_timestamps="ms", allow_truncated_timestamps=True),
        "old version": dict(version="1.0"), "old names of lists": dict(use_compliant_nested_type=False), "page index": dict(write_page_index=True), "checksums": dict(write_page_checksum=True),
        "dictionary given up": dict(dictionary_pagesize_limit=500), "no statistics": dict(write_statistics=False), "one page": dict(data_page_size=1 << 20, row_group_size=N)}
os.makedirs(f"{others}/arrow")
files = {}
for version in ("1.0", "2.0"):
    for codec in ("none", "snappy", "gzip", "zstd", "lz4"):
        for e, options in encodings.items():
            files[f"pages {version}, {codec}, {e}"] = dict(options, data_page_version=version, compression=codec)
    for m, options in more.items():
        files[f"pages {version}, {m}"] = dict(options, data_page_version=version)
for i, (f, options) in enumerate(files.items()):
    pq.write_table(arrow(f), f"{others}/arrow/{i}.parquet", **{"row_group_size": 500, "data_page_size": 2000, "write_batch_size": 100, **options})
nanoseconds = arrow("nanoseconds")
for c, tz in (("ts", "UTC"), ("tn", None)):
    nanoseconds = nanoseconds.set_column(nanoseconds.column_names.index(c), c, nanoseconds[c].cast(pa.timestamp("ns", tz=tz)))
pq.write_table(nanoseconds, f"{others}/arrow/ns.parquet")
log(f"{others}/arrow", [f"{i}.parquet" for i in range(len(files))] + ["ns.parquet"])
readable(others)
table("arrow")
for f in list(files) + ["nanoseconds"]:
    check("arrow", f, [milliseconds(r) for r in rows] if "milliseconds" in f else rows)
seen = {e for i in range(len(files)) for md in [pq.ParquetFile(f"{others}/arrow/{i}.parquet").metadata] for c in range(md.num_columns) for e in md.row_group(0).column(c).encodings}
ok(seen >= {"PLAIN", "RLE", "RLE_DICTIONARY", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"}, f"arrow: encodings were {sorted(seen)}")
want = [str(sum(len(files) + 1 for r in rows if r["s"] == "word 3" and r["i4"] is not None and r["i4"] > 0))]
ok(pg("SELECT count(*) FROM arrow WHERE s = 'word 3' AND i4 > 0") == [tuple(want)], "arrow: a filter over all its files")

check_filters("arrow", rows, len(files) + 1)

# a page index whose pages end at other rows in each column
os.makedirs(f"{others}/paged")
many = [{"id": i, "s": None if i % 11 == 3 else f"text {i // 40 % 50} " * (i % 9), "f": None if i % 13 == 5 else float("nan") if i == 7000 else i / 8, "l": None if i % 7 == 3 else [i, None, -i][:i % 4],
         "t": f"{'long beginnings are cut ' * 4}{i:08}"} for i in range(20000)]
of_paged = {"id": (pa.int32(), "integer"), "s": (pa.string(), "string"), "f": (pa.float64(), "double"), "l": (pa.list_(pa.int64()), {"type": "array", "elementType": "long", "containsNull": True}), "t": (pa.string(), "string")}
for i, options in enumerate((dict(data_page_version="1.0"), dict(data_page_version="2.0", use_dictionary=False), dict(compression="zstd", data_page_version="2.0"))):
    pq.write_table(pa.Table.from_pylist([dict(r, id=r["id"] + 20000 * i) for r in many], schema=pa.schema([(c, k[0]) for c, k in of_paged.items()])),
                   f"{others}/paged/{i}.parquet", **{"write_page_index": True, "row_group_size": 15000, "data_page_size": 3000, "write_batch_size": 64, **options})
log(f"{others}/paged", [f"{i}.parquet" for i in range(3)], of_paged)
readable(others)
pg("CREATE FOREIGN TABLE paged (id int, s text COLLATE \"C\", f float8, l bigint[], t text COLLATE \"C\") SERVER lake OPTIONS (path 'others/paged')")
every = [dict(r, id=r["id"] + 20000 * i) for i in range(3) for r in many]
is_nan = lambda v: v is not None and v != v
beginning = "long beginnings are cut " * 4
for where, test in (("id = 17000", lambda r: r["id"] == 17000), ("id BETWEEN 34990 AND 35005 OR id < 5", lambda r: 34990 <= r["id"] <= 35005 or r["id"] < 5),
                    ("s = 'text 3 text 3 '", lambda r: r["s"] == "text 3 text 3 "), ("s IS NULL AND id < 2000", lambda r: r["s"] is None and r["id"] < 2000),
                    ("f > 2490", lambda r: r["f"] is not None and (is_nan(r["f"]) or r["f"] > 2490)), ("f = 'NaN'", lambda r: is_nan(r["f"])), ("f < 3", lambda r: r["f"] is not None and r["f"] < 3),
                    (f"t > '{beginning}00019995'", lambda r: r["t"] > f"{beginning}00019995"), (f"t = '{beginning}00000077'", lambda r: r["t"] == f"{beginning}00000077"),
                    (f"t < '{beginning}' OR f IS NULL AND id BETWEEN 100 AND 300", lambda r: r["f"] is None and 100 <= r["id"] <= 300)):
    got = pg(f"SELECT id, coalesce(s, '~'), coalesce(f::text, '~'), coalesce('[' || array_to_string(l, ',', '~') || ']', '~'), t FROM paged WHERE {where} ORDER BY id")
    want = [(str(r["id"]), "~" if r["s"] is None else r["s"], "~" if r["f"] is None else "NaN" if is_nan(r["f"]) else f"{r['f']:.15g}",
             "~" if r["l"] is None else "[" + ",".join("~" if x is None else str(x) for x in r["l"]) + "]", r["t"]) for r in every if test(r)]
    ok(got == want and want, f"paged: {where}", [(a, b) for a, b in zip(got, want) if a != b][:3] or (len(got), len(want)))
plan = "\n".join(r[0] for r in pg("EXPLAIN (ANALYZE, COSTS off) SELECT * FROM paged WHERE id = 17000"))
pages = {k: int(re.search(rf"Pages {k}: (\d+)", plan).group(1)) for k in ("Read", "Skipped")}
ok(0 < pages["Read"] < pages["Skipped"] and pages["Skipped"] > 10, f"paged: of its pages few are read ({pages})", plan)

# binaries of a fixed length, which Delta has no type for but binary
os.makedirs(f"{others}/fixed")
fixed = [{"id": i, "u": None if i % 5 == 2 else bytes([i % 256, i // 256]) * 4, "l": None if i % 7 == 3 else [bytes([i % 256] * 3), None][:i % 3]} for i in range(1000)]
for i, options in enumerate((dict(use_dictionary=True), dict(use_dictionary=False), dict(use_dictionary=False, column_encoding={"u": "DELTA_BYTE_ARRAY"}), dict(use_dictionary=False, column_encoding={"u": "BYTE_STREAM_SPLIT"}))):
    pq.write_table(pa.Table.from_pylist([dict(r, id=r["id"] + 1000 * i) for r in fixed], schema=pa.schema([("id", pa.int32()), ("u", pa.binary(8)), ("l", pa.list_(pa.binary(3)))])),
                   f"{others}/fixed/{i}.parquet", row_group_size=300, **options)
log(f"{others}/fixed", [f"{i}.parquet" for i in range(4)], {"id": (None, "integer"), "u": (None, "binary"), "l": (None, {"type": "array", "elementType": "binary", "containsNull": True})})
readable(others)
pg("CREATE FOREIGN TABLE fixed (id int, u bytea, l bytea[]) SERVER lake OPTIONS (path 'others/fixed')")
h = lambda v: "" if v is None else "\\x" + v.hex()
want = [(str(r["id"] + 1000 * i), h(r["u"]), "~" if r["l"] is None else ",".join(h(x) or "~" for x in r["l"])) for i in range(4) for r in fixed]
ok(pg("SELECT id, u, coalesce(array_to_string(l, ',', '~'), '~') FROM fixed ORDER BY id") == want, "fixed: binaries of a fixed length, and lists of them")
above = [r["u"] for r in fixed if r["u"] and r["u"] > b"\x80\x00"]
ok(pg("SELECT count(*), count(u) FROM fixed WHERE u > '\\x8000'") == [(str(4 * len(above)),) * 2], "fixed: a filter on them")
ok(pg("SELECT u, count(*) FROM fixed WHERE u >= '\\xfe' GROUP BY u ORDER BY u") == [(h(u), "4") for u in sorted(above) if u >= b"\xfe"], "fixed: grouped by them")

# decimals as byte arrays of any length, which no writer here makes: a binary column whose footer is told to be one
def decimal_bytes(name, values):
    path = f"{others}/{name}"
    os.makedirs(path)
    pq.write_table(pa.table({"n": pa.array(values, pa.binary())}), f"{path}/0.parquet")
    with open(f"{path}/0.parquet", "rb") as f:
        data = f.read()
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - length:-8]
    # type BYTE_ARRAY, OPTIONAL, name; then converted type DECIMAL, scale 2, precision 38
    element = b"\x15\x0c\x25\x02\x18\x01n"
    assert footer.count(element + b"\x00") == 1
    footer = footer.replace(element + b"\x00", element + b"\x25\x0a\x15\x04\x15\x4c\x00")
    with open(f"{path}/0.parquet", "wb") as f:
        f.write(data[:-8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    log(path, ["0.parquet"], {"n": (None, "decimal(38,2)")})
    readable(others)
    pg(f"CREATE FOREIGN TABLE {name} (n numeric(38,2)) SERVER lake OPTIONS (path 'others/{name}')")


numbers = [0, 1, -1, 127, 128, -128, -129, 12345678, -12345678, 10**37, -10**37]
decimal_bytes("short_decimals", [x.to_bytes(max(1, (x.bit_length() + 8) // 8), "big", signed=True) for x in numbers] + [None])
decimal_bytes("long_decimals", [x.to_bytes(20, "big", signed=True) for x in numbers] + [b""])
for name in ("short_decimals", "long_decimals"):
    got = [r[0] for r in pg(f"SELECT coalesce(trunc(n * 100)::text, '~') FROM {name}")]
    ok(got == [str(x) for x in numbers] + (["~"] if name[0] == "s" else ["0"]), f"{name}: decimals in byte arrays", got)
decimal_bytes("huge_decimals", [b"\x01" + bytes(16)])
message = pg("SELECT n FROM huge_decimals", check=False)
ok(isinstance(message, str) and "XX001" in message, "huge_decimals: one of more than 128 bits is refused", message)

# ---- DuckDB ----

os.makedirs(f"{others}/duck")
duck = duckdb.connect()
duck.execute("SET TimeZone = 'UTC'")
files = [(v, c) for v in ("V1", "V2") for c in ("uncompressed", "snappy", "gzip", "zstd", "lz4_raw")]
for i, (v, c) in enumerate(files):
    source = arrow(f"{v}, {c}")
    duck.execute(f"COPY (SELECT * FROM source) TO '{others}/duck/{i}.parquet' (FORMAT parquet, PARQUET_VERSION {v}, COMPRESSION {c})")
log(f"{others}/duck", [f"{i}.parquet" for i in range(len(files))])
readable(others)
table("duck")
for v, c in files:
    check("duck", f"{v}, {c}", rows)
seen = {e for (p,) in duck.execute(f"SELECT DISTINCT encodings FROM parquet_metadata('{others}/duck/*.parquet')").fetchall() for e in p.split(", ")}
check_filters("duck", rows, len(files))
ok(seen >= {"DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "BYTE_STREAM_SPLIT", "RLE_DICTIONARY"}, f"duck: encodings were {sorted(seen)}")

os.makedirs(f"{others}/brotli")
duck.execute(f"COPY (SELECT * FROM source) TO '{others}/brotli/0.parquet' (FORMAT parquet, COMPRESSION brotli)")
log(f"{others}/brotli", ["0.parquet"])
readable(others)
table("brotli")
message = pg("SELECT sum(id) FROM brotli", check=False)
ok(isinstance(message, str) and "0A000" in message and "BROTLI" in message, "brotli: a compression that is not read is named", message)

# ---- Polars ----

os.makedirs(f"{others}/polars")
codecs = ("uncompressed", "snappy", "gzip", "zstd", "lz4")
for i, c in enumerate(codecs):
    polars.from_arrow(arrow(c)).write_parquet(f"{others}/polars/{i}.parquet", compression=c, row_group_size=500, data_page_size=2000)
log(f"{others}/polars", [f"{i}.parquet" for i in range(len(codecs))])
readable(others)
table("polars")
for c in codecs:
    check("polars", c, rows)
check_filters("polars", rows, len(codecs))

# ---- delta-rs: a table of its own, log, checkpoint and all ----

path = f"{others}/rs"
for part in range(4):
    write_deltalake(path, arrow(f"part {part}").filter(pa.compute.equal(pa.compute.bit_wise_and(arrow("")["id"], 3), part)), mode="append")
DeltaTable(path).delete("id >= 100 AND id < 200")
DeltaTable(path).create_checkpoint()
DeltaTable(path).update(predicate="id = 300", updates={"s": "'updated'"})
readable(others)
table("rs")
theirs = pa.table(QueryBuilder().register("t", DeltaTable(path)).execute("SELECT * FROM t ORDER BY id").read_all()).to_pylist()
ok(len(theirs) == N - 100 and [r["s"] for r in theirs if r["id"] == 300] == ["updated"], "rs: delta-rs has changed its table")
check("rs", None, theirs)
check_filters("rs", theirs)
message = pg("INSERT INTO rs (id) VALUES (1)", check=False)
print("#", "a write to it:", message.splitlines()[0] if isinstance(message, str) else "accepted")

done()
