"""kill -9 of the gateway while a batch runs and while files are written: found again, nothing lost, nothing twice."""
import os
import signal
import threading
import time

import acts


def kill_gateway(g):
    before = g.pids()["gateway"]
    os.kill(before, signal.SIGKILL)
    end = time.monotonic() + 20
    while g.pids()["gateway"] == before and time.monotonic() < end:
        time.sleep(0.05)
    g.wait_ready()


def write_files(g, names, acknowledged, stop):
    """Uploads files until told to stop; whoever was answered stands in `acknowledged`."""
    fs = g.file_system()
    for name in names:
        if stop.is_set():
            return
        try:
            fs.get_file_client(f"kill/{name}").upload_data(name.encode() * 1000, overwrite=True)
            acknowledged.append(name)
        except Exception:  # noqa: BLE001  the gateway was killed under it: nothing was promised
            time.sleep(0.1)


def test_acknowledged_files_survive(own_gateway):
    g = own_gateway
    g.start()
    acknowledged, stop = [], threading.Event()
    writer = threading.Thread(target=write_files, args=(g, (f"f{i}" for i in range(100000)), acknowledged, stop))
    writer.start()
    try:
        for _ in range(3):
            time.sleep(1.5)
            kill_gateway(g)
        time.sleep(1)
    finally:
        stop.set()
        writer.join(timeout=120)
    assert len(acknowledged) > 5
    fs = g.file_system()
    for name in acknowledged:
        assert fs.get_file_client(f"kill/{name}").download_file().readall() == name.encode() * 1000, name
    sizes = {p.content_length for p in fs.get_paths("kill") if not p.is_directory}
    assert all(size % 1000 == 0 or size == 0 for size in sizes)
    time.sleep(1.5)
    g.run("audit", "verify", acts.log_folder(g))


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
    end = time.monotonic() + 90
    while "marked" not in str(g.json("GET", f"/livy/batches/{batch['id']}/log", g.token())[1]) and time.monotonic() < end:
        time.sleep(0.3)
    kill_gateway(g)
    end = time.monotonic() + 90
    state = None
    while state not in ("success", "dead", "killed") and time.monotonic() < end:
        time.sleep(0.3)
        state = g.json("GET", f"/livy/batches/{batch['id']}/state", g.token())[1]["state"]
    log = g.json("GET", f"/livy/batches/{batch['id']}/log?from=0&size=100000", g.token())[1]["log"]
    assert state == "success", log[-30:]
    assert log.count("marked") == 1 and log.count("written") == 1
    parts = [p.name for p in fs.get_paths("kill-batch") if "part-" in p.name and "_temporary" not in p.name]
    assert len(parts) == 1, parts
