"""The Azure SDKs for JavaScript. covers: path.c"""
import uuid

import pytest

from accounts import AZURITE_KEY, Oracle
from node import run_node

SDK = "Azure SDK for JavaScript"


def test_data_lake(board, account, tmp_path):
    found = run_node("datalake.cjs", account, tmp_path, account.gateway.profile(), ACCOUNT_URL=account.path_style, PARTS="fileSystems,files,properties,directories")
    board.client(SDK, "dfs", "OAuth").report(found, 24)


@pytest.mark.needs("leases", "acl recursive")
def test_data_lake_leases_and_lists(board, account, tmp_path):
    found = run_node("datalake.cjs", account, tmp_path, account.gateway.profile(), ACCOUNT_URL=account.path_style, CONTAINER="jsdfs2",
                     PARTS="fileSystems,leases,recursiveAcl")
    board.client(SDK, "dfs", "OAuth").report(found, 9)


def blob(board, account, folder, parts, least, way="OAuth", signed_in=None):
    signed_in = signed_in or ({"name": account.name, "key": AZURITE_KEY} if isinstance(account, Oracle) else account.gateway.profile())
    found = run_node("blob.cjs", account, folder, signed_in, ACCOUNT_URL=account.path_style, CONTAINER=f"jsblob-{uuid.uuid4().hex[:8]}", PARTS=parts)
    board.client(SDK, "blob", way).report(found, least)


@pytest.mark.needs("blob", "blocks", "listing", "service")
def test_blob(board, blob_account, tmp_path):
    blob(board, blob_account, tmp_path, "containers,blobs,listing", 17)


@pytest.mark.needs("blob", "blocks", "listing", "service", "append blobs")
def test_append_blobs(board, blob_account, tmp_path):
    blob(board, blob_account, tmp_path, "containers,appends", 8)


@pytest.mark.needs("blob", "blocks", "listing", "service", "batch in JavaScript", "copy", "snapshots", "leases", "batch")
def test_copies_snapshots_leases_batches(board, blob_account, tmp_path):
    blob(board, blob_account, tmp_path, "containers,copies,snapshots,leases,batches", 10)
