"""Shared Key, and shared access signatures of every kind, as the SDKs for Python make them."""
import datetime
import time
import uuid

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.storage.blob import (AccessPolicy, AccountSasPermissions, BlobClient, BlobSasPermissions, BlobServiceClient, ContainerClient,
                                ContainerSasPermissions, ResourceTypes, Services, generate_account_sas, generate_blob_sas, generate_container_sas)
from azure.storage.filedatalake import (DataLakeDirectoryClient, DataLakeFileClient, DataLakeServiceClient, DirectorySasPermissions, FileSasPermissions,
                                        FileSystemClient, FileSystemSasPermissions, generate_directory_sas, generate_file_sas, generate_file_system_sas)

pytestmark = pytest.mark.needs("shared key", "sas")
SDK = "Azure SDK for Python (sync)"


def soon(minutes=30):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)


def denied(*statuses):
    return lambda e: e.status_code in (statuses or (403,))


@pytest.fixture(scope="module")
def box(account):
    name = f"ways-{uuid.uuid4().hex[:8]}"
    c = BlobServiceClient(account.path_style, credential=account.credential(), connection_verify=account.ca).create_container(name)
    c.upload_blob("dir/there", b"there")
    yield c
    c.delete_container()


def test_shared_key(board, account, box):
    c, d = board.client(SDK, "blob", "Shared Key"), board.client(SDK, "dfs", "Shared Key")
    service = BlobServiceClient(account.path_style, credential={"account_name": account.name, "account_key": account.key()}, connection_verify=account.ca)
    mine = service.get_container_client(box.container_name)
    mine.upload_blob("key/ü leer", b"data", metadata={"a": "b"}, overwrite=True)
    blob = mine.get_blob_client("key/ü leer")
    c.equal("Put Blob, Get Blob", blob.download_blob().readall(), b"data")
    c.equal("a range", blob.download_blob(offset=1, length=2).readall(), b"at")
    c.equal("properties", blob.get_blob_properties().metadata, {"a": "b"})
    blob.set_blob_metadata({"c": "d"})
    c.equal("set metadata", blob.get_blob_properties().metadata, {"c": "d"})
    c.equal("list containers", [x.name for x in service.list_containers(name_starts_with=box.container_name)], [box.container_name])
    blob.delete_blob()
    c.equal("delete", blob.exists(), False)
    wrong = BlobServiceClient(account.path_style, credential={"account_name": account.name, "account_key": "A" * 86 + "=="}, connection_verify=account.ca)
    with c.refused("another key", ClientAuthenticationError, denied(403)):
        wrong.get_container_client(box.container_name).get_container_properties()
    lake = DataLakeServiceClient(account.path_style, credential={"account_name": account.name, "account_key": account.key()}, connection_verify=account.ca)
    fs = lake.get_file_system_client(box.container_name)
    fs.get_file_client("key/file").upload_data(b"12345", overwrite=True)
    d.equal("upload, download", fs.get_file_client("key/file").download_file().readall(), b"12345")
    d.equal("list", [p.name for p in fs.get_paths("key")], ["key/file"])
    fs.get_file_client("key/file").rename_file(f"{box.container_name}/key/moved")
    d.equal("rename", fs.get_file_client("key/moved").download_file().readall(), b"12345")
    fs.get_directory_client("key").set_access_control(permissions="rwxr-x---")
    d.equal("set permissions", fs.get_directory_client("key").get_access_control()["permissions"], "rwxr-x---")
    fs.get_directory_client("key").delete_directory()
    d.equal("delete", fs.get_directory_client("key").exists(), False)


@pytest.mark.needs("listing")
def test_shared_key_lists_blobs(board, account, box):
    mine = ContainerClient(account.path_style, box.container_name, {"account_name": account.name, "account_key": account.key()}, connection_verify=account.ca)
    board.client(SDK, "blob", "Shared Key").equal("list", [b.name for b in mine.list_blobs(name_starts_with="dir/")], ["dir/there"])


