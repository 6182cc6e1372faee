"""What tests of clients share: the scoreboard, the account's addresses, and the environment of programs that are no Python."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import scoreboard  # noqa: E402

board_of_run = scoreboard.Board()


@pytest.fixture(scope="session")
def board():
    return board_of_run


def pytest_sessionfinish(session, exitstatus):
    """Writes the run's scoreboard where $EG_SCOREBOARD says. A whole run of this folder owes the number that the docs promise."""
    path = os.environ.get("EG_SCOREBOARD")
    if path and board_of_run.rows:
        board_of_run.write(path)
    files = {n for n in os.listdir(HERE) if n.startswith("test_")}
    ran = {os.path.basename(str(i.path)) for i in session.items if os.path.dirname(str(i.path)) == HERE}
    whole = files == ran and not session.config.option.keyword
    if exitstatus == 0 and whole and board_of_run.passed() < scoreboard.OWED:
        print(f"\nthe scoreboard has {board_of_run.passed()} asserted operations, {scoreboard.OWED} are owed")
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    if board_of_run.rows:
        failed = [k for k, ok in board_of_run.rows.items() if not ok]
        terminalreporter.write_line(f"scoreboard: {board_of_run.passed()} client operations asserted, {len(failed)} failed")
        for client, protocol, operation, way in failed:
            terminalreporter.write_line(f"  {client}, {protocol}, {way}: {operation}")


@pytest.fixture(scope="session")
def account(gateway):
    """Addresses of the account `lake`: of the gateway with its default account, and in path style."""
    return Account(gateway)


class Account:
    def __init__(self, gateway):
        self.gateway, self.name = gateway, gateway.profile()["account"]
        self.root = gateway.endpoint
        self.path_style = f"{gateway.endpoint}/{self.name}"

    def environment(self):
        """For programs: trusts the gateway's CA alone, knows no proxy and no account of whoever runs the tests."""
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith("AZURE_")}
        return {**kept, "SSL_CERT_FILE": self.gateway.ca, "NODE_EXTRA_CA_CERTS": self.gateway.ca, "NO_PROXY": "127.0.0.1"}


def program(*words):
    """A path beneath what ./dev setup --tests installed for clients; the test is skipped where that was not."""
    path = os.path.join(os.environ.get("EG_CLIENTS", "/nonexistent"), *words)
    if not os.path.exists(path):
        pytest.skip("./dev setup --tests installs the clients")
    return path


# What is still being built: tests that need it wait, and docs/CLIENTS.md says so.
WAITING = {"shared key", "sas", "blob", "leases", "acl recursive", "soft delete", "expiry", "snapshots", "copy", "batch", "append blobs", "host style",
           "rename across", "stored policy", "user delegation", "versions"}


def pytest_collection_modifyitems(items):
    for item in items:
        for mark in item.iter_markers("needs"):
            waits = WAITING.intersection(mark.args)
            if waits:
                item.add_marker(pytest.mark.skip(reason="waits for " + ", ".join(sorted(waits))))


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*features): waits while conftest.WAITING names one of them")
