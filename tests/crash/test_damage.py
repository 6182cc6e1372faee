"""What is stored is changed while the server is stopped: a flipped byte, two segments swapped, an older copy put back, one cut short or removed.

Each is found by the read of that file and named, never served; other files are as they were. Rows of the store: tests/unit/storage/test_record.c.
"""
import glob
import http.client
import json
import os
import re
import shutil
import time

import acts
import evidence
import pytest

CONTENT = {name: (name.encode() * 50000)[:200000 + n] for n, name in enumerate(("flipped-", "swapped-one-", "swapped-two-", "older-", "cut-", "gone-", "whole-"))}

FORMAT_VERSION_AT = 8


def put(g, bearer, name, content):
    for method, query, body in (("PUT", "?resource=file", b""), ("PATCH", "?action=append&position=0", content),
                                ("PATCH", f"?action=flush&position={len(content)}", b"")):
        assert g.request(method, f"/data/damage/{name}{query}", bearer, body)[0] in (200, 201, 202)


def segments(g):
    return {p for p in glob.glob(f"{g.state}/gateway/segments/*/*") if "/segments/tmp/" not in p}


def put_and_find(g, bearer, name, content):
    """The one segment that this file's content became."""
    before = segments(g)
    put(g, bearer, name, content)
    (new,) = segments(g) - before
    return new


def corrupt_count(g):
    text = g.request("GET", "/metrics", g.token())[1].decode()
    return sum(float(n) for n in re.findall(r"^embergate_storage_corrupt_total(?:\{[^}]*\})? (\S+)$", text, re.M))


def replace(path, content):
    """In place, so that owner and mode stay."""
    with open(path, "r+b") as f:
        f.truncate(0)
        f.write(content)


def read_bytes(path):
    with open(path, "rb") as f:
        return f.read()


@pytest.mark.parametrize("at", [0, 8, 20, 50, 70, 96, 70000, -1])
def test_a_flipped_byte_is_never_served(damaged, at):
    g, bearer, where, _ = damaged
    g.stop()
    content = bytearray(read_bytes(where["flipped-"]))
    content[at] ^= 1
    replace(where["flipped-"], content)
    g.start()
    try:
        assert_named(g, bearer, "flipped-", "UnknownFormatVersion" if at == FORMAT_VERSION_AT else "DataCorrupted")
        assert_others(g, bearer, {"flipped-"})
    finally:
        content[at] ^= 1
        replace(where["flipped-"], content)


def test_swapped_older_cut_and_missing_segments(damaged):
    g, bearer, where, older = damaged
    g.stop()
    one, two = read_bytes(where["swapped-one-"]), read_bytes(where["swapped-two-"])
    replace(where["swapped-one-"], two)
    replace(where["swapped-two-"], one)
    replace(where["older-"], older)
    replace(where["cut-"], read_bytes(where["cut-"])[:-100])
    os.unlink(where["gone-"])
    g.start()
    hurt = {"swapped-one-", "swapped-two-", "older-", "cut-", "gone-"}
    for name in hurt:
        assert_named(g, bearer, name)
    assert_others(g, bearer, hurt)


def assert_named(g, bearer, name, code="DataCorrupted"):
    """500 with the code before the first byte; later the connection ends before its length, after bytes that are right. Counted, and logged."""
    counted, log_size = corrupt_count(g), os.path.getsize(g.log_path)
    try:
        status, said, headers = g.request("GET", f"/data/damage/{name}", bearer)
        assert status == 500, f"{name} is answered {status}"
        assert json.loads(said)["error"]["code"] == code and headers["x-ms-error-code"] == code
    except http.client.IncompleteRead as cut:
        assert cut.partial and CONTENT[name].startswith(cut.partial), "other bytes than were written"
    if code == "DataCorrupted":
        assert corrupt_count(g) > counted
    with open(g.log_path) as f:
        f.seek(log_size)
        text = f.read()
    assert f'"{code}"' in text, text
    time.sleep(1.5)  # a checkpoint is signed every second
    told = [r for r in evidence.records(acts.log_folder(g)) if r.get("resource", "").endswith(name) and r.get("error") == code]
    assert told and told[-1]["outcome"] == "failed"


def assert_others(g, bearer, hurt):
    for name, content in CONTENT.items():
        if name not in hurt:
            assert g.request("GET", f"/data/damage/{name}", bearer)[1] == content, name


@pytest.fixture(scope="module")
def damaged(trivial_server):
    """(gateway, token, name → segment, an earlier segment of older-)."""
    g = trivial_server
    g.start()
    bearer = g.token(audience="storage")
    earlier = put_and_find(g, bearer, "older-", CONTENT["older-"][::-1])
    copy = f"{os.path.dirname(g.state)}/earlier"
    shutil.copy(earlier, copy)
    return g, bearer, {name: put_and_find(g, bearer, name, content) for name, content in CONTENT.items()}, read_bytes(copy)