def test_account_sas(board, account, box):
    c = board.client(SDK, "blob", "account SAS")

    def sas(permissions, until=None, types=None, **kw):
        return generate_account_sas(account.name, account.key(), types or ResourceTypes(service=True, container=True, object=True), permissions, until or soon(),
                                    services=Services(blob=True), **kw)

    def open_box(token):
        return ContainerClient(account.path_style, box.container_name, token, connection_verify=account.ca)
    everything = open_box(sas(AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True)))
    everything.upload_blob("sas/a", b"1", overwrite=True)
    c.equal("Put Blob, Get Blob", everything.download_blob("sas/a").readall(), b"1")
    everything.delete_blob("sas/a")
    c.equal("delete", everything.get_blob_client("sas/a").exists(), False)
    reader = open_box(sas(AccountSasPermissions(read=True)))
    c.equal("read with a reader's", reader.download_blob("dir/there").readall(), b"there")
    with c.refused("write with a reader's", HttpResponseError, denied()):
        reader.upload_blob("sas/b", b"1")
    with c.refused("delete with a reader's", HttpResponseError, denied()):
        reader.delete_blob("dir/there")
    with c.refused("after its time", HttpResponseError, denied()):
        open_box(sas(AccountSasPermissions(read=True), until=soon(-5))).download_blob("dir/there")
    with c.refused("before its time", HttpResponseError, denied()):
        open_box(sas(AccountSasPermissions(read=True), start=soon(20))).download_blob("dir/there")
    with c.refused("from another address", HttpResponseError, denied()):
        open_box(sas(AccountSasPermissions(read=True), ip="10.0.0.0-10.0.0.255")).download_blob("dir/there")
    c.equal("from this address", open_box(sas(AccountSasPermissions(read=True), ip="127.0.0.1")).download_blob("dir/there").readall(), b"there")
    c.equal("over HTTPS alone", open_box(sas(AccountSasPermissions(read=True), protocol="https")).download_blob("dir/there").readall(), b"there")
    with c.refused("of services for objects", HttpResponseError, denied()):
        open_box(sas(AccountSasPermissions(read=True), types=ResourceTypes(service=True))).download_blob("dir/there")
    with c.refused("changed after it was signed", HttpResponseError, denied()):
        open_box(sas(AccountSasPermissions(read=True)).replace("sp=r", "sp=rw")).upload_blob("sas/c", b"1")


def test_service_sas(board, account, box):
    c = board.client(SDK, "blob", "service SAS")
    token = generate_container_sas(account.name, box.container_name, account.key(), permission=ContainerSasPermissions(read=True, write=True, list=True, create=True),
                                   expiry=soon())
    mine = ContainerClient(account.path_style, box.container_name, token, connection_verify=account.ca)
    mine.upload_blob("service/a", b"1", overwrite=True)
    c.equal("of a container: write, read", mine.download_blob("service/a").readall(), b"1")
    with c.refused("of a container: delete isn't in it", HttpResponseError, denied()):
        mine.delete_blob("service/a")
    one = generate_blob_sas(account.name, box.container_name, "dir/there", account_key=account.key(), permission=BlobSasPermissions(read=True), expiry=soon(),
                            content_type="text/x", cache_control="no-store")
    got = BlobClient(account.path_style, box.container_name, "dir/there", credential=one, connection_verify=account.ca).download_blob()
    c.equal("of a blob: read, with its headers", (got.readall(), got.properties.content_settings.content_type, got.properties.content_settings.cache_control),
            (b"there", "text/x", "no-store"))
    with c.refused("of a blob: for another", HttpResponseError, denied()):
        BlobClient(account.path_style, box.container_name, "service/a", credential=one, connection_verify=account.ca).download_blob()


