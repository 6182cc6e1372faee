"""Many peers at once, none of them malicious enough to be refused: the well-behaved are served as before, and memory has a bound and comes back.

Each run takes 400 idle connections, 40 slow peers and 60 batches; EG_LONG=1 takes 10,000 (fewer where descriptors are short), 400 and 1,000. How long the well-behaved wait is
measured by ./dev bench load; here nothing is timed.
"""
import concurrent.futures
import json
import os
import time

import load_peers
import pytest
import trivial_spark
from judge import judge_log
from server import finish, make_state_folder, new_gateway

LONG = bool(os.environ.get("EG_LONG"))
IDLE, SLOW, BATCHES = (10000, 400, 1000) if LONG else (400, 40, 60)
SPARE = 100
IDLE = load_peers.possible_connections(IDLE + SLOW + SPARE) - SLOW - SPARE
CLUSTERS = ("analytics", "other", "third", "fourth")
MIB = 1024  # KiB

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="another user's smaps tells what memory a process has")


@pytest.fixture
def wide_gateway():
    folder = make_state_folder()
    home, runs = trivial_spark.make(folder)
    g = new_gateway(folder, "--spark-home", home, "--worker-cores", "4", "--cluster", "third", "--cluster", "fourth", binary=os.environ["EG_BIN"])
    load_peers.allow_connections(g, IDLE + SLOW + SPARE)
    g.runs, g.program = runs, load_peers.build_client(folder)
    try:
        g.start()
        yield g
    finally:
        finish(g, folder)


def memory(g):
    return load_peers.memory_kib(g.pids()["gateway"])


def comes_back(g, bound, seconds=20):
    end = time.monotonic() + seconds
    while (now := memory(g)) > bound and time.monotonic() < end:
        time.sleep(0.5)
    return now


def test_idle_connections_and_a_reconnect_storm(wide_gateway):
    g = wide_gateway
    bearer = g.token()
    load_peers.storm(g.program, g.port, "/healthz", 50, 1)  # what is made at the first request is no part of a connection
    before = memory(g)
    with load_peers.Polite(g, "/livy/batches", bearer) as polite:
        with load_peers.held(g.program, g.port, "/healthz", IDLE):
            during = memory(g)
            time.sleep(1)
        load_peers.storm(g.program, g.port, "/healthz", IDLE // 2, 3)
    after = comes_back(g, before + (during - before) // 4 + 8 * MIB)
    print(f"{IDLE} idle connections: {(during - before) / IDLE:.1f} KiB each; the server {before / MIB:.1f} MiB, {during / MIB:.1f}, then {after / MIB:.1f}; "
          f"beside them {len(polite.took)} requests, p99 {polite.p(0.99):.1f} ms")
    assert not polite.wrong, polite.wrong[:5]
    assert (during - before) / IDLE < 40
    assert after <= before + (during - before) // 4 + 8 * MIB, "the memory did not come back"


def test_slow_readers_and_writers(wide_gateway):
    g = wide_gateway
    bearer = g.token(audience="storage")
    storage = {"x-ms-version": "2023-11-03"}
    for path in ("/data/large", "/data/dripped"):
        assert g.request("PUT", f"{path}?resource=file", bearer, b"", storage)[0] == 201
    content = os.urandom(16 << 20)
    assert g.request("PATCH", "/data/large?action=append&position=0", bearer, content, storage)[0] == 202
    assert g.request("PATCH", f"/data/large?action=flush&position={len(content)}", bearer, b"", storage)[0] == 200
    before = memory(g)
    with load_peers.SlowPeers(g, bearer, SLOW // 2, SLOW // 2, "/data/dripped", "/data/large") as slow:
        with load_peers.Polite(g, "/data?resource=filesystem&recursive=false", bearer) as polite:
            for _ in range(3):
                assert g.request("GET", "/data/large", bearer, headers=storage)[1] == content
                time.sleep(2)
            during = memory(g)
    after = comes_back(g, before + (during - before) // 2 + 16 * MIB)
    print(f"{SLOW} slow peers ({slow.ended} ended by the server): {(during - before) / SLOW:.0f} KiB each; the server {before / MIB:.1f} MiB, "
          f"{during / MIB:.1f}, then {after / MIB:.1f}; beside them {len(polite.took)} requests, p99 {polite.p(0.99):.1f} ms")
    assert not polite.wrong, polite.wrong[:5]
    assert (during - before) / SLOW < 1024, "two halves of a source's buffer, one chunk and the connection are less"
    assert after <= before + (during - before) // 2 + 16 * MIB, "the memory did not come back"
    assert g.request("GET", "/data/large", bearer, headers=storage)[1] == content


def test_batches_in_a_queue(wide_gateway, tmp_path):
    """Each is answered at once, runs once when its turn comes, and can be deleted; more than the bound are refused as such."""
    g = wide_gateway
    bearer = g.token()

    def submit(i):
        body = {"file": f"abfss://data@127.0.0.1:{g.port}/job", "args": [f"q{i}", g.runs, "0"]}
        status, said, _ = g.json("POST", f"/clusters/{CLUSTERS[i % 4]}/livy/batches", bearer, body)
        return CLUSTERS[i % 4], status, said

    def state(cluster, number):
        return g.json("GET", f"/clusters/{cluster}/livy/batches/{number}/state", bearer)[1]["state"]

    before = memory(g)
    with load_peers.Polite(g, "/clusters/analytics/livy/batches?size=1", bearer, pause=0.02) as polite, concurrent.futures.ThreadPoolExecutor(16) as many:
        answers = list(many.map(submit, range(BATCHES)))
        assert all(status == 201 for _, status, _ in answers), [a for a in answers if a[1] != 201][:3]
        waiting = {(cluster, said["id"]) for cluster, _, said in answers}
        assert len(waiting) == BATCHES
        ended, end = {}, time.monotonic() + 30 + BATCHES
        while waiting and time.monotonic() < end:
            time.sleep(1)
            for cluster in CLUSTERS:
                _, page, _ = g.json("GET", f"/clusters/{cluster}/livy/batches?size=1000", bearer)
                ended.update({(cluster, b["id"]): b["state"] for b in page["sessions"] if b["state"] not in ("starting", "running")})
            waiting -= set(ended)
        assert not waiting, f"{len(waiting)} still wait: " + g.log_tail(5)
        assert set(ended.values()) == {"success"}, json.dumps([k for k, v in ended.items() if v != "success"][:5]) + g.log_tail(5)
        for status in many.map(lambda at: g.request("DELETE", f"/clusters/{at[0]}/livy/batches/{at[1]}", bearer)[0], list(ended)):
            assert status == 200
    with open(g.runs) as f:
        ran = sorted(line.split()[1] for line in f)
    assert ran == sorted(f"q{i}" for i in range(BATCHES)), "each once"
    print(f"{BATCHES} batches: the server {before / MIB:.1f} MiB, then {memory(g) / MIB:.1f}; beside them {len(polite.took)} requests, p99 {polite.p(0.99):.1f} ms")
    assert not polite.wrong, polite.wrong[:5]
    wrong = judge_log(g, [], tmp_path)
    assert not wrong, "\n".join(wrong)
