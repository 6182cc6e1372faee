"""What must hold after any crash, seen from outside: processes, the log's proof, one record for each acknowledged change."""
import collections
import glob
import json
import os
import time


def mine(g):
    """pid → parent of every process that names this state directory on its command line or in its environment."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        try:
            texts = []
            for name in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    texts.append(f.read())
            with open(f"/proc/{pid}/stat") as f:
                state, parent = f.read().rsplit(") ", 1)[1].split()[:2]
        except OSError:
            continue
        if state != "Z" and any(g.state.encode() in t for t in texts):
            found[int(pid)] = int(parent)
    return found


def started(pid):
    """When, in ticks since the boot: with the pid it names a process for good."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return int(f.read().rsplit(") ", 1)[1].split()[19])
    except OSError:
        return None


def runners(g, kind="*"):
    """pid of each living runner that wrote itself down → its directory. Pids come round again, so the record's start time must fit."""
    found = {}
    for path in glob.glob(f"{g.state}/clusters/*/run/{kind}-*/runner"):
        try:
            with open(path) as f:
                record = json.load(f)
        except (OSError, ValueError):
            continue
        if started(record["pid"]) == record["startTicks"]:
            found[record["pid"]] = os.path.dirname(path)
    return found


def orphans(g):
    """Processes of ours that descend neither from the server nor from a runner that wrote itself down."""
    all_of_us = mine(g)
    roots = set(runners(g)) | ({g.process.pid} if g.process else set())

    def rooted(pid):
        while pid in all_of_us:
            if pid in roots:
                return True
            pid = all_of_us[pid]
        return False

    return [pid for pid in all_of_us if not rooted(pid)]


def no_orphans(g, seconds=15):
    """Whatever is on its way in or out gets some time."""
    end = time.monotonic() + seconds
    while (left := orphans(g)) and time.monotonic() < end:
        time.sleep(0.1)
    listed = {pid: os.path.basename(folder) for pid, folder in runners(g).items()}
    return [f"{pid}: {told(pid)}; runners that are written down: {listed}" for pid in left]


def told(pid):
    """What a process is, and what it has open: a runner's files say which directory is its own."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().replace(b"\0", b" ").decode(errors="replace")[:300]
        open_files = sorted(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return "gone"
    return f"{words} has open {[name for name in open_files if '/run/' in name]}"


def one_record_each(found, acknowledged):
    """What is wrong: an acknowledged change without its record or with two, or a record twice."""
    ids = collections.Counter(r["id"] for r in found)
    requests = collections.Counter(r.get("request_id") for r in found if r["outcome"] == "allowed")
    submitted = collections.Counter(r.get("job") for r in found if r["event"] == "job.submit" and r["outcome"] == "allowed")
    wrong = [f"record {i} is in the log {n} times" for i, n in ids.items() if n != 1]
    for event, about, request in acknowledged:
        if request and requests[request] != 1:
            wrong.append(f"{event} of {about} (request {request}) has {requests[request]} records")
        if event == "submit" and submitted[about] != 1:
            wrong.append(f"batch {about} has {submitted[about]} records of its submission")
    return wrong


def as_often_as_done(found, done):
    """What is wrong: a change that happened, answered or not, without its record, or a record of one that didn't."""
    recorded = collections.Counter((r["event"], r.get("resource")) for r in found if r["outcome"] == "allowed")
    return [f"{at[0]} of {at[1]} happened {n} times and has {recorded[at]} records" for at, n in done.items() if n is not None and recorded[at] != n]
