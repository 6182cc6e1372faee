"""What delta-rs does, with two writers at once. Arguments: a file with {options: storage options}, the table's address, the results' file."""
import json
import multiprocessing
import sys

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from operations import finish, operation

with open(sys.argv[1]) as f:
    options = json.load(f)["options"]
base, results = sys.argv[2], sys.argv[3]
COMMITS = 12


def rows(first, n, part=0):
    return pa.table({"id": pa.array(range(first, first + n), pa.int64()), "part": pa.array([part] * n, pa.int32()), "name": [f"n{i}" for i in range(first, first + n)]})


def ids(table):
    return sorted(DeltaTable(table, storage_options=options).to_pyarrow_table()["id"].to_pylist())


def append_many(table, first, ended):
    """One writer: its number of commits, each of ten rows of its own."""
    for i in range(COMMITS):
        write_deltalake(table, rows(first + 10 * i, 10), mode="append", storage_options=options)
    ended.put(first)


def create_once(table, ended):
    try:
        write_deltalake(table, rows(0, 1), mode="error", storage_options=options)
        ended.put("created")
    except Exception as e:
        ended.put(type(e).__name__)


def at_once(target, arguments):
    fork = multiprocessing.get_context("spawn")
    ended = fork.Queue()
    writers = [fork.Process(target=target, args=(*a, ended)) for a in arguments]
    for w in writers:
        w.start()
    said = [ended.get(timeout=150) for _ in writers]
    for w in writers:
        w.join(30)
    return said


def main():
    table = f"{base}/table"

    @operation("create a table")
    def _():
        write_deltalake(table, rows(0, 100), partition_by=["part"], storage_options=options)
        t = DeltaTable(table, storage_options=options)
        yield (t.version(), ids(table)), (0, list(range(100)))

    @operation("append")
    def _():
        write_deltalake(table, rows(100, 50, 1), mode="append", storage_options=options)
        yield ids(table), list(range(150))

    @operation("read an older version")
    def _():
        yield len(DeltaTable(table, version=0, storage_options=options).to_pyarrow_table()), 100

    @operation("read one partition")
    def _():
        yield len(DeltaTable(table, storage_options=options).to_pyarrow_table(partitions=[("part", "=", "1")])), 50

    @operation("overwrite one partition")
    def _():
        write_deltalake(table, rows(500, 5, 1), mode="overwrite", predicate="part = 1", storage_options=options)
        yield ids(table), [*range(100), *range(500, 505)]

    @operation("delete rows")
    def _():
        DeltaTable(table, storage_options=options).delete("id >= 502")
        yield ids(table), [*range(100), 500, 501]

    @operation("update rows")
    def _():
        DeltaTable(table, storage_options=options).update(updates={"name": "'changed'"}, predicate="id = 7")
        t = DeltaTable(table, storage_options=options).to_pyarrow_table()
        yield t.filter(pa.compute.equal(t["id"], 7))["name"][0].as_py(), "changed"

    @operation("merge")
    def _():
        source = rows(99, 3, 0)
        DeltaTable(table, storage_options=options).merge(source, "t.id = s.id", source_alias="s", target_alias="t").when_not_matched_insert_all().execute()
        yield ids(table), [*range(102), 500, 501]

    @operation("optimise (compact)")
    def _():
        write_deltalake(table, rows(600, 1, 0), mode="append", storage_options=options)
        m = DeltaTable(table, storage_options=options).optimize.compact()
        yield m["numFilesRemoved"] > m["numFilesAdded"] > 0, True
        yield ids(table), [*range(102), 500, 501, 600]

    @operation("checkpoint and read from it")
    def _():
        DeltaTable(table, storage_options=options).create_checkpoint()
        yield len(ids(table)), 105

    @operation("vacuum")
    def _():
        t = DeltaTable(table, storage_options=options)
        removed = t.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        yield len(removed) > 0, True
        yield len(ids(table)), 105

    @operation("history")
    def _():
        history = DeltaTable(table, storage_options=options).history()
        yield [h["version"] for h in history], list(range(len(history) - 1, -1, -1))

    @operation("two writers create at once: whoever was answered is there")
    def _():
        said = at_once(create_once, [(f"{base}/once",), (f"{base}/once",)])
        yield said.count("created") in (1, 2), True
        yield ids(f"{base}/once"), [0] * said.count("created")

    @operation("two writers append at once: no commit is lost")
    def _():
        shared = f"{base}/shared"
        write_deltalake(shared, rows(-1, 1), storage_options=options)
        at_once(append_many, [(shared, 0), (shared, 1000)])
        yield ids(shared), sorted([-1, *range(10 * COMMITS), *range(1000, 1000 + 10 * COMMITS)])
        yield DeltaTable(shared, storage_options=options).version(), 2 * COMMITS

    finish(results)


if __name__ == "__main__":
    main()
