"""The token-signing key rotates while the gateway serves: published before it signs, the old one verifies on; also when keeper and gateway are killed; a stolen one ends at once.
covers: token_keys.c own_keys.c"""
import json
import os
import signal
import time

import jwt
import pytest
import requests
from log_records import records
from server import finish, make_state_folder, new_gateway

DELAY = 6


@pytest.fixture(scope="module")
def g():
    folder = make_state_folder()
    gateway = new_gateway(folder)
    try:
        gateway.start()
        yield gateway
    finally:
        finish(gateway, folder)


def signing(g, *args, check=True):
    done = g.run("key", *args, "--state", g.state, check=check)
    return json.loads(done.stdout)["keys"] if done.returncode == 0 else done


def published(g):
    """The key set as a client gets it, which verifies with it."""
    answer = requests.get(f"{g.endpoint}/{g.profile()['tenant']}/discovery/v2.0/keys", verify=g.ca, timeout=30)
    return {k["kid"]: jwt.PyJWK(k).key for k in answer.json()["keys"]}


def sign_in(g):
    p = g.profile()
    form = {"grant_type": "client_credentials", "client_id": p["client_id"], "client_secret": p["client_secret"], "scope": "https://management.azure.com/.default"}
    return requests.post(f"{g.endpoint}/{p['tenant']}/oauth2/v2.0/token", data=form, verify=g.ca, timeout=30).json()["access_token"]


def kid(token):
    return jwt.get_unverified_header(token)["kid"]


def good(g, token):
    """By the gateway, and by whoever has its key set."""
    assert kid(token) not in published(g) or jwt.decode(token, published(g)[kid(token)], ["ES256"], audience="https://management.azure.com")
    return g.request("GET", "/livy/batches", token)[0] == 200


def kill_all(g):
    """kill -9 of keeper and gateway; the supervisor starts both again."""
    gone = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().replace(b"\0", b" ").decode(errors="replace")
            with open(f"/proc/{pid}/stat") as f:
                parent = f.read().rsplit(")", 1)[1].split()[1]
        except OSError:
            continue
        if parent == str(g.process.pid) and "serve" in words:
            gone.append(int(pid))
    for pid in gone:
        os.kill(pid, signal.SIGKILL)
    assert gone
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if g.request("GET", "/healthz")[0] == 200 and sign_in(g):
                return
        except (OSError, KeyError, ValueError):
            pass
        time.sleep(0.2)
    raise AssertionError("it does not come back")


def wait_for(truth, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if truth():
            return True
        time.sleep(0.2)
    return False


def test_a_new_key_is_published_before_it_signs(g):
    old = sign_in(g)
    [only] = published(g)
    assert kid(old) == only
    keys = signing(g, "rotate-signing", "--in", DELAY)
    assert [k["state"] for k in keys] == ["signs", "waits"]
    assert set(published(g)) == {k["kid"] for k in keys} and keys[0]["kid"] == only
    assert kid(sign_in(g)) == only
    refused = signing(g, "rotate-signing", check=False)
    assert refused.returncode != 0 and "published already" in refused.stderr
    kill_all(g)  # between the making of the key and its moment
    assert set(published(g)) == {k["kid"] for k in keys}
    assert good(g, old)
    assert wait_for(lambda: kid(sign_in(g)) == keys[1]["kid"])
    new = sign_in(g)
    assert good(g, new) and good(g, old)
    kill_all(g)  # after it
    assert kid(sign_in(g)) == keys[1]["kid"] and good(g, new) and good(g, old)
    listed = signing(g, "list-signing")
    assert [k["state"] for k in listed] == ["verifies", "signs"] and listed[0]["until"] and not listed[1]["until"]


def test_a_stolen_key_ends_at_once(g):
    old = sign_in(g)
    assert good(g, old)
    assert signing(g, "rotate-signing", "--end-old", check=False).returncode != 0  # --yes is owed
    [only] = signing(g, "rotate-signing", "--end-old", "--yes")
    assert set(published(g)) == {only["kid"]}
    assert g.request("GET", "/livy/batches", old)[0] == 401
    new = sign_in(g)
    assert kid(new) == only["kid"] and good(g, new)


def test_what_is_asked_for(g):
    for wrong in (["--in", "-1"], ["--in", "soon"], ["--in", 604801], ["--in", 5, "--end-old", "--yes"]):
        assert signing(g, "rotate-signing", *wrong, check=False).returncode != 0
    wanted, end = {"key.signing.rotate", "key.signing.end"}, time.monotonic() + 15
    while not wanted <= (seen := {r["event"] for r in records(f"{g.state}/gateway/audit/server")}) and time.monotonic() < end:
        time.sleep(0.2)
    assert wanted <= seen
