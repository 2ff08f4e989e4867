"""The uint8 cache: one folder per data set, version and size, made aside, synced and renamed into place."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.disk import sync
from worker.datasets.cache_facts import BUILDING, FORMAT, NotCached, note_use, read_facts, remove_abandoned, write_facts
from worker.datasets.filling import Array, filled
from worker.datasets.pictures import Pictures, Pixels, pieces
from worker.datasets.source import Mode
from worker.engine.data import Images
from worker.engine.mapped import Mapped

_BLOCK_BYTES, _BLOCKS = 1 << 20, 64
_COUNTED_BYTES = 8 << 20  #: of pixels at once: to be counted, they become eight times as large

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Contents:
    """What is to be cached. `version` is asked once every picture was decoded."""

    classes: list[str]
    mode: Mode
    side: int
    splits: Mapping[str, Pictures]
    version: Callable[[], str]
    is_built_in: bool = False  #: no row names such a version, so only time tells that nobody uses it


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies in the cache, memory-mapped. Mean and deviation are those of the training split."""

    classes: list[str]
    version: str
    channel_mean: list[float]
    channel_std: list[float]
    splits: dict[str, Images]


def load(folder: Path) -> Entry:
    """Open a cached data set; raises NotCached where there is none or it is not what was written."""
    facts = read_facts(folder)
    try:
        for name, expected in facts["files"].items():
            if _fingerprint(folder / name) != expected:
                raise NotCached(f"{name} is damaged")
        splits = {split: _map(folder, split) for split in facts["splits"]}
        entry = Entry(facts["classes"], facts["version"], facts["channel_mean"], facts["channel_std"], splits)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotCached(str(error)) from error
    note_use(folder)
    return entry


def build(folder: Path, contents: Contents, *, on_progress: OnProgress) -> Entry:
    """Decode everything into `folder`, with every core. Whoever builds the same at the same time loses nothing.

    `on_progress` gets pictures done and pictures in all; what it raises ends the work and leaves nothing behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder.parent)
    aside = Path(tempfile.mkdtemp(prefix=BUILDING, dir=folder.parent))
    try:
        _write(aside, contents, on_progress)
        _publish(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)  # gone already when it was published
    return load(folder)


def _fingerprint(path: Path) -> dict[str, Any]:
    """Size and digest. Of a file over 64 MiB evenly spaced blocks are read: opening must not take seconds."""
    size = path.stat().st_size
    stride = max(size // _BLOCKS, _BLOCK_BYTES)
    found = hashlib.sha256()
    with path.open("rb") as file:
        for start in range(0, size, stride):
            file.seek(start)
            found.update(file.read(_BLOCK_BYTES))
    return {"bytes": size, "sha256": found.hexdigest()}


def _map(folder: Path, split: str) -> Images:
    # Copy-on-write: torch warns of arrays it may not write to. Nothing reaches the file either way.
    pixels = np.load(folder / f"{split}-images.npy", mmap_mode="r")
    return Images(pixels=pixels, labels=np.load(folder / f"{split}-labels.npy"))


def _write(aside: Path, contents: Contents, on_progress: OnProgress) -> None:
    arrays = {split: _allocate(aside, split, pictures, contents) for split, pictures in contents.splits.items()}
    _decode(arrays, contents.splits, on_progress)
    for split, pixels in arrays.items():
        pixels.flush()
        np.save(aside / f"{split}-labels.npy", contents.splits[split].labels)
    write_facts(aside, _facts(aside, arrays, contents))
    for path in [*aside.iterdir(), aside]:
        sync(path)


def _allocate(aside: Path, split: str, pictures: Pictures, contents: Contents) -> Array:
    path = aside / f"{split}-images.npy"
    channels = 1 if contents.mode == "L" else 3
    shape = (len(pictures.labels), channels, contents.side, contents.side)
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    with path.open("r+b") as file:  # on a full disk this is an OSError; a write into the map would be a SIGBUS
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return pixels


def _decode(arrays: Mapping[str, Array], splits: Mapping[str, Pictures], on_progress: OnProgress) -> None:
    total, done = sum(len(pixels) for pixels in arrays.values()), 0
    mapped, picture_bytes = Mapped(*arrays.values()), sum(pixels.nbytes for pixels in arrays.values()) // max(total, 1)
    with closing(filled(arrays, splits)) as counts:  # at once, also where an error still holds it
        for count in counts:
            done += count
            mapped.used(1, count * picture_bytes)
            on_progress(done, total)


def _facts(aside: Path, arrays: Mapping[str, Pixels], contents: Contents) -> dict[str, Any]:
    mean, std = channel_statistics(arrays["train"])
    return {
        "format": FORMAT,
        "version": contents.version(),
        "built_in": contents.is_built_in,
        "classes": contents.classes,
        "mode": contents.mode,
        "side": contents.side,
        "splits": {split: len(pixels) for split, pixels in arrays.items()},
        "channel_mean": mean,
        "channel_std": std,
        "files": {path.name: _fingerprint(path) for path in sorted(aside.iterdir())},
    }


def channel_statistics(pixels: Pixels) -> tuple[list[float], list[float]]:
    """Mean and deviation of pixels / 255 per channel, exact, in memory that does not grow with the set.

    A channel without contrast gets the deviation of one grey level: it will be divided by.
    """
    counts = np.zeros((pixels.shape[1], 256), dtype=np.int64)
    mapped, picture_bytes = Mapped(pixels), pixels[0].nbytes
    for piece in pieces(len(pixels), size=max(1, _COUNTED_BYTES // picture_bytes)):
        for channel in range(pixels.shape[1]):
            block = pixels[piece.start : piece.stop, channel].ravel()
            counts[channel] += np.bincount(block, minlength=256)
        mapped.used(1, len(piece) * picture_bytes)
    levels = np.arange(256) / 255
    mean = counts @ levels / counts.sum(axis=1)
    variance = counts @ levels**2 / counts.sum(axis=1) - mean**2
    return mean.tolist(), np.sqrt(np.maximum(variance, 255.0**-2)).tolist()


def _publish(aside: Path, folder: Path) -> None:
    """Rename into place. If another builder was first, its work is as good; if a damaged one is there, it goes."""
    while True:
        try:
            aside.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            try:
                load(folder)
            except NotCached:
                _set_aside(folder)
                continue
        sync(folder.parent)
        return


def _set_aside(folder: Path) -> None:
    """Take a damaged entry away whole, so that no reader meets half of it."""
    aside = Path(tempfile.mkdtemp(prefix=BUILDING, dir=folder.parent))
    with suppress(FileNotFoundError):  # another builder met the same damage
        folder.rename(aside / "damaged")
    shutil.rmtree(aside, ignore_errors=True)
