"""Opens a published set through torchvision: from files that were there beforehand, or downloaded into a folder."""

import inspect
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.domain.published import Part, PublishedSet
from worker.datasets.errors import FilesNeeded, PackageMissing, reason_of
from worker.datasets.retrieving import Downloads

_OURS = ("imported", "uploaded")  #: folders of the service's own among the sets
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".mat")
_DEEPEST = 2  #: folders above an archive, as in EMNIST/raw/gzip.zip
# What torchvision raises where files are missing or are not what they should be.
_ABSENT = (OSError, RuntimeError, ValueError, LookupError, EOFError, tarfile.TarError)


@dataclass(frozen=True, slots=True)
class Opened:
    """Datasets of torchvision, which give their pictures as paths where they can."""

    train: list[Any]
    test: list[Any]


def open_beforehand(wanted: PublishedSet, root: Path, aside: Path) -> Opened | None:
    """The set from files that the operator has put below `root`, or None.

    It is opened through links in the folder `aside`, so that nothing is unpacked or made in the operator's folder.
    Raises FilesNeeded for a set that cannot be downloaded either, PackageMissing where torchvision cannot read it.
    """
    if wanted.needs and find_spec(wanted.needs) is None:
        raise PackageMissing(f"torchvision reads {wanted.name} with the package {wanted.needs}.")
    aside.mkdir()
    for path in _entries(root / wanted.folder):
        (aside / path.name).symlink_to(path.absolute())
    try:
        return _opened(wanted, aside, download=False)
    except _ABSENT as error:
        if wanted.downloads:
            return None
        reason = reason_of(error).replace(f"{aside}/", "")
        detail = f"torchvision cannot download {wanted.name}, and cannot read what is there: {reason}"
        hint = f"Put its files into the keeper's data folder, at {place_of(wanted)}; then retry the job."
        raise FilesNeeded(detail, hint=hint) from error


def download(wanted: PublishedSet, root: Path, aside: Path, downloads: Downloads) -> Opened:
    """The set, downloaded into `aside`; archives that the operator has put below `root` are taken from there."""
    aside.mkdir()
    for path in _archives(root):
        _link(path, aside / path.relative_to(root))
    with downloads.counted():
        return _opened(wanted, aside, download=True)


def place_of(wanted: PublishedSet) -> str:
    """Where its files are looked for, below the data folder."""
    return f"datasets/{wanted.place}"


def _opened(wanted: PublishedSet, root: Path, *, download: bool) -> Opened:
    more = {"download": download} if wanted.downloads else {}
    return Opened(*([_part(wanted, root, part, more) for part in parts] for parts in (wanted.train, wanted.test)))


def _part(wanted: PublishedSet, root: Path, part: Part, more: dict[str, Any]) -> Any:  # noqa: ANN401
    from torchvision import datasets  # noqa: PLC0415 - takes seconds

    kind = getattr(datasets, wanted.kind)
    if issubclass(kind, datasets.ImageFolder) or "loader" in inspect.signature(kind).parameters:
        more = more | {"loader": str}  # the path itself
    return kind(str(root), **part, **more)


def _entries(root: Path) -> Iterator[Path]:
    """What the operator may have put there."""
    if not root.is_dir():
        return
    yield from (path for path in sorted(root.iterdir()) if path.name not in _OURS and not path.name.startswith("."))


def _archives(root: Path) -> Iterator[Path]:
    for entry in _entries(root):
        if entry.is_file():
            yield from (path for path in [entry] if path.suffix in _ARCHIVES)
            continue
        for place, folders, names in os.walk(entry):
            if len(Path(place).relative_to(root).parts) >= _DEEPEST:
                folders.clear()
            yield from (Path(place, name) for name in sorted(names) if Path(name).suffix in _ARCHIVES)


def _link(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(path.absolute())
