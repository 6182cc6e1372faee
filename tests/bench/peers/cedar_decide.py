"""Times Cedar's decisions in one process, with policies and entities read beforehand; by Cedar's own clock, so that Python and the binding don't count.
Prints one JSON object: nanoseconds a decision of each kind. Cedar's clock cuts off parts of a microsecond, in its favour."""
import json
import os
import sys

import cedarpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import policy_world as world  # noqa: E402


def nanoseconds(rounds, policies, entities, request, expect):
    total = 0
    for _ in range(rounds):
        got = cedarpy.is_authorized(request, policies, entities)
        assert got.allowed == expect and not got.diagnostics.errors, (got.decision, got.diagnostics.errors)
        total += got.metrics["authz_duration_micros"]
    return total * 1000 / rounds


def read(resource):
    return {"principal": world.uid("User", world.ASKER), "action": 'Action::"read"', "resource": world.uid("Scope", resource), "context": {}}


def main():
    entities = cedarpy.Entities.from_json_str(json.dumps(world.cedar_entities()))
    nothing = cedarpy.Entities.from_json_str("[]")
    relation = cedarpy.PolicySet.from_str(world.CEDAR_RELATION)
    linked = cedarpy.PolicySet.from_str(world.CEDAR_ROLE).with_linked_batch(world.cedar_links())
    rules = cedarpy.PolicySet.from_str(world.cedar_rules())
    connect = {"principal": world.uid("User", world.ASKER), "action": 'Action::"connect"', "resource": world.uid("Scope", world.SUBNET),
               "context": {"port": 443, "source": {"__extn": {"fn": "ip", "arg": world.STRANGER}}}}
    print(json.dumps({
        "denied": nanoseconds(2000, relation, entities, read(world.DENIED), False),
        "granted": nanoseconds(2000, relation, entities, read(world.GRANTED), True),
        "denied_linked": nanoseconds(5, linked, entities, read(world.DENIED), False),
        "granted_linked": nanoseconds(5, linked, entities, read(world.GRANTED), True),
        "network": nanoseconds(20, rules, nothing, connect, True)}))


if __name__ == "__main__":
    main()
