"""Reads the audit log from disk, by this code alone."""
import json
import shutil
import struct

READS_MAX = 50  # a log that grows outgrows the partial files of the checkpoint that was just read


def records(log):
    """Every record of a log on disk, also of one that a server is writing."""
    for left in reversed(range(READS_MAX)):
        try:
            return records_of_checkpoint(log)
        except FileNotFoundError:
            if left == 0:
                raise


def copy_log(log, target):
    """A copy that is whole, also of a log that a server is writing: no checkpoint was signed meanwhile."""
    for _ in range(READS_MAX):
        shutil.rmtree(target, ignore_errors=True)
        before = checkpoint(log)
        try:
            shutil.copytree(log, target)
        except shutil.Error:
            continue
        if checkpoint(target) == checkpoint(log) == before:
            return target
    raise AssertionError(f"{log} grew during each of {READS_MAX} copies")


def checkpoint(log):
    with open(f"{log}/checkpoint") as f:
        return f.read()


def records_of_checkpoint(log):
    """Entry bundles of 256, the last one partial."""
    size = int(checkpoint(log).split("\n")[1])
    found = []
    for n in range((size + 255) // 256):
        rest = min(256, size - n * 256)
        path = f"{log}/tile/entries/" + (f"{n:03d}" if n < 1000 else f"x{n // 1000:03d}/{n % 1000:03d}") + ("" if rest == 256 else f".p/{rest}")
        with open(path, "rb") as f:
            text = f.read()
        at = 0
        for _ in range(rest):
            (length,) = struct.unpack_from(">H", text, at)
            found.append(json.loads(text[at + 2:at + 2 + length]))
            at += 2 + length
    return found
