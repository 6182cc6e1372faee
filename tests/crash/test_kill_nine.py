"""kill -9 of every kind of process of ours, at random moments, while clients write, rename, delete and submit.

Nothing acknowledged is lost, nothing runs twice, nothing is half-written, no process is orphaned, the log is whole, Tessera agrees, and every
change has exactly one record. The drivers are trivial (trivial_spark.py). 30 rounds; 300 under EG_LONG=1.
"""
import os
import random
import signal
import socket
import time

import crowd
import evidence
from judge import judge, judge_storage

ROUNDS = 300 if os.environ.get("EG_LONG") else 30
TAKE_OVER_SECONDS = 10
VICTIMS = ("gateway", "keeper", "launcher", "supervisor", "runner", "master", "worker", "driver", "everything")



def descendants(of, tree):
    found, grown = {of}, True
    while grown:
        more = {pid for pid, parent in tree.items() if parent in found} | found
        grown, found = len(more) > len(found), more
    return found


def victims(g, kind, rng):
    """Pids of one thing of this kind that lives now."""
    tree = evidence.mine(g)
    if kind == "everything":
        return list(tree)
    if kind == "supervisor":
        return [g.process.pid]
    if kind in ("gateway", "keeper", "launcher"):
        return [g.pids()[kind]]
    living = [pid for pid in evidence.runners(g, {"runner": "*", "driver": "batch"}.get(kind, kind)) if pid in tree]
    if not living:
        return []
    chosen = rng.choice(living)
    return [chosen] if kind == "runner" else [max(descendants(chosen, tree))]


def kill(g, pids):
    for pid in pids:
        if pid in evidence.mine(g):  # ours still, not a number that was given to another
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def take_over(g):
    """The next `serve`; gives the seconds until it answers."""
    g.process.wait(timeout=10)
    started = time.monotonic()
    g.start()
    return time.monotonic() - started


def shuffled(rng):
    """Every kind of victim equally often, in an order that nobody knows."""
    while True:
        yield from rng.sample(VICTIMS, len(VICTIMS))


def round_of(g, rng, kinds):
    """Kills one thing, or two; gives what is wrong."""
    time.sleep(rng.uniform(0.1, 1.5))
    for kind in kinds:
        kill(g, victims(g, kind, rng))
        time.sleep(rng.choice((0, 0, 0.2)))
    if {"supervisor", "everything"} & set(kinds):
        seconds = take_over(g)
        return [f"after {kinds} the next server took {seconds:.1f} s"] if seconds > TAKE_OVER_SECONDS else []
    if rng.random() < 0.7:  # else the next one falls into the recovery
        g.wait_ready()
    return []


def test_nothing_acknowledged_is_lost(trivial_gateway, seed, tmp_path):
    g, rng = trivial_gateway, random.Random(seed)
    g.start()
    with crowd.at_work(g, seed, files=3) as clients:
        wrong, order = [], shuffled(rng)
        for n in range(ROUNDS):
            kinds = [next(order) for _ in range(2 if rng.random() < 0.3 else 1)]
            wrong += round_of(g, rng, kinds)
            if n % 5 == 4:
                wrong += evidence.no_orphans(g)
            wrong += [w for c in clients for w in c.wrong]
            assert not wrong, f"round {n}, {kinds}: " + "\n".join(wrong)
    g.wait_ready()
    judge(g, clients, tmp_path)
    assert all(len(c.acknowledged) > ROUNDS for c in clients), "the crowd hardly came to work"
    assert sum(c.unanswered for c in clients) > 0, "no kill met a request"
    assert judge_storage(g) == []
    assert evidence.mine(g) == {}, "processes outlive embergate stop"


def test_take_over_from_a_gateway_that_waits_for_its_keeper(trivial_gateway):
    """A gateway that was just started when keeper and supervisor went: nobody starts a keeper for it any more, and it holds the store's lock."""
    g = trivial_gateway
    g.start()
    for _ in range(6):
        pids, since = g.pids(), os.path.getsize(g.log_path)
        os.kill(pids["gateway"], signal.SIGKILL)
        assert g.wait_for_log('"process.started"', since)
        kill(g, [pids["keeper"], g.process.pid])
        assert take_over(g) < TAKE_OVER_SECONDS


def test_take_over_while_a_client_is_slow(trivial_gateway):
    """Whoever reads slowly does not keep the next server from its lock, port and sockets; the job is found again."""
    g = trivial_gateway
    g.start()
    bearer, size = g.token(audience="storage"), 30 << 20
    for request in (("PUT", "?resource=file", b""), ("PATCH", "?action=append&position=0", bytes(size)), ("PATCH", f"?action=flush&position={size}", b"")):
        assert g.request(request[0], "/data/large" + request[1], bearer, request[2])[0] in (200, 201, 202)
    body = {"file": f"abfss://data@127.0.0.1:{g.port}/job", "args": ["slow", g.runs, "12"]}
    batch = g.json("POST", "/livy/batches", g.token(), body)[1]["id"]
    end = time.monotonic() + 20
    while not os.path.getsize(g.runs) and time.monotonic() < end:
        time.sleep(0.1)
    with g.context().wrap_socket(socket.create_connection(("127.0.0.1", g.port)), server_hostname="127.0.0.1") as slow:
        slow.sendall(f"GET /data/large HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {bearer}\r\n\r\n".encode())
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")
        os.kill(g.process.pid, signal.SIGKILL)
        assert take_over(g) < TAKE_OVER_SECONDS
    started = time.monotonic()  # the job may have begun before anybody wrote down that it did
    while (state := g.json("GET", f"/livy/batches/{batch}/state", g.token())[1]["state"]) == "starting" and time.monotonic() < started + 10:
        time.sleep(0.1)
    assert state == "running"
    while (state := g.json("GET", f"/livy/batches/{batch}/state", g.token())[1]["state"]) == "running" and time.monotonic() < end + 20:
        time.sleep(0.2)
    assert state == "success"
    with open(g.runs) as f:
        assert f.read() == f"batch-{batch} slow\n"
