"""Points 2 and 3: init and serve. covers: init.c init_files.c init_identity.c serve.c serve_plan.c serve_gateway.c main.c end_runners.c"""
import json
import os
import pwd
import socket
import stat
import subprocess
import sys

import pytest


def test_init_never_writes_over_anything(gateway):
    done = gateway.run("init", "--state", gateway.state, check=False)
    assert done.returncode == 2 and "not empty" in done.stderr


def test_secrets_are_readable_by_their_owner_only(gateway):
    for name in ("ca/ca.key", "tls/server.key", "profiles/admin.json"):
        mode = stat.S_IMODE(os.stat(f"{gateway.state}/{name}").st_mode)
        assert mode & 0o077 == 0, f"{name} has mode {mode:o}"
    for name in ("gateway", "keeper", "profiles", "ca"):
        assert stat.S_IMODE(os.stat(f"{gateway.state}/{name}").st_mode) == 0o700, name


def test_health_metrics_and_log(gateway):
    status, health, _ = gateway.json("GET", "/healthz")
    assert status == 200 and health == {"status": "ok"}  # jobs are on this machine too: no more without a token
    assert gateway.json("GET", "/healthz/details")[0] == 401 and gateway.json("GET", "/metrics")[0] == 401
    assert gateway.json("GET", "/healthz/details", gateway.token("bystander"))[0] == 403
    status, health, _ = gateway.json("GET", "/healthz/details", gateway.token())
    assert status == 200 and health["audit"]["healthy"] and [c["name"] for c in health["clusters"]] == ["analytics", "other"]
    said = gateway.run("status").stdout
    assert "gateway: ok" in said and "cluster analytics: " in said and "not isolated: " in said
    status, text, _ = gateway.request("GET", "/metrics", gateway.token())
    assert status == 200 and b"embergate_connections_accepted_total " in text
    lines = [line for line in open(gateway.log_path) if line.strip()]
    assert lines and all({"time", "level", "process", "event"} <= set(json.loads(line)) for line in lines)


def test_processes_have_their_own_users(gateway):
    pids = gateway.pids()
    assert set(pids) == {"keeper", "launcher", "gateway"}
    if os.geteuid() != 0:
        pytest.skip("without root all processes share one user")
    users = {name: os.stat(f"/proc/{pid}").st_uid if name == "launcher" else uid_of(pid) for name, pid in pids.items()}
    assert users["launcher"] == 0 and len({users["gateway"], users["keeper"], 0}) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes users")
def test_several_inits_at_once_make_the_same_user(gateway, tmp_path):
    """On a machine where none of the users is there yet: each wants to make them, and each finds them made."""
    cluster = f"r{os.getpid()}"
    user = f"eg-c-{cluster}"
    command = [gateway.binary, "init", "--spark-home", os.environ["EG_SPARK_HOME"], "--python", os.environ["EG_PYTHON"], "--cluster", cluster, "--port", "18443"]
    try:
        running = [subprocess.Popen([*command, "--state", str(tmp_path / str(n))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for n in range(4)]
        said = [(r.communicate(timeout=60), r.returncode) for r in running]
        assert all(status == 0 for _, status in said), said
        assert pwd.getpwnam(user)
    finally:
        subprocess.run(["userdel", user], check=False, stderr=subprocess.DEVNULL)


def uid_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line for line in f if line.startswith("Uid:")).split()[1])


def test_second_server_on_the_same_state_is_refused(gateway):
    done = gateway.run("serve", "--state", gateway.state, check=False)
    assert done.returncode != 0 and "serves this state directory" in done.stderr


def test_port_in_use_is_one_sentence(own_gateway):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", own_gateway.port))
        s.listen()
        done = own_gateway.run("serve", "--state", own_gateway.state, check=False)
    assert done.returncode == 1 and "can't be listened on" in done.stderr and len(done.stderr.splitlines()) <= 4


def test_stop_leaves_no_process(own_gateway):
    own_gateway.start()
    pids = own_gateway.pids()
    own_gateway.stop()
    for pid in pids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_another_tenant_can_be_added(own_gateway):
    g = own_gateway
    lines = g.run("tenant", "add", "--state", g.state, "--name", "northwind").stdout.splitlines()
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    at = text.index("\ntenants:") + len("\ntenants:\n")
    with open(path, "w") as f:
        f.write(text[:at] + "\n".join(lines[1:]) + "\n" + text[at:])
    g.run("config", "check", path)
    assert g.run("tenant", "add", "--state", g.state, "--name", "northwind", check=False).returncode == 2


def test_status_command(gateway):
    done = gateway.run("status")
    assert "gateway: ok" in done.stdout
    env = gateway.run("env").stdout
    shown = subprocess.run(["bash", "-c", env + '\necho "$EMBERGATE_ENDPOINT|$CURL_CA_BUNDLE"; curl -sf "$EMBERGATE_ENDPOINT/healthz"'],
                           capture_output=True, text=True, timeout=30, env={"PATH": os.environ["PATH"]})
    assert shown.stdout.startswith(f"{gateway.endpoint}|{gateway.ca}") and '"status"' in shown.stdout


def test_recovery_key_opens_a_state_without_its_master_key(own_gateway):
    g = own_gateway
    key = next(line for line in g.init_said.splitlines() if line.startswith("recovery key")).split()[-1]
    os.rename(f"{g.state}/keeper/master.key", f"{g.state}/master.key.elsewhere")
    wrong = g.run("recover", "--state", g.state, input=key[:-4] + ("AAAA" if key[-4:] != "AAAA" else "BBBB"), check=False)
    assert wrong.returncode != 0 and not os.path.exists(f"{g.state}/keeper/master.key")
    g.run("recover", "--state", g.state, input=key + "\n")
    g.start()
    assert g.json("GET", "/livy/batches", g.token())[0] == 200


def test_env_serves_python_and_java(gateway, tmp_path):
    """What `embergate env` exports is enough for programs that were never told of our CA. Java is asked where it can compile."""
    env = gateway.run("env").stdout
    source = tmp_path / "Ask.java"
    source.write_text("""
import java.net.URI;
import javax.net.ssl.HttpsURLConnection;
class Ask {
    public static void main(String[] a) throws Exception {
        System.out.println("java " + ((HttpsURLConnection) URI.create(a[0]).toURL().openConnection()).getResponseCode());
    }
}
""")
    script = env + f"""
"{sys.executable}" -c 'import os, requests; print("requests", requests.get(os.environ["EMBERGATE_ENDPOINT"] + "/healthz").status_code)'
"{sys.executable}" -c 'import os, urllib.request as u; print("urllib", u.urlopen(os.environ["EMBERGATE_ENDPOINT"] + "/healthz").status)'
! java --list-modules | grep -q ^jdk.compiler || java -XX:TieredStopAtLevel=1 "{source}" "$EMBERGATE_ENDPOINT/healthz" 2>/dev/null
"""
    shown = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"]})
    compiles = b"jdk.compiler" in subprocess.run(["java", "--list-modules"], capture_output=True, timeout=60).stdout
    assert shown.stdout.splitlines() == ["requests 200", "urllib 200"] + ["java 200"] * compiles, shown
    assert gateway.profile()["client_secret"] not in env
