"""Azure Policy by azure-mgmt-resource-policy and azure-mgmt-policyinsights, each change to its effect on a request. covers: policy_rules.c policy_question.c policy_states.c policy_summary.c"""
import uuid

import acts
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.policyinsights import PolicyInsightsClient
from azure.mgmt.policyinsights.models import QueryOptions
from azure.mgmt.resource.policy import PolicyClient
from azure.storage.blob import BlobServiceClient, ContainerEncryptionScope
from azure.storage.filedatalake import DataLakeServiceClient

from server import finish, make_state_folder, new_store_gateway

GROUP = "embergate"
KEYS = "8c6a50c6-9ffd-4ae7-986f-5fa6111f9a54"  # Storage accounts should prevent shared key access
PUBLIC = "b2982f36-99f2-4db5-8eff-283140c09693"  # Storage accounts should disable public network access
VERSIONS = "api-version=2025-11-01"
RULE = {"if": {"allOf": [{"field": "type", "equals": "Microsoft.Storage/storageAccounts"},
                         {"field": "Microsoft.Storage/storageAccounts/publicNetworkAccess", "equals": "Enabled"}]},
        "then": {"effect": "[parameters('effect')]"}}
EFFECT = {"effect": {"type": "String", "allowedValues": ["Audit", "Deny", "Disabled"], "defaultValue": "Audit"}}


@pytest.fixture(scope="module")
def lab():
    folder = make_state_folder()
    g = new_store_gateway(folder)
    try:
        g.start()
        g.scope = "/subscriptions/" + g.profile()["subscription"]
        g.account = f"{g.scope}/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/{g.profile()['account']}"
        yield g
    finally:
        finish(g, folder)


def client(kind, g, name="admin"):
    return kind(g.credential(name), g.profile(name)["subscription"], base_url=g.endpoint, credential_scopes=["https://management.core.windows.net/.default"], connection_verify=g.ca,
                polling_interval=0)


def refused(code, call, *args, **kw):
    with pytest.raises(HttpResponseError) as e:
        call(*args, **kw)
    assert e.value.error and e.value.error.code == code, (e.value.status_code, e.value.message)
    return e.value


def reads(g):
    return g.request("GET", "/data?resource=filesystem&recursive=false", g.token(audience="storage"))[0]


def definition(**more):
    return {"properties": {"mode": "Indexed", "displayName": "No public network", "policyRule": RULE, "parameters": EFFECT, "metadata": {"category": "Storage"}, **more}}


def test_a_definition_that_denies_closes_an_account(lab):
    c, states = client(PolicyClient, lab), client(PolicyInsightsClient, lab).policy_states
    made = c.policy_definitions.create_or_update("no-public", definition())
    assert made.id == f"{lab.scope}/providers/Microsoft.Authorization/policyDefinitions/no-public" and made.policy_type == "Custom" and made.version == "1.0.0"
    assert made.metadata["createdBy"] == lab.profile()["object_id"] and made.metadata["category"] == "Storage"
    assert c.policy_definitions.get("no-public").policy_rule == RULE
    body = {"properties": {"policyDefinitionId": made.id, "parameters": {"effect": {"value": "Deny"}}, "nonComplianceMessages": [{"message": "Ask the platform team."}]}}
    assert reads(lab) == 200
    done = c.policy_assignments.create(lab.scope, "no-public", body)
    assert done.scope == lab.scope and done.enforcement_mode == "Default"
    assert acts.eventually(lambda: reads(lab) == 403)
    assert "Ask the platform team." in lab.request("GET", "/data?resource=filesystem&recursive=false", lab.token(audience="storage"))[1].decode()
    rows = list(states.list_query_results_for_subscription("latest", lab.profile()["subscription"], QueryOptions(filter="complianceState eq 'NonCompliant'")))
    assert [(r.resource_id, r.policy_assignment_name, r.policy_definition_name, r.is_compliant) for r in rows] == [(lab.account, "no-public", "no-public", False)]
    assert [r.policy_assignment_scope for r in rows] == [lab.scope]
    total = states.summarize_for_resource_group("latest", lab.profile()["subscription"], GROUP).value[0]
    assert (total.results.non_compliant_resources, total.results.non_compliant_policies) == (1, 1)
    assert [(a.policy_assignment_id, a.policy_definitions[0].effect) for a in total.policy_assignments] == [(done.id, "Deny")]
    # told to look only, it serves again, and still doesn't comply
    body["properties"]["enforcementMode"] = "DoNotEnforce"
    again = c.policy_assignments.create(lab.scope, "no-public", body)
    assert again.enforcement_mode == "DoNotEnforce" and again.metadata["updatedBy"] == lab.profile()["object_id"]
    assert acts.eventually(lambda: reads(lab) == 200)
    assert states.summarize_for_subscription("latest", lab.profile()["subscription"]).value[0].results.non_compliant_resources == 1
    refused("InvalidDeletePolicyDefinitionRequest", c.policy_definitions.delete, "no-public")
    assert c.policy_assignments.delete(lab.scope, "no-public").name == "no-public"
    c.policy_definitions.delete("no-public")
    with pytest.raises(ResourceNotFoundError):
        c.policy_definitions.get("no-public")
    assert c.policy_assignments.delete(lab.scope, "no-public") is None  # 204


