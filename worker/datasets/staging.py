"""Lays the pictures of stored arrays out as bytes on disk, where every core can take its part of them.

An npz is one compressed stream: it can be read from its beginning only, and unpacked it may not fit the memory.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from worker.datasets.array_files import ArrayFiles
from worker.datasets.array_sets import ArraySet, judge_arrays
from worker.datasets.cache import OnProgress
from worker.datasets.pictures import ArrayPictures, Pixels
from worker.datasets.source import Mode, Resize


@dataclass(frozen=True, slots=True)
class Staged:
    """The pictures of each split as maps of files without a name, which end with the process."""

    classes: list[str]
    mode: Mode
    version: str
    splits: Mapping[str, ArrayPictures]


def stage(files: ArrayFiles, *, resize: Resize, scratch: Path, on_progress: OnProgress) -> Staged:
    """Read every array once, in order; raises Refused where one is not what it should be.

    `on_progress` hears that nothing is decoded yet, and may end the work by what it raises.
    """
    arrays = judge_arrays(files)
    total = sum(layout.count for layout in arrays.layouts.values())
    scratch.mkdir(parents=True, exist_ok=True)
    opened: dict[str, IO[bytes]] = {}
    try:
        for split in arrays.labels:
            opened[split] = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - closed below, as many as there are
        for split, pixels in arrays.pictures():
            opened[split].write(pixels.data)
            on_progress(0, total)
        maps = {split: _map(file, arrays, split) for split, file in opened.items()}
    finally:
        for file in opened.values():
            file.close()
    splits = {split: ArrayPictures(pixels, arrays.labels[split], resize) for split, pixels in maps.items()}
    return Staged(arrays.classes, arrays.mode, arrays.version, splits)


def _map(file: IO[bytes], arrays: ArraySet, split: str) -> Pixels:
    file.flush()
    layout = arrays.layouts[split]
    colours = () if layout.channels == 1 else (3,)
    return np.memmap(file, np.uint8, mode="r", shape=(layout.count, layout.height, layout.width, *colours))
