"""What adlfs does, alone and beneath pandas, pyarrow and fsspec's tools. Arguments: a file with {kind, …}, a container, the results' file."""
import io
import json
import os
import sys

import adlfs
import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet as pq

from operations import finish, operation

with open(sys.argv[1]) as f:
    who = json.load(f)
root, results = sys.argv[2], sys.argv[3]
if who.get("connection_string"):
    options = {"connection_string": who["connection_string"]}
else:
    from azure.identity.aio import ClientSecretCredential
    credential = ClientSecretCredential(who["tenant"], who["client_id"], who["client_secret"], authority=who["endpoint"], disable_instance_discovery=True)
    options = {"account_name": who["account"], "account_host": f"{who['endpoint'][8:]}/{who['account']}", "credential": credential}
fs = adlfs.AzureBlobFileSystem(**options)
frame = pd.DataFrame({"id": range(3000), "part": [i % 3 for i in range(3000)], "name": [f"nü {i}" for i in range(3000)]})


def there(path):
    """Afresh, past adlfs' cache of listings."""
    fs.invalidate_cache()
    return fs.exists(path)


def names(path, **kw):
    fs.invalidate_cache()
    return sorted(p.rstrip("/") for p in fs.find(path, **kw))


@operation("make a container")
def _():
    fs.mkdir(root)
    yield there(root), True


@operation("write and read bytes")
def _():
    data = os.urandom(3_000_000)
    fs.pipe(f"{root}/a/bytes", data)
    yield fs.cat(f"{root}/a/bytes"), data
    yield fs.cat_file(f"{root}/a/bytes", start=100, end=70000), data[100:70000]


@operation("open, write in blocks, read, seek")
def _():
    data = os.urandom(12_000_000)
    with fs.open(f"{root}/a/blocks", "wb", block_size=4 << 20) as f:
        for i in range(0, len(data), 1_000_000):
            f.write(data[i:i + 1_000_000])
    yield fs.size(f"{root}/a/blocks"), len(data)
    with fs.open(f"{root}/a/blocks", "rb") as f:
        f.seek(11_000_000)
        yield f.read(), data[11_000_000:]
        f.seek(5)
        yield f.read(10), data[5:15]


@operation("append to a blob")
def _():
    with fs.open(f"{root}/a/appended", "ab") as f:
        f.write(b"one")
    with fs.open(f"{root}/a/appended", "ab") as f:
        f.write(b"two")
    yield fs.cat(f"{root}/a/appended"), b"onetwo"


@operation("info, exists, isdir, isfile")
def _():
    i = fs.info(f"{root}/a/bytes")
    yield (i["size"], i["type"]), (3_000_000, "file")
    yield (fs.isdir(f"{root}/a"), fs.isfile(f"{root}/a/bytes"), there(f"{root}/none")), (True, True, False)


@operation("list, find, walk")
def _():
    fs.pipe({f"{root}/tree/{n}": b"x" for n in ("1.csv", "2.csv", "b/3.csv", "b/c/4.txt")})
    fs.invalidate_cache()
    yield sorted(p.rstrip("/") for p in fs.ls(f"{root}/tree", detail=False)), [f"{root}/tree/{n}" for n in ("1.csv", "2.csv", "b")]
    yield names(f"{root}/tree"), [f"{root}/tree/{n}" for n in ("1.csv", "2.csv", "b/3.csv", "b/c/4.txt")]
    yield len(list(fs.walk(f"{root}/tree"))), 3


@operation("glob")
def _():
    yield sorted(fs.glob(f"{root}/tree/*.csv")), [f"{root}/tree/1.csv", f"{root}/tree/2.csv"]
    yield sorted(fs.glob(f"{root}/tree/**/*.csv")), [f"{root}/tree/{n}" for n in ("1.csv", "2.csv", "b/3.csv")]


@operation("disk usage")
def _():
    yield fs.du(f"{root}/tree"), 4


@operation("copy and move")
def _():
    fs.copy(f"{root}/tree/1.csv", f"{root}/tree/copied")
    fs.mv(f"{root}/tree/2.csv", f"{root}/tree/moved")
    yield (there(f"{root}/tree/1.csv"), fs.cat(f"{root}/tree/copied"), there(f"{root}/tree/2.csv"), there(f"{root}/tree/moved")), (True, b"x", False, True)


@operation("remove one")
def _():
    fs.rm_file(f"{root}/tree/moved")
    yield there(f"{root}/tree/moved"), False


@operation("rm recursive")
def _():
    fs.rm(f"{root}/tree", recursive=True)
    yield names(f"{root}/tree"), []


