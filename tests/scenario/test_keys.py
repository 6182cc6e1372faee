"""Keys and backups with the real server: customer keys, scopes, rotation under load and across kill -9, erase with its certificate, backup while a crowd writes, restore.
covers: account_admin.c admin_client.c admin_server.c erasure.c key_commands.c backup_commands.c backup_make.c backup_restore.c"""
import base64
import collections
import datetime
import fcntl
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient
from gateway import Gateway, free_port
from log_records import records

KEY = base64.b64encode(bytes(range(32))).decode()
SHA = base64.b64encode(hashlib.sha256(bytes(range(32))).digest()).decode()
CUSTOMER = {"x-ms-encryption-key": KEY, "x-ms-encryption-key-sha256": SHA, "x-ms-encryption-algorithm": "AES256"}


@pytest.fixture
def place():
    """A folder that the server's users can pass through, which pytest's own is not."""
    top = tempfile.mkdtemp(prefix="embergate-keys-")
    os.chmod(top, 0o755)
    yield pathlib.Path(top)
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture
def own(place):
    """A server of this test's own: its tenant may be destroyed."""
    g = Gateway(place / "state", port=free_port())
    g.init("--tenant", "contoso", "--tenant", "fabrikam")
    g.start()
    yield g
    g.stop()


def put(g, token, name, body, headers=None):
    h = dict(headers or {})
    status, text, _ = g.request("PUT", f"/data/{name}?resource=file", token, b"", h)
    assert status == 201, (status, text)
    status, text, _ = g.request("PATCH", f"/data/{name}?action=append&position=0", token, body, h)
    assert status == 202, (status, text)
    status, text, _ = g.request("PATCH", f"/data/{name}?action=flush&position={len(body)}", token, b"", h)
    assert status == 200, (status, text)


def get(g, token, name, headers=None):
    return g.request("GET", f"/data/{name}", token, None, headers)


def rotations(g):
    return json.loads(g.run("key", "status", "--state", g.state).stdout)["rotations"]


def keys_of(g, tenant="contoso"):
    return json.loads(g.run("key", "list", "--state", g.state, "--tenant", tenant).stdout)


def wait_rotated(g, seconds=60):
    end = time.monotonic() + seconds
    while any(r["state"] == "running" for r in rotations(g)):
        assert time.monotonic() < end, "the rotation does not end"
        time.sleep(0.1)


class Crowd:
    """Writes files until it is told to stop; what was acknowledged is kept with its content."""

    def __init__(self, g, threads=3):
        self.g, self.acknowledged, self.stop, self.when = g, {}, threading.Event(), {}
        self.token = g.token(audience="storage")
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(threads)]
        for t in self.threads:
            t.start()

    def run(self, who):
        n = 0
        while not self.stop.is_set():
            name, body = f"crowd/{who}-{n}", f"{who} {n} ".encode() * 2000
            try:
                put(self.g, self.token, name, body)
                self.when[name] = time.time()
                self.acknowledged[name] = body
            except (OSError, AssertionError):
                time.sleep(0.05)
            n += 1

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()
        return dict(self.acknowledged)


def test_customer_keys_and_scopes(own):
    g = own
    token = g.token(audience="storage")
    put(g, token, "cpk", b"secret", CUSTOMER)
    assert get(g, token, "cpk", CUSTOMER)[1] == b"secret"
    status, _, headers = get(g, token, "cpk")
    assert (status, headers["x-ms-error-code"]) == (409, "BlobUsesCustomerSpecifiedEncryption")
    g.run("storage", "scope", "add", "--state", g.state, "--account", "lake", "--name", "finance")
    put(g, token, "scoped", b"money", {"x-ms-encryption-scope": "finance"})
    assert get(g, token, "scoped")[2]["x-ms-encryption-scope"] == "finance"
    g.run("storage", "scope", "disable", "--state", g.state, "--account", "lake", "--name", "finance")
    status, _, headers = get(g, token, "scoped")
    assert (status, headers["x-ms-error-code"]) == (403, "EncryptionScopeDisabled")
    listed = json.loads(g.run("storage", "scope", "list", "--state", g.state, "--account", "lake").stdout)
    assert {"name": "finance", "state": "Disabled", "keySource": "Microsoft.Storage"}.items() <= listed["scopes"][1].items()
    # The key is nowhere in what the server wrote down.
    with open(g.log_path) as f:
        assert KEY not in f.read()


