"""Clients with the addresses that they have in Azure, {account}.blob.core.windows.net and {account}.dfs.core.windows.net, and nothing that says it isn't Azure.
covers: router_place.c"""
import os
import uuid

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.filedatalake import DataLakeServiceClient

from azure_names import AzureNames
from node import run_node
from test_azcopy import account_sas, azcopy_runner
from test_rclone import files, rclone_runner

pytestmark = pytest.mark.needs("host style")


@pytest.fixture(scope="module")
def azure(account):
    names = AzureNames(account)
    yield names
    names.proxy.close()


def box_name():
    return f"names-{uuid.uuid4().hex[:8]}"


def test_python(board, azure):
    box = box_name()
    c = board.client("Azure SDK for Python (sync)", "dfs", "OAuth, Azure's names")
    with DataLakeServiceClient(azure.dfs, credential=azure.gateway.credential(), **azure.options()) as service:
        fs = service.create_file_system(box)
        file = fs.get_file_client("d/f")
        file.upload_data(b"hello", overwrite=True)
        c.equal("upload, download", file.download_file().readall(), b"hello")
        c.equal("rename a directory", fs.get_directory_client("d").rename_directory(f"{box}/e").path_name, "e")
        c.equal("list", [p.name for p in fs.get_paths()], ["e", "e/f"])
    c = board.client("Azure SDK for Python (sync)", "blob", "Shared Key, Azure's names")
    with BlobServiceClient(azure.blob, credential={"account_name": azure.name, "account_key": azure.key()}, **azure.options()) as service:
        blob = service.get_blob_client(box, "e/f")
        c.equal("Get Blob", blob.download_blob().readall(), b"hello")
        copied = service.get_blob_client(box, "copied")
        copied.start_copy_from_url(blob.url)
        c.equal("Copy Blob", copied.download_blob().readall(), b"hello")
        service.delete_container(box)
        c.equal("delete a container", service.get_container_client(box).exists(), False)
    assert set(azure.proxy.asked) == azure.proxy.names


def test_javascript(board, azure, tmp_path):
    found = run_node("blob.cjs", azure, tmp_path, {"name": azure.name, "key": azure.key()}, ACCOUNT_URL=azure.blob, CONTAINER=box_name(), PARTS="containers,blobs,listing")
    board.client("Azure SDK for JavaScript", "blob", "Shared Key, Azure's names").report(found, 17)


def test_azcopy(board, azure, tmp_path):
    """No --from-to: azcopy knows these names."""
    azcopy, c, box, sas = azcopy_runner(azure, tmp_path), board.client("azcopy", "blob and dfs", "account SAS, Azure's names"), box_name(), account_sas(azure)
    up = tmp_path / "up"
    for name in ("one", "dir/two", "dir/deep/three"):
        (up / name).parent.mkdir(parents=True, exist_ok=True)
        (up / name).write_bytes(name.encode())
    azcopy("make", f"{azure.blob}/{box}?{sas}")
    azcopy("copy", f"{up}/*", f"{azure.blob}/{box}/tree?{sas}", "--recursive")
    azcopy("copy", f"{azure.blob}/{box}/tree/*?{sas}", str(tmp_path / "down"), "--recursive")
    c.equal("make, copy up and down a folder", files(tmp_path / "down"), files(up))
    azcopy("remove", f"{azure.dfs}/{box}/tree/dir?{sas}", "--recursive")
    azcopy("copy", f"{azure.dfs}/{box}/tree?{sas}", str(tmp_path / "left"), "--recursive", "--from-to=BlobFSLocal")
    c.equal("remove a folder with all below (Data Lake)", files(tmp_path / "left"), {"tree/one": b"one"})


def test_rclone(board, azure, tmp_path):
    rclone, c, box = rclone_runner(azure, tmp_path, RCLONE_CONFIG_A_ENDPOINT="", RCLONE_CONFIG_A_KEY=azure.key()), None, f"a:{box_name()}"
    c = board.client("rclone", "blob", "Shared Key, Azure's names")
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "f").write_bytes(os.urandom(2_500_000))
    rclone("copy", str(tmp_path / "up"), f"{box}/tree")
    rclone("copy", f"{box}/tree", str(tmp_path / "down"))
    c.equal("copy up and down in blocks", files(tmp_path / "down"), files(tmp_path / "up"))
    rclone("purge", box)
    c.equal("purge", "directory not found" in rclone("lsf", box, check=False).stderr, True)
