"""
Tables that Spark writes, with each of its Parquet formats, read by PostgreSQL.
Slow to start: run by a flag.  Prints TAP.
"""
import os

import pyarrow.parquet as pq
from sparksession import spark
from values import arrow, check, check_filters, done, lake, readable, rows, table

others = f"{lake}/others"
os.makedirs(others, exist_ok=True)

def cut(r):
    """Timestamps in milliseconds; those without zone are in microseconds whatever is asked."""
    return dict(r, ts=r["ts"] and r["ts"].replace(microsecond=r["ts"].microsecond // 1000 * 1000))


# ---- Spark writes ----

pq.write_table(arrow("spark"), f"{lake}/source.parquet")
source = spark.read.parquet(f"{lake}/source.parquet")
formats = {"int96_snappy": {}, "micros_zstd": {"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS", "spark.sql.parquet.compression.codec": "zstd"},
           "millis_gzip": {"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MILLIS", "spark.sql.parquet.compression.codec": "gzip"},
           "legacy_none": {"spark.sql.parquet.writeLegacyFormat": "true", "spark.sql.parquet.compression.codec": "none"},
           "lz4_raw": {"spark.sql.parquet.compression.codec": "lz4_raw"}}
for version in ("PARQUET_1_0", "PARQUET_2_0"):
    for dictionary in ("true", "false"):
        for name, conf in formats.items():
            t = f"spark_{name}_{version[-3]}_{dictionary}".lower()
            for k, v in conf.items():
                spark.conf.set(k, v)
            (source.coalesce(1).write.format("delta").option("parquet.writer.version", version).option("parquet.enable.dictionary", dictionary)
             .option("parquet.page.size", "4000").option("parquet.page.row.count.limit", "300").save(f"{others}/{t}"))
            for k in conf:
                spark.conf.unset(k)
            readable(others)
            table(t)
            check(t, None, [cut(r) for r in rows] if "millis" in t else rows)
            if dictionary == "true":
                check_filters(t, rows)

path = f"{others}/spark_vectors"
source.repartition(3).write.format("delta").option("delta.enableDeletionVectors", "true").save(path)
spark.sql(f"DELETE FROM delta.`{path}` WHERE id % 7 = 3")
spark.sql(f"UPDATE delta.`{path}` SET s = 'updated' WHERE id % 100 = 1")
readable(others)
table("spark_vectors")
want = [dict(r, s="updated" if r["id"] % 100 == 1 else r["s"]) for r in rows if r["id"] % 7 != 3]
check("spark_vectors", None, want)
check_filters("spark_vectors", want)

done()
