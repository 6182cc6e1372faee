"""Ways in that are no token, by the real Azure SDKs: account key, every kind of shared access signature, each refusal by its code; and access control lists."""
import datetime
import http.client
import re
import socket
import ssl
import uuid

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (AccessPolicy, AccountSasPermissions, BlobServiceClient, ContainerSasPermissions, ResourceTypes, generate_account_sas,
                                generate_blob_sas, generate_container_sas)
from azure.storage.filedatalake import DataLakeServiceClient, generate_directory_sas, generate_file_sas

from server import finish, make_state_folder, new_gateway

HOUR = datetime.timedelta(hours=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def edit(g, change):
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(change(text))


def allow(text):
    assert "allowSharedKeyAccess: false" in text
    assert 'minimumTlsVersion: "TLS1_2"' in text or "minimumTlsVersion: TLS1_2" in text
    return re.sub('minimumTlsVersion: "?TLS1_2"?', "minimumTlsVersion: TLS1_3", text.replace("allowSharedKeyAccess: false", "allowSharedKeyAccess: true"))


@pytest.fixture(scope="module")
def lake():
    folder = make_state_folder()
    g = new_gateway(folder)
    edit(g, allow)
    try:
        g.start()
        with open(f"{g.state}/embergate.yaml") as f:
            text = f.read()
        section = text[text.index("\naccounts:"):]
        g.account = re.search(r"name: \"?([a-z0-9]+)", section).group(1)
        g.arm = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Storage/storageAccounts/{}".format(
            re.search(r"subscription: \"?([0-9a-f-]+)", section).group(1), re.search(r"resource_group: \"?([\w.()-]+)", section).group(1), g.account)
        status, body, _ = g.json("POST", f"{g.arm}/listKeys?api-version=2023-01-01", g.token())
        assert status == 200, body
        g.keys = [k["value"] for k in body["keys"]]
        g.file_system().get_file_client("ways/dir/f").upload_data(b"hello", overwrite=True)
        g.file_system().get_file_client("ways/other").upload_data(b"other", overwrite=True)
        yield g
    finally:
        finish(g, folder)


def blobs(g, credential):
    return BlobServiceClient(g.endpoint, credential=credential, connection_verify=g.ca)


def dfs(g, credential):
    return DataLakeServiceClient(g.endpoint, credential=credential, connection_verify=g.ca)


def lake_blobs(g):
    return BlobServiceClient(g.endpoint, credential=g.credential(), connection_verify=g.ca)


def with_key(g, n=0):
    return {"account_name": g.account, "account_key": g.keys[n]}


def refused(code, call):
    with pytest.raises(HttpResponseError) as e:
        call()
    assert e.value.response.headers.get("x-ms-error-code") == code, (e.value.status_code, e.value.response.headers.get("x-ms-error-code"), e.value.message)
    return e.value


def read(g, sas, path="ways/dir/f"):
    return blobs(g, sas).get_blob_client("data", path).download_blob().readall()


def test_account_key(lake):
    for n in (0, 1):
        file = dfs(lake, with_key(lake, n)).get_file_system_client("data").get_file_client(f"ways/by key {n}ü")
        file.upload_data(b"x" * 1000, overwrite=True, metadata={"a_b": "1", "ab": "2"})
        assert file.download_file().readall() == b"x" * 1000
        assert file.get_access_control()["owner"] == "$superuser"
    blob = blobs(lake, with_key(lake)).get_blob_client("data", "ways/dir/f")
    assert blob.download_blob(offset=1, length=3).readall() == b"ell"
    made = dfs(lake, with_key(lake)).create_file_system("bykey")
    assert [p.name for p in made.get_paths()] == []
    made.delete_file_system()


