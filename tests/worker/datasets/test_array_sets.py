"""Arrays become pictures and labels; the first value that does not fit is named."""

import numpy as np
import pytest

from worker.datasets import array_content
from worker.datasets.array_files import find_arrays
from worker.datasets.array_sets import judge_arrays
from worker.datasets.errors import Refused

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (6, 4, 5), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def judged(tmp_path):
    """Save arrays as an npz and judge it."""

    def judge(save=np.savez, **arrays):
        folder = tmp_path / "set"
        folder.mkdir(exist_ok=True)
        save(folder / "a.npz", **arrays)
        return judge_arrays(find_arrays(folder))

    return judge


@pytest.fixture
def read(judged):
    """The same, read to the end: the set and the pixels of each split."""

    def call(**arrays):
        found = judged(**arrays)
        blocks = {split: [] for split in found.labels}
        for split, pixels in found.pictures():
            blocks[split].append(pixels)
        return found, {split: np.concatenate(pixels) for split, pixels in blocks.items()}

    return call


@pytest.fixture
def problem(read):
    """What is said of arrays that are refused."""

    def refused(**arrays):
        with pytest.raises(Refused) as refusal:
            read(**arrays)
        assert refusal.value.problem.hint
        return refusal.value.problem

    return refused


def image_of(dtype, index, value):
    images = np.zeros((4, 3, 3), dtype)
    images[index] = value
    return images


