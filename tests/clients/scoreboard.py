"""Counts what clients did and a test asserted, one row for each client, protocol, operation and way in; writes docs/CLIENTS.md's table.

An operation counts when it was compared with what it should give. A block that asserts nothing fails its test."""
import argparse
import contextlib
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "..", "..", "docs", "CLIENTS.md")
OWED = 300
BEGIN, END = "<!-- scoreboard: ./dev scoreboard writes this -->", "<!-- end of the scoreboard -->"


class Board:
    """All rows of one run: (client, protocol, operation, way in) → passed."""

    def __init__(self):
        self.rows = {}
        self.whole = False

    def add(self, client, protocol, operation, way, passed):
        key = (client, protocol, operation, way)
        self.rows[key] = passed and self.rows.get(key, True)

    def passed(self):
        return sum(self.rows.values())

    def client(self, name, protocol, way):
        return Client(self, name, protocol, way)

    def write(self, path):
        with open(path, "w") as f:
            json.dump([{"client": c, "protocol": p, "operation": o, "way": w, "passed": ok} for (c, p, o, w), ok in sorted(self.rows.items())], f, indent=0)


class Client:
    """One client, speaking one protocol, let in one way."""

    def __init__(self, board, name, protocol, way):
        self.board, self.name, self.protocol, self.way = board, name, protocol, way

    def count(self, operation, passed):
        self.board.add(self.name, self.protocol, operation, self.way, passed)

    @contextlib.contextmanager
    def does(self, operation):
        """A block that does the operation and asserts by the checker that it is given; counted by how the block ends."""
        checker = Checker()
        try:
            yield checker
            assert checker.asserted, f"{self.name}: '{operation}' asserted nothing"
        except BaseException:
            self.count(operation, False)
            raise
        self.count(operation, True)

    def equal(self, operation, got, wanted):
        with self.does(operation) as check:
            check(got == wanted, f"{short(got)} is not {short(wanted)}")

    def report(self, found, least):
        """What a program in another process did and asserted: [{operation, passed, wrong}]."""
        for r in found:
            self.count(r["operation"], r["passed"])
        wrong = [r for r in found if not r["passed"]]
        assert not wrong, "\n".join(f"{r['operation']}: {r['wrong']}" for r in wrong)
        assert len(found) >= least, f"only {len(found)} operations ran"

    @contextlib.contextmanager
    def refused(self, operation, kind, holds):
        """A block that must end in an exception of this kind, for which `holds` is true."""
        try:
            yield
        except kind as e:
            self.count(operation, bool(holds(e)))
            assert holds(e), f"{self.name}: '{operation}' was refused in another way: {e}"
        except BaseException:
            self.count(operation, False)
            raise
        else:
            self.count(operation, False)
            raise AssertionError(f"{self.name}: '{operation}' was not refused")


class Checker:
    def __init__(self):
        self.asserted = 0

    def __call__(self, holds, why=""):
        self.asserted += 1
        assert holds, why


def short(value):
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}… ({len(text)} characters)"


def table(rows):
    """One line for each client, protocol and way in, with its operations in words."""
    groups = {}
    for r in rows:
        groups.setdefault((r["client"], r["protocol"], r["way"]), []).append(r)
    lines = ["| client | protocol | way in | asserted | operations |", "|---|---|---|---|---|"]
    for (client, protocol, way), found in sorted(groups.items()):
        done = [r["operation"] for r in found if r["passed"]]
        failed = [r["operation"] for r in found if not r["passed"]]
        text = ", ".join(done) + (f"; **failed**: {', '.join(failed)}" if failed else "")
        lines.append(f"| {client} | {protocol} | {way} | {len(done)} | {text} |")
    total = sum(r["passed"] for r in rows)
    names = len({r["client"] for r in rows})
    return f"{total} operations of {names} clients were asserted in the run that wrote this table.\n\n" + "\n".join(lines) + "\n"


def main():
    options = argparse.ArgumentParser(description="Writes the table of docs/CLIENTS.md from a run's scoreboard.")
    options.add_argument("scoreboard", help="what $EG_SCOREBOARD named in a run of tests/clients")
    with open(options.parse_args().scoreboard) as f:
        rows = json.load(f)
    with open(PAGE) as f:
        page = f.read()
    page, n = re.subn(f"(?s){re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{table(rows)}{END}", page)
    assert n == 1, f"{PAGE} has no place for the scoreboard"
    with open(PAGE, "w") as f:
        f.write(page)
    print(f"{sum(r['passed'] for r in rows)} operations")


if __name__ == "__main__":
    main()
