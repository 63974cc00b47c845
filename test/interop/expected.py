"""What PostgreSQL reads of our tables, and the comparison with what an engine reads."""
import datetime, decimal, math, os, subprocess, sys

lake, sock = sys.argv[1:3]
n = 0
bad = 0


def ok(cond, name, detail=""):
    global n, bad
    n += 1
    print(f"{'ok' if cond else 'not ok'} {n} - {name}")
    if not cond:
        bad += 1
        for line in str(detail).splitlines()[:20]:
            print("#", line)


def pg(query):
    out = subprocess.run([os.environ.get("STBL_BINDIR", "/usr/lib/postgresql/15/bin") + "/psql", "-XAtq", "-h", sock, "-p", "5998", "-U", "postgres", "-d", "postgres", "-F", "\x1f", "-R", "\x1e", "-c", query],
                         stdout=subprocess.PIPE, check=True, text=True).stdout.rstrip("\n")
    return [tuple(r.split("\x1f")) for r in out.split("\x1e")] if out else []


def norm(v):
    """One spelling for a value, whoever read it."""
    if v is None:
        return "~"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, float):
        return "nan" if math.isnan(v) else repr(float("%.6g" % v)) if v not in (math.inf, -math.inf) else ("inf" if v > 0 else "-inf")
    if isinstance(v, decimal.Decimal):
        s = format(v, "f")
        return (s.rstrip("0").rstrip(".") if "." in s else s).replace("-0", "0") if v == 0 else (s.rstrip("0").rstrip(".") if "." in s else s)
    if isinstance(v, datetime.datetime):
        return v.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    if isinstance(v, datetime.date):
        return v.isoformat()
    if isinstance(v, (bytes, bytearray, memoryview)):
        return "\\x" + bytes(v).hex()
    if isinstance(v, (list, tuple)):
        return "[" + ",".join(norm(x) for x in v) + "]"
    if hasattr(v, "to_list"):
        return norm(v.to_list())
    return str(v)


# PostgreSQL's own view of each column, in the same spelling.
columns = ["id", "b", "i2", "i4", "i8", "f4", "f8", "n9", "n18", "n38", "t", "vc", "c", "bin", "d", "ts", "tn", "u", "j", "jb", "tm", "ai", "at", "an"]


def pg_expr(c):
    num = lambda e: f"coalesce(CASE WHEN {e} = 0 THEN '0' ELSE rtrim(rtrim(({e})::text, '0'), '.') END, '~')"
    if c in ("n9", "n18", "n38"):
        return num(c)
    if c in ("ts",):
        return f"coalesce(to_char({c} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')"
    if c in ("tn",):
        return f"coalesce(to_char({c}, 'YYYY-MM-DD HH24:MI:SS.US'), '~')"
    if c == "d":
        return f"coalesce(to_char({c}, 'YYYY-MM-DD'), '~')"
    if c == "an":
        return "coalesce('[' || array_to_string(ARRAY(SELECT " + num("x") + " FROM unnest(an) WITH ORDINALITY o(x, k) ORDER BY k), ',') || ']', '~')" if False else \
            "CASE WHEN an IS NULL THEN '~' ELSE '[' || (SELECT coalesce(string_agg(" + num("x") + ", ',' ORDER BY k), '') FROM unnest(an) WITH ORDINALITY o(x, k)) || ']' END"
    if c in ("ai", "at"):
        return f"CASE WHEN {c} IS NULL THEN '~' ELSE '[' || (SELECT coalesce(string_agg(coalesce(x::text, '~'), ',' ORDER BY k), '') FROM unnest({c}) WITH ORDINALITY o(x, k)) || ']' END"
    if c == "c":
        return "coalesce(CASE WHEN c IS NULL THEN NULL ELSE rpad(c::text, 5) END, '~')"
    return f"coalesce({c}::text, '~')"


