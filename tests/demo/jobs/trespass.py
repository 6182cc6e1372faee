"""Tries to open what a job must not: prints one line a try, ends 0 only when every try was refused."""
import os
import socket
import sys

state, pids = sys.argv[1], [int(p) for p in sys.argv[2:]]


def listing(path):
    return lambda: os.listdir(path)


def reading(path):
    def attempt():
        with open(path, "rb") as f:
            f.read(1)
    return attempt


def connecting(path):
    def attempt():
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
    return attempt


def of_process(pid, name):
    """Reads a file of a process, which a job in a PID namespace of its own doesn't even see: the number may be another's there."""
    def attempt():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if b"serve" not in f.read().split(b"\0"):
                    raise PermissionError(0, "not visible from here")
        except FileNotFoundError:
            raise PermissionError(0, "not visible from here") from None
        reading(f"/proc/{pid}/{name}")()
    return attempt


tries = [
    ("list the state directory", listing(state)),
    ("list the gateway's data", listing(f"{state}/gateway")),
    ("read the key-value store", reading(f"{state}/gateway/db/data.mdb")),
    ("read the master key", reading(f"{state}/keeper/master.key")),
    ("read the TLS key", reading(f"{state}/tls/server.key")),
    ("read the administrator's profile", reading(f"{state}/profiles/admin.json")),
    ("list where another cluster's credentials lie", listing(f"{state}/clusters/other/run")),
    ("list another cluster's home", listing(f"{state}/clusters/other/home")),
    ("list another cluster's scratch", listing(f"{state}/clusters/other/scratch")),
    ("list where its own cluster's credentials lie", listing(f"{state}/clusters/analytics/run")),
    ("speak to the keeper", connecting(f"{state}/run/keeper.sock")),
    ("speak to the launcher", connecting(f"{state}/run/launcher.sock")),
]
tries += [(f"read the memory of process {pid}", of_process(pid, "mem")) for pid in pids]
tries += [(f"read the environment of process {pid}", of_process(pid, "environ")) for pid in pids]

reached = 0
for what, attempt in tries:
    try:
        attempt()
        reached += 1
        print(f"REACHED {what}")
    except PermissionError as e:
        print(f"refused {what}: {e.strerror}")
    except FileNotFoundError:
        if " process " not in what:
            raise
        # The processes of others are alive (whoever calls this checks that) but not to be seen from here.
        print(f"refused {what}: not visible")
sys.exit(1 if reached else 0)
