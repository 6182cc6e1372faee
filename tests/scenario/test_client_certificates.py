"""Client certificates: at the token endpoint (RFC 8705), in place of a token, and tokens that are bound to them; curl, requests and the command.
covers: authenticate_certificate.c certificate_auth.c tls_client.c client_key.c"""
import base64
import datetime
import hashlib
import json
import re
import socket
import ssl
import subprocess
import time

import acts
import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from gateway import free_port
from server import finish, make_state_folder, new_gateway

MANAGEMENT, STORAGE = "https://management.azure.com/.default", "https://storage.azure.com/.default"


class World:
    pass


def certificate(key, begins=-1, ends=48, serial=None):
    """Self-signed; hours from now."""
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "machine")]), datetime.datetime.now(datetime.timezone.utc)
    b = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(serial or x509.random_serial_number())
    return b.not_valid_before(now + datetime.timedelta(hours=begins)).not_valid_after(now + datetime.timedelta(hours=ends)).sign(key, hashes.SHA256())


def keep(w, name, key, c):
    """(certificate, key) as files."""
    paths = f"{w.folder}/{name}.pem", f"{w.folder}/{name}.key"
    with open(paths[0], "wb") as f:
        f.write(c.public_bytes(serialization.Encoding.PEM))
    with open(paths[1], "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return paths


def principal(g, act, name, *args, tenant="contoso", check=True):
    return g.run("principal", act, "--state", g.state, "--tenant", tenant, "--name", name, *args, check=check)


def register(w, name, key, *roles, tenant="contoso"):
    """A principal with that key, made while the server runs; its certificate and key."""
    pair = keep(w, name, key, certificate(key))
    principal(w.g, "add", name, *sum((["--role", r] for r in roles), []), tenant=tenant)
    principal(w.g, "add-key", name, "--public-key", pair[0], tenant=tenant)
    return pair


@pytest.fixture(scope="module")
def w():
    w, folder = World(), make_state_folder()
    w.folder, g = folder, new_gateway(folder)
    w.g, w.request_port, w.sign_in_port = g, free_port(), free_port()
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    more = "".join(f"  - name: {name}\n    address: 127.0.0.1\n    port: {port}\n    client_certificates: {how}\n"
                   for name, port, how in (("asks", w.request_port, "request"), ("machines", w.sign_in_port, "sign_in")))
    with open(path, "w") as f:
        f.write(re.sub(r"(?m)^tenants:", more + "tenants:", text, count=1))
    try:
        g.start()
        w.asks, w.machines, w.tenant = f"https://127.0.0.1:{w.request_port}", f"https://127.0.0.1:{w.sign_in_port}", g.profile()["tenant"]
        w.key = rsa.generate_private_key(65537, 2048)
        w.pair = register(w, "machine", w.key, "Embergate Job Submitter", "Storage Blob Data Owner", "Reader")
        w.client = g.profile("machine")["client_id"]
        w.other_key = ec.generate_private_key(ec.SECP256R1())
        w.other = register(w, "other", w.other_key, "Reader")
        yield w
    finally:
        finish(g, folder)


def ask(w, url, cert=None, method="GET", token=None, **kw):
    headers = dict(kw.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {}))
    s = requests.Session()
    s.trust_env = False
    return s.request(method, url, cert=cert, verify=w.g.ca, headers=headers, timeout=30, **kw)


def sign_in(w, cert, client=None, tenant=None, scope=MANAGEMENT, at=None):
    form = {"grant_type": "client_credentials", "client_id": client or w.client, "scope": scope}
    return ask(w, f"{at or w.asks}/{tenant or w.tenant}/oauth2/v2.0/token", cert, "POST", data=form)


def groups(w, at):
    return f"{at}/subscriptions/{w.g.profile()['subscription']}/resourcegroups?api-version=2021-04-01"


