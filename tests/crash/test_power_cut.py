"""Power cuts: the state directory lies on an ext4 whose plug is pulled (its shutdown ioctl, without a flush of its journal) while a crowd works.

What was acknowledged is there when the machine is back, batches don't run twice, and the log is whole. 5 cuts; 60 under EG_LONG=1.
The kernel is the same before and after, so a new boot id is not part of it.
"""
import os
import random
import signal
import time

import crowd
import evidence
import own_mounts
import pytest
from judge import judge, judge_storage

CUTS = 60 if os.environ.get("EG_LONG") else 5

pytestmark = pytest.mark.skipif(not own_mounts.supported(), reason="needs root and loop devices")


def cut_and_boot(g):
    """Whether the cut lost bytes that nobody synced: now and then the kernel had written them on its own."""
    unsynced = f"{g.disk.where}/unsynced"
    with open(unsynced, "w") as f:
        f.write("what nobody synced")
    g.disk.cut()
    while found := evidence.mine(g):
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    g.process.wait(timeout=10)
    g.disk.mend()
    lost = not os.path.exists(unsynced) or os.path.getsize(unsynced) == 0
    g.start()
    return lost


def test_what_was_synced_survives(disk_gateway, seed, tmp_path):
    g, rng = disk_gateway, random.Random(seed)
    g.start()
    lost = 0
    with crowd.at_work(g, seed, files=3) as clients:
        for n in range(CUTS):
            time.sleep(rng.uniform(0.5, 3))
            lost += cut_and_boot(g)
            wrong = [w for c in clients for w in c.wrong]
            assert not wrong, f"cut {n}: " + "\n".join(wrong)
    assert lost > CUTS / 2, "cuts lose nothing: this disk shows nothing"
    judge(g, clients, tmp_path)
    assert sum(c.unanswered for c in clients) > 0, "no cut met a request"
    assert judge_storage(g) == []
