"""Azure Resource Manager's surface by the real az, each change to its effect on a request. covers: metadata.c subscriptions.c resource_groups.c clusters.c accounts.c directory.c api_version.c"""
import json
import os
import uuid

import acts
import pytest

from az import Az
from server import finish, make_state_folder, new_store_gateway

pytestmark = pytest.mark.skipif(not os.environ.get("EG_AZ"), reason="./dev test installs az and says where it is")

GROUP = "embergate"


@pytest.fixture(scope="module")
def lab():
    folder = make_state_folder()
    g = new_store_gateway(folder)
    try:
        g.start()
        g.az = Az(g, os.path.join(folder, "az"))
        g.signed_in = g.az.login()
        yield g
    finally:
        finish(g, folder)


def test_sign_in_shows_the_subscription(lab):
    p = lab.profile()
    assert [(s["id"], s["tenantId"], s["state"]) for s in lab.signed_in] == [(p["subscription"], p["tenant"], "Enabled")]
    shown = lab.az("account", "show")
    assert shown["user"] == {"name": p["client_id"], "type": "servicePrincipal"}, shown


def test_groups_clusters_and_accounts(lab):
    groups = {g["name"] for g in lab.az("group", "list")}
    assert GROUP in groups, groups
    clusters = lab.az("hdinsight", "list")
    assert sorted(c["name"] for c in clusters)[:1] == ["analytics"], clusters
    shown = lab.az("hdinsight", "show", "--name", "analytics", "--resource-group", GROUP)
    assert shown["properties"]["clusterDefinition"]["kind"].lower() == "spark" and shown["id"].startswith(lab.az.scope)
    account = lab.profile()["account"]
    assert account in {a["name"] for a in lab.az("storage", "account", "list")}
    shown = lab.az("storage", "account", "show", "--name", account, "--resource-group", GROUP)
    assert shown["minimumTlsVersion"].startswith("TLS1_") and shown["enableHttpsTrafficOnly"] is True
    keys = lab.az("storage", "account", "keys", "list", "--account-name", account, "--resource-group", GROUP)
    assert [(k["keyName"], len(k["value"])) for k in keys] == [("key1", 88), ("key2", 88)]


def test_an_assignment_lets_a_request_through_and_its_end_refuses_it(lab):
    guest, token = lab.profile("guest"), lab.token("guest")
    assert lab.json("GET", "/livy/batches", token)[0] == 403
    made = lab.az("role", "assignment", "create", "--assignee", guest["client_id"], "--role", "Embergate Job Submitter", "--scope", lab.az.scope, "--description", "for a test")
    assert made["principalId"] == guest["object_id"] and made["description"] == "for a test"
    assert acts.eventually(lambda: lab.json("GET", "/livy/batches", token)[0] == 200)
    again = lab.az("role", "assignment", "create", "--assignee", guest["client_id"], "--role", "Embergate Job Submitter", "--scope", lab.az.scope)
    assert again["name"] == made["name"]  # az takes 409 RoleAssignmentExists for success
    listed = lab.az("role", "assignment", "list", "--assignee", guest["object_id"], "--scope", lab.az.scope)
    assert [(a["roleDefinitionName"], a["principalName"]) for a in listed] == [("Embergate Job Submitter", guest["client_id"])], listed
    lab.az("role", "assignment", "delete", "--assignee", guest["client_id"], "--role", "Embergate Job Submitter", "--scope", lab.az.scope)
    assert acts.eventually(lambda: lab.json("GET", "/livy/batches", token)[0] == 403)
    assert lab.az("role", "assignment", "list", "--assignee", guest["object_id"], "--scope", lab.az.scope) == []


