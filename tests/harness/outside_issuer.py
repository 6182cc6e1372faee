"""OpenID providers beside the gateway: real ones behind a TLS front of ours, and an issuer of ours that misbehaves on demand."""
import datetime
import hashlib
import http.client
import http.server
import ipaddress
import json
import os
import signal
import socketserver
import ssl
import struct
import subprocess
import threading
import time
import urllib.parse
import uuid

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from gateway import free_port

HERE = os.path.dirname(os.path.abspath(__file__))
PROVIDERS = os.environ.get("EG_PROVIDERS", "")
AUDIENCE = "api://embergate"


class ProviderCa:
    """A CA of these tests and one server certificate for localhost. `file` is what the gateway gets as ca_file."""

    def __init__(self, folder):
        key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test CA")])
        ca = self.certificate(name, name, key.public_key(), key, [x509.BasicConstraints(ca=True, path_length=0)])
        leaf = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        server = self.certificate(subject, name, leaf.public_key(), key, [names])
        self.file, self.chain = f"{folder}/test-ca.pem", f"{folder}/provider.pem"
        with open(self.file, "wb") as f:
            f.write(ca.public_bytes(serialization.Encoding.PEM))
        with open(self.chain, "wb") as f:
            f.write(server.public_bytes(serialization.Encoding.PEM))
            f.write(leaf.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        os.chmod(self.file, 0o644)

    @staticmethod
    def certificate(subject, issuer, public, signer, extensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        b = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public).serial_number(x509.random_serial_number())
        b = b.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=2))
        for e in extensions:
            b = b.add_extension(e, critical=isinstance(e, x509.BasicConstraints))
        return b.sign(signer, hashes.SHA256())