def test_stored_access_policy(board, account, box):
    c = board.client(SDK, "blob", "stored access policy")
    box.set_container_access_policy({"readers": AccessPolicy(permission=ContainerSasPermissions(read=True), expiry=soon())})
    c.equal("set and get policies", [i.id for i in box.get_container_access_policy()["signed_identifiers"]], ["readers"])
    token = generate_container_sas(account.name, box.container_name, account.key(), policy_id="readers")
    mine = ContainerClient(account.path_style, box.container_name, token, connection_verify=account.ca)
    c.equal("a SAS by its policy", mine.download_blob("dir/there").readall(), b"there")
    with c.refused("what the policy doesn't hold", HttpResponseError, denied()):
        mine.upload_blob("policy/a", b"1")
    box.set_container_access_policy({})
    with c.refused("after the policy went", HttpResponseError, denied()):
        end = time.monotonic() + 35
        while time.monotonic() < end:  # Azure says that a policy takes up to 30 s
            mine.download_blob("dir/there")
            time.sleep(1)


def test_user_delegation_sas(board, account, box):
    c, d = board.client(SDK, "blob", "user delegation SAS"), board.client(SDK, "dfs", "user delegation SAS")
    service = BlobServiceClient(account.path_style, credential=account.credential(), connection_verify=account.ca)
    key = service.get_user_delegation_key(soon(-5), soon(60))
    c.equal("user delegation key", key.signed_oid, account.gateway.profile()["object_id"])
    token = generate_container_sas(account.name, box.container_name, user_delegation_key=key, permission=ContainerSasPermissions(read=True, write=True, create=True), expiry=soon())
    mine = ContainerClient(account.path_style, box.container_name, token, connection_verify=account.ca)
    mine.upload_blob("delegated/a", b"1", overwrite=True)
    c.equal("of a container: write, read", mine.download_blob("delegated/a").readall(), b"1")
    with c.refused("delete isn't in it", HttpResponseError, denied()):
        mine.delete_blob("delegated/a")
    lake = DataLakeServiceClient(account.path_style, credential=account.credential(), connection_verify=account.ca)
    key = lake.get_user_delegation_key(soon(-5), soon(60))
    d.equal("user delegation key", key.signed_tid, account.gateway.profile()["tenant"])
    token = generate_directory_sas(account.name, box.container_name, "delegated", key, DirectorySasPermissions(read=True, list=True, write=True, create=True), expiry=soon())
    directory = DataLakeDirectoryClient(account.path_style, box.container_name, "delegated", credential=token, connection_verify=account.ca)
    directory.get_file_client("sub/b").upload_data(b"22", overwrite=True)
    d.equal("of a directory: write, read beneath it", directory.get_file_client("sub/b").download_file().readall(), b"22")
    with d.refused("of a directory: beside it", HttpResponseError, denied()):
        DataLakeFileClient(account.path_style, box.container_name, "dir/there", credential=token, connection_verify=account.ca).download_file().readall()


