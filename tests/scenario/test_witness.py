"""Witnesses outside cosign the audit logs, so that even a machine that is set back whole, keeper and logs alike, is noticed.
covers: witness.c witness_watch.c cosignature.c consistency.c verify_witnessed.c"""
import base64
import json
import os
import random
import shutil
import subprocess
import time
import types

import acts
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from log_records import records
from outside_issuer import ProviderCa
from server import finish, make_state_folder, new_gateway
from tessera import can_build
from witness import Witness

pytestmark = pytest.mark.skipif(not can_build(), reason="the Go toolchain, which builds litewitness, is not installed")


def soon(truth):
    return acts.eventually(truth, 40)


def configure(g, ca, witnesses):
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    assert text.count("\nwitnesses: []") == 1 and text.count("\n  witness_seconds: 60") == 1
    rows = [{"key": w.key, "url": w.front.url, "ca_file": ca.file} for w in witnesses]
    text = text.replace("\nwitnesses: []", "\nwitnesses:\n" + "".join("  - " + json.dumps(r) + "\n" for r in rows)).replace("witness_seconds: 60", "witness_seconds: 1")
    with open(path, "w") as f:
        f.write(text)


@pytest.fixture(scope="module")
def world():
    folder, w = make_state_folder(), types.SimpleNamespace(gateway=None, one=None, two=None)
    try:
        ca = ProviderCa(folder)
        w.one, w.two = Witness(ca, folder, "one"), Witness(ca, folder, "two")
        w.gateway, w.folder = new_gateway(folder), folder
        configure(w.gateway, ca, [w.one, w.two])
        w.gateway.start()
        yield w
    finally:
        for each in (w.one, w.two):
            if each:
                each.stop()
        if w.gateway:
            finish(w.gateway, folder)


def vkey(g, log):
    with open(f"{log}/vkey") as f:
        return f.read().strip()


def metric(g, name):
    text = g.request("GET", "/metrics", g.token())[1].decode()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def verify(g, log, *witnesses, check=True):
    return g.run("audit", "verify", log, "--json", *[x for w in witnesses for x in ("--witness", w.key)], check=check)


def witnessed(g, log, *witnesses):
    """What the proof says of each witness, in their order; None when it doesn't hold."""
    done = verify(g, log, *witnesses, check=False)
    said = json.loads(done.stdout)
    return said["witnessed"] if done.returncode == 0 and said["whole"] else None


def refusals(g, n):
    """So many records: one for each name."""
    bearer = g.token(audience="storage")
    for _ in range(n):
        assert g.request("GET", f"/data/nobody-has-made-{random.randrange(1 << 60)}", bearer)[0] == 404


def states(g, w):
    """Outcomes of the records about a witness: each change once."""
    return [r["outcome"] for r in records(f"{g.state}/gateway/audit/server") if r["event"] == "audit.witness" and r["resource"] == w.name]


def test_one_that_does_not_know_the_log_is_told_of(world):
    g = world.gateway
    log = acts.settled(g)
    assert soon(lambda: states(g, world.one) == ["failed"] and states(g, world.two) == ["failed"])
    assert g.wait_for_log('"witness.away"') and metric(g, "embergate_witness_failed_total") > 0
    assert f"witness {world.one.name}: away: It doesn't know the log" in g.run("status").stdout
    assert witnessed(g, log, world.one) is None
    tenant = g.profile()["tenant"]
    assert g.request("GET", f"/audit/{tenant}/witnessed", g.token())[0] == 404
    for each in (world.one, world.two):
        for path in (log, f"{g.state}/gateway/audit/server"):
            each.introduce(vkey(g, path))
    assert soon(lambda: witnessed(g, log, world.one, world.two)), g.log_tail()
    assert soon(lambda: states(g, world.one) == ["failed", "allowed"] and states(g, world.two) == ["failed", "allowed"])
    assert soon(lambda: f"witness {world.two.name}: cosigns\n" in g.run("status").stdout)


def test_each_growth_is_cosigned(world):
    """Over the border of a tile, so that proofs are of every shape; litewitness verifies them."""
    g = world.gateway
    log, before = acts.log_folder(g), witnessed(g, acts.log_folder(g), world.one)[0]["size"]
    refusals(g, 280)
    acts.settled(g)
    size = len(records(log))
    assert size >= before + 280
    assert soon(lambda: all(w["size"] >= size for w in witnessed(g, log, world.one, world.two) or [{"size": 0}]))
    assert world.one.knows(vkey(g, log).split("+")[0]) >= size


