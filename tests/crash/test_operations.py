"""kill -9 of the gateway, the keeper or everything, and cuts of the disk's power, while copies, snapshots, undeletes, renames across filesystems, recursive lists,
batches, leases, staged blocks, appends and flushes are under way. 6 kills and 2 cuts; 300 and 40, judged each 25 and 10, under EG_LONG=1."""
import json
import os
import random
import re
import time

import evidence
import operations
import own_mounts
import pytest
from judge import judge, judge_storage
from test_kill_nine import kill, take_over, victims
from test_power_cut import cut_and_boot

KILLS, CUTS, PARTS = (25, 10, (12, 4)) if os.environ.get("EG_LONG") else (6, 2, (1, 1))
CLIENTS = 3


def start(g, seed):
    """Deleted paths are kept, so that they can come back."""
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text, n = re.subn(r"(?m)^(    delete_retention_days:) .*$", r"\g<1> 7", f.read())
    assert n == 1
    with open(path, "w") as f:
        f.write(text)
    g.start()
    return operations.at_work(g, seed, CLIENTS)


def faults_after_a_cut(g):
    """Blocks that no list has committed promise nothing after a power cut; the server knows a cut by the machine's boot, which here is the same as before.
    Where they lay is then named by the pack, too; what a file needs is named by the file."""
    g.stop()
    found = json.loads(g.run("storage", "check", "--json", "--state", g.state, check=False).stdout)["findings"]
    return [f for f in found if f["kind"] not in ("leftover", "unverified") and "uncommitted blocks of" not in f["where"] and not f["where"].startswith("segments/")]


def judged(g, clients, folder, least, storage=judge_storage):
    operations.stop(clients)
    judge(g, clients, folder)
    print({k: sum(c.kinds[k] for c in clients) for k in sorted({k for c in clients for k in c.kinds})})
    assert sum(len(c.acknowledged) for c in clients) > least, "the crowd hardly came to work"
    assert sum(c.unanswered for c in clients) > 0, "no crash met a request"
    assert storage(g) == []
    assert evidence.mine(g) == {}, "processes outlive embergate stop"


@pytest.mark.parametrize("part", range(PARTS[0]))
def test_killed(trivial_gateway, seed, tmp_path, part):
    g, rng = trivial_gateway, random.Random(seed + part)
    clients = start(g, seed + part)
    try:
        for n in range(KILLS):
            time.sleep(rng.uniform(0.1, 1.5))
            kind = rng.choice(("gateway", "gateway", "keeper", "everything"))
            kill(g, victims(g, kind, rng))
            if kind == "everything":
                take_over(g)
            elif rng.random() < 0.7:
                g.wait_ready()
            wrong = [w for c in clients for w in c.wrong]
            assert not wrong, f"kill {n}, {kind}: " + "\n".join(wrong)
        g.wait_ready()
        judged(g, clients, tmp_path, KILLS)
    finally:
        operations.stop(clients, 10)


@pytest.mark.skipif(not own_mounts.supported(), reason="needs root and loop devices")
@pytest.mark.parametrize("part", range(PARTS[1]))
def test_power_cut(disk_gateway, seed, tmp_path, part):
    g, rng = disk_gateway, random.Random(seed + part)
    clients = start(g, seed + part)
    try:
        for n in range(CUTS):
            time.sleep(rng.uniform(0.5, 3))
            cut_and_boot(g)
            wrong = [w for c in clients for w in c.wrong]
            assert not wrong, f"cut {n}: " + "\n".join(wrong)
        judged(g, clients, tmp_path, CUTS, faults_after_a_cut)
    finally:
        operations.stop(clients, 10)
