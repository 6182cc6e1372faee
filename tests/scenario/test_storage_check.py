"""`embergate storage check` on a stopped server: clean is 0, a flipped byte is 1 and named. covers: storage_check_command.c storage_command.c"""
import json
import os

import pytest


@pytest.fixture
def stopped(own_gateway):
    own_gateway.start()
    fs = own_gateway.file_system()
    for i in range(20):
        fs.get_file_client(f"small/{i}").upload_data(f"number {i}".encode(), overwrite=True)
    fs.get_file_client("large.bin").upload_data(os.urandom(700000), overwrite=True)
    own_gateway.stop()
    return own_gateway


def check(gateway):
    done = gateway.run("storage", "check", "--state", gateway.state, "--json", check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def files(gateway):
    top = os.path.join(gateway.state, "gateway", "segments")
    return sorted(os.path.join(d, f) for d, _, names in os.walk(top) for f in names)


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))


def test_clean(stopped):
    status, said = check(stopped)
    assert status == 0 and said["ok"] and said["findings"] == []
    assert said["files"] == 21 and said["segments"] == 21
    text = stopped.run("storage", "check", "--state", stopped.state).stdout
    assert "all verified" in text


def test_a_flipped_byte_is_named(stopped):
    packs = [f for f in files(stopped) if "/packs/" in f]
    own = [f for f in files(stopped) if "/packs/" not in f]
    assert packs and own
    for path, at, name in [(own[0], 300000, "lake/data/large.bin"), (packs[0], 32 + 32 + 100, "lake/data/small/")]:
        flip(path, at)
        status, said = check(stopped)
        assert status == 1 and not said["ok"]
        assert all(f["kind"] == "damaged" and f["where"].startswith(name) for f in said["findings"]), said["findings"]
        assert len(said["findings"]) == 1
        flip(path, at)
    assert check(stopped)[0] == 0


def test_refused_while_it_serves_and_without_a_state(stopped, tmp_path):
    stopped.start()
    done = stopped.run("storage", "check", "--state", stopped.state, check=False)
    assert done.returncode == 1 and "process" in done.stderr
    stopped.stop()
    assert stopped.run("storage", "check", check=False).returncode == 2
    assert stopped.run("storage", "check", "--state", str(tmp_path), check=False).returncode != 0
