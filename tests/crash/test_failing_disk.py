"""The disk refuses a sync of the store's file while a crowd works: nothing more is promised, the gateway starts anew by itself, and all that was answered is there."""
import json
import os
import struct
import subprocess
import time

import crowd
import pytest
from judge import judge
from test_clock import sanitized

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = 60_000  # goes with the store's log, of which a file that is half full wants a checkpoint


@pytest.fixture
def breakable_gateway(trivial_gateway, tmp_path, monkeypatch):
    """break_store(True) has each sync of the store's file fail from now on."""
    g, shim, where = trivial_gateway, f"{tmp_path}/failing_sync.so", f"{tmp_path}/broken"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, f"{HERE}/failing_sync.c"], check=True, timeout=60)

    def break_store(broken):
        inode = os.stat(f"{g.state}/gateway/db/data.mdb").st_ino if broken else 0
        with open(where, "r+b" if os.path.exists(where) else "wb") as f:
            f.write(struct.pack("Q", inode))

    break_store(False)
    g.break_store = break_store
    with monkeypatch.context() as m:
        m.setenv("LD_PRELOAD", shim)
        m.setenv("FAILING_SYNC_FILE", where)
        g.start()
    return g


def write_until_refused(g, bearer):
    """Names of the blobs that were answered with 201."""
    kept = []
    for n in range(1000):
        try:
            status, _, _ = g.request("PUT", f"/data/kept/{n}", bearer, b"%08d" % n * (SMALL // 8), {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03"})
        except OSError:
            return kept
        if status != 201:
            return kept
        kept.append(n)
    pytest.fail("a thousand small files, and the store's file was never synced")


@pytest.mark.skipif(sanitized(os.environ["EG_BIN"]), reason="AddressSanitizer wants to be preloaded first, where the disk is")
def test_a_failed_sync_of_the_store(breakable_gateway, seed, tmp_path):
    g = breakable_gateway
    bearer = g.token(audience="storage")
    with crowd.at_work(g, seed, files=2) as clients:
        g.break_store(True)
        kept = write_until_refused(g, bearer)
        assert g.wait_for_log('"store.failed"', seconds=20)
        g.break_store(False)
        assert g.wait_for_log('"gateway.ready"', os.path.getsize(g.log_path), 60)
        before = sum(len(c.acknowledged) for c in clients)
        for n in kept:
            status, body, _ = g.request("GET", f"/data/kept/{n}", bearer, headers={"x-ms-version": "2023-11-03"})
            assert (status, body) == (200, b"%08d" % n * (SMALL // 8))
        end = time.monotonic() + 30
        while sum(len(c.acknowledged) for c in clients) < before + 10 and time.monotonic() < end:
            time.sleep(0.2)
    assert sum(len(c.acknowledged) for c in clients) >= before + 10, g.log_tail()
    judge(g, clients, tmp_path)
    with open(g.log_path) as f:
        told = [json.loads(line) for line in f if '"store.failed"' in line]
    assert len(told) == 1
