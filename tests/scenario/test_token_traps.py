"""RFC 8725 over the wire: tokens that a careless verifier accepts, sent byte by byte; each has its status and code. covers: jws_parse.c jws_verify.c"""
import base64
import hashlib
import hmac
import http.client
import json
import socket
import threading
import time
import urllib.request
import uuid

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def un64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Listener:
    """Where headers of tokens point to. Nobody may come."""

    def __init__(self):
        self.came, self.socket = 0, socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.socket.getsockname()[1]}/keys"
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return
            self.came += 1


class Made:
    """A good token of the gateway's own issuer, taken apart, and keys of an attacker."""

    def __init__(self, gateway, listener):
        self.good, self.listener = gateway.token(audience="storage"), listener
        head, claims, self.signature = self.good.split(".")
        self.head, self.claims = json.loads(un64(head)), json.loads(un64(claims))
        self.head_part, self.claims_part = head, claims
        status, keys, _ = gateway.json("GET", f"/{gateway.profile()['tenant']}/discovery/v2.0/keys")
        assert status == 200
        self.public = next(k for k in keys["keys"] if k["kid"] == self.head["kid"])
        self.rsa, self.ec = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())

    def parts(self, head, claims=None):
        text = head if isinstance(head, str) else json.dumps(head)
        return b64(text.encode()) + "." + (self.claims_part if claims is None else b64(claims if isinstance(claims, bytes) else json.dumps(claims).encode()))

    def with_old_signature(self, head=None, claims=None):
        return self.parts(head or self.head, claims) + "." + self.signature

    def by_secret(self, secret):
        part = self.parts({**self.head, "alg": "HS256"})
        return part + "." + b64(hmac.new(secret, part.encode(), hashlib.sha256).digest())

    def by_rsa(self, head):
        part = self.parts({**head, "alg": "RS256"})
        return part + "." + b64(self.rsa.sign(part.encode(), padding.PKCS1v15(), hashes.SHA256()))

    def by_ec(self, head):
        part = self.parts({**head, "alg": "ES256"})
        r, s = utils.decode_dss_signature(self.ec.sign(part.encode(), ec.ECDSA(hashes.SHA256())))
        return part + "." + b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def attackers_jwk(self):
        n = self.rsa.public_key().public_numbers()
        return {"kty": "RSA", "kid": self.head["kid"], "alg": "RS256", "n": b64(n.n.to_bytes(256, "big")), "e": "AQAB"}

    def public_pem(self):
        if self.public["kty"] == "RSA":
            key = rsa.RSAPublicNumbers(int.from_bytes(un64(self.public["e"]), "big"), int.from_bytes(un64(self.public["n"]), "big")).public_key()
        else:
            curve = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}[self.public["crv"]]
            key = ec.EllipticCurvePublicNumbers(int.from_bytes(un64(self.public["x"]), "big"), int.from_bytes(un64(self.public["y"]), "big"), curve).public_key()
        return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def twice(self, claim, value):
        return json.dumps(self.claims)[:-1].encode() + f', "{claim}": {json.dumps(value)}}}'.encode()

    def other_curve_point(self):
        return self.parts(self.head) + "." + b64(bytes(len(un64(self.signature))))


