"""The cache is made once, whole or not at all, and a damaged one is made again."""

import multiprocessing
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from worker.datasets import cache
from worker.datasets.cache import Contents, channel_statistics
from worker.datasets.cache_facts import NotCached, read_facts
from worker.datasets.pictures import ArrayPictures
from worker.datasets.source import DatasetSource


def two_splits(version="sha256:1", side=4):
    generator = np.random.default_rng(0)
    train = generator.integers(0, 256, (600, side, side, 3), dtype=np.uint8)
    splits = {
        "train": ArrayPictures(train, np.arange(600, dtype=np.int64) % 2),
        "test": ArrayPictures(train[:10], np.zeros(10, dtype=np.int64)),
    }
    return Contents(["a", "b"], "RGB", side, splits, lambda: version)


def build(folder, contents=None, on_progress=lambda done, total: None):
    return cache.build(folder, contents or two_splits(), on_progress=on_progress)


def build_at(folder, barrier):
    barrier.wait()
    build(folder)


class TestRoundTrip:
    def test_what_goes_in_comes_out(self, tmp_path):
        contents = two_splits()
        build(tmp_path / "set", contents)
        entry = cache.load(tmp_path / "set")
        assert (entry.classes, entry.version) == (["a", "b"], "sha256:1")
        assert entry.splits["train"].pixels.shape == (600, 3, 4, 4)
        assert isinstance(entry.splits["train"].pixels, np.memmap)
        source = contents.splits["train"]
        np.testing.assert_array_equal(entry.splits["train"].pixels, source.images.transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(entry.splits["train"].labels, source.labels)
        assert len(entry.splits["test"]) == 10

    def test_progress_rises_to_the_end(self, tmp_path):
        seen = []
        build(tmp_path / "set", on_progress=lambda done, total: seen.append((done, total)))
        assert seen == sorted(seen)
        assert seen[-1] == (610, 610)
        assert len(seen) == 4  # 600 pictures in pieces of 256, and the 10 of the test split

    def test_every_core_takes_a_part(self, tmp_path):
        meeting = threading.Barrier(os.cpu_count() or 1)

        class Pictures:
            labels = np.zeros(256 * meeting.parties, dtype=np.int64)  # a piece for each

            def decode(self, pixels, chosen):
                meeting.wait(30)  # until all are at work

        build(tmp_path / "set", Contents(["a"], "L", 1, {"train": Pictures()}, lambda: "sha256:1"))

    def test_nothing_is_left_beside_it(self, tmp_path):
        build(tmp_path / "set")
        assert [path.name for path in tmp_path.iterdir()] == ["set"]


class TestStatistics:
    def test_mean_and_deviation(self):
        pixels = np.random.default_rng(1).integers(0, 256, (50, 3, 5, 5), dtype=np.uint8)
        mean, std = channel_statistics(pixels)
        np.testing.assert_allclose(mean, (pixels / 255).mean(axis=(0, 2, 3)))
        np.testing.assert_allclose(std, (pixels / 255).std(axis=(0, 2, 3)))

    def test_a_channel_without_contrast_can_be_divided_by(self):
        mean, std = channel_statistics(np.full((3, 1, 2, 2), 51, dtype=np.uint8))
        assert mean == pytest.approx([0.2])  # 51 / 255
        assert std == pytest.approx([1 / 255])


class TestDamage:
    def test_nothing_there(self, tmp_path):
        with pytest.raises(NotCached):
            cache.load(tmp_path / "set")

    @pytest.mark.parametrize("name", ["meta.json", "train-images.npy", "train-labels.npy", "test-images.npy"])
    @pytest.mark.parametrize("spoil", ["remove", "cut", "flip"])
    def test_is_seen_and_repaired(self, tmp_path, name, spoil):
        build(tmp_path / "set")
        path = tmp_path / "set" / name
        data = path.read_bytes()
        if spoil == "remove":
            path.unlink()
        else:
            path.write_bytes(data[:-1] if spoil == "cut" else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
        with pytest.raises(NotCached):
            cache.load(tmp_path / "set")
        build(tmp_path / "set")
        cache.load(tmp_path / "set")
        assert path.read_bytes() == data
        assert [path.name for path in tmp_path.iterdir()] == ["set"]

    def test_the_end_of_a_large_file_is_seen(self, tmp_path):
        path = tmp_path / "large"
        path.write_bytes(bytes(70 << 20))
        before = cache._fingerprint(path)
        with path.open("r+b") as file:
            file.truncate((70 << 20) - 1)
        assert cache._fingerprint(path) != before


class TestBuilders:
    def test_two_at_once_both_succeed(self, tmp_path):
        context = multiprocessing.get_context("spawn")
        barrier = context.Barrier(2)
        builders = [context.Process(target=build_at, args=(tmp_path / "set", barrier)) for _ in range(2)]
        for builder in builders:
            builder.start()
        for builder in builders:
            builder.join(60)
        assert [builder.exitcode for builder in builders] == [0, 0]
        assert [path.name for path in tmp_path.iterdir()] == ["set"]
        cache.load(tmp_path / "set")

    def test_one_that_comes_second_keeps_the_first(self, tmp_path):
        build(tmp_path / "set")
        made = (tmp_path / "set").stat().st_ino
        build(tmp_path / "set")
        assert (tmp_path / "set").stat().st_ino == made

    def test_one_that_is_stopped_leaves_nothing(self, tmp_path):
        def stop(done, total):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "set", on_progress=stop)
        assert list(tmp_path.iterdir()) == []

    def test_what_a_killed_one_left_goes_when_it_is_old(self, tmp_path):
        old, young = tmp_path / ".building-old", tmp_path / ".building-young"
        old.mkdir()
        young.mkdir()
        two_days_ago = time.time() - 2 * 86_400
        os.utime(old, (two_days_ago, two_days_ago))
        build(tmp_path / "set")
        assert sorted(path.name for path in tmp_path.iterdir()) == [".building-young", "set"]


class TestUse:
    def test_an_entry_says_when_it_was_last_opened(self, tmp_path):
        build(tmp_path / "set")
        os.utime(tmp_path / "set", (0, 0))
        cache.load(tmp_path / "set")
        assert time.time() - (tmp_path / "set").stat().st_mtime < 60

    def test_a_damaged_one_is_not_used(self, tmp_path):
        build(tmp_path / "set")
        (tmp_path / "set" / "train-labels.npy").write_bytes(b"")
        os.utime(tmp_path / "set", (0, 0))
        with pytest.raises(NotCached):
            cache.load(tmp_path / "set")
        assert (tmp_path / "set").stat().st_mtime == 0

    def test_it_tells_what_it_is_of(self, opened, pets, as_source, tmp_path):
        """A version that a row may name, or one of a built-in set, which none does."""
        version = opened(as_source(pets)).version
        (entry,) = (tmp_path / "cache").iterdir()
        facts = read_facts(entry)
        assert (facts["built_in"], facts["version"]) == (False, version)
        opened(DatasetSource("built_in", "digits", tmp_path))
        (other,) = set((tmp_path / "cache").iterdir()) - {entry}
        assert read_facts(other)["built_in"] is True


class TestOpening:
    """A job never notices: the entry is made again from the same images."""

    @pytest.mark.parametrize("name", ["meta.json", "train-images.npy", "train-labels.npy"])
    @pytest.mark.parametrize(
        "spoil", [lambda data: data[:-1], lambda data: data[:-9] + b"?" + data[-8:], lambda _: b""]
    )
    def test_is_made_again(self, opened, pets, as_source, tmp_path, name, spoil):
        source = as_source(pets)
        before = opened(source)
        whole = before.dataset.train.pixels.copy()
        damaged = next((tmp_path / "cache").glob(f"*/{name}"))
        data = damaged.read_bytes()
        assert spoil(data) != data
        damaged.unlink()  # the map of the first opening keeps the file it had
        damaged.write_bytes(spoil(data))
        again = opened(source)
        assert again.version == before.version
        np.testing.assert_array_equal(again.dataset.train.pixels, whole)
        assert damaged.read_bytes() == data

    def test_reading_takes_no_memory_of_its_own(self, opened, tmp_path):
        """The map may be written to, for torch's sake; pages that are only read stay the file's."""
        digits = DatasetSource("built_in", "digits", tmp_path)
        opened(digits)
        pixels = opened(digits).dataset.train.pixels
        checksum = pixels.sum(dtype=np.int64)
        mapped = _mapping_of(pixels.filename)
        assert mapped["Rss"] > 0
        assert mapped["Anonymous"] == 0
        assert checksum > 0


def _mapping_of(path):
    """Kilobytes of the maps of a file in this process, from /proc."""
    found, ours = {"Rss": 0, "Anonymous": 0}, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, rest = line.partition(":")
        if "-" in name.split(" ")[0] and not rest.endswith("kB"):
            ours = line.endswith(str(path))
        elif ours and name in found:
            found[name] += int(rest.split()[0])
    return found
