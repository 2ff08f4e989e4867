"""Arrays that were checked open like folders of pictures."""

import struct

import numpy as np
import pytest

from worker.datasets.array_files import find_arrays
from worker.datasets.array_sets import judge_arrays
from worker.datasets.errors import DatasetInvalid
from worker.datasets.source import DatasetSource


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


class TestArrays:
    @pytest.fixture
    def grey(self):
        return np.random.default_rng(0).integers(0, 256, (6, 8, 12), dtype=np.uint8)

    @pytest.fixture
    def save(self, tmp_path):
        def write(**arrays):
            folder = tmp_path / "arrays"
            folder.mkdir(exist_ok=True)
            np.savez(folder / "a.npz", **arrays)
            found = judge_arrays(find_arrays(folder))
            for _ in found.pictures():
                pass
            return DatasetSource("registered", "arrays", folder, found.version, found.mode, 8)

        return write

    def test_npz(self, opened, save, grey):
        colour = np.stack([grey, grey // 2, grey // 3], axis=-1)[:, :, :8]
        source = save(x_train=colour, y_train=[3, 4] * 3, x_test=colour[:2], y_test=[4, 4])
        found = opened(source)
        assert found.version == source.version
        assert found.dataset.classes == ["3", "4"]
        np.testing.assert_array_equal(found.dataset.train.pixels, colour.transpose(0, 3, 1, 2))
        assert found.dataset.train.labels.tolist() == [0, 1] * 3
        assert found.dataset.test.labels.tolist() == [1, 1]

    def test_idx(self, opened, make_folder, grey):
        parts = {"images-idx3": grey[:, :, :8], "labels-idx1": np.array([0, 1] * 3, np.uint8)}
        files = {
            f"{split}-{part}-ubyte": idx_bytes(array) for split in ("train", "t10k") for part, array in parts.items()
        }
        folder = make_folder(files)
        found = judge_arrays(find_arrays(folder))
        list(found.pictures())
        dataset = opened(DatasetSource("uploaded", "mine", folder, found.version, "L", 8)).dataset
        for split in (dataset.train, dataset.test):
            np.testing.assert_array_equal(split.pixels[:, 0], grey[:, :, :8])

    @pytest.mark.parametrize(("resize", "width"), [("crop", 8), ("pad", 12), ("stretch", 12)])
    def test_that_are_no_squares(self, opened, save, grey, resize, width):
        """Of 12 columns a crop keeps the middle 8."""
        source = save(images=grey, labels=[0, 1] * 3)
        pixels = opened(source, resize=resize).dataset.train.pixels
        assert pixels.shape == (6, 1, 8, 8)
        if resize == "crop":
            np.testing.assert_array_equal(pixels[:, 0], grey[:, :, 2:10])
        assert (pixels[:, 0, 0] == 0).all() == (resize == "pad")

    def test_nothing_is_left_but_the_cache(self, opened, save, grey, tmp_path):
        opened(save(images=grey, labels=[0, 1] * 3))
        assert len(list((tmp_path / "cache").iterdir())) == 1

    def test_that_changed_are_refused(self, opened, save, grey):
        source = save(images=grey, labels=[0, 1] * 3)
        save(images=grey[::-1], labels=[0, 1] * 3)
        with pytest.raises(DatasetInvalid, match="changed, added or removed"):
            opened(source)

    def test_that_turned_bad_are_named(self, opened, save, grey):
        source = save(images=grey, labels=[0, 1] * 3)
        np.savez(source.root / "a.npz", images=np.where(grey == grey[4, 0, 0], np.nan, grey), labels=[0, 1] * 3)
        with pytest.raises(DatasetInvalid, match=r"arrays, images: images\[\d, \d+, \d+\] is nan"):
            opened(source)

    def test_that_are_gone(self, opened, save, grey):
        source = save(images=grey, labels=[0, 1] * 3)
        (source.root / "a.npz").unlink()
        with pytest.raises(DatasetInvalid, match="changed, added or removed"):
            opened(source)

    def test_a_cancelled_job_stops_while_they_are_read(self, opened, save, grey, tmp_path):
        def stop(done, total):
            assert (done, total) == (0, 6)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            opened(save(images=grey, labels=[0, 1] * 3), on_progress=stop)
        assert list((tmp_path / "cache").iterdir()) == []
