"""Latency and throughput of tables on an S3 server.

Used by bench.py; the server is SeaweedFS, started by scripts/s3-server.sh on
loopback.  Latency is that of a proxy in front of it (delay_proxy.py), which
adds 50 ms to each request and its answer.  What is compared with is one round
trip: a GET of 1 kB through the same proxy on a kept connection, taken again
after each statement that is measured, so that what else the machine does
meets both.  Setting up connections is not delayed.
"""
import atexit
import datetime
import glob
import hashlib
import hmac
import http.client
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import threading
import time

DELAY_MS = 50
ACCESS, SECRET = "bench-key", "bench-secret"
N_SUPERFILES = 64
N_DOCUMENTS = 100
here = os.path.dirname(os.path.abspath(__file__))


class S3:
    """As much of a client as the bench needs: single requests on one kept connection."""

    def __init__(self, port):
        self.host = f"127.0.0.1:{port}"
        self.connection = http.client.HTTPConnection(self.host)

    def request(self, method, key, body=b""):
        path = f"/lake/{key}"
        now = datetime.datetime.now(datetime.timezone.utc)
        date, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        digest = hashlib.sha256(body).hexdigest()
        names = "host;x-amz-content-sha256;x-amz-date"
        canonical = f"{method}\n{path}\n\nhost:{self.host}\nx-amz-content-sha256:{digest}\nx-amz-date:{date}\n\n{names}\n{digest}"
        scope = f"{day}/us-east-1/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        secret = ("AWS4" + SECRET).encode()
        for part in (day, "us-east-1", "s3", "aws4_request"):
            secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        self.connection.request(method, path, body or None, {
            "x-amz-content-sha256": digest, "x-amz-date": date,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature={signature}"})
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:300]}")
        return data


