"""
Our tables, read by Spark: every row, each version, the history.
Slow to start: run by a flag.  Prints TAP.
"""
import pyarrow as pa
import pyarrow.parquet as pq
from expected import check, check_encoded, check_many, check_paged, check_wider, columns, enc_columns, finish, lake, ok, paged_query, pg
from sparksession import spark


def rows(path, select, order="ORDER BY id"):
    return [tuple(r) for r in spark.sql(f"SELECT {select} FROM delta.`{lake}/{path}` {order}").collect()]


def quoted(names):
    return ", ".join(f"`{c}`" for c in names)


check("Spark", rows("kinds", quoted(columns)))
check_many("Spark", rows("sub/many", "count(*), sum(id), sum(k), sum(v), count(DISTINCT t)", "")[0])
check_encoded("Spark", rows("encoded", quoted(enc_columns)))
spark.conf.set("spark.sql.parquet.enableVectorizedReader", "false")
check_encoded("Spark, row by row", rows("encoded", quoted(enc_columns)))
check_paged("Spark, row by row", lambda where: spark.sql(paged_query.format(f"delta.`{lake}/encoded`", where)).collect()[0])
spark.conf.unset("spark.sql.parquet.enableVectorizedReader")
check_paged("Spark", lambda where: spark.sql(paged_query.format(f"delta.`{lake}/encoded`", where)).collect()[0])
check_wider("Spark", rows("wider", "id, t, n, `at`, tags"))

# the encoding that we do not write for the sake of this reader; once it reads it we might
split = f"{lake}/split.parquet"
pq.write_table(pa.table({"v": [i / 7 for i in range(1000)]}), split, use_dictionary=False, column_encoding={"v": "BYTE_STREAM_SPLIT"})
try:
    said = spark.read.parquet(split).selectExpr("sum(v)").collect()
except Exception as e:
    said = str(e)
ok("Unsupported encoding: BYTE_STREAM_SPLIT" in said, "Spark: its vectorized reader does not read BYTE_STREAM_SPLIT", said)

# each version of a table, and what it held
for version, want in enumerate([[], [(1, "one")], [(1, "one"), (2, "two"), (3, "three")], [(1, "one"), (2, "TWO"), (3, "three")], [(2, "TWO"), (3, "three")], [], [(4, "four")]]):
    df = spark.read.format("delta").option("versionAsOf", version).load(f"{lake}/travel")
    got = sorted(tuple(r) for r in df.select("id", "t").collect())
    ok(got == want, f"Spark: version {version} as it was", got)

history = spark.sql(f"DESCRIBE HISTORY delta.`{lake}/travel`").select("version", "timestamp", "operation").orderBy("version").collect()
ours = pg("SELECT version, operation FROM supertable_history('travel') ORDER BY version, wal_id")
ok([r["version"] for r in history] == list(range(7)), "Spark: the history has every version", history)
ok(all(a["timestamp"] <= b["timestamp"] for a, b in zip(history, history[1:])), "Spark: ... in the order of their times", history)
ok({int(v) for v, _ in ours} <= {r["version"] for r in history} and all(r["operation"] for r in history), "Spark: ... with operations, those of supertable_history() among them", f"{history}\n{ours}")
finish()
