"""An older copy of each single file of a stopped server is put back in turn: it is refused and named, or it takes nothing back; a file that the table doesn't know fails the test."""
import json
import os
import re
import stat
import subprocess
import time

import acts
from log_records import records
from test_damage import check, put, read_bytes, replace

UNHEARD = r"serve\.log|run/|gateway/db/(lock\.mdb|embergate\.)|gateway/segments/hold"  # locks, sockets, and what the test itself writes


def tree(g):
    found = {}
    for folder, _, names in os.walk(g.state):
        for name in names:
            path = os.path.join(folder, name)
            at = os.path.relpath(path, g.state)
            if stat.S_ISREG(os.lstat(path).st_mode) and not re.match(UNHEARD, at):
                found[at] = read_bytes(path)
    return found


def restore(g, whole):
    """As it was; files that came since go, for they would be newer than the rest."""
    now = tree(g)
    for at in set(now) - set(whole):
        os.unlink(f"{g.state}/{at}")
    for at, content in whole.items():
        path = f"{g.state}/{at}"
        if at not in now:
            owner = os.stat(os.path.dirname(path))
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            os.chown(path, owner.st_uid, owner.st_gid)
        if now.get(at) != content:
            replace(path, content)


def run_batch(g, mark):
    status, batch, _ = g.json("POST", "/livy/batches", g.token(), {"file": acts.address(g, "job"), "args": [mark, g.runs, "0"]})
    assert status == 201, batch
    end = time.monotonic() + 60
    while g.json("GET", f"/livy/batches/{batch['id']}", g.token())[1]["state"] != "success":
        assert time.monotonic() < end
        time.sleep(0.1)


def first_life(g):
    g.start()
    bearer = g.token(audience="storage")
    put(g, bearer, "small", b"older" * 100)
    put(g, bearer, "large", b"L" * 300000)
    run_batch(g, "one")
    acts.settled(g)
    g.stop()


def second_life(g):
    """Changes each kind of file that the first has written."""
    g.start()
    bearer = g.token(audience="storage")
    put(g, bearer, "small", b"newer" * 100)
    put(g, bearer, "large", b"M" * 300001)
    for n in range(30):
        put(g, bearer, f"more-{n}", b"more" * 1000)
    run_batch(g, "two")
    g.run("revoke", "principal", g.profile("guest")["object_id"], "--state", g.state)
    g.run("principal", "rotate", "--state", g.state, "--tenant", "contoso", "--name", "bystander")
    g.run("key", "rotate", "--state", g.state, "--tenant", "contoso", "--wait")
    g.run("key", "rotate-signing", "--state", g.state)
    acts.settled(g)
    g.stop()


