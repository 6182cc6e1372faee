"""The Azure SDKs for JavaScript. covers: path.c"""
import pytest
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
