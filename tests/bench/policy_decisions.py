"""Decisions over a large policy: 10,000 role assignments, 1,000 security rules, a principal with 200 groups; in the gateway's own code, one thread."""
import json
import os
import subprocess
import tempfile
import uuid

import side_by_side

SUB = "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"
TENANT = "c0ff0000-0000-4000-8000-000000000003"
READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"  # Storage Blob Data Reader
READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
ASSIGNMENTS, RULES, GROUPS = 10_000, 1_000, 200


def container(n):
    return f"{SUB}/resourceGroups/lab/providers/Microsoft.Storage/storageAccounts/lake/blobServices/default/containers/c{n:05}"


def made_id(kind, n):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{n}"))


def assignment(n, principal, kind, scope):
    return {"name": made_id("assignment", n), "type": "Microsoft.Authorization/roleAssignments",
            "properties": {"roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{READER}", "principalId": principal,
                           "principalType": kind, "scope": scope}}


def write(path, values):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump({"value": values} if isinstance(values, list) else values, f)


def write_policies(folder):
    """Everybody has a container; each of the principal's groups has one too, and the last group's is the one that is asked for."""
    groups = [made_id("group", n) for n in range(GROUPS)]
    values = [assignment(n, made_id("person", n), "User", container(n)) for n in range(ASSIGNMENTS - GROUPS)]
    values += [assignment(ASSIGNMENTS + n, g, "Group", container(20_000 + n)) for n, g in enumerate(groups)]
    for n in range(0, len(values), 5000):  # a file has at most 4 MiB
        write(f"{folder}/roleAssignments/{n}.json", values[n:n + 5000])
    nsg = f"{SUB}/resourceGroups/lab/providers/Microsoft.Network/networkSecurityGroups/front"
    vnet = f"{SUB}/resourceGroups/lab/providers/Microsoft.Network/virtualNetworks/lab"
    rules = [{"name": f"r{n}", "properties": {"priority": 100 + n, "direction": "Inbound", "access": "Deny", "protocol": "Tcp",
                                              "sourceAddressPrefix": f"10.{n // 250}.{n % 250}.0/24", "sourcePortRange": "*",
                                              "destinationAddressPrefix": "*", "destinationPortRange": "443"}} for n in range(RULES)]
    write(f"{folder}/networkSecurityGroups/front.json", {"id": nsg, "name": "front", "properties": {"securityRules": rules}})
    write(f"{folder}/virtualNetworks/lab.json", {"id": vnet, "name": "lab", "properties": {
        "addressSpace": {"addressPrefixes": ["10.0.0.0/8"]},
        "subnets": [{"id": f"{vnet}/subnets/gateway", "name": "gateway", "properties": {"addressPrefix": "10.1.0.0/24", "networkSecurityGroup": {"id": nsg}}}]}})
    return groups, f"{vnet}/subnets/gateway"


def measure(b):
    subprocess.run(["ninja", "-C", os.path.dirname(side_by_side.BUILD), "tests/policy_decide"], check=True, stdout=subprocess.DEVNULL)
    program = f"{os.path.dirname(side_by_side.BUILD)}/tests/policy_decide"
    print(f"Decisions: {ASSIGNMENTS:,} role assignments, {RULES:,} security rules, a principal with {GROUPS} groups; one thread, no heap.")
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        groups, subnet = write_policies(folder)
        for _ in range(9 if b.long else 5):
            done = subprocess.run([program, folder, TENANT, made_id("nobody", 0), READ, container(1), container(20_000 + GROUPS - 1), subnet],
                                  input="\n".join(groups), stdout=subprocess.PIPE, text=True, check=True, timeout=120)
            rounds.append(json.loads(done.stdout))
    assert all(r["allocated_bytes"] == 0 for r in rounds)
    for name, key, gate, goal in (("decision, denied", "denied_ns", 5, 1), ("decision, granted by the last group", "granted_ns", 5, 1),
                                  ("network decision, no rule matches", "network_ns", 5, 1)):
        b.add(name, "us", [r[key] / 1000 for r in rounds], None, None, gate=gate, goal=goal, smaller=True)
    b.add("policy read from its files", "ms", [r["load_ms"] for r in rounds], None, None, smaller=True)
