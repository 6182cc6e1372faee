"""Tokens of real OpenID providers, and what a provider that is down, slow or hostile can do. covers: https_fetch.c jwks_cache.c"""
import base64
import datetime
import http.client
import json
import os
import socket
import threading
import time
import urllib.parse

import acts
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, generate_blob_sas
from log_records import records
from outside_issuer import Front, Keycloak, MockOauth2, OidcProvider, OwnIssuer, ProviderCa, configure, derived_id
from server import finish, make_state_folder, new_gateway

FLOOD = 10000
HOSTILE = ("redirect-discovery", "redirect-keys", "other-host", "other-issuer", "huge", "endless-header", "nameless-key")
OWN = ("plain", "turning", "lingering", "mapped", "absent", "slow", *HOSTILE)

if not os.environ.get("EG_PROVIDERS"):
    pytest.skip("./dev test installs the providers and says where they are", allow_module_level=True)


class World:
    pass


@pytest.fixture(scope="module")
def world():
    w, folder = World(), make_state_folder()
    w.ca = ProviderCa(folder)
    w.front, w.elsewhere = Front(w.ca), Front(w.ca)
    w.own = {name: OwnIssuer(w.front, name) for name in OWN}
    w.own["lingering"].configured = {"key_grace_seconds": 8}
    w.own["mapped"].configured = {"claim_object_id": "employee", "claim_groups": "realm_access.roles", "claim_roles": "entitlements", "claim_name": "known_as",
                                  "required_claims": ["acr=high"], "scopes": ["storage.use"], "app_roles": ["Loader"], "skew_seconds": 30}
    w.real, w.gateway = {}, None
    try:
        makers = [MockOauth2, OidcProvider, Keycloak]
        acts.concurrently(*[lambda m=m: w.real.__setitem__(m.__name__, m(w.ca, folder)) for m in makers])
        assert len(w.real) == len(makers)
        w.gateway = new_gateway(folder)
        w.gateway.run("principal", "add", "--state", w.gateway.state, "--tenant", "contoso", "--name", "middle", "--role", "Embergate Delegate")
        w.middle = w.gateway.profile("middle")
        w.own["plain"].configured = {**w.own["plain"].configured, "client_audiences": ["api://middle=" + w.middle["client_id"]]}
        w.real["MockOauth2"].configured = {"client_audiences": ["api://middle=" + w.middle["client_id"]]}
        configure(w.gateway, w.ca, [*w.real.values(), *w.own.values()])
        w.gateway.start()
        w.gateway.file_system().get_file_client("x.csv").upload_data(b"a,b\n", overwrite=True)
        scope = "/subscriptions/" + w.gateway.profile()["subscription"]
        for name in OWN:
            w.gateway.run("policy", "assign", "--role", "Storage Blob Data Reader", "--principal", w.own[name].object_id, "--scope", scope)
        w.old = [w.own["turning"].token(), w.own["turning"].token()]
        w.lingering = w.own["lingering"].token()
        assert eventually(lambda: ask(w, w.old[0])[0] == 200)
        assert eventually(lambda: ask(w, w.lingering)[0] == 200)
        w.asked = time.monotonic()
        yield w
    finally:
        for p in w.real.values():
            p.stop()
        w.front.down()
        w.elsewhere.down()
        if w.gateway:
            finish(w.gateway, folder)


def ask(world, token, path="/data/x.csv"):
    """(status, code)"""
    status, _, headers = world.gateway.json("GET", path, token, headers={"x-ms-version": "2023-11-03"})
    return status, headers.get("x-ms-error-code") or ""


