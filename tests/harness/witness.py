"""litewitness, a witness of C2SP tlog-witness that shares no code with us, behind a TLS front."""
import base64
import hashlib
import os
import signal
import sqlite3
import subprocess
import time

from cryptography.hazmat.primitives import serialization
from gateway import free_port
from outside_issuer import Front
from tessera import installed

LITEWITNESS = "filippo.io/torchwood/cmd/litewitness@v0.6.1"


class Witness:
    """Its key lies in an ssh-agent of its own, as its documentation wants it."""

    def __init__(self, ca, folder, name):
        self.folder, self.name, self.processes = f"{folder}/{name}", f"witness.test/{name}", []
        os.mkdir(self.folder, 0o700)
        key, agent = f"{self.folder}/key", f"{self.folder}/agent"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        with open(key, "rb") as f:
            self.public = serialization.load_ssh_private_key(f.read(), None).public_key()
        self.start_process(["ssh-agent", "-D", "-a", agent])
        self.wait_for(lambda: os.path.exists(agent))
        subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": agent}, check=True)
        fingerprint = subprocess.run(["ssh-keygen", "-l", "-f", key + ".pub"], capture_output=True, text=True, check=True).stdout.split()[1]
        port, self.database = free_port(), f"{self.folder}/witness.db"
        self.start_process([installed(LITEWITNESS), "-db", self.database, "-name", self.name, "-key", fingerprint, "-ssh-agent", agent, "-listen", f"127.0.0.1:{port}"])
        self.front = Front(ca, port)
        self.wait_for(self.answers)

    def start_process(self, command):
        with open(f"{self.folder}/log", "ab") as log:
            self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True))

    def wait_for(self, what, seconds=30):
        end = time.monotonic() + seconds
        while not what():
            assert all(p.poll() is None for p in self.processes) and time.monotonic() < end, open(f"{self.folder}/log", errors="replace").read()[-2000:]
            time.sleep(0.05)

    def answers(self):
        try:
            return self.front.ask_backend("POST", "/add-checkpoint", {}, b"")[0] == 400
        except OSError:
            return False

    @property
    def key(self):
        """name+hash+base64"""
        typed = b"\4" + self.public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"{self.name}+{self.key_id(typed).hex()}+{base64.b64encode(typed).decode()}"

    def key_id(self, typed):
        return hashlib.sha256(self.name.encode() + b"\n" + typed).digest()[:4]

    def time_of_line(self, line, body):
        """When it cosigned this checkpoint, by its signature line; raises when the signature is wrong."""
        dash, name, text = line.split(" ")
        blob = base64.b64decode(text)
        assert (dash, name) == ("—", self.name) and len(blob) == 76
        at = int.from_bytes(blob[4:12], "big")
        self.public.verify(blob[12:], f"cosignature/v1\ntime {at}\n{body}".encode())
        return at

    def sql(self, *statements):
        with sqlite3.connect(self.database, timeout=20) as db:
            return [db.execute(*s).fetchall() for s in statements]

    def introduce(self, vkey):
        """What its witnessctl does with add-log and add-key."""
        origin = vkey.split("+")[0]
        nothing = base64.b64encode(hashlib.sha256(b"").digest()).decode()
        self.sql(("INSERT INTO log VALUES (?, 0, ?)", (origin, nothing)), ("INSERT INTO key VALUES (?, ?)", (origin, vkey)))

    def knows(self, origin):
        """Size that it was shown last."""
        [[row]] = self.sql(("SELECT tree_size FROM log WHERE origin = ?", (origin,)))
        return row[0]

    def stop(self):
        self.front.down()
        for p in reversed(self.processes):
            os.killpg(p.pid, signal.SIGTERM)
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
