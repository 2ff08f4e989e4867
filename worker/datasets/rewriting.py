"""Turns a dataset of torchvision into what a check reads: class folders, or one npz where it comes as arrays."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from worker.datasets.array_files import NPZ_NAME
from worker.datasets.decoding import FORMATS, SUFFIXES
from worker.datasets.torchvision_sets import Opened

LONGEST_NAME_BYTES = 200
OnProgress = Callable[[int, int], None]
_NAMES = ("classes", "categories", "all_categories", "_characters")  #: what torchvision's datasets call them


def rewrite(opened: Opened, folder: Path, given: Sequence[str], on_progress: OnProgress) -> None:
    """Write the set below the new `folder`; `given` are the names of its classes where torchvision has none."""
    folder.mkdir()
    if _arrays(opened.train[0]) is not None:
        _write_arrays(opened, folder, given)
    else:
        _write_folders(opened, folder, given, on_progress)


# -- arrays -----------------------------------------------------------------------------------------------------------


def _arrays(part: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:  # noqa: ANN401
    """Its pictures and labels, where it holds all of them."""
    images = getattr(part, "data", None)
    if not hasattr(images, "shape"):
        return None
    labels = np.asarray(part.targets if hasattr(part, "targets") else part.labels)
    labels = labels[:, 0] if labels.ndim == 2 else labels  # QMNIST has more to say of each
    return np.ascontiguousarray(np.asarray(images)), labels.astype(np.int64)


def _write_arrays(opened: Opened, folder: Path, given: Sequence[str]) -> None:
    names = _names(opened.train[0], given)
    arrays: dict[str, Any] = {}
    for split, parts in (("train", opened.train), ("test", opened.test)):
        for images, labels in filter(None, map(_arrays, parts)):
            arrays |= {f"x_{split}": images, f"y_{split}": labels}
    used = np.unique(arrays["y_train"])  # of EMNIST's letters no image has the first label
    arrays |= {name: np.searchsorted(used, arrays[name]) for name in arrays if name.startswith("y_")}
    np.savez(folder / NPZ_NAME, **arrays, classes=np.array([names(int(label)) for label in used]))


# -- files ------------------------------------------------------------------------------------------------------------


def _write_folders(opened: Opened, folder: Path, given: Sequence[str], on_progress: OnProgress) -> None:
    total, done = sum(len(part) for part in (*opened.train, *opened.test)), 0
    for split, parts in (("train", opened.train), ("test", opened.test)):
        for part in parts:
            names = _names(part, given)
            for number, (item, label) in enumerate(_items(part)):
                done += 1
                on_progress(done, total)
                if label is not None:  # FER2013 keeps those of its test images to itself
                    _place(item, folder / split / names(int(label)), number)
                if isinstance(item, Image.Image):
                    item.close()


def _items(part: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401
    """Paths or pictures, and labels."""
    if hasattr(part, "_segs"):  # the pets, which are opened with a path only within
        return zip(part._images, part._labels, strict=True)
    return (part[index] for index in range(len(part)))


def _place(item: Any, folder: Path, number: int) -> None:  # noqa: ANN401
    """Have a picture lie in its class folder: linked where it is a file that is read, else saved without loss."""
    folder.mkdir(parents=True, exist_ok=True)
    path = getattr(item, "filename", None) or (None if isinstance(item, Image.Image) else item)
    if path is None:
        item.save(_free(folder, f"{number:06d}.png"))
    elif _is_read(path := Path(os.path.realpath(path))):
        _link(path, _free(folder, path.name))
    else:
        with Image.open(path) as image:
            image.save(_free(folder, f"{path.stem}.png"))


def _is_read(path: Path) -> bool:
    """Whether it is of a format that uploads may have; what is no picture is left for the check to find."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        with Image.open(path) as image:
            return image.format in FORMATS
    except UnidentifiedImageError:
        return True


def _link(path: Path, target: Path) -> None:
    """A hard link takes no room; where none can be made, a copy."""
    try:
        target.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, target)


def _free(folder: Path, name: str) -> Path:
    """The name, or, where another part has brought a file of that name, one before it."""
    choices = (folder / (f"{number}-{name}" if number else name) for number in count())
    return next(path for path in choices if not path.exists())


# -- names ------------------------------------------------------------------------------------------------------------


def _names(part: Any, given: Sequence[str]) -> Callable[[int], str]:  # noqa: ANN401
    """What each label is called."""
    known: Any = next((getattr(part, name) for name in _NAMES if getattr(part, name, None)), given)
    if not known and hasattr(part, "class_to_idx"):
        by_label = {label: name for name, label in part.class_to_idx.items()}
        return lambda label: safe_name(by_label[label])
    names = unique_names([safe_name(name if isinstance(name, str) else name[0]) for name in known])
    return lambda label: names[label] if names else str(label)


def safe_name(name: str) -> str:
    """Fit to be a folder, and to be shown: `F/A-18` is `F-A-18`."""
    shown = "".join(letter if letter.isprintable() else "_" for letter in name.strip().strip("/"))
    short = shown.replace("/", "-").lstrip(".").encode()[:LONGEST_NAME_BYTES].decode(errors="ignore").strip()
    return short or "unnamed"


def unique_names(names: Sequence[str]) -> list[str]:
    """The same, those that are there more than once in whatever case with their label: ImageNet has two cranes."""
    taken = Counter(name.casefold() for name in names)
    return [f"{name} ({label})" if taken[name.casefold()] > 1 else name for label, name in enumerate(names)]
