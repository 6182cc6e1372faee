"""A quota of stored bytes: refused where they'd be kept, given back by deleting, right after kill -9. covers: stored_bytes.c serve_policy.c"""
import json
import os
import signal

import acts
import pytest

from server import finish, make_state_folder, new_gateway

VERSION = {"x-ms-version": "2023-11-03"}
MIB = 1 << 20
QUOTAS = "quotas:\n  - {name: disk, per: account, only: lake, stored_mib: 8}\n  - {name: all, per: tenant, stored_mib: 1024}\n"


@pytest.fixture(scope="module")
def small():
    folder = make_state_folder()
    g = new_gateway(folder)
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    assert "quotas: []\n" in text
    with open(path, "w") as f:
        f.write(text.replace("quotas: []\n", QUOTAS))
    try:
        g.start()
        yield g
    finally:
        finish(g, folder)


def put(g, name, size):
    """By the Data Lake API: create, one append, flush."""
    token = g.token(audience="storage")
    assert g.request("PUT", f"/data/{name}?resource=file", token, headers=VERSION)[0] == 201
    status, body = g.request("PATCH", f"/data/{name}?action=append&position=0", token, b"x" * size, VERSION)[:2]
    if status == 202:
        status, body = g.request("PATCH", f"/data/{name}?action=flush&position={size}", token, b"", VERSION)[:2]
    return status, json.loads(body)["error"]["code"] if body else ""


def delete(g, name):
    assert g.request("DELETE", f"/data/{name}", g.token(audience="storage"), headers=VERSION)[0] in (200, 202)


def stored(g):
    accounts = {a["name"]: a for a in g.json("GET", "/healthz/details", g.token())[1]["storage"]}
    assert accounts["lake"]["quotaBytes"] == 8 * MIB and accounts["lake"]["tenantQuotaBytes"] == 1024 * MIB
    return accounts["lake"]["storedBytes"]


def test_what_has_no_room_is_refused_and_deleting_makes_room(small):
    before = stored(small)
    assert put(small, "quota/one", 3 * MIB) == (200, "") and put(small, "quota/two", 3 * MIB) == (200, "")
    assert 6 * MIB <= stored(small) - before < 7 * MIB
    assert put(small, "quota/three", 3 * MIB) == (409, "StorageQuotaExceeded")
    assert put(small, "quota/little", 1000) == (200, "")
    # without a length the commit decides: the same answer
    status, body = small.request("PATCH", "/data/quota/three?action=append&position=0", small.token(audience="storage"), iter([b"x" * MIB] * 3), VERSION)[:2]
    assert (status, json.loads(body)["error"]["code"]) == (409, "StorageQuotaExceeded"), body
    assert "embergate_quota_stored_refused_total 2" in small.request("GET", "/metrics", small.token())[1].decode()
    assert "MiB stored of 8" in small.run("status").stdout
    delete(small, "quota/one")
    assert acts.eventually(lambda: stored(small) < before + 4 * MIB, 10)  # the reclaimer's work
    assert put(small, "quota/three", 3 * MIB) == (200, "")


def test_a_copy_counts_once(small):
    token, before = small.token(audience="storage"), stored(small)
    source = f"{small.endpoint}/data/quota/two"
    status = small.request("PUT", "/data/quota/copy", token, b"", {**VERSION, "x-ms-copy-source": source, "x-ms-blob-type": "BlockBlob"})[0]
    if status == 202:
        assert stored(small) == before
        delete(small, "quota/copy")


def test_the_count_is_right_after_a_kill(small):
    before = stored(small)
    os.kill(small.pids()["gateway"], signal.SIGKILL)
    small.wait_ready()
    assert stored(small) == before
    small.stop()
    found = small.run("storage", "check", "--state", small.state, "--json", check=False)
    assert found.returncode == 0, found.stdout
    small.start()
    assert stored(small) == before
