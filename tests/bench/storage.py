"""Storage beside its peers: large and small writes, listing, ranges, renames, memory. What is stored is sealed and durable here, and neither or one of both there."""
import contextlib
import json
import os
import re
import subprocess
import threading
import time
import urllib.parse
import uuid

import storage_peers as peers
from blobs import SIZE, Writer, timed, write_ours
from side_by_side import HERE, PUT_CLIENT, client, resident_kib

KIB, MIB = 1 << 10, 1 << 20


class S3Writer(Writer):
    """One kept connection that puts whole objects."""

    def ask(self, method, path, body=None):
        self.headers = peers.s3_headers(self.connection.port, method, path)
        super().ask(method, path, body)


class AzureWriter(Writer):
    """One kept connection that speaks Blob."""

    def __init__(self, port, token):
        super().__init__(port, token)
        self.headers["x-ms-blob-type"] = "BlockBlob"


def storm(peer, mode, base, token, seconds, connections, size=0, piece=0):
    """One run of wrk with storage.lua: requests a second and their latency."""
    env = {**os.environ, "EG_MODE": mode, "EG_BASE": base, "EG_BENCH_TOKEN": token or "", "EG_SIZE": str(size), "EG_PIECE": str(piece)}
    done = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20", "--latency", "-s", f"{HERE}/storage.lua",
                           f"https://127.0.0.1:{peer.port}/"], env=env, stdout=subprocess.PIPE, text=True, timeout=seconds + 60, check=True)
    assert "Non-2xx" not in done.stdout and "Socket errors" not in done.stdout, f"{peer.name}: {done.stdout}"
    count = int(re.search(r"(\d+) requests in", done.stdout)[1])
    return {"per_second": float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)[1]), "count": count}


def put_storm(peer, base, token, seconds, connections, prefix=""):
    """New blobs of 1 KiB on kept connections, one at a time on each."""
    env = {**os.environ, "EG_BENCH_TOKEN": token}
    done = subprocess.run([PUT_CLIENT, str(peer.port), base, prefix, f"{seconds:g}", str(connections)], env=env, stdout=subprocess.PIPE, text=True, timeout=seconds + 60,
                          check=True)
    return json.loads(done.stdout)


def row(b, name, unit, got, key, other, gate=None, goal=None, **kw):
    b.add(name, unit, [v[key] for v in got["embergate"]], other, [v[key] for v in got[other]], gate, goal, **kw)


# large writes

def large_writes(b, ours, data):
    """A write here is create, append and flush, and survives a power cut; the peers' are in the page cache when they are answered."""
    mine = Writer(ours.port, b.storage_token)
    contestants = [(ours, lambda p: timed(lambda: write_ours(mine, "/data/bench/written", data), SIZE))]
    for peer, gate, goal in ((peers.rclone(b), 1.5, 3), (peers.versitygw(b), 1.5, 3), (peers.azurite(b), 2, 4)):
        if peer.name == "azurite":
            writer, path = AzureWriter(peer.port, peer.token), f"{peers.AZURITE}/bench/written"
            make_azurite_container(peer)
        else:
            writer, path = S3Writer(peer.port), "/bench/written"
        got = b.interleaved([*contestants, (peer, lambda p: timed(lambda: writer.ask("PUT", path, data), SIZE))])
        row(b, "64 MiB writes, ours synced", "MiB/s", got, "mib_per_second", peer.name, gate, goal)


def make_azurite_container(peer):
    w = Writer(peer.port, peer.token)
    with contextlib.suppress(AssertionError):
        w.ask("PUT", f"{peers.AZURITE}/bench?restype=container")


# reads

