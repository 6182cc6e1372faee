"""What the tests that break things share: one gateway each, on a made-up Spark home, with the ordinary build, because timing matters."""
import os
import random
import shutil

import own_mounts
import pytest
import trivial_spark
from server import finish, make_state_folder, new_gateway


@pytest.fixture
def seed():
    """Of all random choices of a test; EG_SEED repeats a run, as far as the machine's own timing lets it."""
    chosen = int(os.environ.get("EG_SEED") or (random.SystemRandom().randrange(1 << 32) if os.environ.get("EG_LONG") else 20261123))
    print(f"EG_SEED={chosen}")
    return chosen


@pytest.fixture
def trivial_gateway():
    folder = make_state_folder()
    home, runs = trivial_spark.make(folder)
    g = new_gateway(folder, "--spark-home", home, "--worker-cores", "4", binary=os.environ["EG_BIN"])
    g.runs = runs
    try:
        yield g
    finally:
        finish(g, folder)


@pytest.fixture
def disk_gateway():
    """Its state directory is a small disk of its own, `disk`."""
    folder = make_state_folder()
    home, runs = trivial_spark.make(folder)
    with own_mounts.own_namespace():
        disk = own_mounts.Disk(folder)
        g = new_gateway(disk.where, "--spark-home", home, "--worker-cores", "4", binary=os.environ["EG_BIN"])
        g.runs, g.disk, g.log_path = runs, disk, f"{folder}/serve.log"
        try:
            yield g
        finally:
            try:
                finish(g, g.state)
            finally:
                disk.detach()
                shutil.rmtree(folder, ignore_errors=True)
