from pathlib import Path

import numpy as np
import pytest
import torch

from app.domain.specs.parts import Augmentation
from worker.engine.batches import Batch, Batches, Format, Source, rows_of
from worker.engine.data import Images

CPU = torch.device("cpu")


def batches_of(
    pixels, *, index=None, batch_size=4, side=None, channels=None, mean=None, std=None, crop_from=None
):  # fmt: skip
    count, source_channels = pixels.shape[:2]
    form = Format(
        device=CPU,
        side=side or pixels.shape[2],
        channels=channels or source_channels,
        mean=mean or [0.0] * source_channels,
        std=std or [1.0] * source_channels,
        crop_from=crop_from,
    )
    source = Source(Images(pixels, np.arange(count)), CPU)
    return Batches(source, np.arange(count) if index is None else index, form=form, batch_size=batch_size)


def numbered(count, *, channels=1, side=4):
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, channels, side, side)).copy()


class TestNormalisation:
    def test_arithmetic(self):
        pixels = np.full((4, 1, 4, 4), 51, dtype=np.uint8)
        images, _ = next(batches_of(pixels, mean=[0.1], std=[0.5]).in_order())
        assert images.mean().item() == pytest.approx(0.2)  # (51/255 - 0.1) / 0.5

    def test_each_channel_has_its_own(self):
        pixels = np.full((4, 3, 4, 4), 255, dtype=np.uint8)
        images, _ = next(batches_of(pixels, mean=[0.0, 0.5, 0.9], std=[1.0, 0.5, 0.1]).in_order())
        assert images.mean(dim=(0, 2, 3)).tolist() == pytest.approx([1, 1, 1])

    def test_grey_is_repeated(self):
        images, _ = next(batches_of(numbered(4), channels=3).in_order())
        assert images.shape == (4, 3, 4, 4)
        assert torch.equal(images[:, 0], images[:, 2])

    def test_grey_takes_colour_statistics(self):
        pixels = np.full((4, 1, 4, 4), 255, dtype=np.uint8)
        images, _ = next(batches_of(pixels, channels=3, mean=[0.0, 0.5, 0.9], std=[1.0, 0.5, 0.1]).in_order())
        assert images.mean(dim=(0, 2, 3)).tolist() == pytest.approx([1, 1, 1])

    @pytest.mark.parametrize("side", [8, 3])
    def test_resizes_on_the_device(self, side):
        images, _ = next(batches_of(numbered(4), side=side).in_order())
        assert images.shape == (4, 1, side, side)
        assert images[3].mean().item() == pytest.approx(3 / 255)  # an even image stays even
        assert images.is_contiguous(memory_format=torch.channels_last)


class TestShuffled:
    def labels(self, batches, start, stop, seed=0):
        steps = batches.shuffled(seed, augmentation=Augmentation(crop=1), start=start, stop=stop)
        return [batch.labels.tolist() for batch in steps]

    def test_drops_the_rest_and_reorders_every_epoch(self):
        batches = batches_of(numbered(10))
        assert batches.per_epoch == 2  # 10 // 4
        first, second = (np.ravel(self.labels(batches, 2 * epoch, 2 * epoch + 2)).tolist() for epoch in (0, 1))
        assert len(set(first)) == len(set(second)) == 8
        assert first != second

    def test_may_begin_anywhere(self):
        batches = batches_of(numbered(20))
        assert self.labels(batches, 0, 12)[7:] == self.labels(batches, 7, 12)

    def test_labels_belong_to_pixels(self):
        batches = batches_of(numbered(20), index=np.array([3, 5, 8, 13]))
        batch = next(batches.shuffled(0, augmentation=Augmentation(), start=0, stop=1))
        assert sorted(batch.labels.tolist()) == [3, 5, 8, 13]
        assert (batch.images()[:, 0, 0, 0] * 255).round().long().tolist() == batch.labels.tolist()


