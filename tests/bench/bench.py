"""Measures embergate side by side with its peers. Called by ./dev bench [AREA…] [--long]."""
import argparse
import importlib
import json
import os
import signal
import sys
import time

import side_by_side

AREAS = {"requests": "small_requests", "connections": "new_connections", "blobs": "blobs", "storage": "storage", "spark": "storage_spark",
         "latency": "latency", "idle": "idle", "load": "load", "policy": "policy_decisions"}


def main():
    options = argparse.ArgumentParser(prog="./dev bench")
    options.add_argument("area", nargs="*", choices=[*AREAS, []], help="all without one")
    options.add_argument("--long", action="store_true", help="more and longer rounds, 10,000 idle connections")
    options.add_argument("--only", metavar="PART", help="of an area that has parts (storage: memory, writes, reads, creates, listing, rename)")
    options = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended on the way out
    side_by_side.build_client()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before the start; each ratio is the median of rounds measured in turn.")
    started = time.monotonic()
    with side_by_side.Bench(options.long) as b:
        b.only = options.only
        for area in options.area or AREAS:
            b.results = []
            importlib.import_module(AREAS[area]).measure(b)
            with open(f"{side_by_side.BUILD}/{area}.json", "w") as f:
                json.dump(b.results, f, indent=1)
                f.write("\n")
    print(f"Took {time.monotonic() - started:.0f} s; the values are in build/bench/*.json")


if __name__ == "__main__":
    main()
