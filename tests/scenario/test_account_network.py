"""networkAcls of a storage account, as an administrator writes them: who comes from elsewhere is refused before its token is looked at, and a cluster's own jobs still read and write.
covers: network.c"""
import base64
import json
import os
import re
import time

import acts

JOB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "jobs", "identity.py")
VERSION = {"x-ms-version": "2023-11-03"}


def put_policy(gateway, name, value):
    path = f"{gateway.state}/policies/{name}"
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path + ".new", "w") as f:
        json.dump(value, f)
    os.chmod(path + ".new", 0o644)
    os.rename(path + ".new", path)


def eventually(truth, seconds=10):
    end = time.monotonic() + seconds
    while not truth() and time.monotonic() < end:
        time.sleep(0.05)
    return truth()


def sit_in(gateway, subnet):
    """The cluster's subnet, which init leaves out."""
    path = f"{gateway.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    changed, n = re.subn(r'(?m)^(\s*)subnet: ""', rf'\1subnet: "{subnet}"', text)
    assert n >= 1
    with open(path, "w") as f:
        f.write(changed)


def test_only_the_clusters_jobs_come_in(own_gateway):
    g = own_gateway
    group = f"/subscriptions/{g.profile()['subscription']}/resourceGroups/embergate/providers"
    vnet = f"{group}/Microsoft.Network/virtualNetworks/spark"
    sit_in(g, f"{vnet}/subnets/jobs")
    g.start()
    with open(g.ca, "rb") as f:
        ca = base64.b64encode(f.read()).decode()
    fs = g.file_system()
    fs.get_file_client("identity/there").upload_data(b"there", overwrite=True)
    with open(JOB, "rb") as f:
        fs.get_file_client("identity/job.py").upload_data(f.read(), overwrite=True)
    put_policy(g, "virtualNetworks/spark.json", {"id": vnet, "name": "spark", "properties": {
        "addressSpace": {"addressPrefixes": ["10.99.0.0/16"]},
        "subnets": [{"id": f"{vnet}/subnets/jobs", "name": "jobs", "properties": {"addressPrefix": "10.99.1.0/24"}}]}})
    account = {"id": f"{group}/Microsoft.Storage/storageAccounts/lake", "name": "lake", "type": "Microsoft.Storage/storageAccounts", "properties": {"networkAcls": {
        "bypass": "None", "defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": [{"id": f"{vnet}/subnets/jobs", "action": "Allow"}]}}}
    put_policy(g, "storageAccounts/lake.json", account)
    storage = g.token(audience="storage")
    assert eventually(lambda: g.request("HEAD", "/data/identity/there", storage, headers=VERSION)[0] == 403)
    status, body, headers = g.json("GET", "/data/identity/there", storage, headers=VERSION)
    assert (status, body["error"]["code"], headers["x-ms-error-code"]) == (403, "AuthorizationFailure", "AuthorizationFailure")
    assert g.json("GET", "/data/identity/there", headers=VERSION)[1]["error"]["code"] == "AuthorizationFailure"  # no token: not even asked for one
    status, text, headers = g.request("GET", "/data?restype=container&comp=list", storage, headers=VERSION)
    assert status == 403 and b"<Code>AuthorizationFailure</Code>" in text  # the Blob API's shape
    batch = g.json("POST", "/livy/batches", g.token(), {"file": acts.address(g, "identity/job.py"), "args": ["127.0.0.1", str(g.port), ca, "/data/identity"]})[1]
    assert eventually(lambda: g.json("GET", f"/livy/batches/{batch['id']}", g.token())[1]["state"] in ("success", "dead"), 240)
    log = g.json("GET", f"/livy/batches/{batch['id']}/log?from=0&size=10000", g.token())[1]["log"]
    assert "token on storage: 200" in log and "PATCH action=flush: 200" in log, log
    account["properties"]["networkAcls"]["ipRules"] = [{"value": "127.0.0.0/8"}]
    put_policy(g, "storageAccounts/lake.json", account)
    assert eventually(lambda: g.request("HEAD", "/data/identity/there", storage, headers=VERSION)[0] == 200)
    records = g.json("GET", f"/audit/{g.profile()['tenant']}/records?limit=1000", g.token())[1]["records"]
    assert any(r.get("rule") == "networkAcls lake/defaultAction" and r["outcome"] == "denied" for r in records)
