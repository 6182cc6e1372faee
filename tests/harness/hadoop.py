"""Runs Hadoop's own tests of its ABFS driver (abfss://) against a gateway, and says what became of each."""
import collections
import glob
import os
import shutil
import signal
import subprocess
import xml.etree.ElementTree
from xml.sax.saxutils import escape

PACKAGE = "org.apache.hadoop.fs.azurebfs."
DOMAIN = "core.windows.net"  # the gateway is made with it, so that addresses look as they do in Azure
LOG4J = """log4j.rootLogger=WARN,stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=%d{ISO8601} %-5p [%t]: %c{2} - %m%n
"""

Outcome = collections.namedtuple("Outcome", "suite name result why")  # result: passed, skipped, failed


def read_list(path):
    """Lines of words, with comments behind '#'."""
    with open(path) as f:
        lines = [line.split("#")[0].split() for line in f]
    return [words for words in lines if words]


class HadoopTests:
    """A folder with their configuration. The secret lies in a file of it, never on a command line."""

    def __init__(self, gateway, folder, options=()):
        self.gateway, self.folder = gateway, str(folder)
        p = gateway.profile()
        host = f"lake.dfs.{DOMAIN}:{gateway.port}"
        properties = {
            "fs.azure.abfs.account.name": host,
            "fs.contract.test.fs.abfs": f"abfs://data@{host}",
            "fs.contract.test.fs.abfss": f"abfss://data@{host}",
            "fs.azure.account.auth.type": "OAuth",
            "fs.azure.account.oauth.provider.type": "org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider",
            "fs.azure.account.oauth2.client.endpoint": f"{gateway.endpoint}/{p['tenant']}/oauth2/v2.0/token",
            "fs.azure.account.oauth2.client.id": p["client_id"],
            "fs.azure.account.oauth2.client.secret": p["client_secret"],
            "fs.azure.account.hns.enabled": "true",
            "fs.azure.test.namespace.enabled": "true",
            "fs.azure.ssl.channel.mode": "Default_JSSE",
            "fs.azure.networking.library": "JDK_HTTP_URL_CONNECTION",
            "fs.azure.metrics.collection.enabled": "false",
            "fs.azure.createRemoteFileSystemDuringInitialization": "true",
            **dict(options),
        }
        self._write("conf/azure-auth-keys.xml", "<configuration>%s</configuration>" % "".join(
            f"<property><name>{k}</name><value>{escape(v)}</value></property>" for k, v in properties.items()))
        self._write("conf/log4j.properties", LOG4J)
        self._write("hosts", f"127.0.0.1 lake.dfs.{DOMAIN} lake.blob.{DOMAIN}\n")

    def _write(self, name, text):
        path = f"{self.folder}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)

    def run(self, suites=(), excluded=(), properties=(), seconds=600, methods=()):
        """Outcomes of all tests of these classes (names below PACKAGE), without the methods "Class.method" that are excluded, and of `methods` "Class#method"."""
        work = f"{self.folder}/work"
        os.makedirs(work, exist_ok=True)
        shutil.rmtree(f"{self.folder}/reports", ignore_errors=True)
        command = ["java", "-Xmx768m", *(f"--add-opens=java.base/java.{p}=ALL-UNNAMED" for p in ("lang", "lang.reflect", "util", "io", "net")), f"-Djdk.net.hosts.file={self.folder}/hosts", f"-Djavax.net.ssl.trustStore={self.gateway.state}/tls/trust.jks",
                   "-Djavax.net.ssl.trustStorePassword=changeit", f"-Dtest.build.data={work}/data", f"-Dhadoop.tmp.dir={work}/tmp",
                   f"-Dhadoop.log.dir={work}/log", "-Dtest.unique.fork.id=fork-1", *(f"-D{k}={v}" for k, v in properties),
                   "-cp", f"{self.folder}/conf:{os.environ['EG_HADOOP_TESTS']}/*", "org.junit.platform.console.ConsoleLauncher", "execute",
                   f"--reports-dir={self.folder}/reports", "--details=none", "--disable-banner", *(f"--select-class={PACKAGE}{s}" for s in suites), *(f"--select-method={PACKAGE}{m}" for m in methods),
                   *(f"--exclude-methodname=.*\\.{e.replace('.', '[.#]')}" for e in excluded)]
        with open(f"{self.folder}/out.txt", "ab") as out:
            java = subprocess.Popen(command, cwd=work, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
            try:
                java.wait(timeout=seconds)
            finally:
                if java.poll() is None:
                    os.killpg(java.pid, signal.SIGKILL)
                    java.wait()
        return [o for f in sorted(glob.glob(f"{self.folder}/reports/TEST-*.xml")) for o in outcomes(f)]

    def tail(self, characters=3000):
        with open(f"{self.folder}/out.txt", errors="replace") as f:
            return f.read()[-characters:]


def outcomes(report):
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        result, why = "passed", ""
        for tag, word in (("skipped", "skipped"), ("failure", "failed"), ("error", "failed")):
            found = case.find(tag)
            if found is not None:
                result, why = word, (found.get("message") or found.text or "").strip().removeprefix("org.junit.AssumptionViolatedException: ")
        yield Outcome(case.get("classname").removeprefix(PACKAGE), case.get("name"), result, why)
