"""The Azure SDK for Python, Blob, sync and async."""
import asyncio
import base64
import datetime
import hashlib
import io
import os
import uuid

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobServiceClient, ContainerEncryptionScope, ContentSettings, CustomerProvidedEncryptionKey
from azure.storage.blob.aio import BlobServiceClient as AsyncService

pytestmark = pytest.mark.needs("blob")
MIB = 1 << 20


def code(expected, status=None):
    return lambda e: getattr(e, "error_code", None) == expected and (status is None or e.status_code == status)


def names_its_request(e):
    return f"RequestId:{e.response.headers['x-ms-request-id']}\nTime:20" in str(e)


def status(*expected):
    return lambda e: e.status_code in expected


def connect(account, cls=BlobServiceClient, credential=None, **kw):
    options = {"connection_verify": account.ca} if account.ca else {}
    return cls(account.path_style, credential=credential or account.credential(), max_single_put_size=4 * MIB, max_block_size=MIB,
               max_single_get_size=4 * MIB, max_chunk_get_size=MIB, **options, **kw)


@pytest.fixture(scope="module")
def service(blob_account):
    with connect(blob_account) as s:
        yield s


@pytest.fixture(scope="module")
def sdk(board):
    return board.client("Azure SDK for Python (sync)", "blob", "OAuth")


@pytest.fixture(scope="module")
def box(service):
    c = service.get_container_client(f"pyblob-{uuid.uuid4().hex[:8]}")
    c.create_container(metadata={"made": "here"})
    yield c
    c.delete_container()


@pytest.mark.needs("service")
def test_containers(sdk, service, box):
    sdk.equal("container exists", (box.exists(), service.get_container_client("absent-one").exists()), (True, False))
    sdk.equal("container metadata at creation", box.get_container_properties().metadata, {"made": "here"})
    with sdk.refused("create a container twice", ResourceExistsError, code("ContainerAlreadyExists", 409)):
        box.create_container()
    before = box.get_container_properties().etag
    box.set_container_metadata({"a": "1", "b": "two words"})
    p = box.get_container_properties()
    sdk.equal("set container metadata", (p.metadata, p.etag != before), ({"a": "1", "b": "two words"}, True))
    sdk.equal("container properties", (p.name, p.lease.state), (box.container_name, "available"))
    sdk.equal("list containers by prefix, with metadata",
              [(c.name, c.metadata) for c in service.list_containers(name_starts_with=box.container_name, include_metadata=True)], [(box.container_name, {"a": "1", "b": "two words"})])
    other = service.create_container(box.container_name + "-2")
    pages = service.list_containers(name_starts_with=box.container_name, results_per_page=1).by_page()
    sdk.equal("list containers in pages", [[c.name for c in page] for page in pages], [[box.container_name], [other.container_name]])
    other.delete_container()
    sdk.equal("delete a container", other.exists(), False)
    with sdk.refused("delete an absent container", ResourceNotFoundError, code("ContainerNotFound", 404)):
        other.delete_container()


@pytest.mark.needs("service")
def test_service(sdk, service):
    with sdk.does("account information") as check:
        got = service.get_account_information()
        check(got["sku_name"] and got["account_kind"], got)
    with sdk.does("service properties") as check:
        got = service.get_service_properties()
        check("delete_retention_policy" in got, got)


