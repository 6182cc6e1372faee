#!/usr/bin/env python3
"""Ends what a test run left behind: whatever carries its mark EG_RUN, by pid, and its state folders. Says what it was, and exits 1 if there was anything.

A run ends its own gateways and providers. This is for one that was interrupted, killed, or failed on its way."""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time


def own_line():
    """Us and whom we descend from."""
    pid, found = os.getpid(), set()
    while pid > 1:
        found.add(pid)
        with open(f"/proc/{pid}/stat") as f:
            pid = int(f.read().rpartition(")")[2].split()[1])
    return found


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def is_left(pid, run, place):
    """Started by the run, or at work in a folder of its, which may be gone: jobs have no environment of ours."""
    if f"EG_RUN={run}".encode() in read(f"/proc/{pid}/environ").split(b"\0"):
        return True
    try:
        where = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        where = ""
    said = read(f"/proc/{pid}/cmdline").decode(errors="replace")
    return where.startswith(place) or place in said


def runners(folders):
    """Pids that runners wrote down and that are still theirs: {state}/clusters/*/run/*/runner."""
    for folder in folders:
        for file in glob.glob(f"{folder}/*/clusters/*/run/*/runner"):
            try:
                said = json.loads(read(file))
                if int(read(f"/proc/{said['pid']}/stat").rpartition(b")")[2].split()[19]) == said["startTicks"]:
                    yield said["pid"]
            except (ValueError, KeyError, IndexError):
                pass


def left(run, place, folders):
    mine = own_line()
    found = {int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) not in mine and is_left(int(p), run, place)}
    return found | set(runners(folders))


def end(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def main():
    run, binary = sys.argv[1:3]
    place = f"/var/tmp/embergate-test-{run}-"
    folders = glob.glob(f"{place}*")
    names = {pid: read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace")[:150] for pid in left(run, place, folders)}
    for pid, name in sorted(names.items()):
        print(f"left behind by this run, ended now: {pid} {name}", file=sys.stderr)
    if names:
        for state in glob.glob(f"{place}*/*/FORMAT"):
            subprocess.run([binary, "stop", "--state", os.path.dirname(state)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)
    end(left(run, place, folders), signal.SIGTERM)
    deadline = time.monotonic() + 10
    while left(run, place, folders) and time.monotonic() < deadline:
        time.sleep(0.2)
    end(left(run, place, folders), signal.SIGKILL)
    for image in glob.glob(f"{place}*/image"):
        device = subprocess.run(["losetup", "-j", image], capture_output=True, text=True, check=False).stdout.split(":")[0]
        if device:
            subprocess.run(["losetup", "--detach", device], check=False)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if names or folders else 0


if __name__ == "__main__":
    sys.exit(main())
