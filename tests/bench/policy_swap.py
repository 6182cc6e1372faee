"""Changes of a large policy while the gateway works: how long until one is in force, what a swap costs those who ask meanwhile, how soon a stream is cut."""
import json
import os
import socket
import ssl
import threading
import time

import policy_world as world
from side_by_side import wrk

ROLE = "11111111-1111-4111-8111-111111111111"
BY_NAME = "0a0a0a0a-0000-4000-8000-00000000000c"
NAMES = ("0a0a0a0a-0000-4000-8000-00000000000a", "0a0a0a0a-0000-4000-8000-00000000000b")
PAUSE = 0.25


class Desk:
    """The policies of the benchmark's gateway. One person's right comes from one assignment in even versions of it and from another in odd ones, never
    from none or both: a request that saw half a change would be refused."""

    def __init__(self, b):
        self.g, self.token = b.gateway, b.token
        self.subscription = "/subscriptions/" + b.gateway.profile()["subscription"]
        self.guest = b.gateway.profile("guest")["object_id"]
        self.turn = 0

    def change(self, puts, deletes):
        body = {"puts": [{"type": kind, "document": d} for kind, d in puts], "deletes": [{"type": kind, "id": i} for kind, i in deletes],
                "ticket": "BENCH-1", "justification": "measuring"}
        status, said, _ = self.g.json("POST", f"{self.subscription}/providers/Embergate.Policies/change", self.token, body)
        assert status == 200, (status, said)
        return said["version"]

    def fill(self):
        """In parts, as a request has 32 MiB at most; all of it in the own subscription."""
        mine = json.loads(json.dumps([world.assignment(*row) for row in world.grants()]).replace(world.SUB, self.subscription))
        network = json.loads(json.dumps([world.security_group(), world.network()]).replace(world.SUB, self.subscription))
        self.change([("roleDefinitions", self.role(0)), ("networkSecurityGroups", network[0]), ("virtualNetworks", network[1])], [])
        for n in range(0, len(mine), 2500):
            self.change([("roleAssignments", d) for d in mine[n:n + 2500]], [])

    def role(self, turn):
        return {"id": f"/providers/Microsoft.Authorization/roleDefinitions/{ROLE}", "name": ROLE, "type": "Microsoft.Authorization/roleDefinitions",
                "properties": {"roleName": "Bench Reader", "type": "CustomRole", "description": f"turn {turn}", "assignableScopes": [self.subscription],
                               "permissions": [{"actions": [], "notActions": [], "notDataActions": [], "dataActions": [
                                   "Microsoft.HDInsight/clusters/jobs/read", f"{world.READ}"]}]}}

    def assignment(self, name, role, principal):
        scope = self.subscription
        return {"id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}", "name": name, "type": "Microsoft.Authorization/roleAssignments",
                "properties": {"roleDefinitionId": role, "principalId": principal, "principalType": "ServicePrincipal", "scope": scope}}

    def right(self, which):
        return self.assignment(NAMES[which], f"{self.subscription}/providers/Microsoft.Authorization/roleDefinitions/{ROLE}", self.guest)

    def name_a_role(self):
        """From now on a change of a role has all documents read anew: some assignment says only what its role is called, which another could be called by then."""
        self.change([("roleAssignments", self.assignment(BY_NAME, "Bench Reader", BY_NAME))], [])

    def grant(self):
        return self.change([("roleAssignments", self.right(self.turn % 2))], [])

    def revoke(self):
        return self.change([], [("roleAssignments", self.right(self.turn % 2)["id"])])

    def swap(self, role):
        """The other assignment in place of the one. With `role` the role changes too that both are of."""
        old, self.turn = self.turn % 2, self.turn + 1
        puts = [("roleAssignments", self.right(self.turn % 2))] + ([("roleDefinitions", self.role(self.turn))] if role else [])
        return self.change(puts, [("roleAssignments", self.right(old)["id"])])


def timed(act):
    started = time.monotonic()
    act()
    return (time.monotonic() - started) * 1e3


def in_force(desk, token, act, expected):
    """Until the change is answered and a request of that person, on a new connection, has met it."""
    def whole():
        act()
        status = desk.g.json("GET", "/livy/batches?size=1", token)[0]
        assert (status == 200) == expected, status
    return timed(whole)