@pytest.mark.needs("blocks")
def test_block_blobs(sdk, box):
    blob = box.get_blob_client("put/ü leer+%&.bin")
    small, large = os.urandom(100_000), os.urandom(5 * MIB + 333)
    blob.upload_blob(small)
    p = blob.get_blob_properties()
    sdk.equal("Put Blob", (p.size, p.blob_type.value), (len(small), "BlockBlob"))
    sdk.equal("Get Blob", blob.download_blob().readall(), small)
    with sdk.refused("Put Blob If-None-Match *", ResourceExistsError, code("BlobAlreadyExists", 409)):
        blob.upload_blob(b"x")
    blob.upload_blob(large, overwrite=True, max_concurrency=3)
    sdk.equal("upload in blocks, download in ranges", blob.download_blob(max_concurrency=3).readall(), large)
    sdk.equal("Get Blob of a range", blob.download_blob(offset=MIB - 5, length=1000).readall(), large[MIB - 5:MIB + 995])
    sdk.equal("Get Blob with MD5 of each range", blob.download_blob(offset=0, length=2 * MIB, validate_content=True).readall(), large[:2 * MIB])
    with sdk.refused("a range beyond the end", HttpResponseError, code("InvalidRange", 416)):
        blob.download_blob(offset=len(large) + 1, length=5).readall()
    out = io.BytesIO()
    blob.download_blob().readinto(out)
    sdk.equal("download into a stream", out.getvalue(), large)
    blob.upload_blob(b"", overwrite=True)
    sdk.equal("an empty blob", blob.download_blob().readall(), b"")
    blob.upload_blob(small, overwrite=True, validate_content=True)
    sdk.equal("Put Blob with MD5", bytes(blob.get_blob_properties().content_settings.content_md5 or b"") != b"", True)
    with sdk.refused("Put Blob with a wrong MD5", HttpResponseError, status(400)):
        blob._client.block_blob.upload(body=io.BytesIO(b"abc"), content_length=3, transactional_content_md5=b"0" * 16)
    blob.upload_blob(iter([b"a" * 10, b"b" * 10]), overwrite=True)
    sdk.equal("upload of unknown length", blob.download_blob().readall(), b"a" * 10 + b"b" * 10)
    blob.delete_blob()
    sdk.equal("Delete Blob", blob.exists(), False)
    with sdk.refused("Delete Blob of none", ResourceNotFoundError, code("BlobNotFound", 404)):
        blob.delete_blob()
    with sdk.refused("an error names its request", ResourceNotFoundError, names_its_request):
        blob.delete_blob()


@pytest.mark.needs("blocks")
def test_blocks(sdk, box):
    blob = box.get_blob_client("blocks/a")
    for i in range(3):
        blob.stage_block(f"id{i}", bytes([65 + i]) * 1000)
    committed, staged = blob.get_block_list("all")
    sdk.equal("Put Block, Get Block List before commit", (len(committed), sorted(b.id for b in staged)), (0, ["id0", "id1", "id2"]))
    sdk.equal("staged blocks are no blob yet", blob.exists(), False)
    blob.commit_block_list([BlobBlock("id2"), BlobBlock("id0")], metadata={"m": "1"}, content_settings=ContentSettings(content_type="text/x"))
    sdk.equal("Put Block List in another order", blob.download_blob().readall(), b"C" * 1000 + b"A" * 1000)
    p = blob.get_blob_properties()
    sdk.equal("Put Block List sets metadata and headers", (p.metadata, p.content_settings.content_type), ({"m": "1"}, "text/x"))
    committed, staged = blob.get_block_list("all")
    sdk.equal("Get Block List after commit", ([(b.id, b.size) for b in committed], staged), ([("id2", 1000), ("id0", 1000)], []))
    blob.stage_block("id9", b"new")
    blob.commit_block_list([BlobBlock("id0"), BlobBlock("id9")])
    sdk.equal("Put Block List from committed and new blocks", blob.download_blob().readall(), b"A" * 1000 + b"new")
    with sdk.refused("Put Block List of an unknown block", HttpResponseError, code("InvalidBlockList", 400)):
        blob.commit_block_list([BlobBlock("none")])
    blob.stage_block("same", b"first")
    blob.stage_block("same", b"second")
    blob.commit_block_list([BlobBlock("same")])
    sdk.equal("a block staged again replaces the first", blob.download_blob().readall(), b"second")