class Remote:
    """The S3 server, the proxy in front of it, and a foreign server for each: near and far."""

    def __init__(self, bench):
        self.b = bench
        folder = f"{bench.work}/s3"
        os.makedirs(folder)
        if os.environ.get("STBL_S3_ENV"):
            os.symlink(os.environ["STBL_S3_ENV"], f"{folder}/env")
        out = subprocess.run(["bash", f"{here}/../scripts/s3-server.sh", folder, ACCESS, SECRET], stdout=subprocess.PIPE, check=True, text=True)
        with open(f"{folder}/pid") as f:
            atexit.register(os.kill, int(f.read()), signal.SIGKILL)
        self.port = int(out.stdout.strip().rsplit(":", 1)[1])
        self.near = S3(self.port)
        self.make_server("near", self.port)
        bench.note(f"SeaweedFS {subprocess.run([f'{folder}/env/bin/weed', 'version'], stdout=subprocess.PIPE, text=True).stdout.split()[2]} on loopback, http")

    def start_proxy(self):
        proxy = subprocess.Popen([sys.executable, f"{here}/delay_proxy.py", str(self.port), str(DELAY_MS)], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        atexit.register(proxy.kill)
        self.far_port = int(proxy.stdout.readline())
        self.far = S3(self.far_port)
        self.make_server("far", self.far_port)
        self.near.request("PUT", "bare", b"x" * 1000)
        self.round_trip()

    def round_trip(self):
        return self.b.timed(lambda: self.far.request("GET", "bare"))

    def make_server(self, name, port):
        self.b.psql(f"CREATE SERVER {name} FOREIGN DATA WRAPPER supertable OPTIONS (url 's3://lake/bench', endpoint 'http://127.0.0.1:{port}');"
                    f"CREATE USER MAPPING FOR CURRENT_USER SERVER {name} OPTIONS (access_key_id '{ACCESS}', secret_access_key '{SECRET}')")

    def make_table(self, name):
        """One folder under two names: filled as near_x, measured as far_x."""
        for server in ("near", "far"):
            self.b.psql(f"CREATE FOREIGN TABLE {server}_{name} ({self.b.columns}) SERVER {server} OPTIONS (path '{name}')")


remote = None


def start(bench):
    global remote
    if remote is None:
        remote = Remote(bench)
    return remote


# ---- latency ----

def in_round_trips(b, name, took, bare, limit):
    took, unit = statistics.median(took), statistics.median(bare)
    r = took / unit
    b.line(name, f"supertable {b.ms(took)}", f"round trip {b.ms(unit)}", f"{r:.2f}", f"<= {limit:g}", r <= limit)


def requests(b):
    """Of all roots: nobody else is at work."""
    return int(b.value("SELECT sum(n_get + n_head + n_put + n_list) FROM supertable_stat"))


def part_latency(b):
    r = start(b)
    r.start_proxy()
    put = statistics.median([b.timed(lambda i=i: r.far.request("PUT", f"bare{i}", b"x" * 30000)) for i in range(11)])
    b.note(f"the proxy adds {DELAY_MS} ms to each request and its answer, nothing to connecting; "
           f"a round trip is a GET of 1 kB through it; a PUT of 30 kB takes {b.ms(put)}")

    r.make_table("ins")
    insert = f"INSERT INTO far_ins {b.our_rows(0, 1000)}"
    b.psql(f"INSERT INTO near_ins {b.our_rows(0, 1000)}")
    s = b.Session()
    for _ in range(2):
        s.time(insert)
    took, bare = [], []
    for _ in range(b.runs):
        took.append(s.time(insert))
        bare.append(r.round_trip())
    in_round_trips(b, "INSERT of 1,000 rows, commit included", took, bare, 2.4)

    whole, commit, bare = [], [], []
    for i in range(b.runs + 1):
        t = f"upd{i}"
        r.make_table(t)
        b.psql(f"INSERT INTO near_{t} {b.our_rows(0, 1000)}")
        s.time(f"SELECT sum(id + k), sum(v), max(t), max(at) FROM far_{t} WHERE v >= 0")
        s.time(f"SELECT sum(id + k), sum(v), max(t), max(at) FROM far_{t} WHERE v >= 0")
        steps = [s.time("BEGIN"), s.time(f"UPDATE far_{t} SET v = v + 1 WHERE id = 500"), s.time("COMMIT")]
        if i > 0:
            whole.append(sum(steps))
            commit.append(steps[2])
            bare.append(r.round_trip())
    in_round_trips(b, "UPDATE in a transaction block, warm", whole, bare, 6)
    b.note(f"of it COMMIT: {statistics.median(commit) / statistics.median(bare):.2f} round trips")
    s.close()

    cold, transfer, warm, asked, bare = [], [], [], [], []
    for i in range(b.runs):
        t = f"sel{i}"
        r.make_table(t)
        b.psql(";".join(f"INSERT INTO near_{t} {b.our_rows(j * 1000, 1000)}" for j in range(N_SUPERFILES)))
        q = f"SELECT sum(v), max(t) FROM far_{t} WHERE k >= 0"
        # the same without the proxy: transfer and processor time
        s = b.Session()
        transfer.append(s.time(q.replace("far_", "near_")))
        s.close()
        s = b.Session()
        cold.append(s.time(q) - transfer[-1])
        before = requests(b)
        warm.append(s.time(q))
        asked.append(requests(b) - before)
        s.close()
        bare.append(r.round_trip())
    b.note(f"the SELECT without the proxy, nothing cached: {b.ms(statistics.median(transfer))}; taken off in the next line")
    in_round_trips(b, f"SELECT over {N_SUPERFILES} superfiles, nothing cached", cold, bare, 8)
    n = statistics.median(asked)
    b.line("... again in that session", f"supertable {b.ms(statistics.median(warm))}", f"{n:.0f} requests", f"{statistics.median(warm) / statistics.median(bare):.2f}",
           "1 request", n <= 1)

    took, bare = [], []
    for i in range(b.runs):
        t = f"rec{i}"
        r.make_table(t)
        b.psql(";".join(f"INSERT INTO near_{t} {b.our_rows(j * 1000, 1000)}" for j in range(8)))
        s = b.Session()
        s.time(f"SELECT count(*) FROM far_{t}")
        docs = b.unfinished(N_DOCUMENTS, ["%032x" % (x * 25) for x in range(N_DOCUMENTS * 3)], f"bench/{t}/_supertable/wal/mutations")
        for key, text in docs.items():
            r.near.request("PUT", key, text.encode())
        took.append(s.time(f"SELECT * FROM supertable_recover('far_{t}')"))
        bare.append(r.round_trip())
        s.close()
        left = int(b.value(f"SELECT count(*) FROM near_{t}"))
        if left != 8000 - N_DOCUMENTS * 3:
            raise SystemExit(f"{left} rows are left of 8,000 after {N_DOCUMENTS} documents of three each")
    in_round_trips(b, f"recovery of {N_DOCUMENTS} documents", took, bare, 40)


# ---- throughput ----

class Connections:
    """The most connections to a port that are seen while a statement runs."""

    def __init__(self, port):
        self.port, self.most, self.stop = f":{port:04X}", 0, False
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.stop:
            with open("/proc/net/tcp") as f:
                n = sum(1 for l in f if l.split()[2].endswith(self.port) and l.split()[3] == "01")
            self.most = max(self.most, n)
            time.sleep(0.02)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()


def write_rows(path, n_bytes):
    """COPY BINARY of (bigint, bytea of 4,000 random bytes): nothing of it compresses."""
    with open(path, "wb") as f:
        f.write(b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0))
        for i in range(n_bytes // 4008):
            f.write(struct.pack(">hiqi", 2, 8, i, 4000) + os.urandom(4000))
        f.write(struct.pack(">h", -1))
    os.chmod(path, 0o644)


def curl(r, n, arguments):
    """Transfers by curl, n at a time."""
    config = f"{r.b.work}/curl.config"
    with open(config, "w") as f:
        f.write("\n".join(arguments))
    p = subprocess.run(["curl", "-s", "-S", "-f", "--parallel", "--parallel-immediate", "--parallel-max", str(n), "--aws-sigv4", "aws:amz:us-east-1:s3",
                        "--user", f"{ACCESS}:{SECRET}", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-K", config],
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if p.returncode != 0:
        raise SystemExit(f"curl: {p.stderr[:500]}")


def part_throughput(b):
    r = start(b)
    r.near.connection.close()
    n_bytes = int(os.environ.get("STBL_BENCH_MB", "1024")) * 1048576
    rows, files = f"{b.work}/rows.bin", f"{b.work}/files"
    write_rows(rows, n_bytes)
    os.makedirs(files)
    up, down, copy, scan = [], [], [], []
    n_up = n_down = 1
    for i in range(b.runs + 1):
        t = f"big{i}"
        b.psql(f"CREATE FOREIGN TABLE {t} (id bigint, body bytea) SERVER near OPTIONS (path '{t}')")
        # each begins with nothing left to be written to the disk by the one before
        os.sync()
        with Connections(r.port) as c:
            copied = b.times([f"COPY {t} FROM '{rows}' BINARY"])[0]
        n_up = c.most
        os.sync()
        with Connections(r.port) as c:
            scanned = b.times([f"SELECT sum(length(body)), sum(id) FROM {t} WHERE id >= 0"])[0]
        n_down = c.most
        paths = [p for p in b.value(f"SELECT path FROM supertable_files('{t}')").split()]
        url = f"http://127.0.0.1:{r.port}/lake"
        os.sync()
        got = b.timed(lambda: curl(r, n_down, [f'url = "{url}/bench/{t}/{p}"\noutput = "{files}/{p}"' for p in paths]))
        os.sync()
        put = b.timed(lambda: curl(r, n_up, [f'url = "{url}/curl/{i}/{p}"\nupload-file = "{files}/{p}"' for p in paths]))
        size = sum(os.path.getsize(f) for f in glob.glob(f"{files}/*"))
        if i > 0:
            for list_, x in ((up, put), (down, got), (copy, copied), (scan, scanned)):
                list_.append(x)
        shutil.rmtree(files)
        os.makedirs(files)
        b.value(f"SELECT supertable_drop_storage('near', '{t}')")
        for p in paths:
            r.near.request("DELETE", f"curl/{i}/{p}")
        r.near.connection.close()
        b.psql(f"DROP FOREIGN TABLE {t}")
    b.note(f"{size / 1e6:.0f} MB in {len(paths)} superfiles of (bigint, bytea of 4,000 random bytes); "
           f"most connections seen: COPY {n_up}, scan {n_down}; curl gets as many")
    b.within("COPY to S3", statistics.median(copy), statistics.median(up), f"curl -T, {n_up} at a time", 1.5)
    b.within("cold scan from S3", statistics.median(scan), statistics.median(down), f"curl, {n_down} at a time", 1.5)
