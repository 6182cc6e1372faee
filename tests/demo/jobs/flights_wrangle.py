"""Wrangles the flights of 2013 from CSV, asks a question in SQL and writes the answer as Parquet."""
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

source, target = sys.argv[1], sys.argv[2]
spark = SparkSession.builder.appName("flights-wrangle").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")

flights = (
    spark.read.csv(source, header=True, inferSchema=False, nullValue="NA")
    .select(
        F.col("month").cast("int"), F.col("carrier"), F.col("origin"), F.col("dest"),
        F.col("dep_delay").cast("double"), F.col("arr_delay").cast("double"),
        F.col("distance").cast("double"), F.col("hour").cast("double").cast("int"),
    )
    .cache()
)
print(f"rows read: {flights.count()}")
flew = flights.dropna(subset=["dep_delay", "arr_delay"])
print(f"rows kept: {flew.count()}")
flew.createOrReplaceTempView("flew")
answer = spark.sql("""
    SELECT carrier, count(*) AS flights, round(avg(dep_delay), 2) AS mean_departure_delay,
           round(avg(arr_delay), 2) AS mean_arrival_delay,
           round(100 * avg(CASE WHEN arr_delay > 15 THEN 1 ELSE 0 END), 1) AS percent_late
    FROM flew GROUP BY carrier HAVING count(*) > 1000 ORDER BY percent_late DESC
""")
answer.coalesce(1).write.mode("overwrite").parquet(target + "/carriers")
flew.write.mode("overwrite").partitionBy("origin").parquet(target + "/clean")
spark.stop()