@pytest.mark.needs("append blobs")
def test_append_blobs(sdk, box):
    blob = box.get_blob_client("append/log")
    blob.create_append_blob(metadata={"a": "b"})
    sdk.equal("create an append blob", (blob.get_blob_properties().blob_type.value, blob.get_blob_properties().size), ("AppendBlob", 0))
    first = blob.append_block(b"one ")
    second = blob.append_block(b"two")
    sdk.equal("Append Block", (blob.download_blob().readall(), first["blob_append_offset"], second["blob_append_offset"], second["blob_committed_block_count"]),
              (b"one two", "0", "4", 2))
    with sdk.refused("Append Block at another position", HttpResponseError, code("AppendPositionConditionNotMet", 412)):
        blob.append_block(b"x", appendpos_condition=3)
    with sdk.refused("Append Block past a maximal size", HttpResponseError, code("MaxBlobSizeConditionNotMet", 412)):
        blob.append_block(b"x" * 10, maxsize_condition=10)
    with sdk.refused("Put Block into an append blob", HttpResponseError, status(409)):
        blob.stage_block("x", b"1")
    blob.upload_blob(b" three", blob_type="AppendBlob")
    sdk.equal("upload_blob appends", blob.download_blob().readall(), b"one two three")
    blob.seal_append_blob()
    with sdk.refused("Append Block after a seal", HttpResponseError, code("BlobIsSealed", 409)):
        blob.append_block(b"x")


def test_properties(sdk, box):
    blob = box.get_blob_client("properties/a")
    settings = ContentSettings(content_type="text/csv", content_encoding="identity", content_language="de", content_disposition="inline", cache_control="no-store")
    blob.upload_blob(b"123", metadata={"K": "v", "k2": "a b"}, content_settings=settings)
    p = blob.get_blob_properties()
    sdk.equal("headers at upload", (p.content_settings.content_type, p.content_settings.content_language, p.content_settings.cache_control,
                                    p.content_settings.content_disposition), ("text/csv", "de", "no-store", "inline"))
    sdk.equal("metadata at upload", {k.lower(): v for k, v in p.metadata.items()}, {"k": "v", "k2": "a b"})
    blob.set_http_headers(ContentSettings(content_type="application/json"))
    p = blob.get_blob_properties()
    sdk.equal("Set Blob Properties", (p.content_settings.content_type, p.content_settings.content_language), ("application/json", None))
    before = p.etag
    blob.set_blob_metadata({"other": "1"})
    p = blob.get_blob_properties()
    sdk.equal("Set Blob Metadata", (p.metadata, p.etag != before), ({"other": "1"}, True))
    with sdk.does("times and ETag") as check:
        check(abs((datetime.datetime.now(datetime.timezone.utc) - p.last_modified).total_seconds()) < 600 and p.creation_time <= p.last_modified)
        check(p.etag.startswith('"'), p.etag)
    with sdk.refused("properties of what isn't there", ResourceNotFoundError, status(404)):
        box.get_blob_client("none").get_blob_properties()


def test_conditions(sdk, box):
    blob = box.get_blob_client("conditions/a")
    blob.upload_blob(b"1", overwrite=True)
    p = blob.get_blob_properties()
    other = {"etag": '"0xDEAD"', "match_condition": MatchConditions.IfNotModified}
    for name, act in (("Get Blob", lambda **k: blob.download_blob(**k)), ("Set Blob Metadata", lambda **k: blob.set_blob_metadata({"a": "b"}, **k)),
                      ("Put Blob", lambda **k: blob.upload_blob(b"2", overwrite=True, **k)), ("Delete Blob", lambda **k: blob.delete_blob(**k))):
        with sdk.refused(f"{name} If-Match another", HttpResponseError, status(412)):
            act(**other)
    sdk.equal("Get Blob If-Match", blob.download_blob(etag=p.etag, match_condition=MatchConditions.IfNotModified).readall(), b"1")
    with sdk.refused("Get Blob If-None-Match is 304", HttpResponseError, status(304)):
        blob.download_blob(etag=p.etag, match_condition=MatchConditions.IfModified)
    with sdk.refused("Get Blob If-Unmodified-Since earlier", HttpResponseError, status(412)):
        blob.download_blob(if_unmodified_since=p.last_modified - datetime.timedelta(hours=1))
    with sdk.refused("Get Blob If-Modified-Since later is 304", HttpResponseError, status(304)):
        blob.download_blob(if_modified_since=p.last_modified)
    blob.upload_blob(b"2", overwrite=True, etag=p.etag, match_condition=MatchConditions.IfNotModified)
    sdk.equal("Put Blob If-Match", blob.download_blob().readall(), b"2")


