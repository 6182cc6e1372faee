"""The Azure SDK for Python, Data Lake, sync and async. covers: path.c properties.c list.c append.c"""
import asyncio
import datetime
import os

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.filedatalake import ContentSettings, DataLakeServiceClient
from azure.storage.filedatalake.aio import DataLakeServiceClient as AsyncService

MIB = 1 << 20


def code(expected, status=None):
    return lambda e: getattr(e, "error_code", None) == expected and (status is None or e.status_code == status)


def names_its_request(e):
    return f"RequestId:{e.response.headers['x-ms-request-id']}\nTime:20" in str(e)


def status(expected):
    return lambda e: e.status_code == expected


@pytest.fixture(scope="module")
def service(account):
    with DataLakeServiceClient(account.path_style, credential=account.gateway.credential(), connection_verify=account.gateway.ca) as s:
        yield s


@pytest.fixture(scope="module")
def sdk(board):
    return board.client("Azure SDK for Python (sync)", "dfs", "OAuth")


@pytest.fixture(scope="module")
def fs(service):
    fs = service.get_file_system_client("pydfs")
    fs.create_file_system(metadata={"made": "here"})
    yield fs
    fs.delete_file_system()


def test_file_systems(sdk, service, fs):
    sdk.equal("file system exists", fs.exists(), True)
    sdk.equal("absent file system doesn't exist", service.get_file_system_client("not-there").exists(), False)
    sdk.equal("file system properties", fs.get_file_system_properties().name, "pydfs")
    with sdk.refused("create a file system twice", ResourceExistsError, lambda e: e.status_code == 409):
        fs.create_file_system()
    sdk.equal("list file systems by prefix", [f.name for f in service.list_file_systems(name_starts_with="pydf")], ["pydfs"])
    other = service.create_file_system("pydfs-other")
    names = [f.name for f in service.list_file_systems(results_per_page=1)]
    sdk.equal("list file systems in pages", [n for n in names if n.startswith("pydfs")], ["pydfs", "pydfs-other"])
    other.delete_file_system()
    sdk.equal("delete a file system", other.exists(), False)
    with sdk.refused("read in a deleted file system", ResourceNotFoundError, status(404)):
        other.get_file_client("x").get_file_properties()


@pytest.mark.needs("service")
def test_file_system_metadata(sdk, fs):
    sdk.equal("file system metadata at creation", fs.get_file_system_properties().metadata, {"made": "here"})
    fs.set_file_system_metadata({"a": "1", "b": "two words"})
    sdk.equal("set file system metadata", fs.get_file_system_properties().metadata, {"a": "1", "b": "two words"})


def test_files(sdk, fs):
    file = fs.get_file_client("files/with space/ü+%&.bin")
    data = os.urandom(3 * MIB + 77)
    file.upload_data(data, overwrite=True, chunk_size=MIB)
    p = file.get_file_properties()
    sdk.equal("upload in chunks", p.size, len(data))
    sdk.equal("download", file.download_file().readall(), data)
    sdk.equal("download a range", file.download_file(offset=65530, length=70000).readall(), data[65530:135530])
    sdk.equal("download past the end is cut", file.download_file(offset=len(data) - 10, length=100).readall(), data[-10:])
    with sdk.does("download in chunks") as check:
        check(b"".join(file.download_file(max_concurrency=4).chunks()) == data)
    sdk.equal("download with MD5 of each chunk", file.download_file(offset=0, length=2 * MIB, validate_content=True).readall(), data[:2 * MIB])
    with sdk.refused("range beyond the end", HttpResponseError, status(416)):
        file.download_file(offset=len(data) + 5, length=5).readall()
    with sdk.refused("upload without overwrite", HttpResponseError, lambda e: e.status_code in (400, 409, 412)):
        file.upload_data(b"x")
    sdk.equal("file exists", (file.exists(), fs.get_file_client("files/none").exists()), (True, False))
    file.delete_file()
    sdk.equal("delete a file", file.exists(), False)
    with sdk.refused("an error names its request", ResourceNotFoundError, names_its_request):
        file.delete_file()
    with sdk.refused("delete what is gone", ResourceNotFoundError, code("PathNotFound", 404)):
        file.delete_file()


