"""Lays the pictures of stored arrays out as bytes on disk, where every core can take its part of them.

An npz is one compressed stream: it can be read from its beginning only, and unpacked it may not fit the memory.
"""

import tempfile
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from worker.datasets.array_files import ArrayFiles
from worker.datasets.array_sets import ArraySet, digests_of, judge_arrays
from worker.datasets.cache import OnProgress
from worker.datasets.pictures import ArrayPictures, Pixels
from worker.datasets.source import Mode, Resize
from worker.datasets.splitting import MadeSplit


@dataclass(frozen=True, slots=True)
class Staged:
    """The pictures of each split as maps of files without a name, which end with the process."""

    classes: list[str]
    mode: Mode
    version: str
    splits: Mapping[str, ArrayPictures]


def stage(
    files: ArrayFiles, *, resize: Resize, scratch: Path, on_progress: OnProgress, split: MadeSplit | None = None
) -> Staged:
    """Read every array once, in order; raises Refused where one is not what it should be.

    With `split`, test images are taken out of the training images. `on_progress` hears that nothing is decoded yet,
    and may end the work by what it raises.
    """
    arrays = judge_arrays(files)
    total = sum(layout.count for layout in arrays.layouts.values())
    scratch.mkdir(parents=True, exist_ok=True)
    opened: dict[str, IO[bytes]] = {}
    ranks = array("Q")
    try:
        for name in arrays.labels:
            opened[name] = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - closed below, as many as there are
        for name, pixels in arrays.pictures():
            opened[name].write(pixels.data)
            if split is not None:
                ranks.extend(split.ranks(digests_of(pixels)))
            on_progress(0, total)
        maps = {name: _map(file, arrays, name) for name, file in opened.items()}
    finally:
        for file in opened.values():
            file.close()
    splits = {name: ArrayPictures(pixels, arrays.labels[name], resize) for name, pixels in maps.items()}
    if split is None:
        return Staged(arrays.classes, arrays.mode, arrays.version, splits)
    divided = _divided(splits["train"], split.marks(ranks, arrays.labels["train"].tolist()))
    return Staged(arrays.classes, arrays.mode, split.version(arrays.version), divided)


def _divided(pictures: ArrayPictures, marks: bytearray) -> dict[str, ArrayPictures]:
    is_test = np.frombuffer(marks, dtype=np.bool_)
    places = {"train": np.flatnonzero(~is_test), "test": np.flatnonzero(is_test)}
    return {name: replace(pictures, labels=pictures.labels[at], places=at) for name, at in places.items()}


def _map(file: IO[bytes], arrays: ArraySet, split: str) -> Pixels:
    file.flush()
    layout = arrays.layouts[split]
    colours = () if layout.channels == 1 else (3,)
    return np.memmap(file, np.uint8, mode="r", shape=(layout.count, layout.height, layout.width, *colours))
