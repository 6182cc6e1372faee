"""Points 5 and 6: real Spark jobs through Livy's API. covers: submit.c follow.c jobs.c env.c status.c"""
import io
import json
import os
import time

import acts
import pytest


@pytest.fixture(scope="module")
def flights(gateway):
    """A slice of the real flights, so that tests stay short."""
    rows = acts.flights_csv().split(b"\n")
    gateway.file_system().get_file_client("flights/flights.csv").upload_data(b"\n".join(rows[:40001]), overwrite=True)
    return acts.address(gateway, "flights/flights.csv")


@pytest.fixture(scope="module")
def wrangled(gateway, flights):
    status, batch, done = acts.submit(gateway, "flights_wrangle.py", flights, acts.address(gateway, "out"), check=False, options=("--name", "wrangle"))
    assert status == 0, done.stderr
    return batch


def test_job_reads_and_writes_abfss(gateway, wrangled):
    import pyarrow.parquet
    fs = gateway.file_system()
    part = next(p.name for p in fs.get_paths("out/carriers") if p.name.endswith(".parquet"))
    table = pyarrow.parquet.read_table(io.BytesIO(fs.get_file_client(part).download_file().readall()))
    assert table.num_rows >= 5 and "percent_late" in table.column_names


def test_state_log_and_usage(gateway, wrangled):
    token = gateway.token()
    assert wrangled["state"] == "success"
    status, by_name, _ = gateway.json("GET", "/livy/batches/wrangle", token)
    assert status == 200 and by_name["id"] == wrangled["id"] and by_name["appId"].startswith("app-")
    status, log, _ = gateway.json("GET", f"/livy/batches/{wrangled['id']}/log?from=0&size=100000", token)
    assert any(line.startswith("rows read: 40000") for line in log["log"]) and log["total"] == len(log["log"])
    usage = by_name["embergate"]["usage"]
    assert usage["coreSeconds"] > 1 and usage["bytesRead"] > 1_000_000 and usage["bytesWritten"] > 10_000


def test_retried_submit_is_one_batch(gateway, flights):
    token = gateway.token()
    body = {"file": acts.address(gateway, "jobs/none.py"), "name": "only-once"}
    first = gateway.json("POST", "/livy/batches", token, body, {"Idempotency-Key": "k1"})
    again = gateway.json("POST", "/livy/batches", token, body, {"Idempotency-Key": "k1"})
    other = gateway.json("POST", "/livy/batches", token, {**body, "name": "another"}, {"Idempotency-Key": "k1"})
    assert first[0] == 201 and again[0] == 201 and first[1]["id"] == again[1]["id"]
    assert other[0] == 422
    wait_final(gateway, first[1]["id"])
    assert gateway.json("GET", f"/livy/batches/{first[1]['id']}", token)[1]["state"] == "dead"  # its file does not exist


def wait_final(gateway, batch, seconds=180):
    token = gateway.token()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = gateway.json("GET", f"/livy/batches/{batch}/state", token)[1]["state"]
        if state in ("success", "dead", "killed"):
            return state
        time.sleep(0.2)
    raise AssertionError(f"batch {batch} is still {state} after {seconds} s")


def wait_for_line(gateway, batch, line, seconds=180):
    token = gateway.token()
    end = time.monotonic() + seconds
    log = []
    while time.monotonic() < end:
        log = gateway.json("GET", f"/livy/batches/{batch}/log?from=0&size=10000", token)[1]["log"]
        if line in log:
            return
        time.sleep(0.2)
    raise AssertionError(f"batch {batch} has not said '{line}' after {seconds} s: {log[-20:]}")


@pytest.mark.parametrize("conf", [
    {"spark.driver.extraJavaOptions": "-Dx=y"}, {"spark.executor.extraClassPath": "/x"}, {"spark.jars.ivySettings": "/x"},
    {"spark.hadoop.fs.azure.account.oauth2.token.file": "/x"}, {"spark.authenticate.secret": "x"}, {"spark.master": "local"},
    {"spark.pyspark.python": "/bin/sh"}, {"spark.plugins": "x"}, {"spark.executorEnv.LD_PRELOAD": "x"}, {"spark.eventLog.dir": "/x"},
    {"spark.sql.shuffle.partitions": "1\nspark.master=local"},
])
def test_dangerous_properties_are_400(gateway, conf):
    status, body, _ = gateway.json("POST", "/livy/batches", gateway.token(), {"file": acts.address(gateway, "jobs/x.py"), "conf": conf})
    assert status == 400 and next(iter(conf)) in str(body), body