def test_the_accounts_oldest_tls_version(lake):
    """minimumTlsVersion TLS1_3: the listener takes 1.2, the account refuses it, whatever the way in."""
    token = lake.token(audience="storage")
    for version, status, code in ((ssl.TLSVersion.TLSv1_3, 200, None), (ssl.TLSVersion.TLSv1_2, 400, "TlsVersionNotPermitted")):
        context = lake.context()
        context.maximum_version = version
        for headers, query in (({"Authorization": f"Bearer {token}"}, ""),
                               ({}, "?" + generate_blob_sas(lake.account, "data", "ways/dir/f", account_key=lake.keys[0], permission="r", expiry=now() + HOUR))):
            connection = http.client.HTTPSConnection("127.0.0.1", lake.port, context=context, timeout=30)
            connection.request("GET", f"/data/ways/dir/f{query}", headers={"x-ms-version": "2021-12-02", **headers})
            answer = connection.getresponse()
            assert (answer.status, answer.headers.get("x-ms-error-code")) == (status, code)
            connection.close()


def test_a_wrong_key_is_refused(lake):
    wrong = {"account_name": lake.account, "account_key": lake.keys[0][:-8] + "AAAAAA=="}
    e = refused("AuthenticationFailed", lambda: blobs(lake, wrong).get_blob_client("data", "ways/dir/f").get_blob_properties())
    assert e.status_code == 403


def test_account_sas(lake):
    def sas(types="sco", permission="rwdlac", **more):
        return generate_account_sas(lake.account, lake.keys[0], ResourceTypes.from_string(types), AccountSasPermissions.from_string(permission),
                                    more.pop("expiry", now() + HOUR), **more)
    assert read(lake, sas()) == b"hello"
    blobs(lake, sas()).get_blob_client("data", "ways/by sas").upload_blob(b"1", overwrite=True)
    assert blobs(lake, sas()).get_container_client("data").get_container_properties()["name"] == "data"
    assert "data" in [c.name for c in blobs(lake, sas()).list_containers()]
    refused("AuthorizationPermissionMismatch", lambda: blobs(lake, sas(permission="rl")).get_blob_client("data", "ways/no").upload_blob(b"1"))
    refused("AuthorizationResourceTypeMismatch", lambda: read(lake, sas("s")))
    refused("AuthorizationSourceIPMismatch", lambda: read(lake, sas(ip="10.9.8.7")))
    refused("AuthenticationFailed", lambda: read(lake, sas(expiry=now() - HOUR)))
    refused("AuthenticationFailed", lambda: read(lake, sas(start=now() + HOUR / 2)))
    assert read(lake, sas(ip="127.0.0.1", protocol="https")) == b"hello"
    tampered = sas(permission="r").replace("sp=r", "sp=rw")
    refused("AuthenticationFailed", lambda: read(lake, tampered))


def test_service_sas_of_a_blob(lake):
    def sas(permission, path="ways/dir/f", **more):
        return generate_blob_sas(lake.account, "data", path, account_key=lake.keys[1], permission=permission, expiry=now() + HOUR, **more)
    assert read(lake, sas("r")) == b"hello"
    refused("AuthenticationFailed", lambda: read(lake, sas("r"), "ways/other"))
    refused("AuthorizationPermissionMismatch", lambda: read(lake, sas("w")))
    blob = blobs(lake, sas("r", content_type="text/x-mine", content_disposition="attachment")).get_blob_client("data", "ways/dir/f")
    settings = blob.download_blob().properties.content_settings
    assert settings.content_type == "text/x-mine" and settings.content_disposition == "attachment"
    fresh = f"ways/{uuid.uuid4()}"
    create = blobs(lake, sas("c", fresh)).get_blob_client("data", fresh)
    create.upload_blob(b"1")
    refused("AuthorizationPermissionMismatch", lambda: create.upload_blob(b"2", overwrite=True))
    assert lake.file_system().get_file_client(fresh).download_file().readall() == b"1"