@pytest.mark.needs("listing")
def test_listing(sdk, box):
    names = ["list/a-b", "list/a/x", "list/a0", "list/b/c/d", "list/ü", "list/z z"]
    for n in names:
        box.upload_blob(n, n.encode(), overwrite=True)
    files = [b.name for b in box.list_blobs(name_starts_with="list/") if b.name in names]
    sdk.equal("list in the order of bytes", files, sorted(names, key=lambda n: n.encode()))
    sdk.equal("list by prefix", [b.name for b in box.list_blobs(name_starts_with="list/a-")], ["list/a-b"])
    sdk.equal("list with a delimiter", sorted({b.name for b in box.walk_blobs(name_starts_with="list/", delimiter="/") if b.name not in ("list/a", "list/b")}),
              sorted({"list/a-b", "list/a/", "list/a0", "list/b/", "list/ü", "list/z z"}))
    sdk.equal("list names only", [n for n in box.list_blob_names(name_starts_with="list/a") if n in names], ["list/a-b", "list/a/x", "list/a0"])
    pages = [[b.name for b in page] for page in box.list_blobs(name_starts_with="list/", results_per_page=2).by_page()]
    sdk.equal("list in pages", [n for page in pages for n in page if n in names], sorted(names, key=lambda n: n.encode()))
    sdk.equal("no page is longer than asked", max(map(len, pages)) <= 2, True)
    box.upload_blob("list/meta", b"1", metadata={"x": "y"}, overwrite=True)
    sdk.equal("list with metadata", [b.metadata for b in box.list_blobs(name_starts_with="list/meta", include=["metadata"])], [{"x": "y"}])
    with sdk.does("list gives size, type, ETag and times") as check:
        b = next(iter(box.list_blobs(name_starts_with="list/a-b")))
        check(b.size == 8 and b.blob_type.value == "BlockBlob" and b.last_modified and b.etag.strip('"') == box.get_blob_client("list/a-b").get_blob_properties().etag.strip('"'))
    box.get_blob_client("list/uncommitted").stage_block("a", b"1")
    sdk.equal("list with uncommitted blobs", "list/uncommitted" in [b.name for b in box.list_blobs(name_starts_with="list/unc", include=["uncommittedblobs"])], True)


@pytest.mark.needs("copy")
def test_copy(sdk, box):
    source, target = box.get_blob_client("copy/source"), box.get_blob_client("copy/target")
    data = os.urandom(MIB)
    source.upload_blob(data, metadata={"m": "1"}, overwrite=True)
    started = target.start_copy_from_url(source.url)
    wait_copy(target)
    sdk.equal("Copy Blob", (target.download_blob().readall(), target.get_blob_properties().metadata), (data, {"m": "1"}))
    sdk.equal("copy id and status", (target.get_blob_properties().copy.id, target.get_blob_properties().copy.status), (started["copy_id"], "success"))
    with sdk.refused("abort a copy that is done", HttpResponseError, code("NoPendingCopyOperation", 409)):
        target.abort_copy(started["copy_id"])
    with sdk.refused("Copy Blob of none", HttpResponseError, status(404)):
        target.start_copy_from_url(box.get_blob_client("copy/none").url)
    target.start_copy_from_url(source.url, metadata={"n": "2"})
    wait_copy(target)
    sdk.equal("Copy Blob with other metadata", target.get_blob_properties().metadata, {"n": "2"})


def wait_copy(blob):
    import time
    end = time.monotonic() + 20
    while blob.get_blob_properties().copy.status == "pending" and time.monotonic() < end:
        time.sleep(0.1)


@pytest.mark.needs("snapshots")
@pytest.mark.needs("listing")
def test_snapshots(sdk, box):
    blob = box.get_blob_client("snapshots/a")
    blob.upload_blob(b"first", overwrite=True)
    made = blob.create_snapshot()["snapshot"]
    blob.upload_blob(b"second", overwrite=True)
    old = box.get_blob_client("snapshots/a", snapshot=made)
    sdk.equal("Snapshot Blob, read it", (old.download_blob().readall(), blob.download_blob().readall()), (b"first", b"second"))
    sdk.equal("list with snapshots", [b.snapshot for b in box.list_blobs(name_starts_with="snapshots/a", include=["snapshots"])], [made, None])
    with sdk.refused("delete a blob that has snapshots", HttpResponseError, code("SnapshotsPresent", 409)):
        blob.delete_blob()
    blob.delete_blob(delete_snapshots="only")
    sdk.equal("delete the snapshots only", [b.snapshot for b in box.list_blobs(name_starts_with="snapshots/a", include=["snapshots"])], [None])
    blob.create_snapshot()
    blob.delete_blob(delete_snapshots="include")
    sdk.equal("delete a blob with its snapshots", list(box.list_blobs(name_starts_with="snapshots/a", include=["snapshots"])), [])


