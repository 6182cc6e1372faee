"""A Spark that knows nothing of the gateway but its address: run as one process of its own, signed in by client credentials."""
import os
import subprocess


QUICK = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -XX:-UsePerfData"  # for a test that moves little data: without the processor's AES


def properties(gateway, jar, folder, signed_in):
    """Everything that an outside Spark is told."""
    trust = f"-Djavax.net.ssl.trustStore={gateway.state}/tls/trust.jks -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit"
    return {
        "spark.master": "local[2]", "spark.driver.memory": "1g", "spark.jars": jar, "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1", "spark.driver.extraJavaOptions": f"{trust} {QUICK} -Djava.io.tmpdir={folder}", "spark.local.dir": folder,
        "spark.sql.warehouse.dir": f"{folder}/warehouse", "spark.sql.shuffle.partitions": "2",
        "spark.hadoop.fs.azure.account.hns.enabled": "true", "spark.hadoop.fs.azure.ssl.channel.mode": "Default_JSSE",
        "spark.hadoop.fs.azure.networking.library": "JDK_HTTP_URL_CONNECTION", "spark.hadoop.fs.azure.metrics.collection.enabled": "false", **signed_in,
    }


def oauth(gateway):
    p = gateway.profile()
    return {
        "spark.hadoop.fs.azure.account.auth.type": "OAuth",
        "spark.hadoop.fs.azure.account.oauth.provider.type": "org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider",
        "spark.hadoop.fs.azure.account.oauth2.client.endpoint": f"{gateway.endpoint}/{p['tenant']}/oauth2/token",
        "spark.hadoop.fs.azure.account.oauth2.client.id": p["client_id"], "spark.hadoop.fs.azure.account.oauth2.client.secret": p["client_secret"],
    }


def submit(home, python, conf, folder, program, *arguments, env=None, timeout=600):
    """Runs the program; gives what it said. The properties, with the secret, stand in a file that only we may read."""
    path = f"{folder}/spark.properties"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.writelines(f"{k} {v}\n" for k, v in conf.items())
    env = {**(env or os.environ), "PYSPARK_PYTHON": python, "PYSPARK_DRIVER_PYTHON": python, "SPARK_HOME": home}
    done = subprocess.run([f"{home}/bin/spark-submit", "--properties-file", path, program, *arguments], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, cwd=folder)
    return done.returncode, done.stdout
