"""Fills the arrays of a cache: with threads from arrays, and with helpers from many files.

`python -m worker.datasets.filling` is such a helper. It writes into the files of the cache by itself.
"""

import functools
import logging
import os
import time
import warnings
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from worker.datasets.class_folders import Labelled
from worker.datasets.crew import Helpers, Pace, serve
from worker.datasets.pictures import FilePictures, Pictures, pieces
from worker.engine.mapped import Mapped

Array = np.memmap[Any, np.dtype[np.uint8]]
Counts = Generator[int, None, None]
Part = tuple[str, range]  #: some pictures of a split


def filled(arrays: Mapping[str, Array], splits: Mapping[str, Pictures]) -> Counts:
    """Decode each split into its array; yields, for each part of the work that is done, how many pictures it was.

    Closing it ends the work.
    """
    files = {split: pictures for split, pictures in splits.items() if isinstance(pictures, FilePictures)}
    return _from_files(arrays, files) if len(files) == len(splits) else _with_threads(arrays, splits)


def _with_threads(arrays: Mapping[str, Array], splits: Mapping[str, Pictures]) -> Counts:
    executor = ThreadPoolExecutor(os.cpu_count())
    try:
        work = {
            executor.submit(splits[split].decode, pixels, piece): len(piece)
            for split, pixels in arrays.items()
            for piece in pieces(len(pixels))
        }
        for future in as_completed(work):
            future.result()
            yield work[future]
    finally:
        executor.shutdown(cancel_futures=True)


def _from_files(arrays: Mapping[str, Array], splits: Mapping[str, FilePictures]) -> Counts:
    left = [(split, range(len(pixels))) for split, pixels in arrays.items()]
    pace = Pace(sum(len(pixels) for pixels in arrays.values()))
    while left and not pace.helpers_pay():
        split, piece = _take(left, pace.at_once)
        began = time.perf_counter()
        splits[split].decode(arrays[split], piece)
        pace.take(len(piece), since=began)
        yield len(piece)
    if left:
        yield from _with_helpers(arrays, splits, list(_parts(left, pace.at_once)))


def _with_helpers(arrays: Mapping[str, Array], splits: Mapping[str, FilePictures], parts: list[Part]) -> Counts:
    requests = (_request(arrays[split], splits[split], piece) for split, piece in parts)
    with Helpers(__name__) as helpers:
        for (split, piece), digests in zip(parts, helpers.ask_all(requests), strict=True):
            if digests is None:  # so that what is wrong is met here, and raised
                splits[split].decode(arrays[split], piece)
            else:
                splits[split].digests.update(digests)
            yield len(piece)


def _parts(left: list[Part], at_once: int) -> Iterator[Part]:
    while left:
        yield _take(left, at_once)


def _take(left: list[Part], at_once: int) -> Part:
    """The next pictures of what is left."""
    (split, places), *others = left
    rest = places[at_once:]
    left[:] = [(split, rest), *others] if rest else others
    return split, places[:at_once]


def _request(pixels: Array, pictures: FilePictures, piece: range) -> dict[str, Any]:
    return {
        "array": str(pixels.filename),
        "start": piece.start,
        "root": str(pictures.root),
        "paths": pictures.files.paths[piece.start : piece.stop],
        "mode": pictures.mode,
        "resize": pictures.resize,
    }


def _answer(request: Any) -> dict[str, str] | None:  # noqa: ANN401
    """The digests of the pictures that are in the cache now; None where something is wrong."""
    files = Labelled(request["paths"])
    pictures = FilePictures(Path(request["root"]), files, request["mode"], request["resize"])
    array, mapped = _opened(request["array"])
    pixels = array[request["start"] :][: len(files.paths)]
    try:
        pictures.decode(pixels, range(len(pixels)))
    except Exception:  # noqa: BLE001 - whatever it is, the asker tries the same, and has a better word for it
        return None
    mapped.used(1, pixels.nbytes)
    return pictures.digests


@functools.cache
def _opened(path: str) -> tuple[Array, Mapped]:
    array: Array = np.load(path, mmap_mode="r+")
    return array, Mapped(array)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Pillow's, on odd metadata, of which the check has told
    logging.disable()
    serve(_answer)
