"""What an idle server and an idle TLS connection hold in memory."""
import json
import subprocess
import time

from side_by_side import CLIENT, resident_kib


def held(peer, path, count):
    """KiB a connection while `count` of them are idle after one answer each, and whether the memory comes back."""
    pids = peer.pids()
    before = resident_kib(pids)
    process = subprocess.Popen([CLIENT, "hold", str(peer.port), path, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(process.stdout.readline())["held"] == count
        time.sleep(1)
        during = resident_kib(pids)
    finally:
        process.stdin.close()
        process.wait(timeout=60)
    time.sleep(2)
    return {"kib": (during - before) / count, "before": before, "during": during, "after": resident_kib(pids)}


def measure(b):
    ours, nginx = b.ours(), b.nginx()
    count = min(10000 if b.long else 2000, b.connections - 500)
    print(f"Memory (proportional set size of all processes of a server) idle, and with {count:,} idle TLS connections, each after one answer.")
    time.sleep(1)
    mine, theirs = held(ours, "/healthz", count), held(nginx, "/small", count)
    b.add("idle connection", "KiB", mine["kib"], "nginx", theirs["kib"], smaller=True)
    b.add("idle server", "MiB", mine["before"] / 1024, "nginx", theirs["before"] / 1024, smaller=True)
    b.add("server after they left", "MiB", mine["after"] / 1024, "nginx", theirs["after"] / 1024, smaller=True)
