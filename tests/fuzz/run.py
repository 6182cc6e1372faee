#!/usr/bin/env python3
"""Runs fuzz targets for so much processor time each, several at once, and writes what came of it as JSON lines (./dev fuzz).

Processor time, not wall time, is counted: a busy machine makes it take longer, not less. A target runs in slices, one after the other
target, and each slice is one line of build-fuzz/results.jsonl, so that whatever ends a run loses one slice at most. With $EG_FUZZ_PGIDS
set, the run is a process group of its own, whose id stands in that file while it lasts."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ledger

SEEDS = ledger.HERE / "seeds"
LIMITS = ["-max_len=20000", "-rss_limit_mb=1500", "-print_final_stats=1"]
TIMEOUT_S = 30
PAUSED_TIMEOUT_S = 900  # where others may stop us while they measure: the clock of an input goes on meanwhile
SLICE_S = 300
TICK_S = 0.5
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process so far (proc(5): fields 14 and 15, counted behind the name, which may hold anything)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


class Slice:
    """One process of one target, until it has used its time, found something, or is told to end."""

    def __init__(self, build, target, bound):
        self.target, self.bound = target, bound
        self.corpus, self.artifacts = build / "corpus" / target, build / "artifacts" / target
        self.log = build / "log" / f"{target}.log"
        for folder in (self.corpus, self.artifacts, self.log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        self.program = build / "tests" / "fuzz" / f"fuzz_{target}"
        self.known = set(self.artifacts.iterdir())
        self.started, self.told = time.time(), None
        self.scratch = tempfile.TemporaryDirectory(prefix="embergate-fuzz-")
        timeout = PAUSED_TIMEOUT_S if os.environ.get("EG_FUZZ_PGIDS") else TIMEOUT_S
        command = [self.program, *LIMITS, f"-timeout={timeout}", *self.dictionary(), f"-artifact_prefix={self.artifacts}/", self.corpus, SEEDS / target]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=lambda: os.nice(19),
                                            env=os.environ | {"TMPDIR": self.scratch.name})

    def dictionary(self):
        file = SEEDS / f"{self.target}.dict"
        return [f"-dict={file}"] if file.exists() else []

    def end(self):
        """Asked first to end with its sums (SIGUSR1), then to end, then ended."""
        step = 0 if self.told is None else min(int((time.time() - self.told) / 20), 2)
        self.told = self.told or time.time()
        self.process.send_signal((signal.SIGUSR1, signal.SIGINT, signal.SIGKILL)[step])

    def look(self, ending):
        """None while it runs, else its row."""
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if pid == 0:
            used = time.time() - self.started if self.bound[0] == "wall" else cpu_seconds(self.process.pid)
            if ending or used >= self.bound[1]:
                self.end()
            return None
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.scratch.cleanup()
        return self.row(usage.ru_utime + usage.ru_stime)

    def row(self, used):
        text = self.log.read_text(errors="replace")
        seen = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", text)
        runs = re.search(r"number_of_executed_units: *(\d+)", text)
        counted = re.findall(r"^#(\d+)", text, re.M)
        code = self.process.returncode
        found = [] if self.told else sorted(f for f in set(self.artifacts.iterdir()) - self.known)
        result = "ended" if self.told or code == 0 else "found" if found else "failed"
        if found and all(f.name.startswith(("timeout-", "slow-unit-")) and self.passes_alone(f) for f in found):
            result, found = "ended", []  # the process was stopped meanwhile, as happens while others measure
        return {"target": self.target, "commit": ledger.head(), "started": int(self.started), "cpu_seconds": round(used, 1),
                "executions": int(runs[1] if runs else counted[-1] if counted else 0), "coverage": int(seen[-1][0]) if seen else 0,
                "features": int(seen[-1][1]) if seen else 0, "corpus": int(seen[-1][2]) if seen else 0, "result": result,
                "artifacts": [f.name for f in found]}

    def passes_alone(self, file):
        if subprocess.run([self.program, "-timeout=10", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            return False
        file.unlink()
        return True


class Run:
    def __init__(self, arguments):
        self.build, self.jobs, self.ending = arguments.build, arguments.jobs, False
        self.results = self.build / "results.jsonl"
        self.left = self.owed(arguments)
        self.live, self.bad = [], {}

    def owed(self, arguments):
        """What each target still has to run: ("cpu" or "wall", seconds)."""
        if arguments.due:
            due = ledger.due(self.build)
            return [(t, "cpu", due[t]) for t in arguments.targets if due[t] > 0]
        return [(t, "cpu", arguments.cpu_seconds) if arguments.cpu_seconds else (t, "wall", arguments.seconds) for t in arguments.targets]

    def start(self):
        target, kind, seconds = self.left.pop(0)
        now = seconds if kind == "wall" else min(seconds, SLICE_S)
        self.live.append((Slice(self.build, target, (kind, now)), kind, seconds))

    def settle(self, live, row):
        one, kind, seconds = live
        with open(self.results, "a") as out:
            out.write(json.dumps(row) + "\n")
        print(f"  {row['target']:<16} {row['cpu_seconds']:>7.1f} s of processor time, {row['executions']:>10} runs, cov {row['coverage']} ft {row['features']}"
              f" corpus {row['corpus']}{'' if row['result'] == 'ended' else '  ' + row['result'].upper()}", flush=True)
        if row["result"] != "ended":
            self.bad[one.target] = one
            for line in [line for line in one.log.read_text(errors="replace").splitlines() if re.search(r"ERROR|runtime error|SUMMARY|^    #", line)][:20]:
                print("   " + line, flush=True)
        elif kind == "cpu" and seconds - row["cpu_seconds"] > 1:
            self.left.append((one.target, kind, seconds - row["cpu_seconds"]))

    def whole(self):
        while self.live or (self.left and not self.ending):
            while self.left and len(self.live) < self.jobs and not self.ending:
                self.start()
            time.sleep(TICK_S)
            for live in list(self.live):
                row = live[0].look(self.ending)
                if row:
                    self.live.remove(live)
                    self.settle(live, row)
        for one in self.bad.values():
            print(f"  found by {one.target}: {one.artifacts} (mend it, and copy the input to tests/fuzz/seeds/{one.target}/); its log is {one.log}")
        return 1 if self.bad else 0


def own_group():
    """Whoever measures stops the group that stands in the file, and lets it go on afterwards."""
    file = os.environ.get("EG_FUZZ_PGIDS")
    if not file:
        return lambda: None
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    with open(file, "a") as out:
        out.write(f"{os.getpgrp()}\n")

    def leave():
        lines = [line for line in Path(file).read_text().split() if line != str(os.getpgrp())]
        Path(file).write_text("".join(line + "\n" for line in lines))
    return leave


def main():
    a = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("targets", nargs="*", metavar="TARGET", help="all, unless some are named")
    a.add_argument("--build", type=Path, default=ledger.HERE.parent.parent / "build-fuzz", help=argparse.SUPPRESS)
    a.add_argument("--seconds", type=float, default=60, help="wall time for each target (60)")
    a.add_argument("--cpu-seconds", type=float, help="processor time for each target instead")
    a.add_argument("--due", action="store_true", help="instead what each target is still owed by the table of docs/FUZZING.md")
    a.add_argument("--jobs", type=int, default=1, help="so many at once (1)")
    arguments = a.parse_args()
    unknown = [t for t in arguments.targets if t not in ledger.targets()]
    if unknown:
        a.error(f"no target {' '.join(unknown)}; there are: {' '.join(ledger.targets())}")
    arguments.targets = arguments.targets or ledger.targets()
    run = Run(arguments)

    def end(_signal, _frame):
        run.ending = True
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, end)
    leave = own_group()
    try:
        return run.whole()
    finally:
        leave()


if __name__ == "__main__":
    sys.exit(main())
