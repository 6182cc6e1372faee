"""rclone with its azureblob backend."""
import os
import subprocess
import uuid

import pytest
from azure.storage.blob import BlobServiceClient

from accounts import AZURITE_KEY, Oracle

pytestmark = pytest.mark.needs("blob", "blocks", "listing")


@pytest.fixture(scope="module")
def rclone(blob_account, tmp_path_factory):
    if isinstance(blob_account, Oracle):
        return rclone_runner(blob_account, tmp_path_factory.mktemp("rclone"), RCLONE_CONFIG_A_KEY=AZURITE_KEY)
    p = blob_account.gateway.profile()
    return rclone_runner(blob_account, tmp_path_factory.mktemp("rclone"), RCLONE_CONFIG_A_ENV_AUTH="true", RCLONE_CONFIG_A_DISABLE_INSTANCE_DISCOVERY="true",
                         AZURE_AUTHORITY_HOST=p["endpoint"], AZURE_TENANT_ID=p["tenant"], AZURE_CLIENT_ID=p["client_id"], AZURE_CLIENT_SECRET=p["client_secret"])


def rclone_runner(blob_account, folder, **signed_in):
    """A function that runs rclone on the remote `a:`. The secret is in its environment, not on its command line."""
    program = os.path.join(os.path.dirname(os.environ["EG_PYTHON"]), "rclone")
    if not os.path.exists(program):
        pytest.skip("./dev setup --tests installs rclone")
    env = {**blob_account.environment(), "RCLONE_CONFIG": os.path.join(folder, "rclone.conf"),
           "RCLONE_CONFIG_A_TYPE": "azureblob", "RCLONE_CONFIG_A_ACCOUNT": blob_account.name, "RCLONE_CONFIG_A_ENDPOINT": blob_account.path_style,
           "RCLONE_CONFIG_A_CHUNK_SIZE": "1Mi", "RCLONE_CONFIG_A_DIRECTORY_MARKERS": "false", **signed_in}

    def run(*words, check=True):
        done = subprocess.run([program, "--retries", "1", "--low-level-retries", "2", *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120)
        assert not check or done.returncode == 0, f"rclone {' '.join(words)}: {done.stderr[-3000:]}"
        return done
    return run


def files(folder):
    found = {}
    for directory, _, names in os.walk(folder):
        for n in names:
            with open(os.path.join(directory, n), "rb") as f:
                found[os.path.relpath(os.path.join(directory, n), folder)] = f.read()
    return found


def test_rclone(board, rclone, tmp_path):
    c, box = board.client("rclone", "blob", "OAuth"), f"a:rclone-{uuid.uuid4().hex[:8]}"
    up = tmp_path / "up"
    for name, data in (("one", b"1"), ("dir/ü two", b"22"), ("dir/deep/three", os.urandom(3_500_000)), ("empty", b"")):
        (up / name).parent.mkdir(parents=True, exist_ok=True)
        (up / name).write_bytes(data)
    rclone("mkdir", box)
    c.equal("mkdir, lsd", box[2:] in rclone("lsd", "a:").stdout, True)
    rclone("copy", str(up), f"{box}/tree")
    c.equal("copy up, lsf", sorted(rclone("lsf", "-R", "--files-only", f"{box}/tree").stdout.split("\n"))[1:], sorted(files(up)))
    c.equal("check", rclone("check", str(up), f"{box}/tree").returncode, 0)
    c.equal("check by reading all", rclone("check", "--download", str(up), f"{box}/tree").returncode, 0)
    rclone("copy", f"{box}/tree", str(tmp_path / "down"))
    c.equal("copy down", files(tmp_path / "down"), files(up))
    with c.does("lsl") as check:
        lines = [line.split(maxsplit=3) for line in rclone("lsl", f"{box}/tree").stdout.splitlines()]
        check({(line[3], int(line[0])) for line in lines} == {(n, len(d)) for n, d in files(up).items()}, lines)
    c.equal("lsf of one level", sorted(rclone("lsf", f"{box}/tree").stdout.split()), ["dir/", "empty", "one"])
    c.equal("size", "Total size: 3.338 MiB" in rclone("size", f"{box}/tree").stdout, True)
    c.equal("md5sum", rclone("md5sum", f"{box}/tree/one").stdout.split()[0], "c4ca4238a0b923820dcc509a6f75849b")
    c.equal("cat", rclone("cat", f"{box}/tree/dir/ü two").stdout, "22")
    c.equal("cat of a range", rclone("cat", "--offset", "1", "--count", "1", f"{box}/tree/dir/ü two").stdout, "2")
    c.equal("copy again copies nothing", "There was nothing to transfer" in rclone("copy", "-v", str(up), f"{box}/tree").stderr, True)


@pytest.mark.needs("delete without accept")
def test_sync_and_delete(board, rclone, tmp_path):
    c, box = board.client("rclone", "blob", "OAuth"), f"a:rclone-{uuid.uuid4().hex[:8]}"
    up = tmp_path / "up"
    for name in ("one", "dir/two", "empty"):
        (up / name).parent.mkdir(parents=True, exist_ok=True)
        (up / name).write_bytes(b"" if name == "empty" else name.encode())
    rclone("copy", str(up), f"{box}/tree")
    (up / "one").unlink()
    (up / "four").write_bytes(b"4444")
    rclone("sync", str(up), f"{box}/tree")
    rclone("copy", f"{box}/tree", str(tmp_path / "synced"))
    c.equal("sync", files(tmp_path / "synced"), files(up))
    rclone("copyto", str(up / "four"), f"{box}/single")
    c.equal("copyto", rclone("cat", f"{box}/single").stdout, "4444")
    rclone("deletefile", f"{box}/single")
    c.equal("deletefile", rclone("lsf", "--files-only", box).stdout, "")
    rclone("touch", f"{box}/touched")
    c.equal("touch", rclone("lsf", "--files-only", box).stdout.split(), ["touched"])
    rclone("delete", f"{box}/tree/dir")
    c.equal("delete below a path", sorted(rclone("lsf", "-R", "--files-only", f"{box}/tree").stdout.split()), ["empty", "four"])


@pytest.mark.needs("copy", "delete without accept")
def test_copies_on_the_server(board, blob_account, rclone, tmp_path):
    c, box = board.client("rclone", "blob", "OAuth"), f"a:rclone-{uuid.uuid4().hex[:8]}"
    (tmp_path / "f").write_bytes(b"12345")
    rclone("copyto", str(tmp_path / "f"), f"{box}/f")
    done = rclone("copyto", "-vv", f"{box}/f", f"{box}/g")
    c.equal("copy on the server", (rclone("cat", f"{box}/g").stdout, "Copied (server-side copy)" in done.stderr), ("12345", True))
    done = rclone("moveto", "-vv", f"{box}/g", f"{box}/h")
    c.equal("move on the server", sorted(rclone("lsf", box).stdout.split()), ["f", "h"])
    rclone("purge", box)
    # rclone asks for deleted containers too when it lists them, and doesn't look at which are: this account keeps them for a week.
    c.equal("purge", "directory not found" in rclone("lsf", box, check=False).stderr, True)
    if not isinstance(blob_account, Oracle):
        service = BlobServiceClient(blob_account.path_style, credential=blob_account.credential(), connection_verify=blob_account.ca)
        listed = {x.name: x.deleted for x in service.list_containers(name_starts_with=box[2:], include_deleted=True)}
        c.equal("what was purged is listed as deleted, to who asks for it", (listed, list(service.list_containers(name_starts_with=box[2:]))), ({box[2:]: True}, []))
