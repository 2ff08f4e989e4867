"""Checks every hostile file, one after the other, in one process with the limits of a check.

A JSON object a line: what was said, what changed around the data set, what was left, how long it took, what memory.
"""

import hashlib
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from tests.worker.datasets.hostile.corpus import every_entry
from tests.worker.datasets.hostile.entry import Entry
from worker.keeper import check

CPU_SECONDS = 100


def main(place: Path) -> None:
    """Check everything below `place`, which is watched."""
    for name in ("outside", "uploads", "datasets"):
        (place / name).mkdir()
    (place / "outside" / "secret.txt").write_text("secret")
    # As the child of a keeper is: it has the same limits, and the same deafness to warnings.
    check._limit(check.Request("", None, cpu_seconds=CPU_SECONDS))
    warnings.simplefilter("ignore")
    logging.disable()
    os.sync = lambda: None  # which waits for everything that this machine has to write
    os.chdir(place / "uploads")
    for entry in every_entry():
        print(json.dumps(tried(entry, place)), flush=True)


def tried(entry: Entry, place: Path) -> dict[str, Any]:
    """One of them; the folder of the data set is removed where it is ready."""
    upload, folder = place / "uploads" / "upload", place / "datasets" / "ds_hostile"
    data = entry.make(place)
    upload.write_bytes(data)
    before, began = seen_outside(place), time.monotonic()
    aside = str(folder.with_name("aside"))
    verdict = check._verdict(check.Request(str(folder), str(upload), cpu_seconds=CPU_SECONDS, aside=aside))
    seconds = time.monotonic() - began
    after = seen_outside(place)
    left = [path.name for path in (place / "datasets").iterdir()]
    check.shutil.rmtree(folder, ignore_errors=True)
    changed = sorted(set(before.items()) ^ set(after.items()))
    found = {"name": entry.name, "sha256": hashlib.sha256(data).hexdigest(), "verdict": verdict, "changed": changed}
    return found | {"left": left, "seconds": seconds, "peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """The most that this process has held; getrusage counts what its parent held before it became another program."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def seen_outside(place: Path) -> dict[str, str]:
    """Every file and folder that is not the data set's own, with what is in it."""
    found = {}
    for root, folders, files in os.walk(place):
        if root == str(place / "datasets"):
            folders[:] = [name for name in folders if name.lstrip(".") != "ds_hostile"]
        for name in [*folders, *files]:
            path = Path(root, name)
            is_file = path.is_file() and not path.is_symlink()
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() if is_file else str(path.lstat().st_mode)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
