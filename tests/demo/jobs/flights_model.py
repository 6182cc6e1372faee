"""Trains and evaluates a model of arrival delays with spark.ml; writes the model and what it is worth."""
import json
import sys

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession

source, target = sys.argv[1], sys.argv[2]
spark = SparkSession.builder.appName("flights-model").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")

rows = spark.read.parquet(source).select("carrier", "origin", "hour", "distance", "dep_delay", "arr_delay").na.drop().coalesce(2).cache()
train, test = rows.randomSplit([0.8, 0.2], seed=7)
pipeline = Pipeline(stages=[
    StringIndexer(inputCols=["carrier", "origin"], outputCols=["carrier_i", "origin_i"], handleInvalid="keep"),
    OneHotEncoder(inputCols=["carrier_i", "origin_i"], outputCols=["carrier_v", "origin_v"]),
    VectorAssembler(inputCols=["carrier_v", "origin_v", "hour", "distance", "dep_delay"], outputCol="features"),
    LinearRegression(labelCol="arr_delay", featuresCol="features", maxIter=10, regParam=0.01),
])
model = pipeline.fit(train)
ready = PipelineModel(model.stages[:-1]).transform(test)
judged = model.stages[-1].evaluate(ready)
metrics = {"rmse": round(judged.rootMeanSquaredError, 3), "mae": round(judged.meanAbsoluteError, 3), "r2": round(judged.r2, 3)}
model.write().overwrite().save(target + "/model")
spark.createDataFrame([(json.dumps(metrics),)], ["value"]).coalesce(1).write.mode("overwrite").text(target + "/metrics")
print("model: " + json.dumps(metrics))
spark.stop()