class Front:
    """TLS in front of a provider on 127.0.0.1, which counts what is asked. `answers`: path → (status, headers, body, delay), before the backend."""

    def __init__(self, ca, backend=None):
        self.ca, self.backend, self.port = ca, backend, free_port()
        self.url = f"https://localhost:{self.port}"
        self.seen, self.answers, self.server = [], {}, None
        self.up()

    def up(self):
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 30

            def do_GET(self):
                front.seen.append(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, text, delay = front.answers.get(self.path) or front.ask_backend(self.command, self.path, self.headers, body)
                time.sleep(delay)
                try:
                    self.send_response(status)
                    for name, value in [*(headers.items() if isinstance(headers, dict) else headers), ("Content-Length", str(len(text)))]:
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    pass  # the gateway has given up, as it should

            do_POST = do_GET

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca.chain)
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def down(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def ask_backend(self, method, path, headers, body):
        if not self.backend:
            return 404, {}, b"", 0
        passed = {n: headers[n] for n in ("Authorization", "Content-Type", "Cookie", "Accept") if headers.get(n)}
        c = http.client.HTTPConnection("127.0.0.1", self.backend, timeout=120)
        try:
            c.request(method, path, body, {**passed, "Host": f"localhost:{self.port}", "X-Forwarded-Proto": "https",
                                           "X-Forwarded-Host": f"localhost:{self.port}", "X-Forwarded-Port": str(self.port)})
            r = c.getresponse()
            kept = [(n, v) for n, v in r.getheaders() if n.lower() in ("content-type", "location", "set-cookie")]
            return r.status, kept, r.read(), 0
        finally:
            c.close()

    def count(self, part):
        return sum(part in path for path in self.seen)


class Provider:
    """A real one: its process, its front, and how to get a token out of it."""

    def __init__(self, ca, folder):
        self.backend, self.folder, self.process = free_port(), folder, None
        self.front = Front(ca, self.backend)
        self.issuer = self.front.url + self.path
        self.discovery = self.issuer + "/.well-known/openid-configuration"
        self.start()

    def run(self, command, env=None, wait=60):
        self.log = open(f"{self.folder}/{type(self).__name__}.log", "ab")
        self.process = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        start_new_session=True)
        end = time.monotonic() + wait
        path = urllib.parse.urlsplit(self.discovery).path
        while True:
            try:
                if self.front.ask_backend("GET", path, {}, None)[0] == 200:
                    return
            except OSError:
                pass
            assert self.process.poll() is None, f"{command[0]} ended: {open(self.log.name, errors='replace').read()[-2000:]}"
            assert time.monotonic() < end, f"{command[0]} is not ready after {wait} s: {open(self.log.name, errors='replace').read()[-2000:]}"
            time.sleep(0.2)

    def end_process(self):
        if self.process:
            # The whole group: Keycloak's is a shell and the Java that it started, which outlives it.
            self.signal_group(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                pass
            self.signal_group(signal.SIGKILL)
            self.process.wait(15)
            self.process = None

    def signal_group(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def stop(self):
        self.end_process()
        self.front.down()

    def post(self, path, **form):
        body = urllib.parse.urlencode({"grant_type": "client_credentials", **form}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, text, _ = self.front.ask_backend("POST", path, headers, body)
        assert status == 200, (path, status, text)
        return json.loads(text)["access_token"]


class MockOauth2(Provider):
    """mock-oauth2-server, set to speak as Entra ID does: the issuer is a tenant's GUID with /v2.0; azp, oid, tid and ver are in the tokens."""

    tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
    path = f"/{tenant}/v2.0"
    object_id = "5f1c2a3e-0000-4000-8000-00000000abcd"

    def start(self):
        usual = {"oid": self.object_id, "tid": self.tenant, "azp": "8d6b0b2f-0000-4000-8000-000000000001", "ver": "2.0", "idtyp": "app",
                 "sub": self.object_id}
        rows = [{"requestParam": "client_id", "match": name, "claims": {**usual, "aud": [aud], **more}} for name, aud, more in (
            ("good", AUDIENCE, {}), ("storage", "https://storage.azure.com/", {}), ("elsewhere", "api://somebody-else", {}),
            ("person", "api://middle", {"idtyp": "user", "scp": "use"}), ("program", "api://middle", {}), ("many", AUDIENCE, {"idtyp": "user", "scp": "use", "hasgroups": True}),
            ("old", AUDIENCE, {"exp": 1000000000}), ("early", AUDIENCE, {"nbf": 4000000000}), ("id-token", AUDIENCE, {"at_hash": "x"}))]
        config = {"tokenCallbacks": [{"issuerId": issuer, "tokenExpiry": 3600, "requestMappings": rows} for issuer in (self.path[1:], "another")]}
        self.run(["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{PROVIDERS}/mock/*",
                  "no.nav.security.mock.oauth2.StandaloneMockOAuth2ServerKt"],
                 {"SERVER_HOSTNAME": "127.0.0.1", "SERVER_PORT": str(self.backend), "JSON_CONFIG": json.dumps(config)})

    def token(self, client="good", issuer=None):
        return self.post(f"{issuer or self.path}/token", client_id=client, client_secret="unused", scope="any")

    def other_audience(self):
        return self.token("elsewhere")


class OidcProvider(Provider):
    """oidc-provider: access tokens of RFC 9068 (typ at+jwt), ES256. Its clients: app by a secret, keyed by an assertion, cli for people."""

    path = ""
    client_keys = []  # public JWKs
    secret = uuid.uuid4().hex * 2

    def start(self):
        self.object_id = derived_id(self.issuer, "app")
        self.new_key()

    def new_key(self):
        """Starts it (again) with a key that nobody has seen."""
        self.end_process()
        key = jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        key |= {"kid": uuid.uuid4().hex, "use": "sig", "alg": "ES256"}
        path = f"{self.folder}/oidc-provider.json"
        with open(path, "w") as f:
            json.dump({"alg": "ES256", "jwks": {"keys": [key]}, "clients": [{"client_id": "app", "client_secret": self.secret}],
                       "people": [{"client_id": "cli"}], "keyed": [{"client_id": "keyed", "jwks": {"keys": self.client_keys}}]}, f)
        self.run([f"{PROVIDERS}/node", os.path.join(HERE, "..", "providers", "oidc_provider.mjs"), str(self.backend), self.issuer, path])

    def token(self, resource=AUDIENCE):
        return self.post("/token", client_id="app", client_secret=self.secret, resource=resource, scope="use")

    def other_audience(self):
        return self.token("api://somebody-else")


class Keycloak(Provider):
    """Keycloak with one realm in memory, whose client has a service account and an audience mapper."""

    path = "/realms/embergate"
    secret = uuid.uuid4().hex * 2
    password = uuid.uuid4().hex
    client_keys = []  # public JWKs of the client "keyed"

    def start(self):
        home = os.environ["EG_KEYCLOAK"]
        def client(name, audience):
            mapper = {"name": "aud", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
                      "config": {"included.custom.audience": audience, "access.token.claim": "true"}}
            return {"clientId": name, "secret": self.secret, "serviceAccountsEnabled": True, "publicClient": False, "standardFlowEnabled": False,
                    "protocolMappers": [mapper]}
        cli = {"clientId": "cli", "publicClient": True, "standardFlowEnabled": True, "redirectUris": ["http://127.0.0.1/*"],
               "protocolMappers": client("cli", AUDIENCE)["protocolMappers"],
               "attributes": {"oauth2.device.authorization.grant.enabled": "true", "pkce.code.challenge.method": "S256"}}
        keyed = {**client("keyed", AUDIENCE), "clientAuthenticatorType": "client-jwt",
                 "attributes": {"use.jwks.string": "true", "jwks.string": json.dumps({"keys": self.client_keys})}}
        person = {"username": "ada", "enabled": True, "email": "ada@example.org", "emailVerified": True, "firstName": "Ada", "lastName": "L",
                  "credentials": [{"type": "password", "value": self.password, "temporary": False}]}
        realm = {"realm": "embergate", "enabled": True, "sslRequired": "none", "users": [person], "revokeRefreshToken": True, "refreshTokenMaxReuse": 0,
                 "oauth2DevicePollingInterval": 1,
                 "clients": [client("app", AUDIENCE), client("elsewhere", "api://somebody-else"), cli, keyed]}
        os.makedirs(f"{home}/data/import", exist_ok=True)
        with open(f"{home}/data/import/embergate-realm.json", "w") as f:
            json.dump(realm, f)
        self.run(["sh", f"{home}/bin/kc.sh", "start-dev", "--db=dev-mem", f"--http-port={self.backend}", "--http-host=127.0.0.1",
                  f"--hostname={self.front.url}", "--proxy-headers=xforwarded", "--import-realm", "--http-management-port=" + str(free_port())], wait=float(os.environ.get("EG_KEYCLOAK_WAIT", 400)))
        claims = jwt.decode(self.token(), options={"verify_signature": False})
        self.object_id = derived_id(self.issuer, claims["sub"])

    def token(self, client="app"):
        return self.post(f"{self.path}/protocol/openid-connect/token", client_id=client, client_secret=self.secret)

    def other_audience(self):
        return self.token("elsewhere")


class OwnIssuer:
    """An issuer made here, beneath a path of a front, for what no real provider would do."""

    def __init__(self, front, name):
        self.front, self.name, self.configured = front, name, {"key_grace_seconds": 0}
        self.issuer = f"{front.url}/{name}"
        self.discovery_path, self.keys_path = f"/{name}/.well-known/openid-configuration", f"/{name}/keys"
        self.discovery = front.url + self.discovery_path
        self.object_id = derived_id(self.issuer, "somebody")
        self.new_key()
        self.say(self.discovery_path, {"issuer": self.issuer, "jwks_uri": front.url + self.keys_path})

    def say(self, path, document, status=200, headers=None, delay=0):
        self.front.answers[path] = (status, headers or {}, document if isinstance(document, bytes) else json.dumps(document).encode(), delay)

    def new_key(self):
        self.key, self.kid = rsa.generate_private_key(65537, 2048), uuid.uuid4().hex
        self.public = {**jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True), "kid": self.kid, "alg": "RS256", "use": "sig"}
        self.say(self.keys_path, {"keys": [self.public]})

    def token(self, headers=None, **claims):
        now = int(time.time())
        usual = {"iss": self.issuer, "sub": "somebody", "aud": AUDIENCE, "iat": now, "exp": now + 3600, "jti": uuid.uuid4().hex}
        return jwt.encode({**usual, **claims}, self.key, "RS256", {"kid": self.kid, **(headers or {})})


def derived_id(issuer, subject, kind="subject"):
    """The object id of docs/IDENTITY.md for a subject, group or role that has no GUID."""
    a, b = issuer.encode(), subject.encode()
    digest = bytearray(hashlib.sha256(b"embergate derived id v1 " + kind.encode() + struct.pack(">II", len(a), len(b)) + a + b).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x80, digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def configure(gateway, ca, issuers):
    """Adds them to the gateway's configuration; it is not running."""
    tenant = gateway.profile()["tenant"]
    rows = [{"issuer": i.issuer, "tenant": tenant, "discovery_url": i.discovery, "ca_file": ca.file,
             "audiences": [AUDIENCE, "https://storage.azure.com/"], **getattr(i, "configured", {})} for i in issuers]
    path = f"{gateway.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    assert text.count("\nissuers: []") == 1
    with open(path, "w") as f:
        f.write(text.replace("\nissuers: []", "\nissuers:\n" + "".join("  - " + json.dumps(r) + "\n" for r in rows)))
