"""Azure Resource Manager's surface by azure-mgmt-authorization and azure-mgmt-network, and by hand where no client goes. covers: routes.c document.c document_handlers.c document_types.c
covers: role_definitions.c role_assignments.c permissions.c activation.c network_groups.c virtual_networks.c child_resources.c resource_list.c arm.c"""
import json
import uuid

import acts
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.network import NetworkManagementClient

from server import finish, make_state_folder, new_store_gateway

GROUP = "embergate"
SUBMITTER = "528f0a8f-2aa0-4460-bfa4-5b8f8b48313e"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
ASSIGN = "api-version=2022-04-01"


@pytest.fixture(scope="module")
def lab():
    folder = make_state_folder()
    g = new_store_gateway(folder)
    try:
        g.start()
        g.scope = "/subscriptions/" + g.profile()["subscription"]
        yield g
    finally:
        finish(g, folder)


def client(kind, g, name="admin", **options):
    return kind(g.credential(name), g.profile(name)["subscription"], base_url=g.endpoint, credential_scopes=["https://management.core.windows.net/.default"],
                connection_verify=g.ca, polling_interval=0, **options)


def authorization(g, name="admin", **options):
    return client(AuthorizationManagementClient, g, name, **options)


def network(g, name="admin"):
    return client(NetworkManagementClient, g, name)


def role(g, guid=SUBMITTER):
    return f"{g.scope}/providers/Microsoft.Authorization/roleDefinitions/{guid}"


def refused(code, call, *args, **kw):
    with pytest.raises(HttpResponseError) as e:
        call(*args, **kw)
    assert e.value.error and e.value.error.code == code, (e.value.status_code, e.value.message)
    return e.value


def can_list(g, name="guest"):
    return g.json("GET", "/livy/batches", g.token(name))[0] == 200


def grant(g, name="guest", guid=SUBMITTER):
    return {"role_definition_id": role(g, guid), "principal_id": g.profile(name)["object_id"], "principal_type": "ServicePrincipal"}


def test_an_assignment_by_the_sdk(lab):
    c, name, who = authorization(lab).role_assignments, str(uuid.uuid4()), lab.profile("guest")["object_id"]
    made = c.create(lab.scope, name, grant(lab))
    assert (made.principal_id, made.role_definition_id, made.scope) == (who, role(lab), lab.scope)
    assert acts.eventually(lambda: can_list(lab))
    assert c.get(lab.scope, name).id == c.get_by_id(made.id).id == made.id
    below = f"{lab.scope}/resourceGroups/{GROUP}"
    assert name in {a.name for a in c.list_for_scope(below, filter="atScope()")}
    assert [a.name for a in c.list_for_subscription(filter=f"principalId eq '{who}'")] == [name]
    assert [a.name for a in c.list_for_scope(lab.scope, filter=f"atScope() and assignedTo('{who}')")] == [name]
    assert refused("RoleAssignmentExists", c.create, lab.scope, str(uuid.uuid4()), grant(lab)).status_code == 409
    refused("RoleAssignmentUpdateNotPermitted", c.create, lab.scope, name, grant(lab, guid=OWNER))
    refused("RoleDefinitionDoesNotExist", c.create, lab.scope, str(uuid.uuid4()), grant(lab, guid=str(uuid.uuid4())))
    refused("InvalidFilter", lambda: list(c.list_for_scope(lab.scope, filter="atScope() or true")))
    assert c.delete(lab.scope, name).id == made.id
    assert c.delete(lab.scope, name) is None
    assert acts.eventually(lambda: not can_list(lab))
    refused("RoleAssignmentNotFound", c.get, lab.scope, name)


def test_an_assignment_by_its_id_below_the_subscription(lab):
    c = authorization(lab).role_assignments
    cluster = f"{lab.scope}/resourceGroups/{GROUP}/providers/Microsoft.HDInsight/clusters/analytics"
    made = c.create_by_id(f"{cluster}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", grant(lab))
    assert made.scope == cluster
    assert acts.eventually(lambda: can_list(lab))
    assert made.name not in {a.name for a in c.list_for_scope(lab.scope, filter="atScope()")}
    assert made.name in {a.name for a in c.list_for_scope(lab.scope)}
    c.delete_by_id(made.id)
    assert acts.eventually(lambda: not can_list(lab))


