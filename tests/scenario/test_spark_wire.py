"""Spark's own connections and files as somebody sees them who reads the machine's loopback network and its disks: what a job shuffles and broadcasts is sealed there, and no token in clear."""
import glob
import hashlib
import os
import socket
import subprocess
import threading
import time

import acts
import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the network")

# The words are digests that executors compute: neither stands in the program's text, and compression leaves a word that it has not seen as it is.
JOB = b"""
import sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
shuffled = spark.range(0, 700, 1, 4).selectExpr("sha2(concat('shuffled', cast(id % 7 as string)), 256) as w", "id").repartition(4, "id")
shuffled.sortWithinPartitions("w").write.parquet(sys.argv[1] + "/a")
print('shuffled', flush=True)
time.sleep(float(sys.argv[2]))
small = spark.range(0, 20).selectExpr("id", "sha2(concat('broadcast', cast(id as string)), 256) as b").repartition(2)
spark.range(0, 1000, 1, 4).join(small.hint("broadcast"), "id").write.parquet(sys.argv[1] + "/b")
print('ended', flush=True)
spark.stop()
"""
MARKS = [hashlib.sha256(word + str(i).encode()).hexdigest()[20:36].encode() for word, n in ((b"shuffled", 7), (b"broadcast", 20)) for i in range(n)]
CONTROL = b"read-in-clear"


class Listener:
    """Everything on loopback, as it comes, searched for words."""

    def __init__(self, words):
        self.words, self.seen, self.packets, self.over = words, set(), 0, False
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.socket.bind(("lo", 0))
        self.socket.settimeout(0.2)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while not self.over:
            try:
                packet = self.socket.recv(70000)
            except TimeoutError:
                continue
            self.packets += 1
            self.seen |= {w for w in self.words if w in packet}

    def __enter__(self):
        """That it hears is shown by a word that nobody seals."""
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as peer:
            peer.sendall(CONTROL)
            time.sleep(0.5)
        return self

    def __exit__(self, *_):
        time.sleep(0.5)
        self.over = True
        self.thread.join()
        self.socket.close()


class Disks:
    """Files that executors shuffle through, as each of them sees its disks: looked at while they are there."""

    def __init__(self, state):
        self.state, self.files, self.seen, self.over = state, set(), set(), False
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over:
            for pid in executors(self.state):
                for name in glob.glob(f"/proc/{pid}/root{self.state}/clusters/*/**/shuffle_*", recursive=True):
                    try:
                        with open(name, "rb") as f:
                            text = f.read()
                    except OSError:
                        continue
                    if name.endswith(".data") and text:
                        self.files.add(name)
                        self.seen |= {m for m in MARKS if m in text}
            time.sleep(0.5)

    def end(self):
        self.over = True
        self.thread.join()


def executors(state):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                said = f.read()
        except OSError:
            continue
        if b"CoarseGrainedExecutorBackend" in said and state.encode() in said:
            yield pid


def test_nothing_of_a_job_is_on_the_wire_or_in_spills_in_clear(gateway):
    g = gateway
    g.file_system().get_file_client("jobs/wire.py").upload_data(JOB, overwrite=True)
    secrets = [t.encode()[-40:] for t in (g.token(), g.token(audience="storage"), g.profile()["client_secret"])]
    disks = Disks(g.state)
    with Listener([*MARKS, CONTROL, *secrets]) as heard:
        done = g.run("submit", "--wait", acts.address(g, "jobs/wire.py"), acts.address(g, "wire"), "6", check=False)
    disks.end()
    assert done.returncode == 0, done.stdout + done.stderr
    assert heard.seen == {CONTROL}, heard.seen
    assert heard.packets > 1000
    assert disks.files and not disks.seen, (disks.files, disks.seen)
    assert any("part-" in p.name for p in g.file_system().get_paths("wire/b"))


def test_without_our_settings_the_same_job_is_heard(tmp_path):
    """What the other test looks for is there to be heard: in Spark as it comes."""
    home, program = os.environ["EG_SPARK_HOME"], tmp_path / "wire.py"
    program.write_bytes(JOB)
    env = {**os.environ, "PYSPARK_PYTHON": os.environ["EG_PYTHON"], "PYSPARK_DRIVER_PYTHON": os.environ["EG_PYTHON"], "SPARK_HOME": home, "SPARK_LOCAL_IP": "127.0.0.1"}
    with Listener([*MARKS, CONTROL]) as heard:
        done = subprocess.run([f"{home}/bin/spark-submit", "--master", "local-cluster[2,1,600]", "--conf", "spark.executor.memory=600m", "--conf", "spark.ui.enabled=false",
                               str(program), str(tmp_path / "out"), "0"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    assert {m for m in MARKS if m in heard.seen}, "nothing was heard of an unsealed shuffle"