def test_append_and_flush(sdk, fs):
    file = fs.create_file("append/log")
    sdk.equal("create an empty file", file.get_file_properties().size, 0)
    file.append_data(b"world", offset=6)
    file.append_data(b"hello ", offset=0)
    sdk.equal("appended data is unseen before the flush", file.get_file_properties().size, 0)
    file.flush_data(11)
    sdk.equal("append out of order, flush", file.download_file().readall(), b"hello world")
    file.append_data(b"!", offset=11, flush=True)
    sdk.equal("append with flush", file.download_file().readall(), b"hello world!")
    file.append_data(b"checked", offset=12, validate_content=True)
    file.flush_data(19)
    sdk.equal("append with MD5", file.download_file().readall(), b"hello world!checked")
    with sdk.refused("flush with a gap", HttpResponseError, code("InvalidFlushPosition", 400)):
        file.flush_data(30)
    with sdk.refused("append to what isn't there", ResourceNotFoundError, status(404)):
        fs.get_file_client("append/none").append_data(b"x", 0)


def test_properties(sdk, fs):
    settings = ContentSettings(content_type="text/csv", content_encoding="identity", content_language="de", content_disposition="inline", cache_control="no-store")
    file = fs.get_file_client("properties/a")
    file.create_file(content_settings=settings, metadata={"k": "v", "Umlaut": "gr%C3%BC"})
    p = file.get_file_properties()
    sdk.equal("content headers at creation", (p.content_settings.content_type, p.content_settings.content_language, p.content_settings.cache_control),
              ("text/csv", "de", "no-store"))
    sdk.equal("metadata at creation", p.metadata, {"k": "v", "Umlaut": "gr%C3%BC"})
    before = file.get_file_properties().etag
    file.set_metadata({"other": "1"})
    p = file.get_file_properties()
    sdk.equal("set metadata", p.metadata, {"other": "1"})
    sdk.equal("a change changes the ETag", p.etag != before, True)
    with sdk.does("times") as check:
        check(abs((datetime.datetime.now(datetime.timezone.utc) - p.last_modified).total_seconds()) < 600)
        check(p.creation_time <= p.last_modified)


@pytest.mark.needs("blob")
def test_content_headers(sdk, fs):
    file = fs.create_file("properties/headers")
    file.set_http_headers(ContentSettings(content_type="application/json"))
    sdk.equal("set content headers", file.get_file_properties().content_settings.content_type, "application/json")


def test_conditions(sdk, fs):
    file = fs.get_file_client("conditions/a")
    file.upload_data(b"1", overwrite=True)
    etag, modified = file.get_file_properties().etag, file.get_file_properties().last_modified
    with sdk.refused("create If-None-Match *", ResourceExistsError, status(409)):
        file.create_file(match_condition=MatchConditions.IfMissing)
    with sdk.refused("delete If-Match another", ResourceModifiedError, code("ConditionNotMet", 412)):
        file.delete_file(etag='"0xDEAD"', match_condition=MatchConditions.IfNotModified)
    with sdk.refused("set metadata If-Match another", HttpResponseError, status(412)):
        file.set_metadata({"a": "b"}, etag='"0xDEAD"', match_condition=MatchConditions.IfNotModified)
    sdk.equal("read If-Match", file.download_file(etag=etag, match_condition=MatchConditions.IfNotModified).readall(), b"1")
    with sdk.refused("read If-Unmodified-Since earlier", HttpResponseError, status(412)):
        file.download_file(if_unmodified_since=modified - datetime.timedelta(hours=1)).readall()
    file.delete_file(etag=etag, match_condition=MatchConditions.IfNotModified)
    sdk.equal("delete If-Match", file.exists(), False)


def test_directories(sdk, fs):
    d = fs.create_directory("dirs/a/b", metadata={"m": "1"})
    sdk.equal("create a directory", (d.get_directory_properties().metadata.get("m"), fs.get_directory_client("dirs/a").exists()), ("1", True))
    sdk.equal("is a directory", d.get_directory_properties().metadata.get("hdi_isfolder"), "true")
    for name in ("1", "2", "c/3"):
        d.get_file_client(name).upload_data(name.encode(), overwrite=True)
    paths = list(fs.get_paths("dirs"))
    sdk.equal("list recursively", [p.name for p in paths], ["dirs/a", "dirs/a/b", "dirs/a/b/1", "dirs/a/b/2", "dirs/a/b/c", "dirs/a/b/c/3"])
    sdk.equal("list one level", [(p.name, p.is_directory) for p in fs.get_paths("dirs/a/b", recursive=False)],
              [("dirs/a/b/1", False), ("dirs/a/b/2", False), ("dirs/a/b/c", True)])
    sdk.equal("list in pages", [[p.name for p in page] for page in fs.get_paths("dirs/a/b", recursive=False, max_results=2).by_page()],
              [["dirs/a/b/1", "dirs/a/b/2"], ["dirs/a/b/c"]])
    with sdk.does("list gives size, ETag, owner and permissions") as check:
        first = next(p for p in paths if p.name == "dirs/a/b/c/3")
        check(first.content_length == 3 and first.etag.strip('"') == d.get_file_client("c/3").get_file_properties().etag.strip('"'), dict(first))
        check(first.permissions.startswith("rw") and first.owner, dict(first))
    with sdk.refused("list what isn't there", ResourceNotFoundError, code("PathNotFound", 404)):
        list(fs.get_paths("dirs/none"))
    with sdk.refused("a file as a directory's parent", HttpResponseError, status(409)):
        fs.create_directory("dirs/a/b/1/x")
    sub = d.create_sub_directory("sub")
    sdk.equal("create a subdirectory", sub.exists(), True)
    d.delete_sub_directory("sub")
    sdk.equal("delete a subdirectory", sub.exists(), False)
    fs.get_directory_client("dirs").delete_directory()
    sdk.equal("delete a directory with all below", fs.get_file_client("dirs/a/b/c/3").exists(), False)


