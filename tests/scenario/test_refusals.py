"""Point 7: what must not work, each with its code; and a role assignment that takes effect within a second. covers: policy.c grant.c role_lookup.c"""
import time

import acts
import pytest


def test_each_refusal_has_its_status(gateway):
    gateway.file_system().get_file_client("flights/flights.csv").upload_data(b"a,b\n1,2\n", overwrite=True) \
        if not gateway.file_system().get_file_client("flights/flights.csv").exists() else None
    seen = {what: (owed, status, code) for what, owed, status, code, _ in acts.refusals(gateway)}
    assert all(owed == status for owed, status, _ in seen.values()), seen
    assert seen["no token"][2] == "NoAuthenticationInformation"
    assert seen["a person without the role, on data"][2] == "AuthorizationPermissionMismatch"


def test_challenge_names_the_scheme(gateway):
    _, _, headers = gateway.request("GET", "/livy/batches")
    assert headers["WWW-Authenticate"].startswith("Bearer")


def test_denied_source_is_closed_before_the_handshake(gateway):
    assert acts.refused_before_handshake(gateway)
    assert not acts.refused_before_handshake(gateway, "127.0.0.67")


def test_assignment_takes_effect_within_a_second(gateway):
    token = gateway.token("guest")
    scope = "/subscriptions/" + gateway.profile()["subscription"]
    grant = ("--role", "Embergate Job Submitter", "--principal", gateway.profile("guest")["object_id"], "--scope", scope)
    assert gateway.json("GET", "/livy/batches", token)[0] == 403
    gateway.run("policy", "assign", *grant)
    assert eventually(lambda: gateway.json("GET", "/livy/batches", token)[0] == 200, 1.0)
    gateway.run("policy", "unassign", *grant)
    assert eventually(lambda: gateway.json("GET", "/livy/batches", token)[0] == 403, 1.0)


def eventually(truth, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if truth():
            return True
        time.sleep(0.05)
    return truth()


def test_a_broken_policy_file_changes_nothing(gateway):
    path = f"{gateway.state}/policies/roleAssignments/broken.json"
    with open(path, "w") as f:
        f.write('{"properties":')
    try:
        time.sleep(1)
        assert gateway.json("GET", "/livy/batches", gateway.token())[0] == 200
        done = gateway.run("policy", "check", check=False)
        assert done.returncode != 0 and "broken.json" in done.stderr
    finally:
        import os
        os.unlink(path)


@pytest.mark.parametrize("path", ["/data/flights/flights.csv", "/livy/batches/0", "/livy/batches"])
def test_a_stranger_learns_nothing(gateway, path):
    audience = "storage" if path.startswith("/data") else "gateway"
    there = gateway.json("GET", path, gateway.token("stranger", audience))
    absent = gateway.json("GET", path + "-absent" if path.startswith("/data") else "/livy/batches/999999", gateway.token("stranger", audience))
    assert there[0] == absent[0] and there[0] in (403, 404)


def test_explain_names_the_assignment(gateway):
    scope = "/subscriptions/" + gateway.profile()["subscription"]
    submit = ("--scope", scope, "--action", "Microsoft.HDInsight/clusters/jobs/submit/action")
    allowed = gateway.run("policy", "explain", "--principal", gateway.profile()["object_id"], *submit, check=False)
    assert allowed.returncode == 0 and "allowed" in allowed.stdout, allowed
    denied = gateway.run("policy", "explain", "--principal", gateway.profile("bystander")["object_id"], *submit, check=False)
    assert "denied" in denied.stdout, denied


def test_assign_refuses_what_it_does_not_know(gateway):
    scope = "/subscriptions/" + gateway.profile()["subscription"]
    for role, principal, where in (("No Such Role", gateway.profile("guest")["object_id"], scope), ("Reader", "not-a-guid", scope),
                                   ("Reader", gateway.profile("guest")["object_id"], "/elsewhere")):
        done = gateway.run("policy", "assign", "--role", role, "--principal", principal, "--scope", where, check=False)
        assert done.returncode == 2, done
    assert gateway.run("policy", "check").returncode == 0