def test_service_sas_of_a_container_and_a_stored_policy(lake):
    container = blobs(lake, with_key(lake)).get_container_client("data")
    container.set_container_access_policy({"reading": AccessPolicy(permission=ContainerSasPermissions(read=True), start=now() - HOUR, expiry=now() + HOUR)})
    assert [p.id for p in container.get_container_access_policy()["signed_identifiers"]] == ["reading"]
    sas = generate_container_sas(lake.account, "data", account_key=lake.keys[0], policy_id="reading")
    assert read(lake, sas) == b"hello"
    refused("AuthorizationPermissionMismatch", lambda: blobs(lake, sas).get_blob_client("data", "ways/no").upload_blob(b"1"))
    container.set_container_access_policy({})
    refused("AuthenticationFailed", lambda: read(lake, sas))
    plain = generate_container_sas(lake.account, "data", account_key=lake.keys[0], permission="rl", expiry=now() + HOUR)
    assert "ways/dir/f" in [p.name for p in dfs(lake, plain).get_file_system_client("data").get_paths("ways")]


def test_directory_sas(lake):
    sas = generate_directory_sas(lake.account, "data", "ways/dir", lake.keys[0], permission="rlwd", expiry=now() + HOUR)
    fs = dfs(lake, sas).get_file_system_client("data")
    assert fs.get_file_client("ways/dir/f").download_file().readall() == b"hello"
    assert [p.name for p in fs.get_paths("ways/dir")] == ["ways/dir/f"]
    refused("AuthenticationFailed", lambda: fs.get_file_client("ways/other").download_file().readall())
    file = fs.get_file_client("ways/dir/new")
    file.upload_data(b"new", overwrite=True)
    file.delete_file()


def test_user_delegation(lake):
    service = lake.data_lake()
    key = service.get_user_delegation_key(now() - HOUR / 10, now() + HOUR)
    sas = generate_file_sas(lake.account, "data", "ways/dir", "f", key, permission="r", expiry=now() + HOUR)
    assert read(lake, sas) == b"hello"
    directory = generate_directory_sas(lake.account, "data", "ways/dir", key, permission="rl", expiry=now() + HOUR)
    assert [p.name for p in dfs(lake, directory).get_file_system_client("data").get_paths("ways/dir")] == ["ways/dir/f"]
    refused("AuthorizationPermissionMismatch", lambda: dfs(lake, directory).get_file_system_client("data").get_file_client("ways/dir/new").create_file())
    stranger = generate_file_sas(lake.account, "data", "ways/dir", "f", key, permission="r", expiry=now() + HOUR, agent_object_id=str(uuid.uuid4()))
    refused("AuthorizationPermissionMismatch", lambda: read(lake, stranger))   # its lists grant nothing
    with pytest.raises(HttpResponseError) as e:
        service.get_user_delegation_key(now(), now() + datetime.timedelta(days=8))
    assert e.value.status_code == 400
    status, _, _ = lake.json("POST", f"{lake.arm}/revokeUserDelegationKeys?api-version=2023-01-01", lake.token())
    assert status == 200
    refused("AuthenticationFailed", lambda: read(lake, sas))


def test_a_signature_for_one_person(lake):
    """sduoid: good beside this person's own token, who needs no role; to everybody else it is worth nothing."""
    person, expiry = lake.profile("bystander")["object_id"], now() + HOUR
    key = lake_blobs(lake).get_user_delegation_key(now() - HOUR / 10, now() + HOUR)
    sas = generate_blob_sas(lake.account, "data", "ways/dir/f", user_delegation_key=key, permission="r", expiry=expiry, user_delegation_oid=person)

    def ask(token, query=sas):
        status, body, headers = lake.request("GET", f"/data/ways/dir/f?{query}", token, headers={"x-ms-version": "2025-11-05"})
        return (status, body) if status == 200 else (status, headers.get("x-ms-error-code"))
    theirs, admins = lake.token("bystander", audience="storage"), lake.token(audience="storage")
    assert ask(theirs) == (200, b"hello")
    assert ask(None) == (401, "NoAuthenticationInformation") or ask(None)[0] == 401
    assert ask(admins) == (403, "AuthenticationFailed")
    assert ask(lake.token("bystander"))[0] == 401                                    # a token for something else
    assert ask(theirs, sas.replace(person, str(uuid.uuid4()))) == (403, "AuthenticationFailed")
    assert ask(theirs, re.sub("&sduoid=[^&]*", "", sas)) == (403, "AuthorizationPermissionMismatch")  # names nobody: its own rights count
    other = generate_blob_sas(lake.account, "data", "ways/other", user_delegation_key=key, permission="r", expiry=expiry, user_delegation_oid=person)
    assert ask(theirs, other) == (403, "AuthenticationFailed")


