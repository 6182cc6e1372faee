"""Access taken back while it is used: streams cut, tokens, delegation keys and jobs dead at once, and still so after a restart.
covers: admin_identity.c revoke.c revocation_routes.c revoke_commands.c still_allowed.c"""
import base64
import datetime
import json
import os
import socket
import ssl
import threading
import time

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, generate_blob_sas

from server import finish, make_state_folder, new_gateway

SIZE = 64 << 20
PIECE = 16384
STOPPED = 10  # seconds after which nobody may call it prompt; what it takes is printed


@pytest.fixture(scope="module")
def world():
    folder = make_state_folder()
    g = new_gateway(folder)
    for name in ("alice", "bob", "carol", "dave"):
        g.run("principal", "add", "--state", g.state, "--tenant", "contoso", "--name", name, "--role", "Storage Blob Data Contributor", "--role", "Embergate Job Submitter")
    try:
        g.start()
        g.file_system().get_file_client("revoke/large").upload_data(os.urandom(1 << 20) * (SIZE >> 20), overwrite=True)
        yield g
    finally:
        finish(g, folder)


def revoke(g, *args, check=True, **kw):
    return g.run("revoke", *args, "--state", g.state, check=check, **kw)


def status(g, token, path="/data/revoke/large"):
    code, body, headers = g.request("HEAD", path, token)
    return code


class Stream(threading.Thread):
    """A request that goes on slowly until it ends or is cut: `moved` bytes, `ended` at that time, `whole` or not."""

    def __init__(self, g, head, send=False):
        super().__init__(daemon=True)
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        plain.connect(("127.0.0.1", g.port))
        self.s = g.context().wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
        self.s.settimeout(60)
        self.send, self.moved, self.ended, self.whole, self.why, self.stop = send, 0, None, False, None, False
        self.s.sendall(f"{head}\r\nHost: 127.0.0.1\r\n\r\n".replace("\n\n", "\n").encode() if not send else head.encode())
        self.start()

    def run(self):
        piece = b"x" * PIECE
        try:
            while not self.stop and self.moved < SIZE:
                n = self.s.send(piece) if self.send else len(self.s.recv(PIECE))
                if n == 0:
                    self.why = "end"
                    return
                self.moved += n
                time.sleep(0.005)
            self.whole = self.moved >= SIZE
        except (OSError, ssl.SSLError) as e:
            self.why = repr(e)
        finally:
            self.ended = time.monotonic()

    def under_way(self):
        while self.moved < 8 * PIECE:
            assert self.ended is None, self.why
            time.sleep(0.01)

    def is_cut(self, since, what):
        self.join(STOPPED)
        assert self.ended is not None and not self.whole and self.moved < SIZE, (self.moved, self.why)
        print(f"{what}: cut {1000 * (self.ended - since):.0f} ms after the command had returned, {self.moved} bytes in: {self.why}")


def reading(g, token):
    return Stream(g, f"GET /data/revoke/large HTTP/1.1\r\nAuthorization: Bearer {token}")


def writing(g, token, name):
    code, body, _ = g.request("PUT", f"/data/revoke/{name}?resource=file", token, b"")
    assert code == 201, body
    return Stream(g, f"PATCH /data/revoke/{name}?action=append&position=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
                     f"Content-Length: {SIZE}\r\nContent-Type: application/octet-stream\r\n\r\n", send=True)