floats = {"f4", "f8"}
want = pg("SELECT " + ", ".join(pg_expr(c) for c in columns) + " FROM kinds ORDER BY id")
want = [tuple(norm(float(v)) if columns[i] in floats and v != "~" else v for i, v in enumerate(r)) for r in want]


def check(name, rows):
    rows = [tuple(norm(v) for v in r) for r in rows]
    diff = [(columns[i], a[0], a[i], b[i]) for a, b in zip(want, rows) for i in range(len(columns)) if a[i] != b[i]]
    ok(len(rows) == len(want), f"{name}: kinds has {len(want)} rows", f"got {len(rows)}")
    ok(not diff, f"{name}: kinds is equal in every value", "\n".join(map(str, diff)))


agg = pg("SELECT count(*), sum(id), sum(k), round(sum(v)::numeric, 2), count(DISTINCT t) FROM many")[0]


def check_many(name, row):
    got = (str(row[0]), str(int(row[1])), str(int(row[2])), "%.2f" % row[3], str(row[4]))
    ok(got == agg, f"{name}: many, aggregates over several superfiles and a vector file", f"{got} for {agg}")


# Columns in every encoding that we write.
enc_columns = "id i4 d ts n9 n18 seldom k word t bin v r b ai".split()


def enc_expr(c):
    if c in ("v", "r"):
        return f"coalesce(({c}::float8)::text, '~')"
    if c == "ai":
        return "CASE WHEN ai IS NULL THEN '~' ELSE '[' || array_to_string(ai, ',', '~') || ']' END"
    return pg_expr(c)


enc_want = [tuple(norm(float(v)) if enc_columns[i] in ("v", "r") and v != "~" else v for i, v in enumerate(r))
            for r in pg("SELECT " + ", ".join(enc_expr(c) for c in enc_columns) + " FROM encoded ORDER BY id")]


def check_encoded(name, rows):
    rows = [tuple(norm(v) for v in r) for r in rows]
    diff = [(enc_columns[i], a[0], a[i], b[i]) for a, b in zip(enc_want, rows) for i in range(len(enc_columns)) if a[i] != b[i]]
    ok(len(rows) == len(enc_want) == 49950 and not diff, f"{name}: every encoding that we write is equal in every value", f"{len(rows)} rows\n" + "\n".join(map(str, diff)))


# Filters that the page index of our files helps with: pages of 16384 rows.
paged = ["id BETWEEN 16000 AND 16500", "id > 49990", "id < 3 OR id = 16385", "i4 < 1999900000 AND id < 40000", "word = 'word 3' AND id < 500", "t < '0005'",
         "v > 0.9999 AND id BETWEEN 20000 AND 21000", "k = 7 AND id > 40000", "seldom = 16400", "seldom IS NULL AND id > 49900", "n9 BETWEEN 300 AND 301", "r < 20 AND id < 1000", "b AND id < 10"]
paged_query = "SELECT count(*), coalesce(sum(id), 0) FROM {} WHERE {}"
paged_want = [pg(paged_query.format("encoded", p))[0] for p in paged]


def check_paged(name, run):
    """run: the one row of a query on a table to be named."""
    got = [tuple(str(int(x)) for x in run(p)) for p in paged]
    bad = [(p, a, b) for p, a, b in zip(paged, got, paged_want) if a != b]
    ok(not bad and any(int(a) for a, _ in paged_want), f"{name}: filters find the rows that pages of ours hold", "\n".join(map(str, bad)))


# Columns that came later read as NULL in older files; what was truncated is gone.
wider = [("1", "one", "11", "~", "~"), ("2", "two", "~", "~", "~"), ("3", "three", "33", "2026-01-02 03:04:05.678901", "~"), ("4", "four", "~", "~", "[a,b]")]


def check_wider(name, rows):
    got = [tuple(norm(v) for v in r) for r in rows]
    ok(got == wider, f"{name}: wider has its new columns", got)


def finish():
    print(f"1..{n}")
    # Without the libraries' own teardown: one of them now and then aborts in it.
    sys.stdout.flush()
    os._exit(1 if bad else 0)
