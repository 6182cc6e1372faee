"""Tessera's fsck, which shares no code with us, judges our audit logs. It exits 0 whatever it finds, so that its words count."""
import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile

FSCK = "github.com/transparency-dev/tessera/cmd/fsck@v1.0.4"


def go():
    """The Go toolchain: the machine's, else the one that ./dev test installs from PyPI. None when there is neither."""
    own = pathlib.Path(os.environ.get("EG_PROVIDERS", "/nowhere")) / "tools" / "bin" / "go"
    return shutil.which("go") or (str(own) if own.exists() else None)


def can_build():
    return go() is not None


def installed(package):
    """A program of a Go module, "…/cmd/NAME@VERSION": compiled once on this machine, by the first of the tests that run at once; the others wait."""
    name = package.rsplit("/", 1)[1]
    where = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "embergate-tests"
    where.mkdir(parents=True, exist_ok=True)
    with open(where / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (where / name).exists():
            with tempfile.TemporaryDirectory(dir=where) as made:
                subprocess.run([go(), "install", package], env={**os.environ, "GOBIN": made}, check=True, timeout=400)
                os.replace(pathlib.Path(made) / name.split("@")[0], where / name)
    return where / name


def fsck_program():
    return installed(FSCK)


def sumdb_program(folder):
    """tests/conformance/sumdb, built into `folder`."""
    source = pathlib.Path(__file__).parent.parent / "conformance" / "sumdb"
    program = pathlib.Path(folder) / "sumdb"
    subprocess.run([go(), "build", "-o", str(program), "."], cwd=source, check=True, timeout=300)
    return program


def run_fsck(program, log):
    """What it says. It can hang on a damaged log, so that it gets a time limit."""
    command = [str(program), "--ui=false", "-N", "16", f"--storage_url=file://{log}/", f"--public_key={log}/vkey"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired as late:
        return str(late.stdout) + str(late.stderr)
    return done.stdout + done.stderr
