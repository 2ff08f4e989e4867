"""Opens a data set for the engine: from the cache, or by making the cache first."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.domain import catalog
from worker.datasets import built_in, cache
from worker.datasets.cache import Contents, Entry, NotCached, OnProgress
from worker.datasets.class_folders import ClassFolders, content_version, read_class_folders
from worker.datasets.errors import DatasetInvalid, Refused
from worker.datasets.pictures import FilePictures
from worker.datasets.source import DatasetSource
from worker.engine.data import Dataset


@dataclass(frozen=True, slots=True)
class OpenedDataset:
    """The data set, and the version of its content: the SHA-256 that a job and its model record."""

    dataset: Dataset
    version: str


def open_dataset(
    source: DatasetSource, *, target_size: int, cache_root: Path, on_progress: OnProgress
) -> OpenedDataset:
    """Map the pixels of `source` as squares of at most `target_size`; raises DatasetUnavailable, DatasetInvalid.

    Pictures are cached at the smaller of the target and their own size (in a folder of many sizes, the median
    of the shorter sides): enlarging is left to the device, where it costs no disk.
    """
    opened = _open_built_in if source.kind == "built_in" else _open_folder
    entry = opened(source, target_size, cache_root, on_progress)
    train, test = entry.splits["train"], entry.splits.get("test")
    dataset = Dataset(source.name, entry.classes, train, test, entry.channel_mean, entry.channel_std)
    return OpenedDataset(dataset, entry.version)


def _open_built_in(source: DatasetSource, target_size: int, cache_root: Path, on_progress: OnProgress) -> Entry:
    files = built_in.locate(source.name, source.root)
    fact = catalog.datasets()[source.name]
    side = min(target_size, fact.size)

    def contents() -> Contents:
        splits = built_in.read(source.name, source.root)
        return Contents(fact.classes, fact.mode, side, splits, lambda: built_in.content_version(splits))

    # The version takes reading all of it; as long as no file was touched, it is what it was.
    touched = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    key = _key("built_in", source.name, *touched, side=side)
    entry = _cached(cache_root / key, contents, on_progress)
    if source.version not in (None, entry.version):
        detail = f"{source.name} has the version {entry.version} on this worker, not {source.version}."
        raise DatasetInvalid(detail, hint="Leave the version out, or give the worker the files it was made of.")
    return entry


def _open_folder(source: DatasetSource, target_size: int, cache_root: Path, on_progress: OnProgress) -> Entry:
    if source.version is None or source.mode is None or source.side is None:
        raise DatasetInvalid(f"{source.name} was not checked yet.", hint="Wait until its state is ready.")
    side = min(target_size, source.side)
    key = _key(source.version, source.mode, side=side)
    try:
        return _cached(cache_root / key, lambda: _folder_contents(source, side), on_progress)
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


def _folder_contents(source: DatasetSource, side: int) -> Contents:
    found = read_class_folders(source.root)
    if found.problems:
        raise DatasetInvalid(f"{source.name}: {found.problems[0].detail}", hint=found.problems[0].hint)
    splits = _splits(found, source)

    def version() -> str:
        digests = {path: digest for split in splits.values() for path, digest in split.digests.items()}
        if (actual := content_version(digests)) != source.version:
            raise _changed(source)
        return actual

    return Contents(found.classes, source.mode or "RGB", side, splits, version)


def _splits(found: ClassFolders, source: DatasetSource) -> dict[str, FilePictures]:
    files = {"train": found.train, "test": found.test}
    return {
        split: FilePictures(found.root, labelled, source.mode or "RGB")
        for split, labelled in files.items()
        if labelled.labels
    }


def _changed(source: DatasetSource) -> DatasetInvalid:
    detail = f"The images of {source.name} are not the ones that were checked: files were changed, added or removed."
    return DatasetInvalid(detail, hint="Put the files back, or add the data set again under another name.")
