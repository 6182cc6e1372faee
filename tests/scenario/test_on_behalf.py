"""Acting for others: MSAL, azure-identity and plain HTTP exchange a person's token at the gateway's own issuer; who may, for how long, and what ends it.
covers: token_exchange.c act_claim.c acting.c"""
import json
import time

import jwt
import msal
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import OnBehalfOfCredential
from azure.storage.filedatalake import DataLakeServiceClient
from server import finish, make_state_folder, new_gateway

STORAGE = "https://storage.azure.com/.default"
MANAGEMENT = "https://management.azure.com/.default"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"


class World:
    pass


@pytest.fixture(scope="module")
def world():
    w, folder = World(), make_state_folder()
    w.folder, w.gateway = folder, new_gateway(folder)
    g = w.gateway

    def add(name, *options, tenant="contoso"):
        g.run("principal", "add", "--state", g.state, "--tenant", tenant, "--name", name, *options)
        return g.profile(name)
    try:
        w.ann = add("ann", "--kind", "user", "--role", "Storage Blob Data Reader")
        w.middle = add("middle", "--role", "Embergate Delegate")
        w.second = add("second", "--role", "Embergate Chained Delegate")
        w.plain = add("plain", "--role", "Owner", "--role", "Storage Blob Data Owner")
        w.foreign = add("foreign", "--role", "Embergate Delegate", tenant="fabrikam")
        g.start()
        w.tenant = w.ann["tenant"]
        w.token = f"{g.endpoint}/{w.tenant}/oauth2/v2.0/token"
        g.file_system().get_file_client("x.csv").upload_data(b"a,b\n", overwrite=True)
        yield w
    finally:
        finish(g, folder)


def post(w, **form):
    tenant = form.pop("tenant", w.tenant)
    answer = requests.post(w.token.replace(w.tenant, tenant), data=form, verify=w.gateway.ca, timeout=30)
    return answer.status_code, answer.json()


def by(p):
    return {"client_id": p["client_id"], "client_secret": p["client_secret"]}


def token_of(w, person, scope=MANAGEMENT):
    status, got = post(w, grant_type="client_credentials", scope=scope, **by(person))
    assert status == 200, got
    return got["access_token"]


def anns(w):
    """Her token, for nobody but the middle tier: it opens nothing itself."""
    return token_of(w, w.ann, f"api://{w.middle['client_id']}/.default")


