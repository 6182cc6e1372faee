"""64 MiB blobs: encrypted here, plain files at nginx; both over TLS."""
import http.client
import os
import ssl
import time

from side_by_side import client

SIZE = 64 << 20
VERSION = {"x-ms-version": "2023-11-03"}


class Writer:
    """One kept connection that writes whole blobs."""

    def __init__(self, port, token=None):
        context = ssl.create_default_context()
        context.check_hostname = False  # it measures; both servers are processes of the benchmark
        context.verify_mode = ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)
        self.headers = {**VERSION, **({"Authorization": f"Bearer {token}"} if token else {})}

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body=body, headers={**self.headers, "Content-Length": str(len(body) if body else 0)})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, f"{method} {path}: {answer.status} {text[:300]}"


def write_ours(w, path, data):
    w.ask("PUT", f"{path}?resource=file")
    w.ask("PATCH", f"{path}?action=append&position=0", data)
    w.ask("PATCH", f"{path}?action=flush&position={len(data)}")


def timed(action, size):
    started = time.monotonic()
    action()
    return {"mib_per_second": size / 1048576 / (time.monotonic() - started)}


def measure(b):
    print("Blobs of 64 MiB over TLS. Ours: sealed with AES-256-GCM in segments, verified before the first byte, authorised, recorded; a write is\n"
          "create, append and flush, durable when answered. nginx: plain files; its writes are not synced to the disk.")
    ours, nginx = b.ours(), b.nginx()
    data = os.urandom(SIZE)
    with open(f"{b.folder}/www/blob", "wb") as f:
        f.write(data)
    mine = Writer(ours.port, b.storage_token)
    write_ours(mine, "/data/bench/blob", data)
    paths = {"embergate": ("/data/bench/blob", b.storage_token), "nginx": ("/blob", None)}

    def read(count, streams):
        return lambda p: client("get", p.port, paths[p.name][0], count, streams, token=paths[p.name][1])

    for streams, gate, goal in ((1, 0.65, "nginx + one AES-GCM pass"), (4, None, None)):
        got = b.interleaved([(ours, read(8 // streams, streams)), (nginx, read(8 // streams, streams))])
        b.add(f"64 MiB reads, {streams} at once", "MiB/s", *columns(got, "mib_per_second"), gate, goal)
        if streams == 1:
            b.add("first byte of a 64 MiB read", "us", *columns(got, "first_byte_us"), smaller=True)
            b.add("processor time of a 64 MiB read", "ms", [v["cpu_s"] * 125 for v in got["embergate"]], "nginx",
                  [v["cpu_s"] * 125 for v in got["nginx"]], smaller=True)
    mine, theirs = Writer(ours.port, b.storage_token), Writer(nginx.port)  # anew: a connection that idles is ended
    got = b.interleaved([
        (ours, lambda p: timed(lambda: write_ours(mine, "/data/bench/written", data), SIZE)),
        (nginx, lambda p: timed(lambda: theirs.ask("PUT", "/written", data), SIZE)),
    ], rounds=b.rounds + 2)
    b.add("64 MiB writes", "MiB/s", *columns(got, "mib_per_second"), note="ours durable, nginx not synced")


def columns(got, key):
    return [v[key] for v in got["embergate"]], "nginx", [v[key] for v in got["nginx"]]