def test_what_an_auditor_gets(world, tmp_path):
    """The checkpoint with both cosignatures, verified by another library than ours."""
    g, tenant = world.gateway, world.gateway.profile()["tenant"]
    log = acts.log_folder(g)
    assert soon(lambda: g.request("GET", f"/audit/{tenant}/witnessed", g.token())[1].decode().count("\n— ") == 3)
    status, text, headers = g.request("GET", f"/audit/{tenant}/witnessed", g.token())
    body, lines = text.decode().split("\n\n")
    body += "\n"
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    own, *others = lines.rstrip("\n").split("\n")
    name, _, key = vkey(g, log).split("+", 2)
    assert body.split("\n")[0] == name and own.split(" ")[1] == name
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:]).verify(base64.b64decode(own.split(" ")[2])[4:], body.encode())
    by_name = {line.split(" ")[1]: line for line in others}
    for w in (world.one, world.two):
        assert abs(w.time_of_line(by_name[w.name], body) - time.time()) < 600
    assert g.request("GET", f"/audit/{tenant}/witnessed", g.token("bystander"))[0] == 403
    words = g.run("audit", "verify", log, "--witness", world.one.key).stdout
    assert f"witnessed by {world.one.name} at 20" in words
    copy = tmp_path / "copy"
    g.run("audit", "fetch", copy)
    assert {w["name"] for w in json.loads(verify(g, copy, world.one, world.two).stdout)["witnessed"]} == {world.one.name, world.two.name}
    wrong = world.one.key.replace("witness.test", "witness.tost")
    assert g.run("audit", "verify", log, "--witness", wrong, check=False).returncode == 2


def test_one_that_is_away_holds_up_nobody(world):
    g = world.gateway
    world.one.front.down()
    failed, origin = metric(g, "embergate_witness_failed_total"), vkey(g, acts.log_folder(g)).split("+")[0]
    knew = world.two.knows(origin)
    acts.settled(g)
    assert soon(lambda: metric(g, "embergate_witness_failed_total") > failed)
    assert soon(lambda: world.two.knows(origin) > knew), "the other one is asked all the same"
    assert soon(lambda: states(g, world.one)[-1] == "failed" and states(g, world.two)[-1] == "allowed")
    assert soon(lambda: metric(g, "embergate_witness_waiting_seconds") >= 1)
    world.one.front.up()
    assert soon(lambda: states(g, world.one)[-1] == "allowed")
    assert soon(lambda: world.one.knows(origin) == world.two.knows(origin))
    assert metric(g, "embergate_witness_conflicts") == 0


def test_a_machine_that_is_set_back_whole(world):
    """Stores, logs, keeper: all older, all fitting together. Only the witnesses know more."""
    g = world.gateway
    log, kept = acts.log_folder(g), f"{world.folder}/older"
    g.stop()
    subprocess.run(["cp", "-a", g.state, kept], check=True)
    g.start()
    refusals(g, 30)
    acts.settled(g)
    size = len(records(log))
    assert soon(lambda: all(w["size"] >= size for w in witnessed(g, log, world.one, world.two) or [{"size": 0}]))
    g.stop()
    newest = f"{world.folder}/newest-witness"
    shutil.copytree(f"{log}/witness", newest)
    shutil.rmtree(g.state)
    os.rename(kept, g.state)
    since = os.path.getsize(g.log_path)
    assert verify(g, log, world.one, world.two).returncode == 0, "by itself everything fits"
    g.start()
    assert g.wait_for_log('"witness.conflict"', since, 40), g.log_tail()
    assert soon(lambda: metric(g, "embergate_witness_conflicts") >= 2)

    def told():
        return [r for r in records(f"{g.state}/gateway/audit/server") if r["event"] == "audit.witness.conflict" and r["resource"].endswith("/" + os.path.basename(log))]
    assert f"audit log {os.path.basename(log)} was set back or made anew: " in g.run("status").stdout
    assert {w["state"] for w in json.loads(g.run("status", "--json").stdout)["witnesses"]} == {"conflict"}
    assert soon(lambda: len(told()) >= 2) and {r["outcome"] for r in told()} == {"failed"}
    g.stop()
    # Whoever got the cosigned checkpoint elsewhere proves it without the server.
    shutil.rmtree(f"{log}/witness")
    shutil.copytree(newest, f"{log}/witness")
    said = json.loads(verify(g, log, world.one, check=False).stdout)
    assert not said["whole"] and "it was set back" in said["what"], said
    g.start()
    assert g.json("GET", "/livy/batches", g.token())[0] == 200, "it serves, and says so"
