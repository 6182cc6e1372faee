"""Separated duties at decision time: whoever could write policies uses no data there, also by a role that it has activated meanwhile. covers: duties.c"""
import uuid

import acts
import pytest

from server import finish, make_state_folder, new_store_gateway

ACCESS = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"  # User Access Administrator
READS = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"   # Storage Blob Data Reader
VERSION = {"x-ms-version": "2023-11-03"}
AUTH = "/providers/Microsoft.Authorization"


@pytest.fixture(scope="module")
def apart():
    folder = make_state_folder()
    g = new_store_gateway(folder)
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    assert "separation_of_duties: false" in text
    with open(path, "w") as f:
        f.write(text.replace("separation_of_duties: false", "separation_of_duties: true"))
    try:
        g.start()
        g.scope = "/subscriptions/" + g.profile()["subscription"]
        yield g
    finally:
        finish(g, folder)


def lists(g, name):
    return g.json("GET", "/data?resource=filesystem&recursive=false", g.token(name, "storage"), headers=VERSION)


def assign(g, role, who):
    return g.json("PUT", f"{g.scope}{AUTH}/roleAssignments/{uuid.uuid4()}?api-version=2022-04-01", g.token(), {
        "properties": {"roleDefinitionId": f"{g.scope}{AUTH}/roleDefinitions/{role}", "principalId": who, "principalType": "ServicePrincipal"}})


def test_who_writes_policies_uses_no_data(apart):
    """The administrator that init made has both, and is told why it can't."""
    status, body, _ = lists(apart, "admin")
    assert (status, body["error"]["code"]) == (403, "AuthorizationSeparationOfDuties"), body
    assert "Who may write policies may not use data there: the role Owner" in body["error"]["message"]
    account = f"{apart.scope}/resourceGroups/embergate/providers/Microsoft.Storage/storageAccounts/{apart.profile()['account']}"
    status, body, _ = apart.json("POST", f"{account}/listKeys?api-version=2023-01-01", apart.token(), {})
    assert (status, body["error"]["code"]) == (403, "AuthorizationSeparationOfDuties"), body
    status, body, _ = apart.json("POST", "/livy/batches", apart.token(), {"file": acts.address(apart, "jobs/none.py")})
    assert status == 403, body
    said = apart.run("policy", "check-access", "--principal", apart.profile()["object_id"], "--scope", account,
                     "--data-action", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read").stdout
    assert said.startswith("denied: Who may write policies may not use data there"), said


def test_an_activated_right_to_write_policies_ends_reading(apart):
    """No change of policies gives both; an activation does, and is asked about at each request."""
    guest = apart.profile("guest")["object_id"]
    assert assign(apart, READS, guest)[0] == 201
    assert acts.eventually(lambda: lists(apart, "guest")[0] == 200)
    status, body, _ = assign(apart, ACCESS, guest)
    assert (status, body["error"]["code"]) == (409, "SeparationOfDuties"), body
    name = str(uuid.uuid4())
    document = {"id": f"{apart.scope}{AUTH}/roleEligibilitySchedules/{name}", "name": name, "type": "Microsoft.Authorization/roleEligibilitySchedules",
                "properties": {"roleDefinitionId": f"{apart.scope}{AUTH}/roleDefinitions/{ACCESS}", "principalId": guest, "principalType": "ServicePrincipal", "scope": apart.scope}}
    status, body, _ = apart.json("POST", f"{apart.scope}/providers/Embergate.Policies/change", apart.token(), {"puts": [{"type": "roleEligibilitySchedules", "document": document}]})
    assert status == 200, body
    assert lists(apart, "guest")[0] == 200
    status, body, _ = apart.json("PUT", f"{apart.scope}{AUTH}/roleAssignmentScheduleRequests/{uuid.uuid4()}?api-version=2020-10-01", apart.token("guest"), {"properties": {
        "requestType": "SelfActivate", "roleDefinitionId": f"{apart.scope}{AUTH}/roleDefinitions/{ACCESS}", "principalId": guest, "justification": "on call",
        "scheduleInfo": {"expiration": {"type": "AfterDuration", "duration": "PT1H"}}}})
    if status == 201:
        assert acts.eventually(lambda: lists(apart, "guest")[0] == 403)
        assert lists(apart, "guest")[1]["error"]["code"] == "AuthorizationSeparationOfDuties"
    else:
        assert body["error"]["code"] == "SeparationOfDuties", body
        assert lists(apart, "guest")[0] == 200