# As they come in the body: what the property's own text would be after JSON, Java's properties or a shell had read it once more.
SMUGGLED = {
    "a line end escaped in JSON": r'"spark.app.name": "x\u000aspark.master=local"',
    "a carriage return": r'"spark.app.name": "x\u000dspark.master=local"',
    "a line separator of Unicode": r'"spark.app.name\u2028spark.master": "x"',
    "an escaped name": r'"spark\u002emaster": "local"',
    "a backslash before a line end": r'"spark.app.name": "x\\\nspark.master=local"',
    "NUL": r'"spark.app.name": "x\u0000"',
    "a name that ends in an equals sign": r'"spark.app.name=x\nspark.master": "local"',
    "the same name twice": r'"spark.app.name": "a", "spark.app.name": "b"',
}


@pytest.mark.parametrize("how", SMUGGLED)
def test_no_property_is_smuggled(gateway, how):
    body = f'{{"file": "{acts.address(gateway, "jobs/x.py")}", "conf": {{{SMUGGLED[how]}}}}}'
    status, said, _ = gateway.request("POST", "/livy/batches", gateway.token(), body.encode(), {"Content-Type": "application/json"})
    assert status == 400, said


def test_what_looks_like_an_escape_stays_a_name(gateway):
    """A backslash is text: it reaches Spark as the name that was given, and sets nothing else."""
    code = b"from pyspark import SparkContext\nc = SparkContext.getOrCreate().getConf()\nprint('name', repr(c.get('spark.app.name')), c.get('spark.master')[:8], flush=True)\n"
    gateway.file_system().get_file_client("jobs/name.py").upload_data(code, overwrite=True)
    name = r"x\nspark.master=local[1]\u000aspark.ui.enabled=true # ! : ="
    status, batch, _ = gateway.json("POST", "/livy/batches", gateway.token(), {"file": acts.address(gateway, "jobs/name.py"), "conf": {"spark.app.name": name}})
    assert status == 201, batch
    assert wait_final(gateway, batch["id"]) == "success"
    log = gateway.json("GET", f"/livy/batches/{batch['id']}/log?from=0&size=10000", gateway.token())[1]["log"]
    assert f"name {name!r} spark://" in log, log[-20:]


@pytest.mark.parametrize("file", ["--conf", "file:///etc/passwd", "/etc/passwd", "http://127.0.0.1/x.py", "abfss://data@evil.example/x.py",
                                  "/../etc/passwd", "local:/x.py"])
def test_files_from_elsewhere_are_400(gateway, file):
    status, body, _ = gateway.json("POST", "/livy/batches", gateway.token(), {"file": file})
    assert status == 400, body


@pytest.mark.parametrize("who", ["root", "guest", "stranger"])
def test_proxy_user_that_disagrees_is_403(gateway, who):
    """As proxyUser, as doAs, and as one who is right beside one who isn't; a person of another tenant by name and by id. Both names are in the record."""
    asked = [who] if who == "root" else [who, gateway.profile(who)["object_id"]]
    body = {"file": acts.address(gateway, "x.py")}
    for name in asked:
        for path, more in (("/livy/batches", {"proxyUser": name}), (f"/livy/batches?doAs={name}", {}),
                           (f"/livy/batches?doAs={name}", {"proxyUser": "admin"}), ("/livy/batches?doAs=admin", {"proxyUser": name})):
            status, said, _ = gateway.json("POST", path, gateway.token(), {**body, **more})
            assert status == 403, (path, more, said)
    acts.settled(gateway)  # the index follows
    me = gateway.profile()
    status, found, _ = gateway.json("GET", f"/audit/{me['tenant']}/records?actor={me['object_id']}&outcome=denied", gateway.token())
    assert status == 200
    for name in asked:
        assert any(r.get("details", {}).get("proxyUser") == name and r["details"]["name"] == "admin" for r in found["records"]), found["records"][-3:]


