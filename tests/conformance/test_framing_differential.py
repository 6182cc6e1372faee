"""Every request that the door accepts is read the same way by llhttp and by h11: method, target, header fields, body, and the byte where it ends.

100,000 generated requests; with EG_LONG=1 three million. EG_FRAMING_SEED takes another seed.
"""
import collections
import json
import os
import pathlib
import struct
import subprocess

import pytest
from server import build_folder

framing = pytest.importorskip("framing", reason="h11 and httptools are not installed")

SEED = int(os.environ.get("EG_FRAMING_SEED", "1"))
BATCH = 5000
COUNT = 3_000_000 if os.environ.get("EG_LONG") else 100_000
# h11 is pure Python: in the short run it reads one accepted request in this many (and all that llhttp refuses).
H11_SHARE = 1 if os.environ.get("EG_LONG") else 5

# Where a peer refuses what the door accepts, and why that is no second meaning.
STRICTER = {
    "llhttp": [
        ("HttpParserInvalidMethodError", "it knows a list of methods; ours ends in 405"),
        ("HttpParserUpgrade", "it stops where its user must decide about Upgrade; ours is never one (RFC 9110 section 7.8)"),
    ],
    "h11": [],
}


@pytest.fixture(scope="module")
def reader():
    program = pathlib.Path(build_folder()) / "tests" / "conformance" / "framing_reader"
    if not program.exists():
        pytest.skip("framing_reader is not built")
    return str(program)


