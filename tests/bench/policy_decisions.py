"""Decisions over a large policy, and its exchange under load: 10,000 role assignments, 1,000 security rules, a principal with 200 groups.
Decisions are made in one thread of a process of their own: by the gateway's own code, by OPA's library, by Cedar's; all have read the policy beforehand."""
import json
import os
import subprocess
import sys
import tempfile

import policy_swap
import policy_world as world
import side_by_side

PEERS = f"{side_by_side.HERE}/peers"
QUESTIONS = (("denied", "decision, denied"), ("granted", "decision, granted by the last group"), ("network", "connection, no rule matches"))


def said(*words, **options):
    return json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, timeout=120, **options).stdout)


def ours(program, folder):
    got = said(program, folder, world.TENANT, world.ASKER, world.READ, world.DENIED, world.GRANTED, world.SUBNET, input="\n".join(world.MEMBER_OF))
    assert got["allocations"] == 0, f"{got['allocations']} allocations while deciding"
    return {**{key: got[f"{key}_ns"] for key, _ in QUESTIONS}, "load_ms": got["load_ms"]}


def opa(folder):
    return said(f"{os.environ['EG_BENCH_PEERS']}/opa_decide", f"{PEERS}/opa/policy.rego", f"{folder}/data.json", f"{folder}/questions.json")


def cedar():
    return said(sys.executable, f"{PEERS}/cedar_decide.py")


def decisions(b):
    build = os.path.dirname(side_by_side.BUILD)
    subprocess.run(["ninja", "-C", build, "tests/policy_decide"], check=True, stdout=subprocess.DEVNULL)
    rounds = {"ours": [], "OPA": [], "Cedar": []}
    with tempfile.TemporaryDirectory() as folder:
        world.write_policies(f"{folder}/policies")
        world.write_opa(folder)
        runs = [("ours", lambda: ours(f"{build}/tests/policy_decide", f"{folder}/policies")), ("OPA", lambda: opa(folder)), ("Cedar", cedar)]
        for n in range(b.rounds):
            for name, run in runs[n % 3:] + runs[:n % 3]:
                rounds[name].append(run())

    def column(name, key):
        return [r[key] / 1000 for r in rounds[name]]
    for key, name in QUESTIONS:
        b.add(name, "us", column("ours", key), None, None, gate=5, goal=1)
        for peer in ("OPA", "Cedar"):
            b.add(name, "us", column("ours", key), peer, column(peer, key), smaller=True)
    for key, name in QUESTIONS[:2]:
        b.add(name, "us", column("ours", key), "Cedar, linked", column("Cedar", f"{key}_linked"), smaller=True)
    b.add("policy read from its files", "ms", [r["load_ms"] for r in rounds["ours"]], None, None)


def measure(b):
    print(f"Policies: {world.ASSIGNMENTS:,} role assignments, {world.RULES:,} security rules, a principal with {world.GROUPS} groups. Decisions: one thread, no memory taken.\n"
          "OPA: a prepared query over data indexed by scope. Cedar: one policy over readers that are attributes of resources; \"linked\" is a policy an assignment.")
    decisions(b)
    policy_swap.measure(b)
