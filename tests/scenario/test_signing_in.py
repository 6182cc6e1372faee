"""People and workloads sign in at real providers by the command, and the session lives on.
covers: provider.c client_proof.c client_assertion.c token_grant.c session.c
covers: device_code.c browser_code.c login.c sign_in.c whoami.c roles_of.c exchange.c"""
import json
import os
import re
import stat
import subprocess
import threading
import time

import acts
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from outside_issuer import AUDIENCE, Keycloak, OidcProvider, ProviderCa, configure, derived_id
from person import Person
from server import finish, make_state_folder, new_gateway


if not os.environ.get("EG_PROVIDERS"):
    pytest.skip("./dev test installs the providers and says where they are", allow_module_level=True)

REAL = ["OidcProvider", "Keycloak"]


class World:
    pass


def write_pem(path, key, ca=None):
    """The private key, and a certificate of it beside."""
    with open(path, "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "keyed")])
    with open(path + ".crt", "wb") as f:
        f.write(ProviderCa.certificate(name, name, key.public_key(), key, []).public_bytes(serialization.Encoding.PEM))
    os.chmod(path, 0o600)


@pytest.fixture(scope="module")
def world():
    w, folder = World(), make_state_folder()
    w.folder, w.ca, w.real, w.gateway = folder, ProviderCa(folder), {}, None
    w.keys = {"rsa": rsa.generate_private_key(65537, 2048), "ec": ec.generate_private_key(ec.SECP256R1())}
    for name, key in w.keys.items():
        write_pem(f"{folder}/{name}.pem", key)
    public = [{**jwt.algorithms.RSAAlgorithm.to_jwk(w.keys["rsa"].public_key(), as_dict=True), "kid": "rsa", "use": "sig"},
              {**jwt.algorithms.ECAlgorithm.to_jwk(w.keys["ec"].public_key(), as_dict=True), "kid": "ec", "use": "sig", "alg": "ES256"}]
    OidcProvider.client_keys = public
    Keycloak.client_keys = public[:1]
    try:
        makers = [OidcProvider, Keycloak]
        acts.concurrently(*[lambda m=m: w.real.__setitem__(m.__name__, m(w.ca, folder)) for m in makers])
        assert len(w.real) == len(makers)
        w.gateway = new_gateway(folder)
        configure(w.gateway, w.ca, w.real.values())
        w.gateway.start()
        yield w
    finally:
        for p in w.real.values():
            p.stop()
        if w.gateway:
            finish(w.gateway, folder)


class Cli:
    """The command as one person runs it: a profile and a folder of sessions of its own."""

    def __init__(self, world, provider, name):
        self.world, self.provider = world, provider
        self.home = f"{world.folder}/{name}"
        os.makedirs(self.home, mode=0o700, exist_ok=True)
        self.sessions = f"{self.home}/.cache/embergate/sessions"
        keep = ("PATH", "LANG", "ASAN_OPTIONS", "LD_LIBRARY_PATH")
        self.env = {**{k: v for k, v in os.environ.items() if k in keep}, "HOME": self.home}

    def start(self, *args, **env):
        return subprocess.Popen([self.world.gateway.binary, *args], env={**self.env, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def run(self, *args, stdin="", **env):
        return subprocess.run([self.world.gateway.binary, *args], env={**self.env, **env}, input=stdin, capture_output=True, text=True, timeout=60)

    def where(self):
        gateway = self.world.gateway
        profile = gateway.profile()
        return ["--endpoint", gateway.endpoint, "--tenant", profile["tenant"], "--ca", gateway.ca, "--cluster", profile["cluster"]]

    def at(self, client="cli"):
        extra = ["--resource", AUDIENCE] if isinstance(self.provider, OidcProvider) else []
        scope = "use" if client != "cli" else "openid offline_access use" if extra else "openid"
        return [*self.where(), "--authority", self.provider.issuer, "--authority-ca", self.world.ca.file, "--client-id", client, "--scope",
                scope if extra or client == "cli" else "openid", *extra]

    def whoami(self):
        done = self.run("whoami", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def session(self):
        files = [f for f in os.listdir(self.sessions) if f.endswith(".json")]
        assert len(files) == 1
        path = f"{self.sessions}/{files[0]}"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and stat.S_IMODE(os.stat(self.sessions).st_mode) == 0o700
        return path

    def change(self, **changes):
        """Alters the session, as time or somebody else would."""
        path = self.session()
        with open(path) as f:
            kept = json.load(f)
        for name, value in changes.items():
            kept[name] = value
        with open(path, "w") as f:
            json.dump(kept, f)
        return kept

    def expire(self):
        with open(self.session()) as f:
            kept = json.load(f)
        return self.change(**{a: {**kept[a], "expires": 1} for a in ("gateway", "storage") if a in kept})


def person(world, provider):
    if isinstance(provider, OidcProvider):
        return Person(world.ca.file, login="ada", password="any")
    return Person(world.ca.file, username="ada", password=provider.password)


def lines_until(process, pattern, lines=20):
    """What stands in its standard error where the pattern matches."""
    seen = ""
    for _ in range(lines):
        seen += process.stderr.readline()
        found = re.search(pattern, seen)
        if found:
            return found.group(1)
    raise AssertionError(seen)


def by_device(cli, deny=False):
    process = cli.start("login", "--device", *cli.at())
    address = lines_until(process, r"or open\n\s+(https://\S+)\n")
    last = person(cli.world, cli.provider).go(address, deny=deny)
    out, err = process.communicate(timeout=60)
    return process.returncode, last, err


def by_browser(cli, **change):
    opened = f"{cli.home}/opened"
    script = f"{cli.home}/browser"
    with open(script, "w") as f:
        f.write(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
    os.chmod(script, 0o755)
    process = cli.start("login", "--browser", *cli.at(), BROWSER=script)
    address = lines_until(process, r"(https://\S+)\n")
    assert acts_eventually(lambda: os.path.exists(opened))
    with open(opened) as f:
        assert f.read() == address
    return process, address


def acts_eventually(truth, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if truth():
            return True
        time.sleep(0.05)
    return truth()


@pytest.mark.parametrize("name", REAL)
def test_device_code(world, name):
    cli = Cli(world, world.real[name], f"device-{name}")
    status, last, err = by_device(cli)
    assert status == 0, (err, last)
    me = cli.whoami()
    assert me["kind"] == "user" and me["tenant"] == world.gateway.profile()["tenant"] and me["roles"] == []
    scope = "/subscriptions/" + world.gateway.profile()["subscription"]
    world.gateway.run("policy", "assign", "--role", "Embergate Job Submitter", "--principal", me["object_id"], "--principal-type", "User", "--scope", scope)
    assert acts_eventually(lambda: cli.run("jobs", "list").returncode == 0), cli.run("jobs", "list").stderr
    assert [r["role"] for r in cli.whoami()["roles"]] == ["Embergate Job Submitter"]
    with open(f"{cli.home}/.config/embergate/profile.json") as f:
        assert set(json.load(f)) >= {"authority", "client_id", "login"}
    assert stat.S_IMODE(os.stat(f"{cli.home}/.config/embergate/profile.json").st_mode) == 0o600


@pytest.mark.parametrize("name", REAL)
def test_a_refused_device_code(world, name):
    cli = Cli(world, world.real[name], f"refused-{name}")
    status, _, err = by_device(cli, deny=True)
    assert status == 1 and "access_denied" in err, err
    assert not os.path.exists(cli.sessions)


@pytest.mark.parametrize("name", REAL)
def test_browser_with_pkce_then_refreshed_and_rotated_then_signed_out(world, name):
    cli = Cli(world, world.real[name], f"browser-{name}")
    process, address = by_browser(cli)
    assert "code_challenge_method=S256" in address and "state=" in address and "nonce=" in address and "verifier" not in address
    back = person(world, cli.provider).go(address)
    import requests
    page = requests.get(back, timeout=10)
    assert page.status_code == 200 and "default-src 'none'" in page.headers["Content-Security-Policy"]
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "signed in" in err, err
    first = cli.expire()["refresh_token"]
    assert cli.whoami()["kind"] == "user"
    with open(cli.session()) as f:
        second = json.load(f)["refresh_token"]
    assert first != second, "the provider rotates it"
    cli.expire()
    # Two at once: one refreshes, the other waits for it; a token that is used twice would end the session.
    at_once = [cli.start("whoami") for _ in range(4)]
    for p in at_once:
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0, err
    done = cli.run("logout")
    assert done.returncode == 0 and "the provider was not told" not in done.stderr, done.stderr
    assert not [f for f in os.listdir(cli.sessions) if f.endswith(".json")]
    done = cli.run("whoami")
    assert done.returncode == 1 and "embergate login" in done.stderr
    assert "nobody was signed in" in cli.run("logout").stderr


def test_an_answer_with_another_state_is_no_answer(world):
    import requests
    cli = Cli(world, world.real["OidcProvider"], "state")
    process, address = by_browser(cli)
    back = person(world, cli.provider).go(address)
    port = back.split("/")[2]
    good = re.search(r"state=([^&]+)", back).group(1)
    forged = back.replace(good, "A" * len(good))
    assert requests.get(forged, timeout=10).status_code == 400
    assert requests.get(f"http://{port}/favicon.ico", timeout=10).status_code == 404
    assert requests.get(back, timeout=10, headers={"Host": "attacker.example"}).status_code == 400
    assert requests.get(re.sub(r"iss=[^&]+", "iss=https%3A%2F%2Felsewhere", back), timeout=10).status_code == 400
    assert process.poll() is None
    assert requests.get(back, timeout=10).status_code == 200
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


def test_a_code_of_another_sign_in_is_refused(world):
    """Login CSRF: somebody else's code with our state. Its challenge is not ours, so that the provider refuses it."""
    import requests
    ours, theirs = Cli(world, world.real["OidcProvider"], "ours"), Cli(world, world.real["OidcProvider"], "theirs")
    p1, a1 = by_browser(ours)
    p2, a2 = by_browser(theirs)
    back1, back2 = person(world, ours.provider).go(a1), person(world, theirs.provider).go(a2)
    code1, code2 = (re.search(r"code=([^&]+)", b).group(1) for b in (back1, back2))
    assert requests.get(back1.replace(code1, code2), timeout=10).status_code == 200
    _, err = p1.communicate(timeout=60)
    assert p1.returncode == 1 and "invalid_grant" in err, err
    p2.kill()
    p2.communicate()
    assert not os.path.exists(ours.sessions)


def test_a_session_that_the_provider_ended(world):
    cli = Cli(world, world.real["OidcProvider"], "ended")
    assert by_device(cli)[0] == 0
    kept = cli.expire()
    cli.change(refresh_token="no" + kept["refresh_token"])
    done = cli.run("whoami")
    assert done.returncode == 1 and "invalid_grant" in done.stderr and "embergate login" in done.stderr
    assert not [f for f in os.listdir(cli.sessions) if f.endswith(".json")]


def test_a_token_that_the_gateway_refuses_is_renewed_once(world):
    cli = Cli(world, world.real["OidcProvider"], "renewed")
    assert by_device(cli)[0] == 0
    with open(cli.session()) as f:
        kept = json.load(f)
    cli.change(gateway={**kept["gateway"], "access_token": acts.forge(kept["gateway"]["access_token"])})
    assert cli.whoami()["kind"] == "user"


def test_what_others_can_read_is_not_used(world):
    cli = Cli(world, world.real["OidcProvider"], "readable")
    assert by_device(cli)[0] == 0
    os.chmod(cli.session(), 0o644)
    assert "others may read it" in cli.run("whoami").stderr
    os.chmod(cli.sessions, 0o755)
    done = cli.run("whoami")
    assert done.returncode == 2 and "chmod 700" in done.stderr
    os.chmod(cli.sessions, 0o700)
    done = cli.run("login", "--client", "--endpoint", "https://127.0.0.1:1", "--client-secret-file", "/no/such", "--client-key", "/no/such")
    assert done.returncode == 2 and "proven in two ways" in done.stderr


def test_ctrl_c_leaves_nothing(world):
    cli = Cli(world, world.real["OidcProvider"], "interrupted")
    process = cli.start("login", "--device", *cli.at())
    lines_until(process, r"(Waiting)")
    process.send_signal(2)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert not os.path.exists(cli.sessions) and not os.path.exists(f"{cli.home}/.config")


def test_an_authority_that_is_another_issuer(world):
    cli = Cli(world, world.real["OidcProvider"], "other-authority")
    front = cli.provider.front
    front.answers["/other/.well-known/openid-configuration"] = (200, {}, json.dumps({"issuer": cli.provider.issuer, "token_endpoint": "https://x/"}).encode(), 0)
    wanted = cli.at()
    wanted[wanted.index("--authority") + 1] = front.url + "/other"
    done = cli.run("login", "--device", *wanted)
    assert done.returncode == 2 and "another issuer's" in done.stderr
    front.answers["/plain/.well-known/openid-configuration"] = (200, {}, json.dumps({"issuer": front.url + "/plain", "token_endpoint": "http://x/"}).encode(), 0)
    wanted[wanted.index("--authority") + 1] = front.url + "/plain"
    assert "not an https address" in cli.run("login", "--device", *wanted).stderr
    wanted[wanted.index("--authority") + 1] = "http://localhost/"
    assert "must begin with https://" in cli.run("login", "--device", *wanted).stderr


SECRETS = ["file", "stdin", "environment"]


@pytest.mark.parametrize("how", SECRETS)
def test_client_credentials_by_secret(world, how):
    cli = Cli(world, world.real["OidcProvider"], f"secret-{how}")
    secret = cli.provider.secret
    path = f"{cli.home}/secret"
    with open(path, "w") as f:
        f.write(secret + "\n")
    given, options = {"file": (["--client-secret-file", path], {}), "stdin": (["--secret-stdin"], {"stdin": secret + "\n"}),
                      "environment": ([], {"EMBERGATE_CLIENT_SECRET": secret})}[how]
    done = cli.run("login", "--client", *cli.at("app"), *given, **options)
    assert done.returncode == 0, done.stderr
    me = cli.whoami()
    assert me["kind"] == "service" and me["object_id"] == derived_id(cli.provider.issuer, "app")
    cli.expire()
    done = cli.run("whoami")
    assert (done.returncode == 0) == (how == "file"), done.stderr
    for root, _, files in os.walk(cli.home):
        for name in files:
            with open(os.path.join(root, name)) as f:
                assert name == "secret" or secret not in f.read(), name


@pytest.mark.parametrize("key,algorithm", [("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256")])
def test_client_credentials_by_key(world, key, algorithm):
    cli = Cli(world, world.real["OidcProvider"], f"key-{algorithm}")
    done = cli.run("login", "--client", *cli.at("keyed"), "--client-key", f"{world.folder}/{key}.pem", "--client-algorithm", algorithm)
    assert done.returncode == 0, done.stderr
    assert cli.whoami()["object_id"] == derived_id(cli.provider.issuer, "keyed")
    cli.expire()
    assert cli.whoami()["kind"] == "service"
    wrong = f"{cli.home}/wrong.pem"
    write_pem(wrong, rsa.generate_private_key(65537, 2048) if key == "rsa" else ec.generate_private_key(ec.SECP256R1()))
    done = cli.run("login", "--client", "--client-key", wrong)
    assert done.returncode == 1 and "invalid_client" in done.stderr


def test_client_credentials_by_key_at_keycloak(world):
    cli = Cli(world, world.real["Keycloak"], "key-keycloak")
    done = cli.run("login", "--client", *cli.at("keyed"), "--client-key", f"{world.folder}/rsa.pem")
    assert done.returncode == 0, done.stderr
    assert cli.whoami()["kind"] == "service"


def test_a_federated_token_of_a_workload(world):
    """The token that a platform writes into a file is the client's assertion; it is read anew each time. The link is as Kubernetes mounts it."""
    cli = Cli(world, world.real["OidcProvider"], "workload")
    now = int(time.time())
    def token():
        return jwt.encode({"iss": "keyed", "sub": "keyed", "aud": cli.provider.issuer + "/token", "jti": os.urandom(8).hex(), "iat": now, "exp": now + 300},
                          world.keys["rsa"], "RS256", {"kid": "rsa"})
    real, path = f"{cli.home}/..data", f"{cli.home}/token"
    os.symlink("..data", path)
    for _ in range(2):
        with open(real, "w") as f:
            f.write(token())
        done = cli.run("login", "--client", *cli.at("keyed"), AZURE_FEDERATED_TOKEN_FILE=path)
        assert done.returncode == 0, done.stderr
    done = cli.run("login", "--client", AZURE_FEDERATED_TOKEN_FILE=path)
    assert done.returncode == 1 and "invalid_client" in done.stderr, "the provider takes an assertion once"


def test_the_gateways_own_issuer_has_sessions_too(world):
    profile = world.gateway.profile_path("admin")
    cli = Cli(world, world.real["OidcProvider"], "own")
    done = cli.run("login", "--profile", profile)
    assert done.returncode == 0, done.stderr
    before = len(os.listdir(cli.sessions))
    done = cli.run("whoami", "--profile", profile)
    assert done.returncode == 0 and "Owner" in done.stdout and world.gateway.profile()["object_id"] in done.stdout
    assert cli.run("jobs", "list", "--profile", profile).returncode == 0
    assert len(os.listdir(cli.sessions)) == before
    assert cli.run("logout", "--profile", profile).returncode == 0
    done = cli.run("login", "--profile", profile, "--device")
    assert done.returncode == 1 and "no sign-in by device code" in done.stderr
