"""Snapshots, copies, expiry, soft delete and batches by the ordinary Azure SDKs. covers: copy_blob.c batch.c snapshot_request.c undelete_request.c expiry_request.c"""
import datetime
import os
import time

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, PartialBatchErrorException


@pytest.fixture(scope="module")
def fs(gateway):
    return gateway.file_system()


@pytest.fixture(scope="module")
def blobs(gateway):
    return BlobServiceClient(gateway.endpoint, credential=gateway.credential(), connection_verify=gateway.ca)


def test_snapshots(fs, blobs):
    blob = blobs.get_blob_client("data", "life/snap")
    blob.upload_blob(b"one", overwrite=True)
    taken = blob.create_snapshot(metadata={"why": "before"})
    blob.upload_blob(b"two, longer", overwrite=True)
    old = blobs.get_blob_client("data", "life/snap", snapshot=taken["snapshot"])
    assert old.download_blob().readall() == b"one"
    assert old.get_blob_properties().metadata == {"why": "before"}
    assert blob.download_blob().readall() == b"two, longer"
    names = [(b.name, b.snapshot) for b in blobs.get_container_client("data").list_blobs("life/snap", include=["snapshots"])]
    assert names == [("life/snap", taken["snapshot"]), ("life/snap", None)]
    with pytest.raises(ResourceExistsError) as e:
        blob.delete_blob()
    assert e.value.error_code == "SnapshotsPresent"
    blob.start_copy_from_url(old.url)
    assert blob.download_blob().readall() == b"one"
    old.delete_blob()
    with pytest.raises(ResourceNotFoundError):
        old.get_blob_properties()
    blob.create_snapshot()
    blob.delete_blob(delete_snapshots="only")
    blob.delete_blob()


def test_copies(blobs):
    data = os.urandom(3 * 1024 * 1024)
    source = blobs.get_blob_client("data", "life/source ü")
    source.upload_blob(data, overwrite=True, metadata={"k": "v"})
    target = blobs.get_blob_client("data", "life/target")
    done = target.start_copy_from_url(source.url)
    assert done["copy_status"] == "success"
    got = target.get_blob_properties()
    assert got.copy.status == "success" and got.metadata == {"k": "v"} and got.copy.progress == f"{len(data)}/{len(data)}"
    source.delete_blob()
    assert target.download_blob().readall() == data
    again = blobs.get_blob_client("data", "life/again")
    assert again.start_copy_from_url(target.url, requires_sync=True)["copy_status"] == "success"
    put = blobs.get_blob_client("data", "life/put")
    put.upload_blob_from_url(target.url, overwrite=True)
    assert put.download_blob().readall() == data
    put.stage_block_from_url("MQ==", target.url, source_offset=1000, source_length=70000)
    put.commit_block_list(["MQ=="])
    assert put.download_blob().readall() == data[1000:71000]
    log = blobs.get_blob_client("data", "life/log")
    log.create_append_blob()
    log.append_block_from_url(target.url, source_offset=0, source_length=4096)
    assert log.download_blob().readall() == data[:4096]
    with pytest.raises(HttpResponseError) as e:
        target.abort_copy(done["copy_id"])
    assert e.value.error_code == "NoPendingCopyOperation"
    with pytest.raises(HttpResponseError):
        put.start_copy_from_url("https://elsewhere.example.com/data/x")


def test_expiry(fs):
    file = fs.get_file_client("life/expires")
    file.create_file(expires_on=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1))
    assert file.get_file_properties()["expiry_time"] is not None if "expiry_time" in file.get_file_properties() else True
    file.set_file_expiry("RelativeToNow", expires_on=1)
    end = time.monotonic() + 10
    while file.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    file.create_file()


def test_batch(fs, blobs):
    container = blobs.get_container_client("data")
    for name in ("a", "b c", "d"):
        container.upload_blob(f"life/batch/{name}", b"x", overwrite=True)
    answers = list(container.delete_blobs("life/batch/a", "life/batch/b c"))
    assert [a.status_code for a in answers] == [202, 202]
    with pytest.raises(PartialBatchErrorException) as e:
        container.delete_blobs("life/batch/a", "life/batch/d")
    assert [p.status_code for p in e.value.parts] == [404, 202]
    assert not blobs.get_blob_client("data", "life/batch/d").exists()
