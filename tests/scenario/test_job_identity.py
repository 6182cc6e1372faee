"""A job's credential and token: good for storage while the job runs, for nothing else, and for nothing once it has ended."""
import base64
import json
import os
import urllib.parse

import acts
import pytest

JOB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "jobs", "identity.py")
OWED = {
    "credential at the token endpoint": "200",
    "wrong credential at the token endpoint": "401",
    "credential for another audience": "400",
    "token on storage": "200",
    "token on livy": "401",
    "token on audit": "401",
    "token submits": "401",
    "credential as a token on storage": "401",
    "credential as a token on livy": "401",
    "PUT resource=file": "201",
    "PATCH action=append": "202",
    "PATCH action=flush": "200",
}
STORAGE = {"x-ms-version": "2023-11-03"}


@pytest.fixture(scope="module")
def ended(gateway):
    """The log of a job that has ended, and what it had in its hands."""
    fs = gateway.file_system()
    fs.get_file_client("identity/there").upload_data(b"there", overwrite=True)
    with open(gateway.ca, "rb") as f:
        ca = base64.b64encode(f.read()).decode()
    status, batch, done = acts.submit(gateway, JOB, "127.0.0.1", gateway.port, ca, "/data/identity", check=False)
    assert status == 0, done.stderr
    log = gateway.json("GET", f"/livy/batches/{batch['id']}/log?from=0&size=10000", gateway.token())[1]["log"]
    return batch, log, json.loads(fs.get_file_client("identity/kept.json").download_file().readall())


def test_while_the_job_runs(ended):
    batch, log, kept = ended
    seen = dict(line.rsplit(": ", 1) for line in log if line.rpartition(": ")[0] in OWED)
    assert seen == OWED
    assert not any(kept["token"] in line or kept["credential"] in line for line in log)


def test_the_token_ends_with_its_job(gateway, ended):
    token = ended[2]["token"]
    status, body, headers = gateway.json("GET", "/data/identity/there", token, headers=STORAGE)
    assert status == 401 and body["error"]["code"] == "JobEnded" and "WWW-Authenticate" in headers
    assert gateway.request("PUT", "/data/identity/late?resource=file", token, b"", STORAGE)[0] == 401
    assert gateway.json("GET", "/livy/batches", token)[0] == 401


def test_the_credential_ends_with_its_job(gateway, ended):
    form = urllib.parse.urlencode({
        "grant_type": "client_credentials", "client_id": ended[0]["embergate"]["ownerObjectId"], "scope": "https://storage.azure.com/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": ended[2]["credential"]}).encode()
    status, body, _ = gateway.request("POST", f"/{ended[2]['tenant']}/oauth2/v2.0/token", None, form,
                                      {"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 401 and json.loads(body)["error"] == "invalid_client"


def test_neither_is_in_the_servers_log_or_the_audit_log(gateway, ended):
    kept = ended[2]
    with open(gateway.log_path, errors="replace") as f:
        text = f.read()
    assert kept["token"] not in text and kept["credential"] not in text
    for folder, _, names in os.walk(f"{gateway.state}/gateway"):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                content = f.read()
            assert kept["token"].encode() not in content and kept["credential"].encode() not in content, name
