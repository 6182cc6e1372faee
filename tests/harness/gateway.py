"""One gateway of our own: made, started, asked and ended by a test or the demo."""
import json
import os
import random
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request


def free_port():
    """By chance, and below the ports that the kernel gives to whoever connects: what is free now is so when its server starts, also beside other tests."""
    while True:
        port = random.SystemRandom().randrange(10240, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Gateway:
    """A state directory and the server on it. Paths of the binary, Spark and the JAR come from the environment that ./dev sets."""

    def __init__(self, state, port=8443, binary=None):
        self.state = str(state)
        self.port = port
        self.binary = binary or os.environ["EG_BIN"]
        self.endpoint = f"https://127.0.0.1:{port}"
        self.ca = f"{self.state}/tls/ca.pem"
        self.log_path = f"{self.state}/serve.log"
        self.process = None

    # commands

    def run(self, *args, check=True, profile="admin", **kw):
        env = dict(os.environ, EMBERGATE_PROFILE=self.profile_path(profile))
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        done = subprocess.run([self.binary, *map(str, args)], env=env, text=True, timeout=kw.pop("timeout", 300), **kw)
        if check and done.returncode != 0:
            raise AssertionError(f"embergate {' '.join(map(str, args))} ended {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def init(self, *extra):
        done = self.run("init", "--state", self.state, "--port", self.port, "--spark-home", os.environ["EG_SPARK_HOME"],
                        "--python", "/usr/bin/python3" if not os.environ.get("EG_PYTHON") else os.environ["EG_PYTHON"],
                        "--jar", os.environ["EG_JARS"], *extra)
        self.init_said = done.stdout  # holds the recovery key, which is told once
        return done

    def profile_path(self, name):
        return f"{self.state}/profiles/{name}.json"

    def profile(self, name="admin"):
        with open(self.profile_path(name)) as f:
            return json.load(f)

    # life

    def start(self, wait=30):
        log = open(self.log_path, "ab")
        since = log.tell()
        self.process = subprocess.Popen([self.binary, "serve", "--state", self.state], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        start_new_session=True)
        # A gateway whose supervisor was killed answers for a moment more: what answers must be the one that was started here.
        if self.process.poll() is None:
            self.wait_for_log('"gateway.ready"', since, wait, lambda: self.process.poll() is not None)
        self.wait_ready(wait)

    def wait_ready(self, wait=30):
        end = time.monotonic() + wait
        while True:
            try:
                status, body, _ = self.request("GET", "/healthz", token=None)
                if status == 200:
                    return json.loads(body)
            except OSError:
                pass
            if self.process and self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}: {self.log_tail()}")
            if time.monotonic() > end:
                raise AssertionError(f"the server is not ready after {wait} s: {self.log_tail()}")
            time.sleep(0.05)

    def stop(self, keep_jobs=False):
        self.run("stop", "--state", self.state, *(["--keep-jobs"] if keep_jobs else []), check=False, timeout=60)
        if self.process:
            self.process.wait(timeout=30)
            self.process = None

    def log_tail(self, lines=15):
        with open(self.log_path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def wait_for_log(self, text, since=0, seconds=10, over=lambda: False):
        """Whether the text stands in the log after byte `since`, or comes there in time, unless `over` says that it won't: a line of the log follows its answer, not the other way about."""
        end = time.monotonic() + seconds
        while True:
            with open(self.log_path, errors="replace") as f:
                f.seek(since)
                if text in f.read():
                    return True
            if over() or time.monotonic() > end:
                return False
            time.sleep(0.05)

    def pids(self):
        """Name of each process of ours and its pid, from the supervisor's log lines."""
        found = {}
        with open(self.log_path) as f:
            for line in f:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if entry.get("event") == "process.started":
                    found[entry["name"]] = int(entry["pid"])
        return found

    # HTTP without any SDK

    def context(self):
        return ssl.create_default_context(cafile=self.ca)

    def request(self, method, path, token=None, body=None, headers=None, timeout=30):
        rq = urllib.request.Request(self.endpoint + path, method=method, data=body, headers=dict(headers or {}))
        if token:
            rq.add_header("Authorization", f"Bearer {token}")
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.context()), urllib.request.ProxyHandler({}))
        try:
            with opener.open(rq, timeout=timeout) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as e:
            return e.code, e.read(), e.headers
        except urllib.error.URLError as e:
            if isinstance(e.reason, OSError):
                raise e.reason
            raise OSError(str(e.reason)) from e

    def json(self, method, path, token=None, body=None, headers=None):
        data = None if body is None else json.dumps(body).encode()
        status, text, got = self.request(method, path, token, data, {"Content-Type": "application/json", **(headers or {})})
        try:
            return status, json.loads(text) if text else None, got
        except ValueError:
            return status, text.decode(errors="replace"), got

    def token(self, name="admin", audience="gateway"):
        return self.run("token", "--audience", audience, profile=name).stdout.strip()

    # the Azure SDKs

    def credential(self, name="admin"):
        from azure.identity import ClientSecretCredential
        p = self.profile(name)
        return ClientSecretCredential(p["tenant"], p["client_id"], p["client_secret"], authority=self.endpoint,
                                      disable_instance_discovery=True, connection_verify=self.ca)

    def data_lake(self, name="admin", **options):
        from azure.storage.filedatalake import DataLakeServiceClient
        return DataLakeServiceClient(self.endpoint, credential=self.credential(name), connection_verify=self.ca, **options)

    def file_system(self, container="data", name="admin", **options):
        return self.data_lake(name, **options).get_file_system_client(container)
