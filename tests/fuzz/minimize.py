#!/usr/bin/env python3
"""Keeps what the fuzzers reached: of a target's corpus, the few small inputs that reach most become seeds, tests/fuzz/seeds/NAME/reached-* (./dev fuzz --minimize).

libFuzzer tells which features (edges, and how often each is passed) every input reaches. The one that adds most to what is reached already is taken, and so on, until nothing
is added or the bound of files or bytes is reached. Seeds made by hand stay and count first."""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import ledger

SEEDS = ledger.HERE / "seeds"
FILES_MAX = 60
BYTES_MAX = 100_000


def reached(program, inputs, work):
    """What each input reaches: [(path, features)]."""
    control = work / "control"
    command = [program, "-set_cover_merge=1", "-max_len=20000", "-timeout=30", "-rss_limit_mb=1500", f"-merge_control_file={control}", *inputs]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", env=os.environ | {"TMPDIR": str(work)})
    if done.returncode != 0:
        sys.exit(f"{program.name}: the merge failed:\n{done.stderr[-2000:]}")
    lines = control.read_text().splitlines()
    count = int(lines[0])
    files = lines[2:2 + count]
    for line in lines[2 + count:]:
        kind, at, *features = line.split()
        if kind == "FT":
            yield Path(files[int(at)]), frozenset(features)


def choose(found, known, files, size):
    """Again and again the input that adds most to what is reached, of equals the shorter one."""
    picked, left = [], [(path, features - known, path.stat().st_size) for path, features in found]
    while files > 0:
        left = [(path, more, n) for path, more, n in left if more and n <= size]
        if not left:
            break
        path, more, n = max(left, key=lambda f: (len(f[1]), -f[2]))
        picked.append(path)
        left = [(p, f - more, s) for p, f, s in left if p != path]
        files, size = files - 1, size - n
    return picked


def minimize(build, target):
    folder = SEEDS / target
    program = build / "tests" / "fuzz" / f"fuzz_{target}"
    by_hand = [f for f in folder.iterdir() if not f.name.startswith("reached-")]
    corpus = build / "corpus" / target
    with tempfile.TemporaryDirectory(prefix="embergate-fuzz-") as top:
        into = Path(top) / "merged"
        into.mkdir()
        found = list(reached(program, [into, folder, *([corpus] if corpus.is_dir() else [])], Path(top)))
    known = frozenset().union(*(features for path, features in found if path in by_hand))
    others = [(path, features) for path, features in found if path not in by_hand]
    room = BYTES_MAX - sum(f.stat().st_size for f in by_hand)
    kept = {f"reached-{hashlib.sha256(p.read_bytes()).hexdigest()[:12]}": p.read_bytes() for p in choose(others, known, FILES_MAX - len(by_hand), room)}
    for old in folder.glob("reached-*"):
        if old.name not in kept:
            old.unlink()
    for name, data in kept.items():
        (folder / name).write_bytes(data)
    print(f"  {target:<16} {len(by_hand)} seeds by hand, {len(kept)} of {len(others)} other inputs kept, {sum(map(len, kept.values()))} bytes", flush=True)


def main():
    a = argparse.ArgumentParser(prog="./dev fuzz --minimize", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("targets", nargs="*", metavar="TARGET", help="all, unless some are named")
    a.add_argument("--build", type=Path, default=ledger.HERE.parent.parent / "build-fuzz", help="where corpus/ and the programs are (build-fuzz)")
    arguments = a.parse_args()
    os.nice(19)
    for target in arguments.targets or ledger.targets():
        minimize(arguments.build, target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
