"""Opens a data set for the engine: from the cache, or by making the cache first."""

import hashlib
import os
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.domain import catalog
from worker.datasets import built_in, cache
from worker.datasets.array_files import ArrayFiles, find_arrays
from worker.datasets.cache import Contents, Entry, OnProgress
from worker.datasets.cache_facts import NotCached
from worker.datasets.class_folders import ClassFolders, Labelled, content_version, read_class_folders
from worker.datasets.decoding import read
from worker.datasets.errors import DatasetInvalid, Refused
from worker.datasets.pictures import FilePictures, pieces
from worker.datasets.source import DatasetSource, Resize
from worker.datasets.splitting import MadeSplit
from worker.datasets.staging import stage
from worker.engine.data import Dataset


@dataclass(frozen=True, slots=True)
class OpenedDataset:
    """The data set, and the version of its content: the SHA-256 that a job and its model record."""

    dataset: Dataset
    version: str


def open_dataset(
    source: DatasetSource, *, target_size: int, cache_root: Path, on_progress: OnProgress, resize: Resize = "crop"
) -> OpenedDataset:
    """Map the pixels of `source` as squares of at most `target_size`; raises DatasetUnavailable, DatasetInvalid.

    Pictures are cached at the smaller of the target and their own size (in a folder of many sizes, the median
    of the shorter sides): enlarging is left to the device, where it costs no disk. `resize` says how pictures
    that are no squares become some; those of the built-in sets are.
    """
    if source.kind == "built_in":
        entry = _open_built_in(source, target_size, cache_root, on_progress)
    else:
        entry = _open_folder(source, target_size, cache_root, resize=resize, on_progress=on_progress)
    train, test = entry.splits["train"], entry.splits.get("test")
    dataset = Dataset(source.name, entry.classes, train, test, entry.channel_mean, entry.channel_std)
    return OpenedDataset(dataset, entry.version)


def _open_built_in(source: DatasetSource, target_size: int, cache_root: Path, on_progress: OnProgress) -> Entry:
    files = built_in.locate(source.name, source.root)
    fact = catalog.datasets()[source.name]
    side = min(target_size, fact.size)

    def contents() -> Contents:
        splits = built_in.read(source.name, source.root)
        version = partial(built_in.content_version, splits)
        return Contents(fact.classes, fact.mode, side, splits, version, is_built_in=True)

    # The version takes reading all of it; as long as no file was touched, it is what it was.
    touched = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    key = _key("built_in", source.name, *touched, side=side)
    entry = _cached(cache_root / key, contents, on_progress)
    if source.version not in (None, entry.version):
        detail = f"{source.name} has the version {entry.version} on this worker, not {source.version}."
        raise DatasetInvalid(detail, hint="Leave the version out, or give the worker the files it was made of.")
    return entry


def _open_folder(
    source: DatasetSource, target_size: int, cache_root: Path, *, resize: Resize, on_progress: OnProgress
) -> Entry:
    if source.version is None or source.mode is None or source.side is None:
        raise DatasetInvalid(f"{source.name} was not checked yet.", hint="Wait until its state is ready.")
    side = min(target_size, source.side)
    key = _key(source.version, source.mode, resize, side=side)
    make = partial(_folder_contents, source, side, resize=resize, scratch=cache_root, on_progress=on_progress)
    try:
        return _cached(cache_root / key, make, on_progress)
    except Refused as error:
        raise DatasetInvalid(f"{source.name}, {error}") from error
    except FileNotFoundError as error:
        raise _changed(source) from error


def _cached(folder: Path, contents: Callable[[], Contents], on_progress: OnProgress) -> Entry:
    try:
        return cache.load(folder)
    except NotCached:
        return cache.build(folder, contents(), on_progress=on_progress)


def _key(*parts: str, side: int) -> str:
    return f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:40]}-{side}"


def _folder_contents(
    source: DatasetSource, side: int, *, resize: Resize, scratch: Path, on_progress: OnProgress
) -> Contents:
    arrays = find_arrays(source.root)
    if arrays is not None:
        return _array_contents(source, side, arrays, resize=resize, scratch=scratch, on_progress=on_progress)
    return _file_contents(source, side, resize=resize, on_progress=on_progress)


def _array_contents(
    source: DatasetSource, side: int, arrays: ArrayFiles, *, resize: Resize, scratch: Path, on_progress: OnProgress
) -> Contents:
    if source.split and arrays.test:
        raise _changed(source, now="They have a test split now.")
    staged = stage(arrays, resize=resize, scratch=scratch, on_progress=on_progress, split=source.split)
    if staged.version != source.version:
        raise _changed(source)
    return Contents(staged.classes, staged.mode, side, staged.splits, lambda: staged.version)


def _file_contents(source: DatasetSource, side: int, *, resize: Resize, on_progress: OnProgress) -> Contents:
    found = read_class_folders(source.root).without(source.skipped)
    if found.problems:  # its check found none
        raise _changed(source, now=found.problems[0].detail)
    splits = {
        name: FilePictures(found.root, files, source.mode or "RGB", resize)
        for name, files in _split_files(found, source, on_progress).items()
        if files.labels
    }

    def version() -> str:
        digests = {path: digest for split in splits.values() for path, digest in split.digests.items()}
        actual = content_version(digests)
        actual = source.split.version(actual) if source.split else actual
        if actual != source.version:
            raise _changed(source)
        return actual

    return Contents(found.classes, source.mode or "RGB", side, splits, version)


def _split_files(found: ClassFolders, source: DatasetSource, on_progress: OnProgress) -> dict[str, Labelled]:
    if source.split is None:
        return {"train": found.train, "test": found.test}
    if found.test.paths:
        raise _changed(source, now="They have a test split now.")
    marks = source.split.marks(_ranks(found, source.split, on_progress), found.train.labels)
    return {"train": found.train.only(not mark for mark in marks), "test": found.train.only(marks)}


def _ranks(found: ClassFolders, split: MadeSplit, on_progress: OnProgress) -> "array[int]":
    """Read each file for its digest; decoding reads it again, from the system's memory where that is large enough."""
    paths = [f"{found.root}/{path}" for path in found.train.paths]
    ranks = array("Q")
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        for piece in pieces(len(paths)):
            ranks.extend(split.ranks(executor.map(_digest, paths[piece.start : piece.stop])))
            on_progress(0, len(paths))
    return ranks


def _digest(path: str) -> bytes:
    return hashlib.sha256(read(path)).digest()


def _changed(source: DatasetSource, *, now: str = "") -> DatasetInvalid:
    detail = f"The images of {source.name} are not the ones that were checked: files were changed, added or removed."
    hint = "Put the files back, or add the data set again under another name."
    return DatasetInvalid(f"{detail} {now}".rstrip(), hint=hint)
