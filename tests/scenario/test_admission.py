"""What keeps requests out besides roles: a balancer's PROXY header, quotas, and Azure Policy, each as its client sees it.
covers: conn_proxy.c compliance_step.c job_quota.c policy_flow.c policy_states.c quota_step.c serve_policy.c"""
import json
import os
import re
import socket
import ssl
import struct
import time

import acts
import pytest
from server import finish, make_state_folder, new_gateway

BALANCER = "127.0.0.99"
VERSION = {"x-ms-version": "2023-11-03"}
SHARED_KEY = "8c6a50c6-9ffd-4ae7-986f-5fa6111f9a54"
IN_TRANSIT = "d9da03a1-f3c3-412a-9709-947156872263"
AT_HOST = "1fd32ebd-e4c3-4e13-a54a-d7422d4d95f6"


@pytest.fixture(scope="module")
def strict():
    """A gateway behind a balancer, with quotas for one principal, and an account that lets keys in."""
    folder = make_state_folder()
    g = new_gateway(folder)
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    guest = g.profile("guest")["object_id"]
    bystander = g.profile("bystander")["object_id"]
    quotas = ("quotas:\n"
              f"  - {{name: slow, only: {guest}, requests_per_second: 2, burst_seconds: 2, jobs: 1}}\n"
              f"  - {{name: narrow, only: {bystander}, kib_out_per_second: 64, burst_seconds: 1}}\n")
    for old, new in (("quotas: []\n", quotas), ("proxies: []", f'proxies: ["{BALANCER}"]'), ("allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
                     ("handshake_seconds: 10", "handshake_seconds: 5")):
        assert old in text, old
        text = text.replace(old, new)
    with open(path, "w") as f:
        f.write(text)
    for who in ("guest", "bystander"):
        for role in ("Embergate Job Submitter", "Storage Blob Data Contributor"):
            g.run("policy", "assign", "--role", role, "--principal", g.profile(who)["object_id"], "--scope", f"/subscriptions/{g.profile()['subscription']}")
    try:
        g.start()
        yield g
    finally:
        finish(g, folder)


def header(source, port=50000, command=0x21):
    body = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", port, 443)
    return b"\r\n\r\n\x00\r\nQUIT\n" + bytes([command, 0x11]) + struct.pack(">H", len(body)) + body


def ask_through(g, first, address=BALANCER, path="/healthz", token=None):
    """The answer's first line after `first` was sent before TLS, or None when the connection was closed."""
    s = socket.create_connection(("127.0.0.1", g.port), source_address=(address, 0), timeout=10)
    try:
        s.sendall(first)
        with g.context().wrap_socket(s, server_hostname="127.0.0.1") as tls:
            auth = f"Authorization: Bearer {token}\r\n" if token else ""
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{auth}Connection: close\r\n\r\n".encode())
            return tls.recv(4096).split(b"\r\n")[0].decode()
    except (ssl.SSLError, OSError):
        return None
    finally:
        s.close()


def test_a_balancers_header_names_the_source(strict):
    assert ask_through(strict, header("127.0.0.5")) == "HTTP/1.1 200 OK"
    assert ask_through(strict, header("127.0.0.5", command=0x20)) == "HTTP/1.1 200 OK"  # LOCAL: the balancer looks whether we are here
    assert ask_through(strict, header(acts.DENIED_SOURCE)) is None  # the security rules see through it
    assert ask_through(strict, header("203.0.113.9")) is None       # and so do their defaults
    assert ask_through(strict, header("127.0.0.5"), path="/livy/batches", token=strict.token()) == "HTTP/1.1 200 OK"
    tenant = strict.profile()["tenant"]
    end = time.monotonic() + 10
    sources = set()
    while "127.0.0.5" not in sources and time.monotonic() < end:
        records = strict.json("GET", f"/audit/{tenant}/records?limit=1000", strict.token())[1]["records"]
        sources = {r.get("source") or r.get("sourceAddress") or r.get("source_address") for r in records}
    assert "127.0.0.5" in sources and BALANCER not in sources


def test_a_balancer_must_send_one_and_nobody_else_may(strict):
    assert ask_through(strict, b"") is None
    assert ask_through(strict, b"PROXY TCP4 127.0.0.5 127.0.0.1 50000 443\r\n") is None
    assert ask_through(strict, header("127.0.0.5", port=0)) is None
    assert ask_through(strict, header("127.0.0.5", command=0x11)) is None
    assert ask_through(strict, b"", address="127.0.0.1") == "HTTP/1.1 200 OK"
    assert ask_through(strict, header("127.0.0.5"), address="127.0.0.1") is None
    with socket.create_connection(("127.0.0.1", strict.port), source_address=(BALANCER, 0), timeout=10) as s:
        s.sendall(header("127.0.0.5")[:20])
        assert s.recv(1) == b""  # half a header has the handshake's time


def test_requests_are_counted(strict):
    token = strict.token("guest", audience="storage")
    answers = [strict.json("GET", "/data/none", token, headers=VERSION) for _ in range(20)]
    refused = [a for a in answers if a[0] == 503]
    assert refused and answers[0][0] == 404
    assert refused[0][1]["error"]["code"] == "ServerBusy" and "slow" in refused[0][1]["error"]["message"] and int(refused[0][2]["Retry-After"]) >= 1
    token = strict.token("guest")
    livy = [strict.json("GET", "/livy/batches", token) for _ in range(20)]
    refused = [a for a in livy if a[0] == 429]
    assert refused and "slow" in refused[0][1]["msg"] and int(refused[0][2]["Retry-After"]) >= 1
    assert all(strict.json("GET", "/livy/batches", strict.token())[0] == 200 for _ in range(10))  # nobody else's
    status, text, _ = strict.request("GET", "/metrics", strict.token())
    assert status == 200 and int(re.search(rb"embergate_quota_requests_refused_total (\d+)", text).group(1)) >= 2


def test_bytes_are_paid_for(strict):
    strict.file_system().get_file_client("quota/large").upload_data(bytes(1 << 20), overwrite=True)
    token = strict.token("bystander", audience="storage")
    assert len(strict.request("GET", "/data/quota/large", token, headers=VERSION)[1]) == 1 << 20  # whole: it was let in
    status, body, headers = strict.json("GET", "/data/quota/large", token, headers=VERSION)
    assert status == 503 and body["error"]["code"] == "ServerBusy" and 10 <= int(headers["Retry-After"]) <= 16


def test_jobs_are_counted(strict):
    time.sleep(1.5)  # the requests' quota refills
    token = strict.token("guest")
    body = {"file": acts.address(strict, "jobs/none.py")}
    first = strict.json("POST", "/livy/batches", token, body)
    assert first[0] == 201
    second = strict.json("POST", "/livy/batches", token, body)
    assert second[0] == 429 and "slow" in second[1]["msg"] and int(second[2]["Retry-After"]) > 1
    assert strict.json("POST", "/livy/batches", strict.token(), body)[0] == 201


def put_assignment(g, name, definition, effect):
    scope = f"/subscriptions/{g.profile()['subscription']}"
    folder = f"{g.state}/policies/policyAssignments"
    os.makedirs(folder, mode=0o755, exist_ok=True)
    with open(f"{folder}/{name}.json.new", "w") as f:
        json.dump({"id": f"{scope}/providers/Microsoft.Authorization/policyAssignments/{name}", "name": name, "properties": {
            "scope": scope, "policyDefinitionId": f"/providers/Microsoft.Authorization/policyDefinitions/{definition}",
            "parameters": {"effect": {"value": effect}}, "nonComplianceMessages": [{"message": "Ask the platform team."}]}}, f)
    os.chmod(f"{folder}/{name}.json.new", 0o644)
    os.rename(f"{folder}/{name}.json.new", f"{folder}/{name}.json")


def eventually(truth, seconds=10):
    end = time.monotonic() + seconds
    while not truth() and time.monotonic() < end:
        time.sleep(0.05)
    return truth()


def test_what_a_policy_denies_is_disabled(strict):
    storage = strict.token(audience="storage")
    assert strict.request("GET", "/data/quota/large", storage, headers=VERSION)[0] == 200
    put_assignment(strict, "no-keys", SHARED_KEY, "Deny")
    assert eventually(lambda: strict.request("GET", "/data/quota/large", storage, headers=VERSION)[0] == 403)
    status, body, _ = strict.json("GET", "/data/quota/large", storage, headers=VERSION)
    assert body["error"]["code"] == "RequestDisallowedByPolicy"
    assert "Storage accounts should prevent shared key access" in body["error"]["message"] and "Ask the platform team." in body["error"]["message"]
    assert strict.json("GET", "/data/quota/large", headers=VERSION)[0] == 401  # who isn't known isn't told
    details = strict.json("GET", "/healthz/details", strict.token())[1]
    assert [d["policyAssignmentName"] for d in details["disabled"]] == ["no-keys"]
    assert strict.wait_for_log('"resource.disabled"')
    put_assignment(strict, "no-keys", SHARED_KEY, "Audit")
    assert eventually(lambda: strict.request("GET", "/data/quota/large", storage, headers=VERSION)[0] == 200)
    # a cluster: no new job, but those that were can be looked at
    put_assignment(strict, "disks", AT_HOST, "Deny")
    body = {"file": acts.address(strict, "jobs/none.py")}
    assert eventually(lambda: strict.json("POST", "/livy/batches", strict.token(), body)[0] == 403)
    assert "encryption at host" in strict.json("POST", "/livy/batches", strict.token(), body)[1]["msg"]
    assert strict.json("GET", "/livy/batches", strict.token())[0] == 200
    put_assignment(strict, "wires", IN_TRANSIT, "Deny")
    scope = f"/subscriptions/{strict.profile()['subscription']}"
    shown = []

    def rows():
        done = strict.run("policy", "compliance", "--scope", scope, "--json", check=False)
        shown[:] = [done.returncode, {(r["policyAssignmentName"], r["resourceId"].rpartition("/")[2]): r["complianceState"] for r in json.loads(done.stdout)["value"]}]
        return ("wires", "analytics") in shown[1]

    assert eventually(rows)
    assert shown[0] == 1 and shown[1][("no-keys", "lake")] == "NonCompliant" and shown[1][("disks", "analytics")] == "NonCompliant"
    assert shown[1][("wires", "analytics")] == "Compliant" and ("wires", "lake") not in shown[1]
    assert "disabled" in strict.run("policy", "compliance", "--scope", scope, check=False).stdout
    assert strict.run("policy", "compliance", "--scope", scope, profile="bystander", check=False).returncode != 0


def test_which_rule_decides_a_flow(strict):
    subnet = f"/subscriptions/{strict.profile()['subscription']}/resourceGroups/embergate/providers/Microsoft.Network/virtualNetworks/default/subnets/gateway"
    done = strict.run("policy", "flow", "--subnet", subnet, "--source", f"{acts.DENIED_SOURCE}:50000", "--destination", f"127.0.0.1:{strict.port}", "--json", check=False)
    assert done.returncode == 1 and json.loads(done.stdout)["access"] == "Deny" and json.loads(done.stdout)["ruleName"].endswith("/deny-one-address")
    done = strict.run("policy", "flow", "--subnet", subnet, "--source", "127.0.0.5")
    assert done.stdout.startswith("allowed by securityRule default/AllowVnetInBound")
    lake = f"/subscriptions/{strict.profile()['subscription']}/resourceGroups/embergate/providers/Microsoft.Storage/storageAccounts/lake"
    assert strict.run("policy", "flow", "--account", lake, "--source", "[2001:db8::1]:443").stdout.startswith("allowed by no networkAcls")
    assert strict.run("policy", "flow", "--source", "127.0.0.5", check=False).returncode == 2
