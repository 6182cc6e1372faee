"""Spark on encrypted abfss:// beside the same on this machine's plain files, in turns within one driver."""
import json
import os

import outside_spark
import pyspark
from side_by_side import HERE

WORDS = {"scan": "Spark: scan", "join": "Spark: join with a shuffle", "write": "Spark: partitioned write"}


def measure(b):
    print("Spark 4.3 in one process. Ours: abfss:// over TLS, sealed and durable. Beside: plain files of this machine, not encrypted, not synced.\n"
          "The ratio is the local time over ours: the gate of 1.25 times the local time is 0.8, the goal of 1.10 times is 0.91.")
    b.ours()
    folder, rows = f"{b.folder}/spark-client", 6_000_000 if b.long else 1_500_000
    os.makedirs(folder)
    home = os.path.dirname(pyspark.__file__)
    conf = outside_spark.properties(b.gateway, os.environ["EG_JARS"], folder, outside_spark.oauth(b.gateway))
    conf["spark.driver.extraJavaOptions"] = conf["spark.driver.extraJavaOptions"].replace("-XX:TieredStopAtLevel=1 ", "")
    bases = {"ours": f"abfss://data@127.0.0.1:{b.gateway.port}/bench-spark", "local": f"file://{folder}/plain"}
    status, said = outside_spark.submit(home, os.environ["EG_PYTHON"], conf, folder, f"{HERE}/spark_scan.py", str(b.rounds), str(rows), f"{folder}/times.json",
                                        *bases.values(), timeout=1800)
    assert os.path.exists(f"{folder}/times.json"), f"spark-submit ended {status}: {said[-4000:]}"
    with open(f"{folder}/times.json") as f:
        times = json.load(f)
    for what, words in WORDS.items():
        ours, local = ([t["seconds"] for t in times if t["what"] == what and t["base"] == bases[k]] for k in ("ours", "local"))
        b.add(words, "s", ours, "local plain files", local, 0.8, 0.91, smaller=True)
