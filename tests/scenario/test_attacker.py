"""A job as attacker: it reaches nothing that is not its own, takes no more than its bounds, and the others don't notice."""
import os
import pwd
import time

import acts
import pytest
from server import finish, make_state_folder, new_gateway

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="without root all processes share one user"), pytest.mark.alone]
PROCESSES, DISK_MB = 1000, 200
# Whoever is attacked has driver, executors and block managers that hold something.
SLEEPER = """
import time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
kept = spark.sparkContext.parallelize(range(100), 4).map(lambda x: x + 1).cache()
print('holds', kept.count(), flush=True)
time.sleep(1800)
"""


@pytest.fixture(scope="module")
def jail():
    """A gateway with small bounds, and a batch of the other cluster that sleeps while it is attacked."""
    folder = make_state_folder()
    g = new_gateway(folder)
    path = f"{g.state}/embergate.yaml"
    with open(path) as f:
        text = f.read()
    assert "max_processes: 8192" in text and "max_disk_mb: 32768" in text
    with open(path, "w") as f:
        f.write(text.replace("max_processes: 8192", f"max_processes: {PROCESSES}").replace("max_disk_mb: 32768", f"max_disk_mb: {DISK_MB}"))
    try:
        g.start()
        g.sleeper = start(g, "sleep", SLEEPER, cluster="other")
        yield g
    finally:
        finish(g, folder)


def start(g, name, source, *args, cluster="analytics"):
    g.file_system().get_file_client(f"jobs/{name}.py").upload_data(source.encode(), overwrite=True)
    status, batch, _ = g.json("POST", f"/clusters/{cluster}/livy/batches", g.token(),
                              {"file": acts.address(g, f"jobs/{name}.py"), "args": [str(a) for a in args]})
    assert status == 201, batch
    return batch["id"]


def state_of(g, batch, cluster="analytics"):
    return g.json("GET", f"/clusters/{cluster}/livy/batches/{batch}", g.token())[1]


def log_of(g, batch, cluster="analytics"):
    return g.json("GET", f"/clusters/{cluster}/livy/batches/{batch}/log?from=0&size=1000", g.token())[1]["log"]


def wait_for(what, seconds=150):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s")


def ended(g, batch):
    def look():
        b = state_of(g, batch)
        return b if b["state"] in ("success", "dead", "killed") else None
    return wait_for(look)


def unharmed(g):
    """The other cluster's batch still runs, the server is the same and well."""
    assert state_of(g, g.sleeper, "other")["state"] in ("starting", "running")
    status, health, _ = g.json("GET", "/healthz/details", g.token())
    assert status == 200 and health["status"] == "ok", health
    return health


def source_of(name):
    with open(os.path.join(os.path.dirname(__file__), "jobs", name)) as f:
        return f.read()


# Master and two workers have a port for RPC and one for web pages each; the driver RPC, a block manager and a door for Python; an executor a block manager.
LISTENERS = 10


