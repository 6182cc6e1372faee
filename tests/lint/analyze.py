"""clang's analyzer and cppcheck over every room. Called by ./dev lint --analyze [FILE…]; what they say and is explained stands in analyzers.txt.

An exception is a line `TOOL CHECKER FILE | REASON`; FILE may hold `*`. What nothing explains fails, and so does an exception that explains nothing.
"""
import concurrent.futures
import fnmatch
import json
import os
import re
import shlex
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
ROOMS = ("core", "policies", "audit", "storage", "compute", "gateway", "cli")
EXTRA = "security.insecureAPI.UncheckedReturn,optin.portability,nullability"
OFF = "security.insecureAPI.DeprecatedOrUnsafeBufferHandling"  # it asks for Annex K, which no C library here has
MODEL = f"{ROOT}/tests/lint/analyzer_model.h"
SAID = re.compile(r"(?:\.\./)*([^:\n]+):(\d+):\d+: warning: (.*) \[([\w.,-]+)\]$", re.M)


def entries(build, chosen):
    with open(f"{build}/compile_commands.json") as f:
        for entry in json.load(f):
            name = os.path.relpath(os.path.join(entry["directory"], entry["file"]), ROOT)
            if name.endswith(".c") and name.split("/")[0] in ROOMS and (not chosen or any(fnmatch.fnmatch(name, c) for c in chosen)):
                yield name, entry


def clang(name, entry):
    words, skip = [], False
    for w in shlex.split(entry["command"]):
        if skip or w in ("-MQ", "-MF", "-o"):
            skip = not skip
        elif w not in ("ccache", "cc", "gcc", "clang", "-MD", "-c", "-Werror") and not w.startswith(("-fsanitize", "-W", "-f")):
            words.append(w)
    command = ["clang", "--analyze", "--analyzer-output", "text", "-Xclang", f"-analyzer-checker={EXTRA}",
               "-Xclang", f"-analyzer-disable-checker={OFF}", *(["-include", MODEL] if name != "core/err.c" else []), *words]
    done = subprocess.run(command, cwd=entry["directory"], capture_output=True, text=True)
    assert "error:" not in done.stderr, done.stderr
    print(".", end="", file=sys.stderr, flush=True)
    return [("clang", checker, os.path.normpath(path), line, text) for path, line, text, checker in SAID.findall(done.stderr)]


def cppcheck(names, build):
    done = subprocess.run(["cppcheck", "--enable=warning,performance,portability", "--inline-suppr", "--quiet", "--std=c11", "-j", "2", "-D_GNU_SOURCE",
                           "-DEG_VERSION=\"x\"", "-Iinclude", "--library=posix", "--library=gnu",
                           "--template={file}:{line}:1: warning: {message} [{id}]", *names], cwd=ROOT, capture_output=True, text=True)
    return [("cppcheck", checker, path, line, text) for path, line, text, checker in SAID.findall(done.stderr)]


def exceptions():
    with open(f"{ROOT}/tests/lint/analyzers.txt") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                rule, _, reason = line.partition("|")
                assert reason.strip(), f"an exception without a reason: {line}"
                yield tuple(rule.split())


def main():
    build, chosen = sys.argv[1], sys.argv[2:]
    found = dict(entries(build, chosen))
    said = set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as many:
        for reports in many.map(lambda item: clang(*item), found.items()):
            said.update(reports)
    said.update(cppcheck(sorted(found), build))
    used, rules, open_ones = set(), list(exceptions()), []
    for tool, checker, path, line, text in sorted(said):
        fits = [r for r in rules if r[0] == tool and fnmatch.fnmatch(checker, r[1]) and fnmatch.fnmatch(path, r[2])]
        used.update(fits)
        if not fits:
            open_ones.append(f"{path}:{line}: {text} [{tool} {checker}]")
    print("\n".join(open_ones))
    stale = [] if chosen else [" ".join(r) for r in rules if r not in used]
    print(f"{len(found)} files, {len(said)} reports, {len(open_ones)} unexplained" + "".join(f"\nexplains nothing: {s}" for s in stale))
    return 1 if open_ones or stale else 0


if __name__ == "__main__":
    sys.exit(main())
