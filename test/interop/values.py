"""Rows of every type for other engines to write, and what PostgreSQL makes of the files."""
import datetime, decimal, math, os, struct, subprocess, sys

import pyarrow as pa

lake, sock = sys.argv[1:3]
n = 0
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


rows = make_rows()


def arrow(f):
    return pa.Table.from_pylist([dict(r, f=f) for r in rows], schema=pa.schema([(c, k[0]) for c, k in kinds.items()]))


def nan(v):
    return v is not None and math.isnan(v)


# Filters that statistics may decide, and what they mean: NaN is above all numbers, text is in the order of its bytes.
filters = {
    "f8 > 1e300": lambda r: r["f8"] is not None and (nan(r["f8"]) or r["f8"] > 1e300),
    "f8 < 0": lambda r: r["f8"] is not None and r["f8"] < 0,
    "f8 >= '-0'": lambda r: r["f8"] is not None and (nan(r["f8"]) or r["f8"] >= 0),
    "f4 = 'NaN'": lambda r: nan(r["f4"]),
    "f4 = '-Infinity'": lambda r: r["f4"] == -math.inf,
    "i8 = 9223372036854775807": lambda r: r["i8"] == 2**63 - 1,
    "i2 BETWEEN -400 AND 400": lambda r: r["i2"] is not None and -400 <= r["i2"] <= 400,
    "seq < 1000000000100": lambda r: r["seq"] < 10**12 + 100,
    "n9 = -9999999.99": lambda r: r["n9"] == D("-9999999.99"),
    "n18 > 999999999999": lambda r: r["n18"] is not None and r["n18"] > D("999999999999"),
    "n38 < -9999999999999999999999999999": lambda r: r["n38"] is not None and r["n38"] < -D("9" * 28),
    "t = repeat('x', 70000)": lambda r: r["t"] == "x" * 70000,
    "t > repeat('x', 69999)": lambda r: r["t"] is not None and r["t"] > "x" * 69999,
    "t < 'https://example.org/1/'": lambda r: r["t"] is not None and r["t"] < "https://example.org/1/",
    "s = 'word 15'": lambda r: r["s"] == "word 15",
    "s IS NULL": lambda r: r["s"] is None,
    "bin > '\\xff'": lambda r: r["bin"] is not None and bytes(r["bin"]) > b"\xff",
    "d >= '2070-01-01'": lambda r: r["d"] is not None and r["d"] >= datetime.date(2070, 1, 1),
    "ts < '1945-01-01 UTC'": lambda r: r["ts"] is not None and r["ts"] < datetime.datetime(1945, 1, 1, tzinfo=UTC),
    "tn > '2001-01-01'": lambda r: r["tn"] is not None and r["tn"].replace(tzinfo=None) > datetime.datetime(2001, 1, 1),
    "b": lambda r: r["b"] is True,
    "NOT b AND li IS NULL": lambda r: r["b"] is False and r["li"] is None,
}
bounds = {"i2": "int", "i8": "int", "seq": "int", "n9": "num", "d": "date", "s": "text", "id": "int"}


def check_filters(name, want, times=1):
    """Counts by each filter, least and greatest values; want is repeated so many times."""
    got = pg("SELECT " + ", ".join(f"(SELECT count(*) FROM {name} WHERE {f})" for f in filters))[0]
    expected = [str(times * sum(1 for r in want if p(r))) for p in filters.values()]
    diff = [(f, a, b) for f, a, b in zip(filters, expected, got) if a != b]
    ok(not diff and "0" not in expected, f"{name}: {len(filters)} filters that statistics may decide", diff or expected)
    got = [v for c in bounds for v in pg(f"SELECT min({c}), max({c}) FROM {name}")[0]]
    expected = [str(f(r[c] for r in want if r[c] is not None)) for c in bounds for f in (min, max)]
    ok(got == expected, f"{name}: least and greatest values", f"{got}\n{expected}")


def milliseconds(r):
    """As Arrow cuts them: towards 1970."""
    def cut(v, zero):
        return v and zero + datetime.timedelta(milliseconds=int((v - zero) / datetime.timedelta(milliseconds=1)))
    return dict(r, ts=cut(r["ts"], epoch), tn=cut(r["tn"], epoch.replace(tzinfo=None)))


def readable(path):
    subprocess.run(["chmod", "-R", "a+rX", path], check=True)


def done():
    print(f"1..{n}")
    # Without the libraries' own teardown: one of them now and then aborts in it.
    sys.stdout.flush()
    os._exit(1 if bad else 0)
