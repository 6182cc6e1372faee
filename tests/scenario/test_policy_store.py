"""Policies in the store: applied in one transaction, in force when the command returns, looked back at, rolled back, approved by a second person.
covers: policy.c policy_access.c policy_apply.c policy_versions.c policy_place.c policy_replay.c policy_import.c policy_desk.c policy_routes.c policy_offline.c policy_open.c"""
import json
import os
import re
import threading
import uuid

import pytest
from gateway import Gateway, free_port
from server import finish, make_state_folder, server_binary

READ = "Microsoft.HDInsight/clusters/jobs/read"


@pytest.fixture(scope="module")
def gateway():
    folder = make_state_folder()
    g = Gateway(f"{folder}/state", port=free_port(), binary=server_binary())
    g.init("--tenant", "contoso", "--tenant", "fabrikam", "--policies", "store")
    for tenant, name, *roles in (("contoso", "guest"), ("contoso", "second", "--role", "Owner"), ("contoso", "reader", "--role", "Reader"),
                                 ("fabrikam", "stranger", "--role", "Owner")):
        g.run("principal", "add", "--state", g.state, "--tenant", tenant, "--name", name, *roles)
    g.start()
    yield g
    finish(g, folder)


def scope(g):
    return "/subscriptions/" + g.profile()["subscription"]


def assignment(g, who, role="Embergate Job Submitter", name="0a0a0a0a-0000-4000-8000-000000000001", at=None):
    at = at or scope(g)
    return {"id": f"{at}/providers/Microsoft.Authorization/roleAssignments/{name}", "name": name, "type": "Microsoft.Authorization/roleAssignments",
            "properties": {"roleDefinitionId": role, "principalId": g.profile(who)["object_id"], "principalType": "ServicePrincipal", "scope": at}}


