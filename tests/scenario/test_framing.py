"""Hostile framing against the running gateway, over TLS: refused or closed, and what was smuggled behind it is never answered."""
import os
import re
import socket
import ssl
import time

import pytest

HOST = b"Host: 127.0.0.1\r\n"
SMUGGLED = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /livy/batches HTTP/1.1\r\n" + HOST


def converse(gateway, sent, wait=8.0):
    """Everything that comes back until the gateway closes, and whether it did."""
    got = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=wait) as plain, gateway.context().wrap_socket(plain, server_hostname="127.0.0.1") as s:
        try:
            s.sendall(sent)
            s.settimeout(wait)
            while block := s.recv(65536):
                got += block
        except TimeoutError:
            return got, False
        except (ConnectionError, ssl.SSLError):
            pass
    return got, True


def statuses(got):
    """The status of each answer in turn; bodies are cut out by their length, so that nothing in them counts."""
    found = []
    while got:
        head, _, rest = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), got[:200]
        found.append(int(head.split(b" ")[1]))
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if found[-1] == 100:
            got = rest
        else:
            assert length, head
            got = rest[int(length.group(1)):]
    return found


HEADS = {
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 50\r\n\r\nabc",
    "two equal lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "length and chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 50\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "hidden chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked and a tab": POST + b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n",
    "blank before the colon": POST + b"Content-Length : 3\r\n\r\nabc",
    "signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "length in hex": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "length without end": POST + b"Content-Length: 99999999999999999999\r\n\r\nabc",
    "bare LF": b"GET /healthz HTTP/1.1\nHost: 127.0.0.1\n\n",
    "bare LF in a field": POST + b"X: a\nContent-Length: 3\r\n\r\nabc",
    "bare CR": POST + b"X: a\rContent-Length: 3\r\n\r\nabc",
    "folded": POST + b"X: a\r\n Content-Length: 3\r\n\r\nabc",
    "folded length": POST + b"Content-Length:\r\n 3\r\n\r\nabc",
    "NUL": POST + b"X: a\x00b\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\n" + HOST + b"Host: other\r\n\r\n",
    "HTTP/1.0": b"GET /healthz HTTP/1.0\r\n" + HOST + b"\r\n",
    "absolute form": b"GET http://127.0.0.1/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "authority form": b"CONNECT 127.0.0.1:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT of a path": b"CONNECT /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "raw UTF-8": "GET /é HTTP/1.1\r\n".encode() + HOST + b"\r\n",
    "NUL in the target": b"GET /a\x00b HTTP/1.1\r\n" + HOST + b"\r\n",
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01",
}


@pytest.mark.parametrize("name", HEADS)
def test_an_ambiguous_head_is_refused_with_all_behind_it(gateway, name):
    got, closed = converse(gateway, HEADS[name] + SMUGGLED)
    assert closed and statuses(got) == [400], got[:600]
    assert b"AmbiguousRequest" in got or b"InvalidUri" in got


@pytest.mark.parametrize("status, head", [
    (431, b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 20000 + b"\r\n\r\n"),
    (431, b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 100 + b"\r\n"),
    (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
], ids=["long head", "many fields", "long target"])
def test_an_oversized_head_is_refused(gateway, status, head):
    got, closed = converse(gateway, head + SMUGGLED)
    assert closed and statuses(got) == [status], got[:600]


CHUNKED = {
    "extension": b"3;a=b\r\nabc\r\n0\r\n\r\n",
    "bare LF": b"3\nabc\n0\n\n",
    "hex prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "blank": b"3 \r\nabc\r\n0\r\n\r\n",
    "sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "too short": b"2\r\nabc\r\n0\r\n\r\n",
    "too large": b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    "trailer": b"3\r\nabc\r\n0\r\nContent-Length: 50\r\n\r\n",
    "no size": b"\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", CHUNKED)
def test_a_bad_chunk_ends_the_connection(gateway, name):
    """With a token that may submit, so that the body is wanted; whatever the answer, it is the last."""
    head = POST + b"Authorization: Bearer " + gateway.token().encode() + b"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    got, closed = converse(gateway, head + CHUNKED[name] + SMUGGLED)
    assert closed and statuses(got) in ([400], []), got[:600]


def test_a_refused_token_does_not_free_the_body(gateway):
    """The body of a request that is refused before its body is read is never taken for the next request."""
    got, closed = converse(gateway, POST + b"Authorization: Bearer x\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, wait=3.0)
    assert statuses(got) == [401], got[:600]


def test_pipelined_requests_are_answered_in_order(gateway):
    got, closed = converse(gateway, SMUGGLED + SMUGGLED.replace(b"/healthz", b"/livy/batches") + SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert closed and statuses(got) == [200, 401, 200]
    got, closed = converse(gateway, SMUGGLED + HEADS["two lengths"] + SMUGGLED)
    assert closed and statuses(got) == [200, 400]


@pytest.mark.parametrize("path", [
    "/data/a%00b", "/data/%00", "/data/%c0%ae%c0%ae/x", "/data/a%c0%afb", "/data/%e0%80%af", "/data/%ed%a0%80", "/data/%ff", "/data/%2e%2e/x", "/data/../x", "/data/a/%2e/x",
    "/data/a%2f..%2f..%2fx", "/data/%2e%2e%2f%2e%2e%2fetc/passwd", "/data/a//b", "/data/a%2f%2fb",
])
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE"])
def test_a_path_with_two_readings_is_refused(gateway, method, path):
    query = "?resource=file" if method == "PUT" else ""
    head = (f"{method} {path}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {gateway_token(gateway)}\r\nx-ms-version: 2023-11-03\r\nConnection: close\r\n"
            "Content-Length: 0\r\n\r\n").encode()
    got, closed = converse(gateway, head)
    assert closed and got.startswith(b"HTTP/1.1 400 "), got[:600]


_tokens = {}


def gateway_token(gateway):
    if gateway.state not in _tokens:
        _tokens[gateway.state] = gateway.token(audience="storage")
    return _tokens[gateway.state]


def test_an_escaped_slash_separates(gateway):
    files = gateway.file_system()
    files.get_file_client("framing/escaped.txt").upload_data(b"one file", overwrite=True)
    for path in ("/data/framing/escaped.txt", "/data/framing%2Fescaped.txt", "/data/framing%2fescaped%2etxt"):
        status, body, _ = gateway.request("GET", path, gateway_token(gateway), headers={"x-ms-version": "2023-11-03"})
        assert (status, body) == (200, b"one file"), path


@pytest.mark.skipif(not os.environ.get("EG_LONG"), reason="waits for the door's deadline of 15 s")
def test_a_slow_head_is_cut_off(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as plain, gateway.context().wrap_socket(plain, server_hostname="127.0.0.1") as s:
        started = time.monotonic()
        got = b""
        s.settimeout(0.5)
        for byte in b"GET /healthz HTTP/1.1\r\n" + b"X: a\r\n" * 20:
            try:
                s.sendall(bytes([byte]))
                got += s.recv(4096)
            except TimeoutError:
                continue
            except (ConnectionError, ssl.SSLError):
                break
            break
        assert 10 < time.monotonic() - started < 25
        assert got == b"" or got.startswith(b"HTTP/1.1 408 ")