OTHER = str(uuid.UUID(int=1))
ALGORITHM, SIGNATURE, MALFORMED = "TokenAlgorithmRefused", "TokenSignatureInvalid", "TokenMalformed"
TRAPS = {  # RFC 8725 section, or where else the trap is from
    "2.1 alg none, no signature": (ALGORITHM, lambda m: m.parts({**m.head, "alg": "none"}) + "."),
    "2.1 alg None": (ALGORITHM, lambda m: m.with_old_signature({**m.head, "alg": "NoNe"})),
    "2.1 alg missing": (ALGORITHM, lambda m: m.with_old_signature({k: v for k, v in m.head.items() if k != "alg"})),
    "2.1 public key in PEM as HMAC secret": (ALGORITHM, lambda m: m.by_secret(m.public_pem())),
    "2.1 public key without its last line end": (ALGORITHM, lambda m: m.by_secret(m.public_pem().rstrip(b"\n"))),
    "2.1 public JWK as HMAC secret": (ALGORITHM, lambda m: m.by_secret(json.dumps(m.public).encode())),
    "2.1 empty HMAC secret": (ALGORITHM, lambda m: m.by_secret(b"")),
    "3.1 another algorithm than the key's": (ALGORITHM, lambda m: m.by_ec(m.head) if m.head["alg"] != "ES256" else m.by_rsa(m.head)),
    "another's key under our kid": (SIGNATURE, lambda m: m.by_ec(m.head) if m.head["alg"] == "ES256" else m.by_rsa(m.head)),
    "all zero signature (CVE-2022-21449)": (SIGNATURE, lambda m: m.other_curve_point()),
    "no signature": (MALFORMED, lambda m: m.parts(m.head) + "."),
    "3.10 jku": (MALFORMED, lambda m: m.by_rsa({**m.head, "jku": m.listener.url})),
    "3.10 x5u": (MALFORMED, lambda m: m.by_rsa({**m.head, "x5u": m.listener.url})),
    "jwk": (MALFORMED, lambda m: m.by_rsa({**m.head, "jwk": m.attackers_jwk()})),
    "x5c": (MALFORMED, lambda m: m.by_rsa({**m.head, "x5c": ["MIIB"]})),
    "jku beside a right signature": (MALFORMED, lambda m: m.with_old_signature({**m.head, "jku": m.listener.url})),
    "RFC 7515 4.1.11 crit": (MALFORMED, lambda m: m.with_old_signature({**m.head, "crit": ["exp"], "exp": 1})),
    "RFC 7797 b64 false": (MALFORMED, lambda m: m.with_old_signature({**m.head, "b64": False, "crit": ["b64"]})),
    "RFC 7516 five parts": (MALFORMED, lambda m: m.good + ".AAAA.AAAA"),
    "zip": (MALFORMED, lambda m: m.with_old_signature({**m.head, "zip": "DEF"})),
    "3.11 another typ": ("TokenTypeRefused", lambda m: m.with_old_signature({**m.head, "typ": "dpop+jwt"})),
    "claims changed": (SIGNATURE, lambda m: m.with_old_signature(claims={**m.claims, "oid": OTHER})),
    "a claim twice": (MALFORMED, lambda m: m.with_old_signature(claims=m.twice("oid", OTHER))),
    "alg twice": (MALFORMED, lambda m: m.with_old_signature('{"alg":"none",' + json.dumps(m.head)[1:])),
    "NUL in a claim": (MALFORMED, lambda m: m.with_old_signature(claims=json.dumps({**m.claims, "oid": OTHER + "\0"}).encode())),
    "bytes behind the JSON": (MALFORMED, lambda m: m.with_old_signature(claims=json.dumps(m.claims).encode() + b"{}")),
    "2.6 UTF-16": (MALFORMED, lambda m: m.with_old_signature(claims=json.dumps(m.claims).encode("utf-16"))),
    "JSON in a list": (MALFORMED, lambda m: m.with_old_signature(claims=[m.claims])),
    "deep JSON": (MALFORMED, lambda m: m.with_old_signature(claims=b'{"a":' + b"[" * 4000 + b"]" * 4000 + b"}")),
    "padding": (MALFORMED, lambda m: m.good + "="),
    "base64 that is not URL-safe": (MALFORMED, lambda m: m.head_part + "." + m.claims_part + ".+/" + m.signature[2:]),
    "a bit behind the signature's end": (MALFORMED, lambda m: m.good[:-1] + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(m.good[-1]) ^ 1]),
    "an unknown kid": ("TokenKeyUnknown", lambda m: m.with_old_signature({**m.head, "kid": "../../../dev/null"})),
    "a kid that is no text": (MALFORMED, lambda m: m.with_old_signature({**m.head, "kid": 1})),
    "no kid": ("TokenKeyUnknown", lambda m: m.with_old_signature({k: v for k, v in m.head.items() if k != "kid"})),
    "3.8 another issuer": ("TokenIssuerUnknown", lambda m: m.with_old_signature(claims={**m.claims, "iss": m.claims["iss"] + "/"})),
    "3.8 no issuer": ("TokenIssuerUnknown", lambda m: m.with_old_signature(claims={k: v for k, v in m.claims.items() if k != "iss"})),
    "two dots": (MALFORMED, lambda m: ".."),
    "not a token": (MALFORMED, lambda m: "x" * 15000),
}


