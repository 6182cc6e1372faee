"""HTTP Basic at the Livy API, as old HDInsight clients send it: curl, requests and pylivy, each to its effect, and everything that is refused.
covers: authenticate_basic.c basic_auth.c principal_proof.c"""
import base64
import json
import os
import pty
import re
import secrets
import subprocess

import acts
import pytest
import requests
from livy.client import LivyClient
from server import finish, make_state_folder, new_gateway

PASSWORD = "correct horse battery"


def give_password(g, name, password, *more, check=True, tenant="contoso"):
    return g.run("principal", "password", "--state", g.state, "--tenant", tenant, "--name", name, *more, check=check, input=password + "\n" if password else "")


@pytest.fixture(scope="module")
def g():
    folder = make_state_folder()
    g = new_gateway(folder)
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    assert text.count("http_basic: false") == 2 and text.count("csrf: true") == 2
    with open(path, "w") as f:  # the first cluster takes passwords, the second doesn't
        f.write(text.replace("http_basic: false", "http_basic: true", 1))
    try:
        g.start()
        give_password(g, "admin", PASSWORD)
        yield g
    finally:
        finish(g, folder)


def batch_of(g):
    return {"file": acts.address(g, "jobs/none.py")}


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def get(g, name="admin", password=PASSWORD, path="/livy/batches"):
    return g.request("GET", path, None, None, basic(name, password))


