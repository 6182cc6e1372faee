"""Tessera's fsck, which shares no code with us, accepts our audit logs and refuses damaged ones.

The made logs come from the server's build directory, the real one from the session's gateway.
"""
import pathlib
import subprocess

import acts
import pytest
from log_records import copy_log
from server import build_folder
from tessera import can_build, fsck_program, run_fsck

pytestmark = pytest.mark.skipif(not can_build(), reason="the Go toolchain, which builds fsck, is not installed")


@pytest.fixture(scope="session")
def fsck():
    return fsck_program()


def make(tmp_path, size):
    log = tmp_path / f"log-{size}"
    program = pathlib.Path(build_folder()) / "tests" / "unit" / "audit" / "audit_made_log"
    if not program.exists():
        pytest.skip("audit_made_log is not built")
    subprocess.run([str(program), str(log), str(size)], check=True, timeout=120)
    return log


@pytest.mark.parametrize("size", [1, 255, 256, 257, 70_000])
def test_fsck_accepts(fsck, tmp_path, size):
    said = run_fsck(fsck, make(tmp_path, size))
    assert "Successfully fsck'd" in said, said


@pytest.mark.parametrize("name, at", [("tile/entries/000", 5), ("tile/0/001.p/44", 40), ("checkpoint", 40)])
def test_fsck_refuses_damage(fsck, tmp_path, name, at):
    log = make(tmp_path, 300)
    content = bytearray((log / name).read_bytes())
    content[at] ^= 1
    (log / name).write_bytes(content)
    assert "Successfully fsck'd" not in run_fsck(fsck, log)


def test_fsck_accepts_the_gateways_log(fsck, gateway, tmp_path):
    for _ in range(5):
        gateway.json("GET", "/livy/batches", gateway.token())
    log = copy_log(acts.settled(gateway), tmp_path / "log")
    said = run_fsck(fsck, log)
    assert "Successfully fsck'd" in said, said


def test_fsck_accepts_an_auditors_copy(fsck, gateway, tmp_path):
    acts.settled(gateway)
    gateway.run("audit", "fetch", tmp_path / "copy")
    said = run_fsck(fsck, tmp_path / "copy")
    assert "Successfully fsck'd" in said, said