def metric(world, name):
    text = world.gateway.request("GET", "/metrics", world.gateway.token())[1].decode()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def eventually(truth, seconds=5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if truth():
            return True
        time.sleep(0.1)
    return truth()


REAL = ["MockOauth2", "OidcProvider", "Keycloak"]


@pytest.mark.parametrize("name", REAL)
def test_a_real_token_is_known_and_needs_a_role(world, name):
    provider = world.real[name]
    token = provider.token()
    assert ask(world, token)[0] == 403
    scope = "/subscriptions/" + world.gateway.profile()["subscription"]
    world.gateway.run("policy", "assign", "--role", "Storage Blob Data Reader", "--principal", provider.object_id, "--scope", scope)
    assert eventually(lambda: ask(world, token)[0] == 200)
    assert ask(world, provider.token())[0] == 200


@pytest.mark.parametrize("name", REAL)
def test_a_real_token_for_somebody_else_or_changed_is_refused(world, name):
    provider = world.real[name]
    assert ask(world, provider.other_audience()) == (401, "TokenAudienceInvalid")
    assert ask(world, acts.forge(provider.token())) == (401, "TokenSignatureInvalid")


def test_entra_shapes(world):
    entra = world.real["MockOauth2"]
    assert ask(world, entra.token("old")) == (401, "TokenExpired")
    assert ask(world, entra.token("early")) == (401, "TokenNotYetValid")
    assert ask(world, entra.token("id-token")) == (401, "TokenTypeRefused")
    assert ask(world, entra.token(issuer="/another")) == (401, "TokenIssuerUnknown")
    on_storage = entra.token("storage")  # Azure's own name of storage opens storage alone; the application's opens both
    assert ask(world, on_storage)[0] == 200 and ask(world, on_storage, "/livy/batches")[0] == 401
    assert ask(world, entra.token())[0] == 200 and ask(world, entra.token(), "/livy/batches")[0] == 403


def test_an_outside_token_is_exchanged(world):
    """A person's token of a real provider, in Entra's shape, for a middle tier of ours; by both dialects."""
    entra, m = world.real["MockOauth2"], world.middle
    hers = entra.token("person")
    assert ask(world, hers) == (401, "TokenAudienceInvalid")  # it is for the middle tier, which may exchange it

    def exchange(token, **form):
        usual = {"client_id": m["client_id"], "client_secret": m["client_secret"], "scope": "https://storage.azure.com/.default"}
        rfc = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": token, "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
        body = urllib.parse.urlencode({**usual, **(form or rfc)}).encode()
        status, answer, _ = world.gateway.request("POST", f"/{m['tenant']}/oauth2/v2.0/token", None, body, {"Content-Type": "application/x-www-form-urlencoded"})
        return status, json.loads(answer)
    entras = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "requested_token_use": "on_behalf_of"}
    for status, got in (exchange(hers), exchange(hers, assertion=hers, **entras)):
        assert status == 200, got
        assert ask(world, got["access_token"])[0] == 200  # the mock's person is also its program, which has a role
        claims = json.loads(base64.urlsafe_b64decode(got["access_token"].split(".")[1] + "=="))
        assert claims["oid"] == entra.object_id and claims["act"]["sub"] == m["object_id"] and claims["idtyp"] == "user"
    refused = exchange(entra.token("program"))[1]
    assert refused["error"] == "invalid_request" and "Only a user's token" in refused["error_description"]
    own = world.own["plain"]
    assert exchange(own.token(aud="api://middle"))[0] == 200
    refused = exchange(own.token(aud="api://middle", act={"sub": "somebody"}))[1]  # somebody acts already, as another says
    assert refused["error"] == "invalid_request" and "somebody acts" in refused["error_description"]
    refused = exchange(hers, assertion=entra.token("elsewhere"), **entras)[1]
    assert refused["error"] == "invalid_grant" and refused["error_description"].startswith("TokenAudienceInvalid")