def beside_swaps(b, desk, peer, role):
    """wrk, which fails when one request of it does, and a swap after the other."""
    over, took = threading.Event(), []

    def keep_swapping():
        while not over.is_set():
            took.append(timed(lambda: desk.swap(role)))
            over.wait(PAUSE)
    swapping = threading.Thread(target=keep_swapping)
    swapping.start()
    try:
        return {**wrk(peer, "/livy/batches", b.seconds, b.guest_token), "swaps": took}
    finally:
        over.set()
        swapping.join()


def stream_cut(desk, token):
    """How long after the change is asked for a slow read ends."""
    g = desk.g
    desk.grant()
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    plain.connect(("127.0.0.1", g.port))
    s = g.context().wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
    s.settimeout(20)
    s.sendall(f"GET /data/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nx-ms-version: 2023-11-03\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    head = s.recv(1024)
    assert head.startswith(b"HTTP/1.1 200"), head
    ended = []

    def drain():
        try:
            while s.recv(16384):
                time.sleep(0.005)
        except (OSError, ssl.SSLError):
            pass
        ended.append(time.monotonic())
    reader = threading.Thread(target=drain)
    reader.start()
    time.sleep(0.2)
    assert not ended
    started = time.monotonic()
    desk.revoke()
    reader.join(20)
    s.close()
    assert ended, "the stream was not cut"
    return (ended[0] - started) * 1e3


def upload(b, size):
    storage = {"x-ms-version": "2023-11-03"}
    for method, path, body in (("PUT", "?resource=file", b""), ("PATCH", "?action=append&position=0", os.urandom(size)), ("PATCH", f"?action=flush&position={size}", b"")):
        assert b.gateway.request(method, f"/data/stream{path}", b.storage_token, body, storage)[0] in (200, 201, 202)


def measure(b):
    ours = b.ours()
    desk = Desk(b)
    print(f"Changes in a store of that size, by the API, on 32 busy connections of a person whose right moves with each swap from one assignment to another.")
    filled = timed(desk.fill)
    b.add("policies of that size written", "ms", filled, None, None)
    upload(b, 64 << 20)
    guest_storage = b.gateway.token("guest", audience="storage")
    granted, revoked = [], []
    for _ in range(10):
        granted.append(in_force(desk, b.guest_token, desk.grant, True))
        revoked.append(in_force(desk, b.guest_token, desk.revoke, False))
    b.add("grant in force", "ms", granted, None, None, gate=1000, goal=100)
    b.add("revocation in force", "ms", revoked, None, None, gate=1000, goal=100)
    b.add("a stream cut after a revocation", "ms", [stream_cut(desk, guest_storage) for _ in range(3)], None, None, gate=1000, goal=300)
    desk.grant()
    for role, name in ((False, "of one assignment"), (True, "of a role")):
        measure_swaps(b, desk, ours, role, name)
    desk.name_a_role()
    measure_swaps(b, desk, ours, True, "with all read anew")


def measure_swaps(b, desk, ours, role, name):
    """Alone, and in turns with the same load without them; more rounds than elsewhere, as a p99 differs more from one to the next than a mean."""
    alone = [timed(lambda: desk.swap(role)) for _ in range(5)]
    b.add(f"change {name}", "ms", alone, None, None, gate=1000, goal=1000 if name == "with all read anew" else 50)
    runs = [("quiet", lambda: wrk(ours, "/livy/batches", b.seconds, b.guest_token)), ("swaps", lambda: beside_swaps(b, desk, ours, role))]
    got = {"quiet": [], "swaps": []}
    for n in range(2 * b.rounds - 1):
        for key, run in runs[n % 2:] + runs[:n % 2]:
            got[key].append(run())
    swaps = [t for g in got["swaps"] for t in g["swaps"]]
    b.add(f"p99 beside changes {name}", "us", [g["p99_us"] for g in got["swaps"]], "without", [g["p99_us"] for g in got["quiet"]], gate=0.5, goal=0.9, smaller=True,
          note=f"{len(swaps)} changes, {sum(g['count'] for g in got['swaps']):,} requests, none failed")
    b.add(f"requests beside changes {name}", "1/s", [g["per_second"] for g in got["swaps"]], "without", [g["per_second"] for g in got["quiet"]])
    b.add(f"change {name}, beside load", "ms", swaps, None, None, gate=1000, goal=100)