def test_at_a_resource_and_left_out(lab):
    """A built-in definition, assigned where it concerns one account alone, then where that account is left out."""
    c = client(PolicyClient, lab)
    shown = c.policy_definitions.get_built_in(PUBLIC)
    assert shown.policy_type == "BuiltIn" and shown.id == f"/providers/Microsoft.Authorization/policyDefinitions/{PUBLIC}"
    body = {"properties": {"policyDefinitionId": shown.id, "parameters": {"effect": {"value": "Deny"}}}}
    c.policy_assignments.create(lab.account, "keys", body)
    assert acts.eventually(lambda: reads(lab) == 403)
    assert [a.name for a in c.policy_assignments.list()] == ["keys"]
    at_account = lab.json("GET", f"{lab.account}/providers/Microsoft.Authorization/policyAssignments?{VERSIONS}", lab.token())[1]
    assert [a["name"] for a in at_account["value"]] == ["keys"]
    assert list(c.policy_assignments.list(filter="atExactScope()")) == [] and list(c.policy_assignments.list(filter="atScope()")) == []
    assert [a.name for a in c.policy_assignments.list(filter=f"policyDefinitionId eq '{shown.id}'")] == ["keys"]
    states = client(PolicyInsightsClient, lab).policy_states
    assert len(list(states.list_query_results_for_resource("latest", lab.account))) == 1
    assert len(list(states.list_query_results_for_policy_definition("latest", lab.profile()["subscription"], PUBLIC))) == 1
    c.policy_assignments.delete(lab.account, "keys")
    assert acts.eventually(lambda: reads(lab) == 200)
    group = f"{lab.scope}/resourceGroups/{GROUP}"
    c.policy_assignments.create(group, "keys", {"properties": {**body["properties"], "notScopes": [lab.account]}})
    assert [a.name for a in c.policy_assignments.list_for_resource_group(GROUP, filter="atScope()")] == ["keys"]
    assert not list(states.list_query_results_for_resource("latest", lab.account)) and reads(lab) == 200
    c.policy_assignments.delete_by_id(f"{group}/providers/Microsoft.Authorization/policyAssignments/keys".lstrip("/"))
    assert list(c.policy_assignments.list()) == []


def of_type(kind, field, **test):
    return {"properties": {"mode": "All", "displayName": f"Not such {kind.rsplit('/', 1)[-1]}", "parameters": EFFECT, "policyRule": {
        "if": {"allOf": [{"field": "type", "equals": f"Microsoft.Storage/storageAccounts/{kind}"}, {"field": f"Microsoft.Storage/storageAccounts/{kind}/{field}", **test}]},
        "then": {"effect": "[parameters('effect')]"}}}}


