"""The main job from `embergate init` to `embergate audit verify`, as one person would do it. Called by ./dev demo."""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))

import acts  # noqa: E402
from gateway import Gateway  # noqa: E402
from stage import Stage  # noqa: E402


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--stop", action="store_true", help="end the server when the demo is done")
    options = options.parse_args()
    stage = Stage()
    gateway = Gateway(os.environ["EG_STATE"])
    started = time.monotonic()
    acts.initialise(stage, gateway)
    acts.serve(stage, gateway)
    try:
        acts.upload(stage, gateway)
        acts.run_jobs(stage, gateway)
        acts.show_result(stage, gateway)
        acts.show_refusals(stage, gateway)
        acts.prove_log(stage, gateway)
    except BaseException:
        gateway.stop()
        raise
    stage.note(f"The whole demo took {time.monotonic() - started:.0f} s.")
    if options.stop:
        gateway.stop()
    else:
        acts.now_you(stage, gateway)


if __name__ == "__main__":
    main()
