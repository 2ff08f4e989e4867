"""Which classes and splits are read from which folders."""

import pytest

from worker.datasets.class_folders import content_version, read_class_folders


def read(make_folder, *paths):
    return read_class_folders(make_folder(dict.fromkeys(paths, b"")))


class TestLayouts:
    def test_classes_alone_are_all_for_training(self, make_folder):
        found = read(make_folder, "dog/b.jpg", "cat/a.png", "cat/deep/c.webp")
        assert found.classes == ["cat", "dog"]
        assert found.train.paths == ["cat/a.png", "cat/deep/c.webp", "dog/b.jpg"]
        assert found.train.labels == [0, 0, 1]
        assert found.test.paths == []
        assert found.problems == []

    @pytest.mark.parametrize("test", ["test", "val", "valid", "validation"])
    def test_splits(self, make_folder, test):
        found = read(make_folder, "train/cat/a.jpg", "train/dog/b.jpg", f"{test}/dog/c.jpg")
        assert (found.train.labels, found.test.paths, found.test.labels) == ([0, 1], [f"{test}/dog/c.jpg"], [1])
        assert found.problems == []

    @pytest.mark.parametrize(
        ("train", "test"),
        [("Train", "Test"), ("TRAIN", "test"), ("train", "Test"), ("Train", "Val"), ("train", "VALID")],
    )
    def test_capitals_make_no_difference_to_splits(self, make_folder, train, test):
        found = read(make_folder, f"{train}/cat/a.jpg", f"{train}/dog/b.jpg", f"{test}/dog/c.jpg")
        assert (found.classes, found.train.labels, found.test.paths) == (["cat", "dog"], [0, 1], [f"{test}/dog/c.jpg"])
        assert found.problems == []

    def test_a_class_may_be_called_train_with_a_capital(self, make_folder):
        found = read(make_folder, "Bus/a.jpg", "Train/b.jpg", "bus/c.jpg")
        assert (found.classes, found.problems) == (["Bus", "Train", "bus"], [])

    def test_wrapping_folders_are_stepped_into(self, make_folder):
        found = read(make_folder, "pets-1.0/data/cat/a.jpg", "pets-1.0/data/dog/b.jpg")
        assert found.classes == ["cat", "dog"]
        assert found.train.paths == ["cat/a.jpg", "dog/b.jpg"]

    def test_what_is_no_image_is_counted_and_hidden_files_are_not(self, make_folder):
        found = read(make_folder, "cat/a.jpg", "cat/notes.txt", "cat/.DS_Store", "dog/b.JPEG", "__MACOSX/dog/b.jpg")
        assert (found.images, found.ignored) == (2, 1)
        assert found.classes == ["cat", "dog"]

    @pytest.mark.parametrize("hidden", [".ipynb_checkpoints", "__MACOSX", "deep/.git", "deep/__MACOSX/cat"])
    def test_what_is_in_hidden_folders_is_not_read(self, make_folder, hidden):
        found = read(make_folder, "cat/a.jpg", f"cat/{hidden}/a.jpg", f"cat/{hidden}/notes.txt", "dog/b.jpg")
        assert found.train.paths == ["cat/a.jpg", "dog/b.jpg"]
        assert found.ignored == 0

    @pytest.mark.parametrize("name", ["a.JPG", "a.b.Tiff", "jpg.png"])
    def test_a_picture_is_known_by_the_end_of_its_name(self, make_folder, name):
        found = read(make_folder, f"cat/{name}", "cat/jpg", "cat/ajpg", "cat/a.jpg.txt", "cat/a.jpg/b", "dog/b.jpg")
        assert found.train.paths == [f"cat/{name}", "dog/b.jpg"]
        assert found.ignored == 4

    def test_links_are_not_followed(self, make_folder, tmp_path):
        (tmp_path / "secret.jpg").write_bytes(b"secret")
        folder = make_folder({"cat/a.jpg": b"", "dog/b.jpg": b""})
        (folder / "cat" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
        (folder / "linked").symlink_to(tmp_path)
        found = read_class_folders(folder)
        assert found.train.paths == ["cat/a.jpg", "dog/b.jpg"]
        assert found.classes == ["cat", "dog"]


class TestProblems:
    @pytest.mark.parametrize(
        ("paths", "code", "path"),
        [
            (["cat/a.jpg"], "too_few_classes", None),
            (["readme.txt"], "too_few_classes", None),
            (["cat/a.jpg", "dog/b.txt"], "empty_class", "dog"),
            (["train/cat/a.jpg", "train/dog/b.jpg", "test/fox/c.jpg"], "class_not_in_train", "fox"),
            (["test/cat/a.jpg", "test/dog/a.jpg", "val/cat/a.jpg"], "no_training_split", "test"),
            (["train/cat/a.jpg", "train/dog/b.jpg", "test/cat/c.jpg", "val/cat/d.jpg"], "unused_folder", "val"),
            (["Train/cat/a.jpg", "Train/dog/b.jpg", "Test/cat/c.jpg", "Extra/cat/d.jpg"], "unused_folder", "Extra"),
            (["train/cat/a.jpg", "train/dog/b.jpg", "Train/cat/d.jpg"], "unused_folder", "Train"),
            (["train/cat/a.jpg", "train/dog/b.jpg", "test/cat/c.jpg", "Test/cat/d.jpg"], "unused_folder", "Test"),
            (["TRAIN/cat/a.jpg", "TRAIN/dog/b.jpg", "Train/cat/c.jpg", "test/cat/d.jpg"], "unused_folder", "Train"),
            (["Test/cat/a.jpg", "Test/dog/a.jpg", "Val/cat/a.jpg"], "no_training_split", "Test"),
            (["cat/a.jpg", "dog/b\n.jpg"], "unsafe_name", "dog/b\\n.jpg"),
        ],
    )
    def test_each_is_named(self, make_folder, paths, code, path):
        problems = read(make_folder, *paths).problems
        assert [(problem.code, problem.path) for problem in problems] == [(code, path)]
        assert problems[0].detail
        assert problems[0].hint

    def test_a_name_that_is_not_text(self, make_folder):
        folder = make_folder({"cat/a.jpg": b"", "dog/b.jpg": b""})
        (folder / "dog" / "b.jpg").rename(folder / "dog" / b"\xff.jpg".decode("utf-8", "surrogateescape"))
        assert [problem.code for problem in read_class_folders(folder).problems] == ["unsafe_name"]


class TestContentVersion:
    def test_the_order_does_not_matter_and_names_and_bytes_do(self):
        version = content_version({"a": "1", "b": "2"})
        assert version == content_version({"b": "2", "a": "1"})
        assert version.startswith("sha256:")
        assert len({version, content_version({"a": "2", "b": "1"}), content_version({"a": "1", "c": "2"})}) == 3
