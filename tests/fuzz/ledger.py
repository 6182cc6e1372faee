#!/usr/bin/env python3
"""How long each fuzz target ran in all, and what it found: adds a run's results to tests/fuzz/ledger.json and writes the table of docs/FUZZING.md (./dev fuzz --ledger)."""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LEDGER = HERE / "ledger.json"
PAGE = HERE.parent.parent / "docs" / "FUZZING.md"

# Processor time that a target is owed: twenty minutes, and an hour for framing and tokens.
OWED_S = 1200
OWED_LONG_S = 3600
LONG = {"http_head", "http_body", "jws"}


def targets():
    return sorted(f.stem.removeprefix("fuzz_") for f in HERE.glob("fuzz_*.c"))


def owed(target):
    return OWED_LONG_S if target in LONG else OWED_S


def head():
    return subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()


def rows(file):
    """A line that was cut off by a kill is left out."""
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def read():
    return json.loads(LEDGER.read_text()) if LEDGER.exists() else {}


def add(sums, row):
    one = sums.setdefault(row["target"], {"cpu_seconds": 0, "executions": 0, "coverage": 0, "features": 0, "found": 0})
    one["cpu_seconds"] = round(one["cpu_seconds"] + row["cpu_seconds"], 1)
    one["executions"] += row["executions"]
    one["found"] += row["result"] == "found"
    if row["coverage"]:
        one["coverage"], one["features"], one["commit"] = row["coverage"], row["features"], row["commit"]
    return sums


def due(build):
    """What each target is owed beyond the ledger and the results that were not added to it yet."""
    sums = read()
    for row in rows(build / "results.jsonl"):
        add(sums, row)
    return {t: max(0.0, owed(t) - sums.get(t, {}).get("cpu_seconds", 0)) for t in targets()}


def what(target):
    """The first sentence of the target's opening comment."""
    opening = re.match(r"/\*(.*?)\*/", (HERE / f"fuzz_{target}.c").read_text(), re.S)[1]
    text = re.sub(r"\s*\n \*\s*", " ", opening.split("\n *\n")[0]).strip()
    return text.removeprefix("Fuzzes ").replace("|", "\\|")


def table(sums):
    yield "| Target | Fuzzes | Owed, min | Processor time, min | Executions | a second | Edges | Findings |"
    yield "|---|---|---|---|---|---|---|---|"
    for t in targets():
        s = sums.get(t, {"cpu_seconds": 0, "executions": 0, "coverage": 0, "found": 0})
        rate = round(s["executions"] / s["cpu_seconds"]) if s["cpu_seconds"] else 0
        yield (f"| `{t}` | {what(t)} | {owed(t) // 60} | {s['cpu_seconds'] / 60:.1f} | {s['executions']:,} | {rate:,} | {s['coverage']} | {s['found']} |")


def write(sums):
    LEDGER.write_text(json.dumps(dict(sorted(sums.items())), indent=1) + "\n")
    page = PAGE.read_text()
    before, rest = page.split("<!-- ledger -->\n")
    after = rest.split("<!-- end of ledger -->\n")[1]
    PAGE.write_text(before + "<!-- ledger -->\n" + "\n".join(table(sums)) + "\n<!-- end of ledger -->\n" + after)


def main():
    a = argparse.ArgumentParser(prog="./dev fuzz --ledger", description=__doc__)
    a.add_argument("build", type=Path, nargs="*", default=[HERE.parent.parent / "build-fuzz"], help="where results.jsonl is (build-fuzz); what was added is moved to added.jsonl")
    sums = read()
    for build in a.parse_args().build:
        results = build / "results.jsonl"
        taken = build / "results.taken"
        if results.exists():
            results.rename(taken)  # what a run writes from now on counts the next time
            for row in rows(taken):
                add(sums, row)
            with open(build / "added.jsonl", "a") as out:
                out.write(taken.read_text())
            taken.unlink()
    write(sums)
    for t in targets():
        s = sums.get(t, {"cpu_seconds": 0})
        print(f"  {t:<16} {s['cpu_seconds'] / 60:7.1f} of {owed(t) // 60} min")
    return 0


if __name__ == "__main__":
    sys.exit(main())