def ask_door(reader, requests):
    done = subprocess.run([reader], input=b"".join(struct.pack(">I", len(q)) + q for q in requests), stdout=subprocess.PIPE, timeout=120, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(requests)
    return answers


def owed_headers(door):
    """As (name, value) without Authorization, which the door keeps apart."""
    return [(n, v) for n, v in door["headers"]]


def compare(name, read, request, door):
    """None, or what the peer reads otherwise. When the door refuses the body, the peer may do what it likes with it: nobody gets that request."""
    if door["body_state"] == "refused":
        pieces = (request[:door["head"]],)
    elif door["body_state"] == "whole":
        pieces = (request[:door["end"] - 1], request[door["end"] - 1:door["end"]])
    else:
        pieces = (request,)
    seen, steps = read(*pieces)
    if seen.error:
        return None if any(seen.error.startswith(start) for start, _ in STRICTER[name]) else f"{name} refuses it: {seen.error}"
    headers = [(n, v) for n, v in seen.headers if n.lower() != "authorization"]
    if name == "h11":  # lowers the case of what it knows as "chunked"
        headers = [(n, v.lower() if n.lower() == "transfer-encoding" else v) for n, v in headers]
    owed = owed_headers(door)
    if name == "h11":
        owed = [(n, v.lower() if n.lower() == "transfer-encoding" else v) for n, v in owed]
    for what, ours, theirs in (("method", door["method"], seen.method.decode("latin-1")), ("target", door["target"], seen.target.decode("latin-1")), ("headers", owed, headers)):
        if ours != theirs:
            return f"{what}: the door reads {ours!r}, {name} reads {theirs!r}"
    tokens = [v for n, v in seen.headers if n.lower() == "authorization"]
    if tokens != ([door["authorization"]] if "authorization" in door else []):
        return f"authorization: {name} reads {tokens}"
    if door["body_state"] == "whole":
        if steps != [0, 1]:
            return f"end: the door ends at {door['end']}, {name} counts {steps} messages one byte before it and there"
        if seen.close is not None and seen.close != door["close"]:
            return f"close: the door says {door['close']}, {name} {seen.close}"
    if door["body_state"] == "partial" and steps != [0]:
        return f"end: the door waits for more, {name} does not"
    if door["body_state"] != "refused" and door["body"] != seen.body.decode("latin-1"):
        return f"body: the door reads {door['body']!r}, {name} {seen.body!r}"
    return None


def test_peers_read_what_the_door_accepts(reader):
    requests = framing.Generator(SEED)
    seen = collections.Counter()
    wrong = []
    for start in range(0, COUNT, BATCH):
        batch = [requests.request() for _ in range(BATCH)]
        for i, (request, door) in enumerate(zip(batch, ask_door(reader, batch))):
            if not door["accepted"]:
                seen[door["code"]] += 1
                continue
            seen["accepted, body " + door["body_state"]] += 1
            known = request.partition(b" ")[0] in framing.METHODS and b"pgrade" not in request
            said = [compare("llhttp", framing.read_llhttp, request, door)] if known else []
            if not known or (start + i) % H11_SHARE == 0:
                said.append(compare("h11", framing.read_h11, request, door))
            wrong += [f"{what}\n    {request!r}" for what in said if what]
        assert not wrong, f"{len(wrong)} of the first {start + BATCH} requests with seed {SEED} have two meanings:\n" + "\n".join(wrong[:10])
    print(dict(seen))
    # The generator must reach both sides of each rule, else the comparison says nothing.
    assert seen["accepted, body whole"] > COUNT / 20 and seen["accepted, body refused"] > COUNT / 1000
    for code in ("AmbiguousRequest", "InvalidUri", "InvalidHeaderValue", "RequestHeaderFieldsTooLarge", "UriTooLong", "incomplete"):
        assert seen[code] > COUNT / 10000, (code, seen)


# What request smuggling is made of, by name: each is refused, with this code.
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
REFUSED = [
    ("two lengths", HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "AmbiguousRequest"),
    ("two equal lengths", HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "AmbiguousRequest"),
    ("merged lengths", HEAD + b"Content-Length: 3, 3\r\n\r\nabc", "AmbiguousRequest"),
    ("length and chunked", HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "AmbiguousRequest"),
    ("chunked and length", HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "AmbiguousRequest"),
    ("chunked twice", HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "AmbiguousRequest"),
    ("other coding", HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "AmbiguousRequest"),
    ("blank before the colon", HEAD + b"Content-Length : 3\r\n\r\nabc", "AmbiguousRequest"),
    ("folded", HEAD + b"X: a\r\n b\r\n\r\n", "AmbiguousRequest"),
    ("bare LF", HEAD + b"X: a\nY: b\r\n\r\n", "AmbiguousRequest"),
    ("bare CR", HEAD + b"X: a\rY: b\r\n\r\n", "AmbiguousRequest"),
    ("NUL", HEAD + b"X: a\x00b\r\n\r\n", "AmbiguousRequest"),
    ("signed length", HEAD + b"Content-Length: +3\r\n\r\nabc", "AmbiguousRequest"),
    ("no host", b"GET / HTTP/1.1\r\n\r\n", "AmbiguousRequest"),
    ("chunked and a tab", HEAD + b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n", "AmbiguousRequest"),
    ("length after a tab", HEAD + b"Content-Length:\t3\r\n\r\nabc", "AmbiguousRequest"),
    ("two hosts", HEAD + b"Host: y\r\n\r\n", "AmbiguousRequest"),
    ("HTTP/1.0", b"GET / HTTP/1.0\r\nHost: x\r\n\r\n", "AmbiguousRequest"),
    ("empty line first", b"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "AmbiguousRequest"),
    ("a tunnel", b"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n", "AmbiguousRequest"),
    ("absolute form", b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", "InvalidUri"),
    ("authority form", b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", "InvalidUri"),
    ("asterisk form", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "InvalidUri"),
    ("raw UTF-8 in the target", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", "InvalidUri"),
    ("bad escape", b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "InvalidUri"),
]


@pytest.mark.parametrize("what, request_bytes, code", REFUSED, ids=[r[0] for r in REFUSED])
def test_the_door_refuses(reader, what, request_bytes, code):
    door = ask_door(reader, [request_bytes])[0]
    assert not door["accepted"] and door["code"] == code, (what, door)