def listeners_of_the_other_cluster(g):
    """Ports on which processes of the other cluster of this very gateway listen."""
    inodes = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f, open(f"/proc/{pid}/environ", "rb") as e:
                if f"{g.state}/clusters/other/".encode() in f.read() + e.read():
                    inodes |= {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        except OSError:
            pass
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as f:
            ports |= {int(w[1].split(":")[1], 16) for w in map(str.split, list(f)[1:]) if w[3] == "0A" and f"socket:[{w[9]}]" in inodes}
    return sorted(ports) if len(ports) >= LISTENERS else None


def test_nothing_is_reached(jail):
    wait_for(lambda: any("holds 100" in line for line in log_of(jail, jail.sleeper, "other")))
    pids, ports = jail.pids(), wait_for(lambda: listeners_of_the_other_cluster(jail))
    batch = start(jail, "attack", source_of("attack.py"), jail.state, jail.endpoint, os.environ["EG_SPARK_HOME"],
                  ",".join(map(str, [jail.process.pid, *pids.values()])), ",".join(map(str, ports)))
    end = ended(jail, batch)
    log = log_of(jail, batch)
    tried = [line for line in log if line.startswith(("refused ", "REACHED "))]
    assert not [line for line in tried if line.startswith("REACHED ")], tried
    assert end["state"] == "success" and len(tried) >= 50, log[-30:]
    assert not os.path.exists(os.path.join(os.sep, "dev", "shm", "embergate-attack"))
    assert jail.pids() == pids
    health = unharmed(jail)
    lacks = [line for line in health["isolation_missing"] if "no network namespace" not in line and "cgroup" not in line]
    assert not lacks, lacks


def test_a_job_that_ends_all_it_can_ends_alone(jail):
    batch = start(jail, "killall", "import os, signal, time\nos.kill(1, signal.SIGKILL)\nprint('init lives', flush=True)\ntime.sleep(0.5)\nos.kill(-1, signal.SIGKILL)\n")
    assert ended(jail, batch)["state"] == "dead" and "init lives" in log_of(jail, batch)
    health = unharmed(jail)
    assert all(c["state"] in ("running", "starting") for c in health["clusters"])


def answer_times(g, seconds):
    token, times = g.token(), []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        assert g.json("GET", "/livy/batches", token)[0] == 200
        times.append(time.monotonic() - began)
        time.sleep(0.02)
    return sorted(times)


def processes_of(user):
    uid, n = pwd.getpwnam(user).pw_uid, 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            n += os.stat(f"/proc/{pid}").st_uid == uid and len(os.listdir(f"/proc/{pid}/task"))
        except OSError:
            pass
    return n


def groups_of(user):
    """The cgroups in which the Python processes of this user are: what its jobs forked. Its runners are ours and bounded by nothing."""
    uid, found = pwd.getpwnam(user).pw_uid, set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cgroup") as f:
                groups = f.readlines()
            with open(f"/proc/{pid}/stat") as f:  # behind it: who was dead by now was in no group
                name, _, rest = f.read().partition("(")[2].rpartition(")")
            if os.stat(f"/proc/{pid}").st_uid == uid and name.startswith("python") and rest.split()[0] != "Z":
                found |= {tuple(line.rstrip("\n").split(":", 2)[1:]) for line in groups}
        except OSError:
            pass
    return uid, found


def test_a_bomb_of_processes_is_bounded_and_can_be_ended(jail):
    before = answer_times(jail, 2)
    batch = start(jail, "bomb", "import os\nprint('boom', flush=True)\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n")
    wait_for(lambda: "boom" in log_of(jail, batch))
    time.sleep(3)
    during = answer_times(jail, 5)
    assert PROCESSES // 2 < processes_of("eg-c-analytics") <= PROCESSES + 10
    if not any("cgroup" in line for line in jail.json("GET", "/healthz/details", jail.token())[1]["isolation_missing"]):
        uid, groups = groups_of("eg-c-analytics")
        for kind in {"pids", "memory", "cpu"} & {k for k, _ in groups} or {""}:
            assert not [g for g in groups if g[0] == kind and not g[1].endswith(f"/embergate-{uid}")]
    median = during[len(during) // 2]
    assert median < max(0.25, 10 * before[len(before) // 2]), (before[len(before) // 2], median)
    assert jail.json("DELETE", f"/livy/batches/{batch}", jail.token())[0] == 200
    wait_for(lambda: processes_of("eg-c-analytics") < PROCESSES // 2, 30)
    unharmed(jail)


def runners_memory(g):
    """The most that any runner's process of the cluster ever held, in KiB."""
    uid, most = pwd.getpwnam("eg-c-analytics").pw_uid, 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/status") as f:
                fields = dict(line.split(":", 1) for line in f)
            if fields["Name"].strip() == "embergate-run" and int(fields["Uid"].split()[0]) == uid:
                most = max(most, int(fields["VmHWM"].split()[0]))
        except (OSError, KeyError):
            pass
    return most


@pytest.mark.parametrize("gib", [1, pytest.param(10, marks=pytest.mark.skipif(not os.environ.get("EG_LONG"), reason="EG_LONG=1 writes 10 GiB"))])
def test_gigabytes_of_log_are_read_and_cut(jail, gib):
    batch = start(jail, "chatter", f"import os\nline = b'x' * 127 + b'\\n'\nfor i in range({gib * 1024}):\n    os.write(2, line * 8192)\nopen('done', 'w').close()\n")
    most = 0

    def look():
        nonlocal most
        most = max(most, runners_memory(jail))
        return state_of(jail, batch)["state"] in ("success", "dead", "killed")
    wait_for(look, 150 * gib)
    assert state_of(jail, batch)["state"] == "success"  # all of it was taken from the program
    size = os.stat(f"{jail.state}/clusters/analytics/run/batch-{batch}/log").st_size
    assert 60 << 20 < size <= 64 << 20
    assert 0 < most < 128 << 10, most
    tail = jail.json("GET", f"/livy/batches/{batch}/log?size=2", jail.token())[1]["log"]
    assert "reached its bound" in " ".join(tail), tail
    unharmed(jail)


@pytest.mark.parametrize("name, source", [
    ("fill", "import time\ni = 0\nwhile True:\n    open(f'f{i}', 'wb').write(b'x' * (8 << 20))\n    i += 1\n    time.sleep(0.03)\n"),
    ("hide", "import os, time\nf = open('f', 'wb')\nos.unlink('f')\nwhile f.tell() < 190 << 20:\n    f.write(b'x' * (8 << 20))\n"
             "g = open('g', 'wb')\nos.unlink('g')\nwhile g.tell() < 190 << 20:\n    g.write(b'x' * (8 << 20))\ntime.sleep(600)\n")])
def test_a_full_disk_is_the_jobs_alone(jail, name, source):
    batch = start(jail, name, source)
    end = ended(jail, batch)
    assert end["state"] == "dead" and end["embergate"]["why"] == "QuotaExceeded", end
    assert f"[embergate: ended, because it uses more than {DISK_MB} MiB of disk]" in log_of(jail, batch)
    assert not os.path.exists(f"{jail.state}/clusters/analytics/scratch/batch-{batch}")
    unharmed(jail)
