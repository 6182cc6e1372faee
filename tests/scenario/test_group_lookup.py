"""Groups that a token leaves out. The tokens, and the gateway's own token for the look-up, are mock-oauth2-server's in Entra's shapes. Microsoft Graph can't be had here: the endpoint that is
asked is a small server of this test, which answers as Graph's documentation of getMemberObjects has it. covers: group_lookup.c graph_client.c graph_answer.c"""
import json
import os
import time
import uuid

import pytest
from outside_issuer import Front, MockOauth2, ProviderCa, configure
from server import finish, make_state_folder, new_gateway

if not os.environ.get("EG_PROVIDERS"):
    pytest.skip("./dev test installs the providers and says where they are", allow_module_level=True)

MANY = 3000
FRESH, GRACE = 10, 5


class World:
    pass


class Graph:
    """POST /v1.0/users/{id}/getMemberObjects, a thousand ids a page, for whoever has a token of the provider."""

    def __init__(self, ca):
        self.front, self.groups, self.down, self.asked, self.bearers = Front(ca), {}, False, [], set()
        self.front.ask_backend = self.answer

    def answer(self, method, path, headers, body):
        if self.down:
            return 503, {}, b"{}", 0
        bearer = headers.get("Authorization", "")
        if not bearer.startswith("Bearer ey"):
            return 401, {}, b'{"error":{"code":"InvalidAuthenticationToken"}}', 0
        self.bearers.add(bearer)
        parts, _, query = path.partition("?")
        words = parts.split("/")
        if words[1:3] != ["v1.0", "users"] or words[4:] != ["getMemberObjects"]:
            return 400, {}, b"{}", 0
        if not query and (method != "POST" or json.loads(body) != {"securityEnabledOnly": True}):
            return 400, {}, b"{}", 0
        self.asked.append(words[3])
        if words[3] not in self.groups:
            return 404, {}, b'{"error":{"code":"Request_ResourceNotFound"}}', 0
        at = int(query.partition("=")[2] or 0)
        page = {"@odata.context": "$metadata#Collection(Edm.String)", "value": self.groups[words[3]][at:at + 1000]}
        if len(self.groups[words[3]]) > at + 1000:
            page["@odata.nextLink"] = f"{self.front.url}{parts}?$skiptoken={at + 1000}"
        return 200, {"Content-Type": "application/json"}, json.dumps(page).encode(), 0


@pytest.fixture(scope="module")
def world():
    w, folder = World(), make_state_folder()
    w.ca = ProviderCa(folder)
    w.graph, w.provider, w.gateway = Graph(w.ca), None, None
    try:
        w.provider = MockOauth2(w.ca, folder)
        w.gateway = g = new_gateway(folder)
        w.secret = f"{folder}/graph-secret"
        with open(w.secret, "w") as f:
            f.write("unused\n")
        os.chmod(w.secret, 0o600)
        owner = os.stat(f"{g.state}/gateway")
        os.chown(w.secret, owner.st_uid, owner.st_gid)
        w.provider.configured = {"graph_url": w.graph.front.url + "/v1.0", "graph_token_url": w.provider.front.url + w.provider.path + "/token", "graph_client_id": "good",
                                 "graph_secret_file": w.secret, "graph_scope": "any", "graph_fresh_seconds": FRESH, "graph_grace_seconds": GRACE, "graph_groups_max": MANY + 10}
        configure(g, w.ca, [w.provider])
        g.start()
        g.file_system().get_file_client("x.csv").upload_data(b"a,b\n", overwrite=True)
        w.team = str(uuid.uuid4())
        g.run("policy", "assign", "--role", "Storage Blob Data Reader", "--principal", w.team, "--principal-type", "Group", "--scope", "/subscriptions/" + g.profile()["subscription"])
        w.me = w.provider.object_id
        w.token = w.provider.token("many")
        yield w
    finally:
        if w.provider:
            w.provider.stop()
        w.graph.front.down()
        if w.gateway:
            finish(w.gateway, folder)


def reads(w):
    return w.gateway.request("GET", "/data/x.csv", w.token, headers={"x-ms-version": "2023-11-03"})[0]


def whoami(w):
    return w.gateway.json("GET", f"/{w.gateway.profile()['tenant']}/oauth2/v2.0/whoami", w.token)[1]


def metric(w, name):
    text = w.gateway.request("GET", "/metrics", w.gateway.token())[1].decode()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def eventually(truth, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if truth():
            return True
        time.sleep(0.2)
    return False


def test_groups_beyond_the_token(world):
    """Thousands of groups over several pages: who is in one of them reads at the first request, which waits for the look-up."""
    w = world
    w.graph.groups[w.me] = [str(uuid.uuid4()) for _ in range(MANY - 1)] + [w.team]
    assert eventually(lambda: reads(w) == 200)  # at once, unless the provider or the endpoint took longer than the gateway waits: then it is unknown for a while
    me = whoami(w)
    assert me["groups_unknown"] is False and me["group_count"] == MANY and len(me["groups"]) == 200
    assert [r["group"] for r in me["roles"]] == [w.team]
    failed = metric(w, "embergate_group_lookup_failed_total")
    assert w.graph.asked[-3:] == [w.me] * 3 and len(w.graph.asked) <= 3 * (1 + failed)  # three pages, once
    asked = list(w.graph.asked)
    for _ in range(20):
        assert reads(w) == 200
    assert w.graph.asked == asked and len(w.graph.bearers) == 1
    assert metric(w, "embergate_group_lookups_total") == 1 + failed
    def records():
        body = w.gateway.request("GET", f"/audit/{w.gateway.profile()['tenant']}/records?limit=1000", w.gateway.token())[1]
        return [(r["outcome"], w.me in r["resource"]) for r in json.loads(body)["records"] if r["event"] == "identity.groups.read"]
    assert eventually(lambda: sorted(records()) == [("allowed", True)] + [("failed", True)] * failed)


def test_who_leaves_a_group_loses_it(world):
    w = world
    assert reads(w) == 200
    w.graph.groups[w.me] = w.graph.groups[w.me][:-1]
    assert eventually(lambda: reads(w) == 403)
    assert whoami(w)["group_count"] == MANY - 1
    w.graph.groups[w.me].append(w.team)
    assert eventually(lambda: reads(w) == 200)


def test_an_endpoint_that_is_away(world):
    """Groups serve on within their grace; then they are unknown, and what needs one is denied."""
    w = world
    assert reads(w) == 200
    w.graph.down = True
    assert eventually(lambda: reads(w) == 403)
    assert whoami(w)["groups_unknown"] is True
    assert metric(w, "embergate_group_lookup_failed_total") >= 1
    w.graph.down = False
    assert eventually(lambda: reads(w) == 200)


def test_too_many_and_nobody(world):
    """More groups than are taken, and whom the endpoint doesn't know: unknown, never some or none."""
    w = world
    kept = w.graph.groups[w.me]
    w.graph.groups[w.me] = kept + [str(uuid.uuid4()) for _ in range(20)]
    assert eventually(lambda: reads(w) == 403)
    assert whoami(w)["groups_unknown"] is True and whoami(w)["group_count"] == 0
    w.graph.groups[w.me] = kept
