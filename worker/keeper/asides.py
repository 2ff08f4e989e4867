"""Where an upload is unpacked until it has passed: a folder for each attempt, locked by the keeper that began it.

Two keepers may check one set for a while, where the first is cut off; so no attempt touches what another one uses.
"""

import fcntl
import shutil
import tempfile
from contextlib import suppress
from errno import EEXIST, ENOTEMPTY
from pathlib import Path

_LOCK = "lock"


class Aside:
    """A folder beside the one that the set will have. The system gives its lock back when the keeper ends."""

    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._place = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        self._lock = (self._place / _LOCK).open("w")
        with suppress(OSError):  # a file system without locks: then age alone tells what was abandoned
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    @property
    def images(self) -> Path:
        """Where to unpack; made by whoever does."""
        return self._place / "images"

    def remove(self) -> None:
        """With all that is still in it."""
        shutil.rmtree(self._place, ignore_errors=True)
        self._lock.close()


def is_abandoned(place: Path) -> bool:
    """Whether the keeper that made this folder has ended. One that an earlier release made has no lock."""
    try:
        with (place / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def remove_abandoned(folder: Path) -> None:
    """Make room: remove what earlier attempts at this set left when their keepers were killed."""
    for place in folder.parent.glob(f".{folder.name}-*"):
        if is_abandoned(place):
            shutil.rmtree(place, ignore_errors=True)


def put_in_place(images: Path, folder: Path) -> None:
    """One rename. Where another check of the same archive was first, its files are as good, unless some are gone."""
    while not _is_renamed(images, folder):
        if _sizes(folder) == _sizes(images):
            return
        discarded = images.with_name("discarded")
        with suppress(FileNotFoundError):  # somebody removed the rest of it
            folder.rename(discarded)
        shutil.rmtree(discarded, ignore_errors=True)


def _is_renamed(images: Path, folder: Path) -> bool:
    try:
        images.rename(folder)
    except OSError as error:
        if error.errno not in (EEXIST, ENOTEMPTY):
            raise
        return False
    return True


def _sizes(folder: Path) -> dict[str, int]:
    """Of every file, by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    with suppress(FileNotFoundError):  # somebody is removing it
        return {str(path.relative_to(folder)): path.stat().st_size for path in files}
    return {}