@operation("upload and download folders")
def _():
    import tempfile
    with tempfile.TemporaryDirectory() as local:
        os.makedirs(f"{local}/up/x")
        for n in ("1", "x/2"):
            with open(f"{local}/up/{n}", "w") as f:
                f.write(n)
        fs.put(f"{local}/up/", f"{root}/folder/", recursive=True)
        fs.invalidate_cache()
        fs.get(f"{root}/folder/", f"{local}/down/", recursive=True)
        with open(f"{local}/down/x/2") as f:
            yield f.read(), "x/2"


@operation("metadata")
def _():
    fs.setxattrs(f"{root}/a/bytes", k="v")
    yield fs.getxattr(f"{root}/a/bytes", "k"), "v"


def address(path):
    return f"abfs://{root}/{path}"


@operation("pandas: Parquet")
def _():
    frame.to_parquet(address("pandas/f.parquet"), storage_options=options)
    yield pd.read_parquet(address("pandas/f.parquet"), storage_options=options).equals(frame), True
    yield list(pd.read_parquet(address("pandas/f.parquet"), columns=["name"], storage_options=options).columns), ["name"]


@operation("pandas: CSV, and compressed")
def _():
    for name in ("f.csv", "f.csv.gz"):
        frame.to_csv(address(f"pandas/{name}"), index=False, storage_options=options)
        yield pd.read_csv(address(f"pandas/{name}"), storage_options=options).equals(frame), True


@operation("pandas: JSON lines")
def _():
    frame.to_json(address("pandas/f.json"), orient="records", lines=True, storage_options=options)
    yield len(pd.read_json(address("pandas/f.json"), lines=True, storage_options=options)), 3000


@operation("pandas: Parquet in partitions")
def _():
    frame.to_parquet(address("pandas/parts"), partition_cols=["part"], storage_options=options)
    fs.invalidate_cache()
    back = pd.read_parquet(address("pandas/parts"), filters=[("part", "=", 1)], storage_options=options)
    yield (len(back), int(back["id"].min())), (1000, 1)


arrow = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fs))
table = pa.Table.from_pandas(frame)


@operation("pyarrow: Parquet table, row groups, footer")
def _():
    pq.write_table(table, f"{root}/arrow/t.parquet", filesystem=arrow, row_group_size=500)
    fs.invalidate_cache()
    yield pq.read_table(f"{root}/arrow/t.parquet", filesystem=arrow).equals(table), True
    file = pq.ParquetFile(f"{root}/arrow/t.parquet", filesystem=arrow)
    yield (file.metadata.num_row_groups, file.read_row_group(3)["id"][0].as_py()), (6, 1500)


@operation("pyarrow: dataset in partitions, filter pushed down")
def _():
    pa.dataset.write_dataset(table, f"{root}/arrow/set", filesystem=arrow, format="parquet", partitioning=["part"], partitioning_flavor="hive",
                             existing_data_behavior="overwrite_or_ignore")
    fs.invalidate_cache()
    found = pa.dataset.dataset(f"{root}/arrow/set", filesystem=arrow, format="parquet", partitioning="hive")
    yield found.count_rows(filter=pa.dataset.field("part") == 2), 1000


@operation("pyarrow: CSV")
def _():
    with arrow.open_output_stream(f"{root}/arrow/t.csv") as out:
        pyarrow.csv.write_csv(table, out)
    fs.invalidate_cache()
    with arrow.open_input_stream(f"{root}/arrow/t.csv") as source:
        yield pyarrow.csv.read_csv(source).num_rows, 3000


@operation("pyarrow: file information, move, delete a directory")
def _():
    info = arrow.get_file_info(f"{root}/arrow/t.csv")
    yield info.type, pyarrow.fs.FileType.File
    arrow.move(f"{root}/arrow/t.csv", f"{root}/arrow/moved.csv")
    yield (there(f"{root}/arrow/t.csv"), there(f"{root}/arrow/moved.csv")), (False, True)
    arrow.delete_dir(f"{root}/arrow")
    yield names(f"{root}/arrow"), []


@operation("fsspec: a text file by its address")
def _():
    with fsspec.open(address("text.txt"), "w", **options) as f:
        f.write("grüß\n")
    with fsspec.open(address("text.txt"), "r", **options) as f:
        yield f.read(), "grüß\n"


@operation("concurrent reads of many files (cat)")
def _():
    fs.pipe({f"{root}/many/{i}": str(i).encode() for i in range(40)})
    fs.invalidate_cache()
    yield sorted(int(v) for v in fs.cat([f"{root}/many/{i}" for i in range(40)]).values()), list(range(40))


@operation("remove a container")
def _():
    fs.rmdir(root)
    yield there(root), False


finish(results)
