"""Clients that write, rename, delete and submit over HTTPS, and know exactly what they may find afterwards."""
import collections
import contextlib
import http.client
import json
import random
import threading
import time

DEADLINE = 90


class Unanswered(Exception):
    """No answer, or one that promises nothing: what was asked may have happened or not."""


class Client(threading.Thread):
    """One connection and what was acknowledged on it: (event, what it is about, request id) in `acknowledged`, what must not be in `wrong`."""

    audience = "gateway"

    def __init__(self, gateway, name, seed):
        super().__init__(name=name)
        self.bearer = gateway.token(audience=self.audience)
        self.g, self.random, self.stop = gateway, random.Random(seed), threading.Event()
        self.acknowledged, self.unanswered, self.wrong = [], 0, []
        self.connection = None

    def new_bearer(self):
        try:
            return self.g.token(audience=self.audience)
        except AssertionError as e:
            raise Unanswered(str(e)) from e

    def ask(self, method, path, body=None, headers=None):
        """(status, body, headers) of an answer that says what happened; else Unanswered."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPSConnection("127.0.0.1", self.g.port, context=self.g.context(), timeout=30)
            self.connection.request(method, path, body, {"Authorization": f"Bearer {self.bearer}", "x-ms-version": "2023-11-03", **(headers or {})})
            answer = self.connection.getresponse()
            got = answer.status, answer.read(), answer.headers
        except (OSError, http.client.HTTPException) as e:
            if self.connection:
                self.connection.close()
            self.connection = None
            time.sleep(0.05)
            raise Unanswered(str(e)) from e
        if got[0] == 401:  # the clock was set: this token is expired or not yet valid
            self.bearer = self.new_bearer()
        if got[0] >= 500 or got[0] in (401, 429):
            time.sleep(0.1)
            raise Unanswered(f"{got[0]} {got[1][:200]}")
        return got

    def insist(self, method, path, body=None, headers=None):
        end = time.monotonic() + DEADLINE
        while True:
            try:
                return self.ask(method, path, body, headers)
            except Unanswered as e:
                if time.monotonic() > end:
                    raise AssertionError(f"{method} {path} is not answered within {DEADLINE} s: {e}") from e

    def run(self):
        try:
            while not self.stop.is_set():
                self.step()
        except Exception as e:  # noqa: BLE001  a thread's only way to tell
            self.wrong.append(f"{self.name}: {type(e).__name__} {e}")


class FileClient(Client):
    """Alone in its directory. `files` is what must be there; after an unanswered request there must be what was, or what it asked for."""

    audience = "storage"

    def __init__(self, gateway, number, seed, largest=60000):
        super().__init__(gateway, f"files-{number}", seed)
        self.largest, self.files, self.count, self.folder = largest, {}, 0, f"/data/crash/{number}"
        self.done = collections.Counter()  # (event, path as records have it) → how often it happened; None where nobody can tell

    def new_name(self):
        self.count += 1
        return f"f{self.count}"

    def content(self):
        """Mostly what lies in packs, together with others; two in five so small that they go with the store's log; one in ten may be large enough for a file of its own."""
        what = self.random.random()
        largest = self.largest * 5 if what < 0.1 else 2000 if what < 0.5 else self.largest
        return self.random.randbytes(8) * self.random.randint(1, largest // 8)

    def change(self, event, about, *request):
        status, body, headers = self.ask(*request)
        if status not in (200, 201, 202):
            raise AssertionError(f"{request[0]} {request[1]} was answered {status} {body[:300]}")
        self.acknowledged.append((event, about, headers["x-ms-request-id"]))
        self.count_done(event, about)

    def count_done(self, event, about, times=1):
        at = (event, f"{self.folder[1:]}/{about}")
        self.done[at] = None if times is None or self.done[at] is None else self.done[at] + times

    def write(self, name, content):
        path = f"{self.folder}/{name}"
        half = len(content) // 2
        yield "storage.file.create", name, {name: b""}
        self.change("storage.file.create", name, "PUT", f"{path}?resource=file", b"")
        self.files[name] = b""
        yield "storage.file.flush", name, {name: content}
        for at, part in ((0, content[:half]), (half, content[half:])):
            if part:
                status, body, _ = self.ask("PATCH", f"{path}?action=append&position={at}", part)
                if status != 202:
                    raise AssertionError(f"append to {path} was answered {status} {body[:300]}")
        self.change("storage.file.flush", name, "PATCH", f"{path}?action=flush&position={len(content)}", b"")
        self.files[name] = content

    def put(self, name, content):
        """All of it in one request."""
        yield "storage.blob.put", name, {name: content}
        self.change("storage.blob.put", name, "PUT", f"{self.folder}/{name}", content, {"x-ms-blob-type": "BlockBlob"})
        self.files[name] = content

    def rename(self, old, new):
        content = self.files[old]
        yield "storage.path.rename", new, {old: None, new: content}
        self.change("storage.path.rename", new, "PUT", f"{self.folder}/{new}", b"", {"x-ms-rename-source": f"{self.folder}/{old}"})
        self.files.update({old: None, new: content})

    def delete(self, name):
        yield "storage.path.delete", name, {name: None}
        self.change("storage.path.delete", name, "DELETE", f"{self.folder}/{name}")
        self.files[name] = None

    def find(self, names):
        found = {}
        for name in names:
            status, body, _ = self.insist("GET", f"{self.folder}/{name}")
            if status not in (200, 404):
                raise AssertionError(f"{name} is answered {status} {body[:300]}")
            found[name] = body if status == 200 else None
        return found

    def settle(self, event, about, possible):
        """The last request was not answered: what is there must be what was, or what it could leave."""
        self.unanswered += 1
        before = {name: self.files.get(name) for name in possible}
        found = self.find(possible)
        if found not in (before, possible):
            self.wrong.append(f"{self.name}: found {told(found)}, neither {told(before)} nor {told(possible)}")
        self.files.update(found)
        self.count_done(event, about, None if before == possible else int(found == possible))

    def choose(self):
        there = [n for n, content in self.files.items() if content is not None]
        what = self.random.random()
        if len(there) < 3 or (what < 0.45 and len(there) < 30):
            return self.random.choice((self.write, self.put))(self.new_name(), self.content())
        name = self.random.choice(there)
        if what < 0.55:
            return self.write(name, self.content())
        if what < 0.75:
            return self.rename(name, self.new_name())
        if what < 0.8:
            return self.rename(name, self.random.choice([n for n in there if n != name]))
        return self.delete(name)

    def step(self):
        doing = None
        try:
            for doing in self.choose():
                pass
        except Unanswered:
            self.settle(*doing)

    def check(self):
        """Every file, whole; and nothing else."""
        found = self.find(self.files)
        self.wrong += [f"{self.name}: {n} is {told({n: found[n]})}, not {told({n: c})}" for n, c in self.files.items() if found[n] != c]
        status, body, _ = self.insist("GET", f"/data?resource=filesystem&recursive=true&directory={self.folder[len('/data/'):]}")
        listed = {p["name"].rsplit("/", 1)[1] for p in json.loads(body)["paths"]} if status == 200 else set()
        owed = {n for n, c in self.files.items() if c is not None}
        if listed != owed:
            self.wrong.append(f"{self.name}: listed {sorted(listed ^ owed)} too much or too little")


def told(state):
    return {n: None if c is None else f"{len(c)} bytes of {c[:4].hex()}" for n, c in state.items()}


class BatchClient(Client):
    """Submits short batches to two clusters, half of them with an idempotency key, which it repeats until it is answered."""

    def __init__(self, gateway, seed):
        super().__init__(gateway, "batches", seed)
        self.runs, self.count = gateway.runs, 0
        self.batches = {}  # (cluster, id) → marker
        self.markers = set()

    def step(self):
        self.count += 1
        cluster, marker, keyed = self.random.choice(("analytics", "other")), f"m{self.count}", self.random.random() < 0.5
        self.markers.add(marker)
        body = json.dumps({"file": f"abfss://data@127.0.0.1:{self.g.port}/job", "args": [marker, self.runs, f"{self.random.uniform(0, 1.5):.2f}"]}).encode()
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": marker} if keyed else {})}
        path = f"/clusters/{cluster}/livy/batches"
        try:
            status, said, got = (self.insist if keyed else self.ask)("POST", path, body, headers)
            while status == 409 and keyed:
                time.sleep(0.1)
                status, said, got = self.insist("POST", path, body, headers)
        except Unanswered:
            self.unanswered += 1
        else:
            if status != 201:
                raise AssertionError(f"a batch was answered {status} {said[:300]}")
            at = (cluster, json.loads(said)["id"])
            if at in self.batches:
                self.wrong.append(f"{at} was given to {self.batches[at]} and to {marker}")
            self.batches[at] = marker
            self.acknowledged.append(("submit", f"{cluster}/{at[1]}", got["x-ms-request-id"] if not keyed else None))
        self.stop.wait(self.random.uniform(0.05, 0.5))

    def state(self, at):
        status, said, _ = self.insist("GET", f"/clusters/{at[0]}/livy/batches/{at[1]}/state")
        return json.loads(said)["state"] if status == 200 else f"{status} {said[:200]}"

    def check(self):
        """Every acknowledged batch ends; none ran twice, and what succeeded ran."""
        end = time.monotonic() + DEADLINE
        states = {at: self.state(at) for at in self.batches}
        while any(s in ("starting", "running") for s in states.values()) and time.monotonic() < end:
            time.sleep(0.3)
            states = {at: self.state(at) if s in ("starting", "running") else s for at, s in states.items()}
        with open(self.runs) as f:
            lines = [line.split() for line in f]
        for at, marker in self.batches.items():
            ran = [line for line in lines if line[1] == marker]
            if any(line[0] != f"batch-{at[1]}" for line in ran):
                self.wrong.append(f"{marker} was acknowledged as {at} and ran as {ran}")
            if states[at] not in ("success", "dead") or (states[at] == "success" and len(ran) != 1):
                self.wrong.append(f"{at} ended as {states[at]} and ran {len(ran)} times")
        for marker in self.markers:
            if sum(line[1] == marker for line in lines) > 1:
                self.wrong.append(f"{marker} ran more than once")


@contextlib.contextmanager
def at_work(g, seed, files):
    """That many file clients and one that submits; at the end they have stopped."""
    clients = [FileClient(g, i, seed + i) for i in range(files)] + [BatchClient(g, seed)]
    for c in clients:
        c.start()
    try:
        yield clients
    finally:
        for c in clients:
            c.stop.set()
        for c in clients:
            c.join(timeout=DEADLINE + 30)