def test_what_the_configuration_wants_of_an_issuers_tokens(world):
    """Required claims, scopes of people, roles of applications, and claims that are taken for id, name, groups and roles."""
    mapped, scope = world.own["mapped"], "/subscriptions/" + world.gateway.profile()["subscription"]
    right = {"employee": "e-7", "known_as": "Ann", "acr": "high", "scp": "x storage.use", "realm_access": {"roles": ["readers"]}, "entitlements": ["readers"]}
    refused = ({"acr": "low"}, {"acr": None}, {"scp": "storage.used"}, {"scp": "", "roles": ["Loader"]}, {"employee": None}, {"realm_access": {"roles": "readers"}})
    for wrong in refused:
        assert ask(world, mapped.token(**{**right, **wrong})) == (401, "TokenClaimInvalid"), wrong
    program = {**right, "scp": "", "azp": "somebody"}
    assert ask(world, mapped.token(**{**program, "scp": "storage.use"})) == (401, "TokenClaimInvalid")
    assert ask(world, mapped.token(**{**program, "roles": ["Loader"]}))[0] == 403
    assert ask(world, mapped.token(**right))[0] == 403
    tenant = world.gateway.profile()["tenant"]
    me = world.gateway.json("GET", f"/{tenant}/oauth2/v2.0/whoami", mapped.token(**right))[1]
    assert me["object_id"] == derived_id(mapped.issuer, "e-7") and me["name"] == "Ann" and me["kind"] == "user"
    assert me["groups"] == [derived_id(mapped.issuer, "readers", "group"), derived_id(mapped.issuer, "readers", "role")]
    world.gateway.run("policy", "assign", "--role", "Storage Blob Data Reader", "--principal", me["groups"][1], "--principal-type", "Group", "--scope", scope)
    assert eventually(lambda: ask(world, mapped.token(**right))[0] == 200)
    assert ask(world, mapped.token(**{**right, "entitlements": ["others"]}))[0] == 403
    now = int(time.time())
    assert ask(world, mapped.token(**{**right, "exp": now - 20, "iat": now - 600}))[0] == 200
    assert ask(world, mapped.token(**{**right, "exp": now - 40, "iat": now - 600})) == (401, "TokenExpired")


