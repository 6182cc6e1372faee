"""adlfs with pandas and pyarrow, and delta-rs with two writers: in processes of their own, which trust the gateway's CA by SSL_CERT_FILE."""
import json
import os
import subprocess
import sys
import uuid

import pytest

from accounts import AZURITE_KEY, HERE, Oracle

pytestmark = pytest.mark.needs("blob", "blocks", "listing")


def run(script, account, folder, signed_in, where):
    results, secret = f"{folder}/results.json", f"{folder}/sign-in.json"
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        json.dump(signed_in, f)
    done = subprocess.run([sys.executable, "-B", f"{HERE}/programs/{script}", secret, where, results], env=account.environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:]
    with open(results) as f:
        return json.load(f)


def test_adlfs(board, blob_account, tmp_path):
    pytest.importorskip("adlfs", reason="./dev setup --tests installs the clients")
    if isinstance(blob_account, Oracle):
        who = {"connection_string": f"DefaultEndpointsProtocol=http;AccountName={Oracle.name};AccountKey={AZURITE_KEY};BlobEndpoint={blob_account.path_style};"}
    else:
        who = blob_account.gateway.profile()
    found = run("adlfs_operations.py", blob_account, tmp_path, who, f"adlfs-{uuid.uuid4().hex[:8]}")
    board.client("adlfs (pandas, pyarrow)", "blob", "OAuth").report(found, 24)


def test_delta(board, blob_account, tmp_path):
    pytest.importorskip("deltalake", reason="./dev setup --tests installs the clients")
    options = {"account_name": blob_account.name, "endpoint": blob_account.path_style}
    if isinstance(blob_account, Oracle):
        from azure.storage.blob import ContainerClient
        ContainerClient(blob_account.path_style, "data", blob_account.credential()).create_container() if not ContainerClient(
            blob_account.path_style, "data", blob_account.credential()).exists() else None
        options.update(account_key=AZURITE_KEY, allow_http="true")
    else:
        p = blob_account.gateway.profile()
        options.update(client_id=p["client_id"], client_secret=p["client_secret"], tenant_id=p["tenant"], authority_host=p["endpoint"])
    found = run("delta_operations.py", blob_account, tmp_path, {"options": options}, f"az://data/delta-{uuid.uuid4().hex[:8]}")
    board.client("deltalake (delta-rs)", "blob", "OAuth").report(found, 14)
