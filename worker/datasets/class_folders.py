"""Reads a folder of class folders: which classes there are, which image is of which, what does not fit.

<class>/*.jpg                          or
train/<class>/*.jpg, test/<class>/*.jpg       (`val`, `valid` or `validation` stand in for a missing `test`)

Capitals make no difference to the names of splits, where there is one that can be meant.
"""

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path

from worker.datasets.decoding import SUFFIXES
from worker.datasets.errors import Problem
from worker.datasets.visible import is_visible, visible_files

EXPECTED = (
    "Class folders with images in them, <class>/<image>, or train/<class>/<image> and test/<class>/<image>;"
    " at least 2 classes; JPEG, PNG, BMP, WebP or TIFF."
)
MAX_CLASSES = 50_000
_TEST_NAMES = ("test", "val", "valid", "validation")


@dataclass(frozen=True, slots=True)
class Labelled:
    """The images of one split, by path below the root, and for each the index of its class."""

    paths: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def only(self, marks: Iterable[object]) -> "Labelled":
        """Those whose mark is true."""
        kept = [bool(mark) for mark in marks]
        return Labelled(list(compress(self.paths, kept)), list(compress(self.labels, kept)))

    def without(self, paths: Collection[str]) -> "Labelled":
        """Those of other paths."""
        return self.only(path not in paths for path in self.paths)


@dataclass(frozen=True, slots=True)
class ClassFolders:
    """What was found. `problems` is empty if it can be trained on; `ignored` counts files that are not images."""

    root: Path
    classes: list[str]
    train: Labelled
    test: Labelled
    problems: list[Problem]
    ignored: int

    @property
    def images(self) -> int:
        """How many there are in all."""
        return len(self.train.paths) + len(self.test.paths)

    def without(self, paths: Collection[str]) -> "ClassFolders":
        """The same without some images, and with the problem of each class that is then empty."""
        if not paths:
            return self
        train, test = self.train.without(paths), self.test.without(paths)
        return replace(self, train=train, test=test, problems=[*self.problems, *_empty_classes(self.classes, train)])


def read_class_folders(folder: Path) -> ClassFolders:
    """List the images below `folder`; opens none of them and follows no links."""
    root = _unwrapped(folder)
    train_folder, test_folder, problems = _splits(root)
    classes = _visible_folders(train_folder)
    train, ignored = _labelled(train_folder, classes, root=root)
    test, ignored_test = _labelled(test_folder, classes, root=root) if test_folder else (Labelled(), 0)
    problems += [*_class_problems(classes, train), *_test_problems(test_folder, classes)]
    problems += _name_problems([*classes, *train.paths, *test.paths])
    return ClassFolders(root, classes, train, test, problems, ignored + ignored_test)


def content_version(digests: Mapping[str, str]) -> str:
    """The version of a set of files: the same paths with the same bytes give the same one.

    `digests` maps each path to the SHA-256 of its bytes.
    """
    listing = "".join(f"{path}\0{digests[path]}\n" for path in sorted(digests))
    return f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}"


def _visible_folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return sorted(filter(is_visible, folders))


def _unwrapped(folder: Path) -> Path:
    """Step into a folder that only wraps the class folders, as archives often have one."""
    while len(inner := _visible_folders(folder)) == 1 and _visible_folders(folder / inner[0]):
        folder = folder / inner[0]
    return folder


def _splits(root: Path) -> tuple[Path, Path | None, list[Problem]]:
    folders = _visible_folders(root)
    train = _called("train", folders)
    tests = [found for name in _TEST_NAMES if (found := _called(name, folders))]
    if train is None:
        return root, None, [_no_train(tests)] if set(folders) == set(tests) and tests else []
    if train != "train" and not tests:
        return root, None, []  # trains, perhaps, and no split
    unused = [name for name in folders if name not in (train, *tests[:1])]
    return root / train, root / tests[0] if tests else None, [_unused_split(name) for name in unused]


def _called(name: str, folders: list[str]) -> str | None:
    """The folder of that name, or else one that is written with capitals."""
    return name if name in folders else next((one for one in folders if one.casefold() == name), None)


def _labelled(folder: Path, classes: list[str], *, root: Path) -> tuple[Labelled, int]:
    split, ignored, endings = Labelled(), 0, tuple(SUFFIXES)
    for index, name in enumerate(classes):
        if not (folder / name).is_dir():
            continue
        for path in _files(folder / name, root=root):
            if not path.lower().endswith(endings):
                ignored += 1
                continue
            split.paths.append(path)
            split.labels.append(index)
    return split, ignored


def _files(folder: Path, *, root: Path) -> Iterator[str]:
    """Every visible file below, by its path below `root`."""
    for place, names in visible_files(folder):
        below = place.relative_to(root).as_posix()
        yield from (f"{below}/{name}" for name in names)


def _class_problems(classes: list[str], train: Labelled) -> Iterator[Problem]:
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "none"
        detail = f"A classification needs at least 2 class folders; there is {found}."
        yield Problem("too_few_classes", None, detail, "Put the images of each class into a folder of their own.")
    if len(classes) > MAX_CLASSES:
        detail = f"There are {len(classes):,} class folders; at most {MAX_CLASSES:,} are read."
        yield Problem("too_many_classes", None, detail, "Check that each folder is a class.")
    yield from _empty_classes(classes, train)


def _empty_classes(classes: list[str], train: Labelled) -> Iterator[Problem]:
    for index in sorted(set(range(len(classes))) - set(train.labels)):
        detail = f"The class {classes[index]!r} has no training image."
        yield Problem("empty_class", classes[index], detail, "Add images to the folder, or remove it.")


def _test_problems(folder: Path | None, classes: list[str]) -> Iterator[Problem]:
    for name in sorted(set(_visible_folders(folder)) - set(classes)) if folder else []:
        detail = f"The class {name!r} is only in {folder.name!r}, not in 'train'." if folder else ""
        yield Problem("class_not_in_train", name, detail, "Give the folders the same names in both splits.")


def _name_problems(names: list[str]) -> list[Problem]:
    """Names go into versions, reports and plots, so they must be text; a file system takes any bytes."""
    detail, hint = "Its name holds characters that cannot be shown.", "Rename it."
    return [Problem("unsafe_name", ascii(name)[1:-1], detail, hint) for name in names if not name.isprintable()]


def _no_train(tests: list[str]) -> Problem:
    detail = f"There is {tests[0]!r}, but no 'train'."
    return Problem("no_training_split", tests[0], detail, "Put the training images into train/<class>/.")


def _unused_split(name: str) -> Problem:
    detail = f"Beside 'train' and a test split the folder {name!r} has no use."
    return Problem("unused_folder", name, detail, "Move its images into 'train', or remove it.")