class Bearer:
    """A credential of the SDKs that has its token already."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *_, **__):
        return AccessToken(self.token, int(time.time()) + 3000)


def test_a_delegated_signature_counts_groups(world):
    """The delegator's roles are its group's alone; what its newest token says of its groups counts for every signature of its keys, and what its tokens leave out is unknown."""
    plain, g, scope = world.own["plain"], world.gateway, "/subscriptions/" + world.gateway.profile()["subscription"]
    who, group = derived_id(plain.issuer, "delegator"), derived_id(plain.issuer, "lenders", "group")
    g.run("policy", "assign", "--role", "Storage Blob Data Reader", "--principal", group, "--principal-type", "Group", "--scope", scope)
    g.run("policy", "assign", "--role", "Storage Blob Delegator", "--principal", who, "--scope", scope)

    def key(**claims):
        service = BlobServiceClient(g.endpoint, credential=Bearer(plain.token(sub="delegator", **claims)), connection_verify=g.ca)
        now = datetime.datetime.now(datetime.timezone.utc)
        return service.get_user_delegation_key(now, now + datetime.timedelta(hours=1))

    def has_key(**claims):
        try:
            return key(**claims) is not None
        except HttpResponseError as refused:
            assert refused.error_code == "AuthorizationPermissionMismatch"
            return False

    def read(signature):
        return ask(world, None, "/data/x.csv?" + signature)
    member = {"groups": ["lenders"]}
    assert eventually(lambda: ask(world, plain.token(sub="delegator", **member))[0] == 200)
    assert eventually(lambda: has_key(groups=[]))  # its own role is in force too
    expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=30)
    signature = generate_blob_sas(g.profile()["account"], "data", "x.csv", user_delegation_key=key(**member), permission="r", expiry=expiry)
    assert read(signature)[0] == 200
    key(groups=[])
    assert read(signature) == (403, "AuthorizationPermissionMismatch")
    key(**member)
    assert read(signature)[0] == 200
    key(_claim_names={"groups": "src1"})
    assert read(signature) == (403, "AuthorizationPermissionMismatch")


def test_how_old_keys_are_stands_in_metrics(world):
    ask(world, world.own["plain"].token())
    assert eventually(lambda: metric(world, "embergate_jwks_age_seconds") > 0)


def test_one_issuer_does_not_speak_for_another(world):
    plain, entra = world.own["plain"], world.real["MockOauth2"]
    assert ask(world, plain.token())[0] == 200
    assert ask(world, plain.token(iss=entra.issuer)) == (401, "TokenKeyUnknown")
    assert ask(world, plain.token(iss=entra.issuer, headers={"kid": entra.path[1:]}))[1] in ("TokenSignatureInvalid", "TokenKeyUnknown")
    assert ask(world, plain.token(iss=plain.issuer + "/")) == (401, "TokenIssuerUnknown")


def test_claim_sources_are_never_fetched(world):
    plain = world.own["plain"]
    trap = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": world.elsewhere.url + "/groups"}}}
    assert ask(world, plain.token(**trap))[0] == 200  # its groups are unknown; the role is its own
    assert world.elsewhere.seen == []


def test_unknown_keys_are_asked_for_at_most_once_a_minute(world):
    plain = world.own["plain"]
    assert ask(world, plain.token())[0] == 200
    before = plain.front.count(plain.keys_path)
    for i in range(200):
        assert ask(world, plain.token(headers={"kid": f"invented-{i}"})) == (401, "TokenKeyUnknown")
    assert plain.front.count(plain.keys_path) - before <= 1


def test_hostile_documents_are_refused(world):
    front, other = world.front, world.elsewhere.url
    own = world.own
    body = json.dumps({"issuer": own["redirect-discovery"].issuer, "jwks_uri": front.url + own["redirect-discovery"].keys_path}).encode()
    front.answers["/moved"] = (200, {}, body, 0)
    own["redirect-discovery"].say(own["redirect-discovery"].discovery_path, b"", 302, {"Location": front.url + "/moved"})
    front.answers["/moved-keys"] = front.answers[own["redirect-keys"].keys_path]
    own["redirect-keys"].say(own["redirect-keys"].keys_path, b"", 307, {"Location": front.url + "/moved-keys"})
    world.elsewhere.answers["/keys"] = front.answers[own["other-host"].keys_path]
    own["other-host"].say(own["other-host"].discovery_path, {"issuer": own["other-host"].issuer, "jwks_uri": other + "/keys"})
    own["other-issuer"].say(own["other-issuer"].discovery_path, {"issuer": other, "jwks_uri": front.url + own["other-issuer"].keys_path})
    own["huge"].say(own["huge"].keys_path, {"keys": [own["huge"].public], "padding": "x" * (1 << 20)})
    own["endless-header"].say(own["endless-header"].keys_path, {"keys": [own["endless-header"].public]}, headers={f"X-{i}": "x" * 60000 for i in range(90)})
    own["nameless-key"].say(own["nameless-key"].keys_path, {"keys": [{k: v for k, v in own["nameless-key"].public.items() if k != "kid"}]})
    failed = metric(world, "embergate_jwks_fetch_failed_total")
    asked = {name: ask(world, own[name].token()) for name in HOSTILE}
    assert asked == {name: (503, "ServiceUnavailable") for name in HOSTILE}
    assert front.count("/moved") == 0 and world.elsewhere.seen == []
    assert metric(world, "embergate_jwks_fetch_failed_total") >= failed + len(HOSTILE)
    assert ask(world, own["plain"].token())[0] == 200


def test_a_slow_provider_stalls_nobody_else(world):
    slow, plain = world.own["slow"], world.own["plain"]
    slow.say(slow.discovery_path, {"issuer": slow.issuer, "jwks_uri": slow.front.url + slow.keys_path}, delay=8)
    answers, token = [], slow.token()
    waiting = [threading.Thread(target=lambda: answers.append(ask(world, token))) for _ in range(4)]
    for t in waiting:
        t.start()
    time.sleep(0.3)
    served = 0
    while all(t.is_alive() for t in waiting) and served < 40:
        assert ask(world, plain.token())[0] == 200
        served += 1
    assert served > 3, "who doesn't wait for the slow one waits for those who do"
    for t in waiting:
        t.join(30)
    assert answers == [(503, "ServiceUnavailable")] * 4  # given up before the provider answered
    assert slow.front.count(slow.discovery_path) == 1


def test_a_provider_that_is_away(world):
    """What is known of it serves on; what is not is refused; the gateway stays."""
    entra = world.real["MockOauth2"]
    assert ask(world, entra.token())[0] in (200, 403)
    fresh = [entra.token() for _ in range(5)]
    entra.front.down()
    try:
        owed = ask(world, fresh[0])[0]
        assert owed in (200, 403) and all(ask(world, t)[0] == owed for t in fresh)
        assert ask(world, world.own["absent"].token(iss=entra.issuer))[0] in (401, 503)
    finally:
        entra.front.up()
    absent = world.own["absent"]
    absent.say(absent.discovery_path, b"", 500)
    assert ask(world, absent.token()) == (503, "ServiceUnavailable")
    assert eventually(lambda: metric(world, "embergate_jwks_missing") >= 1)
    assert ask(world, world.own["plain"].token())[0] == 200
    assert world.gateway.json("GET", "/livy/batches", world.gateway.token())[0] == 200
    absent.say(absent.discovery_path, {"issuer": absent.issuer, "jwks_uri": absent.front.url + absent.keys_path})
    assert eventually(lambda: ask(world, absent.token())[0] == 200, 20)  # asked again ten seconds after the last time
    assert eventually(lambda: [r["outcome"] for r in keys_records(world, absent)] == ["failed", "allowed"])
    assert keys_records(world, absent)[0]["error"] == "ServiceUnavailable"


def keys_records(world, issuer):
    """What the log says of an issuer's keys: each change once, however often they were asked for."""
    return [r for r in records(acts.log_folder(world.gateway)) if r["event"] == "identity.keys.read" and r["resource"] == issuer.issuer]