@pytest.fixture(scope="module")
def listener():
    at = Listener()
    yield at
    at.socket.close()


@pytest.fixture(scope="module")
def made(gateway, listener):
    return Made(gateway, listener)


def send(gateway, *lines):
    """(status, code) of a request of these very bytes."""
    raw = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
    with gateway.context().wrap_socket(raw, server_hostname="127.0.0.1") as s:
        s.sendall(b"\r\n".join([b"GET /data/nothing HTTP/1.1", b"Host: 127.0.0.1", b"x-ms-version: 2023-11-03", *lines, b"", b""]))
        answer = http.client.HTTPResponse(s)
        answer.begin()
        body = answer.read()
    return answer.status, json.loads(body)["error"]["code"]


@pytest.mark.parametrize("trap", TRAPS)
def test_trap(gateway, made, trap):
    code, make = TRAPS[trap]
    assert send(gateway, b"Authorization: Bearer " + make(made).encode()) == (401, code)


def test_the_token_itself_is_good(gateway, made):
    assert send(gateway, b"Authorization: Bearer " + made.good.encode()) == (404, "PathNotFound")


def test_nobody_was_asked_for_keys(gateway, made, listener):
    for name in ("jku", "x5u"):
        assert send(gateway, b"Authorization: Bearer " + made.by_rsa({**made.head, name: listener.url}).encode())[0] == 401
    time.sleep(0.5)
    assert listener.came == 0
    with pytest.raises(OSError):
        urllib.request.urlopen(listener.url, timeout=5)  # the listener does listen
    end = time.monotonic() + 10
    while listener.came == 0 and time.monotonic() < end:
        time.sleep(0.05)
    assert listener.came == 1


FRAMES = {
    "a token beyond the head's bound": (431, "RequestHeaderFieldsTooLarge", lambda t: [b"Authorization: Bearer " + t + b"A" * 20000]),
    "NUL behind the token": (400, "AmbiguousRequest", lambda t: [b"Authorization: Bearer " + t + b"\0"]),
    "NUL within the token": (400, "AmbiguousRequest", lambda t: [b"Authorization: Bearer " + t[:50] + b"\0" + t[50:]]),
    "two tokens": (400, "InvalidHeaderValue", lambda t: [b"Authorization: Bearer " + t] * 2),
    "folded": (400, "AmbiguousRequest", lambda t: [b"Authorization: Bearer", b" " + t]),
    "a blank before the colon": (400, "AmbiguousRequest", lambda t: [b"Authorization : Bearer " + t]),
    "another scheme": (401, "NoAuthenticationInformation", lambda t: [b"Authorization: Basic " + t]),
    "scheme without token": (401, "TokenMalformed", lambda t: [b"Authorization: Bearer "]),
    "in a header of its own": (401, "NoAuthenticationInformation", lambda t: [b"X-Authorization: Bearer " + t]),
    "with words behind it": (401, "TokenMalformed", lambda t: [b"Authorization: Bearer " + t + b" " + t]),
}


@pytest.mark.parametrize("frame", FRAMES)
def test_frame(gateway, made, frame):
    status, code, lines = FRAMES[frame]
    assert send(gateway, *lines(made.good.encode())) == (status, code)


def test_a_token_in_the_query_is_none(gateway, made):
    status, body, _ = gateway.json("GET", f"/data/nothing?access_token={made.good}", headers={"x-ms-version": "2023-11-03"})
    assert (status, body["error"]["code"]) == (401, "NoAuthenticationInformation")
