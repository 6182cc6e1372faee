"""Leases and conditions by the ordinary Azure SDKs of both protocols. covers: lease_request.c"""
import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError
from azure.storage.blob import BlobLeaseClient, BlobServiceClient
from azure.storage.filedatalake import DataLakeLeaseClient


@pytest.fixture(scope="module")
def fs(gateway):
    return gateway.file_system()


@pytest.fixture(scope="module")
def blobs(gateway):
    return BlobServiceClient(gateway.endpoint, credential=gateway.credential(), connection_verify=gateway.ca)


def refused(code, call, *args, **kw):
    with pytest.raises(HttpResponseError) as e:
        call(*args, **kw)
    assert e.value.error_code == code, (e.value.status_code, e.value.error_code, e.value.message)


def test_lease_of_a_path(fs):
    file = fs.get_file_client("leases/path")
    file.upload_data(b"one", overwrite=True)
    lease = DataLakeLeaseClient(file)
    lease.acquire(lease_duration=60)
    assert file.get_file_properties().lease.state == "leased"
    refused("LeaseIdMissing", file.set_metadata, {"a": "b"})
    refused("LeaseIdMissing", file.delete_file)
    refused("LeaseIdMissing", fs.get_directory_client("leases").delete_directory)
    file.set_metadata({"a": "b"}, lease=lease)
    file.append_data(b"two", 3, lease=lease)
    file.flush_data(6, lease=lease)
    assert file.download_file(lease=lease).readall() == b"onetwo"
    old = lease.id
    lease.change("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
    lease.renew()
    refused("LeaseIdMismatchWithBlobOperation", file.delete_file, lease=old)
    lease.release()
    assert file.get_file_properties().lease.state == "available"
    with file.acquire_lease(lease_duration=-1) as held:
        assert file.get_file_properties().lease.duration == "infinite"
        assert held.break_lease(lease_break_period=30) == 30
        assert file.get_file_properties().lease.state == "breaking"
    file.delete_file()


def test_lease_actions_with_an_append(fs):
    file = fs.get_file_client("leases/append")
    file.create_file()
    id = "aaaaaaaa-bbbb-cccc-dddd-000000000001"
    file.append_data(b"one", 0, lease_action="acquire", lease_duration=30, lease=id)
    assert file.get_file_properties().lease.status == "locked"
    file.append_data(b"two", 3, lease_action="auto-renew", lease=id)
    file.flush_data(6, lease_action="release", lease=id)
    assert file.get_file_properties().lease.status == "unlocked"
    assert file.download_file().readall() == b"onetwo"


def test_lease_of_a_blob_and_a_container(fs, blobs):
    fs.get_file_client("leases/blob").upload_data(b"one", overwrite=True)
    blob = blobs.get_blob_client("data", "leases/blob")
    lease = BlobLeaseClient(blob)
    lease.acquire(15)
    other = BlobLeaseClient(blob)
    with pytest.raises(ResourceExistsError) as e:
        other.acquire(15)
    assert e.value.error_code == "LeaseAlreadyPresent"
    refused("LeaseIdMissing", blob.set_blob_metadata, {"a": "b"})
    blob.set_blob_metadata({"a": "b"}, lease=lease)
    assert lease.break_lease(0) == 0
    assert blob.get_blob_properties().lease.state == "broken"
    refused("LeaseLost", blob.set_blob_metadata, {"a": "c"}, lease=lease)
    blob.delete_blob()
    container = blobs.create_container("leased")
    held = container.acquire_lease(60)
    assert container.get_container_properties().lease.state == "leased"
    refused("LeaseIdMissing", container.delete_container)
    container.delete_container(lease=held)


def test_conditions_of_reads_and_writes(fs):
    file = fs.get_file_client("leases/conditions")
    file.upload_data(b"one", overwrite=True)
    seen = file.get_file_properties()
    for call, condition in ((file.get_file_properties, {"etag": seen.etag, "match_condition": MatchConditions.IfModified}),
                            (file.download_file, {"if_modified_since": seen.last_modified})):
        with pytest.raises(HttpResponseError) as e:
            call(**condition)
        assert e.value.status_code == 304 and e.value.error_code == "ConditionNotMet"
    with pytest.raises(ResourceModifiedError):
        file.download_file(etag="0x1", match_condition=MatchConditions.IfNotModified)
    assert file.download_file(etag=seen.etag, match_condition=MatchConditions.IfNotModified).readall() == b"one"
    with pytest.raises(HttpResponseError) as e:
        file.set_metadata({"a": "b"}, etag=seen.etag, match_condition=MatchConditions.IfModified)
    assert e.value.status_code == 412
    file.set_metadata({"a": "b"}, etag=seen.etag, match_condition=MatchConditions.IfNotModified)
    refused("ConditionNotMet", file.delete_file, etag=seen.etag, match_condition=MatchConditions.IfNotModified)
