"""What a policy directory would change, before it does: what-if, prove and test, as an administrator runs them without a server. covers: policy_compare.c"""
import json
import os
import subprocess

import pytest


SUB = "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"
LAKE = f"{SUB}/resourceGroups/lab/providers/Microsoft.Storage/storageAccounts/lake"
FLIGHTS = f"{LAKE}/blobServices/default/containers/flights"
READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
ALICE = "a11ce000-0000-4000-8000-000000000001"
TENANT = "c0ff0000-0000-4000-8000-000000000003"


def policy(folder, *assignments):
    os.makedirs(f"{folder}/roleAssignments")
    for n, (role, scope, more) in enumerate(assignments):
        with open(f"{folder}/roleAssignments/{n}.json", "w") as f:
            json.dump({"name": f"a{n}", "properties": {"roleDefinitionId": role, "principalId": ALICE, "principalType": "User", "scope": scope, **more}}, f)
    return str(folder)


def run(*words):
    done = subprocess.run([os.environ["EG_BIN"], "policy", *words], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def policies(tmp_path):
    where = {"condition": "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'flights'", "conditionVersion": "2.0"}
    return {"wide": policy(tmp_path / "wide", ("Storage Blob Data Contributor", LAKE, {})),
            "narrow": policy(tmp_path / "narrow", ("Storage Blob Data Reader", FLIGHTS, {})),
            "where": policy(tmp_path / "where", ("Storage Blob Data Reader", LAKE, where))}


def test_what_if_says_who_gains_and_loses(policies):
    code, said, _ = run("what-if", policies["narrow"], "--policies", policies["wide"])
    assert code == 0
    assert said == (f"the principal {ALICE} gains the role Storage Blob Data Reader at {FLIGHTS} (roleAssignments/0.json)\n"
                    f"the principal {ALICE} loses the role Storage Blob Data Contributor at {LAKE} (roleAssignments/0.json)\n")
    assert run("what-if", policies["wide"], "--policies", policies["wide"])[1] == "nothing changes\n"


def test_no_new_access_is_proved_or_a_request_is_named(policies):
    assert run("prove", "--no-new-access", policies["wide"], policies["narrow"])[:2] == (0, "The new policy allows nothing that the old one denies.\n")
    code, said, _ = run("prove", "--no-new-access", policies["narrow"], policies["wide"])
    assert code == 1 and ALICE in said and "New: roleAssignment a0 (Storage Blob Data Contributor)" in said and "Old: default deny" in said
    code, said, _ = run("prove", "--no-new-access", policies["wide"], policies["where"], "--json")
    assert code == 0 and json.loads(said)["noNewAccess"] == "holds"
    code, said, _ = run("prove", "--no-new-access", policies["where"], policies["wide"], "--json")
    assert code == 1 and json.loads(said)["noNewAccess"] == "fails"
    assert run("prove", policies["where"], policies["wide"])[0] == 2


def test_expected_decisions(policies, tmp_path):
    def expect(**more):
        return {"name": "reads", "principal": ALICE, "dataAction": READ, "scope": FLIGHTS, "account": "lake", "container": "flights", "expect": "allow", **more}
    file = tmp_path / "tests.json"
    file.write_text(json.dumps({"tests": [expect(), expect(container="planes", expect="deny"), expect(principal=TENANT, expect="deny")]}))
    asked = ("test", str(file), "--tenant", TENANT, "--policies")
    assert run(*asked, policies["where"])[:2] == (0, "3 of 3 decisions are as expected\n")
    code, said, _ = run(*asked, policies["wide"])
    assert code == 1 and "tests[1] reads: allowed (roleAssignment a0" in said and said.endswith("2 of 3 decisions are as expected\n")
    file.write_text(json.dumps({"tests": [expect(expect="perhaps")]}))
    code, _, complaint = run(*asked, policies["where"])
    assert code == 2 and "tests[0]" in complaint and "expect" in complaint
    file.write_text(json.dumps({"tests": [expect(containner="planes", expect="deny")]}))  # misspelt, it would pass or fail for another reason
    code, _, complaint = run(*asked, policies["where"])
    assert code == 2 and "containner" in complaint


TEAM = "7ea30000-0000-4000-8000-000000000002"


def write(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(value, f)


def test_check_access_says_who_may_do_what_from_where_and_why(tmp_path):
    """By a group, within a time, under a condition, from an address; and what goes before it."""
    folder = str(tmp_path / "policies")
    where = {"condition": "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringLike 'raw/*'", "conditionVersion": "2.0"}
    held = {"roleDefinitionId": "Storage Blob Data Reader", "principalId": TEAM, "principalType": "Group", "scope": LAKE, "status": "Provisioned",
            "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2026-02-01T00:00:00Z", **where}
    write(f"{folder}/roleAssignmentSchedules/s.json", {"name": "s", "properties": held})
    write(f"{folder}/storageAccounts/lake.json", {"id": LAKE, "name": "lake", "properties": {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.0/24"}]}}})
    common = ["--policies", folder, "--tenant", TENANT, "--scope", FLIGHTS]
    ask = ["check-access", *common, "--principal", ALICE, "--data-action", READ, "--json"]

    def answer(*words):
        code, said, complaint = run(*ask, *words)
        assert code == 0, complaint
        return json.loads(said)
    inside = ["--group", TEAM, "--time", "2026-01-15T00:00:00Z", "--path", "raw/jan.csv"]
    yes = answer(*inside)
    assert yes["allowed"] and yes["rule"].startswith("roleAssignment s ") and TEAM in yes["assignments"] and "until 2026-02-01T00:00:00" in yes["assignments"]
    assert not answer("--time", "2026-01-15T00:00:00Z", "--path", "raw/jan.csv")["allowed"]  # not in the group
    over = answer("--group", TEAM, "--path", "raw/jan.csv")  # now, which is later
    assert not over["allowed"] and over["assignments"] == ""
    elsewhere = answer("--group", TEAM, "--time", "2026-01-15T00:00:00Z", "--path", "own/jan.csv")
    assert not elsewhere["allowed"] and "but this does not hold: @Resource" in elsewhere["assignments"]
    assert answer(*inside, "--source", "203.0.113.9")["network"]["rule"] == "networkAcls lake/ipRules"
    outside = answer(*inside, "--source", "198.51.100.9")
    assert not outside["allowed"] and outside["network"] == {"allowed": False, "rule": "networkAcls lake/defaultAction", "reason": outside["network"]["reason"]}
    assert run(*ask, "--group", "no id")[0] == 2 and run(*ask, "--time", "soon")[0] == 2

    write(f"{folder}/denyAssignments/d.json", {"name": "d", "properties": {
        "denyAssignmentName": "closed", "permissions": [{"dataActions": ["*/read"]}], "scope": SUB, "principals": [{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}],
        "excludePrincipals": [{"id": "b0b00000-0000-4000-8000-000000000002", "type": "User"}]}})
    closed = answer(*inside)
    assert not closed["allowed"] and f'denied to everybody but b0b00000-0000-4000-8000-000000000002: "closed" at {SUB}' in closed["assignments"]
    code, said, _ = run("who-can", READ, *common, "--time", "2026-01-15T00:00:00Z")
    assert code == 0 and f"group {TEAM}: Storage Blob Data Reader at {LAKE}" in said and "where @Resource" in said and "denied to everybody but" in said
    assert run("who-can", "Microsoft.HDInsight/clusters/write", *common)[1] == "nobody\n"
    flows = [{"name": "the office", "source": "203.0.113.9", "accountId": LAKE, "expect": "allow"}, {"source": "198.51.100.9", "accountId": LAKE, "expect": "deny"},
             {"source": "198.51.100.9", "subnet": f"{SUB}/unknown", "port": 443, "expect": "deny"}]
    write(f"{tmp_path}/flows.json", {"tests": flows})
    asked = ("test", f"{tmp_path}/flows.json", "--tenant", TENANT, "--policies", folder)
    assert run(*asked)[:2] == (0, "3 of 3 decisions are as expected\n")
    write(f"{tmp_path}/flows.json", {"tests": [{"source": "198.51.100.9", "expect": "deny"}]})
    assert run(*asked)[0] == 2