class TestBatch:
    @pytest.mark.parametrize("parts", [1, 2, 3, 6])
    @pytest.mark.parametrize("crop_from", [None, 8])
    def test_parts_are_the_same_pictures(self, parts, crop_from):
        pixels = np.random.default_rng(0).integers(0, 256, size=(12, 3, 5, 5), dtype=np.uint8)
        batches = batches_of(pixels, side=6, crop_from=crop_from, mean=[0.4] * 3, std=[0.2] * 3, batch_size=12)
        batch = next(batches.shuffled(0, augmentation=Augmentation(crop=1, flip=True), stop=1))
        pieces = [batch.part(rows) for rows in batch.rows(parts)]
        assert [len(piece) for piece in pieces] == [12 // parts] * parts
        assert torch.equal(torch.cat([piece.images() for piece in pieces]), batch.images())
        assert torch.equal(torch.cat([piece.labels for piece in pieces]), batch.labels)

    def test_row_before_the_first_is_the_last(self):
        batch = Batch(torch.arange(4), torch.arange(4), [[row, row] for row in range(4)], lambda pixels, _: pixels)
        part = batch.part(range(-1, 2))
        assert part.images().tolist() == part.labels.tolist() == [3, 0, 1]
        assert part.corners == [[3, 3], [0, 0], [1, 1]]

    def test_other_rows_are_not_copied(self):
        whole = torch.arange(4)
        assert rows_of(whole, range(1, 3)).data_ptr() == whole[1:].data_ptr()


class TestCropFrom:
    @pytest.fixture
    def batches(self):
        """A pixel's value is its column times ten; 4 px are enlarged to 8, and 6 cut out of them."""
        columns = np.broadcast_to(10 * np.arange(4, dtype=np.uint8), (8, 1, 4, 4)).copy()
        return batches_of(columns, side=6, crop_from=8, batch_size=8)

    def lefts(self, images):
        """The column of the enlarged image at which each window begins: 4 px become 0, 2.5, 7.5 … in steps of 5."""
        first = images[:, 0, 0, 0] * 255
        return [{0: 0, 25: 1, 75: 2}[round(10 * value)] for value in first.tolist()]

    def test_the_middle_when_evaluating(self, batches):
        images, _ = next(batches.in_order())
        assert images.shape == (8, 1, 6, 6)
        assert self.lefts(images) == [1] * 8

    def test_anywhere_when_training(self, batches):
        images = next(batches.shuffled(0, augmentation=Augmentation(), stop=1)).images()
        assert images.shape == (8, 1, 6, 6)
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert len(set(self.lefts(images))) > 1

    def test_the_same_ones_for_a_step_wherever_training_begins(self, batches):
        whole = list(batches.shuffled(0, augmentation=Augmentation(), stop=3))
        [last] = batches.shuffled(0, augmentation=Augmentation(), start=2, stop=3)
        assert torch.equal(whole[2].images(), last.images())


def flags_of(path):
    """What the kernel was told of a mapped file."""
    _, _, rest = Path("/proc/self/smaps").read_text().partition(str(path))
    return rest.partition("VmFlags:")[2].partition("\n")[0].split()


class TestMaps:
    @pytest.mark.parametrize(("host_bytes", "expected"), [(1000, True), (1025, False)])  # half of it against 512 pixels
    def test_of_one_larger_than_memory_single_pages_are_read(self, tmp_path, monkeypatch, host_bytes, expected):
        monkeypatch.setattr("worker.engine.batches.host_bytes", lambda: host_bytes)
        np.save(tmp_path / "pixels.npy", numbered(32))
        pixels = np.load(tmp_path / "pixels.npy", mmap_mode="r")
        images, _ = next(batches_of(pixels).in_order())
        assert ("rr" in flags_of(tmp_path / "pixels.npy")) is expected
        assert (images[:, 0, 0, 0] * 255).round().tolist() == list(range(32))

    def test_no_pixel_is_copied(self, tmp_path):
        np.save(tmp_path / "pixels.npy", numbered(4))
        pixels = np.load(tmp_path / "pixels.npy", mmap_mode="c")
        source = Source(Images(pixels, np.arange(4)), CPU)
        pixels[2] = 7  # seen only where both look at the same memory
        assert source.select(torch.tensor([2]))[0].unique().tolist() == [7]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="copies ahead are made to a GPU")
class TestAhead:
    def test_every_batch_arrives_in_turn(self, monkeypatch):
        monkeypatch.setattr("worker.engine.batches._DEVICE_SHARE", 0.0)
        source = Source(Images(numbered(200), np.arange(200)), torch.device("cuda"))
        seen = list(source.stream(torch.arange(200).split(16)))
        assert [pixels[:, 0, 0, 0].tolist() for pixels, _ in seen] == [labels.tolist() for _, labels in seen]
        assert [label for _, labels in seen for label in labels.tolist()] == list(range(200))


class TestInOrder:
    def test_every_image_once(self):
        labels = [label for _, part in batches_of(numbered(11)).in_order() for label in part.tolist()]
        assert labels == list(range(11))

    def test_the_last_ones_come_in_batches_of_their_own_however_large_a_step_is(self):
        last = batches_of(numbered(8), side=512, batch_size=8).last_of_first_epoch(0, count=6)
        assert [len(labels) for _, labels in last.in_order()] == [4, 2]  # 2²⁰ pixels / 512² = 4

    def test_a_read_only_map_is_no_matter(self, tmp_path):
        np.save(tmp_path / "pixels.npy", numbered(4))
        pixels = np.load(tmp_path / "pixels.npy", mmap_mode="r")
        images, _ = next(batches_of(pixels).in_order())
        assert (images[:, 0, 0, 0] * 255).round().tolist() == [0, 1, 2, 3]
