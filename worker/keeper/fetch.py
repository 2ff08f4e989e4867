"""Fetches a published set in a process of its own, which has limits and no secrets: `python -m worker.keeper.fetch`.

A `Request` comes as one line of JSON on standard input; what happens leaves as lines of JSON on standard output, the
last of which says how it ended: `{"fetched": …}` or `{"failed": …}`.
"""

import json
import logging
import os
import resource
import shutil
import sys
import threading
import time
import traceback
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from app.disk import is_full
from app.domain import catalog
from app.domain.published import SETS, PublishedSet
from worker.datasets import built_in
from worker.datasets.errors import DownloadCorrupt, DownloadFailed
from worker.datasets.retrieving import Downloads
from worker.datasets.rewriting import rewrite
from worker.datasets.torchvision_sets import download, open_beforehand, place_of
from worker.engine.errors import EngineError, HostOutOfMemory
from worker.keeper.children import end_with_parent
from worker.messages import Failed

MEMORY_BYTES = 8 << 30
PREPARED = "set"  #: what is handed over, below the request's folder
_SAY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """The set to fetch, the folder that may hold its files beforehand, and a new one to work in, on the same disk."""

    name: str
    root: str
    folder: str


class Line:
    """What the keeper hears."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._said = 0.0

    def send(self, **message: Any) -> None:  # noqa: ANN401
        """Say something."""
        print(json.dumps(message), file=self._file, flush=True)

    def progress(self, done: int, total: int | None) -> None:
        """Say how far it has come, now and then."""
        if time.monotonic() - self._said >= _SAY_SECONDS or done == total:
            self._said = time.monotonic()
            self.send(progress=[done, total])

    def downloaded(self, name: str, done: int, total: int | None) -> None:
        """The same of a file, which is named as it begins."""
        if done == 0:
            size = "" if total is None else f", {total:,} bytes"
            self.send(note=f"Downloading {name}{size}.")
        self.progress(done, total)


def fetch(request: Request, line: Line) -> dict[str, Any]:
    """What is there now; raises EngineError."""
    if request.name in SETS:
        return _fetch_published(SETS[request.name], Path(request.root), Path(request.folder), line)
    return _fetch_of_catalog(request.name, Path(request.root), Path(request.folder), line)


def _fetch_published(wanted: PublishedSet, root: Path, folder: Path, line: Line) -> dict[str, Any]:
    opened = open_beforehand(wanted, root, folder / "beforehand")
    is_beforehand = opened is not None
    if opened is None:
        line.send(phase="downloading")
        opened = download(wanted, root, folder / "downloaded", Downloads(line.downloaded))
    line.send(phase="preparing")
    if is_beforehand:
        line.send(note="Its files were in the data folder already; nothing is downloaded.")
    rewrite(opened, folder / PREPARED, wanted.class_names, line.progress)
    for leftover in ("beforehand", "downloaded"):  # here, where nobody waits for it; what is linked stays
        shutil.rmtree(folder / leftover, ignore_errors=True)
    os.sync()  # thousands of files: one sync costs less than one for each
    return {"bytes": sum(path.stat().st_size for path in (folder / PREPARED).rglob("*") if path.is_file())}


def _fetch_of_catalog(name: str, root: Path, folder: Path, line: Line) -> dict[str, Any]:
    """One that every worker can read as it is: it only has to be there."""
    was_there = built_in.is_complete(name, root)
    if not was_there:
        line.send(phase="downloading")
        with Downloads(line.downloaded).counted():
            built_in.fetch(name, root, aside=folder)
    line.send(phase="checking")
    splits = built_in.read(name, root)
    counts = {split: len(splits[split].labels) if split in splits else 0 for split in ("train", "test")}
    size = sum(path.stat().st_size for path in built_in.locate(name, root))
    version = built_in.content_version(splits)
    facts = {"version": version, "classes": catalog.datasets()[name].classes, "counts": counts, "bytes": size}
    return facts | {"already_there": was_there}


def _ending(request: Request, line: Line) -> dict[str, Any]:
    try:
        return {"fetched": fetch(request, line)}
    except (DownloadFailed, DownloadCorrupt) as error:
        place = f" Their place there is {place_of(SETS[request.name])}." if request.name in SETS else ""
        return _ended_with(error.code, error.title, error.detail, error.hint + place, retryable=True)
    except EngineError as error:
        return _ended_with(error.code, error.title, error.detail, error.hint)
    except MemoryError:
        detail = f"Fetching it needed more than {MEMORY_BYTES >> 30} GiB of memory."
        return _ended_with(HostOutOfMemory.code, HostOutOfMemory.title, detail, "Give the keeper more, or report it.")
    except Exception as error:  # noqa: BLE001 - the last resort: the job must end with a word
        if isinstance(error, OSError) and is_full(error):
            return {"failed": asdict(storage_full())}
        traceback.print_exc()  # into the keeper's log; users get none
        summary = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        title = "The import met an error it did not foresee"
        return _ended_with("internal_error", title, summary, "See the keeper's log for the traceback and report it.")


def storage_full() -> Failed:
    """Also what the keeper says where less is free than it keeps free."""
    hint = "Free disk space on the keeper's machine, or lower SUPERCYCLE_DISK_FLOOR_BYTES; then retry the job."
    detail = "There is no room for the data set in the keeper's data folder. Nothing of it is kept."
    return Failed("storage_full", "The server's disk is full", detail, hint, retryable=True)


def _ended_with(code: str, title: str, detail: str, hint: str, *, retryable: bool = False) -> dict[str, Any]:
    return {"failed": asdict(Failed(code, title, detail, hint, retryable=retryable))}


def main() -> None:
    """Fetch what standard input asks for."""
    request = Request(**json.loads(sys.stdin.readline()))
    threading.Thread(target=end_with_parent, daemon=True).start()
    line = Line(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)  # libraries may print
    warnings.simplefilter("ignore")
    logging.disable()
    # Not of the address space, of which torch takes several GiB for its libraries alone.
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    line.send(**_ending(request, line))


if __name__ == "__main__":
    main()
