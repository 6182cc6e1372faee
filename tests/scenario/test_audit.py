"""Point 8: the log is proved offline, damage is named, a job's story is told. covers: audit_verify.c audit_show.c audit_story.c"""
import json
import time

import acts


def test_log_is_whole_and_a_flipped_byte_is_named(gateway, tmp_path):
    gateway.json("GET", "/livy/batches", gateway.token())
    whole = gateway.run("audit", "verify", acts.settled(gateway), "--json")
    assert json.loads(whole.stdout)["size"] > 0
    damaged = gateway.run("audit", "verify", acts.flip_one_byte(gateway, str(tmp_path / "flipped")), check=False)
    assert damaged.returncode == 1 and "record " in damaged.stdout + damaged.stderr


def test_denials_are_in_the_log(gateway):
    gateway.json("GET", "/livy/batches", gateway.token("bystander"))
    acts.settled(gateway)
    tenant = gateway.profile()["tenant"]
    who = gateway.profile("bystander")["object_id"]
    status, found, _ = gateway.json("GET", f"/audit/{tenant}/records?actor={who}&outcome=denied", gateway.token())
    assert status == 200 and found["records"], found
    assert found["records"][-1]["actor"]["oid"] == who


def test_only_auditors_read_the_log(gateway):
    tenant = gateway.profile()["tenant"]
    assert gateway.json("GET", f"/audit/{tenant}/records", gateway.token("bystander"))[0] == 403
    assert gateway.json("GET", f"/audit/{tenant}/records", gateway.token("stranger"))[0] in (403, 404)


def test_a_flood_without_tokens_writes_no_record_each(gateway):
    def size():
        time.sleep(1.2)
        total = 0
        for log in (gateway.profile()["tenant"], "server"):
            try:
                with open(f"{gateway.state}/gateway/audit/{log}/checkpoint") as f:
                    total += int(f.read().split("\n")[1])
            except FileNotFoundError:
                pass
        return total

    before = size()
    for _ in range(300):
        assert gateway.json("GET", "/livy/batches")[0] == 401
    assert size() - before < 30
