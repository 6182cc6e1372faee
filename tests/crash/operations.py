"""A client that does what the Blob API and the rarer operations of the Data Lake API can do, alone in its directories, and knows exactly what it may find afterwards."""
import base64
import collections
import json
import re
import time
import uuid
from xml.etree import ElementTree

from crowd import Client, Unanswered, told

def block_id(n):
    return base64.b64encode(b"%06d" % n).decode()


class OperationsClient(Client):
    """Names → (content or None, snapshots, rights of others, leased). An operation says what it would leave; after no answer there is that, or what was."""

    audience = "storage"
    blob = {"Accept": "application/xml"}

    def __init__(self, gateway, number, seed):
        super().__init__(gateway, f"operations-{number}", seed)
        self.count, self.done = 0, collections.Counter()
        self.here, self.there, self.tag = f"/data/ops/{number}", f"/crashed{number}/ops", f"t{number}"
        self.files, self.times, self.leases, self.deleted, self.kinds = {}, {}, {}, set(), collections.Counter()
        self.people = [str(uuid.UUID(int=self.random.getrandbits(128))) for _ in range(4)]
        for path, query in ((self.there.rsplit("/", 1)[0], "resource=filesystem"), (self.here, "resource=directory"), (self.there, "resource=directory")):
            assert self.ask("PUT", f"{path}?{query}", b"")[0] in (201, 409)

    def path(self, name):
        return f"{self.there if name.startswith('far') else self.here}/{name}"

    def expect(self, answered, *wanted):
        status, body, headers = answered
        if status not in wanted:
            raise AssertionError(f"answered {status} {body[:300]}")
        return body, headers

    def new_name(self, far=False):
        self.count += 1
        return f"{'far' if far else 'f'}{self.count}"

    def content(self):
        return self.random.randbytes(8) * self.random.choice((1, 100, 5000, 40000))

    # Each gives, before it asks, what it would leave: {name: content}; and after the answer it is so.

    def put_blob(self, name, content):
        yield "storage.blob.put", name, {name: content}
        _, h = self.expect(self.ask("PUT", self.path(name), content, {**self.blob, "x-ms-blob-type": "BlockBlob", **self.lease_of(name)}), 201)
        self.acknowledged.append(("storage.blob.put", name, h["x-ms-request-id"]))
        self.files[name] = content

    def blocks(self, name, content):
        """Several blocks; what is staged is nothing, and after a power cut gone: then the list is refused and says so."""
        size = max(1, len(content) // 3)
        parts = [content[i:i + size] for i in range(0, len(content), size)]
        yield "storage.blob.put", name, {name: content}
        for n, part in enumerate(parts):
            self.expect(self.ask("PUT", f"{self.path(name)}?comp=block&blockid={block_id(n)}", part, {**self.blob, **self.lease_of(name)}), 201)
        listed = "".join(f"<Latest>{block_id(n)}</Latest>" for n in range(len(parts)))
        answer = self.ask("PUT", f"{self.path(name)}?comp=blocklist", f"<BlockList>{listed}</BlockList>".encode(), {**self.blob, **self.lease_of(name)})
        if answer[0] == 400 and b"InvalidBlockList" in answer[1]:
            return
        _, h = self.expect(answer, 201)
        self.acknowledged.append(("storage.blob.put", name, h["x-ms-request-id"]))
        self.files[name] = content

    def copy(self, old, new):
        yield "storage.blob.put", new, {new: self.files[old]}
        source = f"https://127.0.0.1:{self.g.port}{self.path(old)}"
        _, h = self.expect(self.ask("PUT", self.path(new), b"", {**self.blob, "x-ms-copy-source": source}), 202)
        if h["x-ms-copy-status"] != "success":
            raise AssertionError(f"a copy is {h['x-ms-copy-status']}")
        self.acknowledged.append(("copy", new, h["x-ms-request-id"]))
        self.files[new] = self.files[old]

    def rename(self, old, new):
        """Also from one filesystem to the other."""
        content = self.files[old]
        yield "storage.path.rename", new, {old: None, new: content}
        _, h = self.expect(self.ask("PUT", self.path(new), b"", {"x-ms-rename-source": self.path(old)}), 201)
        self.acknowledged.append(("storage.path.rename", new, h["x-ms-request-id"]))
        self.files.update({old: None, new: content})
        self.times[new] = self.times.pop(old, {})

    def snapshot(self, name):
        """An unanswered one may be there or not; what was answered holds for ever."""
        yield "storage.blob.snapshot", name, {name: self.files[name]}
        _, h = self.expect(self.ask("PUT", f"{self.path(name)}?comp=snapshot", b"", {**self.blob, **self.lease_of(name)}), 201)
        self.acknowledged.append(("storage.blob.snapshot", name, h["x-ms-request-id"]))
        self.times.setdefault(name, {})[h["x-ms-snapshot"]] = self.files[name]

    def delete(self, name):
        yield "storage.path.delete", name, {name: None}
        _, h = self.expect(self.ask("DELETE", f"{self.path(name)}?recursive=false"), 200)
        self.acknowledged.append(("storage.path.delete", name, h["x-ms-request-id"]))
        self.deleted.add((name, self.files[name]))
        self.files[name] = None
        self.kept = h.get("x-ms-deletion-id")

    def undelete(self, name):
        """What was just deleted comes back whole, with its snapshots."""
        content = self.files[name]
        yield from self.delete(name)
        yield "storage.path.undelete", name, {name: content}
        where = self.path(name).split("/", 2)[2]
        _, h = self.expect(self.ask("PUT", f"{self.path(name)}?comp=undelete", b"", {**self.blob, "x-ms-undelete-source": f"{where}?deletionid={self.kept}"}), 200)
        self.acknowledged.append(("storage.path.undelete", name, h["x-ms-request-id"]))
        self.files[name] = content

    def append(self, name):
        """Data Lake: both halves at their positions, then the flush makes them one."""
        old, more = self.files[name], self.content()
        half = len(more) // 2
        yield "storage.file.flush", name, {name: old + more}
        for at, part in ((half, more[half:]), (0, more[:half])):
            self.expect(self.ask("PATCH", f"{self.path(name)}?action=append&position={len(old) + at}", part, self.lease_of(name)), 202)
        answer = self.ask("PATCH", f"{self.path(name)}?action=flush&position={len(old) + len(more)}", b"", self.lease_of(name))
        if answer[0] == 400 and b"InvalidFlushPosition" in answer[1]:
            return  # 202 promises nothing after a power cut
        _, h = self.expect(answer, 200)
        self.acknowledged.append(("storage.file.flush", name, h["x-ms-request-id"]))
        self.files[name] = old + more

    def lease_of(self, name):
        return {"x-ms-lease-id": self.leases[name]} if name in self.leases else {}

    def lease(self, name):
        """A lease that was answered keeps others out, also behind a crash."""
        proposed = str(uuid.UUID(int=self.random.getrandbits(128)))
        yield "lease", name, {name: self.files[name]}
        self.leases[name] = proposed  # from now on it may be
        self.expect(self.ask("PUT", f"{self.path(name)}?comp=lease", b"",
                             {**self.blob, "x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1", "x-ms-proposed-lease-id": proposed}), 201)
        status, body, _ = self.ask("PUT", self.path(name), b"x", {**self.blob, "x-ms-blob-type": "BlockBlob"})
        if status != 412:
            raise AssertionError(f"{name} is leased, and a write without the lease was answered {status} {body[:200]}")
        self.expect(self.ask("PUT", f"{self.path(name)}?comp=lease", b"", {**self.blob, "x-ms-lease-action": "release", "x-ms-lease-id": proposed}), 200)
        del self.leases[name]

    def access(self):
        """A list for all that lies here; repeated until it is answered, it holds for each file."""
        yield "storage.path.set_access", "", {}
        rights = self.random.choice(("r-x", "rwx", "r--"))
        who = self.random.choice(self.people)  # few: a list has no more than 32 entries
        continuation, begun = None, False
        while continuation or not begun:
            query = f"action=setAccessControlRecursive&mode=modify&maxRecords=7{'&continuation=' + continuation if continuation else ''}"
            body, h = self.expect(self.insist("PATCH", f"{self.here}?{query}", b"", {"x-ms-acl": f"user:{who}:{rights}"}), 200)
            continuation, begun = h.get("x-ms-continuation"), True
            if json.loads(body)["failureCount"]:
                raise AssertionError(f"a list for all in {self.here}: {body[:500]}")
        for name in [n for n, c in self.files.items() if c is not None and not n.startswith("far")][:5]:
            _, h = self.expect(self.insist("HEAD", f"{self.path(name)}?action=getAccessControl"), 200)
            if f"user:{who}:{rights}" not in h["x-ms-acl"]:
                self.wrong.append(f"{name} lacks {who}:{rights}, which was set for all here: {h['x-ms-acl']}")

    def batch(self, names):
        """Deletes of several; each part is whole, or not."""
        yield "batch", names, {n: None for n in names}
        mark = f"batch_{uuid.UUID(int=self.random.getrandbits(128))}"
        parts = "".join(f"--{mark}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {i}\r\n\r\n"
                        f"DELETE {self.path(n)} HTTP/1.1\r\nContent-Length: 0\r\n\r\n\r\n" for i, n in enumerate(names))
        body, _ = self.expect(self.ask("POST", "/?comp=batch", f"{parts}--{mark}--\r\n".encode(), {**self.blob, "Content-Type": f"multipart/mixed; boundary={mark}"}), 202)
        got = re.findall(rb"HTTP/1.1 (\d+)", body)
        if got != [b"202"] * len(names):
            raise AssertionError(f"a batch of {names} was answered {body[:600]}")
        self.files.update({n: None for n in names})

    def choose(self):
        there = [n for n, c in self.files.items() if c is not None]
        plain = [n for n in there if not self.times.get(n) and n not in self.leases]  # a Blob DELETE wants no snapshots
        if len(there) < 4:
            return self.put_blob(self.new_name(), self.content())
        name, free = self.random.choice(there), [n for n in there if n not in self.leases]
        near = [n for n in free if not n.startswith("far")]
        acts = [lambda: self.put_blob(self.random.choice(free), self.content()), lambda: self.blocks(self.new_name(), self.content()), lambda: self.copy(name, self.new_name()),
                lambda: self.rename(self.random.choice(free), self.new_name(far=self.random.random() < 0.5)), lambda: self.snapshot(name), lambda: self.access(),
                lambda: self.delete(self.random.choice(free)), lambda: self.undelete(self.random.choice(near or free)), lambda: self.append(self.random.choice(free)),
                lambda: self.lease(self.random.choice(free))]
        if len(plain) >= 6:
            acts.append(lambda: self.batch(self.random.sample(plain, 3)))
        if len(there) > 25:
            return self.delete(self.random.choice(free))
        return self.random.choice(acts)()

    def step(self):
        doing = None
        try:
            for doing in self.choose():
                pass
            self.kinds[doing[0]] += 1
        except Unanswered:
            self.settle(*doing)

    def find(self, names, query=""):
        found = {}
        for name in names:
            status, body, _ = self.insist("GET", f"{self.path(name)}{query}")
            if status not in (200, 404):
                raise AssertionError(f"{name} is answered {status} {body[:300]}")
            found[name] = body if status == 200 else None
        return found

    def settle(self, event, about, possible):
        """What is there must be what was, or what was asked for; of a batch each part by itself."""
        self.unanswered += 1
        if event == "lease":
            self.break_lease(about)
        before = {n: self.files.get(n) for n in possible}
        found = self.find(possible)
        each = all(found[n] in (before[n], possible[n]) for n in possible) if event == "batch" else found in (before, possible)
        if not each:
            self.wrong.append(f"{self.name}: after {event} found {told(found)}, neither {told(before)} nor {told(possible)}")
        if event == "storage.path.rename" and found == possible and before != possible:
            old = next(n for n, c in possible.items() if c is None)
            self.times[about] = self.times.pop(old, {})
        if event == "storage.blob.snapshot":
            self.times.setdefault(about, {})  # there may be one that nobody knows
            self.times[about].setdefault("unknown", None)
        self.files.update(found)

    def break_lease(self, name):
        status, body, _ = self.insist("PUT", f"{self.path(name)}?comp=lease", b"", {**self.blob, "x-ms-lease-action": "break", "x-ms-lease-break-period": "0"})
        if status not in (202, 409):
            raise AssertionError(f"break of {name}'s lease: {status} {body[:200]}")
        self.leases.pop(name, None)

    def check(self):
        found = self.find(self.files)
        self.wrong += [f"{self.name}: {n} is {told({n: found[n]})}, not {told({n: c})}" for n, c in self.files.items() if found[n] != c]
        for name, times in self.times.items():
            for at, content in times.items():
                if self.files.get(name) is not None and at != "unknown":
                    status, body, _ = self.insist("GET", f"{self.path(name)}?snapshot={at}")
                    if (status, body) != (200, content):
                        self.wrong.append(f"{self.name}: the snapshot {at} of {name} is {status} {len(body)} bytes, not {told({name: content})}")
        listed = set()
        for folder in (self.here, self.there):
            container, prefix = folder[1:].split("/", 1)
            _, body, _ = self.insist("GET", f"/{container}?restype=container&comp=list&showonly=files&prefix={prefix}/", None, self.blob)
            listed |= {b.findtext("Name").rsplit("/", 1)[1] for b in ElementTree.fromstring(body).iter("Blob")}
        owed = {n for n, c in self.files.items() if c is not None}
        if listed != owed:
            self.wrong.append(f"{self.name}: listed {sorted(listed ^ owed)} too much or too little")


def at_work(g, seed, count):
    """That many, started."""
    clients = [OperationsClient(g, i, seed + 100 + i) for i in range(count)]
    for c in clients:
        c.start()
    return clients


def stop(clients, seconds=120):
    for c in clients:
        c.stop.set()
    end = time.monotonic() + seconds
    for c in clients:
        c.join(timeout=max(1, end - time.monotonic()))