def test_a_principal_is_revoked_and_its_streams_are_cut(world):
    g = world
    token, other = g.token("alice", "storage"), g.token("bob", "storage")
    streams = [reading(g, token), writing(g, token, "slow"), reading(g, other)]
    for s in streams:
        s.under_way()
    assert status(g, token) == 200
    said = revoke(g, "principal", g.profile("alice")["object_id"], "--reason", "left the company").stdout
    done = time.monotonic()
    assert status(g, token) == 401
    streams[0].is_cut(done, "a read")
    streams[1].is_cut(done, "a write")
    assert "revoked: principal" in said
    assert streams[2].ended is None and status(g, other) == 200  # others don't notice
    streams[2].stop = True
    # Nothing of the cut write is there, and alice may sign in again: in the same second, even.
    again = g.token("alice", "storage")
    assert status(g, again) == 200
    code, _, headers = g.request("HEAD", "/data/revoke/slow", again)
    assert code == 200 and headers["Content-Length"] == "0"
    [row] = [r for r in json.loads(revoke(g, "list").stdout) if r["id"] == g.profile("alice")["object_id"]]
    assert row["kind"] == "principal" and row["reason"] == "left the company"
    metrics = g.request("GET", "/metrics", g.token())[1].decode()
    values = dict(line.split() for line in metrics.splitlines() if line.startswith("embergate_") and "{" not in line)
    assert int(values["embergate_streams_cut_total"]) >= 2 and int(values["embergate_revocations_total"]) >= 1
    assert g.wait_for_log('"identity.revoke"') and g.wait_for_log('"request_cut"')


def test_one_token_by_itself(world):
    g = world
    leaked, kept = g.token("bob", "storage"), g.token("bob", "storage")
    s = reading(g, leaked)
    s.under_way()
    revoke(g, "token", input=leaked + "\n")
    done = time.monotonic()
    s.is_cut(done, "a read by a revoked token")
    assert status(g, leaked) == 401 and status(g, kept) == 200
    token_id = json.loads(base64.urlsafe_b64decode(kept.split(".")[1] + "=="))["jti"]
    revoke(g, "token", token_id)
    assert status(g, kept) == 401
    revoke(g, "undo", "token", token_id)
    assert status(g, kept) == 200
    garbage = revoke(g, "token", check=False, input="abc")
    assert garbage.returncode != 0 and "abc" not in garbage.stderr


def test_a_role_that_is_taken_away_ends_streams(world):
    g = world
    token = g.token("carol", "storage")
    s, w = reading(g, token), writing(g, token, "carols")
    s.under_way(), w.under_way()
    g.run("policy", "unassign", "--role", "Storage Blob Data Contributor", "--principal", g.profile("carol")["object_id"],
          "--scope", f"/subscriptions/{g.profile()['subscription']}")
    done = time.monotonic()
    s.is_cut(done, "a read without its role")
    w.is_cut(done, "a write without its role")
    assert status(g, token) == 403


def test_a_role_that_ends_by_the_clock_ends_streams(world):
    g = world
    scope, dave = f"/subscriptions/{g.profile()['subscription']}", g.profile("dave")["object_id"]
    g.run("policy", "unassign", "--role", "Storage Blob Data Contributor", "--principal", dave, "--scope", scope)
    until = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=7)).strftime("%Y-%m-%dT%H:%M:%SZ")
    held = {"id": f"{scope}/providers/Microsoft.Authorization/roleAssignmentSchedules/short", "name": "short", "properties": {
        "roleDefinitionId": "Storage Blob Data Reader", "principalId": dave, "principalType": "ServicePrincipal", "scope": scope, "status": "Provisioned",
        "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": until}}
    folder = f"{g.state}/policies/roleAssignmentSchedules"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/.short", "w") as f:
        json.dump(held, f)
    os.rename(f.name, f"{folder}/short.json")
    token = g.token("dave", "storage")
    while status(g, token) != 200:
        assert datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") < until
        time.sleep(0.05)
    s, other = reading(g, token), reading(g, g.token("bob", "storage"))
    s.under_way()
    s.is_cut(time.monotonic(), "a read by a role that ended")
    assert datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") >= until
    assert status(g, token) == 403
    assert other.ended is None
    other.stop = True
    os.unlink(f"{folder}/short.json")
    g.run("policy", "assign", "--role", "Storage Blob Data Contributor", "--principal", dave, "--scope", scope)


