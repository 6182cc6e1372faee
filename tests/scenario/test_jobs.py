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


@pytest.mark.parametrize("file", ["--conf", "file:///etc/passwd", "/etc/passwd", "http://127.0.0.1/x.py", "abfss://data@evil.example/x.py",
                                  "/../etc/passwd", "local:/x.py"])
def test_files_from_elsewhere_are_400(gateway, file):
    status, body, _ = gateway.json("POST", "/livy/batches", gateway.token(), {"file": file})
    assert status == 400, body


def test_proxy_user_that_disagrees_is_403(gateway):
    status, body, _ = gateway.json("POST", "/livy/batches", gateway.token(), {"file": acts.address(gateway, "x.py"), "proxyUser": "root"})
    assert status == 403, body


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