def test_a_signature_for_one_request(lake):
    """srh and srq: headers and parameters are signed, too."""
    key = lake_blobs(lake).get_user_delegation_key(now() - HOUR / 10, now() + HOUR)
    name = f"ways/{uuid.uuid4()}"
    sas = generate_blob_sas(lake.account, "data", name, user_delegation_key=key, permission="rcw", expiry=now() + HOUR, request_headers={"x-ms-meta-a": "b c"},
                            request_query_params={"comp": "metadata"})

    def ask(value, query="comp=metadata"):
        status, _, headers = lake.request("PUT", f"/data/{name}?{query}&{sas}", None, b"", {"x-ms-version": "2025-11-05", "x-ms-meta-a": value})
        return status, headers.get("x-ms-error-code")
    lake.file_system().get_file_client(name).create_file()
    assert ask("b c") == (200, None)
    assert ask("other") == (403, "AuthenticationFailed")
    assert ask("b c", "comp=snapshot") == (403, "AuthenticationFailed")
    assert ask("b c", "timeout=1") == (403, "AuthenticationFailed")


def test_a_rename_by_two_signatures(lake):
    """One for what leaves, another for where it goes; each only does its part."""
    def sas(directory, permission):
        return generate_directory_sas(lake.account, "data", directory, lake.keys[0], permission=permission, expiry=now() + HOUR)
    fs = lake.file_system()
    for name in ("ways/from/f", "ways/to/there"):
        fs.get_file_client(name).upload_data(b"moved", overwrite=True)

    def rename(leaving, arriving):
        return dfs(lake, leaving).get_file_system_client("data").get_file_client("ways/from/f").rename_file(f"data/ways/to/f?{arriving}")
    refused("AuthorizationPermissionMismatch", lambda: rename(sas("ways/from", "r"), sas("ways/to", "cw")))
    refused("AuthorizationPermissionMismatch", lambda: rename(sas("ways/from", "rd"), sas("ways/to", "r")))
    refused("AuthenticationFailed", lambda: rename(sas("ways/to", "rd"), sas("ways/to", "cw")))
    assert fs.get_file_client("ways/from/f").exists() and not fs.get_file_client("ways/to/f").exists()
    rename(sas("ways/from", "rd"), sas("ways/to", "cw"))
    assert fs.get_file_client("ways/to/f").download_file().readall() == b"moved" and not fs.get_file_client("ways/from/f").exists()


