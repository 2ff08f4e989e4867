"""How each built-in set lies on disk: which files it needs, how torchvision fetches them, how they are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from worker.datasets import idx
from worker.datasets.pictures import ArrayPictures

Splits = dict[str, ArrayPictures]


class Layout(Protocol):
    """One published set below a folder `root`, which torchvision's sets share."""

    def places(self, root: Path) -> list[list[Path]]:
        """For each file it needs, the places where it may be."""

    def fetch(self, root: Path) -> None:
        """Download it below `root`."""

    def read(self, root: Path) -> Splits:
        """Load it."""


class Digits:
    """The UCI handwritten digits, which come with scikit-learn."""

    def places(self, root: Path) -> list[list[Path]]:  # noqa: ARG002
        """Needs nothing."""
        return []

    def fetch(self, root: Path) -> None:
        """Is always there."""

    def read(self, root: Path) -> Splits:  # noqa: ARG002
        """Their pixels run from 0 to 16; here to 255."""
        from sklearn.datasets import load_digits  # noqa: PLC0415 - takes a second, and only digits need it

        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
        return {"train": ArrayPictures(images, digits.target.astype(np.int64))}


@dataclass(frozen=True, slots=True)
class Idx:
    """MNIST and its likes: four IDX files in `<name>/raw`, gzipped or not."""

    name: str

    def places(self, root: Path) -> list[list[Path]]:
        """Images and labels of both splits."""
        stems = [root / self.name / "raw" / f"{split}-{part}" for split in ("train", "t10k") for part in _IDX_PARTS]
        return [[stem, stem.with_name(f"{stem.name}.gz")] for stem in stems]

    def fetch(self, root: Path) -> None:
        """Both splits."""
        _torchvision(self.name)(root, download=True)

    def read(self, root: Path) -> Splits:
        """Straight from the files: torchvision takes no gzipped ones."""
        arrays = [idx.read(next(path for path in choices if path.is_file())) for choices in self.places(root)]
        train_images, train_labels, test_images, test_labels = arrays
        return {
            "train": ArrayPictures(train_images, train_labels.astype(np.int64)),
            "test": ArrayPictures(test_images, test_labels.astype(np.int64)),
        }


@dataclass(frozen=True, slots=True)
class Cifar:
    """CIFAR's Python batches."""

    name: str
    files: tuple[str, ...]

    def places(self, root: Path) -> list[list[Path]]:
        """The batches, unpacked."""
        return [[root / file] for file in self.files]

    def fetch(self, root: Path) -> None:
        """Both splits."""
        _torchvision(self.name)(root, download=True)

    def read(self, root: Path) -> Splits:
        """The batches are pickles: torchvision compares their published MD5 before it opens one."""
        return {"train": self._read(root, train=True), "test": self._read(root, train=False)}

    def _read(self, root: Path, *, train: bool) -> ArrayPictures:
        loaded = _torchvision(self.name)(root, train=train)
        return ArrayPictures(loaded.data, np.array(loaded.targets, dtype=np.int64))


class StreetView:
    """SVHN's cropped digits."""

    def places(self, root: Path) -> list[list[Path]]:
        """One file for each split."""
        return [[root / "train_32x32.mat"], [root / "test_32x32.mat"]]

    def fetch(self, root: Path) -> None:
        """Both splits."""
        for split in ("train", "test"):
            _torchvision("SVHN")(root, split=split, download=True)

    def read(self, root: Path) -> Splits:
        """torchvision has turned the label 10 into 0."""
        return {split: self._read(root, split) for split in ("train", "test")}

    def _read(self, root: Path, split: str) -> ArrayPictures:
        loaded = _torchvision("SVHN")(root, split=split)
        return ArrayPictures(loaded.data.transpose(0, 2, 3, 1), loaded.labels.astype(np.int64))


def _torchvision(name: str) -> Any:  # noqa: ANN401 - torchvision has no types
    from torchvision import datasets  # noqa: PLC0415 - takes seconds, and a set in the cache does without

    return getattr(datasets, name)


_IDX_PARTS = ("images-idx3-ubyte", "labels-idx1-ubyte")
_CIFAR10_FILES = ("batches.meta", *(f"data_batch_{number}" for number in range(1, 6)), "test_batch")

LAYOUTS: dict[str, Layout] = {
    "digits": Digits(),
    "MNIST": Idx("MNIST"),
    "FashionMNIST": Idx("FashionMNIST"),
    "KMNIST": Idx("KMNIST"),
    "CIFAR10": Cifar("CIFAR10", tuple(f"cifar-10-batches-py/{file}" for file in _CIFAR10_FILES)),
    "CIFAR100": Cifar("CIFAR100", tuple(f"cifar-100-python/{file}" for file in ("meta", "train", "test"))),
    "SVHN": StreetView(),
}