def curl(g, *args):
    out = subprocess.run(["curl", "-sS", "--noproxy", "*", "--cacert", g.ca, "-o", "-", "-w", "\n%{http_code}", *args], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    body, status = out.stdout.rsplit("\n", 1)
    return int(status), body


def events(g, event):
    status, body, _ = g.request("GET", f"/audit/{g.profile()['tenant']}/records", g.token())
    assert status == 200
    return [json.loads(line) for line in body.decode().splitlines() if f'"{event}"' in line]


def kill(g, batch):
    assert g.request("DELETE", f"/livy/batches/{batch}", g.token())[0] == 200


def test_curl(g):
    url = f"{g.endpoint}/livy/batches"
    assert curl(g, "-u", f"admin:{PASSWORD}", url)[0] == 200
    assert curl(g, "--anyauth", "-u", f"admin:{PASSWORD}", url)[0] == 200  # asks first, and is told that Basic is taken
    status, body = curl(g, "-u", f"admin:{PASSWORD}", "-H", "X-Requested-By: admin", "-H", "Content-Type: application/json", "-d", json.dumps(batch_of(g)), url)
    assert status == 201, body
    batch = json.loads(body)
    assert batch["owner"] == "admin" and g.json("GET", f"/livy/batches/{batch['id']}", g.token())[0] == 200
    kill(g, batch["id"])
    assert curl(g, "-u", "admin:wrong", url) == (401, '{"msg":"The name is unknown here, or the password is wrong."}')


def test_requests(g):
    s = requests.Session()
    s.auth, s.verify, s.trust_env = ("admin", PASSWORD), g.ca, False
    assert s.get(f"{g.endpoint}/livy/batches").status_code == 200
    refused = s.post(f"{g.endpoint}/livy/batches", json=batch_of(g))
    assert refused.status_code == 400 and refused.json() == {"msg": "Missing Required Header for CSRF protection."}
    for value in ("admin", ""):  # any value, an empty one too: as Livy has it
        made = s.post(f"{g.endpoint}/livy/batches", json=batch_of(g), headers={"X-Requested-By": value})
        assert made.status_code == 201
        gone = s.delete(f"{g.endpoint}/livy/batches/{made.json()['id']}")
        assert gone.status_code == 400
        assert s.delete(f"{g.endpoint}/livy/batches/{made.json()['id']}", headers={"X-Requested-By": value}).status_code == 200
    # A token needs no such header: no browser adds it by itself.
    assert requests.delete(f"{g.endpoint}/livy/batches/999999", headers={"Authorization": f"Bearer {g.token()}"}, verify=g.ca).status_code == 404


def test_pylivy(g):
    s = requests.Session()
    s.trust_env = False
    s.headers["X-Requested-By"] = "pylivy"
    client = LivyClient(f"{g.endpoint}/livy", auth=("admin", PASSWORD), verify=g.ca, requests_session=s)
    batch = client.create_batch(**batch_of(g))
    assert batch.batch_id in [b.batch_id for b in client.list_batches()]
    client.delete_batch(batch.batch_id)
    stranger = LivyClient(f"{g.endpoint}/livy", auth=("admin", "wrong"), verify=g.ca, requests_session=s)
    with pytest.raises(requests.HTTPError, match="401"):
        stranger.list_batches()


def test_refusals(g):
    status, body, headers = get(g, password="wrong")
    assert status == 401 and headers["WWW-Authenticate"] == 'Basic realm="embergate", charset="UTF-8", Bearer realm="embergate"'
    same = json.loads(body)
    for name in ("nobody", "guest", "stranger"):  # unknown; without a password; of another tenant
        status, body, _ = get(g, name)
        assert (status, json.loads(body)) == (401, same)
    give_password(g, "stranger", PASSWORD, tenant="fabrikam")
    assert get(g, "stranger")[0] == 401
    secret = g.profile()["client_secret"]
    assert get(g, "admin", secret)[0] == 401  # a client's secret is no password ...
    p = g.profile()
    form = f"grant_type=client_credentials&client_id={p['client_id']}&client_secret={PASSWORD}&scope=https%3A%2F%2Fembergate%2F.default".encode()
    status, _, _ = g.request("POST", f"/{p['tenant']}/oauth2/v2.0/token", None, form, {"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 401  # ... nor the other way about
    # Nowhere but at this cluster's Livy API, and a cluster that doesn't take passwords answers like one that isn't there.
    for path in ("/data?resource=filesystem&recursive=false", f"/subscriptions/{p['subscription']}/resourceGroups?api-version=2021-04-01", f"/audit/{p['tenant']}/records",
                 f"/{p['tenant']}/oauth2/v2.0/whoami", f"/identity/{p['tenant']}/revocations"):
        status, _, headers = get(g, path=path)
        assert status in (400, 401) and "Basic" not in headers.get("WWW-Authenticate", "").replace("Basic realm=\"embergate\"", "" if "/oauth2/" in path else "Basic"), path
    answers = [get(g, path=f"/clusters/{name}/livy/batches") for name in ("other", "absent")]
    assert [(s, b, h["WWW-Authenticate"]) for s, b, h in answers] == [(401, answers[0][1], answers[0][2]["WWW-Authenticate"])] * 2
    for header in ("Basic", "Basic !!", "Basic YWRtaW4=", "Basic " + "QUFB" * 1000):
        assert g.request("GET", "/livy/batches", None, None, {"Authorization": header})[0] == 401


def test_no_role_no_job(g):
    give_password(g, "guest", PASSWORD)
    assert get(g, "guest")[0] == 403
    status, _, _ = g.request("POST", "/livy/batches", None, json.dumps(batch_of(g)).encode(), {**basic("guest", PASSWORD), "X-Requested-By": "x", "Content-Type": "application/json"})
    assert status == 403


def test_who_guesses_is_locked_out_and_nobody_else(g):
    assert get(g)[0] == 200
    seen = [get(g, "bystander", f"guess {n}")[0] for n in range(12)]
    assert seen == [401] * 10 + [429] * 2
    assert get(g)[0] == 200  # from the same address
    seen = [get(g, "admin", f"guess {n}")[0] for n in range(12)]
    assert seen[-1] == 429 and get(g)[0] == 200  # who was right before stays in, whoever guesses beside them


def test_what_ends_a_password(g):
    assert g.run("principal", "add", "--state", g.state, "--tenant", "contoso", "--name", "old", "--kind", "user", "--role", "Reader").returncode == 0
    give_password(g, "old", PASSWORD)

    def status():
        return get(g, "old")[0]
    in_ = status()
    assert in_ in (200, 403)
    for act, after in (("disable", 401), ("enable", in_), ("rotate", in_)):
        g.run("principal", act, "--state", g.state, "--tenant", "contoso", "--name", "old")
        assert status() == after, act
    g.run("revoke", "user", "old", "--state", g.state, "--tenant", "contoso")
    assert status() == 401
    give_password(g, "old", PASSWORD)
    assert status() == in_
    give_password(g, "old", "", "--drop")
    assert status() == 401
    give_password(g, "old", PASSWORD)
    g.run("principal", "remove", "--state", g.state, "--tenant", "contoso", "--name", "old")
    assert status() == 401
    for event in ("password", "password.drop"):
        assert events(g, f"identity.principal.{event}"), event


def test_records_name_who_it_was_and_no_password(g):
    get(g, "admin", "wrong-and-secret")
    assert get(g)[0] == 200
    assert g.wait_for_log('"PasswordRefused"')
    raw = g.request("GET", f"/audit/{g.profile()['tenant']}/records", g.token())[1].decode()
    assert any(g.profile()["object_id"] in line and "job." in line for line in raw.splitlines())
    with open(g.log_path) as f:
        log = f.read()
    for text in (raw, log):
        assert PASSWORD not in text and "wrong-and-secret" not in text and base64.b64encode(f"admin:{PASSWORD}".encode()).decode() not in text


def test_passwords_are_asked_for_without_echo(g):
    short = give_password(g, "bystander", "too short", check=False)
    assert short.returncode == 2 and "at least 15" in short.stderr and "too short" not in short.stdout
    assert g.run("principal", "list", "--state", g.state, "--drop", check=False).returncode == 2
    password = secrets.token_urlsafe(18)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(g.binary, [g.binary, "principal", "password", "--state", g.state, "--tenant", "contoso", "--name", "bystander"])
    shown = b""
    for question in (b"New password: ", b"Once more: "):
        while question not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, password.encode() + b"\n")
    try:
        while True:
            shown += os.read(terminal, 1000)
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    assert password.encode() not in shown and b"has a new password" in shown
    status = get(g, "bystander", password)[0]
    assert status == 429 or status == 403  # its address guessed at it a moment ago, or it is in


def test_off_is_as_before(g):
    """The last: the same gateway without it."""
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(re.sub("http_basic: true", "http_basic: false", text))
    g.stop()
    g.start()
    status, body, headers = get(g)
    assert status == 401 and headers["WWW-Authenticate"] == 'Bearer realm="embergate"' and "access token" in body.decode()
