"""A worker divides a set as its check did, and leaves out what its check left out."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from worker.datasets.array_files import find_arrays
from worker.datasets.array_sets import digests_of, judge_arrays
from worker.datasets.class_folders import read_class_folders
from worker.datasets.errors import DatasetInvalid
from worker.datasets.source import DatasetSource
from worker.datasets.splitting import MadeSplit
from worker.keeper.check import Request, check_dataset

SPLIT = MadeSplit(0.25, 3)


@pytest.fixture
def checked():
    """A folder as its check makes it a source."""

    def make(folder, **asked):
        asked = {"test_fraction": SPLIT.test_fraction, "split_seed": SPLIT.seed} | asked
        found = check_dataset(Request(str(folder), None, cpu_seconds=60, **asked))
        split = found["split"]
        made = MadeSplit(split["test_fraction"], split["seed"]) if split["origin"] == "made" else None
        facts = {"mode": found["image"]["mode"], "side": found["image"]["side"], "split": made}
        skipped = frozenset(found["skipped"] or [])
        return DatasetSource("registered", "pets", folder, found["version"], skipped=skipped, **facts)

    return make


@pytest.fixture
def levels(make_picture):
    """Twelve cats and eight dogs, each of a brightness of its own: `{"cat/0.png": bytes}`."""
    names = [f"cat/{number}.png" for number in range(12)] + [f"dog/{number}.png" for number in range(8)]
    return {name: make_picture(10 * level, size=(8, 8), mode="L") for level, name in enumerate(names)}


def brightness(images):
    return sorted(images.pixels[:, 0, 0, 0].tolist())


class TestFiles:
    def test_each_class_gives_its_share(self, opened, checked, make_folder, levels):
        source = checked(make_folder(levels))
        found = opened(source)
        assert found.version == source.version
        assert np.bincount(found.dataset.train.labels).tolist() == [9, 6]
        assert np.bincount(found.dataset.test.labels).tolist() == [3, 2]
        assert brightness(found.dataset.train) + brightness(found.dataset.test) != list(range(0, 200, 10))
        assert sorted(brightness(found.dataset.train) + brightness(found.dataset.test)) == list(range(0, 200, 10))
        assert ((found.dataset.test.pixels[:, 0, 0, 0] >= 120) == found.dataset.test.labels).all()

    def test_other_names_give_the_same_images(self, opened, checked, make_folder, levels):
        found = opened(checked(make_folder(levels))).dataset
        renamed = {name.replace("/", "/x/other-"): data for name, data in reversed(levels.items())}
        other = opened(checked(make_folder(renamed, "renamed"))).dataset
        assert brightness(found.test) == brightness(other.test)

    def test_each_seed_has_a_cache_of_its_own(self, opened, checked, make_folder, levels):
        folder = make_folder(levels)
        tests = {seed: tuple(brightness(opened(checked(folder, split_seed=seed)).dataset.test)) for seed in (3, 4)}
        assert len(set(tests.values())) == 2

    def test_mean_and_deviation_are_those_of_the_check(self, opened, make_folder, levels, checked):
        folder = make_folder(levels)
        found = check_dataset(Request(str(folder), None, 60, SPLIT.test_fraction, SPLIT.seed))
        dataset = opened(checked(folder)).dataset
        assert dataset.channel_mean == pytest.approx(found["channel_mean"])
        assert dataset.channel_std == pytest.approx(found["channel_std"])

    def test_once_cached_the_folder_is_not_needed(self, opened, checked, make_folder, levels):
        folder = make_folder(levels)
        source = checked(folder)
        opened(source)
        shutil.rmtree(folder)
        assert len(opened(source).dataset.test) == 5

    def test_a_file_that_changed_is_refused(self, opened, checked, make_folder, make_picture, levels):
        folder = make_folder(levels)
        source = checked(folder)
        (folder / "cat/0.png").write_bytes(make_picture(255, size=(8, 8), mode="L"))
        with pytest.raises(DatasetInvalid, match="changed, added or removed"):
            opened(source)

    def test_test_images_that_were_added_are_refused(self, opened, checked, make_folder, levels):
        folder = make_folder({f"train/{name}": data for name, data in levels.items()})
        source = checked(folder)
        make_folder({f"test/{name}": data for name, data in levels.items()})
        with pytest.raises(DatasetInvalid, match="They have a test split now"):
            opened(source)

    def test_files_that_are_gone_are_said(self, opened, checked, make_folder, levels):
        folder = make_folder(levels)
        source = checked(folder)
        shutil.rmtree(folder / "dog")
        with pytest.raises(DatasetInvalid, match="changed, added or removed"):
            opened(source)

    def test_a_cancelled_job_stops_while_they_are_read(self, opened, checked, make_folder, levels, tmp_path):
        def stop(done, total):
            assert (done, total) == (0, 20)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            opened(checked(make_folder(levels)), on_progress=stop)
        assert not (tmp_path / "cache").exists()


class TestSkipped:
    @pytest.fixture
    def source(self, checked, make_folder, make_picture):
        names = [f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(100)]
        files = {name: make_picture(level + 1, size=(8, 8), mode="L") for level, name in enumerate(names)}
        return checked(make_folder(files | {"cat/bad.png": b"broken"}), on_bad_file="skip")

    def test_they_are_left_out(self, opened, source):
        found = opened(source)
        assert source.skipped == {"cat/bad.png"}
        assert found.version == source.version
        assert (len(found.dataset.train), len(found.dataset.test)) == (150, 50)

    def test_even_where_they_were_repaired(self, opened, source, make_picture):
        (source.root / "cat/bad.png").write_bytes(make_picture(255, size=(8, 8), mode="L"))
        assert len(opened(source).dataset.train) == 150

    def test_no_others_are(self, opened, source):
        (source.root / "dog/5.png").write_bytes(b"broken")
        with pytest.raises(DatasetInvalid, match=r"dog/5\.png"):
            opened(source)


class TestArrays:
    IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    LABELS = np.array([3, 5] * 20)

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "arrays").mkdir()
        np.savez(tmp_path / "arrays/a.npz", images=self.IMAGES, labels=self.LABELS)
        return tmp_path / "arrays"

    def test_are_divided_as_by_the_check(self, opened, checked, folder):
        source = checked(folder)
        found = opened(source)
        assert found.version == source.version == SPLIT.version(replaced(source, folder).version)
        marks = SPLIT.marks(SPLIT.ranks(digests_of(self.IMAGES)), self.LABELS.tolist())
        is_test = np.frombuffer(marks, np.bool_)
        assert is_test.sum() == 10
        np.testing.assert_array_equal(found.dataset.test.pixels[:, 0], self.IMAGES[is_test])
        np.testing.assert_array_equal(found.dataset.train.pixels[:, 0], self.IMAGES[~is_test])
        assert found.dataset.test.labels.tolist() == (self.LABELS[is_test] == 5).astype(int).tolist()
        assert found.dataset.train.labels.tolist() == (self.LABELS[~is_test] == 5).astype(int).tolist()

    def test_that_are_scaled(self, opened, checked, folder):
        found = opened(checked(folder), size=4).dataset
        assert (found.train.pixels.shape, found.test.pixels.shape) == ((30, 1, 4, 4), (10, 1, 4, 4))
        assert not (found.train.pixels[:, None] == found.test.pixels[None]).all(axis=(2, 3, 4)).any()

    def test_that_got_a_test_split_are_refused(self, opened, checked, folder):
        source = checked(folder)
        arrays = {"images": self.IMAGES, "labels": self.LABELS}
        np.savez(folder / "a.npz", **arrays, x_test=self.IMAGES[:2], y_test=self.LABELS[:2])
        with pytest.raises(DatasetInvalid, match="They have a test split now"):
            opened(source)


def replaced(source, folder):
    """The source as it would be without a split."""
    found = judge_arrays(find_arrays(folder))
    list(found.pictures())
    return replace(source, version=found.version, split=None)


class TestWithout:
    def test_leaves_out_paths_of_both_splits(self, make_folder):
        names = ["train/cat/a.png", "train/cat/b.png", "train/dog/a.png", "test/cat/a.png"]
        found = read_class_folders(make_folder(dict.fromkeys(names, b"")))
        kept = found.without({"train/cat/a.png", "test/cat/a.png"})
        assert (kept.train.paths, kept.train.labels) == (["train/cat/b.png", "train/dog/a.png"], [0, 1])
        assert (kept.test.paths, kept.problems) == ([], [])
        assert [problem.path for problem in found.without({"train/dog/a.png"}).problems] == ["dog"]