def test_access_control_lists(lake):
    """It has no role: what lists grant is all that it may."""
    who = lake.profile("bystander")["object_id"]
    path = "lists/dir/f"
    owner = lake.file_system()
    owner.get_file_client(path).upload_data(b"mine", overwrite=True)
    asks = lake.file_system(name="bystander").get_file_client(path)
    refused("AuthorizationPermissionMismatch", lambda: asks.download_file().readall())
    for directory in ("", "/lists", "/lists/dir"):
        acl = f"user::rwx,user:{who}:--x,group::r-x,other::---"
        status, body, _ = lake.request("PATCH", f"/data{directory}?action=setAccessControl", lake.token(audience="storage"),
                                       headers={"x-ms-acl": acl, "x-ms-version": "2021-12-02"})
        assert status == 200, body
    refused("AuthorizationPermissionMismatch", lambda: asks.download_file().readall())
    owner.get_file_client(path).set_access_control(acl=f"user::rw-,user:{who}:r--,group::r--,other::---")
    assert asks.download_file().readall() == b"mine"
    refused("AuthorizationPermissionMismatch", lambda: asks.append_data(b"x", 4))
    refused("AuthorizationPermissionMismatch", asks.delete_file)
    refused("AuthorizationPermissionMismatch", lambda: asks.set_access_control(permissions="0777"))
    refused("AuthorizationPermissionMismatch", lambda: list(lake.file_system(name="bystander").get_paths("lists/dir")))


def test_signatures_stay_out_of_the_log(lake):
    sas = generate_blob_sas(lake.account, "data", "ways/dir/f", account_key=lake.keys[0], permission="r", expiry=now() + HOUR)
    assert read(lake, sas) == b"hello"
    signature = re.search("sig=([^&]*)", sas).group(1)
    with open(lake.log_path) as f:
        text = f.read()
    assert signature not in text and lake.keys[0] not in text and lake.keys[1] not in text


def test_shared_key_is_off_by_default(gateway):
    with open(f"{gateway.state}/embergate.yaml") as f:
        account = re.search(r"\naccounts:\n\s+- name: \"?([a-z0-9]+)", f.read()).group(1)
    anyone = {"account_name": account, "account_key": "A" * 86 + "=="}
    e = refused("KeyBasedAuthenticationNotPermitted", lambda: blobs(gateway, anyone).get_blob_client("data", "x").get_blob_properties())
    assert e.status_code == 403
    sas = generate_blob_sas(account, "data", "x", account_key="A" * 86 + "==", permission="r", expiry=now() + HOUR)
    refused("KeyBasedAuthenticationNotPermitted", lambda: blobs(gateway, sas).get_blob_client("data", "x").get_blob_properties())


def test_a_renewed_key_replaces_the_old_one(lake):
    status, body, _ = lake.json("POST", f"{lake.arm}/regenerateKey?api-version=2023-01-01", lake.token(), {"keyName": "key2"})
    assert status == 200 and body["keys"][0]["value"] == lake.keys[0] and body["keys"][1]["value"] != lake.keys[1]
    old = with_key(lake, 1)
    refused("AuthenticationFailed", lambda: blobs(lake, old).get_blob_client("data", "ways/dir/f").get_blob_properties())
    lake.keys[1] = body["keys"][1]["value"]
    assert blobs(lake, with_key(lake, 1)).get_blob_client("data", "ways/dir/f").get_blob_properties().size == 5


def test_host_style_names(lake, monkeypatch):
    """{account}.blob.{domain} and {account}.dfs.{domain}: what stands in for the name service is ours, names and certificate are the real ones."""
    with open(f"{lake.state}/embergate.yaml") as f:
        domain = re.search(r"\ndomain: \"?([\w.-]+)", f.read()).group(1)
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: real("127.0.0.1" if str(host).endswith(domain) else host, *more, **named))
    options = {"credential": with_key(lake), "connection_verify": lake.ca, "retry_total": 0}
    service = BlobServiceClient(f"https://{lake.account}.blob.{domain}:{lake.port}", **options)
    assert service.get_blob_client("data", "ways/dir/f").download_blob().readall() == b"hello"
    service = DataLakeServiceClient(f"https://{lake.account}.dfs.{domain}:{lake.port}", **options)
    assert service.get_file_system_client("data").get_file_client("ways/dir/f").download_file().readall() == b"hello"
    service = BlobServiceClient(f"{lake.endpoint}/{lake.account}", **options)
    assert service.get_blob_client("data", "ways/dir/f").download_blob().readall() == b"hello"