def test_a_custom_role_from_its_making_to_its_end(lab):
    name = "Log Reader " + uuid.uuid4().hex[:6]
    definition = {"Name": name, "Description": "Reads clusters", "Actions": ["Microsoft.HDInsight/clusters/read"], "NotActions": [], "AssignableScopes": [lab.az.scope]}
    made = lab.az("role", "definition", "create", "--role-definition", json.dumps(definition))
    assert made["roleName"] == name and made["roleType"] == "CustomRole"
    listed = lab.az("role", "definition", "list", "--name", name)
    assert [d["id"] for d in listed] == [made["id"]] and listed[0]["permissions"][0]["actions"] == definition["Actions"]
    changed = {"roleName": name, "id": made["id"], "description": "Reads jobs too", "actions": definition["Actions"], "dataActions": ["Microsoft.HDInsight/clusters/jobs/read"],
               "assignableScopes": [lab.az.scope]}
    assert lab.az("role", "definition", "update", "--role-definition", json.dumps(changed))["description"] == "Reads jobs too"
    guest = lab.profile("guest")["object_id"]
    grant = ("--assignee-object-id", guest, "--assignee-principal-type", "ServicePrincipal", "--role", name, "--scope", lab.az.scope)
    lab.az("role", "assignment", "create", *grant)
    assert acts.eventually(lambda: lab.json("GET", "/livy/batches", lab.token("guest"))[0] == 200)
    lab.az.refused("RoleDefinitionHasAssignments", "role", "definition", "delete", "--name", name)
    lab.az("role", "assignment", "delete", "--assignee", guest, "--role", name, "--scope", lab.az.scope)
    lab.az("role", "definition", "delete", "--name", name)
    assert lab.az("role", "definition", "list", "--name", name) == []
    builtin = lab.az("role", "definition", "list", "--name", "Reader")
    assert [d["name"] for d in builtin] == ["acdd72a7-3385-48ef-bd42-f606fba81ae7"]


def test_a_security_rule_closes_connections(lab):
    """The listener's own group, as init made it."""
    source = "127.0.0.77"
    nsg = next(g for g in lab.az("network", "nsg", "list") if g["subnets"])
    where = ("--nsg-name", nsg["name"], "--resource-group", nsg["resourceGroup"])
    assert not acts.refused_before_handshake(lab, source)
    made = lab.az("network", "nsg", "rule", "create", *where, "--name", "deny-from-az", "--priority", "150", "--access", "Deny", "--protocol", "Tcp", "--direction", "Inbound",
                  "--source-address-prefixes", source + "/32", "--destination-port-ranges", "*")
    assert made["provisioningState"] == "Succeeded" and made["access"] == "Deny"
    assert acts.eventually(lambda: acts.refused_before_handshake(lab, source))
    assert "deny-from-az" in {r["name"] for r in lab.az("network", "nsg", "rule", "list", *where)}
    lab.az("network", "nsg", "rule", "delete", *where, "--name", "deny-from-az")
    assert acts.eventually(lambda: not acts.refused_before_handshake(lab, source))
    lab.az.refused("InUseNetworkSecurityGroupCannotBeDeleted", "network", "nsg", "delete", "--name", nsg["name"], "--resource-group", nsg["resourceGroup"])


def test_an_accounts_network_rules(lab):
    name = ("--name", lab.profile()["account"], "--resource-group", GROUP)
    rule = ("--account-name", lab.profile()["account"], "--resource-group", GROUP, "--ip-address", "127.0.0.1")
    assert reads(lab) == 200
    closed = lab.az("storage", "account", "update", *name, "--default-action", "Deny")
    assert closed["networkRuleSet"]["defaultAction"] == "Deny"
    assert acts.eventually(lambda: reads(lab) == 403)
    lab.az("storage", "account", "network-rule", "add", *rule)
    assert acts.eventually(lambda: reads(lab) == 200)
    lab.az("storage", "account", "network-rule", "remove", *rule)
    assert acts.eventually(lambda: reads(lab) == 403)
    lab.az("storage", "account", "update", *name, "--default-action", "Allow")
    assert acts.eventually(lambda: reads(lab) == 200)
    lab.az.refused("server's configuration", "storage", "account", "update", *name, "--https-only", "false")


