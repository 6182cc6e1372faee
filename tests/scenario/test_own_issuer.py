"""The gateway's own issuer as Azure's own libraries use it: MSAL and azure-identity, by secret, key, certificate and workload's token.
covers: client_assertion.c client_key.c"""
import datetime
import os
import time
import uuid

import jwt
import msal
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientAssertionCredential, ClientSecretCredential, WorkloadIdentityCredential
from azure.storage.filedatalake import DataLakeServiceClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from server import finish, make_state_folder, new_gateway

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
STORAGE = "https://storage.azure.com/.default"
MANAGEMENT = "https://management.azure.com/.default"


class World:
    pass


def certificate(key):
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "keyed")]), datetime.datetime.now(datetime.timezone.utc)
    b = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
    return b.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=2)).sign(key, hashes.SHA256())


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.fixture(scope="module")
def world():
    w, folder = World(), make_state_folder()
    w.folder, w.gateway = folder, new_gateway(folder)
    w.key, w.elliptic = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    w.certificate = certificate(w.key)
    paths = {"keyed": w.certificate.public_bytes(serialization.Encoding.PEM),
             "pointed": w.elliptic.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)}
    w.chain = f"{folder}/keyed-chain.pem"
    with open(w.chain, "wb") as f:
        f.write(pem(w.key) + paths["keyed"])
    for name, text in paths.items():
        with open(f"{folder}/{name}.pem", "wb") as f:
            f.write(text)
        with open(f"{folder}/{name}.key", "wb") as f:
            f.write(pem(w.key if name == "keyed" else w.elliptic))
        w.gateway.run("principal", "add", "--state", w.gateway.state, "--tenant", "contoso", "--name", name, "--role", "Storage Blob Data Owner",
                      "--public-key", f"{folder}/{name}.pem")
        assert "client_secret" not in w.gateway.profile(name)
    try:
        w.gateway.start()
        p = w.gateway.profile("keyed")
        w.client, w.tenant = p["client_id"], p["tenant"]
        w.authority, w.token = f"{w.gateway.endpoint}/{w.tenant}", f"{w.gateway.endpoint}/{w.tenant}/oauth2/v2.0/token"
        yield w
    finally:
        finish(w.gateway, folder)


def reads(world, credential):
    """A credential of Azure's library does something for real."""
    service = DataLakeServiceClient(world.gateway.endpoint, credential=credential, connection_verify=world.gateway.ca)
    return [c.name for c in service.list_file_systems()] == ["data"]


def usual(world):
    return {"authority": world.gateway.endpoint, "disable_instance_discovery": True, "connection_verify": world.gateway.ca}


def test_azure_identity_by_secret(world):
    p = world.gateway.profile()
    assert reads(world, ClientSecretCredential(p["tenant"], p["client_id"], p["client_secret"], **usual(world)))
    with pytest.raises(ClientAuthenticationError, match="its secret is wrong"):
        ClientSecretCredential(p["tenant"], p["client_id"], "wrong", **usual(world)).get_token(STORAGE)


def test_azure_identity_by_certificate(world):
    """One assertion of MSAL's serves for two resources."""
    credential = CertificateCredential(world.tenant, world.client, world.chain, **usual(world))
    assert reads(world, credential)
    claims = jwt.decode(credential.get_token(MANAGEMENT).token, options={"verify_signature": False})
    assert claims["azp"] == world.client and claims["idtyp"] == "app" and claims["aud"] == "https://management.azure.com"
    other = rsa.generate_private_key(65537, 2048)
    chain = pem(other) + certificate(other).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(ClientAuthenticationError, match="not signed by a key of this client"):
        CertificateCredential(world.tenant, world.client, certificate_data=chain, **usual(world)).get_token(STORAGE)


def assertion(world, key=None, algorithm="RS256", **claims):
    now = int(time.time())
    usually = {"iss": world.client, "sub": world.client, "aud": world.token, "jti": uuid.uuid4().hex, "iat": now, "exp": now + 300}
    return jwt.encode({k: v for k, v in {**usually, **claims}.items() if v is not None}, key or world.key, algorithm)


