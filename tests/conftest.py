"""One real gateway for a test session, shared by scenario and conformance; Spark's cluster starts when the first batch asks for it.

./dev test runs several sessions at once, each with gateways of its own, and a file's tests in one session. UNIX users of clusters, processors and memory are shared: a test that
takes them all for itself, or measures, is marked `alone`, and runs when the others are through."""
import os
import signal
import sys

import pytest

# In the background of a shell without job control SIGINT is ignored, by all that is started from here too; what is tested with Ctrl-C must hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))

from server import finish, make_state_folder, new_gateway  # noqa: E402


# Files that take longest, by what they took: started last they would be waited for.
LONGEST = ["test_arm_az.py", "test_outside_issuer.py", "test_signing_in.py", "test_hadoop.py", "test_spark.py"]
# Files that share what there is once: Keycloak's folder.
TOGETHER = {"test_signing_in.py": "keycloak", "test_outside_issuer.py": "keycloak"}


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: needs the machine for itself; ./dev test runs it after the others")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return TOGETHER.get(os.path.basename(file), file)
    return ByFile(config, log)


@pytest.fixture(scope="session")
def gateway():
    folder = make_state_folder()
    g = new_gateway(folder)
    try:
        g.start()
        yield g
    finally:
        finish(g, folder)


@pytest.fixture
def own_gateway():
    """A gateway for a test that breaks it."""
    folder = make_state_folder()
    g = new_gateway(folder)
    try:
        yield g
    finally:
        finish(g, folder)