def test_nobody_gives_away_what_lies_above(lab):
    """A user access administrator of one cluster gives roles there, and nowhere else."""
    c = authorization(lab).role_assignments
    cluster = f"{lab.scope}/resourceGroups/{GROUP}/providers/Microsoft.HDInsight/clusters/analytics"
    mine = c.create(cluster, str(uuid.uuid4()), grant(lab, guid="18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"))
    theirs = authorization(lab, "guest").role_assignments
    assert acts.eventually(lambda: lab.json("GET", f"{cluster}/providers/Microsoft.Authorization/roleAssignments?{ASSIGN}", lab.token("guest"))[0] == 200)
    given = theirs.create(cluster, str(uuid.uuid4()), grant(lab, "bystander"))
    for scope in (lab.scope, f"{lab.scope}/resourceGroups/{GROUP}", f"{lab.scope}/resourceGroups/{GROUP}/providers/Microsoft.HDInsight/clusters/other"):
        assert refused("AuthorizationFailed", theirs.create, scope, str(uuid.uuid4()), grant(lab, "bystander")).status_code == 403
    roles = authorization(lab, "guest").role_definitions
    refused("AuthorizationFailed", roles.create_or_update, cluster, str(uuid.uuid4()), {
        "role_name": "wider", "role_type": "CustomRole", "permissions": [{"actions": ["*"]}], "assignable_scopes": [cluster, lab.scope]})
    theirs.delete_by_id(given.id)
    c.delete_by_id(mine.id)


def test_role_definitions_by_the_sdk(lab):
    c, guid = authorization(lab).role_definitions, str(uuid.uuid4())
    body = {"role_name": "Sdk Role", "description": "one", "role_type": "CustomRole", "permissions": [{"actions": ["Microsoft.HDInsight/clusters/read"]}], "assignable_scopes": [lab.scope]}
    assert c.create_or_update(lab.scope, guid, body).id == role(lab, guid)
    assert [d.name for d in c.list(lab.scope, filter="roleName eq 'Sdk Role'")] == [guid]
    assert {d.role_type for d in c.list(lab.scope, filter="type eq 'CustomRole'")} == {"CustomRole"}
    assert c.get_by_id(role(lab, OWNER)).role_name == "Owner"
    refused("RoleDefinitionWithSameNameExists", c.create_or_update, lab.scope, str(uuid.uuid4()), body)
    refused("RoleDefinitionIsBuiltIn", c.create_or_update, lab.scope, OWNER, {**body, "role_name": "Mine"})
    refused("InvalidPolicy", c.create_or_update, lab.scope, str(uuid.uuid4()), {**body, "role_name": "Bad", "permissions": [{"actions": ["not an action"]}]})
    stranger = "/subscriptions/" + lab.profile("stranger")["subscription"]
    refused("SubscriptionNotFound", c.create_or_update, lab.scope, str(uuid.uuid4()), {**body, "role_name": "Far", "assignable_scopes": [lab.scope, stranger]})
    assert c.delete(lab.scope, guid).role_name == "Sdk Role"
    refused("RoleDefinitionDoesNotExist", c.get, lab.scope, guid)


def test_my_permissions(lab):
    permissions = authorization(lab).permissions
    mine = list(permissions.list_for_resource_group(GROUP))
    assert any("*" in p.actions for p in mine)
    assert list(authorization(lab, "bystander").permissions.list_for_resource_group(GROUP)) == []


def rule_body(priority, access, source="*", **more):
    return {"priority": priority, "direction": "Inbound", "access": access, "protocol": "Tcp", "sourceAddressPrefix": source, "sourcePortRange": "*", "destinationAddressPrefix": "*",
            **(more or {"destinationPortRange": "443"})}


def group_body(*rules):
    return {"location": "embergate", "properties": {"securityRules": [{"name": name, "properties": rule} for name, rule in rules]}}


def network_body(prefix, *subnets):
    return {"location": "embergate", "properties": {"addressSpace": {"addressPrefixes": [prefix]}, "subnets": [
        {"name": name, "properties": properties} for name, properties in subnets]}}


