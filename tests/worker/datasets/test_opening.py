"""A source becomes a data set: sizes, versions, and what is said when it cannot."""

import gzip
import shutil
import socket
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.domain import catalog
from worker.datasets import built_in, idx
from worker.datasets.errors import DatasetInvalid, DatasetUnavailable
from worker.datasets.layouts import LAYOUTS
from worker.datasets.source import DatasetSource

REAL = Path(__file__).parents[3] / "../shared/data"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise socket.gaierror("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def mnist(tmp_path):
    """Real MNIST where it is at hand, below a root of its own."""
    if not (REAL / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("../shared/data has no MNIST")
    raw = tmp_path / "root" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in REAL.glob("*-ubyte.gz"):
        (raw / path.name).symlink_to(path.resolve())
    return DatasetSource("built_in", "MNIST", tmp_path / "root")


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


class TestDigits:
    def test_content(self, opened, tmp_path):
        digits = opened(DatasetSource("built_in", "digits", tmp_path)).dataset
        assert digits.train.pixels.shape == (1797, 1, 8, 8)
        assert digits.test is None
        assert digits.classes == [str(digit) for digit in range(10)]
        assert (digits.train.pixels.min(), digits.train.pixels.max()) == (0, 255)
        assert digits.channel_mean == pytest.approx([0.3053], abs=1e-3)  # 4.884 / 16

    def test_the_version_is_that_of_the_images_at_any_size(self, opened, tmp_path):
        source = DatasetSource("built_in", "digits", tmp_path)
        whole, small = opened(source), opened(source, size=4)
        assert small.dataset.train.side == 4
        assert whole.version == small.version

    def test_a_version_asked_for_must_be_it(self, opened, tmp_path):
        source = DatasetSource("built_in", "digits", tmp_path)
        version = opened(source).version
        assert opened(replace(source, version=version)).version == version
        with pytest.raises(DatasetInvalid, match="not sha256:other"):
            opened(replace(source, version="sha256:other"))

    def test_the_second_time_nothing_is_decoded(self, opened, tmp_path, monkeypatch):
        source = DatasetSource("built_in", "digits", tmp_path)
        opened(source)
        monkeypatch.setattr(built_in, "read", lambda *args: pytest.fail("read again"))
        assert len(opened(source).dataset.train) == 1797


class TestMnist:
    def test_gzipped_files_are_read_as_they_are(self, opened, mnist):
        mnist_set = opened(mnist).dataset
        assert mnist_set.train.pixels.shape == (60_000, 1, 28, 28)
        assert mnist_set.test.pixels.shape == (10_000, 1, 28, 28)
        assert mnist_set.channel_mean == pytest.approx([0.1307], abs=1e-4)  # as everybody quotes them
        assert mnist_set.channel_std == pytest.approx([0.3081], abs=1e-4)
        assert np.bincount(mnist_set.train.labels).tolist()[:3] == [5923, 6742, 5958]

    def test_unpacked_files_are_the_same_version(self, mnist):
        raw = mnist.root / "MNIST" / "raw"
        gzipped = built_in.content_version(built_in.read("MNIST", mnist.root))
        for path in raw.glob("*.gz"):
            with gzip.open(path) as source, path.with_suffix("").open("wb") as target:
                shutil.copyfileobj(source, target)
            path.unlink()
        assert built_in.content_version(built_in.read("MNIST", mnist.root)) == gzipped

    def test_half_a_file_is_said(self, opened, mnist):
        path = mnist.root / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(DatasetInvalid, match="files of MNIST cannot be read"):
            opened(mnist)


class TestIdx:
    def test_round_trip(self, tmp_path):
        array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        (tmp_path / "a").write_bytes(idx_bytes(array))
        np.testing.assert_array_equal(idx.read(tmp_path / "a"), array)

    @pytest.mark.parametrize("data", [b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\0", idx_bytes(np.zeros(5, np.uint8))[:-1]])
    def test_what_is_none(self, tmp_path, data):
        (tmp_path / "a").write_bytes(data)
        with pytest.raises(ValueError, match=r"a (is not|says)"):
            idx.read(tmp_path / "a")


class TestBuiltIn:
    def test_every_set_of_the_catalog_has_a_layout(self):
        assert set(LAYOUTS) == set(catalog.datasets())

    @pytest.mark.parametrize("name", sorted(set(LAYOUTS) - {"digits"}))
    def test_one_that_is_nowhere_is_said_and_leaves_nothing(self, opened, tmp_path, no_network, name):
        with pytest.raises(DatasetUnavailable, match=name) as error:
            opened(DatasetSource("built_in", name, tmp_path / "root"))
        assert error.value.code == "dataset_unavailable"
        assert error.value.hint
        assert list((tmp_path / "root").iterdir()) == []
        assert socket.getdefaulttimeout() is None

    def test_a_download_arrives_whole(self, opened, tmp_path, monkeypatch):
        images, labels = np.zeros((20, 28, 28), np.uint8), np.arange(20, dtype=np.uint8) % 10

        def fetch(self, root):
            raw = root / "KMNIST" / "raw"
            raw.mkdir(parents=True)
            for split in ("train", "t10k"):
                (raw / f"{split}-images-idx3-ubyte").write_bytes(idx_bytes(images))
                (raw / f"{split}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
                (raw / f"{split}-images-idx3-ubyte.gz").write_bytes(b"the archive it came in")

        monkeypatch.setattr(type(LAYOUTS["KMNIST"]), "fetch", fetch)
        root = tmp_path / "root"
        assert len(opened(DatasetSource("built_in", "KMNIST", root)).dataset.train) == 20
        assert len(list(root.rglob("*-ubyte"))) == 4
        assert [path.name for path in root.iterdir()] == ["KMNIST"]
        assert not list(root.rglob("*.gz"))

    def test_labels_outside_the_classes_are_refused(self, tmp_path, opened):
        raw = tmp_path / "KMNIST" / "raw"
        raw.mkdir(parents=True)
        for split in ("train", "t10k"):
            (raw / f"{split}-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((2, 28, 28), np.uint8)))
            (raw / f"{split}-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([0, 10], np.uint8)))
        with pytest.raises(DatasetInvalid, match="outside 0 to 9"):
            opened(DatasetSource("built_in", "KMNIST", tmp_path))


class TestFolders:
    def test_grey_pictures(self, opened, pets, as_source):
        source = as_source(pets)
        found = opened(source)
        assert found.version == source.version
        assert found.dataset.classes == ["cat", "dog"]
        assert found.dataset.train.pixels.shape == (6, 1, 8, 8)
        assert found.dataset.train.pixels[:, 0, 0, 0].tolist() == [40, 41, 42, 200, 201, 202]
        assert found.dataset.test.labels.tolist() == [0, 1]

    def test_in_colour_and_smaller(self, opened, pets, as_source):
        found = opened(as_source(pets, mode="RGB"), size=6)
        assert found.dataset.train.pixels.shape == (6, 3, 6, 6)
        assert set(found.dataset.train.pixels[0].ravel().tolist()) == {40}

    def test_pictures_are_not_enlarged_on_disk(self, opened, pets, as_source):
        assert opened(as_source(pets), size=224).dataset.train.side == 8

    @pytest.mark.parametrize("change", ["edit", "add", "remove"])
    def test_a_folder_that_changed_is_refused(self, opened, pets, as_source, make_picture, change):
        source = as_source(pets)
        target = pets / "train" / "cat" / ("new.png" if change == "add" else "0.png")
        if change == "remove":
            target.unlink()
        else:
            target.write_bytes(make_picture(99, size=(8, 8), mode="L"))
        with pytest.raises(DatasetInvalid, match="changed, added or removed"):
            opened(source)

    def test_once_cached_the_folder_is_not_needed(self, opened, pets, as_source):
        source = as_source(pets)
        opened(source)
        shutil.rmtree(pets)
        assert len(opened(source).dataset.train) == 6

    def test_a_broken_picture_is_named(self, opened, pets, as_source):
        (pets / "train/dog/1.png").write_bytes(b"broken")
        with pytest.raises(DatasetInvalid, match=r"train/dog/1\.png"):
            opened(as_source(pets))

    def test_a_folder_that_is_gone(self, opened, pets, as_source):
        source = as_source(pets)
        shutil.rmtree(pets)
        with pytest.raises(DatasetInvalid):
            opened(source)

    def test_one_that_was_never_checked(self, opened, pets):
        with pytest.raises(DatasetInvalid, match="not checked"):
            opened(DatasetSource("uploaded", "pets", pets))

    def test_each_policy_has_a_cache_of_its_own(self, opened, make_folder, make_picture, as_source):
        wide = {f"{kind}/0.png": make_picture(99, size=(8, 4), mode="L") for kind in ("cat", "dog")}
        source = as_source(make_folder(wide), side=4)
        corners = {resize: opened(source, resize=resize) for resize in ("crop", "pad", "stretch")}
        assert {resize: int(found.dataset.train.pixels[0, 0, 0, 0]) for resize, found in corners.items()} == {
            "crop": 99, "pad": 0, "stretch": 99,
        }  # fmt: skip
        assert len({found.version for found in corners.values()}) == 1  # the images are the same

    def test_real_photographs(self, opened, tmp_path, as_source):
        archive = REAL / "cifar10-jpeg.tar.xz"
        if not archive.is_file():
            pytest.skip("../shared/data has no CIFAR-10")
        with tarfile.open(archive, "r|xz") as members:
            photographs = (member for member in members if member.isfile())
            for number, member in zip(range(300), photographs, strict=False):
                target = tmp_path / "cifar" / "ab"[number % 2] / f"{number}.jpg"  # what they show does not matter here
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(members.extractfile(member).read())
        found = opened(as_source(tmp_path / "cifar", mode="RGB", side=32))
        assert found.dataset.train.pixels.shape == (300, 3, 32, 32)
        assert 0.3 < found.dataset.channel_mean[0] < 0.7