def test_bound_user_delegation_sas(board, account, box):
    c = board.client(SDK, "blob", "user delegation SAS")
    service = BlobServiceClient(account.path_style, credential=account.credential(), connection_verify=account.ca)
    key = service.get_user_delegation_key(soon(-5), soon(60))
    me, version = account.gateway.profile()["object_id"], {"x-ms-version": "2025-11-05"}
    address = f"/{account.name}/{box.container_name}/dir/there?"
    mine = generate_blob_sas(account.name, box.container_name, "dir/there", user_delegation_key=key, permission="r", expiry=soon(), user_delegation_oid=me)
    both = BlobClient.from_blob_url(account.root + address + mine, credential=account.credential(), connection_verify=account.ca)
    c.equal("for a user: with its token", both.download_blob().readall(), b"there")
    with c.refused("for a user: without a token", HttpResponseError, denied(401)):
        BlobClient.from_blob_url(account.root + address + mine, connection_verify=account.ca).download_blob().readall()
    theirs = generate_blob_sas(account.name, box.container_name, "dir/there", user_delegation_key=key, permission="r", expiry=soon(), user_delegation_oid=str(uuid.uuid4()))
    with c.refused("for a user: for another", HttpResponseError, denied()):
        BlobClient.from_blob_url(account.root + address + theirs, credential=account.credential(), connection_verify=account.ca).download_blob().readall()
    ranged = generate_blob_sas(account.name, box.container_name, "dir/there", user_delegation_key=key, permission="r", expiry=soon(), request_headers={"x-ms-range": "bytes=1-3"})
    blob = BlobClient.from_blob_url(account.root + address + ranged, connection_verify=account.ca, max_single_get_size=3)
    c.equal("for one range: this one", blob.download_blob(offset=1, length=3).readall(), b"her")
    with c.refused("for one range: another", HttpResponseError, denied()):
        blob.download_blob(offset=0, length=3).readall()
    # A copy whose source is signed: what the asker may read itself doesn't count then.
    plain = generate_blob_sas(account.name, box.container_name, "dir/there", user_delegation_key=key, permission="r", expiry=soon())
    target = box.get_blob_client("dir/copied")
    target.start_copy_from_url(account.root + address + plain)
    c.equal("of the source of a copy: read", target.download_blob().readall(), b"there")
    with c.refused("of the source of a copy: read isn't in it", HttpResponseError, denied()):
        target.start_copy_from_url(account.root + address + generate_blob_sas(account.name, box.container_name, "dir/there", user_delegation_key=key, permission="w", expiry=soon()))


def test_renames_by_two_signatures(board, account, box):
    d = board.client(SDK, "dfs", "service SAS")

    def directory_sas(name, permission):
        return generate_directory_sas(account.name, box.container_name, name, account.key(), permission, soon())
    box.upload_blob("two/from/a", b"12", overwrite=True)
    box.upload_blob("two/to/b", b"34", overwrite=True)

    def rename(leaving, arriving):
        source = DataLakeFileClient(account.path_style, box.container_name, "two/from/a", credential=leaving, connection_verify=account.ca)
        return source.rename_file(f"{box.container_name}/two/to/a?{arriving}")
    with d.refused("of a rename's source: delete isn't in it", HttpResponseError, denied()):
        rename(directory_sas("two/from", DirectorySasPermissions(read=True)), directory_sas("two/to", DirectorySasPermissions(write=True, create=True)))
    with d.refused("of a rename's destination: write isn't in it", HttpResponseError, denied()):
        rename(directory_sas("two/from", DirectorySasPermissions(delete=True)), directory_sas("two/to", DirectorySasPermissions(read=True)))
    rename(directory_sas("two/from", DirectorySasPermissions(delete=True)), directory_sas("two/to", DirectorySasPermissions(write=True, create=True)))
    d.equal("of a rename's source and destination", box.download_blob("two/to/a").readall(), b"12")


def test_data_lake_sas(board, account, box):
    d = board.client(SDK, "dfs", "service SAS")
    token = generate_file_system_sas(account.name, box.container_name, account.key(), FileSystemSasPermissions(read=True, write=True, list=True, create=True, delete=True), soon())
    fs = FileSystemClient(account.path_style, box.container_name, credential=token, connection_verify=account.ca)
    fs.get_file_client("lake/a").upload_data(b"12", overwrite=True)
    d.equal("of a file system: write, read", fs.get_file_client("lake/a").download_file().readall(), b"12")
    d.equal("of a file system: list", [p.name for p in fs.get_paths("lake")], ["lake/a"])
    one = generate_file_sas(account.name, box.container_name, "lake", "a", account.key(), FileSasPermissions(read=True), soon())
    d.equal("of a file: read", DataLakeFileClient(account.path_style, box.container_name, "lake/a", credential=one, connection_verify=account.ca).download_file().readall(), b"12")
    with d.refused("of a file: write isn't in it", HttpResponseError, denied()):
        DataLakeFileClient(account.path_style, box.container_name, "lake/a", credential=one, connection_verify=account.ca).append_data(b"3", 2, flush=True)
    fs.get_file_client("lake/a").delete_file()
    d.equal("of a file system: delete", fs.get_file_client("lake/a").exists(), False)
