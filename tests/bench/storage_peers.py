"""The peers of the storage benchmark, each with the gateway's certificate on loopback: rclone's S3 server on a crypt remote, versitygw, Azurite."""
import contextlib
import datetime
import hashlib
import hmac
import os
import secrets
import subprocess
import time

from side_by_side import free_port

PEERS = os.environ.get("EG_BENCH_PEERS", "")
ACCESS, SECRET = "benchmark", secrets.token_hex(16)
AZURITE = "/devstoreaccount1"


def once(b, name, start):
    """The peer of this name, started when it isn't there yet; None when it isn't installed."""
    for p in b.peers:
        if p.name == name:
            return p
    b.ours()
    return start()


@contextlib.contextmanager
def environment(**more):
    """What a peer that is started here inherits: secrets go by it and not by a command line."""
    before = {k: os.environ.get(k) for k in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for k, v in before.items():
            os.environ.pop(k) if v is None else os.environ.update({k: v})


def rclone(b):
    """Encrypted at rest, as ours is; nothing is synced to the disk."""
    program = os.path.join(os.path.dirname(os.environ["EG_PYTHON"]), "rclone")

    def start():
        port, chain, key = free_port(), *b.certificate()[:2]
        hidden = subprocess.run([program, "obscure", "-"], input=secrets.token_hex(16), stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        os.makedirs(f"{b.folder}/rclone/bench", exist_ok=True)
        with environment(RCLONE_CONFIG=f"{b.folder}/rclone.conf", RCLONE_CONFIG_C_TYPE="crypt", RCLONE_CONFIG_C_REMOTE=f"{b.folder}/rclone",
                         RCLONE_CONFIG_C_PASSWORD=hidden, RCLONE_CONFIG_C_FILENAME_ENCRYPTION="off", RCLONE_CONFIG_C_DIRECTORY_NAME_ENCRYPTION="false",
                         RCLONE_AUTH_KEY=f'"{ACCESS},{SECRET}"'):
            return b.started("rclone crypt", port, [program, "serve", "s3", "c:", "--addr", f"127.0.0.1:{port}", "--cert", chain, "--key", key])
    return once(b, "rclone crypt", start)


def versitygw(b):
    """Plain files; nothing is synced to the disk."""
    def start():
        port, chain, key = free_port(), *b.certificate()[:2]
        os.makedirs(f"{b.folder}/versity/bench", exist_ok=True)
        with environment(ROOT_ACCESS_KEY=ACCESS, ROOT_SECRET_KEY=SECRET):
            return b.started("versitygw", port, [f"{PEERS}/versitygw", "--port", f"127.0.0.1:{port}", "--cert", chain, "--key", key, "--keep-alive",
                                                 "--quiet", "posix", f"{b.folder}/versity"])
    return once(b, "versitygw", start)


def azurite(b):
    """Plain files, with bearer tokens whose signature it doesn't check; nothing is synced to the disk."""
    def start():
        import jwt
        port, chain, key = free_port(), *b.certificate()[:2]
        now = int(time.time())
        peer = b.started("azurite", port, [os.environ["EG_NODE"], f"{PEERS}/node_modules/azurite/dist/src/blob/main.js", "--blobHost", "127.0.0.1",
                                           "--blobPort", str(port), "--location", f"{b.folder}/azurite", "--cert", chain, "--key", key, "--oauth", "basic",
                                           "--skipApiVersionCheck", "--disableTelemetry", "--silent"])
        peer.token = jwt.encode({"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
                                 "iat": now - 60, "nbf": now - 60, "exp": now + 86400, "oid": "bench", "tid": "bench"}, secrets.token_bytes(32), "HS256")
        return peer
    return once(b, "azurite", start)


def s3_headers(port, method, path):
    """Signature version 4 over an unsigned body, as clients send it over TLS."""
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    signed = {"host": f"127.0.0.1:{port}", "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": stamp}
    names, scope = ";".join(sorted(signed)), f"{day}/us-east-1/s3/aws4_request"
    canonical = "\n".join([method, path, "", *(f"{k}:{signed[k]}" for k in sorted(signed)), "", names, "UNSIGNED-PAYLOAD"])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    del signed["host"]
    return {**signed, "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature={key.hex()}"}