def thumbprint(path):
    with open(path, "rb") as f:
        der = x509.load_pem_x509_certificate(f.read()).public_bytes(serialization.Encoding.DER)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def digest(key):
    return hashlib.sha256(key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def test_metadata(w):
    doc = ask(w, f"{w.g.endpoint}/{w.tenant}/v2.0/.well-known/openid-configuration").json()
    assert "self_signed_tls_client_auth" in doc["token_endpoint_auth_methods_supported"] and "tls_client_auth" not in doc["token_endpoint_auth_methods_supported"]
    assert doc["tls_client_certificate_bound_access_tokens"] is True
    assert doc["mtls_endpoint_aliases"] == {"token_endpoint": f"{w.asks}/{w.tenant}/oauth2/v2.0/token"}


def test_a_token_by_certificate_is_bound_to_it(w):
    got = sign_in(w, w.pair)
    assert got.status_code == 200, got.text
    token = got.json()["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["cnf"] == {"x5t#S256": thumbprint(w.pair[0])} and claims["azp"] == w.client
    for at in (w.asks, w.machines):
        assert ask(w, groups(w, at), w.pair, token=token).status_code == 200
        for cert in (None, w.other):
            refused = ask(w, groups(w, at), cert, token=token)
            assert refused.status_code == 401 and refused.json()["error"]["code"] == "TokenCertificateMismatch"
            assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    refused = ask(w, groups(w, w.g.endpoint), w.pair, token=token)  # that listener asks for no certificate
    assert refused.status_code == 401 and refused.json()["error"]["code"] == "TokenCertificateMismatch"
    # The same key in another certificate: the thumbprint is another, and the client signs in anew.
    again = keep(w, "renewed", w.key, certificate(w.key))
    assert ask(w, groups(w, w.asks), again, token=token).status_code == 401
    assert ask(w, groups(w, w.asks), again, token=sign_in(w, again).json()["access_token"]).status_code == 200
    storage = sign_in(w, w.pair, scope=STORAGE).json()["access_token"]
    assert ask(w, f"{w.asks}/data?resource=filesystem&recursive=false", w.pair, token=storage).status_code == 200
    assert ask(w, f"{w.asks}/data?resource=filesystem&recursive=false", None, token=storage).status_code == 401


def test_curl(w):
    def curl(*args):
        out = subprocess.run(["curl", "-sS", "--noproxy", "*", "--cacert", w.g.ca, *args], capture_output=True, text=True, timeout=60)
        assert out.returncode == 0, out.stderr
        return json.loads(out.stdout)
    shows = ("--cert", w.pair[0], "--key", w.pair[1])
    for tls in (("--tls-max", "1.2"), ("--tlsv1.3",)):
        token = curl(*shows, *tls, "-d", f"grant_type=client_credentials&client_id={w.client}&scope={MANAGEMENT}", f"{w.asks}/{w.tenant}/oauth2/v2.0/token")["access_token"]
        assert "value" in curl(*shows, *tls, "-H", f"Authorization: Bearer {token}", groups(w, w.asks))
        assert curl(*tls, "-H", f"Authorization: Bearer {token}", groups(w, w.asks))["error"]["code"] == "TokenCertificateMismatch"
        assert "value" in curl(*shows, *tls, groups(w, w.machines))  # no token at all
    assert curl(*shows, "-d", f"grant_type=client_credentials&client_id={w.client}&scope={MANAGEMENT}", f"{w.g.endpoint}/{w.tenant}/oauth2/v2.0/token")["error"] == "invalid_request"


def test_certificates_that_prove_nothing(w):
    stranger_key = ec.generate_private_key(ec.SECP256R1())
    fabrikam = register(w, "elsewhere", ec.generate_private_key(ec.SECP256R1()), tenant="fabrikam")
    elsewhere = w.g.profile("elsewhere")
    rows = {"nobody's": keep(w, "nobody", stranger_key, certificate(stranger_key)), "another's": w.other, "expired": keep(w, "expired", w.key, certificate(w.key, -48, -1)),
            "not yet valid": keep(w, "early", w.key, certificate(w.key, 1, 48)), "another tenant's": fabrikam}
    said = {name: (r.status_code, r.json()["error"], r.json()["error_description"]) for name, r in ((n, sign_in(w, c)) for n, c in rows.items())}
    assert len(set(said.values())) == 1 and said["expired"][:2] == (401, "invalid_client"), said
    unknown = sign_in(w, w.pair, client="99999999-9999-4999-8999-999999999999")
    assert (unknown.status_code, unknown.json()["error"], unknown.json()["error_description"]) == said["expired"]
    assert sign_in(w, fabrikam, client=elsewhere["client_id"]).status_code == 401  # in a tenant that isn't its own
    assert sign_in(w, fabrikam, client=elsewhere["client_id"], tenant=elsewhere["tenant"]).status_code == 200
    assert sign_in(w, None).status_code == 400
    # A secret beside a certificate is what counts, and isn't helped by it.
    wrong = ask(w, f"{w.asks}/{w.tenant}/oauth2/v2.0/token", w.pair, "POST", data={"grant_type": "client_credentials", "client_id": w.client, "client_secret": "wrong", "scope": MANAGEMENT})
    assert wrong.status_code == 401
    for name, cert in rows.items():
        refused = ask(w, groups(w, w.machines), cert)
        if name == "another's":
            assert refused.status_code == 200  # itself
        elif name == "another tenant's":
            assert refused.status_code == 404 and refused.json()["error"]["code"] == "SubscriptionNotFound"
        else:
            assert refused.status_code == 401 and refused.json()["error"]["code"] == "ClientCertificateRefused", name


def test_in_place_of_a_token(w):
    assert ask(w, groups(w, w.machines), w.pair).status_code == 200
    assert ask(w, f"{w.machines}/data?resource=filesystem&recursive=false", w.pair).status_code == 200  # storage too
    assert ask(w, f"{w.machines}/data?resource=filesystem&recursive=false", w.other).status_code == 403  # by its own roles
    me = ask(w, f"{w.machines}/{w.tenant}/oauth2/v2.0/whoami", w.pair)
    assert me.status_code == 200 and w.g.profile("machine")["object_id"] in me.text
    for at, cert in ((w.asks, w.pair), (w.g.endpoint, w.pair), (w.machines, None)):
        refused = ask(w, groups(w, at), cert)
        assert refused.status_code == 401 and refused.json()["error"]["code"] == "NoAuthenticationInformation"
    assert ask(w, groups(w, w.machines), w.pair, token="none").status_code == 401  # a token that is none isn't helped by it
    # A browser shows certificates by itself: it may not.
    for header in ("Origin", "Sec-Fetch-Site"):
        assert ask(w, groups(w, w.machines), w.pair, headers={header: "https://evil.example"}).status_code == 400
    job = {"file": acts.address(w.g, "jobs/none.py")}
    assert ask(w, f"{w.machines}/livy/batches", w.pair, "POST", json=job).json() == {"msg": "Missing Required Header for CSRF protection."}
    made = ask(w, f"{w.machines}/livy/batches", w.pair, "POST", json=job, headers={"X-Requested-By": "machine"})
    assert made.status_code == 201 and made.json()["owner"] == "machine"
    assert ask(w, f"{w.machines}/livy/batches/{made.json()['id']}", w.pair, "DELETE", headers={"X-Requested-By": "machine"}).status_code == 200
    # A key that two have names neither.
    shared = ec.generate_private_key(ec.SECP256R1())
    pair = register(w, "twin", shared, "Reader")
    assert ask(w, groups(w, w.machines), pair).status_code == 200
    principal(w.g, "add", "second-twin", "--role", "Reader")
    principal(w.g, "add-key", "second-twin", "--public-key", pair[0])
    assert ask(w, groups(w, w.machines), pair).json()["error"]["code"] == "ClientCertificateRefused"
    assert sign_in(w, pair, client=w.g.profile("twin")["client_id"]).status_code == 200  # at the token endpoint the client is named


def test_the_command(w):
    p = dict(w.g.profile("machine"), endpoint=w.asks, client_key=w.pair[1], client_certificate=w.pair[0], client_proof="tls")
    p.pop("client_secret")
    with open(w.g.profile_path("by-tls"), "w") as f:
        json.dump(p, f)
    token = w.g.run("token", profile="by-tls").stdout.strip()
    assert jwt.decode(token, options={"verify_signature": False})["cnf"]["x5t#S256"] == thumbprint(w.pair[0])
    assert p["object_id"] in w.g.run("whoami", profile="by-tls").stdout
    for change, status in (({"client_certificate": w.other[0], "client_key": w.other[1]}, 1), ({"client_certificate": ""}, 2), ({"client_proof": "magic"}, 2)):
        with open(w.g.profile_path("by-tls"), "w") as f:
            json.dump({**p, **change}, f)
        assert w.g.run("token", profile="by-tls", check=False).returncode == status, change


def slow_write(w, pair):
    """A write whose body is not over: its socket."""
    path = f"/data/slow-{time.monotonic_ns()}"
    assert ask(w, f"{w.machines}{path}?resource=file", pair, "PUT").status_code == 201
    ctx = ssl.create_default_context(cafile=w.g.ca)
    ctx.load_cert_chain(*pair)
    s = ctx.wrap_socket(socket.create_connection(("127.0.0.1", w.sign_in_port), timeout=20), server_hostname="127.0.0.1")
    s.sendall(f"PATCH {path}?action=append&position=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n".encode() + b"x" * 100000)
    return s


def is_cut(s):
    try:
        return s.recv(100) == b""
    except OSError as e:
        return not isinstance(e, TimeoutError)


def test_what_ends_access(w):
    for n, ends in enumerate(("remove-key", "disable", "revoke", "remove")):
        name, key = f"leaves{n}", ec.generate_private_key(ec.SECP256R1())
        pair = register(w, name, key, "Storage Blob Data Owner", "Reader")
        client = w.g.profile(name)["client_id"]
        token = sign_in(w, pair, client=client).json()["access_token"]
        kept = requests.Session()
        kept.trust_env = False

        def seen():
            return [kept.get(groups(w, w.machines), cert=pair, verify=w.g.ca).status_code, ask(w, groups(w, w.asks), pair, token=token).status_code]
        assert seen() == [200, 200]
        stream = slow_write(w, pair)
        if ends == "revoke":
            w.g.run("revoke", "user", name, "--state", w.g.state, "--tenant", "contoso")
            assert seen() == [200, 401]  # what was issued; whoever has the key may sign in again
        elif ends == "remove-key":
            listed = [r for r in json.loads(w.g.run("principal", "list", "--state", w.g.state, "--tenant", "contoso").stdout) if r["name"] == name]
            assert listed[0]["keys"] == [digest(key)]
            assert principal(w.g, ends, name, "--key", "0" * 64, check=False).returncode == 1
            principal(w.g, ends, name, "--key", digest(key))
        else:
            principal(w.g, ends, name)
        if ends != "revoke":
            assert seen() == [401, 401], ends
            assert sign_in(w, pair, client=client).status_code == 401
        assert is_cut(stream), ends
    log = w.g.request("GET", f"/audit/{w.tenant}/records", w.g.token())[1].decode()
    for event in ("identity.principal.key.add", "identity.principal.key.remove"):
        assert event in log


def test_keys_that_are_not_taken(w):
    small = rsa.generate_private_key(65537, 1024)
    pair = keep(w, "small", small, certificate(small))
    assert principal(w.g, "add-key", "other", "--public-key", pair[0], check=False).returncode == 2
    w.g.run("breakglass", "arm", "--state", w.g.state, "--tenant", "contoso")
    refused = principal(w.g, "add-key", "breakglass", "--public-key", w.pair[0], check=False)
    assert refused.returncode == 2 and "secret" in refused.stderr


def test_resumed_sessions(w):
    """What a session began with is what it has; and what was taken back stays so."""
    key = ec.generate_private_key(ec.SECP256R1())
    pair = register(w, "resumes", key, "Reader")
    ctx = ssl.create_default_context(cafile=w.g.ca)
    ctx.load_cert_chain(*pair)

    def get(session):
        s = ctx.wrap_socket(socket.create_connection(("127.0.0.1", w.sign_in_port), timeout=20), server_hostname="127.0.0.1", session=session)
        s.sendall(f"GET {groups(w, '')} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        status = int(s.recv(100000).split(b" ")[1])
        return status, s.session, s.session_reused
    status, session, reused = get(None)
    assert (status, reused) == (200, False)
    status, session, reused = get(session)
    assert (status, reused) == (200, True)
    principal(w.g, "remove-key", "resumes", "--key", digest(key))
    status, _, reused = get(session)
    assert (status, reused) == (401, True)


def test_records_say_how_it_was_proven(w):
    sign_in(w, w.pair)
    log = w.g.request("GET", f"/audit/{w.tenant}/records", w.g.token())[1].decode()
    assert "identity.token.issue" in log and w.g.profile("machine")["object_id"] in log
