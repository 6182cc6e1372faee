"""What Spark does with abfss://: run by spark-submit, by Spark 3.5 and 4.3 alike; writes what held and what did not into a file. Arguments: base
address, file, and `all` or `short`, for what is asked again by another way in."""
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from operations import finish, operation

base, results, parts = sys.argv[1:]
spark = SparkSession.builder.appName("clients").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")


def hadoop():
    """Hadoop's file system of the base address, and its Path."""
    jvm = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path
    return path(base).getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()), path


people = spark.range(0, 5000, 1, 3).select(
    F.col("id"), (F.col("id") % 5).cast("int").alias("part"), F.concat(F.lit("n\u00fc "), F.col("id")).alias("name"), (F.col("id") / 3).alias("x"))
total = sum(range(5000))


def summed(df):
    row = df.agg(F.count("*"), F.sum("id")).first()
    return row[0], row[1]


for format in ("parquet", "orc", "csv", "json"):
    @operation(f"write and read {format.upper() if format != 'parquet' else 'Parquet'}")
    def _():
        options = {"header": "true"} if format == "csv" else {}
        people.write.format(format).options(**options).mode("overwrite").save(f"{base}/{format}")
        back = spark.read.format(format).options(**options).schema(people.schema).load(f"{base}/{format}")
        yield summed(back), (5000, total)
        yield back.where("id = 4321").select("name").first()[0], "nü 4321"


@operation("write and read text")
def _():
    people.select("name").write.mode("overwrite").option("compression", "gzip").text(f"{base}/text")
    yield spark.read.text(f"{base}/text").count(), 5000


@operation("write partitioned")
def _():
    people.write.partitionBy("part").mode("overwrite").parquet(f"{base}/parts")
    yield sorted(r[0] for r in spark.read.parquet(f"{base}/parts").select("part").distinct().collect()), [0, 1, 2, 3, 4]
    yield summed(spark.read.parquet(f"{base}/parts").where("part = 2")), (1000, sum(i for i in range(5000) if i % 5 == 2))


@operation("overwrite everything")
def _():
    people.where("part < 2").write.partitionBy("part").mode("overwrite").parquet(f"{base}/parts-static")
    people.where("part = 3").write.partitionBy("part").mode("overwrite").parquet(f"{base}/parts-static")
    yield sorted(r[0] for r in spark.read.parquet(f"{base}/parts-static").select("part").distinct().collect()), [3]


@operation("overwrite partitions dynamically")
def _():
    people.where("part = 4").withColumn("id", F.lit(1).cast("long")).write.option("partitionOverwriteMode", "dynamic").partitionBy("part").mode(
        "overwrite").parquet(f"{base}/parts")
    back = spark.read.parquet(f"{base}/parts")
    yield summed(back.where("part = 4")), (1000, 1000)
    yield summed(back.where("part < 4")), (4000, sum(i for i in range(5000) if i % 5 < 4))


if parts == "short":
    finish(results)
    spark.stop()
    sys.exit(0)


@operation("append")
def _():
    for _ in range(2):
        people.limit(100).write.mode("append").parquet(f"{base}/appended")
    yield spark.read.parquet(f"{base}/appended").count(), 200


@operation("refuse to write where something is")
def _():
    try:
        people.write.mode("errorifexists").parquet(f"{base}/parquet")
        yield "written", "refused"
    except Exception as e:
        yield "exist" in str(e).lower(), True


@operation("leave alone what is there (ignore)")
def _():
    people.limit(1).write.mode("ignore").parquet(f"{base}/parquet")
    yield spark.read.parquet(f"{base}/parquet").count(), 5000


@operation("success marker, no temporary directory left")
def _():
    fs, path = hadoop()
    names = [s.getPath().getName() for s in fs.listStatus(path(f"{base}/parquet"))]
    yield "_SUCCESS" in names, True
    yield [n for n in names if n.startswith("_temporary")], []


@operation("read by a glob")
def _():
    yield summed(spark.read.parquet(f"{base}/parts-static/part=*")), summed(people.where("part = 3"))


@operation("join two tables with a shuffle")
def _():
    left, right = spark.read.parquet(f"{base}/parquet"), spark.read.orc(f"{base}/orc").withColumnRenamed("x", "y")
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    yield summed(left.join(right.select("id", "y"), "id")), (5000, total)


@operation("push a filter into Parquet, read one column")
def _():
    yield [r[0] for r in spark.read.parquet(f"{base}/parquet").where("id between 10 and 12").select("name").orderBy("name").collect()], ["nü 10", "nü 11", "nü 12"]


@operation("read as files (binaryFile)")
def _():
    rows = spark.read.format("binaryFile").load(f"{base}/json/*.json").select("length", F.length("content")).collect()
    yield bool(rows) and all(r[0] == r[1] > 0 for r in rows), True