@pytest.mark.needs("leases")
def test_leases(sdk, service, box):
    blob = box.get_blob_client("lease/a")
    blob.upload_blob(b"1", overwrite=True)
    lease = blob.acquire_lease(15)
    sdk.equal("acquire a lease", (blob.get_blob_properties().lease.state, blob.get_blob_properties().lease.status), ("leased", "locked"))
    with sdk.refused("Put Blob without the lease", HttpResponseError, code("LeaseIdMissing", 412)):
        blob.upload_blob(b"2", overwrite=True)
    with sdk.refused("Put Blob with another lease", HttpResponseError, code("LeaseIdMismatchWithBlobOperation", 412)):
        blob.upload_blob(b"2", overwrite=True, lease=str(uuid.uuid4()))
    with sdk.refused("acquire a second lease", HttpResponseError, code("LeaseAlreadyPresent", 409)):
        blob.acquire_lease(15)
    blob.upload_blob(b"2", overwrite=True, lease=lease)
    sdk.equal("Put Blob with the lease", blob.download_blob().readall(), b"2")
    lease.renew()
    sdk.equal("renew a lease", blob.get_blob_properties().lease.state, "leased")
    lease.change(str(uuid.uuid4()))
    with sdk.refused("the changed lease's old id", HttpResponseError, status(412)):
        blob.delete_blob(lease=str(uuid.uuid4()))
    lease.release()
    sdk.equal("change, release a lease", blob.get_blob_properties().lease.state, "available")
    lease = blob.acquire_lease(-1)
    lease.break_lease(0)
    sdk.equal("break a lease", blob.get_blob_properties().lease.state, "broken")
    other = service.create_container(box.container_name + "-lease")
    held = other.acquire_lease(-1)
    with sdk.refused("delete a leased container", HttpResponseError, code("LeaseIdMissing", 412)):
        other.delete_container()
    other.delete_container(lease=held)
    sdk.equal("delete a container with its lease", other.exists(), False)


@pytest.mark.needs("batch")
@pytest.mark.needs("listing")
def test_batch(sdk, box):
    for i in range(5):
        box.upload_blob(f"batch/{i}", b"1", overwrite=True)
    answers = list(box.delete_blobs(*[f"batch/{i}" for i in range(5)]))
    sdk.equal("batch of deletes", ([a.status_code for a in answers], [b.name for b in box.list_blobs(name_starts_with="batch/") if b.name[-1].isdigit()]), ([202] * 5, []))


@pytest.mark.needs("soft delete")
@pytest.mark.needs("listing")
def test_undelete(sdk, service, box):
    blob = box.get_blob_client("undelete/a")
    blob.upload_blob(b"1", overwrite=True)
    blob.delete_blob()
    sdk.equal("list deleted blobs", [b.name for b in box.list_blobs(name_starts_with="undelete/a", include=["deleted"]) if b.deleted], ["undelete/a"])
    blob.undelete_blob()
    sdk.equal("Undelete Blob", blob.download_blob().readall(), b"1")


def customer_key():
    key = os.urandom(32)
    return CustomerProvidedEncryptionKey(base64.b64encode(key).decode(), base64.b64encode(hashlib.sha256(key).digest()).decode())


@pytest.mark.needs("cpk")
@pytest.mark.needs("blocks")
def test_keys_of_the_caller(sdk, box):
    cpk = customer_key()
    blob = box.get_blob_client("cpk/a")
    blob.upload_blob(b"secret", overwrite=True, cpk=cpk)
    sdk.equal("Put Blob and Get Blob with a key of the caller", blob.download_blob(cpk=cpk).readall(), b"secret")
    with sdk.refused("Get Blob without the caller's key", HttpResponseError, status(409)):
        blob.download_blob().readall()
    blob.stage_block("a", b"block", cpk=cpk)
    blob.commit_block_list([BlobBlock("a")], cpk=cpk)
    sdk.equal("blocks with a key of the caller", blob.download_blob(cpk=cpk).readall(), b"block")