def test_containers_and_encryption_scopes(lab):
    """A container has to have a default scope, and a scope a customer-managed key: refused when they are made, and when something new would be written."""
    c, states = client(PolicyClient, lab), client(PolicyInsightsClient, lab).policy_states
    name = lab.profile()["account"]
    blobs = BlobServiceClient(lab.endpoint, credential=lab.credential(), connection_verify=lab.ca, retry_total=0)
    lake = DataLakeServiceClient(lab.endpoint, credential=lab.credential(), connection_verify=lab.ca, retry_total=0)

    def scope(verb, *more, check=True):
        return lab.run("storage", "scope", verb, "--state", lab.state, "--account", name, *more, check=check)

    scope("add", "--name", "plain")
    lab.run("key", "make", "--state", lab.state, "--tenant", "contoso", "--key", "cmk")
    blobs.get_blob_client("data", "old").upload_blob(b"x", encryption_scope="plain")
    for assignment, made in (("scoped", of_type("blobServices/containers", "defaultEncryptionScope", exists=False)), ("own-keys", of_type("encryptionScopes", "source", notEquals="Microsoft.KeyVault"))):
        definition_id = c.policy_definitions.create_or_update(assignment, made).id
        c.policy_assignments.create(lab.account, assignment, {"properties": {"policyDefinitionId": definition_id, "parameters": {"effect": {"value": "Deny"}},
                                                                            "nonComplianceMessages": [{"message": "Ask for a key."}]}})

    def denied(call, *args, **kw):
        with pytest.raises(HttpResponseError) as e:
            call(*args, **kw)
        return e.value.status_code == 403 and e.value.error_code == "RequestDisallowedByPolicy" and e.value.message

    said = denied(blobs.create_container, "loose")
    assert "Resource 'loose' was disallowed by policy" in said and "Not such containers" in said and "Ask for a key." in said
    assert "Not such containers" in denied(lake.create_file_system, "loose")
    assert "Not such containers" in denied(blobs.get_blob_client("data", "new").upload_blob, b"x")  # the container was made before
    assert blobs.get_blob_client("data", "old").download_blob().readall() == b"x"
    refused_scope = scope("add", "--name", "other", check=False)
    assert refused_scope.returncode != 0 and "Not such encryptionScopes" in refused_scope.stderr, refused_scope
    assert scope("enable", "--name", "plain", check=False).returncode != 0
    scope("add", "--name", "finance", "--key", "cmk")
    assert "Not such encryptionScopes" in denied(blobs.create_container, "loose", container_encryption_scope=ContainerEncryptionScope("plain"))
    blobs.create_container("strict", container_encryption_scope=ContainerEncryptionScope("finance", prevent_encryption_scope_override=True))
    blobs.get_blob_client("strict", "f").upload_blob(b"y")
    assert blobs.get_blob_client("strict", "f").get_blob_properties().encryption_scope == "finance"
    lake.create_file_system("loose", encryption_scope_options={"default_encryption_scope": "finance"})
    assert "Not such encryptionScopes" in denied(blobs.get_blob_client("loose", "g").upload_blob, b"z", encryption_scope="plain")
    rows = {r.resource_id.rsplit("/", 1)[1]: r for r in states.list_query_results_for_resource("latest", lab.account) if r.policy_assignment_name == "own-keys"}
    assert rows["plain"].resource_type == "Microsoft.Storage/storageAccounts/encryptionScopes" and (rows["plain"].is_compliant, rows["finance"].is_compliant) == (False, True)
    body = c.policy_assignments.get(lab.account, "scoped").as_dict()
    c.policy_assignments.create(lab.account, "scoped", {"properties": {"policyDefinitionId": body["properties"]["policyDefinitionId"], "parameters": {"effect": {"value": "Audit"}}}})
    blobs.create_container("audited")
    rule = "policyAssignment scoped (Not such containers)"

    def recorded():
        found = lab.json("GET", f"/audit/{lab.profile()['tenant']}/records?limit=1000", lab.token())[1]["records"]
        made = [r for r in found if r["event"] == "storage.filesystem.create" and r.get("rule") == rule]
        audited = [r for r in found if r.get("details", {}).get("policyAudit") == rule]
        return {r["outcome"] for r in made} == {"denied"} and [(r["event"], r["outcome"]) for r in audited] == [("storage.filesystem.create", "allowed")]
    assert acts.eventually(recorded)
    for assignment in ("scoped", "own-keys"):
        c.policy_assignments.delete(lab.account, assignment)
        c.policy_definitions.delete(assignment)
    assert acts.eventually(lambda: blobs.get_blob_client("data", "new").upload_blob(b"x", overwrite=True) is not None)


