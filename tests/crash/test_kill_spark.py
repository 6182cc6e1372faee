"""kill -9 of each part of a real Spark job and of the supervisor above it, while it computes and writes: it ends in a state that is told, it ran once, what it wrote is whole or not there,
no process is left, and the next job finds a cluster."""
import os
import signal
import time

import acts
import evidence
import pytest
from server import finish, make_state_folder, new_gateway

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="processes of other users are looked at")

JOB = b"""
import sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print('began', flush=True)
for step in range(5):
    print(f"step {step}: {spark.range(0, 200000, 1, 4).selectExpr('sum(id)').first()[0]}", flush=True)
    time.sleep(1)
spark.range(0, 1000, 1, 2).write.parquet(sys.argv[1])
print('ended', flush=True)
"""
# Who is killed: how its process is known; the states in which the job may end.
VICTIMS = {
    "worker": ("org.apache.spark.deploy.worker.Worker", {"success", "dead"}),
    "executor": ("CoarseGrainedExecutorBackend", {"success"}),
    "master": ("org.apache.spark.deploy.master.Master", {"success", "dead"}),
    "driver": ("org.apache.spark.deploy.SparkSubmit", {"dead"}),
    "runner": (None, {"dead"}),
    "supervisor": (None, {"success"}),
    "supervisor and master": ("org.apache.spark.deploy.master.Master", {"success", "dead"}),
}


@pytest.fixture(scope="module")
def killed():
    folder = make_state_folder()
    g = new_gateway(folder)
    try:
        g.start()
        g.file_system().get_file_client("jobs/job.py").upload_data(JOB, overwrite=True)
        yield g
    finally:
        finish(g, folder)


def submit(g, out):
    status, batch, _ = g.json("POST", "/livy/batches", g.token(), {"file": acts.address(g, "jobs/job.py"), "args": [acts.address(g, out)], "conf": {"spark.sql.shuffle.partitions": "2"}})
    assert status == 201, batch
    return batch["id"]


def ask(g, path):
    return g.json("GET", f"/livy/batches/{path}", g.token())[1]


def log_of(g, batch):
    return ask(g, f"{batch}/log?from=0&size=10000")["log"]


def wait_for(truth, what, seconds=240):
    end = time.monotonic() + seconds
    while not (got := truth()):
        assert time.monotonic() < end, f"{what}: not after {seconds} s"
        time.sleep(0.2)
    return got


def final_state(g, batch):
    return wait_for(lambda: (s := ask(g, f"{batch}/state")["state"]) in ("success", "dead", "killed") and s, f"batch {batch} ends")


def processes(g, word):
    found = []
    for pid in evidence.mine(g):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().decode(errors="replace")
        except OSError:
            continue
        if word in words and "/java" in words.split("\0")[0]:
            found.append(pid)
    return found


def kill(g, victim, batch):
    word, above = VICTIMS[victim][0], victim.startswith("supervisor")
    if above:
        os.kill(g.process.pid, signal.SIGKILL)
        g.process.wait(timeout=10)
    if victim != "supervisor":
        kill_parts(g, victim, word, batch)
    if above:
        g.start()


def kill_parts(g, victim, word, batch):
    pids = processes(g, word) if word else [pid for pid, where in evidence.runners(g, "batch").items() if where.endswith(f"/batch-{batch}")]
    assert pids, f"no {victim} is alive"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def whole(g, out):
    """Rows of what the job wrote; None when it isn't there: Spark's mark says that all of it is."""
    import io

    import pyarrow.parquet
    fs = g.file_system()
    if not fs.get_file_client(f"{out}/_SUCCESS").exists():
        return None
    parts = [p.name for p in fs.get_paths(out) if "part-" in p.name and "_temporary" not in p.name]
    return sum(pyarrow.parquet.read_table(io.BytesIO(fs.get_file_client(p).download_file().readall())).num_rows for p in parts)


@pytest.mark.parametrize("victim", VICTIMS)
def test_killed_while_a_job_runs(killed, victim):
    g, out = killed, f"out-{victim.replace(' ', '-')}"
    batch = submit(g, out)
    wait_for(lambda: any(line.startswith("step 1:") for line in log_of(g, batch)), "the job computes")
    kill(g, victim, batch)
    state, log = final_state(g, batch), log_of(g, batch)
    assert state in VICTIMS[victim][1], log[-30:]
    if "master" in victim and state == "dead":
        assert ask(g, batch)["embergate"]["why"] == "ClusterNotRunning"
    assert log.count("began") == 1 and log.count("ended") <= 1, log[-30:]
    assert whole(g, out) == (1000 if "ended" in log else None)
    assert (state == "success") <= ("ended" in log)
    wait_for(lambda: not processes(g, "org.apache.spark.deploy.SparkSubmit"), "the driver is gone", 30)
    assert evidence.no_orphans(g) == []


def test_the_next_job_finds_a_cluster_and_the_log_is_whole(killed):
    g = killed
    batch = submit(g, "out-next")
    assert final_state(g, batch) == "success", log_of(g, batch)[-30:]
    assert whole(g, "out-next") == 1000
    g.run("audit", "verify", acts.settled(g))