def test_networks_by_the_sdk(lab):
    c = network(lab)
    group = c.network_security_groups.begin_create_or_update(GROUP, "sdk", group_body(("in", rule_body(200, "Allow")))).result()
    assert group.properties.provisioning_state == "Succeeded" and group.properties.security_rules[0].id.endswith("/securityRules/in") and group.etag.startswith('W/"')
    # What a client read it may send back, with all that Azure adds.
    group.tags = {"a": "b"}
    again = c.network_security_groups.begin_create_or_update(GROUP, "sdk", group).result()
    assert again.tags == {"a": "b"} and again.etag != group.etag and len(again.properties.security_rules) == 1
    stale = refused("PreconditionFailed", lambda: c.network_security_groups.begin_create_or_update(GROUP, "sdk", again, headers={"If-Match": group.etag}).result())
    assert stale.status_code == 412
    c.network_security_groups.begin_create_or_update(GROUP, "sdk", again, headers={"If-Match": again.etag}).result()
    rule = c.security_rules.begin_create_or_update(GROUP, "sdk", "out", {"properties": rule_body(300, "Deny", "Internet", destinationPortRanges=["22", "8000-8443"])}).result()
    assert rule.name == "out" and rule.properties.destination_port_ranges == ["22", "8000-8443"]
    assert {r.name for r in c.security_rules.list(GROUP, "sdk")} == {"in", "out"}
    assert {r.name for r in c.default_security_rules.list(GROUP, "sdk")} >= {"DenyAllInBound"}
    refused("InvalidPolicy", lambda: c.security_rules.begin_create_or_update(GROUP, "sdk", "twice", {"properties": rule_body(300, "Deny")}).result())
    c.virtual_networks.begin_create_or_update(GROUP, "sdk", network_body("10.8.0.0/16", ("one", {"addressPrefix": "10.8.1.0/24"}))).result()
    subnet = c.subnets.begin_create_or_update(GROUP, "sdk", "two", {"properties": {"addressPrefix": "10.8.2.0/24", "networkSecurityGroup": {"id": again.id}}}).result()
    assert subnet.properties.network_security_group.id == again.id
    assert {s.name for s in c.subnets.list(GROUP, "sdk")} == {"one", "two"}
    refused("InUseNetworkSecurityGroupCannotBeDeleted", lambda: c.network_security_groups.begin_delete(GROUP, "sdk").result())
    c.subnets.begin_delete(GROUP, "sdk", "two").result()
    c.security_rules.begin_delete(GROUP, "sdk", "out").result()
    c.virtual_networks.begin_delete(GROUP, "sdk").result()
    c.network_security_groups.begin_delete(GROUP, "sdk").result()
    with pytest.raises(ResourceNotFoundError):
        c.virtual_networks.get(GROUP, "sdk")
    assert "sdk" not in {n.name for n in c.virtual_networks.list_all()}


def test_the_listeners_subnet_stays(lab):
    c = network(lab)
    vnet = next(iter(c.virtual_networks.list_all()))
    group = vnet.id.split("/")[4]
    refused("InUseSubnetCannotBeDeleted", lambda: c.virtual_networks.begin_delete(group, vnet.name).result())
    vnet.properties.subnets = []
    refused("InUseSubnetCannotBeDeleted", lambda: c.virtual_networks.begin_create_or_update(group, vnet.name, vnet).result())


def test_deny_assignments_and_schedules_are_listed(lab):
    c = authorization(lab)
    assert list(c.deny_assignments.list()) == []
    assert list(c.role_assignment_schedules.list_for_scope(lab.scope)) == []
    assert list(c.role_eligibility_schedules.list_for_scope(lab.scope, filter="asTarget()")) == []
    guest = authorization(lab, "guest")
    assert list(guest.role_eligibility_schedules.list_for_scope(lab.scope, filter="asTarget()")) == []
    refused("AuthorizationFailed", lambda: list(guest.role_eligibility_schedules.list_for_scope(lab.scope)))


def test_an_eligible_role_is_activated(lab):
    who, name = lab.profile("guest")["object_id"], str(uuid.uuid4())
    document = {"id": f"{lab.scope}/providers/Microsoft.Authorization/roleEligibilitySchedules/{name}", "name": name, "type": "Microsoft.Authorization/roleEligibilitySchedules",
                "properties": {"roleDefinitionId": role(lab), "principalId": who, "principalType": "ServicePrincipal", "scope": lab.scope, "status": "Provisioned"}}
    status, body, _ = lab.json("POST", f"{lab.scope}/providers/Embergate.Policies/change", lab.token(), {"puts": [{"type": "roleEligibilitySchedules", "document": document}]})
    assert status == 200, body
    mine = authorization(lab, "guest")
    assert [e.name for e in mine.role_eligibility_schedules.list_for_scope(lab.scope, filter="asTarget()")] == [name]
    assert not can_list(lab)

    def ask(**more):
        return {"request_type": "SelfActivate", "role_definition_id": role(lab), "principal_id": who, "justification": "on call",
                "schedule_info": {"expiration": {"type": "AfterDuration", "duration": "PT1H"}}, **more}
    refused("RoleAssignmentNotEligible", mine.role_assignment_schedule_requests.create, lab.scope, str(uuid.uuid4()), ask(role_definition_id=role(lab, OWNER)))
    refused("InvalidRequestContent", mine.role_assignment_schedule_requests.create, lab.scope, str(uuid.uuid4()), ask(
        schedule_info={"expiration": {"type": "AfterDuration", "duration": "P1Y"}}))
    refused("InvalidRequestContent", mine.role_assignment_schedule_requests.create, lab.scope, str(uuid.uuid4()), ask(principal_id=lab.profile("bystander")["object_id"]))
    made = mine.role_assignment_schedule_requests.create(lab.scope, str(uuid.uuid4()), ask())
    assert made.status == "Provisioned" and acts.eventually(lambda: can_list(lab))
    assert [s.principal_id for s in authorization(lab).role_assignment_schedules.list_for_scope(lab.scope)] == [who]


