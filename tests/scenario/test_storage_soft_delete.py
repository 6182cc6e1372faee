"""What was deleted comes back, through the ordinary Azure SDKs, when the configuration keeps it. covers: undelete_request.c"""
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient


def test_deleted_paths_and_filesystems_come_back(own_gateway):
    g = own_gateway
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    assert text.count("delete_retention_days: 0") == 1
    with open(path, "w") as f:
        f.write(text.replace("delete_retention_days: 0", "delete_retention_days: 7"))
    g.start()
    fs = g.file_system()
    fs.get_file_client("kept/a b").upload_data(b"one", overwrite=True)
    fs.get_file_client("kept/a b").delete_file()
    fs.get_directory_client("kept").create_sub_directory("d")
    fs.get_file_client("kept/d/f").upload_data(b"two", overwrite=True)
    fs.get_directory_client("kept/d").delete_directory()
    found = {p.name: p for p in fs.list_deleted_paths(path_prefix="kept/")}
    assert set(found) == {"kept/a b", "kept/d"}
    assert found["kept/a b"].remaining_retention_days == 7 and found["kept/a b"].deletion_id
    file = fs._undelete_path("kept/a b", found["kept/a b"].deletion_id)
    assert file.download_file().readall() == b"one"
    fs._undelete_path("kept/d", found["kept/d"].deletion_id)
    assert fs.get_file_client("kept/d/f").download_file().readall() == b"two"
    assert not list(fs.list_deleted_paths())
    blobs = BlobServiceClient(g.endpoint, credential=g.credential(), connection_verify=g.ca)
    blob = blobs.get_blob_client("data", "kept/a b")
    blob.delete_blob()
    with pytest.raises(ResourceNotFoundError):
        blob.download_blob()
    blob.undelete_blob()
    assert blob.download_blob().readall() == b"one"
    container = blobs.create_container("other")
    container.upload_blob("x", b"three")
    container.delete_container()
    gone = [c for c in blobs.list_containers(include_deleted=True) if c.deleted]
    assert [c.name for c in gone] == ["other"]
    back = blobs.undelete_container("other", gone[0].version)
    assert back.download_blob("x").readall() == b"three"
    with pytest.raises(HttpResponseError) as e:
        blobs.undelete_container("other", gone[0].version)
    assert e.value.status_code == 409
