"""A made-up Spark home: what is broken here is how programs are started, watched and found again, whichever they are; real Spark runs in tests/scenario.

Its master and workers speak no Spark: the master listens where Spark's does and counts the workers that are connected. Its spark-submit says one
line for each run, "batch-{id} {marker}", and sleeps: into a pipe, since jobs can write to no file of others, and from there it is appended to a file.
"""
import os
import threading

SUBMIT = """#!/bin/sh
# --properties-file F FILE MARKER RUNS SECONDS
shift 3
printf '%s %s\\n' "${SPARK_LOCAL_DIRS##*/}" "$1" >>"$2.in"
sleep "$3"
"""

DAEMON = '''#!/usr/bin/python3 -IS
import json, selectors, socket, sys
def option(name):
    return int(sys.argv[sys.argv.index(name) + 1])
if sys.argv[1].endswith(".Worker"):
    with socket.create_connection(("127.0.0.1", int(sys.argv[-1].rsplit(":", 1)[1])), timeout=10) as s:
        s.sendall(b"worker")
        s.settimeout(None)
        s.recv(1)
    sys.exit(1)
chosen, workers = selectors.DefaultSelector(), set()
for name in ("--port", "--webui-port"):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", option(name)))
    s.listen(16)
    chosen.register(s, selectors.EVENT_READ, name)
while True:
    for key, _ in chosen.select():
        s = key.fileobj
        if key.data in ("--port", "--webui-port"):
            chosen.register(s.accept()[0], selectors.EVENT_READ, key.data + " peer")
            continue
        try:
            said = s.recv(65536)
        except OSError:
            said = b""
        if said and key.data == "--port peer":
            workers.add(s)
            continue
        if said:
            body = json.dumps({"workers": [{"state": "ALIVE"} for _ in workers]}).encode()
            try:
                s.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Type: application/json\\r\\n\\r\\n" + body)
            except OSError:
                pass
        workers.discard(s)
        chosen.unregister(s)
        s.close()
'''


def keep(pipe, runs):
    while True:
        said = os.read(pipe, 65536)
        with open(runs, "ab") as f:
            f.write(said)


def make(folder):
    """Gives the Spark home, and the file in which the runs of drivers of any cluster stand."""
    home, runs = f"{folder}/spark", f"{folder}/runs"
    os.makedirs(f"{home}/bin")
    for name, text in (("spark-submit", SUBMIT), ("spark-class", DAEMON)):
        with open(f"{home}/bin/{name}", "w") as f:
            f.write(text)
        os.chmod(f"{home}/bin/{name}", 0o755)
    for made in (home, f"{home}/bin"):
        os.chmod(made, 0o755)
    with open(runs, "w"):
        pass
    os.mkfifo(f"{runs}.in")
    os.chmod(f"{runs}.in", 0o666)
    pipe = os.open(f"{runs}.in", os.O_RDWR | os.O_CLOEXEC)  # both ends, so that it never reads as ended
    threading.Thread(target=keep, args=(pipe, runs), daemon=True).start()
    return home, runs
