"""What the report of a check says of copies, of uneven and small classes, and in figures."""

from io import BytesIO

import numpy as np
import pytest


def codes(verdict, kind="warnings"):
    return [line["code"] for line in verdict["report"][kind]]


class TestDuplicates:
    def test_across_splits_are_counted_and_named(self, checked, warning, with_test):
        copies = {f"test/dog/copy{number}.png": with_test[f"train/dog/{number}.png"] for number in range(5)}
        found = checked(with_test | copies)
        said = warning(found, "duplicates_across_splits")
        assert said.startswith("5 test images are training images too, byte for byte, e.g. ")
        assert said.count(" = ") == 3
        across = found["report"]["statistics"]["duplicates"]["across_splits"]
        assert across["images"] == 5
        assert ["train/dog/4.png", "test/dog/copy4.png"] in across["examples"]
        assert codes(found) == ["duplicates_across_splits"]

    def test_under_two_classes(self, checked, warning, balanced):
        found = checked(balanced | {"cat/dog.png": balanced["dog/3.png"]})
        said = warning(found, "duplicates_across_classes")
        assert said == "2 images lie under more than one class, byte for byte: cat/dog.png = dog/3.png."

    def test_among_training_images(self, checked, warning, with_test):
        copies = {f"train/cat/copy{number}.png": with_test["train/cat/0.png"] for number in range(2)}
        found = checked(with_test | copies)
        assert warning(found, "duplicates_in_training").startswith("2 training images are copies of others")
        assert codes(found) == ["duplicates_in_training"]

    @pytest.mark.parametrize("seed", range(5))
    def test_a_split_that_is_made_has_none_across(self, checked, seed, balanced):
        copies = {path.replace(".png", "-copy.png"): data for path, data in balanced.items()}
        found = checked(balanced | copies, split_seed=seed)
        assert sum(found["counts"]["test"].values()) == 16
        duplicates = found["report"]["statistics"]["duplicates"]
        assert duplicates["across_splits"] == {"images": 0, "examples": []}
        assert duplicates["within_training"]["images"] == 32
        assert len(duplicates["within_training"]["examples"]) == 10

    def test_arrays_are_named_by_their_places(self, checked):
        images = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
        file = BytesIO()
        np.savez(file, x_train=images, y_train=[0, 1] * 20, x_test=images[3:5], y_test=[1, 0])
        found = checked({"a.npz": file.getvalue()})
        examples = found["report"]["statistics"]["duplicates"]["across_splits"]["examples"]
        assert examples == [["x_train[3]", "x_test[0]"], ["x_train[4]", "x_test[1]"]]


class TestClasses:
    @pytest.mark.parametrize(("largest", "is_told"), [(99, False), (100, True)])
    def test_ten_times_as_many_is_too_uneven(self, checked, largest, is_told, warning, of_classes):
        found = checked(of_classes(cat=largest, dog=10), test_fraction=0.0)
        assert ("class_imbalance" in codes(found)) is is_told
        if is_told:
            said = "'cat' has 100 training images and 'dog' 10: 10 times as many."
            assert warning(found, "class_imbalance") == said

    @pytest.mark.parametrize(("smallest", "is_told"), [(9, True), (10, False)])
    def test_fewer_than_ten_are_few(self, checked, smallest, is_told, warning, of_classes):
        found = checked(of_classes(cat=12, dog=smallest), test_fraction=0.0)
        assert ("few_images" in codes(found)) is is_told
        if is_told:
            assert warning(found, "few_images") == "1 class has fewer than 10 training images: 'dog' (9)."


class TestStatistics:
    def test_of_pictures(self, checked, balanced, make_unlike):
        odd = {
            "cat/wide.png": make_unlike(1, size=(300, 31)),
            "dog/large.png": make_unlike(2, size=(64, 65), mode="RGB"),
        }
        found = checked(balanced | odd, test_fraction=0.0)["report"]["statistics"]
        assert (found["images"], found["modes"]) == (42, {"L": 41, "RGB": 1})
        assert found["bytes"] == sum(map(len, (balanced | odd).values()))
        assert found["sizes"] == {
            "min": [6, 4],
            "median": [6, 4],
            "max": [300, 65],
            "shorter_sides": [
                {"at_least": 4, "at_most": 7, "images": 40},
                {"at_least": 16, "at_most": 31, "images": 1},
                {"at_least": 64, "at_most": 127, "images": 1},
            ],
        }
        assert found["per_class"] == {
            "smallest": {"name": "cat", "images": 21}, "median": 21.0, "largest": {"name": "cat", "images": 21},
        }  # fmt: skip

    def test_of_arrays(self, checked):
        file = BytesIO()
        images = np.random.default_rng(0).integers(0, 256, (40, 4, 6), dtype=np.uint8)
        np.savez(file, images=images, labels=[0] * 25 + [1] * 15)
        found = checked({"a.npz": file.getvalue()})["report"]["statistics"]
        assert (found["images"], found["bytes"], found["modes"]) == (40, len(file.getvalue()), {"L": 40})
        assert found["per_class"]["smallest"] == {"name": "1", "images": 12}

    def test_are_there_for_a_set_that_is_refused(self, checked, balanced):
        found = checked(balanced | {"cat/broken.png": b"broken"})
        assert found["state"] == "invalid"
        assert found["report"]["statistics"]["images"] == 40
        assert found["counts"] == {"train": {"cat": 20, "dog": 20}, "test": {}}

    def test_are_missing_where_nothing_was_read(self, checked):
        found = checked({"cat/a.png": b"broken", "dog/a.png": b"broken"})
        assert (found["state"], found["report"]["statistics"]) == ("invalid", None)
