"""What the server needs runs out while a crowd works: a clear error in the surface's own shape, nothing lost, and recovery alone when it is back."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import acts
import crowd
import own_mounts
import pytest
from judge import judge
from log_records import records


def leave_free(g, size):
    """Fills the disk but for `size` bytes; with 0 until nothing is left for anybody."""
    path = f"{g.disk.where}/ballast"
    if os.path.exists(path):
        os.unlink(path)
    with open(path, "wb") as f:
        for piece in (32 << 20, 1 << 20, 65536, 4096):
            try:
                while os.statvfs(g.disk.where).f_bfree * 4096 > size:
                    os.posix_fallocate(f.fileno(), os.fstat(f.fileno()).st_size, piece)
            except OSError:
                pass


def make_room(g):
    os.unlink(f"{g.disk.where}/ballast")


def put(g, bearer, path, content):
    """Statuses and codes of create, append and flush, up to the first that isn't 2xx."""
    for method, query, body in (("PUT", "?resource=file", b""), ("PATCH", "?action=append&position=0", content),
                                ("PATCH", f"?action=flush&position={len(content)}", b"")):
        status, said, _ = g.request(method, path + query, bearer, body)
        if status >= 300:
            return status, json.loads(said)["error"]["code"]
    return status, None


def soon(what, seconds=15):
    end = time.monotonic() + seconds
    while not (got := what()) and time.monotonic() < end:
        time.sleep(0.2)
    return got


@pytest.mark.skipif(not own_mounts.supported(), reason="needs root and loop devices")
def test_disk_full(disk_gateway, seed, tmp_path):
    g = disk_gateway
    g.start()
    bearer = g.token(audience="storage")
    assert put(g, bearer, "/data/kept", b"k" * 100000) == (200, None)
    with crowd.at_work(g, seed, files=2) as clients:
        time.sleep(2)
        leave_free(g, 150 << 20)
        assert soon(lambda: put(g, bearer, "/data/more", b"m" * 1000) == (507, "InsufficientStorage"))
        assert g.request("GET", "/data/kept", bearer)[1] == b"k" * 100000
        for _ in range(2):
            leave_free(g, 0)
            time.sleep(4)
            said = put(g, bearer, f"/data/full{time.monotonic_ns()}", b"f" * 1000)
            assert said[0] in (503, 507), said
            make_room(g)
            assert soon(lambda: put(g, bearer, "/data/again", b"a" * 1000) == (200, None)), "no recovery: " + g.log_tail()
            time.sleep(1)
    assert g.request("GET", "/data/kept", bearer)[1] == b"k" * 100000
    assert refusals_recorded(g, "InsufficientStorage"), "who was told that the disk is full stands in no record"
    judge(g, clients, tmp_path)


def refusals_recorded(g, code):
    """Records of requests that were answered with this error."""
    return [r for r in records(acts.settled(g)) if r.get("error") == code]


def allow_store(g, mib):
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = re.sub(r"(?m)^  store_mib: .*\n", "", f.read())
    with open(path, "w") as f:
        f.write(re.sub(r"(?m)^(  stop_seconds: .*)$", rf"\1\n  store_mib: {mib}", text))


