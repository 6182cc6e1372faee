"""Spark on encrypted abfss:// beside the same on this machine's plain files, in turns within one driver."""
import json
import os
import re
import statistics

import outside_spark
import pyspark
from side_by_side import HERE

WORDS = {"scan": "Spark: scan", "join": "Spark: join with a shuffle", "write": "Spark: partitioned write"}
WARM = 5  # rounds in which HotSpot compiles what is measured, for both; the very first is told apart


def options_of_jobs():
    """What the gateway gives the JVMs of a small cluster's jobs, from its source."""
    with open(f"{HERE}/../../compute/spark_conf.c") as f:
        defined = {m[1]: m[2] for m in re.finditer(r"#define (JVM_\w+)((?:[^\n]*\\\n)*[^\n]*)", f.read())}
    words = re.findall(r'"([^"]*)"|(\w+)', defined["JVM_OPTIONS_FEW_CORES"])
    text = "".join(said or "".join(re.findall(r'"([^"]*)"', defined[name])) for said, name in words)
    assert "-XX:" in text, defined
    return text


def measure(b):
    print("Spark 4.3 in one process with the gateway's options for a small cluster's jobs. Ours: abfss:// over TLS, sealed and durable. Beside: plain\n"
          "files of this machine, not encrypted, not synced. Both are in the page cache. The ratio is the local time over ours: the gate of 1.25 times the\n"
          "local time is 0.8, the goal of 1.10 times is 0.91; they are those of the three together, and its parts are told beside.")
    b.ours()
    folder, rows = f"{b.folder}/spark-client", 6_000_000 if b.long else 1_500_000
    os.makedirs(folder)
    home = os.path.dirname(pyspark.__file__)
    conf = outside_spark.properties(b.gateway, os.environ["EG_JARS"], folder, outside_spark.oauth(b.gateway))
    conf["spark.driver.extraJavaOptions"] = conf["spark.driver.extraJavaOptions"].replace(outside_spark.QUICK, os.environ.get("EG_JAVA") or options_of_jobs())
    bases = {"ours": f"abfss://data@127.0.0.1:{b.gateway.port}/bench-spark", "local": f"file://{folder}/plain"}
    pids = ",".join(map(str, b.gateway.pids().values()))
    status, said = outside_spark.submit(home, os.environ["EG_PYTHON"], conf, folder, f"{HERE}/spark_scan.py", str(WARM), str(b.rounds), str(rows),
                                        f"{folder}/times.json", pids, *bases.values(), timeout=1800)
    assert os.path.exists(f"{folder}/times.json"), f"spark-submit ended {status}: {said[-4000:]}"
    with open(f"{folder}/times.json") as f:
        times = json.load(f)
    first, warm = ([t for t in times if cold == (t["round"] == -WARM) and (cold or t["round"] >= 0)] for cold in (True, False))
    for what, words in WORDS.items():
        ours, local = (values(warm, what, bases[k], "seconds") for k in ("ours", "local"))
        b.add(words, "s", ours, "local plain files", local, smaller=True, note=spent(warm, what, bases))
    ours, local = ([sum(v) for v in zip(*(values(warm, what, bases[k], "seconds") for what in WORDS))] for k in ("ours", "local"))
    b.add("Spark: the three together", "s", ours, "local plain files", local, 0.8, 0.91, smaller=True)
    ours, local = ([sum(values(first, what, bases[k], "seconds")[0] for what in WORDS)] for k in ("ours", "local"))
    b.add("Spark: the three, first time", "s", ours, "local plain files", local, smaller=True,
          note="ours went first: Spark's own first compilations are in it")


def values(times, what, base, key):
    return [t[key] for t in times if t["what"] == what and t["base"] == base]


def spent(times, what, bases):
    """Medians of processor time, and the mean of what collecting garbage took: where the difference is."""
    def of(k, key, f=statistics.median):
        return f(values(times, what, bases[k], key))
    return (f"processor time: driver {of('ours', 'driver'):.2f} s, gateway {of('ours', 'gateway'):.2f}; driver on local files {of('local', 'driver'):.2f}; "
            f"collecting {of('ours', 'collecting', statistics.mean):.2f}, {of('local', 'collecting', statistics.mean):.2f}")
