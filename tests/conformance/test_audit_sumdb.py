"""golang.org/x/mod/sumdb, which shares no code with us, verifies our checkpoints, records and prefixes, and refuses damaged logs."""
import shutil
import subprocess

import acts
import pytest
from log_records import copy_log
from tessera import can_build, sumdb_program

pytestmark = pytest.mark.skipif(not can_build(), reason="the Go toolchain is not installed")


@pytest.fixture(scope="module")
def log(gateway, tmp_path_factory):
    for _ in range(5):
        gateway.json("GET", "/livy/batches", gateway.token())
    return copy_log(acts.settled(gateway), tmp_path_factory.mktemp("sumdb") / "log")


@pytest.fixture(scope="module")
def sumdb(tmp_path_factory):
    return sumdb_program(tmp_path_factory.mktemp("sumdb-program"))


def judge(program, log):
    return subprocess.run([str(program), str(log)], capture_output=True, text=True, timeout=60)


def test_records_and_prefixes_are_proved(sumdb, log):
    said = judge(sumdb, log)
    assert said.returncode == 0 and said.stdout.startswith("verified "), said.stderr


@pytest.mark.parametrize("name", ["checkpoint", "entries"])
def test_damage_is_refused(sumdb, log, tmp_path, name):
    copy = tmp_path / "damaged"
    shutil.copytree(log, copy)
    path = copy / "checkpoint" if name == "checkpoint" else max((copy / "tile" / "entries").rglob("*"), key=lambda p: p.is_file() and p.stat().st_size)
    text = bytearray(path.read_bytes())
    text[len(text) // 2] ^= 1
    path.write_bytes(text)
    assert judge(sumdb, copy).returncode != 0