@pytest.mark.needs("listing")
def test_the_same_data_by_both_protocols(board, account):
    """What one protocol writes, the other reads."""
    sdk = board.client("Azure SDK for Python (sync)", "blob and dfs", "OAuth")
    fs = account.gateway.file_system("data")
    blobs = connect(account).get_container_client("data")
    blobs.upload_blob("both/by blob", b"written by Blob", metadata={"m": "1"}, overwrite=True)
    file = fs.get_file_client("both/by blob")
    sdk.equal("Blob writes, Data Lake reads", (file.download_file().readall(), file.get_file_properties().metadata), (b"written by Blob", {"m": "1"}))
    fs.get_file_client("both/by dfs").upload_data(b"written by Data Lake", overwrite=True)
    sdk.equal("Data Lake writes, Blob reads", blobs.download_blob("both/by dfs").readall(), b"written by Data Lake")
    sdk.equal("both list the same", sorted(p.name for p in fs.get_paths("both")), sorted(b.name for b in blobs.list_blobs(name_starts_with="both/")))
    fs.get_file_client("both/by dfs").rename_file("data/both/renamed")
    sdk.equal("Data Lake renames, Blob reads", blobs.download_blob("both/renamed").readall(), b"written by Data Lake")
    file.append_data(b"!", 15, flush=True)
    sdk.equal("Data Lake appends to what Blob wrote", blobs.download_blob("both/by blob").readall(), b"written by Blob!")
    lake_made = blobs.get_blob_client("both/renamed")
    sdk.equal("a file of the Data Lake has no blocks", lake_made.get_block_list("all"), ([], []))
    lake_made.stage_block("a", b"block a")
    sdk.equal("a block staged beside a Data Lake file changes nothing", fs.get_file_client("both/renamed").download_file().readall(), b"written by Data Lake")
    lake_made.commit_block_list([BlobBlock("a")])
    sdk.equal("Put Block List over a Data Lake file, Data Lake reads", fs.get_file_client("both/renamed").download_file().readall(), b"block a")
    fs.get_file_client("both/renamed").append_data(b" and more", 7, flush=True)
    sdk.equal("Data Lake appends to a blob of blocks", lake_made.download_blob().readall(), b"block a and more")
    sdk.equal("its blocks are those of the last list", [(b.id, b.size) for b in lake_made.get_block_list("committed")[0]], [("a", 7)])
    lake_made.stage_block("b", b"!")
    lake_made.commit_block_list([BlobBlock("a"), BlobBlock("b")])
    sdk.equal("the next list commits what it names", fs.get_file_client("both/renamed").download_file().readall(), b"block a!")
    fs.get_file_client("both/dfs append").create_file()
    with sdk.refused("Append Block to a block blob that Data Lake made", HttpResponseError, lambda e: e.status_code == 409):
        blobs.get_blob_client("both/dfs append").append_block(b"x")
    directory = fs.create_directory("both/dir")
    sdk.equal("a directory is a blob with hdi_isfolder", blobs.get_blob_client("both/dir").get_blob_properties().metadata.get("hdi_isfolder"), "true")
    blobs.delete_blob("both/dir")
    sdk.equal("Blob deletes an empty directory", directory.exists(), False)


@pytest.mark.needs("listing")
def test_async(board, blob_account):
    asyncio.run(asynchronously(board.client("Azure SDK for Python (async)", "blob", "OAuth"), blob_account))