def metric(g, name):
    text = g.request("GET", "/metrics", g.token())[1].decode()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def set_key(g, key, value):
    """Sets a key of the configuration that init wrote, wherever in it."""
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text, n = re.subn(rf"(?m)^( *{key}:) .*$", rf"\g<1> {value}", f.read())
    assert n == 1, (key, n)
    with open(path, "w") as f:
        f.write(text)


def test_account_keys(own):
    """Printed on this machine alone, each time a record; made anew, the old one opens nothing."""
    g = own
    g.stop()
    set_key(g, "allowSharedKeyAccess", "true")
    g.start()

    def account(*words, check=True):
        done = g.run("storage", "account", *words, "--state", g.state, check=check)
        return json.loads(done.stdout) if done.stdout.startswith("{") else done

    shown = account("show", "--account", "lake")["accounts"]
    assert [(a["name"], a["tenant"], a["allowSharedKeyAccess"]) for a in shown] == [("lake", g.profile()["tenant"], True)]
    assert account("list")["accounts"] == shown
    keys = {k["keyName"]: k["value"] for k in account("keys", "list", "--account", "lake")["keys"]}
    assert sorted(keys) == ["key1", "key2"] and all(len(base64.b64decode(v)) == 64 for v in keys.values())

    def may_list(key):
        service = BlobServiceClient(f"{g.endpoint}/lake", credential={"account_name": "lake", "account_key": key}, connection_verify=g.ca, retry_total=0)
        try:
            return [c.name for c in service.list_containers()] == ["data"]
        except HttpResponseError as e:
            assert e.error_code == "AuthenticationFailed"
            return False

    assert may_list(keys["key1"]) and may_list(keys["key2"])
    assert keys["key1"] not in account("keys", "regenerate", "--account", "lake", "--key", "key1").stdout
    assert not may_list(keys["key1"]) and may_list(keys["key2"])
    assert account("keys", "revoke-delegations", "--account", "lake").returncode == 0
    for words in (("keys", "regenerate", "--account", "lake", "--key", "key3"), ("keys", "list", "--account", "nobody"), ("keys", "list"), ("show", "--account", "nobody")):
        assert account(*words, check=False).returncode != 0, words
    wanted, end = {"storage.account.list_keys": 2, "storage.account.renew_key": 2, "storage.account.revoke_delegations": 1}, time.monotonic() + 30
    while (counts := collections.Counter(r["event"] for r in records(f"{g.state}/gateway/audit/server") if r["event"].startswith("storage.account."))) != wanted:
        assert time.monotonic() < end, counts
        time.sleep(0.2)  # a checkpoint is signed every second
    with open(g.log_path) as f:
        text = f.read()
    assert not any(k in text for k in keys.values())


def test_a_backup_that_does_not_come_is_said(own, place):
    g = own
    g.stop()
    set_key(g, "backup_max_age_seconds", "2")
    g.start()
    assert metric(g, "embergate_backup_last_success_seconds") == 0
    end = time.monotonic() + 30
    while not metric(g, "embergate_backup_overdue"):
        assert time.monotonic() < end, "nobody minds that there is no backup"
        time.sleep(0.2)
    before = int(time.time())
    g.run("backup", "--state", g.state, "--to", place / "backup")
    assert before <= metric(g, "embergate_backup_last_success_seconds") <= int(time.time()) + 1
    while metric(g, "embergate_backup_overdue") and time.monotonic() < end:
        time.sleep(0.05)
    with open(g.log_path) as f:
        events = [json.loads(line).get("event") for line in f if line.startswith("{")]
    assert [e for e in events if e in ("backup.overdue", "backup.in_time")][:2] == ["backup.overdue", "backup.in_time"]


@pytest.mark.skipif(not os.environ.get("EG_LONG"), reason="10 GB: EG_LONG=1")
def test_ten_gigabytes_are_back_in_five_minutes(own, place):
    rehearse(own, place, 10 << 30, 300)


def test_how_long_a_gigabyte_takes_to_come_back(own, place):
    """The same with little, so that it is never found out too late that it doesn't work; how long it took is told, not judged."""
    rehearse(own, place, 48 << 20, None)