def write(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(value if isinstance(value, str) else json.dumps(value))
    return path


def may_list_jobs(g, name="guest"):
    return g.json("GET", "/livy/batches", g.token(name))[0] == 200


def version(g):
    """The one in force; history tells a principal only of those that touched its own tenant."""
    return g.json("POST", f"{scope(g)}/providers/Embergate.Policies/documents", g.token(), {})[1]["version"]


def test_init_makes_versions_and_no_files(gateway):
    assert not os.path.exists(f"{gateway.state}/policies")
    rows = json.loads(gateway.run("policy", "history", "--json").stdout)
    assert {"by": "init"} in [r["author"] for r in rows] and {"by": "operator"} in [r["author"] for r in rows]
    assert [r["version"] for r in rows] == sorted((r["version"] for r in rows), reverse=True)


def test_conditions_see_what_is_acted_upon(gateway, tmp_path):
    """Somebody whose role is good beneath raw/ alone gets nothing else by another protocol's parameter, by calling a reading a listing, by a copy or by a batch."""
    g, blobs = gateway, "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
    admin, xml = g.token(audience="storage"), {"Accept": "application/xml"}
    for name in ("raw/a", "secret/b"):
        assert g.request("PUT", f"/data/{name}", admin, b"content", {**xml, "x-ms-blob-type": "BlockBlob"})[0] == 201
    narrow = assignment(g, "reader", "Storage Blob Data Contributor", "0a0a0a0a-0000-4000-8000-00000000000c")
    narrow["properties"] |= {"conditionVersion": "2.0", "condition": f"(@Resource[{blobs}:path] StringLike 'raw/*') OR "
                             f"(SubOperationMatches{{'Blob.List'}} AND @Request[{blobs}:prefix] StringLike 'raw*')"}
    g.run("policy", "apply", write(f"{tmp_path}/roleAssignments/narrow.json", narrow))
    token = g.token("reader", audience="storage")

    def asked(method, path, body=None, headers=None):
        return g.request(method, path, token, body, headers or {})[:2]
    source = f"https://127.0.0.1:{g.port}/data/"
    for path in ("/data/raw/a", "/data?resource=filesystem&recursive=true&directory=raw", "/data?restype=container&comp=list&prefix=raw/"):
        assert asked("GET", path)[0] == 200, path
    for path in ("/data/secret/b", "/data/secret/b/", "/data/secret/b?resource=filesystem&directory=raw", "/data?resource=filesystem&recursive=true&directory=secret&prefix=raw",
                 "/data?resource=filesystem&recursive=true&prefix=raw", "/data?restype=container&comp=list&directory=raw", "/data?restype=container&comp=list&prefix=secret/"):
        status, body = asked("GET", path)
        assert status == 403 and b"content" not in body, (path, status, body)
    assert asked("PUT", "/data/raw/c", b"", {**xml, "x-ms-copy-source": source + "secret/b"})[0] == 403
    assert asked("PUT", "/data/raw/c", b"", {**xml, "x-ms-copy-source": source + "raw/a"})[0] == 202
    assert asked("PUT", "/data/raw/d", b"", {"x-ms-rename-source": "/data/secret/b"})[0] == 403
    parts = "".join(f"--b1\r\nContent-Type: application/http\r\nContent-ID: {n}\r\n\r\nDELETE /data/{name} HTTP/1.1\r\nContent-Length: 0\r\n\r\n" for n, name in enumerate(("raw/c", "secret/b")))
    status, body = asked("POST", "/?comp=batch", f"{parts}--b1--\r\n".encode(), {**xml, "Content-Type": "multipart/mixed; boundary=b1"})
    assert status == 202 and re.findall(rb"HTTP/1.1 (\d+)", body) == [b"202", b"403"], body
    assert g.request("GET", "/data/secret/b", admin)[1] == b"content"


def test_apply_is_in_force_when_it_returns_and_rollback_too(gateway, tmp_path):
    before = version(gateway)
    file = write(f"{tmp_path}/roleAssignments/guest.json", assignment(gateway, "guest"))
    assert not may_list_jobs(gateway)
    said = gateway.run("policy", "apply", file, "--dry-run").stdout
    assert "gains the role Embergate Job Submitter" in said and version(gateway) == before
    said = gateway.run("policy", "apply", file, "--ticket", "T-7", "--justification", "new colleague").stdout
    assert "gains the role" in said and f"version {before + 1} is in force" in said
    assert may_list_jobs(gateway)
    shown = json.loads(gateway.run("policy", "show", before + 1, "--json").stdout)
    assert shown["ticket"] == "T-7" and shown["justification"] == "new colleague" and shown["author"]["oid"] == gateway.profile()["object_id"]
    assert [d["before"] for d in shown["documents"]] == [None]
    assert "nothing changes" in gateway.run("policy", "apply", file).stdout
    assert gateway.profile("guest")["object_id"] in gateway.run("policy", "who-can", READ, "--scope", scope(gateway)).stdout
    gateway.run("policy", "rollback", before, "--ticket", "T-8", "--justification", "a mistake")
    assert not may_list_jobs(gateway) and version(gateway) == before + 2
    assert json.loads(gateway.run("policy", "history", "--json").stdout)[0]["event"] == "policy.rollback"


def test_a_change_is_a_record(gateway):
    token = gateway.token()
    status, found, _ = gateway.json("GET", f"/audit/{gateway.profile()['tenant']}/records?limit=1000", token)
    assert status == 200
    changes = [r for r in found["records"] if r.get("event") in ("policy.change", "policy.rollback") and r["outcome"] == "allowed"]
    assert len(changes) >= 2 and changes[0]["actor"]["oid"] == gateway.profile()["object_id"]


def test_a_broken_file_changes_nothing(gateway, tmp_path):
    before = version(gateway)
    good = assignment(gateway, "guest")
    bad = assignment(gateway, "guest", name="0a0a0a0a-0000-4000-8000-000000000002")
    bad["properties"]["principalID"] = bad["properties"].pop("principalId")
    write(f"{tmp_path}/p/roleAssignments/a.json", good)
    write(f"{tmp_path}/p/roleAssignments/b.json", json.dumps({"value": [good | {"name": "0a0a0a0a-0000-4000-8000-000000000008", "id": None}, bad]}, indent=1))
    line = next(i for i, text in enumerate(open(f"{tmp_path}/p/roleAssignments/b.json"), 1) if "principalID" in text)
    done = gateway.run("policy", "apply", f"{tmp_path}/p", check=False)
    assert done.returncode == 2 and f"roleAssignments/b.json:{line}: value[1].properties.principalID" in done.stderr
    broken = write(f"{tmp_path}/roleAssignments/c.json", '{"properties":\n')
    done = gateway.run("policy", "apply", broken, check=False)
    assert done.returncode == 2 and "c.json" in done.stderr
    named = gateway.run("policy", "apply", write(f"{tmp_path}/roleAssignments/d.json", bad), check=False)
    assert named.returncode != 0 and "0a0a0a0a-0000-4000-8000-000000000002" in named.stderr and "principalID" in named.stderr
    assert version(gateway) == before


def test_export_and_apply_of_a_directory_are_one_round(gateway, tmp_path):
    gateway.run("policy", "export", f"{tmp_path}/all")
    assert gateway.run("policy", "validate", f"{tmp_path}/all").returncode == 0
    assert "nothing changes" in gateway.run("policy", "apply", f"{tmp_path}/all").stdout
    write(f"{tmp_path}/all/roleAssignments/guest.json", assignment(gateway, "guest", name="0a0a0a0a-0000-4000-8000-000000000003"))
    gateway.run("policy", "apply", f"{tmp_path}/all")
    assert may_list_jobs(gateway)
    os.unlink(f"{tmp_path}/all/roleAssignments/guest.json")
    assert "loses the role" in gateway.run("policy", "apply", f"{tmp_path}/all").stdout
    assert not may_list_jobs(gateway)


def test_who_has_no_right_changes_nothing_and_strangers_see_nothing(gateway, tmp_path):
    file = write(f"{tmp_path}/roleAssignments/x.json", assignment(gateway, "guest", name="0a0a0a0a-0000-4000-8000-000000000004"))
    ask = f"{scope(gateway)}/providers/Embergate.Policies"
    body = {"puts": [{"type": "roleAssignments", "document": json.load(open(file))}]}
    for name in ("guest", "reader"):
        assert gateway.json("POST", f"{ask}/change", gateway.token(name), body)[0] == 403
    status, seen, _ = gateway.json("POST", f"{ask}/documents", gateway.token("reader"), {})
    assert status == 200 and len(seen["documents"]) > 0
    assert gateway.json("POST", f"{ask}/documents", gateway.token("guest"), {})[0] == 403
    assert gateway.json("POST", f"{ask}/documents", gateway.token("stranger"), {})[0] in (403, 404)
    # A stranger's own tenant has its own documents alone.
    own = f"/subscriptions/{gateway.profile('stranger')['subscription']}/providers/Embergate.Policies"
    status, seen, _ = gateway.json("POST", f"{own}/documents", gateway.token("stranger"), {})
    assert status == 200 and scope(gateway) not in json.dumps(seen)
    assert gateway.json("POST", f"{own}/change", gateway.token("stranger"), body)[0] == 403
    status, rows, _ = gateway.json("POST", f"{own}/history", gateway.token("stranger"), {})
    assert status == 200 and len(rows["versions"]) < len(json.loads(gateway.run("policy", "history", "--json").stdout))


def test_whoever_is_late_is_told(gateway):
    ask = f"{scope(gateway)}/providers/Embergate.Policies/change"
    body = {"puts": [{"type": "roleAssignments", "document": assignment(gateway, "guest", name="0a0a0a0a-0000-4000-8000-000000000005")}], "expectedVersion": 1}
    status, said, _ = gateway.json("POST", ask, gateway.token(), body)
    assert status == 409 and said["error"]["code"] == "PolicyVersionConflict"


def test_recorded_requests_are_replayed(gateway, tmp_path):
    gateway.run("policy", "export", f"{tmp_path}/less")
    assert gateway.json("GET", "/livy/batches", gateway.token())[0] == 200
    folder = f"{tmp_path}/less/roleAssignments"
    for name in os.listdir(folder):
        if gateway.profile()["object_id"] in open(f"{folder}/{name}").read():
            os.unlink(f"{folder}/{name}")
    said = json.loads(gateway.run("policy", "what-if", f"{tmp_path}/less", "--replay", "--json").stdout)
    assert said["asked"] > 0 and any(r["after"] == "denied" and r["principal"] == gateway.profile()["object_id"] for r in said["changed"])
    words = gateway.run("policy", "what-if", f"{tmp_path}/less", "--replay").stdout
    assert re.search(r"\d+ of \d+ recorded requests would be decided otherwise", words)


def test_import_of_what_az_prints(gateway, tmp_path):
    me = gateway.profile("guest")["object_id"]
    reader = f"{scope(gateway)}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    flat = {"condition": None, "conditionVersion": None, "createdBy": me, "createdOn": "2024-01-01T00:00:00Z", "delegatedManagedIdentityResourceId": None, "description": None,
            "id": f"{scope(gateway)}/providers/Microsoft.Authorization/roleAssignments/0b0b0b0b-0000-4000-8000-000000000001", "name": "0b0b0b0b-0000-4000-8000-000000000001",
            "principalId": me, "principalName": "guest", "principalType": "ServicePrincipal", "roleDefinitionId": reader, "roleDefinitionName": "Reader", "scope": scope(gateway),
            "type": "Microsoft.Authorization/roleAssignments", "updatedBy": me, "updatedOn": "2024-01-01T00:00:00Z"}
    root = dict(flat, id="/providers/Microsoft.Authorization/roleAssignments/0b0b0b0b-0000-4000-8000-000000000002", name="0b0b0b0b-0000-4000-8000-000000000002", scope="/")
    rule = {"access": "Allow", "destinationAddressPrefix": "*", "destinationAddressPrefixes": [], "destinationPortRange": "8443", "destinationPortRanges": [], "direction": "Inbound",
            "etag": "W/\"1\"", "id": "x", "name": "https", "priority": 200, "protocol": "Tcp", "provisioningState": "Succeeded", "resourceGroup": "net",
            "sourceAddressPrefix": "10.0.0.0/8", "sourceAddressPrefixes": [], "sourcePortRange": "*", "sourcePortRanges": [],
            "type": "Microsoft.Network/networkSecurityGroups/securityRules"}
    group = {"defaultSecurityRules": [], "etag": "W/\"1\"", "flowLogs": None, "id": f"{scope(gateway)}/resourceGroups/net/providers/Microsoft.Network/networkSecurityGroups/front",
             "location": "westeurope", "name": "front", "provisioningState": "Succeeded", "resourceGroup": "net", "resourceGuid": "y", "securityRules": [rule], "subnets": None,
             "type": "Microsoft.Network/networkSecurityGroups"}
    odd = dict(group, name="odd", id=group["id"].replace("front", "odd"), securityRules=[dict(rule, sourceAddressPrefix="Storage.WestEurope")])
    done = gateway.run("policy", "import", "--role-assignments", write(f"{tmp_path}/ra.json", [flat, root]), "--nsgs", write(f"{tmp_path}/nsg.json", [group, odd]), "--to",
                       f"{tmp_path}/new", check=False)
    assert done.returncode == 1 and "2 taken, 2 not" in done.stdout
    assert re.search(r"not taken: \S+ra.json\[1\]", done.stdout) and re.search(r"not taken: \S+nsg.json\[1\] odd", done.stdout)
    assert gateway.run("policy", "validate", f"{tmp_path}/new").returncode == 0
    assert "gains the role Reader" in gateway.run("policy", "apply", f"{tmp_path}/new/roleAssignments/imported.json", "--dry-run").stdout


