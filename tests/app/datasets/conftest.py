"""Small archives, how they are uploaded, and what the keeper then does."""

import io
import tarfile
import time
import zipfile

import pytest
from backports import zstd
from PIL import Image

from app.artifacts.store import ArtifactStore
from worker.keeper.imports import Importer


@pytest.fixture
def settings(sqlite_settings, tmp_path):
    """One place where folders may be registered."""
    (tmp_path / "roots").mkdir()
    sqlite_settings.dataset_roots = [tmp_path / "roots"]
    return sqlite_settings


@pytest.fixture
def store(settings):
    return ArtifactStore(settings.storage)


@pytest.fixture
def check_all(database, store):
    """Do what the keeper's loop does until nothing is left to check."""

    def run(**options):
        importer = Importer(database, store, **options)
        while importer.advance():
            time.sleep(0.01)

    return run


@pytest.fixture
def images():
    """`{"train/cat/0.png": bytes}`: three dark cats and three light dogs of 12 × 8, one of each to test on."""

    def png(level, mode="L"):
        file = io.BytesIO()
        Image.new(mode, (12, 8), level).save(file, "PNG")
        return file.getvalue()

    files = {}
    for kind, level in (("cat", 40), ("dog", 200)):
        files |= {f"pets/train/{kind}/{number}.png": png(level) for number in range(3)}
        files[f"pets/test/{kind}/9.png"] = png(0)
    return files


@pytest.fixture
def pack():
    """An archive of files, as bytes."""

    def make(files, form="zip"):
        target = io.BytesIO()
        if form == "zip":
            with zipfile.ZipFile(target, "w") as archive:
                for name, data in files.items():
                    archive.writestr(name, data)
        else:
            with tarfile.open(fileobj=target, mode=form.removesuffix("zst")) as archive:
                for name, data in files.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
        return zstd.compress(target.getvalue()) if form.endswith("zst") else target.getvalue()

    return make


@pytest.fixture
def upload(client, pack, images):
    """POST an archive; returns the response."""

    def send(name="pets", files=None, form="zip"):
        return client.post("/v1/datasets", data={"name": name}, files={"file": ("a", pack(files or images, form))})

    return send
