"""Runs operations one after another and writes what held into a file: what programs in Python share. An operation yields (got, wanted) pairs."""
import json
import traceback

found = []


def operation(name):
    def run(function):
        pairs = []
        try:
            pairs = list(function())
            wrong = [(repr(g)[:300], repr(w)[:300]) for g, w in pairs if g != w]
        except Exception:
            wrong = traceback.format_exc()[-3000:]
        found.append({"operation": name, "passed": bool(pairs) and not wrong, "wrong": wrong})
    return run


def finish(path):
    with open(path, "w") as f:
        json.dump(found, f)