def flood(world, tokens):
    """Sends each on one of few connections, fifty at a time; gives how often each status came."""
    statuses = {}
    s = world.gateway.context().wrap_socket(socket.create_connection(("127.0.0.1", world.gateway.port), timeout=60), server_hostname="127.0.0.1")
    reader = s.makefile("rb")
    for i in range(0, len(tokens), 50):
        some = tokens[i:i + 50]
        s.sendall(b"".join(b"GET /data/x.csv HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + t.encode() + b"\r\n\r\n" for t in some))
        for _ in some:
            status = int(reader.readline().split()[1])
            headers = http.client.parse_headers(reader)
            reader.read(int(headers["Content-Length"]))
            statuses[status] = statuses.get(status, 0) + 1
    s.close()
    return statuses


def test_a_flood_of_garbage_evicts_and_fetches_nothing(world):
    plain = world.own["plain"]
    good = [plain.token() for _ in range(20)]
    assert all(ask(world, t)[0] == 200 for t in good)
    head, claims, signature = good[0].split(".")
    kept = base64.urlsafe_b64decode(signature + "==")
    garbage = []
    for i in range(FLOOD // 2):
        wrong = base64.urlsafe_b64encode(i.to_bytes(8, "big") + kept[8:]).rstrip(b"=").decode()
        garbage.append(f"{head}.{claims}.{wrong}")  # a known key, a wrong signature
        invented = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "kid": f"flood-{i}"}).encode()).rstrip(b"=").decode()
        garbage.append(f"{invented}.{claims}.{signature}")
    fetches, hits = plain.front.count(plain.keys_path), metric(world, "embergate_token_cache_hits_total")
    misses = metric(world, "embergate_token_cache_misses_total")
    assert flood(world, garbage) == {401: FLOOD}
    assert plain.front.count(plain.keys_path) - fetches <= 1
    assert all(ask(world, t)[0] == 200 for t in good)
    assert metric(world, "embergate_token_cache_hits_total") - hits >= len(good)
    assert metric(world, "embergate_token_cache_misses_total") - misses <= FLOOD + 10  # the good ones are not among them


