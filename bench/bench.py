"""Measures one table in a supertable and in what it is compared with.

	bench.py WORKDIR ROWS RUNS [PART ...]

Called by run.sh, which has started the server.  Each figure is the median of
RUNS; both sides take turns, so that what else the machine does meets both.
"""
import datetime
import glob
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import time

work, n_rows, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
only = sys.argv[4:]
lake = f"{work}/lake"
columns = "id bigint, at timestamptz, k int, v double precision, t text"


# ---- the server ----

def psql(script, check=True):
    p = subprocess.run(["psql", "-XAtq", "-h", work, "-p", "5996", "-U", "postgres", "-d", "postgres", "-v", "ON_ERROR_STOP=1"],
                       input=script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if p.returncode != 0 and check:
        raise SystemExit(f"psql failed: {p.stderr}\n{script[:2000]}")
    return p.stdout


def value(query):
    return psql(query).strip()


def times(statements, setup=""):
    """Milliseconds of each statement, in one session; setup is not timed."""
    out = psql(setup + "\n\\o /dev/null\n\\timing on\n" + "".join(s.rstrip("; \n") + ";\n" for s in statements))
    return [float(x) for x in re.findall(r"^Time: ([0-9.]+) ms", out, re.M)]


class Session:
    """One session for statements that are timed one by one: as warm as a process of the other side."""

    def __init__(self):
        self.p = subprocess.Popen(["psql", "-XAtq", "-h", work, "-p", "5996", "-U", "postgres", "-d", "postgres", "-v", "ON_ERROR_STOP=1"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.p.stdin.write("\\o /dev/null\n\\timing on\n")

    def time(self, statement):
        self.p.stdin.write(statement.rstrip("; \n") + ";\n\\echo done\n")
        self.p.stdin.flush()
        ms = None
        for out in self.p.stdout:
            if out == "done\n":
                return ms
            if out.startswith("Time: "):
                ms = float(out.split()[1])
        raise SystemExit(f"psql failed at {statement}")

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def medians(ours, theirs, setup=""):
    """Two statements, or lists of one for each run, in turns; each once untimed first if it may be repeated."""
    turns = []
    if isinstance(ours, str):
        turns = [theirs, ours]
        ours, theirs = [ours] * runs, [theirs] * runs
    skip = len(turns)
    for a, b in zip(ours, theirs):
        turns += [b, a]
    t = times(turns, setup)[skip:]
    return statistics.median(t[1::2]), statistics.median(t[0::2])


def timed(fn):
    t0 = time.perf_counter()
    fn()
    return (time.perf_counter() - t0) * 1000


# ---- the report ----

def ms(x):
    return f"{x / 1000:.3f} s" if x >= 1000 else f"{x:.2f} ms"


def line(name, ours, theirs, ratio, target, met):
    met = met if isinstance(met, str) else "met" if met else "not met"
    print(f"{name:44} | {ours:>24} | {theirs:>24} | {ratio:>8} | {target:>9} | {met}", flush=True)


def faster(name, ours, theirs, other, target):
    """How many times faster we are than the other."""
    r = theirs / ours
    line(name, f"supertable {ms(ours)}", f"{other} {ms(theirs)}", f"{r:.2f}x", f">= {target}x", r >= target)


def within(name, ours, theirs, what, target, us="supertable"):
    """What we take, as a multiple of the other."""
    r = ours / theirs
    line(name, f"{us} {ms(ours)}", f"{what} {ms(theirs)}", f"{r:.2f}", f"<= {target}", r <= target)


def note(text):
    print(f"# {text}", flush=True)


# ---- tables ----

def make_foreign(name, path=None):
    psql(f"CREATE FOREIGN TABLE {name} ({columns}) SERVER lake OPTIONS (path '{path or name}')")


def drop_foreign(name):
    psql(f"DROP FOREIGN TABLE {name}")
    shutil.rmtree(f"{lake}/{name}", ignore_errors=True)


def superfiles(name):
    return [f"{lake}/{name}/{p}" for p in value(f"SELECT path FROM supertable_files('{name}')").split()]


def write_csv():
    path = f"{work}/rows.csv"
    if not os.path.exists(path):
        psql(f"""SELECT setseed(0.5);
COPY (SELECT i, timestamptz '2024-01-01' + i * interval '1 s' + trunc(random() * 1000000) * interval '1 us',
	trunc(random() * 1000)::int, random(),
	lpad(to_hex((random() * 4294967295)::bigint), 8, '0') || lpad(to_hex((random() * 4294967295)::bigint), 8, '0') || lpad((i % 10000)::text, 4, '0')
	FROM generate_series(1, {n_rows}) i) TO '{path}' CSV""")
    return path


def load_tables():
    """heap and events, loaded once."""
    if value("SELECT to_regclass('heap') IS NULL") == "f":
        return
    csv = write_csv()
    make_foreign("events")
    psql(f"CREATE TABLE heap ({columns}); COPY heap FROM '{csv}' CSV; COPY events FROM '{csv}' CSV")
    psql("VACUUM (ANALYZE) heap")
    note(f"heap {value('SELECT pg_size_pretty(pg_table_size($$heap$$))')}; supertable "
         + value("SELECT count(*) || ' superfiles, ' || pg_size_pretty(sum(bytes)) FROM supertable_files('events')"))


queries = {
    "count(*)": ("SELECT count(*) FROM {}", 50),
    "sum(v)": ("SELECT sum(v) FROM {}", 3),
    "sum(v) WHERE k = 7": ("SELECT sum(v) FROM {} WHERE k = 7", 3),
    "sum(v) GROUP BY k": ("SELECT k, sum(v) FROM {} GROUP BY k", 3),
    "sum(v), 1 % by a range of at": (
        "SELECT sum(v) FROM {} WHERE \"at\" >= timestamptz '2024-01-01 00:00:00Z' + interval '" + str(n_rows // 2) + " s'"
        " AND \"at\" < timestamptz '2024-01-01 00:00:00Z' + interval '" + str(n_rows // 2 + n_rows // 100) + " s'", 10),
}


def same(a, b):
    try:
        return abs(float(a) - float(b)) <= 1e-9 * max(1, abs(float(a)), abs(float(b)))
    except (TypeError, ValueError):
        return a == b


def check_equal(name, a, b):
    a, b = sorted(a), sorted(b)
    if len(a) != len(b) or not all(same(x, y) for r, s in zip(a, b) for x, y in zip(r, s)):
        raise SystemExit(f"{name}: the two sides differ")


def rows_of(query):
    return [tuple(float(x) for x in r.split("|")) for r in value(query).split("\n")]


# ---- parts ----

def part_load():
    csv = write_csv()
    ours, theirs = [], []
    for i in range(runs):
        psql(f"CREATE TABLE load_heap ({columns})")
        theirs += times([f"COPY load_heap FROM '{csv}' CSV"])
        psql("DROP TABLE load_heap; CHECKPOINT")
        make_foreign("load_lake")
        ours += times([f"COPY load_lake FROM '{csv}' CSV"])
        drop_foreign("load_lake")
    a, b = statistics.median(ours), statistics.median(theirs)
    faster(f"COPY FROM, {n_rows} rows", a, b, "heap", 1.0)
    note(f"a row: supertable {a / n_rows * 1e6:.0f} ns, heap {b / n_rows * 1e6:.0f} ns")


def part_select():
    load_tables()
    for name, (q, target) in queries.items():
        check_equal(name, rows_of(q.format("events")), rows_of(q.format("heap")))
        faster(name, *medians(q.format("events"), q.format("heap")), "heap", target)


def part_duckdb():
    import duckdb
    load_tables()
    duck = duckdb.connect()
    duck.execute("SET threads = 1; SET TimeZone = 'UTC'")
    files = "read_parquet([" + ", ".join(f"'{f}'" for f in superfiles("events")) + "])"
    note(f"DuckDB {duckdb.__version__}, 1 thread, reading the superfiles themselves")
    for name, (q, _) in queries.items():
        theirs = q.format(files)
        check_equal(name, rows_of(q.format("events")), duck.execute(theirs).fetchall())
        t, o = [], []
        for _ in range(runs):
            t.append(timed(lambda: duck.execute(theirs).fetchall()))
            o.append(times([q.format("events")] * 2)[1])
        within(f"{name}, against DuckDB", statistics.median(o), statistics.median(t), "DuckDB", 4)


def part_size():
    load_tables()
    ours = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(f"{lake}/events") for f in fs)
    theirs = int(value("SELECT pg_table_size('heap')"))
    line("bytes on disk, log included", f"supertable {ours / 1e6:.1f} MB", f"heap {theirs / 1e6:.1f} MB", f"{ours / theirs:.3f}",
         "<= 0.333", ours * 3 <= theirs)


def part_parallel():
    load_tables()
    q = "SELECT count(*) FROM events WHERE (k + id) % 1000 = 7"
    on = "SET max_parallel_workers_per_gather = 1"
    name = "leader plus one worker, executor's filter"
    if "Gather" not in psql(f"{on}; EXPLAIN {q}"):
        line(name, "no parallel plan", "serial", "-", ">= 1.6x", False)
        return
    t = times([q, f"{on}", q] + ["SET max_parallel_workers_per_gather = 0", q, on, q] * runs)[3:]
    ours, theirs = statistics.median(t[3::4]), statistics.median(t[1::4])
    r = theirs / ours
    line(name, f"parallel {ms(ours)}", f"serial {ms(theirs)}", f"{r:.2f}x", ">= 1.6x", r >= 1.6)


def part_dml():
    load_tables()
    # Rows all over the table.  There was no checkpoint since the load, so heap writes no page images.
    where = lambda i: f"k >= {i * 10} AND k < {i * 10 + 10}"
    o, t = medians([f"UPDATE events SET v = v + 1 WHERE {where(i)}" for i in range(runs)],
                   [f"UPDATE heap SET v = v + 1 WHERE {where(i)}" for i in range(runs)])
    faster("UPDATE of 1 %", o, t, "heap", 1.0)
    o, t = medians([f"DELETE FROM events WHERE {where(i + 20)}" for i in range(runs)],
                   [f"DELETE FROM heap WHERE {where(i + 20)}" for i in range(runs)])
    faster("DELETE of 1 %", o, t, "heap", 1.0)
    q = "SELECT count(*), sum(id), sum(k) FROM {}"
    check_equal("after DML", rows_of(q.format("events")), rows_of(q.format("heap")))


# ---- infino ----

def arrow_rows(first, n, schema):
    import pyarrow as pa
    base = 1704067200000000
    return pa.table({
        "id": pa.array(range(first, first + n), pa.int64()),
        "at": pa.array([base + i * 1000000 + random.randrange(1000000) for i in range(first, first + n)], pa.timestamp("us", tz="UTC")),
        "k": pa.array([random.randrange(1000) for _ in range(n)], pa.int32()),
        "v": pa.array([random.random() for _ in range(n)], pa.float64()),
        "t": pa.array(["%016x%04d" % (random.getrandbits(64), i % 10000) for i in range(first, first + n)], pa.large_utf8()),
    }, schema=schema)


def infino_table(name):
    import infino
    import pyarrow as pa
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
                        pa.field("k", pa.int32(), nullable=False), pa.field("v", pa.float64(), nullable=False),
                        pa.field("t", pa.large_utf8(), nullable=False)])
    root = f"{lake}/infino_{name}"
    db = infino.connect(root)
    return db, db.create_table("t", schema, infino.IndexSpec()), schema, root


def our_rows(first, n):
    return (f"SELECT i, timestamptz '2024-01-01' + i * interval '1 s' + trunc(random() * 1000000) * interval '1 us', trunc(random() * 1000)::int, "
            f"random(), lpad(to_hex((random() * 4294967295)::bigint), 8, '0') || lpad(to_hex((random() * 4294967295)::bigint), 8, '0') || lpad((i % 10000)::text, 4, '0') "
            f"FROM generate_series({first}::bigint, {first + n - 1}) i")


def eight_files(name):
    """800,000 rows in 8 files on both sides."""
    db, table, schema, root = infino_table(name)
    make_foreign(name)
    for i in range(8):
        table.append(arrow_rows(i * 100000, 100000, schema))
        psql(f"INSERT INTO {name} {our_rows(i * 100000, 100000)}")
    return db, table, schema, root


def infino_version():
    from importlib.metadata import version
    return version("infino")


def part_infino():
    db, table, schema, root = eight_files("dml8")
    note(f"infino {infino_version()}, in this process, no fsync; ours durable; 800,000 rows in 8 files")
    psql(f"CREATE TABLE stage ({columns})")
    session = Session()
    results = {"append": ([], []), "DELETE": ([], []), "UPDATE": ([], [])}
    for i in range(runs + 1):
        first = 1000000 + i * 10000
        batch = arrow_rows(first, 10000, schema)
        psql(f"TRUNCATE stage; INSERT INTO stage {our_rows(first, 10000)}")
        a, b = i * 20000, i * 20000 + 10000
        fresh = arrow_rows(2000000 + i * 10000, 10000, schema)
        steps = (
            ("append", lambda: table.append(batch), "INSERT INTO dml8 SELECT * FROM stage"),
            ("DELETE", lambda: table.delete(f"id >= {a} and id < {b}"), f"DELETE FROM dml8 WHERE id >= {a} AND id < {b}"),
            ("UPDATE", lambda: table.update(f"id >= {a + 400000} and id < {b + 400000}", fresh),
             f"UPDATE dml8 SET id = id + 3000000, k = k + 1, v = v + 1 WHERE id >= {a + 400000} AND id < {b + 400000}"),
        )
        for what, theirs, ours in steps:
            t = timed(theirs)
            o = session.time(ours)
            if i > 0:
                results[what][0].append(o)
                results[what][1].append(t)
    session.close()
    for what, (o, t) in results.items():
        faster(f"{what} of 10,000 rows", statistics.median(o), statistics.median(t), "infino", 1.0)
    theirs = db.query_sql("SELECT count(*) FROM t").to_pydict()
    check_equal("rows after it", [tuple(map(float, (value("SELECT count(*) FROM dml8"),)))], [tuple(float(v[0]) for v in theirs.values())])
    drop_foreign("dml8")
    psql("DROP TABLE stage")
    shutil.rmtree(root)


def part_commits():
    sizes = (10, 200)
    n = max(runs, 11)
    theirs, tables, roots = {}, {}, []
    for files in sizes:
        db, table, schema, root = infino_table(f"commits{files}")
        make_foreign(f"commits{files}")
        for i in range(files):
            table.append(arrow_rows(i * 100, 100, schema))
        psql("SET supertable.fsync = off;" + ";".join(f"INSERT INTO commits{files} {our_rows(i * 100, 100)}" for i in range(files)))
        theirs[files], tables[files] = [], (table, schema, db)
        roots.append(root)
    for i in range(n):
        for files in sizes:
            table, schema, _ = tables[files]
            row = arrow_rows(1000000 + i, 1, schema)
            theirs[files].append(timed(lambda: table.append(row)))
    turns = times([f"INSERT INTO commits{files} VALUES ({1000000 + i}, now(), 1, 0.5, 'one')" for i in range(n) for files in sizes],
                  "".join(f"SELECT count(*) FROM commits{files};" for files in sizes))
    ours = {files: statistics.median(turns[k::len(sizes)]) for k, files in enumerate(sizes)}
    note(f"infino {infino_version()}, no fsync; medians of {n} commits, each one superfile more, the two tables of a side in turns")
    faster("one-row commit at 10 superfiles", ours[10], statistics.median(theirs[10]), "infino", 1)
    faster("one-row commit at 200 superfiles", ours[200], statistics.median(theirs[200]), "infino", 10)
    within("one-row commit, 200 superfiles against 10", ours[200], ours[10], "at 10", 1.2, "at 200")
    for files in sizes:
        drop_foreign(f"commits{files}")
    for root in roots:
        shutil.rmtree(root)


def unfinished(n, targets, prefix):
    """DELETE documents of three targets each, asked for and not carried out."""
    docs = {}
    for i in range(n):
        wal_id = "%016x%016x" % (int(time.time() * 1000) - 3600000, (random.getrandbits(40) << 24) | i)
        ids = targets[i * 3:i * 3 + 3]
        docs[f"{prefix}/{wal_id}.json"] = json.dumps({
            "wal_id": wal_id, "schema_version": 1, "op_kind": "DELETE", "state": "INTENT",
            "created_at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z",
            "lease": None, "predicate_repr": "bench", "target_ids": ids, "new_row_count": None, "new_row_content_hash": None,
            "schema_id": None, "preallocated_superfile_id": None, "minted_id_spans": [],
            "tombstone_progress": [{"target_id": t, "outcome": "PENDING", "tombstoned_in_superfile": None} for t in ids]}, separators=(",", ":"))
    return docs


def put_documents(docs, owner=None):
    for path, text in docs.items():
        with open(path, "w") as f:
            f.write(text)
        if owner is not None:
            shutil.chown(path, owner, owner)


def part_recovery():
    import infino
    n = 300
    db, table, schema, root = eight_files("rec8")
    (mutations,) = [p + "/wal/mutations" for p in glob.glob(f"{root}/t-*")]
    os.makedirs(mutations, exist_ok=True)
    # Made by a transaction of the table, which has a document.
    psql("BEGIN; DELETE FROM rec8 WHERE id = 799999; COMMIT")
    ours, theirs = [], []
    note(f"infino {infino_version()} recovers when it opens a table: its figure is that time less an open with nothing to do")
    for i in range(runs):
        first, last = i * 20000, i * 20000 + n * 3
        got = db.query_sql(f"SELECT _id FROM t WHERE id >= {first} AND id < {last} ORDER BY id").to_pydict()["_id"]
        idle = timed(lambda: infino.connect(root).open_table("t"))
        put_documents(unfinished(n, ["%032x" % int(x) for x in got], mutations))
        theirs.append(timed(lambda: infino.connect(root).open_table("t")) - idle)
        db = infino.connect(root)
        left = db.query_sql(f"SELECT count(*) AS n FROM t WHERE id >= {first} AND id < {last}").to_pydict()["n"][0]
        if left != 0:
            raise SystemExit(f"infino left {left} of {n * 3} rows")
        # Row ids are in the order of loading: 100,000 a file, the first row 0.
        put_documents(unfinished(n, ["%032x" % x for x in range(first, last)], f"{lake}/rec8/_supertable/wal/mutations"), "postgres")
        ours += times(["SELECT * FROM supertable_recover('rec8')"], "\\o /dev/null\nSELECT count(*) FROM rec8;")
        left = int(value(f"SELECT count(*) FROM rec8 WHERE id >= {first} AND id < {last}"))
        if left != 0:
            raise SystemExit(f"we left {left} of {n * 3} rows")
    faster(f"recovery of {n} unfinished documents", statistics.median(ours), statistics.median(theirs), "infino", 10)
    drop_foreign("rec8")
    shutil.rmtree(root)


# ---- many superfiles ----

def part_files():
    n = 10000
    commits = [f"INSERT INTO {{}} VALUES ({i}, now(), 1, 0.5, 'one')" for i in range(100000, 100000 + 5 * runs)]
    make_foreign("few")
    make_foreign("many")
    psql("SET supertable.fsync = off;" + ";".join(f"INSERT INTO few {our_rows(i * 10, 10)}" for i in range(10)))
    t0 = time.perf_counter()
    psql("SET supertable.fsync = off;" + ";".join(f"INSERT INTO many VALUES ({i}, now(), 1, 0.5, 'one')" for i in range(n)))
    note(f"{value('SELECT count(*) FROM supertable_files($$many$$)')} superfiles made by as many commits in {time.perf_counter() - t0:.0f} s (not forced to disk)")
    plan = psql("SELECT count(*) FROM many;\n" + "EXPLAIN (SUMMARY) SELECT sum(v) FROM many WHERE k = 7;\n" * (runs + 1))
    planning = statistics.median([float(x) for x in re.findall(r"Planning Time: ([0-9.]+) ms", plan)][1:])
    line("planning at 10,000 superfiles, warm", f"supertable {planning:.2f} ms", "", "", "<= 100 ms", planning <= 100)
    turns = [s for c in commits for s in (c.format("few"), c.format("many"))]
    t = times(["SELECT count(*) FROM many", "SELECT count(*) FROM few"] + turns, "SET supertable.checkpoint_interval = 0;")[2:]
    within("one-row commit, 10,000 superfiles against 10", statistics.median(t[1::2]), statistics.median(t[0::2]), "at 10", 1.2, "at 10,000")
    t = times([commits[0].format("many")] * (runs + 1), "SET supertable.checkpoint_interval = 1; SELECT count(*) FROM many;")[1:]
    note(f"a commit that writes a checkpoint as well: {ms(statistics.median(t))}; by default every 100th")
    drop_foreign("few")
    drop_foreign("many")


# ---- a store that is far away ----

def part_latency():
    import remote
    remote.part_latency(sys.modules[__name__])


def part_throughput():
    import remote
    remote.part_throughput(sys.modules[__name__])


def header():
    cpu = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    note(f"{cpu}, {os.cpu_count()} cores, Linux {platform.release()}, {datetime.date.today()}")
    note(value("SELECT version()"))
    show = lambda *names: ", ".join(f"{n} {value('SHOW ' + n)}" for n in names)
    note("heap: logged table; " + show("fsync", "synchronous_commit", "wal_level", "wal_compression", "full_page_writes", "shared_buffers", "max_wal_size"))
    psql(f"CREATE EXTENSION supertable; CREATE SERVER lake FOREIGN DATA WRAPPER supertable OPTIONS (url 'file://{lake}')")
    note("supertable: a directory on the same disk; "
         + psql("LOAD 'supertable'; SELECT string_agg(name || ' ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings "
                "WHERE name IN ('supertable.fsync', 'supertable.compression', 'supertable.row_group_rows', 'supertable.superfile_size')").strip())
    note("serial, warm, jit off, autovacuum off; median of " + str(runs))
    line("what", "ours", "theirs", "ratio", "target", "verdict")


parts = ["load", "select", "duckdb", "size", "parallel", "dml", "infino", "commits", "recovery", "files", "latency", "throughput"]
header()
for part in parts:
    if not only or part in only:
        globals()["part_" + part]()
