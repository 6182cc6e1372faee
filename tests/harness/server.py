"""Makes a gateway for tests: which binary, where its state lies, who is in it, how it ends."""
import os
import shutil
import tempfile

import acts
from gateway import Gateway, free_port


def make_state_folder():
    """Jobs run as other users, so that the folder must be one that they may pass through."""
    folder = tempfile.mkdtemp(prefix=f"embergate-test-{os.environ.get('EG_RUN', 'alone')}-", dir="/var/tmp")
    os.chmod(folder, 0o711)
    return folder


def server_binary():
    """The sanitizers' build where there is one. Its leak check needs ptrace, which our processes forbid."""
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=1"
    os.environ["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"
    asan = os.environ.get("EG_ASAN_BIN")
    return asan if asan and os.path.exists(asan) else os.environ["EG_BIN"]


def build_folder():
    """The build that the server of these tests comes from, for what else it has built."""
    return os.path.dirname(os.path.dirname(os.path.abspath(server_binary())))


def new_gateway(folder, *init_options, binary=None):
    g = Gateway(f"{folder}/state", port=free_port(), binary=binary or server_binary())
    # Many tests are about files in the policy directory; tests/scenario/test_policy_store.py has the store.
    g.init("--tenant", "contoso", "--tenant", "fabrikam", "--cluster", "analytics", "--cluster", "other", *([] if "--policies" in init_options else ["--policies", "files"]), *init_options)
    g.run("principal", "add", "--state", g.state, "--tenant", "contoso", "--name", "guest")
    g.run("principal", "add", "--state", g.state, "--tenant", "contoso", "--name", "bystander")
    g.run("principal", "add", "--state", g.state, "--tenant", "fabrikam", "--name", "stranger", "--role", "Owner",
          "--role", "Storage Blob Data Owner")
    acts.deny_source(g)
    return g


def new_store_gateway(folder):
    """The same people; policies in the store, as they are without a word about it."""
    g = Gateway(f"{folder}/state", port=free_port(), binary=server_binary())
    g.init("--tenant", "contoso", "--tenant", "fabrikam", "--cluster", "analytics", "--cluster", "other", "--policies", "store")
    for tenant, name, *roles in (("contoso", "guest"), ("contoso", "bystander"), ("fabrikam", "stranger", "--role", "Owner")):
        g.run("principal", "add", "--state", g.state, "--tenant", tenant, "--name", name, *roles)
    return g


def left_behind(g):
    """Command lines of processes that name this state directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if int(pid) != os.getpid() and any(g.state.encode() in w for w in words):
            found.append(pid + " " + b" ".join(words).decode(errors="replace")[:300])
    return found


def finish(g, folder):
    """Stops, removes, and complains about what the sanitizers said and what still runs."""
    g.stop()
    reports = []
    if os.path.exists(g.log_path):
        with open(g.log_path, errors="replace") as f:
            reports = [line for line in f if "Sanitizer" in line or "runtime error" in line]
    kept = os.environ.get("EG_KEEP_LOGS")
    if kept and os.path.exists(g.log_path):
        os.makedirs(kept, exist_ok=True)
        shutil.copy(g.log_path, f"{kept}/{os.path.basename(folder)}.log")
    running = left_behind(g)
    shutil.rmtree(folder, ignore_errors=True)
    assert not reports, "".join(reports)
    assert not running, "still running after stop:\n" + "\n".join(running)
