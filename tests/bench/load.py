"""How long a well-behaved client waits beside peers that are many, slow, or come all at once, and what these take of the server's memory."""
import os
import threading
import time

import load_peers
from side_by_side import CLIENT, CLUSTERS, client, resident_kib


def probe(b, seconds):
    return client("probe", b.gateway.port, "/livy/batches?size=1", seconds, token=b.token)


def upload(b, size):
    storage = {"x-ms-version": "2023-11-03"}
    g, content = b.gateway, os.urandom(size)
    for path in ("/data/large", "/data/dripped"):
        assert g.request("PUT", f"{path}?resource=file", b.storage_token, b"", storage)[0] == 201
    assert g.request("PATCH", "/data/large?action=append&position=0", b.storage_token, content, storage)[0] == 202
    assert g.request("PATCH", f"/data/large?action=flush&position={size}", b.storage_token, b"", storage)[0] == 200


def submit(b, count):
    """In turn to each cluster: 256 of one may wait at most."""
    for i in range(count):
        body = {"file": f"abfss://data@127.0.0.1:{b.gateway.port}/none.py", "args": [f"{b.folder}/queue.out"]}
        status, said, _ = b.gateway.json("POST", f"/clusters/{CLUSTERS[i % len(CLUSTERS)]}/livy/batches", b.token, body)
        assert status == 201, (status, said)


def waiting(b):
    pages = [b.gateway.json("GET", f"/clusters/{c}/livy/batches?size=1000", b.token)[1]["sessions"] for c in CLUSTERS]
    return sum(entry["state"] in ("starting", "running") for page in pages for entry in page)


def compare(b, name, alone, beside):
    b.add(f"p99 beside {name}", "us", beside["p99_us"], "alone", alone["p99_us"], smaller=True)
    b.add(f"median beside {name}", "us", beside["p50_us"], "alone", alone["p50_us"], smaller=True)


def measure(b):
    ours, g = b.ours(), b.gateway
    idle, slow, batches = (10000, 400, 1000) if b.long else (2000, 200, 200)
    idle = min(idle, b.connections - 500)
    print(f"Load: a quiet client alone, then beside {idle:,} idle connections, {slow} slow readers and writers, a storm of new connections, and\n"
          f"{batches} queued batches. A ratio of 0.5 is twice the wait. The load's own processes share the machine with the server.")
    upload(b, 16 << 20)
    probe(b, 0.5)
    alone = probe(b, b.seconds)
    before = resident_kib(ours.pids())
    with load_peers.held(CLIENT, g.port, "/healthz", idle):
        time.sleep(1)
        during = resident_kib(ours.pids())
        compare(b, f"{idle} idle connections", alone, probe(b, b.seconds))
    time.sleep(3)
    after = resident_kib(ours.pids())
    b.add("memory of an idle connection", "KiB", (during - before) / idle, None, None)
    b.add("idle server", "MiB", before / 1024, None, None)
    b.add("server when they have left", "MiB", after / 1024, None, None)
    with load_peers.SlowPeers(g, b.storage_token, slow // 2, slow // 2, "/data/dripped", "/data/large"):
        time.sleep(1)
        compare(b, f"{slow} slow peers", alone, probe(b, b.seconds))
    storm = threading.Thread(target=lambda: client("connect", g.port, "/healthz", b.seconds + 1, 64))
    storm.start()
    time.sleep(0.5)
    compare(b, "a storm of new connections", alone, probe(b, b.seconds))
    storm.join()
    started = time.monotonic()
    submit(b, batches)
    b.add("batches answered", "1/s", batches / (time.monotonic() - started), None, None)
    compare(b, f"{batches} queued batches", alone, probe(b, b.seconds))
    while waiting(b):
        time.sleep(0.5)
    b.add("batches ended", "1/s", batches / (time.monotonic() - started), None, None)
    b.add("server at the end", "MiB", resident_kib(ours.pids()) / 1024, None, None)
