"""One real gateway for a test session, shared by scenario and conformance; Spark's cluster starts when the first batch asks for it."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))

from server import finish, make_state_folder, new_gateway  # noqa: E402


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
