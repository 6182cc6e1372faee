"""One large world of policies in three languages: Azure's documents for embergate, data and Rego for OPA, entities and policies for Cedar."""
import json
import os
import uuid

SUB = "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"
TENANT = "c0ff0000-0000-4000-8000-000000000003"
READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"  # Storage Blob Data Reader
READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
ASSIGNMENTS, RULES, GROUPS = 10_000, 1_000, 200
NSG = f"{SUB}/resourceGroups/lab/providers/Microsoft.Network/networkSecurityGroups/front"
VNET = f"{SUB}/resourceGroups/lab/providers/Microsoft.Network/virtualNetworks/lab"
SUBNET = f"{VNET}/subnets/front"
STRANGER = "203.0.113.9"


def made_id(kind, n):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{n}"))


def container(n):
    return f"{SUB}/resourceGroups/lab/providers/Microsoft.Storage/storageAccounts/lake/blobServices/default/containers/c{n:05}"


ASKER = made_id("nobody", 0)
MEMBER_OF = [made_id("group", n) for n in range(GROUPS)]
DENIED, GRANTED = container(1), container(20_000 + GROUPS - 1)  # the latter to the asker's last group


def grants():
    """(number, principal, type, scope) of each assignment: everybody has a container, and so has each of the asker's groups."""
    people = [(n, made_id("person", n), "User", container(n)) for n in range(ASSIGNMENTS - GROUPS)]
    return people + [(ASSIGNMENTS + n, g, "Group", container(20_000 + n)) for n, g in enumerate(MEMBER_OF)]


def rule_prefix(n):
    return f"10.{n // 250}.{n % 250}.0/24"


def assignment(n, principal, kind, scope):
    name = made_id("assignment", n)
    return {"id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}", "name": name, "type": "Microsoft.Authorization/roleAssignments",
            "properties": {"roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{READER}", "principalId": principal,
                           "principalType": kind, "scope": scope}}


def security_group():
    rules = [{"name": f"r{n}", "properties": {"priority": 100 + n, "direction": "Inbound", "access": "Deny", "protocol": "Tcp",
                                              "sourceAddressPrefix": rule_prefix(n), "sourcePortRange": "*",
                                              "destinationAddressPrefix": "*", "destinationPortRange": "443"}} for n in range(RULES)]
    return {"id": NSG, "name": "front", "properties": {"securityRules": rules}}


def network():
    return {"id": VNET, "name": "lab", "properties": {
        "addressSpace": {"addressPrefixes": ["10.0.0.0/8"]},
        "subnets": [{"id": SUBNET, "name": "front", "properties": {"addressPrefix": "10.1.0.0/24", "networkSecurityGroup": {"id": NSG}}}]}}


def write(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(value, f)


def write_policies(folder):
    values = [assignment(*g) for g in grants()]
    for n in range(0, len(values), 5000):  # a file has at most 4 MiB
        write(f"{folder}/roleAssignments/{n}.json", {"value": values[n:n + 5000]})
    write(f"{folder}/networkSecurityGroups/front.json", security_group())
    write(f"{folder}/virtualNetworks/lab.json", network())


def scopes_of(resource):
    """The resource, and what lies above it."""
    parts = resource.split("/")
    return ["/".join(parts[:n]) for n in range(2, len(parts) + 1)]


def write_opa(folder):
    """Assignments by scope, the shorter way; the role's actions are written out, as Rego's wildcards would have to be tried one by one."""
    by_scope = {}
    for _, principal, _, scope in grants():
        by_scope.setdefault(scope, {}).setdefault(principal, []).append(READER)
    write(f"{folder}/data.json", {"assignments": by_scope, "roles": {READER: {READ: True}},
                                  "rules": [{"source": rule_prefix(n), "port": 443} for n in range(RULES)]})
    asker = {p: True for p in [ASKER, *MEMBER_OF]}

    def question(resource, expect):
        return {"query": "data.bench.allow", "input": {"principals": asker, "scopes": scopes_of(resource), "action": READ}, "expect": expect}
    write(f"{folder}/questions.json", {"denied": question(DENIED, False), "granted": question(GRANTED, True),
                                       "network": {"query": "data.bench.connect", "input": {"source": STRANGER, "port": 443}, "expect": True}})


ABOVE = ("account", "resourceGroup", "subscription")
CEDAR_RELATION = """permit(principal, action == Action::"read", resource) when {
  principal in resource.readers || principal in resource.account.readers ||
  principal in resource.account.resourceGroup.readers || principal in resource.account.resourceGroup.subscription.readers };"""
CEDAR_ROLE = """@id("reader") permit(principal in ?principal, action == Action::"read", resource in ?resource);"""


def uid(kind, name):
    return {"type": kind, "id": name}


def entity(kind, name, readers=(), above=None, parents=()):
    attributes = {"readers": [{"__entity": uid(k, n)} for k, n in readers]}
    if above:
        attributes[above[0]] = {"__entity": above[1]}
    return {"uid": uid(kind, name), "attrs": attributes, "parents": [*parents, *([above[1]] if above else [])]}


def cedar_entities():
    subscription, group, account = (uid("Scope", "/".join(container(0).split("/")[:n])) for n in (3, 5, 9))
    chain = [entity("Scope", subscription["id"]), entity("Scope", group["id"], above=("subscription", subscription)),
             entity("Scope", account["id"], above=("resourceGroup", group))]
    containers = [entity("Scope", scope, [(kind, principal)], ("account", account)) for _, principal, kind, scope in grants()]
    return [*chain, *containers, {"uid": uid("User", ASKER), "attrs": {}, "parents": [uid("Group", g) for g in MEMBER_OF]}]


def cedar_links():
    return [{"template_id": "reader", "new_id": made_id("assignment", n), "values": {"?principal": uid(kind, principal), "?resource": uid("Scope", scope)}}
            for n, principal, kind, scope in grants()]


def cedar_rules():
    first = 'permit(principal, action == Action::"connect", resource);\n'
    return first + "".join(f'forbid(principal, action == Action::"connect", resource) when {{ context.port == 443 && context.source.isInRange(ip("{rule_prefix(n)}")) }};\n'
                           for n in range(RULES))
