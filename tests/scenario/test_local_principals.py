"""Who may sign in at the gateway's own issuer, changed while it serves, in force at once; and the administrator behind glass.
covers: admin_principal.c local_admin.c local_principal.c principal_commands.c init_identity.c"""
import json
import re
import time

import pytest
from gateway import Gateway, free_port

from server import finish, make_state_folder, server_binary


@pytest.fixture(scope="module")
def g():
    folder = make_state_folder()
    g = Gateway(f"{folder}/state", port=free_port(), binary=server_binary())
    g.init("--tenant", "contoso")
    # An outside issuer that is away: nobody of it can sign in, and break-glass must.
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    issuer = ("issuers:\n  - issuer: https://away.example/\n    tenant: %s\n    discovery_url: https://127.0.0.1:1/\n    audiences: [api://embergate]\n" % g.profile()["tenant"])
    with open(path, "w") as f:
        f.write(re.sub(r"^issuers:.*\n(?:  .*\n)*", "", text, flags=re.M) + "\n" + issuer)
    try:
        g.start()
        yield g
    finally:
        finish(g, folder)


def principal(g, act, *args, check=True):
    return g.run("principal", act, "--state", g.state, *args, check=check)


def sign_in(g, client, secret, tenant=None):
    form = f"grant_type=client_credentials&client_id={client}&client_secret={secret}&scope=https%3A%2F%2Fembergate%2F.default".encode()
    status, body, _ = g.request("POST", f"/{tenant or g.profile()['tenant']}/oauth2/v2.0/token", None, form, {"Content-Type": "application/x-www-form-urlencoded"})
    return status, json.loads(body)


def soon(what, seconds=15):
    end = time.monotonic() + seconds
    while not (said := what()) and time.monotonic() < end:
        time.sleep(0.1)
    return said


def events(g, event):
    status, body, _ = g.request("GET", f"/audit/{g.profile()['tenant']}/records", g.token())
    assert status == 200
    return [line for line in body.decode().splitlines() if f'"{event}"' in line]


def test_a_principals_life_while_the_server_runs(g):
    principal(g, "add", "--name", "eve", "--role", "Storage Blob Data Contributor")
    p = g.profile("eve")
    status, token = sign_in(g, p["client_id"], p["client_secret"])
    assert status == 200
    assert principal(g, "add", "--name", "eve", check=False).returncode == 2
    [row] = [r for r in json.loads(principal(g, "list").stdout) if r["name"] == "eve"]
    assert row["enabled"] and row["clientId"] == p["client_id"] and p["client_secret"] not in json.dumps(row)

    def jobs():
        return g.request("GET", "/livy/batches", token["access_token"])[0]
    before = jobs()
    assert before != 401
    principal(g, "disable", "--name", "eve")
    assert jobs() == 401 and sign_in(g, p["client_id"], p["client_secret"])[0] == 401
    principal(g, "enable", "--name", "eve")
    assert jobs() == 401  # what was issued before stays dead
    status, token = sign_in(g, p["client_id"], p["client_secret"])
    assert status == 200 and jobs() == before
    said = principal(g, "rotate", "--name", p["client_id"]).stdout
    new = g.profile("eve")
    assert new["client_secret"] != p["client_secret"] and new["client_secret"] not in said
    assert sign_in(g, p["client_id"], p["client_secret"])[0] == 401
    assert sign_in(g, p["client_id"], new["client_secret"])[0] == 200 and jobs() == before  # a new secret revokes no token
    principal(g, "remove", "--name", "eve")
    assert jobs() == 401 and sign_in(g, p["client_id"], new["client_secret"])[0] == 401
    missing = principal(g, "disable", "--name", "eve", check=False)
    assert missing.returncode == 1 and "no local principal" in missing.stderr
    for event in ("add", "disable", "enable", "rotate", "remove"):
        assert events(g, f"identity.principal.{event}"), event


def test_break_glass(g):
    assert not any("breakGlass" in r for r in json.loads(principal(g, "list").stdout))  # none until it is armed

    def arm():
        said = g.run("breakglass", "arm", "--state", g.state).stdout
        return re.search(r"client id\s+(\S+)", said).group(1), re.search(r"secret\s+(\S+)", said).group(1)

    def used():
        return int(re.search(r"^embergate_breakglass_used_total (\d+)", g.request("GET", "/metrics", g.token())[1].decode(), re.M).group(1))
    client, secret = arm()
    assert used() == 0
    status, token = sign_in(g, client, secret)
    assert status == 200, token
    asked = []

    def reads():
        asked.append(g.request("GET", f"/identity/{g.profile()['tenant']}/revocations", token["access_token"])[:2])
        return asked[-1][0] == 200
    assert soon(reads), asked[-1]  # its role is in force a moment later
    assert used() == 1 + len(asked) and g.wait_for_log('"breakglass.used"')
    for event in ("arm", "use", "request"):  # the log is a moment behind its journal
        assert soon(lambda name=event: events(g, f"identity.breakglass.{name}")), event
    [row] = [r for r in json.loads(principal(g, "list").stdout) if "breakGlass" in r]
    assert row["breakGlass"] == "used"
    assert principal(g, "rotate", "--name", "breakglass", check=False).returncode == 2
    again, other = arm()
    assert again == client and sign_in(g, client, secret)[0] == 401
    assert g.request("GET", f"/identity/{g.profile()['tenant']}/revocations", token["access_token"])[0] == 401
    assert sign_in(g, client, other)[0] == 200
    g.run("breakglass", "disarm", "--state", g.state)
    assert sign_in(g, client, other)[0] == 401
    assert principal(g, "enable", "--name", "breakglass", check=False).returncode == 2
