"""Finds the arrays that stand for pictures and labels: the members of one npz, or IDX files by their usual names.

x_train, y_train, x_test, y_test                         in an npz, as Keras names them
train_images, train_labels, test_images, test_labels     in an npz, as MedMNIST does; or images and labels alone
train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, …     IDX, each perhaps with .gz

Nothing is opened but the npz's list of members, so that this needs no numpy.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from worker.datasets.decoding import SUFFIXES
from worker.datasets.errors import Refused, reason_of
from worker.datasets.members import form_of
from worker.datasets.visible import visible_files
from worker.datasets.zip_members import opened_zip

_FORMS = (
    "one .npz with x_train and y_train (or train_images and train_labels, or images and labels), and the same for"
    " a test split if there is one; or IDX files named as MNIST's are."
)
EXPECTED = f"Or {_FORMS}"  #: goes on where that of class folders ends
NPZ_NAME = "arrays.npz"  #: what an uploaded npz is called from then on
_IDX = re.compile(r"(?:.+[-_.])?(?P<split>train|t10k|test)-(?P<part>images|labels)[-.]idx\d-ubyte(?:\.gz)?", re.I)
_SPLITS = {"train": "train", "t10k": "test", "test": "test"}
_PAIRS = {
    "train": (("x_train", "y_train"), ("train_images", "train_labels"), ("images", "labels")),
    # As with class folders, a validation split stands in for a test split that is not there.
    "test": (("x_test", "y_test"), ("test_images", "test_labels"), ("x_val", "y_val"), ("val_images", "val_labels")),
}
_SAVE_AGAIN = "Save it again with numpy.savez."
_CLASS_NAMES = ("classes", "class_names")


@dataclass(frozen=True, slots=True)
class Stored:
    """One array: an IDX file, or a member of an npz. `name` is what reports call it."""

    name: str
    path: Path
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """The pictures of one split and their labels."""

    images: Stored
    labels: Stored


@dataclass(frozen=True, slots=True)
class ArrayFiles:
    """What was found. `unused` are arrays that have no part in it, such as a validation split beside a test split."""

    train: Pair
    test: Pair | None = None
    class_names: Stored | None = None
    unused: list[str] = field(default_factory=list)

    @property
    def pairs(self) -> dict[str, Pair]:
        """The splits that are there."""
        return {"train": self.train} | ({"test": self.test} if self.test else {})


def is_npz(path: Path) -> bool:
    """Whether it is what numpy's `savez` writes: a zip of arrays and nothing else."""
    if form_of(path) != "zip":
        return False
    try:
        names = _listed(path, path.name)
    except Refused:
        return False  # whoever unpacks it says what is wrong with it
    return bool(names) and all(name.endswith(".npy") for name in names)


def is_array_file(name: str) -> bool:
    """Whether a file of that name holds arrays."""
    return name.lower().endswith(".npz") or _IDX.fullmatch(name) is not None


def find_arrays(folder: Path) -> ArrayFiles | None:
    """The arrays below `folder`, or None where it holds pictures or nothing; raises Refused where they fit nothing."""
    found: list[Path] = []
    for path in (place / name for place, names in visible_files(folder) for name in names):
        if path.suffix.lower() in SUFFIXES:
            return None  # class folders; an array among them is one of the files that are ignored
        if is_array_file(path.name):
            found.append(path)
    return _chosen(_stored(found, folder)) if found else None


def _stored(paths: Sequence[Path], folder: Path) -> dict[str, Stored]:
    """Every array by the name that says its part."""
    names = [_shown(path.relative_to(folder).as_posix()) for path in paths]
    if any(path.suffix.lower() == ".npz" for path in paths):
        if len(paths) > 1:
            detail = f"A data set is one .npz; there are also {', '.join(names[1:4])}."
            raise Refused("ambiguous_arrays", names[0], detail=detail, hint="Leave one file there.")
        return _members(paths[0], names[0])
    found: dict[str, Stored] = {}
    for name, path in zip(names, paths, strict=True):
        part = _idx_part(path.name)
        if part in found:
            detail = f"There is also {found[part].name}; one of the two is one too many."
            raise Refused("ambiguous_arrays", name, detail=detail, hint="Leave one set of four files there.")
        found[part] = Stored(name, path)
    return found


def _idx_part(name: str) -> str:
    matched = _IDX.fullmatch(name)
    assert matched is not None  # noqa: S101 - it was chosen by this pattern
    return f"{_SPLITS[matched['split'].lower()]}_{matched['part'].lower()}"


def _shown(name: str) -> str:
    return name if name.isprintable() else ascii(name)[1:-1]


def _members(path: Path, shown: str) -> dict[str, Stored]:
    names = _listed(path, shown)
    if len(set(names)) < len(names):
        detail = "It holds two arrays of the same name."
        raise Refused("ambiguous_arrays", shown, detail=detail, hint=_SAVE_AGAIN)
    stems = {name.removesuffix(".npy"): name for name in names if name.endswith(".npy")}
    return {stem: Stored(_shown(stem)[:200], path, member) for stem, member in stems.items()}


def _listed(path: Path, shown: str) -> list[str]:
    """The names in a zip. Whatever a broken one makes its reader raise becomes Refused."""
    try:
        with opened_zip(path) as opened:
            return opened.namelist()
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the file's
        detail = f"It is damaged: {reason_of(error)}."
        raise Refused("unreadable_array", shown, detail=detail, hint=_SAVE_AGAIN) from error


def _chosen(found: dict[str, Stored]) -> ArrayFiles:
    train, test = (_pair(found, _PAIRS[split]) for split in ("train", "test"))
    if train is None:
        shown = ", ".join(stored.name for stored in list(found.values())[:10]) or "none"
        raise Refused("no_training_split", None, detail=f"The arrays found are {shown}.", hint=f"Send {_FORMS}")
    names = next((found[name] for name in _CLASS_NAMES if name in found), None)
    used = [train.images, train.labels, names, *([test.images, test.labels] if test else [])]
    return ArrayFiles(train, test, names, [stored.name for stored in found.values() if stored not in used])


def _pair(found: dict[str, Stored], choices: Sequence[tuple[str, str]]) -> Pair | None:
    for names in choices:
        there = [name for name in names if name in found]
        if len(there) == 2:
            return Pair(found[names[0]], found[names[1]])
        if there:
            missing = next(name for name in names if name not in found)
            detail = f"There is {found[there[0]].name}, but no {missing}."
            raise Refused("missing_array", found[there[0]].name, detail=detail, hint="Images and labels come in pairs.")
    return None