def test_an_initiative(lab):
    c, states = client(PolicyClient, lab), client(PolicyInsightsClient, lab).policy_states
    own = c.policy_definitions.create_or_update("open-ones", definition())
    parts = [{"policyDefinitionId": own.id, "parameters": {"effect": {"value": "[parameters('effect')]"}}},
             {"policyDefinitionId": f"/providers/Microsoft.Authorization/policyDefinitions/{KEYS}", "policyDefinitionReferenceId": "keys"}]
    made = c.policy_set_definitions.create_or_update("baseline", {"properties": {"parameters": EFFECT, "policyDefinitions": parts}})
    assert [p.policy_definition_reference_id for p in made.policy_definitions] == ["0", "keys"]
    refused("InvalidDeletePolicyDefinitionRequest", c.policy_definitions.delete, "open-ones")
    assert [s.name for s in c.policy_set_definitions.list()] == ["baseline"] and list(c.policy_set_definitions.list_built_in()) == []
    c.policy_assignments.create(lab.scope, "baseline", {"properties": {"policyDefinitionId": made.id, "parameters": {"effect": {"value": "Audit"}}}})
    rows = list(states.list_query_results_for_policy_set_definition("latest", lab.profile()["subscription"], "baseline"))
    assert {r.policy_definition_reference_id for r in rows} == {"0", "keys"} and all(r.policy_set_definition_id == made.id for r in rows)
    assert reads(lab) == 200
    one = states.summarize_for_subscription_level_policy_assignment("latest", lab.profile()["subscription"], "baseline").value[0].policy_assignments[0]
    assert one.policy_set_definition_id == made.id and len(one.policy_definitions) == 2
    refused("InvalidDeletePolicySetDefinitionRequest", c.policy_set_definitions.delete, "baseline")
    c.policy_assignments.delete(lab.scope, "baseline")
    c.policy_set_definitions.delete("baseline")
    c.policy_definitions.delete("open-ones")


def test_lists_have_what_is_built_in(lab):
    c = client(PolicyClient, lab)
    c.policy_definitions.create_or_update("mine", definition())
    assert KEYS in {d.name for d in c.policy_definitions.list()} and "mine" in {d.name for d in c.policy_definitions.list()}
    assert {d.name for d in c.policy_definitions.list(filter="policyType eq 'Custom'")} == {"mine"}
    assert {d.name for d in c.policy_definitions.list(filter="atExactScope()")} == {"mine"}
    assert "mine" not in {d.name for d in c.policy_definitions.list_built_in()}
    refused("InvalidFilter", lambda: list(c.policy_definitions.list(filter="policyType ne 'Custom'")))
    refused("InvalidFilter", lambda: list(c.policy_definitions.list(filter="roleName eq 'Owner'")))  # known, and of another list
    c.policy_definitions.delete("mine")


def foreign(g):
    return "/subscriptions/" + str(uuid.uuid4())


def test_what_is_refused(lab):
    c = client(PolicyClient, lab)
    elsewhere = f"{foreign(lab)}/providers/Microsoft.Authorization/policyDefinitions/x"
    refused("PolicyDefinitionNotFound", c.policy_assignments.create, lab.scope, "x", {"properties": {"policyDefinitionId": elsewhere}})
    refused("PolicyDefinitionNotFound", c.policy_assignments.create, lab.scope, "x", {"properties": {"policyDefinitionId": f"{lab.scope}/providers/Microsoft.Authorization/policyDefinitions/x"}})
    refused("InvalidCreatePolicyAssignmentRequest", c.policy_assignments.create, lab.scope, "x", {"properties": {}})
    refused("PolicyDefinitionNotFound", c.policy_set_definitions.create_or_update, "x", {"properties": {"policyDefinitions": [{"policyDefinitionId": elsewhere}]}})
    refused("InvalidPolicy", c.policy_definitions.create_or_update, "x", definition(policyRule={"if": {"field": "nonsense", "equals": "x"}, "then": {"effect": "Deny"}}))
    refused("InvalidPolicy", c.policy_definitions.create_or_update, "x", definition(policyRule={**RULE, "then": {"effect": "DeployIfNotExists"}}))
    refused("InvalidRequestContent", c.policy_definitions.create_or_update, KEYS, definition())
    refused("InvalidRequestContent", c.policy_definitions.create_or_update, "x", definition(policyType="BuiltIn"))
    refused("InvalidRequestContent", c.policy_definitions.create_or_update, "x" * 65, definition())
    refused("PolicyAssignmentNotFound", c.policy_assignments.get, lab.scope, "none")
    refused("PolicySetDefinitionNotFound", c.policy_set_definitions.get, "none")
    states = client(PolicyInsightsClient, lab).policy_states
    refused("InvalidFilter", lambda: list(states.list_query_results_for_subscription("latest", lab.profile()["subscription"], QueryOptions(apply="aggregate($count as n)"))))
    refused("InvalidFilter", lambda: list(states.list_query_results_for_subscription("default", lab.profile()["subscription"])))
    assert lab.json("PUT", f"{lab.scope}/providers/Microsoft.Authorization/policyDefinitions/x?{VERSIONS}", lab.token(), {"properties": []})[0] == 400
    assert lab.json("PATCH", f"{lab.scope}/providers/Microsoft.Authorization/policyAssignments/x?{VERSIONS}", lab.token(), {})[0] == 405


