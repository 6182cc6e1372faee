"""azcopy with a SAS on its addresses."""
import json
import os
import subprocess
import uuid

import pytest
from azure.storage.blob import ContainerClient

from accounts import AZURITE_KEY, Oracle, program
from test_rclone import files

pytestmark = pytest.mark.needs("blob", "sas", "blocks", "listing")


@pytest.fixture
def azcopy(blob_account, tmp_path):
    return azcopy_runner(blob_account, tmp_path)


def azcopy_runner(blob_account, tmp_path):
    binary = program("js", "node_modules", "@azure-tools", "azcopy-linux", "dist", "bin", "azcopy_linux_amd64")
    env = {**blob_account.environment(), "AZCOPY_LOG_LOCATION": str(tmp_path / "log"), "AZCOPY_JOB_PLAN_LOCATION": str(tmp_path / "plan"),
           "AZCOPY_DISABLE_SYSLOG": "true", "AZCOPY_SKIP_VERSION_CHECK": "true", "HOME": str(tmp_path)}

    def run(*words, check=True):
        """Gives azcopy's messages of JSON, and how it ended."""
        done = subprocess.run([binary, *words, "--output-type=json", "--skip-version-check"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120)
        assert not check or done.returncode == 0, f"azcopy {words[0]}: {done.stdout[-3000:]}"
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.returncode
    return run


def account_sas(blob_account):
    import datetime

    from azure.storage.blob import AccountSasPermissions, ResourceTypes, Services, generate_account_sas
    key = AZURITE_KEY if isinstance(blob_account, Oracle) else blob_account.key()
    return generate_account_sas(blob_account.name, key, ResourceTypes(service=True, container=True, object=True),
                                AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True, tag=False),
                                datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1), services=Services(blob=True))


def test_azcopy(board, blob_account, azcopy, tmp_path):
    c = board.client("azcopy", "blob", "account SAS")
    sas, box = account_sas(blob_account), f"azcopy-{uuid.uuid4().hex[:8]}"

    def url(path=""):
        return f"{blob_account.path_style}/{box}{'/' + path if path else ''}?{sas}"

    up = tmp_path / "up"
    for name, data in (("one", b"1"), ("dir/two", b"22"), ("dir/deep/three", os.urandom(9_500_000)), ("empty", b"")):
        (up / name).parent.mkdir(parents=True, exist_ok=True)
        (up / name).write_bytes(data)
    ContainerClient.from_container_url(url(), **({"connection_verify": blob_account.ca} if blob_account.ca else {})).create_container()  # azcopy's make knows no path style
    azcopy("copy", f"{up}/*", url("tree"), "--recursive", "--from-to=LocalBlob", "--put-md5", "--block-size-mb=1")
    azcopy("copy", url("tree/*"), str(tmp_path / "down"), "--recursive", "--from-to=BlobLocal", "--check-md5=FailIfDifferent")
    c.equal("copy up and down a folder", files(tmp_path / "down"), files(up))
    with c.does("list") as check:
        said = json.dumps(azcopy("list", url("tree"), "--location=Blob", "--machine-readable")[0])
        check("dir/deep/three" in said and "9500000" in said, said[:2000])
    azcopy("copy", str(up / "one"), url("single"), "--from-to=LocalBlob")
    azcopy("copy", url("single"), str(tmp_path / "single"), "--from-to=BlobLocal")
    c.equal("copy up and down one file", (tmp_path / "single").read_bytes(), b"1")
    (up / "one").unlink()
    (up / "four").write_bytes(b"4444")
    azcopy("sync", str(up), url("tree"), "--recursive", "--delete-destination=true", "--from-to=LocalBlob")
    azcopy("copy", url("tree/*"), str(tmp_path / "synced"), "--recursive", "--from-to=BlobLocal")
    c.equal("sync up, deleting what is gone", files(tmp_path / "synced"), files(up))
    (tmp_path / "synced" / "four").unlink()
    azcopy("sync", url("tree"), str(tmp_path / "synced"), "--recursive", "--from-to=BlobLocal")
    c.equal("sync down", files(tmp_path / "synced"), files(up))
    # By Blob, azcopy deletes a directory before what lies in it: 409 DirectoryIsNotEmpty, here as in Azure's hierarchical accounts. Data Lake takes all at once.
    azcopy("remove", url("tree"), "--recursive", "--from-to=BlobFSTrash")
    left = ContainerClient.from_container_url(url(), **({"connection_verify": blob_account.ca} if blob_account.ca else {})).list_blob_names()
    c.equal("remove a folder with all below (Data Lake)", sorted(left), ["single"])
    azcopy("remove", url("single"), "--from-to=BlobTrash")
    c.equal("remove one", azcopy("copy", url("single"), str(tmp_path / "x"), "--from-to=BlobLocal", check=False)[1] != 0, True)
    c.equal("a wrong signature is refused", azcopy("list", url().replace("sig=", "sig=AAAA"), "--location=Blob", check=False)[1] != 0, True)