class TestPixels:
    @pytest.mark.parametrize(
        ("images", "expected"),
        [
            (GREY, GREY),
            (GREY[..., None], GREY),
            (GREY[:, None], GREY),
            (COLOUR, COLOUR),
            (np.ascontiguousarray(COLOUR.transpose(0, 3, 1, 2)), COLOUR),
            (GREY.astype(np.int64), GREY),
            (GREY.astype(">u2"), GREY),
            (GREY.astype(np.float32), GREY),  # whole numbers to 255
            (GREY / 255, GREY),
            ((GREY / 255).astype(np.float32), GREY),
            (GREY / 255 * (1 + 5e-7), GREY),  # a little over 1 from arithmetic
            (GREY > 99, np.uint8(255) * (GREY > 99)),
            (GREY % 3, GREY % 3),  # bytes are bytes, dark as they may be
            (GREY % 2, np.uint8(255) * (GREY % 2)),  # but 0 and 1 alone are black and white
            ((GREY % 2).astype(np.int64), np.uint8(255) * (GREY % 2)),
            ((GREY % 2).astype(np.float64), np.uint8(255) * (GREY % 2)),
        ],
        ids=[
            "HW",
            "HW1",
            "1HW",
            "HW3",
            "3HW",
            "i8",
            ">u2",
            "f255",
            "f1",
            "f4",
            "f1+",
            "bool",
            "dark",
            "u1",
            "i1",
            "f01",
        ],
    )
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_become_bytes(self, read, images, expected, save):
        found, pixels = read(save=save, images=images, labels=LABELS)
        assert pixels["train"].dtype == np.uint8
        np.testing.assert_array_equal(pixels["train"], expected)
        assert found.mode == ("RGB" if expected.ndim == 4 else "L")

    def test_in_many_blocks(self, read, monkeypatch):
        monkeypatch.setattr(array_content, "_BLOCK_BYTES", 50)  # two pictures of 20 bytes
        _, pixels = read(images=GREY, labels=LABELS)
        np.testing.assert_array_equal(pixels["train"], GREY)

    def test_one_scale_for_both_splits(self, read):
        dark = np.full((2, 4, 5), 1.0)  # of 255: alone it would pass for white
        _, pixels = read(x_train=GREY.astype(float), y_train=LABELS, x_test=dark, y_test=[0, 1])
        assert set(pixels["test"].ravel().tolist()) == {1}

    @pytest.mark.parametrize(
        ("train", "test", "white"),
        [
            (GREY, np.uint8(1), 1),  # the training images reach 255
            (GREY % 2, np.uint8(1), 255),
            (GREY % 2 > 0, np.uint8(1), 255),  # they say nothing of whole numbers, and the test images do
            (GREY / 255, np.uint8(1), 255),
        ],
    )
    def test_the_training_images_say_whether_1_is_white(self, read, monkeypatch, train, test, white):
        monkeypatch.setattr(array_content, "_BLOCK_BYTES", 50)
        _, pixels = read(x_train=train, y_train=LABELS, x_test=np.full((2, 4, 5), test), y_test=[0, 1])
        assert set(pixels["test"].ravel().tolist()) == {white}

    def test_test_images_must_not_go_on_where_the_training_images_end(self, problem):
        test = np.zeros((2, 4, 5), np.uint8)
        test[1, 0, 2] = 7
        said = problem(x_train=GREY % 2, y_train=LABELS, x_test=test, y_test=[0, 1])
        assert (said.code, said.path) == ("out_of_range", "x_test")
        assert said.detail == "x_test[1, 0, 2] is 7; as no value of x_train is above 1, only 0 and 1 are taken."

    @pytest.mark.parametrize(
        ("images", "code", "says"),
        [
            (image_of(np.float32, (2, 0, 1), np.nan), "not_finite", "images[2, 0, 1] is nan"),
            (image_of(np.float64, (3, 2, 2), np.inf), "not_finite", "images[3, 2, 2] is inf"),
            (image_of(np.float32, (1, 1, 1), -0.5), "out_of_range", "images[1, 1, 1] is -0.5"),
            (image_of(np.float32, (1, 1, 1), 256), "out_of_range", "images[1, 1, 1] is 256"),
            (image_of(np.int32, (0, 0, 2), 65_535), "out_of_range", "images[0, 0, 2] is 65535"),
            (image_of(np.int8, (0, 0, 2), -1), "out_of_range", "images[0, 0, 2] is -1"),
            (image_of(np.float32, (1, 0, 0), 1.5), "out_of_range", "images[1, 0, 0] is 1.5, while others reach 1.5"),
            (np.zeros((4, 3, 3), np.complex64), "wrong_type", "complex64"),
            (np.full((4, 3, 3), "a"), "wrong_type", "<U1"),
            (np.full((4, 3, 3), None), "object_array", "objects"),
            (np.zeros((4, 3, 3), [("a", "u1")]), "object_array", "records"),
            (np.zeros((4, 3, 3), np.uint8, order="F"), "column_order", "column by column"),
            (np.zeros((4, 9), np.uint8), "wrong_shape", "(4, 9)"),
            (np.zeros((4, 5, 5, 4), np.uint8), "wrong_shape", "(4, 5, 5, 4)"),
            (np.zeros((0, 3, 3), np.uint8), "empty_array", "(0, 3, 3)"),
            (np.uint8(1), "empty_array", "()"),
        ],
    )
    @pytest.mark.parametrize("block_bytes", [1, 1 << 20])
    def test_what_fits_nothing_is_named(self, problem, monkeypatch, images, code, says, block_bytes):
        monkeypatch.setattr(array_content, "_BLOCK_BYTES", block_bytes)  # the index counts from the first block
        said = problem(images=images, labels=[0, 1, 0, 1])
        assert (said.code, said.path) == (code, "images")
        assert says in said.detail

    def test_splits_of_two_shapes(self, problem):
        said = problem(x_train=GREY, y_train=LABELS, x_test=COLOUR, y_test=LABELS)
        assert (said.code, said.path) == ("wrong_shape", "x_test")
        assert "4 × 5 × 3" in said.detail
        assert "4 × 5 × 1" in said.detail


