"""How long until the first byte of an answer beside heavy load, and until a submitted job's driver process begins."""
import json
import os
import statistics
import threading
import time

from side_by_side import client, wrk


def submit_one(g, token, mark):
    body = {"file": f"abfss://data@127.0.0.1:{g.port}/none.py", "args": [mark]}
    os.mkfifo(mark)
    os.chmod(mark, 0o666)
    pipe = os.open(mark, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # jobs write to no file of others; this is none
    said = b""
    started = time.time()
    status, batch, _ = g.json("POST", "/livy/batches", token, body)
    answered = time.time()
    assert status == 201, (status, batch)
    end = time.monotonic() + 20
    while not said.endswith(b"\n"):
        assert time.monotonic() < end, (g.log_tail(40), g.json("GET", f"/livy/batches/{batch['id']}", token))
        time.sleep(0.005)
        try:
            said += os.read(pipe, 4096)
        except BlockingIOError:
            pass
    os.close(pipe)
    began = float(said)
    while g.json("GET", f"/livy/batches/{batch['id']}/state", token)[1]["state"] not in ("success", "dead", "error"):
        time.sleep(0.02)
    return (began - started) * 1e3, (answered - started) * 1e3


def beside_load(peer, path, quiet_path, b, token):
    """wrk with 32 connections, and one quiet client."""
    load = threading.Thread(target=wrk, args=(peer, path, b.seconds + 1, token))
    load.start()
    time.sleep(0.5)
    try:
        return client("probe", peer.port, quiet_path, b.seconds, token=token)
    finally:
        load.join()


def measure(b):
    print("Latency: the first byte of one quiet client's small requests (the list of batches, empty still) beside 32 busy connections; then from POST\n"
          "/livy/batches (new connection and TLS handshake of the client included) to the first line of a driver that is a shell script.")
    ours, nginx = b.ours(), b.nginx()
    got = b.interleaved([
        (ours, lambda p: beside_load(p, "/livy/batches", "/livy/batches", b, b.token)),
        (nginx, lambda p: beside_load(p, "/small", "/small", b, None)),
    ], rounds=3)
    for key, name in (("p50_us", "median first byte beside load"), ("p99_us", "p99 first byte beside load")):
        b.add(name, "us", [v[key] for v in got["embergate"]], "nginx", [v[key] for v in got["nginx"]], smaller=True)
    marks = f"{b.folder}/marks"
    os.makedirs(marks, exist_ok=True)
    os.chmod(marks, 0o1777)
    submit_one(b.gateway, b.token, f"{marks}/first")  # starts the cluster
    took = [submit_one(b.gateway, b.token, f"{marks}/{i}") for i in range(60 if b.long else 15)]
    b.add("request to driver process", "ms", statistics.median(t for t, _ in took), None, None, 50, 20)
    b.add("request to driver process, slowest", "ms", max(t for t, _ in took), None, None)
    b.add("submission answered", "ms", statistics.median(a for _, a in took), None, None)
