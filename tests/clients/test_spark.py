"""Spark 3.5 and Spark 4.3 outside the gateway, with the hadoop-azure that fits each, on abfss://. covers: append.c list.c read.c"""
import json
import os
import shutil
import subprocess
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
OLD, NEW = "Spark 3.5.7 (hadoop-azure 3.3.4)", "Spark 4.3.0 (hadoop-azure 3.5.0)"


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="embergate-spark-", dir="/var/tmp")
    yield path
    shutil.rmtree(path)


def installed(name):
    """spark-submit, Python and JAR of this Spark."""
    if name == NEW:
        return os.path.join(os.environ["EG_SPARK_HOME"], "bin", "spark-submit"), os.environ["EG_PYTHON"], os.environ["EG_JARS"]
    home = os.environ.get("EG_SPARK_OLD", "")
    if not os.path.exists(f"{home}/bin/python"):
        pytest.skip("./dev setup --tests installs Spark 3.5")
    import glob
    return glob.glob(f"{home}/lib/python3*/site-packages/pyspark/bin/spark-submit")[0], f"{home}/bin/python", os.environ["EG_JARS_OLD"]


def properties(account, jar, folder, signed_in):
    """Everything that an outside Spark is told; the secret stands in a file, never on a command line."""
    trust = f"-Djavax.net.ssl.trustStore={account.gateway.state}/tls/trust.jks -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit"
    quick = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -XX:-UsePerfData"
    return {
        "spark.master": "local[2]", "spark.driver.memory": "1g", "spark.jars": jar, "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1", "spark.driver.extraJavaOptions": f"{trust} {quick} -Djava.io.tmpdir={folder}", "spark.local.dir": folder,
        "spark.sql.warehouse.dir": f"{folder}/warehouse", "spark.sql.shuffle.partitions": "2",
        "spark.hadoop.fs.azure.account.hns.enabled": "true", "spark.hadoop.fs.azure.ssl.channel.mode": "Default_JSSE",
        "spark.hadoop.fs.azure.networking.library": "JDK_HTTP_URL_CONNECTION", "spark.hadoop.fs.azure.metrics.collection.enabled": "false", **signed_in,
    }


def oauth(account):
    p = account.gateway.profile()
    return {
        "spark.hadoop.fs.azure.account.auth.type": "OAuth",
        "spark.hadoop.fs.azure.account.oauth.provider.type": "org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider",
        "spark.hadoop.fs.azure.account.oauth2.client.endpoint": f"{account.gateway.endpoint}/{p['tenant']}/oauth2/token",
        "spark.hadoop.fs.azure.account.oauth2.client.id": p["client_id"], "spark.hadoop.fs.azure.account.oauth2.client.secret": p["client_secret"],
    }


def run(spark, account, folder, base, signed_in):
    """Runs programs/spark_operations.py; gives what it found."""
    submit, python, jar = installed(spark)
    conf, results = f"{folder}/spark.properties", f"{folder}/results.json"
    with open(os.open(conf, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.writelines(f"{k} {v}\n" for k, v in properties(account, jar, folder, signed_in).items())
    env = {**account.environment(), "PYSPARK_PYTHON": python, "PYSPARK_DRIVER_PYTHON": python, "SPARK_HOME": os.path.dirname(os.path.dirname(submit))}
    done = subprocess.run([submit, "--properties-file", conf, f"{HERE}/programs/spark_operations.py", base, results], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, cwd=folder)
    assert os.path.exists(results), f"spark-submit ended {done.returncode}:\n{done.stdout[-6000:]}"
    with open(results) as f:
        return json.load(f)


@pytest.mark.parametrize("spark", [OLD, NEW])
def test_spark(board, account, folder, spark):
    found = run(spark, account, folder, f"abfss://data@127.0.0.1:{account.gateway.port}/spark-{spark[6]}", oauth(account))
    board.client(spark, "dfs (abfss)", "OAuth, default account").report(found, 25)
