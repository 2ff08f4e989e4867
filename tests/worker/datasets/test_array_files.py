"""Which arrays are taken for what, by their names alone."""

import zipfile

import numpy as np
import pytest

from worker.datasets.array_files import find_arrays, is_array_file, is_npz
from worker.datasets.errors import Refused

ONE = np.zeros((1, 2, 2), np.uint8)


@pytest.fixture
def saved(tmp_path):
    """An npz of arrays with these names."""

    def save(*names):
        (tmp_path / "set").mkdir()
        np.savez(tmp_path / "set" / "a.npz", **dict.fromkeys(names, ONE))
        return tmp_path / "set"

    return save


def parts(found):
    test = (found.test.images.name, found.test.labels.name) if found.test else None
    return (found.train.images.name, found.train.labels.name), test


MNIST = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


class TestNpz:
    @pytest.mark.parametrize(
        ("names", "train", "test"),
        [
            (["x_train", "y_train", "x_test", "y_test"], ("x_train", "y_train"), ("x_test", "y_test")),
            (["x_train", "y_train", "x_val", "y_val"], ("x_train", "y_train"), ("x_val", "y_val")),
            (["images", "labels"], ("images", "labels"), None),
            (
                ["images", "labels", "test_images", "test_labels"],
                ("images", "labels"),
                ("test_images", "test_labels"),
            ),
        ],
    )
    def test_names(self, saved, names, train, test):
        assert parts(find_arrays(saved(*names))) == (train, test)

    def test_all_three_of_medmnist(self, saved):
        names = [f"{split}_{part}" for split in ("train", "val", "test") for part in ("images", "labels")]
        found = find_arrays(saved(*names))
        assert parts(found) == (("train_images", "train_labels"), ("test_images", "test_labels"))
        assert found.unused == ["val_images", "val_labels"]

    @pytest.mark.parametrize("name", ["classes", "class_names"])
    def test_class_names(self, saved, name):
        assert find_arrays(saved("images", "labels", name)).class_names.name == name

    @pytest.mark.parametrize(
        ("names", "code", "path"),
        [
            (["x_train", "labels"], "missing_array", "x_train"),
            (["x_train", "y_train", "y_test"], "missing_array", "y_test"),
            (["data", "target"], "no_training_split", None),
            (["x_test", "y_test"], "no_training_split", None),
        ],
    )
    def test_what_fits_nothing(self, saved, names, code, path):
        with pytest.raises(Refused) as refusal:
            find_arrays(saved(*names))
        assert (refusal.value.problem.code, refusal.value.problem.path) == (code, path)
        assert refusal.value.problem.hint

    def test_names_that_fit_nothing_are_told_which_would(self, saved):
        with pytest.raises(Refused) as refusal:
            find_arrays(saved("data", "target"))
        assert refusal.value.problem.hint.startswith("Send one .npz with x_train and y_train")

    def test_two_are_one_too_many(self, saved):
        folder = saved("images", "labels")
        np.savez(folder / "b.npz", images=ONE)
        with pytest.raises(Refused, match=r"a\.npz: .* also b\.npz"):
            find_arrays(folder)

    @pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06" + bytes(5)])
    def test_one_that_is_none(self, make_folder, content):
        with pytest.raises(Refused, match=r"a\.npz: It is damaged"):
            find_arrays(make_folder({"a.npz": content}))


class TestIdx:
    @pytest.mark.parametrize("suffix", ["", ".gz"])
    @pytest.mark.parametrize("folder", ["", "mnist/raw/"])
    def test_as_mnist_names_them(self, make_folder, folder, suffix):
        names = [f"{folder}{name}{suffix}" for name in MNIST]
        assert parts(find_arrays(make_folder(dict.fromkeys(names, b"")))) == (tuple(names[:2]), tuple(names[2:]))

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("train-images.idx3-ubyte", True),  # as some unpackers leave them
            ("test-images-idx3-ubyte", True),
            ("emnist-letters-train-images-idx3-ubyte.gz", True),
            ("TRAIN-IMAGES-IDX3-UBYTE", True),
            ("train-images-idx3-ubyte.zip", False),
            ("train-images.png", False),
            ("constrain-images-idx3-ubyte", False),
            ("any.NPZ", True),
            ("any.npy", False),
        ],
    )
    def test_other_spellings(self, name, expected):
        assert is_array_file(name) is expected

    def test_two_of_a_kind(self, make_folder):
        names = ["train-images-idx3-ubyte", "copy/train-images-idx3-ubyte.gz"]
        with pytest.raises(Refused, match="one too many"):
            find_arrays(make_folder(dict.fromkeys(names, b"")))


class TestFolders:
    def test_pictures_come_first(self, make_folder):
        assert find_arrays(make_folder({"cat/a.png": b"", "features.npz": b""})) is None

    def test_nothing_at_all(self, make_folder):
        assert find_arrays(make_folder({"cat/a.txt": b"", ".hidden.npz": b"", "__MACOSX/a.npz": b""})) is None

    def test_links_are_not_followed(self, make_folder, saved):
        folder = make_folder({"notes.txt": b""})
        (folder / "a.npz").symlink_to(saved("images", "labels") / "a.npz")
        assert find_arrays(folder) is None


class TestUploads:
    def test_an_npz_is_told_from_a_zip(self, saved, tmp_path):
        assert is_npz(saved("images", "labels") / "a.npz")
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            archive.writestr("images.npy", b"")
            archive.writestr("cat/a.png", b"")
        assert not is_npz(tmp_path / "b.zip")
        (tmp_path / "c.zip").write_bytes(b"PK\x05\x06" + bytes(5))
        assert not is_npz(tmp_path / "c.zip")
