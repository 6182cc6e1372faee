"""The TLS profile is the one of tests/snapshot/tls_profile.txt, seen by an independent scanner. covers: tls_context.c"""
import difflib
import os

import pytest
from tls_profile import profile

SNAPSHOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "snapshot", "tls_profile.txt")


@pytest.mark.skipif("EG_PROVIDERS" not in os.environ, reason="EG_PROVIDERS, which ./dev sets, names no folder with the scanner")
def test_the_profile_is_the_snapshot(gateway, tmp_path):
    with open(SNAPSHOT) as f:
        owed = f.read()
    seen = profile(gateway.port, gateway.ca, tmp_path)
    assert seen == owed, "\n".join(difflib.unified_diff(owed.splitlines(), seen.splitlines(), "snapshot", "seen", lineterm=""))
