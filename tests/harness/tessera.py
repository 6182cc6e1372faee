"""Tessera's fsck, which shares no code with us, judges our audit logs. It exits 0 whatever it finds, so that its words count."""
import os
import pathlib
import shutil
import subprocess

FSCK = "github.com/transparency-dev/tessera/cmd/fsck@v1.0.4"


def can_build():
    return shutil.which("go") is not None


def fsck_program():
    where = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "embergate-tests" / "fsck-v1.0.4"
    program = where / "fsck"
    if not program.exists():
        where.mkdir(parents=True, exist_ok=True)
        subprocess.run(["go", "install", FSCK], env={**os.environ, "GOBIN": str(where)}, check=True, timeout=300)
    return program


def run_fsck(program, log):
    """What it says. It can hang on a damaged log, so that it gets a time limit."""
    command = [str(program), "--ui=false", "-N", "16", f"--storage_url=file://{log}/", f"--public_key={log}/vkey"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired as late:
        return str(late.stdout) + str(late.stderr)
    return done.stdout + done.stderr
