"""kill -9 of gateway, keeper and launcher while files are written and batches run: found again, nothing lost, nothing twice."""
import itertools
import os
import signal
import threading
import time

import acts
import pytest


def kill(g, name):
    """Kills one of our processes and waits until the supervisor has another one and the gateway answers."""
    before = g.pids()[name]
    os.kill(before, signal.SIGKILL)
    end = time.monotonic() + 20
    while g.pids()[name] == before and time.monotonic() < end:
        time.sleep(0.05)
    assert g.pids()[name] != before, f"the {name} was not started again"
    g.wait_ready()


def wait_until(truth, seconds, what):
    end = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < end, f"{what}: not after {seconds} s"
        time.sleep(0.2)


def final_state(g, batch, seconds=180):
    token = g.token()
    seen = []

    def ended():
        status, body, _ = g.json("GET", f"/livy/batches/{batch}/state", token)
        seen[:] = [body["state"] if status == 200 else status]
        return seen[0] in ("success", "dead", "killed")

    wait_until(ended, seconds, f"batch {batch} ends")
    return seen[0]


def log_of(g, batch):
    return g.json("GET", f"/livy/batches/{batch}/log?from=0&size=100000", g.token())[1]["log"]


def write_files(g, names, acknowledged, stop):
    """Uploads files until told to stop; whoever was answered stands in `acknowledged`."""
    fs = g.file_system(retry_total=0)  # its own retries wait for 15 s and more
    for name in names:
        if stop.is_set():
            return
        try:
            fs.get_file_client(f"kill/{name}").upload_data(name.encode() * 1000, overwrite=True)
            acknowledged.append(name)
        except Exception:  # noqa: BLE001  the gateway was killed under it: nothing was promised
            time.sleep(0.1)


@pytest.mark.parametrize("killed", [["gateway"] * 3, ["keeper"] * 2 + ["launcher"]], ids=lambda names: names[0])
def test_acknowledged_files_survive(own_gateway, killed):
    g = own_gateway
    g.start()
    acknowledged, stop = [], threading.Event()
    writer = threading.Thread(target=write_files, args=(g, (f"f{i}" for i in itertools.count()), acknowledged, stop))
    writer.start()
    try:
        wait_until(lambda: acknowledged, 20, "the first file is written")
        for name in killed:
            time.sleep(1)
            kill(g, name)
            written = len(acknowledged)
            wait_until(lambda: len(acknowledged) > written + 2, 30, f"files are written again after the end of the {name}")
    finally:
        stop.set()
        writer.join(timeout=120)
    assert len(acknowledged) > 5
    fs = g.file_system()
    for name in acknowledged:
        assert fs.get_file_client(f"kill/{name}").download_file().readall() == name.encode() * 1000, name
    sizes = {p.content_length for p in fs.get_paths("kill") if not p.is_directory}
    assert all(size % 1000 == 0 or size == 0 for size in sizes)
    g.run("audit", "verify", acts.settled(g))


def test_running_batch_is_found_again_and_runs_once(gateway):
    g = gateway
    code = b"""
import sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
path = sys.argv[1]
print('marked', flush=True)
time.sleep(8)
spark.createDataFrame([(1,)], ['n']).coalesce(1).write.mode('append').parquet(path)
print('written', flush=True)
spark.stop()
"""
    fs = g.file_system()
    fs.get_file_client("jobs/slow.py").upload_data(code, overwrite=True)
    status, batch, _ = g.json("POST", "/livy/batches", g.token(), {"file": acts.address(g, "jobs/slow.py"), "args": [acts.address(g, "kill-batch")]})
    assert status == 201
    wait_until(lambda: "marked" in log_of(g, batch["id"]), 180, "the batch runs")
    kill(g, "gateway")
    state, log = final_state(g, batch["id"]), log_of(g, batch["id"])
    assert state == "success", log[-30:]
    assert log.count("marked") == 1 and log.count("written") == 1
    parts = [p.name for p in fs.get_paths("kill-batch") if "part-" in p.name and "_temporary" not in p.name]
    assert len(parts) == 1, parts


@pytest.mark.parametrize("name", ["launcher", "keeper"])
def test_batch_that_is_being_started_runs_once(gateway, name):
    g = gateway
    g.file_system().get_file_client("jobs/once.py").upload_data(b"import time\nprint('once', flush=True)\ntime.sleep(2)\n", overwrite=True)
    token = g.token()
    batches = []
    for _ in range(2):
        status, batch, _ = g.json("POST", "/livy/batches", token, {"file": acts.address(g, "jobs/once.py")})
        assert status == 201, batch
        batches.append(batch["id"])
        kill(g, name)
    for batch in batches:
        state, log = final_state(g, batch), log_of(g, batch)
        assert state == "success" and log.count("once") == 1, log[-30:]
