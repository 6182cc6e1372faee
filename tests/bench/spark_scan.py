"""What Spark is measured with: scan, join with a shuffle, partitioned write, each in turns on several base addresses. Arguments: rounds to warm up, rounds, rows, results, pids, addresses."""
import json
import os
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

warm, rounds, rows, results, pids, bases = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5].split(","), sys.argv[6:]
spark = SparkSession.builder.appName("bench").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
spark.conf.set("spark.sql.shuffle.partitions", "4")
facts = spark.range(0, rows, 1, 4).select("id", (F.col("id") % 1000).alias("key"), F.rand(7).alias("x"), F.sha2(F.col("id").cast("string"), 256).alias("text"))
keys = spark.range(0, 1000, 1, 1).select(F.col("id").alias("key"), F.concat(F.lit("k"), F.col("id")).alias("label"))
java = spark.sparkContext._gateway.jvm.java.lang
driver = str(java.ProcessHandle.current().pid())


def scan(base):
    return spark.read.parquet(f"{base}/facts").agg(F.sum("x"), F.max("text"), F.count("*")).first()[2]


def join(base):
    joined = spark.read.parquet(f"{base}/facts").join(spark.read.parquet(f"{base}/keys"), "key").groupBy("label").agg(F.sum("x").alias("s"), F.max("text").alias("t"))
    return joined.agg(F.count("*")).first()[0]


def write(base):
    spark.read.parquet(f"{base}/facts").withColumn("part", F.col("key") % 8).write.partitionBy("part").mode("overwrite").parquet(f"{base}/written")


def processor(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            total += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def collecting():
    return sum(b.getCollectionTime() for b in java.management.ManagementFactory.getGarbageCollectorMXBeans()) / 1e3


for base in bases:
    facts.write.mode("overwrite").parquet(f"{base}/facts")
    keys.write.mode("overwrite").parquet(f"{base}/keys")
times = []
for i in range(warm + rounds):
    for name, act in (("scan", scan), ("join", join), ("write", write)):
        for base in bases[i % len(bases):] + bases[:i % len(bases)]:
            ours, jvm, gc, started = processor(pids), processor([driver]), collecting(), time.monotonic()
            act(base)
            times.append({"round": i - warm, "what": name, "base": base, "seconds": time.monotonic() - started, "gateway": processor(pids) - ours,
                          "driver": processor([driver]) - jvm, "collecting": collecting() - gc})
with open(results, "w") as f:
    json.dump(times, f)
spark.stop()
