"""The running gateway answers as a real Livy did (livy-golden/), but for the deliberate differences of docs/LIVY-API.md.

Asked of the session's gateway, or of the server at EG_TEST_URL with EG_TEST_TOKEN and the CA in EG_TEST_CA. The batches that it makes name a
file that does not exist, and are deleted at the end."""
import json
import os
import pathlib
import ssl
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pytest

GOLDEN = pathlib.Path(__file__).parent / "livy-golden"
MISSING = "9999999"
NOBODY = ""
asked = {}  # the server that is asked: url, token, ca


@pytest.fixture(scope="module", autouse=True)
def server(request):
    if all(n in os.environ for n in ("EG_TEST_URL", "EG_TEST_TOKEN", "EG_TEST_CA")):
        asked.update(url=os.environ["EG_TEST_URL"], token=os.environ["EG_TEST_TOKEN"], ca=os.environ["EG_TEST_CA"])
    else:
        gateway = request.getfixturevalue("gateway")
        asked.update(url=gateway.endpoint, token=gateway.token(), ca=gateway.ca)


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def ask(method, path, body=None, headers=None, token=None):
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = urllib.request.Request(f"{asked['url']}/livy{path}", data=data, method=method, headers=dict(headers or {}))
    if token != NOBODY:
        request.add_header("Authorization", f"Bearer {token or asked['token']}")
    try:
        answer = urllib.request.urlopen(request, timeout=30, context=ssl.create_default_context(cafile=asked["ca"]))
    except urllib.error.HTTPError as e:
        answer = e
    text = answer.read().decode()
    try:
        return answer.status, json.loads(text), answer.headers
    except json.JSONDecodeError:
        return answer.status, text, answer.headers


def ours(body):
    """A recorded body, with its file where this gateway may take it from."""
    if isinstance(body, dict) and str(body.get("file", "")).startswith("/jobs/"):
        host = urllib.parse.urlsplit(asked["url"]).netloc
        return {**body, "file": f"abfss://data@{host}{body['file']}"}
    return body


@pytest.fixture(scope="module")
def batch():
    recorded = golden("015-batch-create")
    body = {**ours(recorded["request"]["body"]), "name": f"golden-{uuid.uuid4().hex[:8]}"}
    status, made, headers = ask("POST", "/batches", body)
    assert status == recorded["response"]["status"], made
    yield made, headers, recorded["response"]
    ask("DELETE", f"/batches/{made['id']}")


def same_members(answer, recorded):
    assert set(answer) - {"embergate"} == set(recorded)


def test_create(batch):
    made, headers, recorded = batch
    same_members(made, recorded["json"])
    assert made["state"] == "starting" and made["log"] == recorded["json"]["log"] and made["appInfo"] == recorded["json"]["appInfo"]
    assert headers["Location"] == f"/batches/{made['id']}"


def test_get_by_id_and_name(batch):
    made = batch[0]
    for which in (made["id"], made["name"]):
        status, answer, _ = ask("GET", f"/batches/{which}")
        assert status == 200 and answer["id"] == made["id"]
        same_members(answer, golden("017-batch-get")["response"]["json"])


def test_state_and_log(batch):
    made = batch[0]
    status, state, _ = ask("GET", f"/batches/{made['id']}/state")
    assert status == 200
    same_members(state, golden("018-batch-state")["response"]["json"])
    status, log, _ = ask("GET", f"/batches/{made['id']}/log?from=-5&size=-1")
    assert status == 200 and log["from"] == 0 and log["log"][0] == "stdout: " and len(log["log"]) == log["total"]
    same_members(log, golden("035-batch-log-neg")["response"]["json"])
    status, log, _ = ask("GET", f"/batches/{made['id']}/log?from=1000000")
    assert status == 200 and log["log"] == []


def test_list(batch):
    status, answer, _ = ask("GET", "/batches?from=0&size=1")
    recorded = golden("023-batches-page")["response"]["json"]
    assert status == 200 and set(answer) == set(recorded) and len(answer["sessions"]) == 1
    same_members(answer["sessions"][0], recorded["sessions"][0])


def test_duplicate_name(batch):
    status, answer, _ = ask("POST", "/batches", {**ours({"file": "/jobs/trivial.py"}), "name": batch[0]["name"]})
    recorded = golden("016-batch-create-dupname")["response"]
    assert status == recorded["status"] and answer["msg"].split("Some(")[0] == recorded["json"]["msg"].split("Some(")[0]


@pytest.mark.parametrize("name", ["041-batch-unknown", "042-batch-unknown-state", "043-batch-unknown-log", "045-batch-delete-unknown"])
def test_unknown(name):
    recorded = golden(name)
    status, answer, _ = ask(recorded["request"]["method"], recorded["request"]["path"].replace("9999", MISSING))
    assert (status, answer) == (recorded["response"]["status"], {"msg": f"Session '{MISSING}' not found."})


@pytest.mark.parametrize("name", ["006-batch-create-badjson", "008-batch-create-nobody", "010-batch-create-wrongtype", "011-batch-create-array",
                                  "014-batch-create-contenttype"])
def test_parse_errors_are_a_bare_string(name):
    recorded = golden(name)
    body = ours(recorded["request"]["body"])
    status, answer, _ = ask("POST", "/batches", body.encode() if isinstance(body, str) else body, recorded["request"]["headers"])
    assert status == recorded["response"]["status"] and isinstance(answer, str) and isinstance(recorded["response"]["json"], str)


@pytest.mark.parametrize("name", ["007-batch-create-emptyobj", "012-batch-create-notwhitelisted"])
def test_rejections(name):
    recorded = golden(name)
    status, answer, _ = ask("POST", "/batches", recorded["request"]["body"])
    assert status == recorded["response"]["status"] and answer["msg"].startswith(recorded["response"]["json"]["msg"])


def test_unknown_members_are_ignored():
    """Deliberately not as 009-batch-create-unknownfield."""
    status, made, _ = ask("POST", "/batches", ours(golden("009-batch-create-unknownfield")["request"]["body"]))
    assert status == 201
    assert ask("DELETE", f"/batches/{made['id']}")[:2] == (200, golden("028-batch-delete-running")["response"]["json"])
    assert ask("GET", f"/batches/{made['id']}")[0] == golden("029-batch-get-deleted")["response"]["status"]
    assert ask("DELETE", f"/batches/{made['id']}")[0] == golden("030-batch-delete-again")["response"]["status"]


def test_reserved_properties_are_refused():
    """Deliberately not as 013-batch-create-reservedconf."""
    status, answer, _ = ask("POST", "/batches", ours(golden("013-batch-create-reservedconf")["request"]["body"]))
    assert status == 400 and "spark.master" in answer["msg"]


def test_nobody_without_a_token():
    status, _, headers = ask("GET", "/batches", token=NOBODY)
    assert status == 401 and headers["WWW-Authenticate"].startswith("Bearer")


def test_sessions_and_version():
    assert ask("GET", "/sessions")[:2] == (200, golden("049-sessions-empty")["response"]["json"])
    assert ask("POST", "/sessions", {"kind": "pyspark"})[0] == 501
    status, version, _ = ask("GET", "/version")
    same_members(version, golden("001-version")["response"]["json"])
    assert ask("PUT", f"/batches/{MISSING}", {})[0] == golden("046-batch-put")["response"]["status"]
