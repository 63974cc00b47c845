"""
Files that pyarrow, DuckDB, Polars and delta-rs write, in every encoding,
compression and page version they have, read by PostgreSQL: rows equal to
those that were written.  Prints TAP; goes on counting where told.
"""
import datetime, decimal, glob, json, math, os, struct, subprocess, sys, time

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder, write_deltalake

lake, sock = sys.argv[1:3]
n = int(sys.argv[3]) if len(sys.argv) > 3 else 0
bad = 0
psql = os.environ.get("STBL_BINDIR", "/usr/lib/postgresql/15/bin") + "/psql"
N = 1200
UTC = datetime.timezone.utc
D = decimal.Decimal


def ok(cond, name, detail=""):
    global n, bad
    n += 1
    print(f"{'ok' if cond else 'not ok'} {n} - {name}")
    if not cond:
        bad += 1
        for line in str(detail).splitlines()[:20]:
            print("#", line[:400])


def pg(query, check=True):
    r = subprocess.run([psql, "-XAtq", "-h", sock, "-p", "5998", "-U", "postgres", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-F", "\x1f", "-R", "\x1e", "-c", query],
                       capture_output=True, text=True)
    if r.returncode != 0:
        if check:
            raise Exception(r.stderr)
        return r.stderr
    out = r.stdout.removesuffix("\n")
    return [tuple(row.split("\x1f")) for row in out.split("\x1e")] if out else []


# ---- the rows ----

kinds = {  # name: Arrow type, Delta type, PostgreSQL type
    "f": (pa.string(), "string", "text"),
    "id": (pa.int32(), "integer", "int"),
    "b": (pa.bool_(), "boolean", "boolean"),
    "i2": (pa.int16(), "short", "smallint"),
    "i4": (pa.int32(), "integer", "int"),
    "i8": (pa.int64(), "long", "bigint"),
    "seq": (pa.int64(), "long", "bigint"),
    "f4": (pa.float32(), "float", "real"),
    "f8": (pa.float64(), "double", "double precision"),
    "n9": (pa.decimal128(9, 2), "decimal(9,2)", "numeric(9,2)"),
    "n18": (pa.decimal128(18, 6), "decimal(18,6)", "numeric(18,6)"),
    "n38": (pa.decimal128(38, 10), "decimal(38,10)", "numeric(38,10)"),
    "s": (pa.string(), "string", "text"),
    "t": (pa.string(), "string", "text"),
    "bin": (pa.binary(), "binary", "bytea"),
    "d": (pa.date32(), "date", "date"),
    "ts": (pa.timestamp("us", tz="UTC"), "timestamp", "timestamptz"),
    "tn": (pa.timestamp("us"), "timestamp_ntz", "timestamp"),
    "li": (pa.list_(pa.int32()), {"type": "array", "elementType": "integer", "containsNull": True}, "int[]"),
    "ls": (pa.list_(pa.string()), {"type": "array", "elementType": "string", "containsNull": True}, "text[]"),
}
columns = [c for c in kinds if c != "f"]
epoch = datetime.datetime(1970, 1, 1, tzinfo=UTC)


def f32(v):
    return struct.unpack("<f", struct.pack("<f", v))[0]


def make_rows():
    rows = []
    state = 42
    for i in range(N):
        def rnd(bits):
            nonlocal state
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            return state >> (64 - bits)
        us = -(10**15) + i * 10**12 + rnd(30)
        r = {
            "id": i, "b": rnd(3) == 0 or i > 800, "i2": rnd(16) - 2**15, "i4": rnd(32) - 2**31, "i8": rnd(64) - 2**63, "seq": 10**12 + i * 3 + rnd(2),
            "f4": f32((rnd(24) - 2**23) / 64.0), "f8": (rnd(52) - 2**51) / 1024.0,
            "n9": D(rnd(29) - 2**28).scaleb(-2), "n18": D(rnd(59) - 2**58).scaleb(-6), "n38": (D(rnd(60) - 2**59) * D(10**18) + rnd(59)).scaleb(-10),
            "s": "word " + str(rnd(4)), "t": f"https://example.org/{i // 100}/{rnd(40):x}" + "é€" * (rnd(3)), "bin": bytes(rnd(8) for _ in range(rnd(4))),
            "d": datetime.date(1900, 1, 1) + datetime.timedelta(days=rnd(16)), "ts": epoch + datetime.timedelta(microseconds=us),
            "tn": (epoch + datetime.timedelta(microseconds=-us)).replace(tzinfo=None),
            "li": [None if rnd(3) == 0 else rnd(20) for _ in range(rnd(2))], "ls": [None if rnd(3) == 0 else "e" * rnd(4) for _ in range(rnd(2))],
        }
        if i == 5:
            r.update(i2=2**15 - 1, i4=2**31 - 1, i8=2**63 - 1, f4=math.inf, f8=math.inf, n9=D("9999999.99"), n18=D("999999999999.999999"), n38=D("9" * 28 + "." + "9" * 10), t="", bin=b"")
        if i == 6:
            r.update(i2=-2**15, i4=-2**31, i8=-2**63, f4=-math.inf, f8=-math.inf, n9=D("-9999999.99"), n18=D("-999999999999.999999"), n38=D("-" + "9" * 28 + "." + "9" * 10), t="x" * 70000)
        if i == 7:
            r.update(f4=math.nan, f8=math.nan, s="")
        if i == 8:
            r.update(f4=-0.0, f8=-0.0)
        for k, c in enumerate(columns):
            # none, scattered, and long stretches of NULLs
            if c != "id" and i > 10 and (rnd(4) == k % 16 or 500 + 10 * k < i < 560 + 10 * k) and c not in ("seq",):
                r[c] = None
        rows.append(r)
    return rows


def canon(c, v):
    if v is None:
        return "~"
    if c in ("f4", "f8"):
        v = float(v)
        return "nan" if math.isnan(v) else struct.pack("<f" if c == "f4" else "<d", v).hex()
    if c in ("n9", "n18", "n38"):
        return str(D(v).normalize() + 0)
    if c in ("ts", "tn"):
        return v.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds") if isinstance(v, datetime.datetime) else v
    if c == "b":
        return v if isinstance(v, str) else "true" if v else "false"
    if c == "bin":
        return v if isinstance(v, str) else "\\x" + bytes(v).hex()
    if c in ("li", "ls"):
        return v if isinstance(v, str) else "[" + ",".join("~" if x is None else str(x) for x in v) + "]"
    return str(v)


def pg_expr(c):
    if c in ("ts", "tn"):
        return f"to_char({c}{' AT TIME ZONE ' + chr(39) + 'UTC' + chr(39) if c == 'ts' else ''}, 'YYYY-MM-DD HH24:MI:SS.US')"
    if c in ("li", "ls"):
        return f"CASE WHEN {c} IS NOT NULL THEN '[' || (SELECT coalesce(string_agg(coalesce(x::text, '~'), ',' ORDER BY k), '') FROM unnest({c}) WITH ORDINALITY o(x, k)) || ']' END"
    return f"{c}::text"


def table(name):
    pg(f"CREATE FOREIGN TABLE {name} (" + ", ".join(f"{c} {k[2]}" for c, k in kinds.items()) + f") SERVER lake OPTIONS (path 'others/{name}')")


def check(name, f, want):
    """The rows of one file, or of a table (f None)."""
    got = pg("SELECT " + ", ".join(f"coalesce({pg_expr(c)}, '~')" for c in columns) + f" FROM {name}" + (f" WHERE f = '{f}'" if f else "") + " ORDER BY id")
    got = [tuple(canon(c, None if v == "~" else v) for c, v in zip(columns, r)) for r in got]
    want = [tuple(canon(c, r[c]) for c in columns) for r in want]
    diff = [(c, a[0], x, y) for a, b in zip(want, got) for c, x, y in zip(columns, a, b) if x != y]
    ok(len(got) == len(want) and not diff, f"{name}{', ' + f if f else ''}: {len(want)} rows, each value", f"{len(got)} rows\n" + "\n".join(map(str, diff)))


def log(path, files):
    """A first version of a Delta table over these files."""
    fields = [{"name": c, "type": k[1], "nullable": True, "metadata": {}} for c, k in kinds.items()]
    actions = [{"commitInfo": {"timestamp": int(time.time() * 1000), "operation": "WRITE"}},
               {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"], "writerFeatures": ["timestampNtz"]}},
               {"metaData": {"id": "00000000-0000-4000-8000-00000000beef", "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps({"type": "struct", "fields": fields}), "partitionColumns": [], "configuration": {}, "createdTime": 0}}]
    for f in files:
        actions.append({"add": {"path": f, "partitionValues": {}, "size": os.path.getsize(f"{path}/{f}"), "modificationTime": 0, "dataChange": True}})
    os.makedirs(f"{path}/_delta_log")
    with open(f"{path}/_delta_log/{0:020}.json", "w") as out:
        out.write("".join(json.dumps(a) + "\n" for a in actions))


rows = make_rows()


def arrow(f):
    return pa.Table.from_pylist([dict(r, f=f) for r in rows], schema=pa.schema([(c, k[0]) for c, k in kinds.items()]))


def milliseconds(r):
    """As Arrow cuts them: towards 1970."""
    def cut(v, zero):
        return v and zero + datetime.timedelta(milliseconds=int((v - zero) / datetime.timedelta(milliseconds=1)))
    return dict(r, ts=cut(r["ts"], epoch), tn=cut(r["tn"], epoch.replace(tzinfo=None)))


def readable(path):
    subprocess.run(["chmod", "-R", "a+rX", path], check=True)


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
message = pg("INSERT INTO rs (id) VALUES (1)", check=False)
print("#", "a write to it:", message.splitlines()[0] if isinstance(message, str) else "accepted")

print(f"1..{n}")
sys.stdout.flush()
os._exit(1 if bad else 0)