def test_networks_and_groups_of_ones_own(lab):
    made = lab.az("network", "nsg", "create", "--name", "inner", "--resource-group", GROUP, "--tags", "team=lab")["NewNSG"]
    assert made["provisioningState"] == "Succeeded" and len(made["defaultSecurityRules"]) == 6 and made["tags"] == {"team": "lab"}
    vnet = lab.az("network", "vnet", "create", "--name", "inner", "--resource-group", GROUP, "--address-prefixes", "10.9.0.0/16")["newVNet"]
    assert vnet["addressSpace"]["addressPrefixes"] == ["10.9.0.0/16"]
    where = ("--vnet-name", "inner", "--resource-group", GROUP)
    lab.az("network", "vnet", "subnet", "create", *where, "--name", "front", "--address-prefixes", "10.9.1.0/24")
    bound = lab.az("network", "vnet", "subnet", "update", *where, "--name", "front", "--network-security-group", "inner")
    assert bound["networkSecurityGroup"]["id"].lower() == made["id"].lower()
    assert [s["id"] for s in lab.az("network", "nsg", "show", "--name", "inner", "--resource-group", GROUP)["subnets"]] == [bound["id"]]
    lab.az.refused("InUseNetworkSecurityGroupCannotBeDeleted", "network", "nsg", "delete", "--name", "inner", "--resource-group", GROUP)
    lab.az("network", "vnet", "subnet", "delete", *where, "--name", "front")
    lab.az("network", "vnet", "delete", "--name", "inner", "--resource-group", GROUP)
    lab.az("network", "nsg", "delete", "--name", "inner", "--resource-group", GROUP)
    assert "inner" not in {g["name"] for g in lab.az("network", "nsg", "list", "--resource-group", GROUP)}


def reads(lab):
    return lab.request("GET", "/data?resource=filesystem&recursive=false", lab.token(audience="storage"))[0]


def test_a_policy_from_its_definition_to_its_end(lab):
    """An account that a Deny assignment disables, and that serves again without it."""
    rule = {"if": {"allOf": [{"field": "type", "equals": "Microsoft.Storage/storageAccounts"},
                             {"field": "Microsoft.Storage/storageAccounts/publicNetworkAccess", "equals": "Enabled"}]}, "then": {"effect": "[parameters('effect')]"}}
    params = {"effect": {"type": "String", "allowedValues": ["Audit", "Deny"], "defaultValue": "Audit"}}
    made = lab.az("policy", "definition", "create", "--name", "no-public", "--display-name", "No public network", "--mode", "Indexed", "--rules", json.dumps(rule), "--params",
                  json.dumps(params))
    assert made["policyType"] == "Custom" and made["policyRule"] == rule, made
    assert "no-public" in {d["name"] for d in lab.az("policy", "definition", "list", "--filter", "policyType eq 'Custom'")}
    baseline = lab.az("policy", "set-definition", "create", "--name", "baseline", "--params", json.dumps(params), "--definitions", json.dumps(
        [{"policyDefinitionId": made["id"], "parameters": {"effect": {"value": "[parameters('effect')]"}}}]))
    assert reads(lab) == 200
    done = lab.az("policy", "assignment", "create", "--name", "baseline", "--policy-set-definition", baseline["id"], "--params", json.dumps({"effect": {"value": "Deny"}}))
    assert done["scope"] == lab.az.scope and done["enforcementMode"] == "Default"
    assert acts.eventually(lambda: reads(lab) == 403)
    states = lab.az("policy", "state", "list", "--filter", "complianceState eq 'NonCompliant'")
    assert [(s["policyAssignmentName"], s["policyDefinitionName"], s["resourceId"].rpartition("/")[2]) for s in states] == [("baseline", "no-public", lab.profile()["account"])], states
    assert lab.az("policy", "state", "summarize")["results"]["nonCompliantResources"] == 1
    assert [a["name"] for a in lab.az("policy", "assignment", "list")] == ["baseline"]
    lab.az.refused("InvalidDeletePolicyDefinitionRequest", "policy", "definition", "delete", "--name", "no-public")
    lab.az("policy", "assignment", "delete", "--name", "baseline")
    assert acts.eventually(lambda: reads(lab) == 200)
    lab.az.refused("PolicyAssignmentNotFound", "policy", "assignment", "show", "--name", "baseline")
    lab.az("policy", "set-definition", "delete", "--name", "baseline")
    lab.az("policy", "definition", "delete", "--name", "no-public")


