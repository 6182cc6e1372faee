#!/usr/bin/env python3
"""Keeps what the fuzzers reached: of a target's corpus, the few small inputs that reach most become seeds, tests/fuzz/seeds/NAME/reached-* (./dev fuzz --minimize).

libFuzzer's merge tells for each input, smallest first, which features no input before it had. Those that reach new code come first, then those that
reach old code more often or in another way, always by what a byte gives, until the bound of files or bytes is reached. Seeds made by hand stay and
count first."""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import ledger

SEEDS = ledger.HERE / "seeds"
FILES_MAX = 60
BYTES_MAX = 100_000


def merge(program, inputs, work):
    """Which inputs bring something new: [(path, edges, features)]."""
    control = work / "control"
    command = [program, "-merge=1", "-max_len=20000", "-timeout=30", "-rss_limit_mb=1500", f"-merge_control_file={control}", *inputs]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", env=os.environ | {"TMPDIR": str(work)})
    if done.returncode != 0:
        sys.exit(f"{program.name} -merge failed:\n{done.stderr[-2000:]}")
    lines = control.read_text().splitlines()
    count = int(lines[0])
    files, gains = lines[2:2 + count], {}
    for line in lines[2 + count:]:
        kind, at, *features = line.split()
        if kind in ("FT", "COV"):
            gains.setdefault(int(at), {})[kind] = len(features)
    return [(Path(files[i]), g.get("COV", 0), g.get("FT", 0)) for i, g in gains.items()]


def choose(found, files, size):
    """The best by what a byte gives, new code first."""
    picked = []
    for path, edges, features in sorted(found, key=lambda f: (f[1] == 0, -(f[1] or f[2]) / (64 + f[0].stat().st_size))):
        n = path.stat().st_size
        if edges + features > 0 and len(picked) < files and n <= size:
            picked.append(path)
            size -= n
    return picked


def minimize(build, target):
    folder = SEEDS / target
    program = build / "tests" / "fuzz" / f"fuzz_{target}"
    by_hand = [f for f in folder.iterdir() if not f.name.startswith("reached-")]
    with tempfile.TemporaryDirectory(prefix="embergate-fuzz-") as top:
        first = Path(top) / "seeds"
        first.mkdir()
        for f in by_hand:
            shutil.copy(f, first)
        corpus = build / "corpus" / target
        found = [f for f in merge(program, [first, folder, *([corpus] if corpus.is_dir() else [])], Path(top)) if f[0].parent.name != "seeds"]
        room = BYTES_MAX - sum(f.stat().st_size for f in by_hand)
        kept = {f"reached-{hashlib.sha256(p.read_bytes()).hexdigest()[:12]}": p.read_bytes() for p in choose(found, FILES_MAX - len(by_hand), room)}
    for old in folder.glob("reached-*"):
        if old.name not in kept:
            old.unlink()
    for name, data in kept.items():
        (folder / name).write_bytes(data)
    print(f"  {target:<16} {len(by_hand)} seeds by hand, {len(kept)} of {len(found)} inputs kept, {sum(map(len, kept.values()))} bytes", flush=True)


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