def test_jobs_command(gateway, wrangled):
    listed = json.loads(gateway.run("jobs", "list", "--json").stdout)
    assert wrangled["id"] in [b["id"] for b in listed["sessions"]]
    assert "rows kept:" in gateway.run("jobs", "log", wrangled["id"]).stdout
    assert "success" in gateway.run("jobs", "show", wrangled["id"]).stdout
    assert "success" in gateway.run("jobs", "show", "wrangle").stdout
    for words in (("show", "999999"), ("log", "999999"), ("delete", "999999"), ("list", "--cluster", "nowhere")):
        refused = gateway.run("jobs", *words, check=False)
        assert refused.returncode == 1 and "answered 404" in refused.stderr, refused
    refused = gateway.run("jobs", "list", profile="bystander", check=False)
    assert refused.returncode == 1 and "answered 403" in refused.stderr, refused


def test_jobs_delete(gateway):
    status, batch, _ = gateway.json("POST", "/livy/batches", gateway.token(), {"file": acts.address(gateway, "jobs/none.py"), "name": "to-delete"})
    assert status == 201
    gateway.run("jobs", "delete", "to-delete")
    assert gateway.json("GET", f"/livy/batches/{batch['id']}", gateway.token())[0] == 404


@pytest.mark.skipif(os.geteuid() != 0, reason="without root all processes share one user")
def test_a_job_reaches_nothing_of_ours(gateway, flights):
    pids = gateway.pids()
    status, batch, done = acts.submit(gateway, "trespass.py", gateway.state, pids["gateway"], pids["keeper"], pids["launcher"], check=False)
    report = acts.trespass_report(gateway, batch)
    assert status == 0 and len(report) >= 15 and all(line.startswith("refused ") for line in report), report or done.stderr


def test_nothing_stands_in_clear(gateway, wrangled):
    assert acts.search_state(gateway) == []


def test_delete_of_a_running_batch_kills_it(gateway, flights):
    token = gateway.token()
    fs = gateway.file_system()
    fs.get_file_client("jobs/sleep.py").upload_data(b"import time\nprint('sleeping', flush=True)\ntime.sleep(600)\n", overwrite=True)
    _, batch, _ = gateway.json("POST", "/livy/batches", token, {"file": acts.address(gateway, "jobs/sleep.py")})
    wait_for_line(gateway, batch["id"], "sleeping")
    status, body, _ = gateway.json("DELETE", f"/livy/batches/{batch['id']}", token)
    assert status == 200 and body == {"msg": "deleted"}
    assert gateway.json("GET", f"/livy/batches/{batch['id']}", token)[0] == 404


def final_state(gateway, batch, api="/livy", seconds=60):
    end = time.monotonic() + seconds
    while (state := gateway.json("GET", f"{api}/batches/{batch}/state", gateway.token())[1]["state"]) not in ("dead", "killed", "success"):
        assert time.monotonic() < end, state
        time.sleep(0.2)
    return state


def test_a_revoked_job_ends_and_one_of_a_revoked_principal_never_starts(gateway, flights):
    token = gateway.token()
    gateway.file_system().get_file_client("jobs/sleep.py").upload_data(b"import time\nprint('sleeping', flush=True)\ntime.sleep(600)\n", overwrite=True)
    _, running, _ = gateway.json("POST", "/livy/batches", token, {"file": acts.address(gateway, "jobs/sleep.py")})
    wait_for_line(gateway, running["id"], "sleeping")
    other = "/clusters/other/livy"  # which has to start first, so that the job waits
    _, waiting, _ = gateway.json("POST", f"{other}/batches", token, {"file": acts.address(gateway, "jobs/sleep.py"), "name": "never"})
    gateway.run("revoke", "job", running["id"], "--state", gateway.state, "--reason", "runs wild")
    gateway.run("revoke", "principal", gateway.profile()["object_id"], "--state", gateway.state)
    assert gateway.json("GET", f"/livy/batches/{running['id']}", token)[0] == 401
    assert final_state(gateway, running["id"]) == "killed"
    state = final_state(gateway, waiting["id"], other)
    assert state == "killed", state
    assert not any("sleeping" in line for line in gateway.json("GET", f"{other}/batches/{waiting['id']}/log", gateway.token())[1]["log"])
    assert gateway.run("revoke", "job", running["id"], "--state", gateway.state, check=False).returncode != 0  # it is over