def test_a_large_swap_fails_no_request(gateway, tmp_path):
    """10,000 assignments and 1,000 rules with EG_LONG, else a tenth: while they take their place, every request is answered as before and after."""
    count = 10_000 if os.environ.get("EG_LONG") else 1_000
    before = version(gateway)
    gateway.run("policy", "export", f"{tmp_path}/all")
    for part in range(0, count, 5000):
        write(f"{tmp_path}/all/roleAssignments/many-{part}.json",
              {"value": [{"name": str(uuid.uuid5(uuid.NAMESPACE_URL, str(n))), "properties": {
                  "roleDefinitionId": "Reader", "principalId": str(uuid.uuid5(uuid.NAMESPACE_OID, str(n))), "principalType": "User",
                  "scope": f"{scope(gateway)}/resourceGroups/g{n % 50}"}} for n in range(part, min(part + 5000, count))]})
    group = f"{scope(gateway)}/resourceGroups/many/providers/Microsoft.Network/networkSecurityGroups/many"
    write(f"{tmp_path}/all/networkSecurityGroups/many.json", {"id": group, "name": "many", "properties": {"securityRules": [
        {"name": f"r{n}", "properties": {"priority": 100 + n, "direction": "Inbound", "access": "Deny", "protocol": "Tcp", "sourceAddressPrefix": f"10.{n // 250}.{n % 250}.0/24",
                                         "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "443"}} for n in range(count // 10)]}})
    token, answers, over = gateway.token(), [], threading.Event()

    def keep_asking():
        while not over.is_set():
            answers.append(gateway.json("GET", "/livy/batches", token)[0])

    askers = [threading.Thread(target=keep_asking) for _ in range(3)]
    for t in askers:
        t.start()
    try:
        gateway.run("policy", "apply", f"{tmp_path}/all", "--json", "--justification", "many")
        assert version(gateway) == before + 1
        gateway.run("policy", "rollback", before, "--json", "--justification", "and back")
    finally:
        over.set()
        for t in askers:
            t.join()
    assert len(answers) > 10 and set(answers) == {200}
    assert version(gateway) == before + 2


def test_a_second_person_approves(gateway, tmp_path):
    gateway.stop()
    path = f"{gateway.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(re.sub(r"(?m)^  two_person: .*$", "  two_person: true", text))
    gateway.start()
    before = version(gateway)
    file = write(f"{tmp_path}/roleAssignments/guest.json", assignment(gateway, "guest", name="0a0a0a0a-0000-4000-8000-000000000006"))
    assert "waits for a second person" in gateway.run("policy", "apply", file, "--ticket", "T-9", "--justification", "needed").stdout
    assert not may_list_jobs(gateway) and version(gateway) == before
    waiting = json.loads(gateway.run("policy", "pending", "--json").stdout)
    assert len(waiting) == 1 and waiting[0]["ticket"] == "T-9"
    mine = gateway.run("policy", "approve", waiting[0]["id"], check=False)
    assert mine.returncode == 1 and "SecondPersonRequired" in mine.stderr
    assert gateway.run("policy", "approve", waiting[0]["id"], profile="reader", check=False).returncode == 1
    gateway.run("policy", "approve", waiting[0]["id"], profile="second")
    assert may_list_jobs(gateway)
    row = json.loads(gateway.run("policy", "history", "--json").stdout)[0]
    assert row["author"]["oid"] == gateway.profile()["object_id"] and row["approver"]["oid"] == gateway.profile("second")["object_id"]
    assert json.loads(gateway.run("policy", "pending", "--json").stdout) == []
