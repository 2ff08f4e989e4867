"""Small pictures in class folders, and what opens them."""

import hashlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from worker.datasets.class_folders import content_version, read_class_folders
from worker.datasets.opening import open_dataset
from worker.datasets.source import DatasetSource


def picture(colour=(10, 20, 30), *, size=(6, 4), mode="RGB", form="PNG"):
    file = BytesIO()
    Image.new(mode, size, colour).save(file, form)
    return file.getvalue()


@pytest.fixture
def make_picture():
    return picture


@pytest.fixture
def make_folder(tmp_path):
    """Writes `{"cat/1.png": bytes}` below a new folder."""

    def make(files, name="images"):
        for path, data in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return tmp_path / name

    return make


@pytest.fixture
def pets(make_folder):
    """Two classes, three grey pictures of 8 × 8 each and one test picture each; cats are dark, dogs are light."""
    files = {}
    for kind, level in (("cat", 40), ("dog", 200)):
        for number in range(3):
            files[f"train/{kind}/{number}.png"] = picture(level + number, size=(8, 8), mode="L")
        files[f"test/{kind}/9.png"] = picture(level, size=(8, 8), mode="L")
    return make_folder(files, "pets")


@pytest.fixture
def as_source():
    """A checked folder as a source."""

    def make(folder: Path, *, mode="L", side=8):
        found = read_class_folders(folder)
        paths = [*found.train.paths, *found.test.paths]
        digests = {path: hashlib.sha256((found.root / path).read_bytes()).hexdigest() for path in paths}
        return DatasetSource("registered", folder.name, folder, content_version(digests), mode, side)

    return make


@pytest.fixture
def opened(tmp_path):
    """Opens a source, with the cache below `tmp_path`."""

    def call(source, *, size=1024, on_progress=lambda done, total: None, **options):
        cache = tmp_path / "cache"
        return open_dataset(source, target_size=size, cache_root=cache, on_progress=on_progress, **options)

    return call