def test_rename(sdk, fs):
    fs.get_file_client("rename/a").upload_data(b"a", overwrite=True)
    moved = fs.get_file_client("rename/a").rename_file(f"{fs.file_system_name}/rename/b c")
    sdk.equal("rename a file", (moved.download_file().readall(), fs.get_file_client("rename/a").exists()), (b"a", False))
    fs.get_file_client("rename/z").upload_data(b"z", overwrite=True)
    moved.rename_file(f"{fs.file_system_name}/rename/z")
    sdk.equal("rename over a file", fs.get_file_client("rename/z").download_file().readall(), b"a")
    with sdk.refused("rename If-None-Match over a file", HttpResponseError, status(409)):
        fs.get_file_client("rename/other").upload_data(b"o", overwrite=True)
        fs.get_file_client("rename/other").rename_file(f"{fs.file_system_name}/rename/z", match_condition=MatchConditions.IfMissing)
    fs.get_file_client("rename/dir/x/1").upload_data(b"1", overwrite=True)
    fs.get_directory_client("rename/dir").rename_directory(f"{fs.file_system_name}/renamed")
    sdk.equal("rename a directory", fs.get_file_client("renamed/x/1").download_file().readall(), b"1")
    with sdk.refused("rename what isn't there", ResourceNotFoundError, status(404)):
        fs.get_file_client("rename/none").rename_file(f"{fs.file_system_name}/rename/y")


@pytest.mark.needs("rename across")
def test_rename_across_file_systems(sdk, service, fs):
    other = service.create_file_system("pydfs-across")
    fs.get_file_client("across/a").upload_data(b"a", overwrite=True)
    fs.get_file_client("across/a").rename_file("pydfs-across/b")
    sdk.equal("rename a file across file systems", other.get_file_client("b").download_file().readall(), b"a")
    fs.get_file_client("across/dir/x").upload_data(b"x", overwrite=True)
    fs.get_directory_client("across/dir").rename_directory("pydfs-across/dir")
    sdk.equal("rename a directory across file systems", other.get_file_client("dir/x").download_file().readall(), b"x")
    other.delete_file_system()


def test_access_control(sdk, fs):
    d = fs.create_directory("acl")
    sdk.equal("access control of a new directory", d.get_access_control()["permissions"][:3], "rwx")
    d.set_access_control(permissions="rwxr-x--x")
    sdk.equal("set permissions", d.get_access_control()["permissions"], "rwxr-x--x")
    user = "11111111-2222-3333-4444-555555555555"
    d.set_access_control(acl=f"user::rwx,user:{user}:r-x,group::r-x,mask::r-x,other::---,default:user::rwx,default:group::r-x,default:other::---")
    with sdk.does("set an ACL with a named user and defaults") as check:
        got = d.get_access_control()
        check(f"user:{user}:r-x" in got["acl"] and "default:other::---" in got["acl"] and got["permissions"].endswith("+"), got)
    file = d.create_file("child")
    with sdk.does("default ACL becomes the child's") as check:
        check("other::---" in file.get_access_control()["acl"], file.get_access_control())
    file.set_access_control(owner=user, group=user)
    sdk.equal("set owner and group", [file.get_access_control()[k] for k in ("owner", "group")], [user, user])
    made = fs.get_file_client("acl/made")
    made.create_file(permissions="rw-r-----", umask="0000")
    sdk.equal("permissions and umask at creation", made.get_access_control()["permissions"][:9], "rw-r-----")


