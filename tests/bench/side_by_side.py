"""What every area of the benchmark uses: peers on loopback, interleaved rounds, processor time, results."""
import base64
import contextlib
import glob
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))

from gateway import Gateway, free_port  # noqa: E402
from load_peers import possible_connections  # noqa: E402

BUILD = os.path.join(HERE, "..", "..", "build", "bench")
CLIENT, PUT_CLIENT = os.path.join(BUILD, "tls_client"), os.path.join(BUILD, "put_client")
CLUSTERS = ("analytics", "second", "third", "fourth")
TICK = os.sysconf("SC_CLK_TCK")
SMALL = '{"from":0,"total":0,"sessions":[]}'


def build_client():
    os.makedirs(BUILD, exist_ok=True)
    for program in (CLIENT, PUT_CLIENT):
        subprocess.run(["cc", "-D_GNU_SOURCE", "-std=c17", "-O2", "-o", program, f"{HERE}/{os.path.basename(program)}.c", "-lssl", "-lcrypto", "-lpthread"],
                       check=True)


def client(*words, token=None, **kw):
    """The answer of one run of tls_client."""
    env = dict(os.environ)
    if token:
        env["EG_BENCH_TOKEN"] = token
    done = subprocess.run([CLIENT, *map(str, words)], env=env, stdout=subprocess.PIPE, text=True, timeout=120, check=True, **kw)
    return json.loads(done.stdout)


def children(pid):
    """The process and all below it."""
    found = [pid]
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError), open(path) as f:
            for child in f.read().split():
                found += children(int(child))
    return found


def processor_seconds(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICK


def resident_kib(pids, field="Pss"):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith(field + ":"))
    return total


class Peer:
    """A server that answers on `port`; its processes are the ones below `pid`."""

    def __init__(self, name, port, process=None, pids=None):
        self.name, self.port, self.process, self._pids = name, port, process, pids

    def pids(self):
        return self._pids() if self._pids else children(self.process.pid)

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=10)


