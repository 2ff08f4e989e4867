"""The data sets that come with the service: found on disk, or else downloaded once."""

import hashlib
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from app.domain import catalog
from worker.datasets.errors import DatasetInvalid, DatasetUnavailable
from worker.datasets.layouts import LAYOUTS, Splits
from worker.datasets.pictures import ArrayPictures

SOCKET_TIMEOUT = timedelta(seconds=15)
DOWNLOAD = ".download-"  #: begins the name of a folder beside the sets, whose worker may have been killed


def locate(name: str, root: Path) -> list[Path]:
    """The files of a set below `root`. What is missing is downloaded, in one attempt that does not hang."""
    if name not in LAYOUTS:
        raise DatasetUnavailable(f"This worker has no data set {name!r}.", hint="Run the same release everywhere.")
    if not is_complete(name, root):
        _download(name, root)
    return [next(path for path in choices if path.is_file()) for choices in LAYOUTS[name].places(root)]


def read(name: str, root: Path) -> Splits:
    """Load a set that is there; raises DatasetInvalid if it is not what was published."""
    fact = catalog.datasets()[name]
    try:
        splits = LAYOUTS[name].read(root)
    except (OSError, ValueError, RuntimeError, EOFError) as error:
        raise DatasetInvalid(f"The files of {name} cannot be read: {error}") from error
    for split, pictures in splits.items():
        _refuse_mismatch(pictures, fact, what=f"The {split} split of {name}")
    return splits


def content_version(splits: Splits) -> str:
    """The version by pixels and labels: the same images give the same one, in whatever file they came."""
    listing = "".join(f"{split}\0{splits[split].digest()}\n" for split in sorted(splits))
    return f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}"


def is_complete(name: str, root: Path) -> bool:
    """Whether all its files are there."""
    return all(any(path.is_file() for path in choices) for choices in LAYOUTS[name].places(root))


def _download(name: str, root: Path) -> None:
    """Fetch into a folder aside: half a download must not look like the set."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=DOWNLOAD, dir=root) as aside:
        try:
            with _short_socket_timeout():
                fetch(name, root, aside=Path(aside))
        except (OSError, RuntimeError) as error:  # torchvision wraps what the network raises in RuntimeError
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            detail = f"{name} is not in the worker's folder of data sets, and its download failed: {reason}"
            raise DatasetUnavailable(detail) from error


def fetch(name: str, root: Path, *, aside: Path) -> None:
    """Download into the folder `aside`, and move what came whole; raises whatever torchvision does."""
    LAYOUTS[name].fetch(aside)
    _move_files(aside, root)


@contextmanager
def _short_socket_timeout() -> Iterator[None]:
    # torchvision sets no timeout, and without one a silent host would hold the job for ever.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SOCKET_TIMEOUT.total_seconds())
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _move_files(aside: Path, root: Path) -> None:
    """Keep what was unpacked; the archives it came in stay behind."""
    for path in [path for path in aside.rglob("*") if path.is_file() and path.suffix != ".gz"]:
        target = root / path.relative_to(aside)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)


def _refuse_mismatch(pictures: ArrayPictures, fact: catalog.DatasetFact, *, what: str) -> None:
    images, labels = pictures.images, pictures.labels
    colours = () if fact.mode == "L" else (3,)
    if images.shape[1:] != (fact.size, fact.size, *colours) or not 0 < len(images) == len(labels):
        raise DatasetInvalid(f"{what} holds pixels of shape {images.shape} and {len(labels)} labels.")
    if labels.min() < 0 or labels.max() >= len(fact.classes):
        raise DatasetInvalid(f"{what} holds labels outside 0 to {len(fact.classes) - 1}.")