@pytest.mark.needs("acl recursive")
def test_recursive_access_control(sdk, fs):
    user = "11111111-2222-3333-4444-555555555555"
    root = fs.create_directory("aclr")
    for i in range(7):
        fs.get_file_client(f"aclr/d{i % 3}/{i}").create_file()
    seen = []
    result = root.set_access_control_recursive("user::rwx,group::r-x,other::---", batch_size=4, progress_hook=lambda p: seen.append(p.batch_counters))
    sdk.equal("set ACL recursively", (result.counters.directories_successful, result.counters.files_successful, result.counters.failure_count), (4, 7, 0))
    sdk.equal("its progress in batches", len(seen) >= 3, True)
    root.update_access_control_recursive(f"user:{user}:rwx")
    sdk.equal("update ACL recursively", f"user:{user}:rwx" in fs.get_file_client("aclr/d0/0").get_access_control()["acl"], True)
    root.remove_access_control_recursive(f"user:{user}")
    sdk.equal("remove ACL recursively", f"user:{user}" in fs.get_file_client("aclr/d0/0").get_access_control()["acl"], False)


@pytest.mark.needs("leases")
def test_leases(sdk, fs):
    file = fs.get_file_client("lease/a")
    file.upload_data(b"1", overwrite=True)
    lease = file.acquire_lease(lease_duration=15)
    sdk.equal("acquire a lease", file.get_file_properties().lease.state, "leased")
    with sdk.refused("write without the lease", HttpResponseError, code("LeaseIdMissing", 412)):
        file.append_data(b"2", offset=1, flush=True)
    file.append_data(b"2", offset=1, flush=True, lease=lease)
    sdk.equal("write with the lease", file.download_file().readall(), b"12")
    lease.renew()
    sdk.equal("renew", file.get_file_properties().lease.state, "leased")
    old = lease.id
    lease.change("22222222-2222-3333-4444-555555555555")
    sdk.equal("change", (lease.id != old, file.get_file_properties().lease.state), (True, "leased"))
    lease.release()
    sdk.equal("release", file.get_file_properties().lease.state, "available")
    lease = file.acquire_lease(lease_duration=-1)
    lease.break_lease(lease_break_period=0)
    sdk.equal("break", file.get_file_properties().lease.state, "broken")
    held = fs.acquire_lease(lease_duration=-1)
    with sdk.refused("delete a leased file system", HttpResponseError, status(412)):
        fs.delete_file_system()
    held.release()
    sdk.equal("lease a file system", fs.get_file_system_properties().lease.state, "available")
    appended = fs.create_file("lease/b")
    appended.append_data(b"x", 0, flush=True, lease_action="acquire", lease_duration=-1, lease="33333333-2222-3333-4444-555555555555")
    sdk.equal("append acquires a lease", appended.get_file_properties().lease.state, "leased")
    appended.append_data(b"y", 1, flush=True, lease_action="release", lease="33333333-2222-3333-4444-555555555555")
    sdk.equal("append releases a lease", appended.get_file_properties().lease.state, "available")


@pytest.mark.needs("expiry")
def test_expiry(sdk, fs):
    file = fs.create_file("expiry/a")
    file.set_file_expiry("RelativeToNow", expires_on=1000 * 3600)
    with sdk.does("set expiry from now") as check:
        left = file.get_file_properties().expiry_time - datetime.datetime.now(datetime.timezone.utc)
        check(datetime.timedelta(minutes=50) < left < datetime.timedelta(minutes=61), left)
    file.set_file_expiry("NeverExpire")
    sdk.equal("never expire", file.get_file_properties().expiry_time, None)


@pytest.mark.needs("cpk")
def test_keys_of_the_caller(sdk, fs):
    import base64
    import hashlib

    from azure.storage.filedatalake import CustomerProvidedEncryptionKey
    key = os.urandom(32)
    cpk = CustomerProvidedEncryptionKey(base64.b64encode(key).decode(), base64.b64encode(hashlib.sha256(key).digest()).decode())
    file = fs.get_file_client("cpk/a")
    file.create_file(cpk=cpk)
    file.append_data(b"secret", 0, cpk=cpk)
    file.flush_data(6, cpk=cpk)
    sdk.equal("write and read with a key of the caller", file.download_file(cpk=cpk).readall(), b"secret")
    with sdk.refused("read without the caller's key", HttpResponseError, status(409)):
        file.download_file().readall()


