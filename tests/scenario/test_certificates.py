"""Certificates change under a serving gateway, and no connection ends. covers: certificate_watch.c certificate_renew.c"""
import http.client
import os
import socket
import ssl
import time

import pytest

TAKEN_WITHIN = 10  # s; two looks of a second each, on a busy machine


def served(gateway):
    """The certificate that a new connection gets, verified by the CA of init."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as s:
        with gateway.context().wrap_socket(s, server_hostname="localhost") as tls:
            return tls.getpeercert(True), tls.getpeercert()


def metric(gateway, name):
    text = gateway.request("GET", "/metrics", gateway.token())[1].decode()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def eventually(truth):
    end = time.monotonic() + TAKEN_WITHIN
    while not truth():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def ask(connection):
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    return answer.status


@pytest.fixture
def kept_open(gateway):
    """A connection that was there before."""
    c = http.client.HTTPSConnection("127.0.0.1", gateway.port, context=gateway.context(), timeout=30)
    assert ask(c) == 200
    c.auto_open = 0  # so that a connection that ended can't be mended unseen
    yield c
    assert ask(c) == 200
    c.close()


def test_a_renewed_certificate_is_served_and_no_connection_ends(gateway, kept_open):
    before, facts = served(gateway)
    reloads = metric(gateway, "embergate_tls_certificate_reloads_total")
    owner = os.stat(f"{gateway.state}/tls/server.key")
    said = gateway.run("certificate", "renew", "--state", gateway.state).stdout
    assert "renewed" in said
    assert eventually(lambda: served(gateway)[0] != before)
    after, renewed = served(gateway)
    assert sorted(renewed["subjectAltName"]) == sorted(facts["subjectAltName"])
    now = os.stat(f"{gateway.state}/tls/server.key")
    assert (now.st_uid, now.st_gid, now.st_mode) == (owner.st_uid, owner.st_gid, owner.st_mode) and now.st_mode & 0o777 == 0o600
    assert metric(gateway, "embergate_tls_certificate_reloads_total") == reloads + 1
    assert metric(gateway, "embergate_tls_certificate_expires_seconds") == ssl.cert_time_to_seconds(renewed["notAfter"])
    assert not [n for n in os.listdir(f"{gateway.state}/tls") if n.endswith(".next")]


def test_a_broken_pair_changes_nothing_and_is_told(gateway, kept_open):
    path = f"{gateway.state}/tls/server.pem"
    with open(path) as f:
        right = f.read()
    before, _ = served(gateway)
    failed = metric(gateway, "embergate_tls_certificate_reload_failed_total")
    try:
        for wrong in (right[: len(right) // 2], open(gateway.ca).read()):  # half a file; the certificate of another key
            with open(path, "w") as f:
                f.write(wrong)
            failed += 1
            assert eventually(lambda: metric(gateway, "embergate_tls_certificate_reload_failed_total") == failed)
            assert served(gateway)[0] == before
        assert "tls.reload_failed" in gateway.log_tail(60) and "server.key" in gateway.log_tail(60)
    finally:
        with open(path, "w") as f:
            f.write(right)
    reloads = metric(gateway, "embergate_tls_certificate_reloads_total")
    assert eventually(lambda: metric(gateway, "embergate_tls_certificate_reloads_total") > reloads)
    assert served(gateway)[0] == before


def test_renew_says_what_is_wrong(gateway, tmp_path):
    for args in ((), ("renew",), ("renew", "--state"), ("issue", "--state", gateway.state), ("renew", "--state", tmp_path)):
        done = gateway.run("certificate", *args, check=False)
        assert done.returncode in (1, 2) and "embergate: " in done.stderr
    assert "--state" in gateway.run("certificate", check=False).stderr
