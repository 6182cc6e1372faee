"""Peers that are no help to a server: many that only hold a TLS connection, that drip a body, that hardly read an answer, that come all at once."""
import contextlib
import json
import os
import re
import resource
import socket
import ssl
import statistics
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def build_client(folder):
    """The C program that holds ten thousand connections on one thread."""
    program = f"{folder}/tls_client"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-std=c17", "-O2", "-o", program, f"{HERE}/../bench/tls_client.c", "-lssl", "-lcrypto", "-lpthread"],
                   check=True, timeout=120)
    return program


@contextlib.contextmanager
def held(program, port, path, count):
    """That many connections, each after one answer, idle until the end."""
    process = subprocess.Popen([program, "hold", str(port), path, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        said = process.stdout.readline()
        assert said and json.loads(said)["held"] == count, said
        yield
    finally:
        process.stdin.close()
        assert process.wait(timeout=120) == 0
        process.stdout.close()


def storm(program, port, path, count, times):
    """All come, are answered, and leave at once; that often."""
    for _ in range(times):
        with held(program, port, path, count):
            pass


class SlowPeers:
    """`writers` drip bodies of appends that they have announced to be long; `readers` ask for a large file and take little of it.
    None is well-behaved, and the server may end any of them when its time-outs say so: then another comes in its place."""

    TICK = 0.2

    def __init__(self, g, bearer, writers, readers, target, large):
        self.g, self.context, self.ended = g, g.context(), 0
        self.requests = [self.head("PATCH", f"{target}?action=append&position=0", bearer, "Content-Length: 10000000\r\n") for _ in range(writers)]
        self.requests += [self.head("GET", large, bearer) for _ in range(readers)]
        self.peers, self.thread, self.done, self.wrong = [], threading.Thread(target=self.run, daemon=True), threading.Event(), []

    def head(self, method, path, bearer, more=""):
        return (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.g.port}\r\nAuthorization: Bearer {bearer}\r\nx-ms-version: 2023-11-03\r\n"
                f"{more}\r\n").encode()

    def connect(self, request):
        raw = socket.create_connection(("127.0.0.1", self.g.port), timeout=30)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s = self.context.wrap_socket(raw, server_hostname="127.0.0.1")
        s.sendall(request)
        s.setblocking(False)
        return s

    def __enter__(self):
        self.peers = [(self.connect(r), r) for r in self.requests]
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        for s, _ in self.peers:
            s.close()
        assert not self.wrong, self.wrong

    def move(self, s, request):
        """A few bytes; False when the server has ended it."""
        try:
            if request.startswith(b"PATCH"):
                s.send(b"slow" * 8)
            return bool(s.recv(512))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        except OSError:
            return False

    def run(self):
        try:
            while not self.done.wait(self.TICK):
                for i, (s, request) in enumerate(self.peers):
                    if not self.move(s, request):
                        s.close()
                        self.ended += 1
                        self.peers[i] = (self.connect(request), request)
        except OSError as e:
            self.wrong.append(repr(e))


class Polite(threading.Thread):
    """One well-behaved client with a request each few milliseconds on a kept connection: what it was answered and how long it waited."""

    def __init__(self, g, path, bearer, pause=0.005):
        super().__init__(daemon=True)
        self.g, self.path, self.bearer, self.pause, self.stop = g, path, bearer, pause, threading.Event()
        self.took, self.wrong = [], []

    def run(self):
        import http.client
        connection = http.client.HTTPSConnection("127.0.0.1", self.g.port, context=self.g.context(), timeout=30)
        headers = {"Authorization": f"Bearer {self.bearer}", "x-ms-version": "2023-11-03"}
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                connection.request("GET", self.path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.wrong.append(answer.status)
            except (OSError, http.client.HTTPException) as e:
                self.wrong.append(repr(e))
                connection.close()
            self.took.append((time.monotonic() - began) * 1e3)
            time.sleep(self.pause)
        connection.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.join(timeout=60)

    def p(self, share):
        return sorted(self.took)[int(share * (len(self.took) - 1))] if self.took else None

    def median(self):
        return statistics.median(self.took)


def memory_kib(pid, field="Pss"):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith(field + ":"))


OTHER_DESCRIPTORS = 5000  # the gateway's own (docs/LIMITS.md), and the test's


def possible_connections(wanted):
    """Where nobody may raise the hard limit of descriptors, of which the gateway wants one a connection and some thousands, it decides."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + OTHER_DESCRIPTORS
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, need), max(hard, need)))
        return wanted
    except ValueError:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return min(wanted, hard - OTHER_DESCRIPTORS)


def allow_connections(g, count):
    """All of a test's connections come from one address."""
    assert possible_connections(count) == count
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    for key in ("connections", "connections_per_address"):
        text, n = re.subn(rf"(?m)^(  {key}:) \d+", rf"\g<1> {count}", text)
        assert n == 1, f"the configuration has no {key}"
    with open(path, "w") as f:
        f.write(text)
