"""What is stored is changed while the server is stopped: a flipped byte, two segments swapped, an older copy put back, one cut short or removed.

Each is found by the read of that file and named, never served; other files are as they were. Rows of the store: tests/unit/storage/test_record.c.
"""
import contextlib
import glob
import http.client
import json
import os
import re
import signal
import time

import acts
import evidence
from log_records import records

FLIPPED_AT = [0, 8, 20, 50, 70, 96, 70000, -1]  # magic, version, salt, id, commitment, chunks
OTHERS = ["swapped-one-", "swapped-two-", "older-", "cut-", "gone-", "whole-"]
NAMES = [f"flipped-{at}-" for at in FLIPPED_AT] + OTHERS
CONTENT = {name: (name.encode() * 60000)[:200000 + n] for n, name in enumerate(NAMES)}
FORMAT_VERSION_AT = 8
RECORDS_AT = 16384  # docs/STORE-LOG-FORMAT.md


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


def flip(path, at):
    content = bytearray(read_bytes(path))
    content[at] ^= 1
    replace(path, content)


def check(g):
    """What `embergate storage check` says of the stopped server: where → kinds."""
    said = json.loads(g.run("storage", "check", "--state", g.state, "--json", check=False).stdout)
    found = {}
    for f in said["findings"]:
        found.setdefault(f["where"], set()).add(f["kind"])
    return found


def test_damage_is_named_and_never_served(trivial_gateway):
    g = trivial_gateway
    g.start()
    bearer = g.token(audience="storage")
    older = read_bytes(put_and_find(g, bearer, "older-", CONTENT["older-"][::-1]))
    where = {name: put_and_find(g, bearer, name, content) for name, content in CONTENT.items()}
    g.stop()
    for at in FLIPPED_AT:
        flip(where[f"flipped-{at}-"], at)
    one, two = read_bytes(where["swapped-one-"]), read_bytes(where["swapped-two-"])
    replace(where["swapped-one-"], two)
    replace(where["swapped-two-"], one)
    replace(where["older-"], older)
    replace(where["cut-"], read_bytes(where["cut-"])[:-100])
    os.unlink(where["gone-"])
    found = check(g)
    kinds = {"swapped-one-": "swapped", "swapped-two-": "swapped", "older-": "swapped", "cut-": "damaged", "gone-": "lost"}
    for name in NAMES:
        kind = None if name == "whole-" else kinds.get(name, "swapped" if name == "flipped-50-" else "damaged")
        assert found.pop(f"lake/data/damage/{name}", set()) == ({kind} if kind else set()), name
    assert found == {}
    g.start()
    codes = {name: "UnknownFormatVersion" if name == f"flipped-{FORMAT_VERSION_AT}-" else "DataCorrupted" for name in NAMES if name != "whole-"}
    for name, code in codes.items():
        assert_named(g, bearer, name, code)
    assert g.request("GET", "/data/damage/whole-", bearer)[1] == CONTENT["whole-"]
    found = records(acts.settled(g))
    for name, code in codes.items():
        told = [r for r in found if r.get("resource", "").endswith("/" + name) and r.get("error") == code]
        assert told and told[-1]["outcome"] == "failed", name


def assert_named(g, bearer, name, code):
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
    assert g.wait_for_log(f'"{code}"', log_size), f"{code} of {name} was not logged; {g.log_tail()}"


def test_damage_of_a_pack(trivial_gateway):
    """Small files lie in one file together: only the one whose bytes are changed is refused, and an older copy of the pack costs what came later."""
    g = trivial_gateway
    g.start()
    bearer = g.token(audience="storage")
    small = {f"small-{n}": f"content of {n}".encode() * 50 for n in range(10)}
    for name, content in small.items():
        put(g, bearer, name, content)
    (pack,) = [p for p in segments(g) if "/packs/" in p]
    older = read_bytes(pack)
    put(g, bearer, "later", b"later")
    g.stop()
    newer = read_bytes(pack)
    at = newer.index(b"EGSEGMNT", newer.index(b"EGSEGMNT") + 1)  # the second segment
    flip(pack, at + 96 + 10)
    assert check(g) == {"lake/data/damage/small-1": {"damaged"}}
    g.start()
    for name, content in small.items():
        status, said, _ = g.request("GET", f"/data/damage/{name}", bearer)
        assert (status, said) == (200, content) if name != "small-1" else status == 500, name
    g.stop()
    replace(pack, older)
    assert "lake/data/damage/later" in check(g)
    replace(pack, newer)
    assert check(g) == {}
    g.start()


def test_damage_of_the_stores_log(trivial_gateway):
    """After a kill the log has what LMDB's file need not: a record that is damaged, with others behind it, is said and nothing is served; put right, all is there."""
    g = trivial_gateway
    g.start()
    bearer = g.token(audience="storage")
    small = {f"logged-{n}": f"logged {n}".encode() * 40 for n in range(20)}
    for name, content in small.items():
        put(g, bearer, name, content)
    while left := evidence.mine(g):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    g.process.wait(timeout=10)
    logs = {f"{g.state}/gateway/db/{name}": read_bytes(f"{g.state}/gateway/db/{name}") for name in ("log.0", "log.1")}
    written = [path for path, content in logs.items() if content[RECORDS_AT:RECORDS_AT + 8] == b"EGRECORD"]
    assert written, "the log has no record"
    for path in written:
        flip(path, RECORDS_AT + 100)
    said = g.run("storage", "check", "--state", g.state, "--json", check=False)
    assert said.returncode != 0 and "DataCorrupted" in said.stderr + said.stdout, said.stderr
    for path in written:
        replace(path, logs[path])
    assert check(g) == {}
    g.start()
    for name, content in small.items():
        assert g.request("GET", f"/data/damage/{name}", bearer)[1] == content, name


def exchange(path, was, now):
    """In place, wherever it stands in LMDB's pages."""
    content = read_bytes(path)
    assert len(was) == len(now) and was in content
    with open(path, "r+b") as f:
        f.write(content.replace(was, now))


def test_a_row_that_was_set_back(trivial_gateway):
    """Rows of batches bear no MAC of their own: one that was changed in the stopped store is found by the check, and by the next start, in the log, in metrics and in the audit log."""
    g = trivial_gateway
    g.start()
    bearer = g.token()
    status, batch, _ = g.json("POST", "/livy/batches", bearer, {"file": acts.address(g, "job"), "args": ["one", g.runs, "0"]})
    assert status == 201, batch
    end = time.monotonic() + 60
    while g.json("GET", f"/livy/batches/{batch['id']}", bearer)[1]["state"] != "success":
        assert time.monotonic() < end
        time.sleep(0.1)
    g.stop()
    store = f"{g.state}/gateway/db/data.mdb"
    assert check(g) == {}
    exchange(store, b'"state":"success"', b'"state":"running"')
    assert check(g) == {"compute.batch": {"older"}, "compute.usage": {"older"}}
    log_size = os.path.getsize(g.log_path)
    g.start()
    assert g.wait_for_log('"store.older"', log_size)
    assert corrupt_count(g) == 2
    while sum(r["event"] == "server.store.older" and r["outcome"] == "failed" for r in records(f"{g.state}/gateway/audit/server")) != 2:
        assert time.monotonic() < end + 60
        time.sleep(0.2)