@pytest.mark.parametrize("path, status, code", [
    ("{s}/resourceGroups", 400, "MissingApiVersionParameter"),
    ("{s}/resourceGroups?api-version=1999-01-01", 400, "InvalidApiVersionParameter"),
    ("{s}/resourceGroups/absent?api-version=2024-11-01", 404, "ResourceGroupNotFound"),
    ("{s}/resourceGroups/embergate/providers/Microsoft.Nothing/things/x?api-version=2022-01-01", 404, "InvalidResourceNamespace"),
    ("{s}/resourceGroups/embergate/providers/Microsoft.Network/loadBalancers/x?api-version=2022-01-01", 404, "InvalidResourceType"),
    ("{s}/resourceGroups/embergate/providers/Microsoft.Network/virtualNetworks/absent?api-version=2022-01-01", 404, "ResourceNotFound"),
    ("{s}/resourceGroups/embergate/providers/Microsoft.HDInsight/clusters/absent?api-version=2021-06-01", 404, "ResourceNotFound"),
    ("/subscriptions/00000000-0000-4000-8000-000000000000?api-version=2022-12-01", 404, "SubscriptionNotFound"),
    ("{s}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$skipToken=%21", 400, "InvalidQueryParameterValue"),
])
def test_refusals_have_azures_codes(lab, path, status, code):
    got, body, headers = lab.json("GET", path.format(s=lab.scope), lab.token())
    assert (got, body["error"]["code"]) == (status, code), body
    assert uuid.UUID(headers["x-ms-request-id"]) and uuid.UUID(headers["x-ms-correlation-request-id"])


def test_ids_are_compared_without_case(lab):
    path = f"{lab.scope}/RESOURCEGROUPS/{GROUP.upper()}/Providers/microsoft.hdinsight/CLUSTERS/Analytics?api-version=2021-06-01"
    status, body, _ = lab.json("GET", path, lab.token())
    assert status == 200 and body["name"] == "analytics"


def test_a_stranger_sees_no_more_than_nothing(lab):
    token, absent = lab.token("stranger"), f"/subscriptions/{uuid.uuid4()}"
    for tail in ("", "/resourceGroups", f"/resourceGroups/{GROUP}/providers/Microsoft.HDInsight/clusters/analytics", "/providers/Microsoft.Authorization/roleAssignments",
                 f"/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", f"/resourceGroups/{GROUP}/providers/Microsoft.Network/networkSecurityGroups", "/elsewhere"):
        there, gone = (lab.json("GET", f"{s}{tail}?api-version=2022-04-01", token)[:2] for s in (lab.scope, absent))
        assert there == gone and there[0] == 404 and there[1]["error"]["code"] == "SubscriptionNotFound"
    assert lab.profile()["subscription"] not in str(lab.json("GET", "/subscriptions?api-version=2022-12-01", token)[1])
    # Nor can it bind a group that it may not know of.
    mine = network(lab).network_security_groups.begin_create_or_update(GROUP, "secret", group_body()).result()
    theirs = network(lab, "stranger")
    messages = set()
    for group in (mine.id, mine.id.replace("secret", "nothing")):
        body = network_body("10.7.0.0/16", ("a", {"addressPrefix": "10.7.0.0/24", "networkSecurityGroup": {"id": group}}))
        e = refused("ResourceNotFound", lambda body=body: theirs.virtual_networks.begin_create_or_update(GROUP, "far", body).result())
        messages.add(e.message.replace("secret", "nothing"))
    assert len(messages) == 1
    network(lab).network_security_groups.begin_delete(GROUP, "secret").result()


@pytest.mark.parametrize("body, code", [
    (b"{", "InvalidRequestContent"), (b"[]", "InvalidRequestContent"), (b'{"properties":1}', "InvalidRequestContent"), (b'{"properties":{},"properties":{}}', "InvalidRequestContent"),
    (b'{"properties":{"securityRules":[1]}}', "InvalidRequestContent"), (b'{"properties":{"surprise":true}}', "InvalidPolicy"), (b'{"sku":{"name":"x"},"properties":{}}', "InvalidPolicy"),
    (b"[" * 100, "InvalidRequestContent"),
])
def test_bodies_that_are_refused(lab, body, code):
    path = f"{lab.scope}/resourceGroups/{GROUP}/providers/Microsoft.Network/networkSecurityGroups/hostile?api-version=2022-01-01"
    status, text, _ = lab.request("PUT", path, lab.token(), body, {"Content-Type": "application/json"})
    assert (status, json.loads(text)["error"]["code"]) == (400, code), text
    assert lab.json("GET", path, lab.token())[0] == 404