class TestLabels:
    @pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], LABELS.astype(np.uint8), LABELS.astype(">i4")])
    def test_one_for_each_image(self, judged, labels):
        found = judged(images=GREY, labels=labels)
        assert found.labels["train"].tolist() == [0, 1, 2, 0, 1, 2]
        assert (found.classes, list(found.labels)) == (["0", "1", "2"], ["train"])

    def test_numbers_that_never_come_up_are_no_classes(self, judged):
        found = judged(x_train=GREY, y_train=LABELS * 5 + 1, x_test=GREY, y_test=[11, 11, 1, 1, 1, 6])
        assert found.classes == ["1", "6", "11"]
        assert found.labels["test"].tolist() == [2, 2, 0, 0, 0, 1]

    @pytest.mark.parametrize("names", [["ant", "bee", "cat"], np.array([b"ant", b"bee", b"cat"])])
    def test_names(self, judged, names):
        assert judged(images=GREY, labels=LABELS, class_names=names).classes == ["ant", "bee", "cat"]

    @pytest.mark.parametrize(
        ("changes", "code", "path", "says"),
        [
            ({"labels": LABELS[:5]}, "length_mismatch", "labels", "It has 5 labels; images has 6 images"),
            ({"labels": np.eye(3)[LABELS].astype(int)}, "wrong_shape", "labels", "(6, 3)"),
            ({"labels": LABELS.astype(float)}, "wrong_type", "labels", "float64"),
            ({"labels": [0, 1, -1, 0, 1, -1]}, "bad_label", "labels", "labels[2] is -1"),
            ({"labels": np.array([0, 1, 2, 0, 1, 1 << 63], np.uint64)}, "bad_label", "labels", "labels[5] is 9223372"),
            ({"labels": [4] * 6}, "too_few_classes", "labels", "every label is 4"),
            ({"classes": ["ant", "bee"]}, "bad_label", "labels", "labels[2] is 2, and there are 2 names, for 0 to 1"),
            ({"classes": ["ant", "bee", "cat", "dog"]}, "empty_class", "labels", "'dog'"),
            ({"classes": ["ant", "bee", "ant"]}, "unsafe_name", "classes", "classes[2]"),
            ({"classes": ["ant", "b\nee", "cat"]}, "unsafe_name", "classes", "classes[1]"),
            ({"classes": np.array([b"ant", b"\xff", b"cat"])}, "unsafe_name", "classes", "no text"),
            ({"classes": [1, 2, 3]}, "wrong_type", "classes", "int64"),
            ({"classes": np.array(["ant", None, 1], object)}, "object_array", "classes", "objects"),
            (
                {"test_images": GREY, "test_labels": [0, 1, 2, 3, 0, 0]},
                "class_not_in_train",
                "test_labels",
                "test_labels[3] is 3, which labels does not hold",
            ),
        ],
    )
    def test_what_fits_nothing_is_named(self, problem, changes, code, path, says):
        said = problem(**{"images": GREY, "labels": LABELS} | changes)
        assert (said.code, said.path) == (code, path)
        assert says in said.detail


class TestVersion:
    def test_is_of_what_is_in_it_however_it_is_stored(self, read):
        plain = read(images=GREY, labels=LABELS)[0].version
        assert plain.startswith("sha256:")
        same = [
            read(save=np.savez_compressed, images=GREY, labels=LABELS),
            read(x_train=GREY[:, None] / 255, y_train=LABELS[:, None].astype(np.uint8)),
        ]
        assert [found.version for found, _ in same] == [plain, plain]

    def test_changes_with_any_part(self, read):
        arrays = {"images": GREY, "labels": LABELS}
        pixel, names = GREY.copy(), ["a", "b", "c"]
        pixel[5, 3, 4] ^= 1
        others = [
            arrays,
            arrays | {"images": pixel},
            arrays | {"images": GREY.reshape(6, 5, 4)},
            arrays | {"labels": LABELS[::-1]},
            arrays | {"classes": names},
            arrays | {"test_images": GREY[:1], "test_labels": [0]},
        ]
        assert len({read(**other)[0].version for other in others}) == len(others)
