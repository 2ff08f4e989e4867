"""What the check makes of folders: splits, versions, levels, and files that cannot be read."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.datasets.report import Report
from worker.datasets.class_folders import content_version, read_class_folders
from worker.datasets.decoding import read
from worker.datasets.splitting import MadeSplit
from worker.keeper import looking, survey


def codes(verdict, kind="warnings"):
    return [line["code"] for line in verdict["report"][kind]]


class TestSplit:
    @pytest.mark.parametrize("prefix", ["", "train/", "pets/train/"])
    def test_is_made_where_there_is_none(self, checked, prefix, balanced):
        found = checked({prefix + path: data for path, data in balanced.items()})
        assert found["counts"] == {"train": {"cat": 16, "dog": 16}, "test": {"cat": 4, "dog": 4}}
        assert found["split"] == {"origin": "made", "test_fraction": 0.2, "seed": 0}
        assert "32 training and 8 test images" in found["report"]["found"]
        assert "taken out of each class here: share 0.2, seed 0" in found["report"]["found"]
        assert codes(found) == []

    def test_as_it_was_asked_for(self, checked, balanced):
        found = checked(balanced, test_fraction=0.5, split_seed=7)
        assert found["counts"]["test"] == {"cat": 10, "dog": 10}
        assert found["split"] == {"origin": "made", "test_fraction": 0.5, "seed": 7}
        assert "share 0.5, seed 7" in found["report"]["found"]

    def test_zero_keeps_everything_for_training(self, checked, balanced):
        found = checked(balanced, test_fraction=0.0)
        assert found["counts"] == {"train": {"cat": 20, "dog": 20}, "test": {}}
        assert found["split"] == {"origin": "none", "test_fraction": None, "seed": None}
        assert codes(found) == []

    def test_one_that_is_there_stays(self, checked, with_test):
        found = checked(with_test)
        assert found["counts"]["test"] == {"cat": 3, "dog": 2}
        assert found["split"] == {"origin": "folders", "test_fraction": None, "seed": None}
        assert codes(found) == []

    @pytest.mark.parametrize(
        ("asked", "named"),
        [
            ({"test_fraction": 0.2}, "test_fraction changed"),
            ({"test_fraction": 0.0}, "test_fraction changed"),
            ({"split_seed": 0}, "split_seed changed"),
            ({"test_fraction": 0.2, "split_seed": 1}, "test_fraction and split_seed changed"),
        ],
    )
    def test_asked_for_beside_one_that_is_there_it_is_told(self, checked, asked, named, warning, with_test):
        found = checked(with_test, **asked)
        assert (found["state"], found["counts"]["test"]) == ("ready", {"cat": 3, "dog": 2})
        assert named in warning(found, "split_not_made")

    def test_classes_too_small_for_one_are_told(self, checked, warning, of_classes):
        found = checked(of_classes(cat=2, dog=2))
        assert found["split"]["origin"] == "none"
        assert "0.2 of them" in warning(found, "no_test_images")

    def test_an_empty_test_folder_is_none(self, checked, tmp_path, of_classes):
        (tmp_path / "set" / "test" / "cat").mkdir(parents=True)
        assert checked(of_classes("train/", cat=20, dog=20))["split"]["origin"] == "made"

    def test_of_arrays(self, checked):
        images = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
        file = BytesIO()
        np.savez(file, images=images, labels=[0, 1] * 20)
        found = checked({"a.npz": file.getvalue()})
        assert found["counts"] == {"train": {"0": 16, "1": 16}, "test": {"0": 4, "1": 4}}
        assert found["split"]["origin"] == "made"
        file = BytesIO()
        np.savez(file, x_train=images, y_train=[0, 1] * 20, x_test=images[:4] ^ 1, y_test=[0, 1, 1, 1])
        found = checked({"a.npz": file.getvalue()}, split_seed=3)
        assert found["counts"]["test"] == {"0": 1, "1": 3}
        assert found["split"]["origin"] == "arrays"
        assert codes(found) == ["split_not_made"]


class TestVersion:
    def test_what_came_with_a_split_has_that_of_its_content(self, checked, tmp_path, with_test):
        found = checked(with_test, split_seed=5)
        listed = read_class_folders(tmp_path / "set")
        digests = survey.survey_pictures(listed, seed=0).digests
        assert found["version"] == content_version(digests)

    def test_one_that_was_made_is_in_it(self, checked, balanced):
        plain = checked(balanced, test_fraction=0.0)["version"]
        assert checked(balanced)["version"] == MadeSplit(0.2, 0).version(plain)
        versions = [checked(balanced, **asked)["version"] for asked in ({}, {"split_seed": 1}, {"test_fraction": 0.3})]
        assert len({plain, *versions}) == 4
        assert versions[0] == checked(balanced, test_fraction=0.2, split_seed=0)["version"]


class TestLevels:
    @pytest.mark.parametrize("asked", [{}, {"test_fraction": 0.0}])
    def test_are_those_of_the_training_images(self, checked, tmp_path, asked, balanced, make_unlike):
        """Not those of all: grey and colour are divided by content, too."""
        files = balanced | {f"cat/c{number}.png": make_unlike(number, mode="RGB") for number in range(5)}
        found = checked(files, **asked)
        split = MadeSplit(asked.get("test_fraction", 0.2))
        listed = read_class_folders(tmp_path / "set")
        marks = split.marks(survey.survey_pictures(listed, seed=0).ranks, listed.train.labels)
        pixels = [
            np.asarray(Image.open(listed.root / path).convert("RGB")).reshape(-1, 3) / 255
            for path, mark in zip(listed.train.paths, marks, strict=True)
            if not mark
        ]
        training = np.concatenate(pixels)
        assert found["image"]["mode"] == "RGB"
        assert found["channel_mean"] == pytest.approx(training.mean(axis=0))
        assert found["channel_std"] == pytest.approx(training.std(axis=0))

    @pytest.mark.parametrize("shape", [(40, 5, 3), (40, 5, 3, 3)])
    def test_of_arrays(self, checked, shape):
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        file = BytesIO()
        np.savez(file, x_train=images, y_train=[0, 1] * 20, x_test=images[:1] // 2, y_test=[0])
        found = checked({"a.npz": file.getvalue()})
        training = images.reshape(40 * 15, -1) / 255
        assert found["channel_mean"] == pytest.approx(training.mean(axis=0))
        assert found["channel_std"] == pytest.approx(training.std(axis=0))


class TestBadFiles:
    def test_one_in_a_hundred_is_left_out_and_named(self, checked, of_classes):
        files = of_classes(cat=60, dog=39) | {"dog/broken.png": b"broken"}
        found = checked(files, on_bad_file="skip")
        assert (found["state"], found["skipped"]) == ("ready", ["dog/broken.png"])
        assert found["counts"] == {"train": {"cat": 48, "dog": 31}, "test": {"cat": 12, "dog": 8}}
        assert "1 file that cannot be read, left out." in found["report"]["found"]
        (line,) = found["report"]["warnings"]
        assert (line["code"], line["path"]) == ("skipped_file", "dog/broken.png")
        assert line["detail"] == "It is not a picture. It was left out."
        assert line["hint"]

    def test_the_version_is_of_what_stays(self, checked, tmp_path, of_classes):
        whole = checked(of_classes(cat=60, dog=60))["version"]
        assert checked({"dog/broken.png": b"broken"}, on_bad_file="skip")["version"] == whole

    def test_more_than_one_in_a_hundred_are_too_many(self, checked, of_classes):
        found = checked(of_classes(cat=50, dog=48) | {"dog/broken.png": b"broken"}, on_bad_file="skip")
        assert (found["state"], found["skipped"]) == ("invalid", None)
        assert codes(found, "problems") == ["too_many_bad_files", "unreadable_image"]
        said = found["report"]["problems"][0]["detail"]
        assert said == "1 of 99 pictures (1.01 %) cannot be read; on_bad_file 'skip' leaves out at most 1 %."

    def test_by_default_one_is_too_many_and_the_way_out_is_said(self, checked, of_classes):
        found = checked(of_classes(cat=60, dog=60) | {"dog/broken.png": b"broken"})
        assert codes(found, "problems") == ["unreadable_image"]
        assert "on_bad_file 'skip' would leave out so few" in found["report"]["found"]

    def test_a_class_of_nothing_else_is_empty(self, checked, of_classes):
        found = checked(of_classes(cat=60, dog=60) | {"fox/broken.png": b"broken"}, on_bad_file="skip")
        assert [(line["code"], line["path"]) for line in found["report"]["problems"]] == [("empty_class", "fox")]

    def test_one_that_the_service_may_not_read_is_one_of_them(self, checked, monkeypatch, balanced):
        def closed(path):
            if path.endswith("/0.png"):
                raise PermissionError(13, "Permission denied")
            return read(path)

        monkeypatch.setattr(looking, "read", closed)
        found = checked(balanced)
        assert [line["path"] for line in found["report"]["problems"]] == ["cat/0.png", "dog/0.png"]
        assert "It cannot be read: Permission denied." in found["report"]["problems"][0]["detail"]

    def test_arrays_know_no_skipping(self, checked):
        found = checked({"a.npz": b"PK\3\4 broken"}, on_bad_file="skip")
        assert codes(found) == ["skip_is_for_pictures"]
        assert codes(checked({"a.npz": b"PK\3\4 broken"})) == []

    def test_a_long_list_is_cut(self, checked, monkeypatch, of_classes):
        monkeypatch.setattr("worker.keeper.cautions.SHOWN_SKIPPED", 1)
        broken = {f"dog/broken{number}.png": b"broken" for number in range(2)}
        found = checked(of_classes(cat=100, dog=100) | broken, on_bad_file="skip")
        assert codes(found) == ["skipped_file", "more_skipped_files"]
        assert len(found["skipped"]) == 2


class TestOldReports:
    def test_are_read_as_they_were_written(
        self,
    ):
        report = Report.model_validate({"expected": "a", "found": "b", "problems": []})
        assert (report.warnings, report.statistics) == ([], None)