@pytest.mark.needs("soft delete")
def test_undelete(sdk, fs):
    fs.get_file_client("gone/a").upload_data(b"1", overwrite=True)
    fs.get_file_client("gone/a").delete_file()
    deleted = [p for p in fs.list_deleted_paths(path_prefix="gone")]
    sdk.equal("list deleted paths", [p.name for p in deleted], ["gone/a"])
    fs._undelete_path("gone/a", deleted[0].deletion_id)
    sdk.equal("undelete a path", fs.get_file_client("gone/a").download_file().readall(), b"1")


def test_refusals_of_roles(sdk, account):
    guest = DataLakeServiceClient(account.path_style, credential=account.gateway.credential("guest"), connection_verify=account.gateway.ca)
    with sdk.refused("whoever has no role", HttpResponseError, status(403)):
        guest.get_file_system_client("pydfs").get_file_client("x").upload_data(b"1", overwrite=True)
    with sdk.refused("another tenant", HttpResponseError, lambda e: e.status_code in (401, 403, 404)):
        DataLakeServiceClient(account.path_style, credential=account.gateway.credential("stranger"),
                              connection_verify=account.gateway.ca).get_file_system_client("pydfs").get_file_client("x").get_file_properties()


def test_default_account(board, account):
    sdk = board.client("Azure SDK for Python (sync)", "dfs", "OAuth, default account")
    fs = account.gateway.file_system("data")
    file = fs.get_file_client("default-account/a")
    file.upload_data(b"1", overwrite=True)
    sdk.equal("upload and download", file.download_file().readall(), b"1")
    sdk.equal("list", [p.name for p in fs.get_paths("default-account")], ["default-account/a"])
    fs.get_directory_client("default-account").delete_directory()
    sdk.equal("delete", file.exists(), False)


def test_async(board, account):
    asyncio.run(asynchronously(board.client("Azure SDK for Python (async)", "dfs", "OAuth"), account))


async def asynchronously(sdk, account):
    import ssl

    from azure.core.pipeline.transport import AioHttpTransport
    from azure.identity.aio import ClientSecretCredential
    p = account.gateway.profile()
    async with ClientSecretCredential(p["tenant"], p["client_id"], p["client_secret"], authority=account.gateway.endpoint, disable_instance_discovery=True,
                                      connection_verify=account.gateway.ca) as credential, \
            AsyncService(account.path_style, credential=credential, connection_verify=account.gateway.ca) as service:
        fs = await service.create_file_system("pyasync")
        data = os.urandom(2 * MIB + 5)
        files = [fs.get_file_client(f"many/{i:02}") for i in range(20)]
        await asyncio.gather(*(f.upload_data(data[i:], overwrite=True, chunk_size=MIB) for i, f in enumerate(files)))
        got = await asyncio.gather(*(read(f) for f in files))
        sdk.equal("20 uploads and downloads at once", got, [data[i:] for i in range(20)])
        sdk.equal("list", [path.name async for path in fs.get_paths("many", recursive=False)], [f"many/{i:02}" for i in range(20)])
        sdk.equal("properties", (await files[3].get_file_properties()).size, len(data) - 3)
        sdk.equal("download a range", await (await files[0].download_file(offset=100, length=1000)).readall(), data[100:1100])
        file = await fs.create_file("log")
        await asyncio.gather(*(file.append_data(bytes([65 + i]) * 1000, offset=1000 * i) for i in range(8)))
        await file.flush_data(8000)
        sdk.equal("8 appends at once, flush", await read(file), b"".join(bytes([65 + i]) * 1000 for i in range(8)))
        await file.set_metadata({"a": "b"})
        sdk.equal("set metadata", (await file.get_file_properties()).metadata, {"a": "b"})
        moved = await file.rename_file("pyasync/moved")
        sdk.equal("rename a file", (await moved.exists(), await file.exists()), (True, False))
        await fs.get_directory_client("many").rename_directory("pyasync/more")
        sdk.equal("rename a directory", await read(fs.get_file_client("more/07")), data[7:])
        d = fs.get_directory_client("more")
        await d.set_access_control(permissions="rwxr-x---")
        sdk.equal("set permissions", (await d.get_access_control())["permissions"], "rwxr-x---")
        await d.delete_directory()
        sdk.equal("delete a directory", await fs.get_file_client("more/07").exists(), False)
        with sdk.refused("read what isn't there", ResourceNotFoundError, status(404)):
            await read(fs.get_file_client("none"))
        await fs.delete_file_system()
        sdk.equal("delete a file system", await fs.exists(), False)


async def read(file):
    return await (await file.download_file()).readall()
