"""Real pictures for benchmarks: arrays for the engine, and the same as files for those who read files."""

import gzip
import shutil
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.domain import catalog

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
CIFAR10_ARCHIVE = SHARED / "cifar10-jpeg.tar.xz"

Split = tuple[NDArray[np.uint8], NDArray[np.int64]]


def cifar10(split: str, count: int) -> Split:
    """Decoded pictures, equally many of each class; decoded once and kept in the temporary folder."""
    kept = _temporary(f"cifar10-{split}-{count}.npz")
    if not kept.exists():
        pixels, labels = decoded(cifar10_files(split, count))
        np.savez(kept, pixels=pixels, labels=labels)
    content = np.load(kept)
    return content["pixels"], content["labels"]


def cifar10_files(split: str, count: int) -> Path:
    """A folder with a folder of JPEGs for each class, as torchvision and fastai read them."""
    folder = _temporary(f"cifar10-{count}") / split
    if folder.exists():
        return folder
    aside = _aside(folder)
    found = dict.fromkeys(catalog.datasets()["CIFAR10"].classes, 0)
    with tarfile.open(CIFAR10_ARCHIVE) as archive:
        for member in archive:
            there, _, rest = member.name.partition("/")
            name = rest.partition("/")[0]
            if there == split and member.name.endswith(".jpg") and found[name] < count // 10:
                found[name] += 1
                _copy(archive, member, aside / rest)
    aside.rename(folder)
    return folder


def mnist(split: str) -> Split:
    """The handwritten digits of 28 px."""
    prefix = {"train": "train", "test": "t10k"}[split]
    pixels = np.frombuffer(gzip.decompress((SHARED / f"{prefix}-images-idx3-ubyte.gz").read_bytes()), np.uint8, -1, 16)
    labels = np.frombuffer(gzip.decompress((SHARED / f"{prefix}-labels-idx1-ubyte.gz").read_bytes()), np.uint8, -1, 8)
    return pixels.reshape(-1, 1, 28, 28).copy(), labels.astype(np.int64)


def mnist_files(split: str) -> Path:
    """The same as PNGs in folders."""
    folder = _temporary("mnist") / split
    if folder.exists():
        return folder
    aside = _aside(folder)
    for label in range(10):
        (aside / str(label)).mkdir()
    for number, (picture, label) in enumerate(zip(*mnist(split), strict=True)):
        Image.fromarray(picture[0]).save(aside / str(label) / f"{number:05}.png", compress_level=1)
    aside.rename(folder)
    return folder


def decoded(folder: Path) -> Split:
    """All pictures of a folder of CIFAR-10, read anew."""
    names = catalog.datasets()["CIFAR10"].classes
    files = [(path, label) for label, name in enumerate(names) for path in sorted((folder / name).glob("*.jpg"))]
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1) for path, _ in files])
    return pixels, np.array([label for _, label in files])


def _aside(folder: Path) -> Path:
    """Where its content is made, so that half of it is never taken for all."""
    folder.parent.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))


def _temporary(name: str) -> Path:
    return Path(tempfile.gettempdir()) / f"supercycle-{name}"


def _copy(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    content = archive.extractfile(member)
    assert content is not None
    with target.open("wb") as file:
        shutil.copyfileobj(content, file)