class Bench:
    """One gateway, one nginx and one HAProxy with the gateway's certificate, in a folder that is removed at the end."""

    def __init__(self, long=False):
        self.long = long
        self.rounds = int(os.environ.get("EG_ROUNDS", 0)) or (9 if long else 5)
        self.seconds = 5.0 if long else 2.0
        self.folder = tempfile.mkdtemp(prefix="embergate-bench-", dir="/var/tmp")
        os.chmod(self.folder, 0o711)
        self.peers = []
        self.gateway = None
        self.results = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in self.peers:
            p.stop()
        if self.gateway:
            self.gateway.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # the three servers

    def ours(self):
        if not self.gateway:
            from fake_spark import make_spark_home
            os.environ["EG_SPARK_HOME"] = make_spark_home(self.folder)
            g = Gateway(f"{self.folder}/state", port=free_port())
            g.init("--tenant", "contoso", *(word for name in CLUSTERS for word in ("--cluster", name)))
            g.run("principal", "add", "--state", g.state, "--tenant", "contoso", "--name", "guest")
            self.configure(g)
            g.start()
            self.gateway = g
            self.token = g.token()
            self.guest_token = g.token("guest")
            self.storage_token = g.token(audience="storage")
        return Peer("embergate", self.gateway.port, pids=lambda: list(self.gateway.pids().values()))

    def configure(self, g):
        """All of the benchmark's connections come from one address. The gateway wants three descriptors a connection."""
        self.connections = connections = possible_connections(11000 if self.long else 4000)
        path = f"{g.state}/embergate.yaml"
        with open(path) as f:
            text = f.read()
        for key in ("connections", "connections_per_address"):
            text, n = re.subn(rf"(?m)^(  {key}:) \d+", rf"\g<1> {connections}", text)
            assert n == 1, f"the configuration has no {key}"
        with open(path, "w") as f:
            f.write(text)

    def certificate(self):
        state = self.gateway.state
        pair = f"{self.folder}/pair.pem"
        with open(pair, "w") as out:
            for name in ("server.pem", "server.key"):
                with open(f"{state}/tls/{name}") as f:
                    out.write(f.read())
        return f"{state}/tls/server.pem", f"{state}/tls/server.key", pair

    def started(self, name, port, words):
        log = open(f"{self.folder}/{name}.log", "ab")
        peer = Peer(name, port, subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True))
        self.peers.append(peer)
        self.wait_for(peer)
        return peer

    def wait_for(self, peer):
        import socket
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", peer.port), timeout=1).close()
                return
            except OSError:
                if peer.process.poll() is not None or time.monotonic() > end:
                    with open(f"{self.folder}/{peer.name}.log", errors="replace") as f:
                        raise AssertionError(f"{peer.name} does not start: {f.read()[-2000:]}") from None
                time.sleep(0.05)

    def nginx(self):
        for p in self.peers:
            if p.name == "nginx":
                return p
        chain, key, _ = self.certificate()
        port = free_port()
        root = f"{self.folder}/www"
        os.makedirs(f"{root}/tmp", exist_ok=True)
        user = "user root;" if os.geteuid() == 0 else ""
        conf = f"""
{user} daemon off; worker_processes {os.cpu_count()}; worker_rlimit_nofile 65536; pid {self.folder}/nginx.pid; error_log stderr;
events {{ worker_connections 30000; }}
http {{
  access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600; client_max_body_size 0;
  client_body_temp_path {root}/tmp; proxy_temp_path {root}/tmp/p; fastcgi_temp_path {root}/tmp/f; uwsgi_temp_path {root}/tmp/u; scgi_temp_path {root}/tmp/s;
  client_body_buffer_size 128k; ssl_buffer_size 16k;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
    location = /small {{ default_type application/json; return 200 '{SMALL}'; }}
    location / {{ root {root}; dav_methods PUT; }}
  }}
}}
"""
        with open(f"{self.folder}/nginx.conf", "w") as f:
            f.write(conf)
        return self.started("nginx", port, ["nginx", "-c", f"{self.folder}/nginx.conf", "-p", self.folder])

    def haproxy(self):
        """jwt_verify knows RS256; the token is one that a provider could have made, 1 KiB with its claims."""
        import jwt
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = f"{self.folder}/rs256.pem"
        with open(public, "wb") as f:
            f.write(key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        claims = json.loads(base64.urlsafe_b64decode((part := self.token.split(".")[1]) + "=" * (-len(part) % 4)))
        self.rs256 = jwt.encode(claims, key, algorithm="RS256")
        port = free_port()
        body = SMALL.replace('"', '\\"')
        conf = f"""
global
  nbthread {os.cpu_count()}
  maxconn 4096
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend bench
  bind 127.0.0.1:{port} ssl crt {self.certificate()[2]} alpn http/1.1
  http-request set-var(txn.bearer) http_auth_bearer
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify("RS256","{public}") -m int 1 }}
  http-request return status 200 content-type application/json string "{body}"
"""
        with open(f"{self.folder}/haproxy.cfg", "w") as f:
            f.write(conf)
        return self.started("haproxy", port, ["haproxy", "-f", f"{self.folder}/haproxy.cfg", "-db"])

    # results

    def interleaved(self, runs, rounds=None):
        """Each round runs every contestant once, in turned order; gives {name: [value a round]} and the processor time of each."""
        values = {peer.name: [] for peer, _ in runs}
        for i in range(rounds or self.rounds):
            turned = runs[i % len(runs):] + runs[:i % len(runs)]
            for peer, run in turned:
                before = processor_seconds(peer.pids())
                value = run(peer)
                value["cpu_s"] = processor_seconds(peer.pids()) - before
                values[peer.name].append(value)
        return values

    def add(self, name, unit, ours, peer, theirs, gate=None, goal=None, smaller=False, note="", floor=False):
        """`ours` and `theirs` are lists, one value a round: the ratio is the median of the rounds' ratios, so that load from
        elsewhere, which hits both, mostly falls out. With `smaller`, less is better and the ratio is turned. Without a peer the gate is
        the most that our value may be, with `floor` the least."""
        ours = ours if isinstance(ours, list) else [ours]
        theirs = theirs if isinstance(theirs, list) else [theirs]
        ratio = None
        if peer and all(ours) and all(theirs):
            ratio = statistics.median((b / a if smaller else a / b) for a, b in zip(ours, theirs))
        row = {"name": name, "ours": round(statistics.median(ours), 2), "unit": unit, "peer": peer,
               "peer_value": round(statistics.median(theirs), 2) if peer else None, "ratio": round(ratio, 3) if ratio is not None else None,
               "gate": gate, "goal": goal}
        self.results.append(row)
        show(row, note, floor)


def show(row, note="", floor=False):
    text = f"  {row['name']:<34} {row['ours']:>11,.1f} {row['unit']}"
    if row["peer"]:
        text += f", {row['peer']} {row['peer_value']:,.1f}"
        text += f": ×{row['ratio']:.2f}" if row["ratio"] is not None else ""
    if row["gate"] is not None:
        value = row["ratio"] if row["peer"] else row["ours"]
        kept = value is not None and (value >= row["gate"] if row["peer"] or floor else value <= row["gate"])
        text += f"  [gate {row['gate']}: {'kept' if kept else 'MISSED'}; goal {row['goal']}]"
    print(text + (f"  ({note})" if note else ""), flush=True)


def wrk(peer, path, seconds, token=None, connections=32, refused=False):
    """One run of wrk; what it says is read, refusals and broken connections fail the run. The token is a test's own."""
    words = ["wrk", "-t2", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-H", "Accept: application/json"]
    if token:
        words += ["-H", f"Authorization: Bearer {token}"]
    done = subprocess.run([*words, f"https://127.0.0.1:{peer.port}{path}"], stdout=subprocess.PIPE, text=True, timeout=seconds + 30, check=True)
    assert ("Non-2xx" in done.stdout) == refused and "Socket errors" not in done.stdout, done.stdout
    count = int(re.search(r"(\d+) requests in", done.stdout)[1])
    return {"per_second": float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)[1]), "count": count,
            "p99_us": microseconds(re.search(r"99%\s+([\d.]+\w+)", done.stdout)[1])}


def microseconds(text):
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(value) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[unit]
