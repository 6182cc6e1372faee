"""Point 4: the ordinary Azure SDK against the gateway. covers: upload.c exchange.c sign_in.c"""
import os

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError, ResourceNotFoundError


@pytest.fixture(scope="module")
def fs(gateway):
    return gateway.file_system()


def test_round_trip_in_chunks(fs):
    data = os.urandom(5 * 1024 * 1024 + 12345)
    file = fs.get_file_client("sdk/round trip/ü.bin")
    file.upload_data(data, overwrite=True, chunk_size=1 << 20)
    assert file.get_file_properties().size == len(data)
    assert file.download_file().readall() == data
    assert file.download_file(offset=1000, length=70000).readall() == data[1000:71000]


def test_list_rename_delete(fs):
    for name in ("a", "b", "c/d"):
        fs.get_file_client(f"sdk/tree/{name}").upload_data(name.encode(), overwrite=True)
    assert sorted(p.name for p in fs.get_paths("sdk/tree")) == ["sdk/tree/a", "sdk/tree/b", "sdk/tree/c", "sdk/tree/c/d"]
    fs.get_directory_client("sdk/tree").rename_directory("data/sdk/moved")
    assert fs.get_file_client("sdk/moved/c/d").download_file().readall() == b"c/d"
    fs.get_directory_client("sdk/moved").delete_directory()
    with pytest.raises(ResourceNotFoundError):
        fs.get_file_client("sdk/moved/a").get_file_properties()


def test_conditions(fs):
    file = fs.get_file_client("sdk/once")
    file.upload_data(b"1", overwrite=True)
    from azure.core import MatchConditions
    with pytest.raises(ResourceExistsError):
        file.create_file(match_condition=MatchConditions.IfMissing)
    with pytest.raises(HttpResponseError) as e:
        file.delete_file(etag="0xDEAD", match_condition=MatchConditions.IfNotModified)
    assert e.value.status_code == 412
    assert file.download_file().readall() == b"1"


def test_wrong_secret_is_refused(gateway):
    from azure.identity import ClientSecretCredential
    p = gateway.profile()
    credential = ClientSecretCredential(p["tenant"], p["client_id"], "wrong", authority=gateway.endpoint, disable_instance_discovery=True,
                                        connection_verify=gateway.ca)
    with pytest.raises(ClientAuthenticationError):
        credential.get_token("https://storage.azure.com/.default")


def test_what_is_not_built_answers_501_in_azures_shape(gateway):
    status, body, headers = gateway.json("PUT", "/data/sdk/once?comp=tags", gateway.token(audience="storage"),
                                         headers={"x-ms-version": "2023-11-03"})
    assert status == 501 and headers["x-ms-request-id"]


@pytest.mark.parametrize("path", ["/data/%2e%2e/x", "/data/a%00b", "/data/%c0%ae", "/data/a//b", "/data/./a"])
def test_hostile_paths_are_400(gateway, path):
    status, body, headers = gateway.request("GET", path, gateway.token(audience="storage"), headers={"x-ms-version": "2023-11-03"})
    assert status == 400, body
    assert headers["x-ms-request-id"]
