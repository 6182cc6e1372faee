"""Spark 3.5 and Spark 4.3 outside the gateway, with the hadoop-azure that fits each, on abfss://. covers: append.c list.c read.c"""
import glob
import json
import os
import shutil
import tempfile

import pytest
from outside_spark import oauth, properties, submit

HERE = os.path.dirname(os.path.abspath(__file__))
OLD, NEW = "Spark 3.5.7 (hadoop-azure 3.3.4)", "Spark 4.3.0 (hadoop-azure 3.5.0)"


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="embergate-spark-", dir="/var/tmp")
    yield path
    shutil.rmtree(path)


def installed(name):
    """Home, Python and JAR of this Spark."""
    if name == NEW:
        return os.environ["EG_SPARK_HOME"], os.environ["EG_PYTHON"], os.environ["EG_JARS"]
    home = os.environ.get("EG_SPARK_OLD", "")
    if not os.path.exists(f"{home}/bin/python"):
        pytest.skip("./dev setup --tests installs Spark 3.5")
    return glob.glob(f"{home}/lib/python3*/site-packages/pyspark")[0], f"{home}/bin/python", os.environ["EG_JARS_OLD"]


def run(spark, account, folder, base, parts, signed_in):
    """Runs parts of programs/spark_operations.py; gives what it found."""
    home, python, jar = installed(spark)
    results = f"{folder}/results.json"
    status, said = submit(home, python, properties(account.gateway, jar, folder, signed_in), folder, f"{HERE}/programs/spark_operations.py", base, results, parts,
                          env=account.environment())
    assert os.path.exists(results), f"spark-submit ended {status}:\n{said[-6000:]}"
    with open(results) as f:
        return json.load(f)


@pytest.mark.parametrize("spark", [OLD, NEW])
def test_spark(board, account, folder, spark):
    found = run(spark, account, folder, f"abfss://data@127.0.0.1:{account.gateway.port}/spark-{spark[6]}", "all", oauth(account.gateway))
    board.client(spark, "dfs (abfss)", "OAuth, default account").report(found, 25)


def test_an_address_of_azure_stays(board, account, folder):
    """`abfss://data@lake.dfs.core.windows.net/…` unchanged: one property says where the account is."""
    endpoint = {"spark.hadoop.fs.azure.abfs.endpoint": f"127.0.0.1:{account.gateway.port}"}
    base = f"abfss://data@{account.name}.dfs.core.windows.net/spark-unchanged"
    found = run(OLD, account, folder, base, "short", {**oauth(account.gateway), **endpoint})
    board.client(OLD, "dfs (abfss)", "OAuth, Azure's address").report(found, 8)
