"""What tests of clients share: the scoreboard, the account's addresses, and the environment of programs that are no Python."""
import os
import re
import sys

import pytest
from server import finish, make_state_folder, new_gateway

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import scoreboard  # noqa: E402
from accounts import HERE, Account, Oracle  # noqa: E402

board_of_run = scoreboard.Board()


@pytest.fixture(scope="session")
def gateway():
    """Clients have a gateway of their own, whose account keeps what was deleted for a week."""
    folder = make_state_folder()
    g = new_gateway(folder, "--storage-domain", "core.windows.net")
    try:
        configure(g, "delete_retention_days", 7)
        if "shared key" not in WAITING:
            configure(g, "allowSharedKeyAccess", "true")
        g.start()
        yield g
    finally:
        finish(g, folder)


def configure(g, key, value):
    """Sets a key of the account in the configuration that init wrote."""
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text, n = re.subn(rf"(?m)^(    {key}:) .*$", rf"\g<1> {value}", f.read())
    assert n == 1, f"the configuration has {n} lines of {key}"
    with open(path, "w") as f:
        f.write(text)


@pytest.fixture(scope="session")
def board():
    return board_of_run


def ran_whole(session):
    """Whether all of this folder was to run, and not a part that somebody picked."""
    files = {n for n in os.listdir(HERE) if n.startswith("test_")}
    ran = {os.path.basename(str(i.path)) for i in session.items if os.path.dirname(str(i.path)) == HERE}
    return files == ran and not session.config.option.keyword


def pytest_sessionfinish(session, exitstatus):
    """Writes the run's scoreboard where $EG_SCOREBOARD says. A whole run of this folder owes the number that the docs promise. One of several sessions hands its rows to the one that
    leads them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["scoreboard"] = [[*key, passed] for key, passed in board_of_run.rows.items()]
        session.config.workeroutput["whole"] = ran_whole(session)
        return
    path = os.environ.get("EG_SCOREBOARD")
    if path and board_of_run.rows:
        board_of_run.write(path)
    whole = board_of_run.whole or ran_whole(session)
    if exitstatus == 0 and whole and board_of_run.passed() < scoreboard.OWED:
        print(f"\nthe scoreboard has {board_of_run.passed()} asserted operations, {scoreboard.OWED} are owed")
        session.exitstatus = 1


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    said = getattr(node, "workeroutput", {})
    for *key, passed in said.get("scoreboard", []):
        board_of_run.add(*key, passed)
    board_of_run.whole |= said.get("whole", False)


def pytest_terminal_summary(terminalreporter):
    if board_of_run.rows:
        failed = [k for k, ok in board_of_run.rows.items() if not ok]
        terminalreporter.write_line(f"scoreboard: {board_of_run.passed()} client operations asserted, {len(failed)} failed")
        for client, protocol, operation, way in failed:
            terminalreporter.write_line(f"  {client}, {protocol}, {way}: {operation}")


@pytest.fixture(scope="session")
def blob_account(request):
    """The account, as tests of the Blob protocol alone want it. With EG_CLIENTS_ORACLE=http://127.0.0.1:PORT they run against an Azurite there:
    what fails here and not there is a bug of ours."""
    oracle = os.environ.get("EG_CLIENTS_ORACLE")
    return Oracle(oracle) if oracle else request.getfixturevalue("account")


@pytest.fixture(scope="session")
def account(gateway):
    """Addresses of the account `lake`: of the gateway with its default account, and in path style."""
    return Account(gateway)


# What isn't there: tests that need it wait. Azurite is asked in path style.
WAITING = {"host style"} if os.environ.get("EG_CLIENTS_ORACLE") else set()


def pytest_collection_modifyitems(items):
    for item in items:
        for mark in item.iter_markers("needs"):
            waits = WAITING.intersection(mark.args)
            if waits:
                item.add_marker(pytest.mark.skip(reason="waits for " + ", ".join(sorted(waits))))


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*features): waits while conftest.WAITING names one of them")