def refused(g, words):
    """Neither looked at nor served."""
    said = g.run("storage", "check", "--state", g.state, "--json", check=False)
    assert said.returncode != 0 and words in said.stderr + said.stdout, said
    since = os.path.getsize(g.log_path)
    with open(g.log_path, "ab") as log:  # not g.start(): nobody answers
        g.process = subprocess.Popen([g.binary, "serve", "--state", g.state], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    assert g.wait_for_log('"code":"DataCorrupted"', since) and g.wait_for_log('"gateway.open_failed"', since)
    g.stop()


def nothing_is_taken_back(g, allowed=frozenset()):
    assert check(g).keys() <= allowed
    g.start()
    bearer = g.token(audience="storage")
    for name, content in (("small", b"newer" * 100), ("large", b"M" * 300001)):
        assert g.request("GET", f"/data/damage/{name}", bearer)[1] == content
    g.run("audit", "verify", acts.settled(g))
    ids = [r["id"] for r in records(acts.log_folder(g))]
    g.stop()
    assert len(ids) == len(set(ids)), "a record came twice"


def log_does_not_prove(g, at):
    said = g.run("audit", "verify", f"{g.state}/{os.path.dirname(at)}", check=False)
    assert said.returncode != 0, said.stdout


def secret_is_refused(g):
    """A profile is its owner's copy: the secret in the older one was replaced."""
    g.start()
    said = g.run("token", profile="bystander", check=False)
    g.stop()
    assert said.returncode != 0 and "invalid_client" in said.stderr, said


def older_signing_keys_are_ended(g):
    """What signs and verifies then is none of the keys that were there before: one that was stolen and ended doesn't come back."""
    nothing_is_taken_back(g)
    assert [r["outcome"] for r in records(f"{g.state}/gateway/audit/server") if r["event"] == "identity.keys.older"] == ["failed"]


def forgotten_signatures_are_told(g):
    """The log's published checkpoint remembers for the keeper; that it had to stands in the log, once."""
    since = os.path.getsize(g.log_path)
    nothing_is_taken_back(g)
    assert g.wait_for_log('"audit.checkpoint_forgotten"', since)
    nothing_is_taken_back(g)
    told = [r for r in records(f"{g.state}/gateway/audit/server") if r["event"] == "audit.checkpoint.forgotten"]
    assert [r["outcome"] for r in told] == ["failed"] and re.fullmatch(r"/providers/Embergate/auditLogs/(server|[-0-9a-f]{36})", told[0]["resource"]), told


HOW = [
    (r"gateway/db/data\.mdb", lambda g, at: refused(g, "is older than its log")),
    (r"gateway/db/log\.\d", lambda g, at: nothing_is_taken_back(g)),
    (r"keeper/tenants/[-0-9a-f]+\.key", lambda g, at: refused(g, "does not open")),
    (r"gateway/audit/[^/]+/checkpoint", log_does_not_prove),
    (r"gateway/audit/journal\.\d", lambda g, at: nothing_is_taken_back(g)),
    (r"gateway/audit/[^/]+/audit-key\.wrapped", lambda g, at: nothing_is_taken_back(g)),  # the same key under an older version of the tenant's
    (r"profiles/bystander\.json", lambda g, at: secret_is_refused(g)),
    (r"keeper/token-signing\.key", lambda g, at: older_signing_keys_are_ended(g)),
    (r"keeper/checkpoints/\w+\.state", lambda g, at: forgotten_signatures_are_told(g)),
]


def test_an_older_copy_of_each_file(trivial_gateway):
    g = trivial_gateway
    first_life(g)
    older = tree(g)
    second_life(g)
    whole = tree(g)
    assert check(g) == {}, "a life with rotated keys leaves a store that verifies"
    whole = tree(g)
    seen = set()
    for at in sorted(older):
        if at not in whole or older[at] == whole[at]:
            continue
        known = [(kind, how) for kind, how in HOW if re.fullmatch(kind, at)]
        assert known, f"{at} changes while the server runs, and nobody says what an older copy of it does"
        replace(f"{g.state}/{at}", older[at])
        known[0][1](g, at)
        restore(g, whole)
        seen.add(known[0][0])
    assert seen == {kind for kind, _ in HOW}, "not each kind of file was tried"
    nothing_is_taken_back(g)


def test_commands_of_a_stopped_server_keep_the_digest(trivial_gateway):
    """Rows of people that were set back are found, also beside those that commands wrote while nobody served."""
    g = trivial_gateway
    g.start()
    g.run("principal", "disable", "--state", g.state, "--tenant", "contoso", "--name", "guest")
    g.stop()
    g.run("principal", "add", "--state", g.state, "--tenant", "contoso", "--name", "latecomer")
    assert check(g) == {}
    store = f"{g.state}/gateway/db/data.mdb"
    content = read_bytes(store)
    assert content.count(b"latecomer") >= 1
    replace(store, content.replace(b"latecomer", b"forecomer"))
    assert check(g) == {"identity.principal": {"older"}}
    log_size = os.path.getsize(g.log_path)
    g.start()
    assert g.wait_for_log('"store.older"', log_size)
    with open(g.log_path) as f:
        f.seek(log_size)
        told = [json.loads(line) for line in f if '"store.older"' in line]
    assert [line["database"] for line in told] == ["identity.principal"]