@operation("an external table in SQL")
def _():
    spark.sql(f"CREATE TABLE outside USING parquet LOCATION '{base}/table' AS SELECT id, name FROM parquet.`{base}/parquet` WHERE id < 10")
    spark.sql("INSERT INTO outside VALUES (100, 'more')")
    yield spark.sql("SELECT count(*), max(id) FROM outside").first()[:], (11, 100)
    spark.sql("DROP TABLE outside")
    yield spark.read.parquet(f"{base}/table").count(), 11


@operation("RDD: save and read as text and as a sequence file")
def _():
    spark.sparkContext.parallelize(range(100), 2).saveAsTextFile(f"{base}/rdd")
    yield sorted(map(int, spark.sparkContext.textFile(f"{base}/rdd").collect())), list(range(100))
    spark.sparkContext.parallelize([(1, "a"), (2, "b")], 1).saveAsSequenceFile(f"{base}/sequence")
    yield sorted(spark.sparkContext.sequenceFile(f"{base}/sequence").collect()), [(1, "a"), (2, "b")]


def stream(rows_seen):
    """One run of a streaming query over all that is there, stopping when there is no more; gives how many rows its sink has."""
    source = spark.readStream.schema(people.schema).parquet(f"{base}/stream-in")
    query = source.writeStream.format("parquet").option("checkpointLocation", f"{base}/checkpoint").option("path", f"{base}/stream-out").trigger(availableNow=True).start()
    query.awaitTermination(120)
    return spark.read.parquet(f"{base}/stream-out").count(), rows_seen


@operation("streaming with a checkpoint")
def _():
    people.limit(100).write.mode("append").parquet(f"{base}/stream-in")
    yield stream(100)


@operation("streaming goes on from its checkpoint")
def _():
    people.limit(50).write.mode("append").parquet(f"{base}/stream-in")
    yield stream(150)
    yield stream(150)


@operation("streaming aggregation with state")
def _():
    source = spark.readStream.schema(people.schema).parquet(f"{base}/stream-in").groupBy("part").count()
    query = source.writeStream.outputMode("complete").format("memory").queryName("counted").option("checkpointLocation", f"{base}/checkpoint-state").trigger(
        availableNow=True).start()
    query.awaitTermination(120)
    yield spark.sql("SELECT sum(count) FROM counted").first()[0], 150


@operation("Hadoop file system: make, write, read, status")
def _():
    fs, path = hadoop()
    yield fs.mkdirs(path(f"{base}/fs/a/b")), True
    out = fs.create(path(f"{base}/fs/a/b/file"), True)
    out.write(bytearray(b"0123456789"))
    out.hflush()
    yield fs.getFileStatus(path(f"{base}/fs/a/b/file")).getLen(), 10
    out.close()
    stream = fs.open(path(f"{base}/fs/a/b/file"))
    stream.seek(5)
    yield stream.read(), ord("5")
    stream.close()


@operation("Hadoop file system: append")
def _():
    fs, path = hadoop()
    out = fs.append(path(f"{base}/fs/a/b/file"))
    out.write(bytearray(b"ab"))
    out.close()
    yield fs.getFileStatus(path(f"{base}/fs/a/b/file")).getLen(), 12


@operation("Hadoop file system: rename a file and a directory")
def _():
    fs, path = hadoop()
    yield fs.rename(path(f"{base}/fs/a/b/file"), path(f"{base}/fs/a/b/moved")), True
    yield fs.rename(path(f"{base}/fs/a"), path(f"{base}/fs/z")), True
    yield (fs.exists(path(f"{base}/fs/z/b/moved")), fs.exists(path(f"{base}/fs/a"))), (True, False)


@operation("Hadoop file system: content summary, glob, recursive listing")
def _():
    fs, path = hadoop()
    yield fs.getContentSummary(path(f"{base}/fs")).getLength(), 12
    yield [s.getPath().getName() for s in fs.globStatus(path(f"{base}/fs/*/b/m*"))], ["moved"]
    files = fs.listFiles(path(f"{base}/fs"), True)
    yield files.next().getPath().getName(), "moved"


@operation("Hadoop file system: permissions and ACL")
def _():
    fs, path = hadoop()
    permission = spark.sparkContext._jvm.org.apache.hadoop.fs.permission.FsPermission
    fs.setPermission(path(f"{base}/fs/z"), permission("750"))
    yield fs.getFileStatus(path(f"{base}/fs/z")).getPermission().toString(), "rwxr-x---"
    yield fs.getAclStatus(path(f"{base}/fs/z")).getOwner() != "", True


@operation("Hadoop file system: delete with all below")
def _():
    fs, path = hadoop()
    yield fs.delete(path(f"{base}/fs"), True), True
    yield fs.exists(path(f"{base}/fs")), False
    yield fs.delete(path(f"{base}/fs"), True), False


finish(results)
spark.stop()