def reads(b, ours, data):
    nginx = b.nginx()
    with open(f"{b.folder}/www/blob", "wb") as f:
        f.write(data)
    write_ours(Writer(ours.port, b.storage_token), "/data/bench/blob", data)
    paths = {"embergate": ("/data/bench/blob", b.storage_token), "nginx": ("/blob", None)}
    for streams, gate, goal in ((1, 0.65, "nginx + one AES-GCM pass"), (16, 0.65, "nginx + one AES-GCM pass")):
        def read(p):
            return client("get", p.port, paths[p.name][0], max(1, 16 // streams), streams, token=paths[p.name][1])
        got = b.interleaved([(ours, read), (nginx, read)])
        row(b, f"64 MiB reads, {streams} at once", "MiB/s", got, "mib_per_second", "nginx", gate, goal)
    for name, mode, piece in (("random 64 KiB reads, 16 clients", "range", 64 * KIB), ("Parquet footers (last 512 KiB), 16 clients", "footer", 512 * KIB)):
        def pieces(p):
            return storm(p, mode, *paths[p.name], b.seconds, 16, SIZE, piece)
        got = b.interleaved([(ours, pieces), (nginx, pieces)])
        row(b, name, "/s", got, "per_second", "nginx")


# small things

def small_creates(b, ours):
    azurite = peers.azurite(b)
    make_azurite_container(azurite)

    def create(p):
        token, base = (b.storage_token, "/data") if p.name == "embergate" else (azurite.token, f"{peers.AZURITE}/bench")
        return put_storm(p, f"{base}/small-{uuid.uuid4().hex[:8]}", token, b.seconds, 8)
    got = b.interleaved([(ours, create), (azurite, create)])
    row(b, "1 KiB creates, 8 clients, ours synced", "/s", got, "per_second", "azurite", 5, 20)
    many = [put_storm(ours, f"/data/many-{i}", b.storage_token, b.seconds, 64)["per_second"] for i in range(b.rounds)]
    b.add("durable 1 KiB creates, 64 clients", "/s", many, None, [], 5000, 20000, floor=True)


def listing(b, ours):
    """Names a second, in pages of 5,000: the Data Lake API's list here, Blob's there."""
    azurite = peers.azurite(b)
    make_azurite_container(azurite)
    names = {"embergate": fill(ours, "/data", b.storage_token, 5000), "azurite": fill(azurite, f"{peers.AZURITE}/bench", azurite.token, 5000)}

    def list_page(p):
        if p.name == "embergate":
            w, path = Writer(p.port, b.storage_token), f"/data?resource=filesystem&recursive=false&directory={names[p.name]}&maxResults=5000"
        else:
            w, path = Writer(p.port, azurite.token), f"{peers.AZURITE}/bench?restype=container&comp=list&prefix={names[p.name]}/&maxresults=5000"
        started = time.monotonic()
        for _ in range(3):
            text = page(w, path)
        found = text.count(b'"name"') + text.count(b"<Name>")
        assert found == 5000, f"{p.name} lists {found} names: {text[:300]}"
        return {"per_second": 15000 / (time.monotonic() - started)}
    got = b.interleaved([(ours, list_page), (azurite, list_page)])
    row(b, "listing, pages of 5,000", "names/s", got, "per_second", "azurite", 5, 20)


def page(w, path):
    w.connection.request("GET", path, headers=w.headers)
    answer = w.connection.getresponse()
    text = answer.read()
    assert answer.status == 200, text[:300]
    return text


def fill(peer, base, token, count, threads=16):
    """A directory with so many files of one byte; gives its name."""
    name = f"dir-{uuid.uuid4().hex[:8]}"
    failed = []

    def work(first):
        try:
            w = AzureWriter(peer.port, token)
            for i in range(first, count, threads):
                w.ask("PUT", f"{base}/{name}/{i:06}", b"x")
        except BaseException as e:
            failed.append(e)
    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    assert not failed, failed[0]
    return name


def fill_fast(b, ours, count, most_seconds):
    """A directory with at least so many files of 1 KiB, or as many as fit in the time; gives its name and their number."""
    name, made, started = f"dir-{uuid.uuid4().hex[:8]}", 0, time.monotonic()
    while made < count and time.monotonic() - started < most_seconds:
        made += put_storm(ours, f"/data/{name}", b.storage_token, 5, 64, f"{made}-")["count"]
    return name, made


def rename(b, ours):
    name, count = fill_fast(b, ours, 100_000, 60)
    time.sleep(3)  # the records of all that are put into the log meanwhile
    w, times = Writer(ours.port, b.storage_token), []
    for i in range(2 * b.rounds):
        source, target = (name, f"{name}-moved") if i % 2 == 0 else (f"{name}-moved", name)
        started = time.monotonic()
        w.connection.request("PUT", f"/data/{target}", headers={**w.headers, "x-ms-rename-source": urllib.parse.quote(f"/data/{source}"), "Content-Length": "0"})
        answer = w.connection.getresponse()
        answer.read()
        times.append((time.monotonic() - started) * 1000)
        assert answer.status == 201, answer.status
    b.add(f"rename of a directory with {count:,} files", "ms", times, None, [], 10, 2)


def memory(b, ours, data):
    """What the gateway's processes hold, while 64 clients read 64 MiB each and while 64 write, above what they held when the server had just been started."""
    w = Writer(ours.port, b.storage_token)
    write_ours(w, "/data/bench/blob", data[:MIB])
    idle = resident_kib(ours.pids())
    write_ours(w, "/data/bench/blob", data)
    for what in ("write", "read"):
        peak, over = [0], threading.Event()

        def watch():
            while not over.is_set():
                peak[0] = max(peak[0], resident_kib(ours.pids()))
                time.sleep(0.05)
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            if what == "read":
                client("get", ours.port, "/data/bench/blob", 1, 64, token=b.storage_token)
            else:
                write_at_once(b, ours, data[:16 * MIB], 64)
        finally:
            over.set()
            watcher.join()
        b.add(f"memory while 64 clients {what}", "MiB", [max(0.01, (peak[0] - idle) / 1024)], None, [], 64, 32)


def write_at_once(b, ours, data, clients):
    def one(i):
        write_ours(Writer(ours.port, b.storage_token), f"/data/bench/at-once/{i}", data)
    workers = [threading.Thread(target=one, args=(i,)) for i in range(clients)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()


def measure(b):
    print("Storage over TLS. Ours is sealed with AES-256-GCM, verified, authorised and recorded, and durable when answered. rclone: S3 on a crypt remote; versitygw and\n"
          "Azurite: plain files; none of the three syncs.")
    ours, data = b.ours(), os.urandom(SIZE)
    parts = {"memory": lambda: memory(b, ours, data), "writes": lambda: large_writes(b, ours, data), "reads": lambda: reads(b, ours, data),
             "creates": lambda: small_creates(b, ours), "listing": lambda: listing(b, ours), "rename": lambda: rename(b, ours)}
    assert b.only is None or b.only in parts, f"storage has the parts {', '.join(parts)}"
    for name, part in parts.items():
        if b.only in (None, name):
            part()