def test_until_a_time_to_come_and_undone(world):
    g = world
    token = g.token("dave", "storage")
    until = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    revoke(g, "user", "dave", "--until", until)
    assert status(g, token) == 401
    assert g.run("token", profile="dave", check=False).returncode != 0
    revoke(g, "undo", "user", "dave")
    assert status(g, token) == 200 and status(g, g.token("dave", "storage")) == 200
    assert revoke(g, "undo", "user", "dave", check=False).returncode != 0
    assert "no local principal" in revoke(g, "user", "nobody", check=False).stderr.lower()


def test_delegation_keys_end_with_their_principal(world):
    g = world
    service = BlobServiceClient(g.endpoint, credential=g.credential("bob"), connection_verify=g.ca)
    now = datetime.datetime.now(datetime.timezone.utc)
    account = g.profile("bob")["account"]

    def sas():
        key = service.get_user_delegation_key(now + datetime.timedelta(hours=1), now + datetime.timedelta(days=2))  # asked for from later on: good from now
        return generate_blob_sas(account, "data", "revoke/large", user_delegation_key=key, permission="r", expiry=now + datetime.timedelta(hours=2))

    def read(signature):
        return BlobServiceClient(g.endpoint, credential=signature, connection_verify=g.ca).get_blob_client("data", "revoke/large").download_blob(0, 10).readall()
    old = sas()
    assert len(read(old)) == 10
    revoke(g, "user", "bob")
    with pytest.raises(HttpResponseError) as e:
        read(old)
    assert e.value.status_code == 403 and "revoked" in e.value.message
    service = BlobServiceClient(g.endpoint, credential=g.credential("bob"), connection_verify=g.ca)
    time.sleep(1.1)  # the key is good from the next second on
    assert len(read(sas())) == 10


def test_over_rest_for_administrators_only(world):
    g = world
    tenant, bob = g.profile()["tenant"], g.profile("bob")
    path = f"/identity/{tenant}/revocations"
    token = g.token("bob", "storage")
    code, body, _ = g.json("POST", path, g.token("bob"), {"kind": "user", "name": "admin"})
    assert code == 403, body
    code, body, _ = g.json("POST", path, g.token("stranger"), {"kind": "user", "name": "bob"})
    assert code == 403, body  # an owner, and of another tenant
    code, body, _ = g.json("POST", path, g.token(), {"kind": "user", "name": "bob", "reason": "over REST"})
    assert code == 201 and body["id"] == bob["object_id"], body
    assert status(g, token) == 401
    code, body, _ = g.json("GET", path, g.token())
    assert [r["by"] for r in body["value"] if r["reason"] == "over REST"] == [g.profile()["object_id"]]
    for wrong in ({}, {"kind": "job", "id": "analytics/99999"}, {"kind": "principal", "id": "bob"}, {"kind": "token", "token": "x.y.z"},
                  {"kind": "user", "name": "bob", "until": "2001-01-01T00:00:00Z"}, {"kind": "principal", "id": bob["object_id"], "reason": "r" * 300}):
        code, body, _ = g.json("POST", path, g.token(), wrong)
        assert 400 <= code < 500, (wrong, code, body)
    assert g.json("DELETE", f"{path}/principal/{bob['object_id']}", g.token())[0] == 204
    assert g.json("DELETE", f"{path}/principal/{bob['object_id']}", g.token())[0] == 404
    assert status(g, token) == 200


def test_a_restart_forgets_nothing(world):
    g = world
    token = g.token("alice", "storage")
    revoke(g, "user", "alice")
    g.stop(keep_jobs=True)
    g.start()
    assert status(g, token) == 401
    assert status(g, g.token("alice", "storage")) == 200
    records = g.request("GET", f"/audit/{g.profile()['tenant']}/records?event=identity.revoke", g.token())
    assert records[0] == 200 and b"identity.revoke" in records[1]