def kill_everything(g):
    """As when the machine is gone: kill -9 of the supervisor, then of all that it had started."""
    pids = g.pids()
    g.process.kill()
    g.process.wait()
    g.process = None
    for pid in pids.values():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def forget_pages(folder):
    """What the machine still knows of these files by heart: a restore begins by reading a disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as f:
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def point_time(name):
    """20261123T064500.123456Z, when it was begun."""
    return datetime.datetime.strptime(name, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=datetime.timezone.utc).timestamp()


def test_what_is_lost_at_worst(own, place):
    """A service makes points while a crowd writes; then the machine is gone. All that was acknowledged before the newest point was begun comes back; how old that was is told."""
    g = own
    repository = place / "backup"
    service = subprocess.Popen([g.binary, "backup", "--state", g.state, "--to", str(repository), "--every", "2s", "--keep", "3"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    crowd = Crowd(g)
    end = time.monotonic() + 120

    def points():
        return g.run("backup", "list", "--from", repository, check=False).stdout.split() if repository.exists() else []
    seen = set()
    while len(seen) < 4:
        seen.update(points())
        assert service.poll() is None and time.monotonic() < end, seen
        time.sleep(0.3)
    kill_everything(g)
    gone = time.time()
    service.kill()
    service.wait()
    written = crowd.end()
    newest = points()[-1]
    again = restore(g, repository, place / "restored", g.port)
    try:
        token = again.token(audience="storage")
        owed = [name for name in written if crowd.when[name] < point_time(newest)]
        assert owed
        for name in owed:
            status, got, _ = get(again, token, name)
            assert status == 200 and got == written[name], name
        late = sum(get(again, token, name)[0] != 200 for name in written if name not in owed)
        print(f"RPO: the newest point was {gone - point_time(newest):.1f} s old; {late} of {len(written)} acknowledged files were lost, all younger than it")
    finally:
        again.stop()


def stopped_while_it_reads(g, repository):
    """A backup, halted in the middle of reading the store: its lock says so. None when it was already further."""
    making = subprocess.Popen([g.binary, "backup", "--state", g.state, "--to", str(repository)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while making.poll() is None and not any(repository.glob("points/.partial-*/tree/gateway/db/data.mdb")):
        assert time.monotonic() < end
    making.send_signal(signal.SIGSTOP)
    if reads_the_store(g):
        return making
    making.send_signal(signal.SIGCONT)
    making.communicate(timeout=120)
    return None


def reads_the_store(g):
    with open(f"{g.state}/gateway/db/embergate.snapshot") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True


def test_backup_that_reads_while_the_gateway_is_killed(own, place):
    """The moment that a backup reads stays whole though the gateway that had it open is killed, twice, another opens the store and goes on writing."""
    g = own
    token = g.token(audience="storage")
    for n in range(1200):  # so many rows that reading them takes a while
        assert g.request("PUT", f"/data/rows/{n}?resource=file", token, b"", {"x-ms-properties": "k=" + "QUFB" * 900})[0] == 201
    crowd = Crowd(g)
    making = None
    for attempt in range(10):
        repository = place / f"backup{attempt}"
        before = dict(crowd.acknowledged)
        making = stopped_while_it_reads(g, repository)
        if making:
            break
    assert making, "no backup was met while it read"
    for _ in range(2):
        had = len(crowd.acknowledged)
        os.kill(g.pids()["gateway"], signal.SIGKILL)
        time.sleep(0.2)
        g.wait_ready()
        end = time.monotonic() + 60
        while len(crowd.acknowledged) < had + 50:
            assert time.monotonic() < end, "nobody writes any more"
            time.sleep(0.05)
        assert reads_the_store(g)
    making.send_signal(signal.SIGCONT)
    said = making.communicate(timeout=300)
    assert making.returncode == 0, said
    written = crowd.end()
    for name, body in list(written.items())[::7]:
        status, got, _ = get(g, token, name)
        assert status == 200 and got == body, name
    g.run("backup", "verify", "--from", repository)
    g.stop()
    assert json.loads(g.run("storage", "check", "--json", "--state", g.state).stdout)["faults"] == 0
    again = restore(g, repository, place / "restored", g.port)
    try:
        token = again.token(audience="storage")
        for name, body in before.items():
            status, got, _ = get(again, token, name)
            assert status == 200 and got == body, name
        assert again.request("HEAD", "/data/rows/1199", token)[2]["x-ms-properties"] == "k=" + "QUFB" * 900
    finally:
        again.stop()
    again.run("storage", "check", "--state", again.state)


def rehearse(g, place, size, seconds):
    """From nothing but the repository and the recovery key to a server that answers, on a bare machine; then the content is compared, and everything is checked."""
    token, part, names = g.token(audience="storage"), 16 << 20, []
    block = random.Random(size).randbytes(part)
    for n in range(size // part):
        body = n.to_bytes(8, "big") + block[8:]
        put(g, token, f"large/{n}", body)
        names.append((f"large/{n}", hashlib.sha256(body).digest()))
    started = time.monotonic()
    g.run("backup", "--state", g.state, "--to", place / "backup", timeout=3600)
    took = time.monotonic() - started
    kill_everything(g)
    shutil.rmtree(f"{g.state}/gateway")
    forget_pages(place / "backup")
    started = time.monotonic()
    again = restore(g, place / "backup", place / "restored", g.port)
    try:
        back = time.monotonic() - started
        token = again.token(audience="storage")
        for name, digest in names:
            status, body, _ = get(again, token, name)
            assert status == 200 and hashlib.sha256(body).digest() == digest, name
    finally:
        again.stop()
    again.run("storage", "check", "--state", again.state, timeout=3600)
    giga = size / (1 << 30)
    print(f"RTO of {giga:.2f} GiB: {back:.1f} s, {back / giga:.1f} s a GiB; the backup took {took:.1f} s")
    assert seconds is None or back <= seconds


def test_rotation_under_load_and_killed(own):
    g = own
    token = g.token(audience="storage")
    for i in range(60):
        put(g, token, f"f{i}", b"x" * 1000)
    crowd = Crowd(g)
    g.run("key", "rotate", "--state", g.state, "--tenant", "contoso", "--wait")
    written = crowd.end()
    assert written
    for name, body in list(written.items())[-20:]:
        assert get(g, token, name)[1] == body
    key = keys_of(g)["keys"][0]
    assert key["current"] == 2 and [v["state"] for v in key["versions"]] == ["retired", "inUse"]
    # Killed in the middle it goes on by itself.
    g.run("key", "rotate", "--state", g.state, "--tenant", "contoso")
    os.kill(g.pids()["gateway"], signal.SIGKILL)
    time.sleep(0.2)
    g.wait_ready()
    wait_rotated(g)
    assert [r["version"] for r in rotations(g)] == [3]
    assert [v["state"] for v in keys_of(g)["keys"][0]["versions"]] == ["retired", "retired", "inUse"]
    token = g.token(audience="storage")
    for i in range(60):
        assert get(g, token, f"f{i}")[1] == b"x" * 1000


def test_erase_with_its_certificate(own, place):
    g = own
    token = g.token(audience="storage")
    put(g, token, "a", b"x" * 1000)
    put(g, token, "d/b", b"y" * 500)
    repository, certificate = place / "backup", place / "certificate.json"
    g.run("backup", "--state", g.state, "--to", repository)
    tenant = g.profile()["tenant"]
    assert (repository / "escrow" / f"{tenant}.key").exists()
    refused = g.run("key", "erase", "--state", g.state, "--tenant", "contoso", "--reason", "test", check=False, stdin=subprocess.DEVNULL)
    assert refused.returncode == 1 and get(g, token, "a")[0] == 200
    g.run("key", "erase", "--state", g.state, "--tenant", "contoso", "--reason", "the contract ended", "--yes", "--out", certificate)
    status, _, headers = get(g, token, "a")
    assert (status, headers["x-ms-error-code"]) == (403, "KeyDestroyed")
    assert keys_of(g)["destroyed"] and keys_of(g)["keys"] == []
    assert not (repository / "escrow" / f"{tenant}.key").exists()
    with open(f"{g.state}/gateway/audit/server/vkey") as f:
        vkey = f.read().strip()
    said = g.run("key", "verify-certificate", certificate, "--key", vkey).stdout
    statement = json.loads(said.split("\n", 1)[1])
    assert statement["unreadable"]["fileCount"] == 2 and statement["unreadable"]["bytes"] == 1500
    assert statement["check"] == {"wrappedKeys": 3, "opened": 0}
    assert statement["escrows"] == [{"path": f"{repository}/escrow", "state": "erased"}]
    forged = certificate.read_text().replace("the contract ended", "another reason....")
    (place / "forged.json").write_text(forged)
    assert g.run("key", "verify-certificate", place / "forged.json", "--key", vkey, check=False).returncode == 1
    # Others are unharmed, also after a restart, and erasing again gives the same account.
    assert not keys_of(g, "fabrikam")["destroyed"]
    g.stop()
    g.start()
    g.run("key", "erase", "--state", g.state, "--tenant", "contoso", "--reason", "again", "--yes", "--out", certificate)
    said = g.run("key", "verify-certificate", certificate, "--key", vkey).stdout
    assert json.loads(said.split("\n", 1)[1])["unreadable"]["fileCount"] == 2
    # A backup from before opens on a bare machine, and nothing of the tenant is in it any more.
    g.stop()
    g.start()
    g.run("audit", "verify", f"{g.state}/gateway/audit/server", "--key", vkey)


def recovery_key(g):
    return next(line.split(None, 2)[2] for line in g.init_said.splitlines() if line.startswith("recovery key"))


def restore(g, repository, to, port):
    """On a 'bare machine': only the repository and the recovery key."""
    done = subprocess.run([g.binary, "restore", "--from", str(repository), "--state", str(to)], input=recovery_key(g), text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    shutil.copytree(f"{g.state}/profiles", f"{to}/profiles", dirs_exist_ok=True)
    again = Gateway(to, port=port, binary=g.binary)
    again.start()
    return again


def test_backup_while_a_crowd_writes(own, place):
    g = own
    repository = place / "backup"
    token = g.token(audience="storage")
    put(g, token, "cpk", b"secret", CUSTOMER)
    crowd = Crowd(g)
    time.sleep(1)
    first = g.run("backup", "--state", g.state, "--to", repository).stdout
    # Killed in the middle: no half point, and the next one goes on.
    killed = subprocess.Popen([g.binary, "backup", "--state", g.state, "--to", str(repository), "--every", "1s"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.5)
    killed.kill()
    killed.wait()
    g.run("backup", "verify", "--from", repository, "--point", "all")
    time.sleep(0.5)
    before = dict(crowd.acknowledged)
    second = g.run("backup", "--state", g.state, "--to", repository, "--keep", "3").stdout
    assert first.split(":")[0] < second.split(":")[0]
    crowd.end()
    with open(f"{g.state}/gateway/audit/server/vkey") as f:
        vkey = f.read().strip()
    g.run("backup", "verify", "--from", repository, "--point", "all", "--key", vkey)
    assert len(g.run("backup", "list", "--from", repository).stdout.split()) <= 3
    g.stop()
    again = restore(g, repository, place / "restored", g.port)
    try:
        token = again.token(audience="storage")
        assert before
        for name, body in before.items():
            status, got, _ = get(again, token, name)
            assert status == 200 and got == body, name
        assert get(again, token, "cpk", CUSTOMER)[1] == b"secret"
        put(again, token, "after", b"goes on")
        assert get(again, token, "after")[1] == b"goes on"
    finally:
        again.stop()
    for log in ("server", again.profile()["tenant"]):
        folder = f"{again.state}/gateway/audit/{log}"
        with open(f"{folder}/vkey") as f:
            again.run("audit", "verify", folder, "--key", f.read().strip())
    # A flipped byte anywhere is found and named.
    victim = max((p for p in (repository / "pool").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    raw = bytearray(victim.read_bytes())
    raw[len(raw) // 2] ^= 1
    victim.write_bytes(raw)
    broken = g.run("backup", "verify", "--from", repository, check=False)
    assert broken.returncode == 1 and victim.name in broken.stderr
    wrong = subprocess.run([g.binary, "restore", "--from", str(repository), "--state", str(place / "no")], input="EGRK1-AAAA", text=True, capture_output=True)
    assert wrong.returncode != 0 and not (place / "no" / "FORMAT").exists()