async def asynchronously(sdk, account):
    credential = None
    if account.ca:
        from azure.identity.aio import ClientSecretCredential
        p = account.gateway.profile()
        credential = ClientSecretCredential(p["tenant"], p["client_id"], p["client_secret"], authority=account.gateway.endpoint, disable_instance_discovery=True,
                                            connection_verify=account.ca)
    async with connect(account, AsyncService, credential) as service:
        box = service.get_container_client(f"pyblob-async-{uuid.uuid4().hex[:8]}")
        await box.create_container()
        data = os.urandom(2 * MIB)
        await asyncio.gather(*(box.upload_blob(f"many/{i:02}", data[i:], overwrite=True) for i in range(20)))
        got = await asyncio.gather(*(read(box, f"many/{i:02}") for i in range(20)))
        sdk.equal("20 uploads and downloads at once", got, [data[i:] for i in range(20)])
        sdk.equal("list", [b.name async for b in box.list_blobs(name_starts_with="many/0")], [f"many/{i:02}" for i in range(10)])
        sdk.equal("list with a delimiter", [b.name async for b in box.walk_blobs(name_starts_with="m", delimiter="/")], ["many/"])
        blob = box.get_blob_client("blocks")
        await asyncio.gather(*(blob.stage_block(f"{i}", bytes([65 + i]) * 1000) for i in range(8)))
        await blob.commit_block_list([BlobBlock(f"{i}") for i in range(8)])
        sdk.equal("8 blocks at once, block list", await read(box, "blocks"), b"".join(bytes([65 + i]) * 1000 for i in range(8)))
        await blob.set_blob_metadata({"a": "b"})
        sdk.equal("set metadata", (await blob.get_blob_properties()).metadata, {"a": "b"})
        sdk.equal("download a range", await (await blob.download_blob(offset=999, length=2)).readall(), b"AB")
        await blob.delete_blob()
        sdk.equal("delete", await blob.exists(), False)
        with sdk.refused("read what isn't there", ResourceNotFoundError, status(404)):
            await read(box, "none")
        await box.delete_container()
        sdk.equal("delete a container", await box.exists(), False)
    if credential:
        await credential.close()


async def read(box, name):
    return await (await box.download_blob(name)).readall()


@pytest.mark.needs("scopes")
def test_encryption_scopes(account, board):
    """A scope that an administrator made: chosen for a blob, and a container's default."""
    g = account.gateway
    c = board.client("Azure SDK for Python (sync)", "blob", "OAuth")
    g.run("storage", "scope", "add", "--state", g.state, "--account", account.name, "--name", "finance")
    with BlobServiceClient(account.path_style, credential=account.credential(), connection_verify=account.ca) as service:
        box = service.create_container("pyscopes")
        blob = box.upload_blob("chosen", b"sealed", encryption_scope="finance")
        c.equal("Put Blob and Get Blob in an encryption scope", (blob.download_blob().readall(), blob.get_blob_properties().encryption_scope), (b"sealed", "finance"))
        blocks = box.get_blob_client("blocks")
        blocks.stage_block("MQ==", b"one", encryption_scope="finance")
        blocks.commit_block_list(["MQ=="], encryption_scope="finance")
        c.equal("blocks in an encryption scope", (blocks.download_blob().readall(), blocks.get_blob_properties().encryption_scope), (b"one", "finance"))
        c.equal("list names the scope", {b.name: b.encryption_scope for b in box.list_blobs()}, {"chosen": "finance", "blocks": "finance"})
        with c.refused("Put Blob in a scope that isn't there", ResourceNotFoundError, lambda e: e.error_code == "EncryptionScopeNotFound"):
            box.upload_blob("none", b"x", encryption_scope="nowhere")
        default = service.create_container("pyscopes2", container_encryption_scope=ContainerEncryptionScope("finance", prevent_encryption_scope_override=True))
        inner = default.upload_blob("f", b"x")
        c.equal("a container's default scope", inner.get_blob_properties().encryption_scope, "finance")
        with c.refused("another key than the container's scope", HttpResponseError, lambda e: e.error_code == "RequestForbiddenByContainerEncryptionPolicy"):
            default.upload_blob("g", b"x", cpk=customer_key())
        g.run("storage", "scope", "disable", "--state", g.state, "--account", account.name, "--name", "finance")
        with c.refused("Get Blob of a disabled scope", HttpResponseError, lambda e: e.error_code == "EncryptionScopeDisabled"):
            blob.download_blob().readall()
        g.run("storage", "scope", "enable", "--state", g.state, "--account", account.name, "--name", "finance")
        for name in ("pyscopes", "pyscopes2"):
            service.delete_container(name)