def test_a_stranger_and_a_foreign_subscription(lab):
    guest, other = client(PolicyClient, lab, "guest"), foreign(lab)
    refused("AuthorizationFailed", lambda: list(guest.policy_definitions.list()))
    refused("AuthorizationFailed", guest.policy_definitions.create_or_update, "x", definition())
    refused("AuthorizationFailed", guest.policy_assignments.delete, lab.scope, "x")
    states = client(PolicyInsightsClient, lab, "guest").policy_states
    refused("AuthorizationFailed", lambda: list(states.list_query_results_for_subscription("latest", lab.profile()["subscription"])))
    refused("AuthorizationFailed", states.summarize_for_subscription, "latest", lab.profile()["subscription"])
    c = client(PolicyClient, lab)
    refused("SubscriptionNotFound", c.policy_assignments.create, other, "x", {"properties": {"policyDefinitionId": f"/providers/Microsoft.Authorization/policyDefinitions/{KEYS}"}})
    refused("SubscriptionNotFound", c.policy_assignments.get, other, "x")


def test_azures_role_for_policies(lab):
    """Resource Policy Contributor writes them and looks at compliance, and gives no roles."""
    auth, guest = client(AuthorizationManagementClient, lab), lab.profile("guest")["object_id"]
    role = f"{lab.scope}/providers/Microsoft.Authorization/roleDefinitions/36243c78-bf99-498c-9df9-86d9f8d28608"
    given = auth.role_assignments.create(lab.scope, str(uuid.uuid4()), {"role_definition_id": role, "principal_id": guest, "principal_type": "ServicePrincipal"})
    c = client(PolicyClient, lab, "guest")
    c.policy_definitions.create_or_update("theirs", definition())
    assert client(PolicyInsightsClient, lab, "guest").policy_states.summarize_for_subscription("latest", lab.profile()["subscription"]).value
    c.policy_definitions.delete("theirs")
    refused("AuthorizationFailed", client(AuthorizationManagementClient, lab, "guest").role_assignments.delete_by_id, given.id)
    auth.role_assignments.delete_by_id(given.id)


def test_a_deny_assignment_from_its_making_to_its_end(lab):
    """Azure has had the write since 2024-07-01-preview; SDK 4.0.0 reads only."""
    auth = client(AuthorizationManagementClient, lab)
    path = f"{lab.scope}/providers/Microsoft.Authorization/denyAssignments/{uuid.uuid4()}"
    who = lab.profile()["object_id"]
    body = {"properties": {"denyAssignmentName": "no reading", "permissions": [{"dataActions": ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"]}],
                           "principals": [{"id": who, "type": "ServicePrincipal"}], "excludePrincipals": [], "isSystemProtected": False}}

    def ask(method, body=None, name="admin"):
        return lab.json(method, f"{path}?api-version=2024-07-01-preview", lab.token(name), body)
    assert reads(lab) == 200
    status, made, _ = ask("PUT", body)
    assert status == 201 and made["properties"]["scope"] == lab.scope and made["properties"]["createdBy"] == who, made
    assert acts.eventually(lambda: reads(lab) == 403)
    assert [d.deny_assignment_name for d in auth.deny_assignments.list_for_scope(lab.scope)] == ["no reading"]
    assert auth.deny_assignments.get_by_id(path.lstrip("/")).name == made["name"]
    assert ask("DELETE", name="guest")[0] == 403
    assert ask("DELETE")[0] == 200 and ask("DELETE")[0] == 204
    assert acts.eventually(lambda: reads(lab) == 200)
    everybody = {"properties": {**body["properties"], "principals": [{"id": str(uuid.UUID(int=0)), "type": "SystemDefined"}]}}
    assert ask("PUT", everybody)[1]["error"]["code"] == "InvalidRequestContent"
    assert ask("PUT", {"properties": {**body["properties"], "isSystemProtected": True}})[1]["error"]["code"] == "InvalidRequestContent"
