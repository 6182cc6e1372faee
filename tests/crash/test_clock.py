"""The wall clock is set forward and back while a crowd works: tokens are asked for anew, nothing is lost, the log proves, and both jumps are told."""
import json
import os
import struct
import subprocess
import time

import crowd
import pytest
from judge import judge
from log_records import records

HERE = os.path.dirname(os.path.abspath(__file__))
JUMPS = [600, -600, 7200, -86400, 86400 - 7200]


@pytest.fixture
def jumping_gateway(trivial_gateway, tmp_path, monkeypatch):
    """jump(seconds) sets its clock; the command's own is the real one."""
    g, shim, where = trivial_gateway, f"{tmp_path}/clock_jump.so", f"{tmp_path}/offset"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, f"{HERE}/clock_jump.c"], check=True, timeout=60)
    offset = 0

    def write():
        with open(where, "r+b" if os.path.exists(where) else "wb") as f:
            f.write(struct.pack("q", offset * 1_000_000_000))

    def jump(seconds):
        nonlocal offset
        offset += seconds
        write()

    write()
    g.jump = jump
    with monkeypatch.context() as m:
        m.setenv("LD_PRELOAD", shim)
        m.setenv("CLOCK_JUMP_FILE", where)
        g.start()
    return g


def sanitized(path):
    with open(path, "rb") as f:
        return b"__asan_init" in f.read()


@pytest.mark.skipif(sanitized(os.environ["EG_BIN"]), reason="AddressSanitizer wants to be preloaded first, where the clock is")
def test_clock_jumps_both_ways(jumping_gateway, seed, tmp_path):
    g = jumping_gateway
    with crowd.at_work(g, seed, files=2) as clients:
        for seconds in JUMPS:
            time.sleep(2)
            g.jump(seconds)
            time.sleep(1)
            before = sum(len(c.acknowledged) for c in clients)
            end = time.monotonic() + 15
            while sum(len(c.acknowledged) for c in clients) < before + 10 and time.monotonic() < end:
                time.sleep(0.2)
            assert sum(len(c.acknowledged) for c in clients) >= before + 10, f"after {seconds} s: nobody gets on; {g.log_tail()}"
    judge(g, clients, tmp_path)
    with open(g.log_path) as f:
        told = [int(json.loads(line)["seconds"]) for line in f if '"clock.jumped"' in line]
    assert [round(t / 10) * 10 for t in told] == JUMPS
    recorded = [r for r in records(f"{g.state}/gateway/audit/server") if r["event"] == "server.clock.jump"]
    assert len(recorded) == len(JUMPS)
