"""An auditor's copy of the log over HTTPS: it grows into what is signed, and a gateway that was set back is told. covers: audit_fetch.c mirror.c"""
import json
import os
import random
import shutil
import signal
import subprocess
import time

import acts
import pytest
from log_records import records
from server import finish, make_state_folder, new_gateway


@pytest.fixture(scope="module")
def own():
    folder = make_state_folder()
    g = new_gateway(folder)
    try:
        g.start()
        yield g
    finally:
        finish(g, folder)


def more(g, n):
    bearer = g.token(audience="storage")
    for _ in range(n):
        assert g.request("GET", f"/data/nobody-has-made-{random.randrange(1 << 60)}", bearer)[0] == 404
    acts.settled(g)


def fetch(g, to, *options, check=True, profile="admin"):
    return g.run("audit", "fetch", to, *options, check=check, profile=profile)


def test_a_copy_grows_and_verifies(own, tmp_path):
    g, copy = own, tmp_path / "copy"
    more(g, 5)
    first = fetch(g, copy, "--json")
    assert "the log's key is taken from the gateway, this first time" in first.stderr
    size = json.loads(first.stdout)["size"]
    assert size >= 5 and records(str(copy)) == records(acts.log_folder(g))[:size]
    more(g, 300)
    lines = fetch(g, copy, "--records").stdout.splitlines()
    assert len(lines) >= 300 and [json.loads(line) for line in lines] == records(str(copy))[size:]
    with open(f"{acts.log_folder(g)}/vkey") as f:
        key = f.read().strip()
    verified = json.loads(g.run("audit", "verify", copy, "--key", key, "--json").stdout)
    assert verified["whole"] and verified["size"] == size + len(lines)
    assert "in all; they are what the log's key has signed" in fetch(g, copy, "--key", key).stdout
    with open(copy / "source") as f:
        assert f.read() == f"{g.endpoint}/audit/{g.profile()['tenant']}\n"
    server = tmp_path / "server"
    fetch(g, server, "--log", "server")
    assert g.run("audit", "verify", server).returncode == 0


def test_who_may_not(own, tmp_path):
    g = own
    refused = fetch(g, tmp_path / "copy", check=False, profile="bystander")
    assert refused.returncode == 1 and "403" in refused.stderr and not os.path.exists(tmp_path / "copy" / "vkey")
    other = g.profile("stranger")["tenant"]
    assert fetch(g, tmp_path / "other", "--log", other, check=False).returncode == 1
    for wrong in ("../x", "nobody", ""):
        assert fetch(g, tmp_path / "copy", "--log", wrong, check=False).returncode == 2
    assert fetch(g, tmp_path / "copy", "--key", "x+00000000+AAAA", check=False).returncode == 2


def test_who_follows_sees_records_as_they_are_proved(own, tmp_path):
    """Through a stop of the gateway, too; and a second one may not write into the same copy."""
    g, copy = own, tmp_path / "copy"
    env = dict(os.environ, EMBERGATE_PROFILE=g.profile_path("admin"))
    with open(tmp_path / "out", "w+") as out:
        following = subprocess.Popen([g.binary, "audit", "fetch", str(copy), "--records", "--follow"], env=env, stdout=out, stderr=subprocess.DEVNULL)
        try:
            def seen():
                with open(tmp_path / "out") as f:
                    return {json.loads(line).get("resource") for line in f.read().splitlines(True) if line.endswith("\n")}

            def until(name):
                end = time.monotonic() + 60
                while name not in seen():
                    assert following.poll() is None and time.monotonic() < end, name
                    time.sleep(0.3)

            def mark():
                name = f"data/mark-{random.randrange(1 << 60)}"
                assert g.request("GET", "/" + name, g.token(audience="storage"))[0] == 404
                return name
            until(mark())
            busy = fetch(g, copy, check=False)
            assert busy.returncode == 1 and "Somebody else is fetching" in busy.stderr
            g.stop()
            time.sleep(6)
            g.start()
            until(mark())
        finally:
            following.send_signal(signal.SIGTERM)
            following.wait(10)
    fetch(g, copy)
    assert g.run("audit", "verify", copy).returncode == 0


def test_a_gateway_that_was_set_back_is_told(own, tmp_path):
    g, copy = own, tmp_path / "copy"
    older = f"{os.path.dirname(g.state)}/older"
    more(g, 3)
    g.stop()
    subprocess.run(["cp", "-a", g.state, older], check=True)
    g.start()
    more(g, 20)
    fetch(g, copy)
    kept = records(str(copy))
    g.stop()
    shutil.rmtree(g.state)
    os.rename(older, g.state)
    g.start()
    back = fetch(g, copy, check=False)
    assert back.returncode == 1 and "the log was set back" in back.stderr
    more(g, 60)  # it has more now than the copy, and other
    other = fetch(g, copy, check=False)
    assert other.returncode == 1 and "were changed" in other.stderr
    assert records(str(copy)) == kept and g.run("audit", "verify", copy).returncode == 0