def test_metadata_store_full(trivial_gateway, seed, tmp_path):
    """Of a store of 4 MiB all is taken but the reserve: who wants more is told so, and recorded; reading, deleting and batches go on, and deleting helps."""
    g = trivial_gateway
    allow_store(g, 4)
    g.start()
    bearer, headers, made = g.token(audience="storage"), {"x-ms-version": "2023-11-03", "x-ms-properties": "k=" + "QUFB" * 500}, 0
    name = "/data/" + "n" * 200
    while (answer := g.request("PUT", f"{name}{made}?resource=file", bearer, b"", headers))[0] == 201 and made < 5000:
        made += 1
    assert answer[0] == 507 and json.loads(answer[1])["error"]["code"] == "MetadataStoreFull", answer[:2]
    assert made > 100
    for _ in range(3):  # at the brink a page that comes back lets one more in
        assert soon(lambda: put(g, bearer, f"/data/more{time.monotonic_ns()}", b"m" * 1000) == (507, "MetadataStoreFull"))
        assert g.request("GET", f"{name}0", bearer)[0] == 200
        assert g.json("GET", "/livy/batches", g.token())[0] == 200
        assert g.request("GET", "/healthz")[0] == 200
    for i in range(made // 2):
        assert g.request("DELETE", f"{name}{i}?recursive=false", bearer)[0] == 200
    assert soon(lambda: put(g, bearer, "/data/more", b"m" * 1000) == (200, None)), "deleting did not help: " + g.log_tail()
    assert g.request("GET", "/data/more", bearer)[1] == b"m" * 1000
    assert len(refusals_recorded(g, "MetadataStoreFull")) >= 4, "who was told so stands in no record"
    g.stop()
    allow_store(g, 64)
    g.start()
    with crowd.at_work(g, seed, files=2) as clients:
        time.sleep(2)
    judge(g, clients, tmp_path)


def test_keeper_away(trivial_gateway, seed, tmp_path):
    """It hangs for ten seconds, then it dies: what needs a key that nobody holds any more is 503, and said to be the keeper's doing."""
    g = trivial_gateway
    g.start()
    bearer = g.token(audience="storage")
    with crowd.at_work(g, seed, files=2) as clients:
        time.sleep(1)
        keeper, began = g.pids()["keeper"], time.monotonic()
        os.kill(keeper, signal.SIGSTOP)
        try:
            time.sleep(1.2)  # keys that it gave before are good for a second
            assert put(g, bearer, "/data/nobodys-key", b"n" * 1000) == (503, "KeeperUnavailable")
            time.sleep(max(0.0, 10 - (time.monotonic() - began)))
        finally:
            os.kill(keeper, signal.SIGCONT)
        assert soon(lambda: put(g, bearer, "/data/nobodys-key", b"n" * 1000) == (200, None))
        os.kill(g.pids()["keeper"], signal.SIGKILL)
        assert soon(lambda: put(g, bearer, f"/data/{time.monotonic_ns()}", b"n" * 1000) == (200, None))
    assert refusals_recorded(g, "KeeperUnavailable"), "who was told that keys can't be had stands in no record"
    judge(g, clients, tmp_path)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors_of(pid):
    with open(f"/proc/{pid}/limits") as f:
        return int(next(line for line in f if line.startswith("Max open files")).split()[3])


def allow_descriptors(g, pid, soft):
    """As the gateway's own user, who may move the soft limit of his processes."""
    st = os.stat(f"{g.state}/gateway")
    subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={soft}:"], user=st.st_uid, group=st.st_gid, extra_groups=[], check=True, timeout=10)


def test_descriptors_exhausted(trivial_gateway, seed, tmp_path):
    """At start, fewer than connections may need are refused. Taken away later: errors, but nothing spins, dies, or is lost."""
    g = trivial_gateway
    refused = subprocess.Popen(["prlimit", "--nofile=150:150", g.binary, "serve", "--state", g.state], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert any("file descriptors" in line for line in iter(refused.stderr.readline, ""))
    refused.terminate()
    refused.communicate(timeout=60)
    g.start()
    bearer, gateway = g.token(audience="storage"), g.pids()["gateway"]
    with crowd.at_work(g, seed, files=2) as clients:
        time.sleep(1.5)
        before = descriptors_of(gateway)
        try:
            for soft in (len(os.listdir(f"/proc/{gateway}/fd")) + 6, 3):  # with 3 there is never another one
                allow_descriptors(g, gateway, soft)
                busy = cpu_seconds(gateway)
                time.sleep(3)
                assert cpu_seconds(gateway) - busy < 2.5, "it spins"
            assert not answers(g), "a new connection needs a descriptor"
        finally:
            allow_descriptors(g, gateway, before)
        assert soon(lambda: put_or_none(g, bearer, "/data/again", b"a" * 1000) == (200, None)), "no recovery: " + g.log_tail()
    assert g.pids()["gateway"] == gateway, "it died of it"
    assert '"descriptors.short"' in open(g.log_path).read()
    short = soon(lambda: [r for r in records(f"{g.state}/gateway/audit/server") if r["event"] == "server.descriptors.short"], 30)
    assert len(short) == 1 and short[0]["outcome"] == "failed", short
    judge(g, clients, tmp_path)


def answers(g):
    """Whether a new connection is served; without descriptors it waits in the kernel's queue."""
    try:
        return g.request("GET", "/healthz", timeout=3)[0] == 200
    except OSError:
        return False


def put_or_none(g, *what):
    try:
        return put(g, *what)
    except OSError:
        return None