JOB = b"""
import sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
for step in range(8):
    spark.range(0, 100, 1, 1).write.parquet(f"{sys.argv[1]}/{step}")
    print(f"step {step}", flush=True)
    time.sleep(1)
"""


def test_a_job_runs_on_while_its_provider_is_away_and_keys_turn(world):
    """Who submitted it was asked once; from then on it has the gateway's own word. Data keys turn meanwhile too."""
    g, plain = world.gateway, world.own["plain"]
    scope = "/subscriptions/" + g.profile()["subscription"]
    for role in ("Embergate Job Submitter", "Storage Blob Data Contributor"):
        g.run("policy", "assign", "--role", role, "--principal", plain.object_id, "--scope", scope)
    g.file_system().get_file_client("jobs/steps.py").upload_data(JOB, overwrite=True)
    body = {"file": acts.address(g, "jobs/steps.py"), "args": [acts.address(g, "steps")]}
    assert eventually(lambda: g.json("GET", "/livy/batches", plain.token())[0] == 200)
    status, batch, _ = g.json("POST", "/livy/batches", plain.token(), body)
    assert status == 201, batch

    mine = plain.token()
    assert g.json("GET", "/livy/batches", mine)[0] == 200  # from now on it is good by what is known of its issuer

    def said():
        return g.json("GET", f"/livy/batches/{batch['id']}/log?from=0&size=10000", mine)[1]["log"]
    assert eventually(lambda: "step 0" in said(), 240), said()[-20:]
    plain.front.down()
    plain.new_key()
    try:
        g.run("key", "rotate", "--state", g.state, "--tenant", "contoso", "--wait")
        assert eventually(lambda: "step 7" in said(), 120), said()[-20:]
    finally:
        plain.front.up()
    assert eventually(lambda: g.json("GET", f"/livy/batches/{batch['id']}/state", mine)[1]["state"] == "success", 60), said()[-20:]
    fs = g.file_system()
    assert all(fs.get_file_client(f"steps/{step}/_SUCCESS").exists() for step in range(8))


def test_new_keys_are_found_and_old_ones_go(world):
    """Last, because the gateway asks for the keys of an issuer again only after a minute, which the other tests fill."""
    turning, real = world.own["turning"], world.real["OidcProvider"]
    assert ask(world, world.old[0])[0] == 200
    lingering = world.own["lingering"]
    turning.new_key()
    lingering.new_key()
    real.new_key()
    assert ask(world, world.old[1])[0] == 200  # until the keys are fetched again
    time.sleep(max(0, world.asked + 61 - time.monotonic()))
    assert ask(world, turning.token())[0] == 200
    assert ask(world, world.old[0]) == (401, "TokenKeyUnknown")  # withdrawn: neither the key nor the cache knows it
    assert ask(world, lingering.token())[0] == 200
    assert ask(world, world.lingering)[0] == 200  # withdrawn, but within its grace
    assert eventually(lambda: ask(world, world.lingering) == (401, "TokenKeyUnknown"), 20)
    assert ask(world, lingering.token())[0] == 200
    assert eventually(lambda: ask(world, real.token())[0] == 200, 130)  # where one fetch fails on a busy machine, the next comes a minute later
    # That a provider was away is in the server's log: failures before anybody is known, added up by the minute.
    told = [r for r in records(f"{world.gateway.state}/gateway/audit/server") if r["event"] == "request.refused" and r.get("error") == "ServiceUnavailable"]
    assert told and all(r["count"] >= 1 for r in told), "the outage stands in no record"