def test_azure_identity_by_assertion_and_as_a_workload(world):
    assert reads(world, ClientAssertionCredential(world.tenant, world.client, lambda: assertion(world, algorithm="PS256"), **usual(world)))
    path = f"{world.folder}/federated-token"
    with open(path, "w") as f:
        f.write(assertion(world))
    assert reads(world, WorkloadIdentityCredential(tenant_id=world.tenant, client_id=world.client, token_file_path=path, **usual(world)))


def app(world, credential, client=None):
    session = requests.Session()
    session.verify, session.trust_env = world.gateway.ca, False
    return msal.ConfidentialClientApplication(client or world.client, client_credential=credential, authority=world.authority, instance_discovery=False,
                                              http_client=session)


def test_msal(world):
    p = world.gateway.profile()
    by_secret = app(world, p["client_secret"], p["client_id"])
    assert "access_token" in by_secret.acquire_token_for_client([STORAGE])
    thumbprint = world.certificate.fingerprint(hashes.SHA1()).hex()
    by_key = app(world, {"private_key": pem(world.key).decode(), "thumbprint": thumbprint})
    got = by_key.acquire_token_for_client([STORAGE])
    assert "access_token" in got, got
    assert "access_token" in by_key.acquire_token_for_client([MANAGEMENT])
    sha256 = app(world, {"private_key": pem(world.key).decode(), "public_certificate": world.certificate.public_bytes(serialization.Encoding.PEM).decode()})
    got = sha256.acquire_token_for_client([STORAGE])  # PS256, named by x5t#S256
    assert "access_token" in got, got


def post(world, **form):
    answer = requests.post(world.token, data={"grant_type": "client_credentials", "scope": STORAGE, "client_assertion_type": ASSERTION, **form},
                           verify=world.gateway.ca, timeout=30)
    return answer.status_code, answer.json().get("error"), answer.json().get("error_description", "")


def test_an_assertion_is_taken_once(world):
    one = assertion(world)
    assert post(world, client_assertion=one, scope="nonsense")[1] == "invalid_scope"  # uses nothing up
    assert post(world, client_assertion=one, client_id=world.client)[0] == 200
    status, error, why = post(world, client_assertion=one, client_id=world.client)
    assert (status, error) == (401, "invalid_client") and "used before" in why


def test_assertions_that_are_refused(world):
    other = rsa.generate_private_key(65537, 2048)
    now = int(time.time())
    wrong = {
        "another key": assertion(world, key=other), "another client": assertion(world, iss=str(uuid.uuid4())), "another subject": assertion(world, sub="x"),
        "another audience": assertion(world, aud="https://elsewhere/token"), "two audiences": assertion(world, aud=[world.token, "https://elsewhere"]),
        "expired": assertion(world, exp=now - 120), "too long": assertion(world, exp=now + 86400), "no jti": assertion(world, jti=None),
        "not signed": assertion(world).rsplit(".", 1)[0] + ".", "by a shared secret": jwt.encode({"sub": world.client}, "x" * 32, "HS256"),
    }
    answers = {name: post(world, client_assertion=text)[:2] for name, text in wrong.items()}
    assert answers == {name: (401, "invalid_client") for name in wrong}
    assert post(world, client_assertion=assertion(world), client_assertion_type="x")[1] == "invalid_request"
    assert post(world, client_assertion=assertion(world), client_secret="x")[1] == "invalid_request"


def test_principals_with_keys_are_listed_as_others(world):
    listed = world.gateway.run("principal", "list", "--state", world.gateway.state, "--tenant", "contoso").stdout
    assert world.client in listed and "pointed" in listed


def test_the_command_by_key(world, tmp_path):
    for name, algorithm in (("keyed", "PS256"), ("pointed", "ES256")):
        profile = world.gateway.profile_path(name)
        env = {"EMBERGATE_SESSIONS": str(tmp_path / "sessions"), "EMBERGATE_CLIENT_KEY": f"{world.folder}/{name}.key", "EMBERGATE_CLIENT_ALGORITHM": algorithm}
        os.environ.update(env)
        try:
            for command in (["login"], ["whoami"], ["token", "--audience", "storage"], ["logout"]):
                done = world.gateway.run(*command, "--profile", profile, profile=name)
                assert command[0] != "whoami" or "Storage Blob Data Owner" in done.stdout
        finally:
            for variable in env:
                del os.environ[variable]
