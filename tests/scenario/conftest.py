"""One real gateway for a test session, made and ended here; Spark's cluster starts when the first batch asks for it."""
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))

import acts  # noqa: E402
from gateway import Gateway, free_port  # noqa: E402


def make_state_folder():
    """Jobs run as other users, so that the folder must be one that they may pass through."""
    folder = tempfile.mkdtemp(prefix="embergate-test-", dir="/var/tmp")
    os.chmod(folder, 0o711)
    return folder


def server_binary():
    """The sanitizers' build where there is one. Its leak check needs ptrace, which our processes forbid."""
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=1"
    os.environ["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"
    asan = os.environ.get("EG_ASAN_BIN")
    return asan if asan and os.path.exists(asan) else os.environ["EG_BIN"]


def new_gateway(folder, *init_options):
    g = Gateway(f"{folder}/state", port=free_port(), binary=server_binary())
    g.init("--tenant", "contoso", "--tenant", "fabrikam", "--cluster", "analytics", "--cluster", "other", *init_options)
    g.run("principal", "add", "--state", g.state, "--tenant", "contoso", "--name", "guest")
    g.run("principal", "add", "--state", g.state, "--tenant", "contoso", "--name", "bystander")
    g.run("principal", "add", "--state", g.state, "--tenant", "fabrikam", "--name", "stranger", "--role", "Owner",
          "--role", "Storage Blob Data Owner")
    acts.deny_source(g)
    return g


@pytest.fixture(scope="session")
def gateway():
    folder = make_state_folder()
    g = new_gateway(folder)
    try:
        g.start()
        os.environ.update(EG_TEST_URL=g.endpoint, EG_TEST_CA=g.ca, EG_TEST_TOKEN=g.token(), EG_TEST_STATE=g.state)
        yield g
    finally:
        g.stop()
        sanitizer_reports = [line for line in open(g.log_path, errors="replace") if "Sanitizer" in line or "runtime error" in line]
        shutil.rmtree(folder, ignore_errors=True)
        assert not sanitizer_reports, "".join(sanitizer_reports)


@pytest.fixture
def own_gateway():
    """A gateway for a test that breaks it."""
    folder = make_state_folder()
    g = new_gateway(folder)
    try:
        yield g
    finally:
        g.stop()
        shutil.rmtree(folder, ignore_errors=True)