def exchange(w, who, token, **more):
    return post(w, **{"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS, "scope": STORAGE, **by(who), **more})


def said(token):
    return jwt.decode(token, options={"verify_signature": False})


def reads(w, token):
    return w.gateway.request("GET", "/data/x.csv", token, headers={"x-ms-version": "2023-11-03"})[0]


def soon(truth, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if truth():
            return True
        time.sleep(0.05)
    return False


def records(w, wanted):
    status, body, _ = w.gateway.request("GET", f"/audit/{w.tenant}/records?limit=1000", w.gateway.token())
    assert status == 200
    return [r for r in json.loads(body)["records"] if wanted(r)]


def test_azure_identity(world):
    w = world
    hers = anns(w)
    assert reads(w, hers) == 401  # for the middle tier alone
    credential = OnBehalfOfCredential(w.tenant, w.middle["client_id"], client_secret=w.middle["client_secret"], user_assertion=hers, authority=w.gateway.endpoint,
                                      disable_instance_discovery=True, connection_verify=w.gateway.ca)
    service = DataLakeServiceClient(w.gateway.endpoint, credential=credential, connection_verify=w.gateway.ca)
    assert service.get_file_system_client("data").get_file_client("x.csv").download_file().readall() == b"a,b\n"
    with pytest.raises(HttpResponseError) as refused:  # she only reads, and so does who acts for her
        service.get_file_system_client("data").get_file_client("y.csv").create_file()
    assert refused.value.error_code == "AuthorizationPermissionMismatch"
    claims = said(credential.get_token(STORAGE).token)
    assert claims["oid"] == w.ann["object_id"] and claims["azp"] == w.middle["client_id"] and claims["act"]["sub"] == w.middle["object_id"]
    assert claims["idtyp"] == "user" and claims["exp"] <= said(hers)["exp"] and "act" not in claims["act"]
    plain = OnBehalfOfCredential(w.tenant, w.plain["client_id"], client_secret=w.plain["client_secret"], user_assertion=token_of(w, w.ann), authority=w.gateway.endpoint,
                                 disable_instance_discovery=True, connection_verify=w.gateway.ca)
    with pytest.raises(ClientAuthenticationError, match="may not act for others"):
        plain.get_token(STORAGE)


def test_msal(world):
    w = world
    session = requests.Session()
    session.verify, session.trust_env = w.gateway.ca, False
    app = msal.ConfidentialClientApplication(w.middle["client_id"], client_credential=w.middle["client_secret"], authority=f"{w.gateway.endpoint}/{w.tenant}",
                                             instance_discovery=False, http_client=session)
    for scope in (STORAGE, "https://storage.azure.com/user_impersonation"):
        got = app.acquire_token_on_behalf_of(anns(w), [scope])
        assert "access_token" in got, got
        assert reads(w, got["access_token"]) == 200
    got = app.acquire_token_on_behalf_of(token_of(w, w.plain), [STORAGE])
    assert got["error"] == "invalid_grant" and "Only a user's token" in got["error_description"]


def test_rfc_8693(world):
    w = world
    status, got = exchange(w, w.middle, anns(w), scope="", audience="https://storage.azure.com", requested_token_type=ACCESS, actor_token=token_of(w, w.middle),
                           actor_token_type=ACCESS)
    assert status == 200 and got["issued_token_type"] == ACCESS and got["token_type"] == "Bearer"
    assert reads(w, got["access_token"]) == 200
    discovery = requests.get(f"{w.gateway.endpoint}/{w.tenant}/v2.0/.well-known/openid-configuration", verify=w.gateway.ca, timeout=30).json()
    assert EXCHANGE in discovery["grant_types_supported"]
    refused = {
        "no role": (exchange(w, w.plain, token_of(w, w.ann)), 400, "unauthorized_client"),
        "another client's": (exchange(w, w.second, anns(w)), 400, "invalid_request"),
        "for storage alone": (exchange(w, w.middle, token_of(w, w.ann, STORAGE)), 400, "invalid_request"),
        "an application's": (exchange(w, w.middle, token_of(w, w.plain)), 400, "invalid_request"),
        "another tenant's": (exchange(w, w.foreign, token_of(w, w.ann), tenant=w.foreign["tenant"]), 400, "invalid_request"),
        "a wrong secret": (exchange(w, w.middle, anns(w), client_secret="x"), 401, "invalid_client"),
        "a target that is none": (exchange(w, w.middle, anns(w), scope="", audience="https://elsewhere"), 400, "invalid_target"),
        "an ID token": (exchange(w, w.middle, anns(w), subject_token_type="urn:ietf:params:oauth:token-type:id_token"), 400, "invalid_request"),
        "nonsense": (exchange(w, w.middle, "a.b.c"), 400, "invalid_request"),
        "not signed": (exchange(w, w.middle, anns(w).rsplit(".", 1)[0] + "."), 400, "invalid_request"),
    }
    for name, ((status, body), owed, error) in refused.items():
        assert (status, body["error"]) == (owed, error), (name, status, body)


def test_chains(world):
    """The middle tier asks for the second's audience; the second may go on with what was exchanged before."""
    w = world
    status, got = exchange(w, w.middle, anns(w), scope=f"api://{w.second['client_id']}/.default")
    assert status == 200
    handed = got["access_token"]
    assert reads(w, handed) == 401
    status, got = exchange(w, w.second, handed)
    assert status == 200 and reads(w, got["access_token"]) == 200
    act = said(got["access_token"])["act"]
    assert act["sub"] == w.second["object_id"] and act["act"]["sub"] == w.middle["object_id"]
    status, got = exchange(w, w.second, anns(w), scope=MANAGEMENT)  # not its audience
    assert status == 400
    status, got = exchange(w, w.second, token_of(w, w.ann), scope=f"api://{w.middle['client_id']}/.default")
    assert status == 200
    status, got = exchange(w, w.middle, got["access_token"])
    assert (status, got["error"]) == (400, "invalid_request") and "onBehalfOf/chain" in got["error_description"]


def test_what_is_closed(world):
    """Keys that outlive the token, and who may do what."""
    w = world
    owner = w.gateway.profile()
    subscription = owner["subscription"]
    w.gateway.run("policy", "assign", "--role", "Owner", "--principal", w.ann["object_id"], "--scope", f"/subscriptions/{subscription}")
    management = exchange(w, w.middle, anns(w), scope=MANAGEMENT)[1]["access_token"]
    storage = exchange(w, w.middle, anns(w))[1]["access_token"]
    own = token_of(w, w.ann)
    assignments = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"

    def listed(token):
        return w.gateway.request("GET", assignments, token)[0]
    assert soon(lambda: listed(own) == 200) and soon(lambda: listed(management) == 200)  # to see them is not to change them
    keys = f"/identity/{w.tenant}/revocations"
    body = json.dumps({"kind": "principal", "id": w.plain["object_id"]}).encode()
    status, answer, _ = w.gateway.request("POST", keys, management, body, {"Content-Type": "application/json"})
    assert status == 403 and b"ActingForOthersNotPermitted" in answer
    when = "<KeyInfo><Start>%s</Start><Expiry>%s</Expiry></KeyInfo>" % (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600)))
    answers = [w.gateway.request("POST", "/?restype=service&comp=userdelegationkey", t, when.encode(), {"x-ms-version": "2023-11-03"})[0]
               for t in (token_of(w, w.ann, STORAGE), storage)]
    assert answers == [200, 403]


def test_records_name_both(world):
    w = world
    status, got = exchange(w, w.middle, anns(w))
    assert status == 200 and reads(w, got["access_token"]) == 200
    assert exchange(w, w.plain, token_of(w, w.ann))[0] == 400
    ann, middle, plain = (p["object_id"] for p in (w.ann, w.middle, w.plain))

    def there():
        exchanged = records(w, lambda r: r["event"] == "identity.token.exchange" and r["outcome"] == "allowed")
        refused = records(w, lambda r: r["event"] == "identity.token.exchange" and r.get("error") == "unauthorized_client")
        read = records(w, lambda r: r["event"] == "storage.file.read" and r.get("acted_by"))
        return ([r for r in exchanged if r["actor"]["oid"] == middle and r["on_behalf_of"] == ann]
                and [r for r in refused if r["actor"]["oid"] == plain and r["outcome"] == "denied"]
                and [r for r in read if r["actor"]["oid"] == ann and r["acted_by"] == middle])
    assert soon(there)
    asked = w.gateway.json("GET", f"/audit/{w.tenant}/records?limit=1000&acted_by={middle}", w.gateway.token())[1]["records"]
    assert asked and all(middle in r["acted_by"].split() for r in asked) and any(r["event"] == "storage.file.read" and r["actor"]["oid"] == ann for r in asked)
    story = w.gateway.run("audit", "show", "--acted-by", middle, "--actor", ann).stdout
    assert " through " in story and middle in story, story
    assert "no such record" in w.gateway.run("audit", "show", "--acted-by", plain, check=False).stderr
    text = w.gateway.request("GET", f"/audit/{w.tenant}/records?limit=1000", w.gateway.token())[1].decode()
    assert got["access_token"] not in text and w.middle["client_secret"] not in text


def ends(w, end):
    """A new exchanged token, which `end` puts an end to."""
    hers = anns(w)
    status, got = exchange(w, w.middle, hers)
    assert status == 200 and reads(w, got["access_token"]) == 200
    time.sleep(1.1)  # revocations know seconds: this second's are of what was issued before
    end(hers)
    return reads(w, got["access_token"])


def revoke(w, *what, given=None):
    return w.gateway.run("revoke", *what, "--state", w.gateway.state, **({"input": given} if given else {}))


def test_what_ends_it(world):
    """When the command has returned, the token is over."""
    w = world
    assert ends(w, lambda hers: revoke(w, "principal", w.ann["object_id"])) == 401
    time.sleep(1.1)
    assert ends(w, lambda hers: revoke(w, "principal", w.middle["object_id"])) == 401
    time.sleep(1.1)
    assert ends(w, lambda hers: revoke(w, "token", said(hers)["jti"])) == 401
    status, _ = exchange(w, w.middle, anns(w))
    assert status == 200


def test_the_right_to_act_is_asked_each_time(world):
    """The role goes, and what was exchanged with it is over within a second."""
    w = world
    w.gateway.run("principal", "add", "--state", w.gateway.state, "--tenant", "contoso", "--name", "passing")
    passing = w.gateway.profile("passing")
    scope = "/subscriptions/" + passing["subscription"]
    own = token_of(w, w.ann)
    assert exchange(w, passing, own)[0] == 400
    w.gateway.run("policy", "assign", "--role", "Embergate Delegate", "--principal", passing["object_id"], "--scope", scope)
    assert soon(lambda: exchange(w, passing, own)[0] == 200)
    token = exchange(w, passing, own)[1]["access_token"]
    assert reads(w, token) == 200
    w.gateway.run("policy", "unassign", "--role", "Embergate Delegate", "--principal", passing["object_id"], "--scope", scope)
    assert soon(lambda: reads(w, token) == 403)
    assert exchange(w, passing, own)[0] == 400


def test_a_client_that_is_disabled(world):
    w = world
    hers = anns(w)
    token = exchange(w, w.middle, hers)[1]["access_token"]
    assert reads(w, token) == 200
    w.gateway.run("principal", "disable", "--state", w.gateway.state, "--name", "middle")
    assert reads(w, token) == 401 and exchange(w, w.middle, hers)[0] == 401