def test_what_az_lists_is_imported(lab, tmp_path):
    """A subscription's policies as az prints them, taken over into a directory; what doesn't translate is named."""
    auth, version = f"{lab.az.scope}/providers/Microsoft.Authorization", "api-version=2025-11-01"
    rule = {"if": {"field": "type", "equals": "Microsoft.Storage/storageAccounts"}, "then": {"effect": "Audit"}}
    assert lab.json("PUT", f"{auth}/policyDefinitions/audited?{version}", lab.token(), {"properties": {"mode": "All", "policyRule": rule}})[0] == 201
    assert lab.json("PUT", f"{auth}/policyAssignments/audited?{version}", lab.token(), {"properties": {"policyDefinitionId": f"{auth}/policyDefinitions/audited"}})[0] == 201
    files = {}
    for name, command in (("role-assignments", ("role", "assignment", "list", "--all", "--fill-principal-name", "false")), ("nsgs", ("network", "nsg", "list")),
                          ("policy-definitions", ("policy", "definition", "list")), ("policy-assignments", ("policy", "assignment", "list"))):
        said = lab.az(*command)
        if name == "policy-assignments":  # one that needs what is not here, as a subscription of Azure's has many
            said.append({**said[0], "name": "elsewhere", "id": said[0]["id"] + "-elsewhere", "policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/" + str(uuid.uuid4())})
        files[name] = tmp_path / f"{name}.json"
        files[name].write_text(json.dumps(said))
    done = lab.run("policy", "import", *(w for name, path in files.items() for w in ("--" + name, str(path))), "--to", f"{tmp_path}/taken", check=False)
    assert done.returncode == 1 and done.stdout.count("not taken: ") == 1 and "elsewhere: No policy definition and no initiative has this id." in done.stdout, done.stdout
    assert "of Azure's own were left out" in done.stdout
    lab.run("policy", "validate", f"{tmp_path}/taken")
    assert {d["name"] for d in json.loads((tmp_path / "taken/policyDefinitions/imported.json").read_text())["value"]} == {"audited"}
    for kind in ("policyAssignments", "policyDefinitions"):
        assert lab.json("DELETE", f"{auth}/{kind}/audited?{version}", lab.token())[0] == 200


def test_a_deny_assignment_takes_a_right_away(lab):
    who = lab.profile()["object_id"]
    assert lab.json("GET", "/healthz/details", lab.token())[0] == 200
    lab.az("role", "deny-assignment", "create", "--name", "no stopping", "--scope", lab.az.scope, "--actions", "Microsoft.HDInsight/clusters/delete", "Microsoft.Authorization/roleDefinitions/write",
           "--principal-object-id", who, "--principal-type", "ServicePrincipal")
    listed = lab.az("role", "deny-assignment", "list", "--scope", lab.az.scope)
    assert [d["denyAssignmentName"] for d in listed] == ["no stopping"], listed
    definition = {"Name": "Denied " + uuid.uuid4().hex[:6], "Actions": ["*/read"], "AssignableScopes": [lab.az.scope]}
    lab.az.refused("AuthorizationFailed", "role", "definition", "create", "--role-definition", json.dumps(definition))
    lab.az("role", "deny-assignment", "delete", "--id", listed[0]["id"], "--yes")
    lab.az("role", "definition", "create", "--role-definition", json.dumps(definition))
    lab.az("role", "definition", "delete", "--name", definition["Name"])


def test_rest_and_its_refusals(lab):
    assert lab.az("rest", "--url", lab.az.scope + "/resourceGroups?api-version=2024-11-01")["value"]
    lab.az.refused("MissingApiVersionParameter", "rest", "--url", lab.az.scope + "/resourceGroups")
    lab.az.refused("InvalidApiVersionParameter", "rest", "--url", lab.az.scope + "/resourceGroups?api-version=1999-01-01")


def test_a_guest_may_not(lab, tmp_path):
    guest = Az(lab, tmp_path / "az", "guest")
    guest.login()
    assert guest("group", "list") == []
    guest.refused("AuthorizationFailed", "role", "assignment", "create", "--assignee-object-id", lab.profile("guest")["object_id"], "--assignee-principal-type", "ServicePrincipal",
                  "--role", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "--scope", guest.scope)
