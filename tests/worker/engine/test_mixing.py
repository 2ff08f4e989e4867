import numpy as np
import pytest
import torch
from torch.nn import functional

from worker.engine.batches import Batch
from worker.engine.mixing import Drawn, Mixing, Targets, draw_blend, draw_squares

CPU = torch.device("cpu")


def noise(*shape):
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


def numbered(count, side=8):
    """Images that are their own number in every pixel, and need no preparing."""
    pixels = torch.arange(count, dtype=torch.float32)[:, None, None, None].expand(count, 3, side, side)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    return Batch(pixels, torch.arange(count), corners=None, prepare=lambda pixels, _: pixels)


def mixed(count, mixing, *, seed=0, side=8, batch=None, rows=None):
    """Some rows of a batch, mixed but with nothing cut out: all of them unless it is said."""
    drawn = Drawn(blend=draw_blend(mixing, side=side, generator=np.random.default_rng(seed)))
    return drawn.apply(batch or numbered(count, side), rows or range(count))


class TestLoss:
    @pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
    def test_smoothing_is_a_share_for_all_classes(self, smoothing):
        logits, labels = noise(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
        shares = logits.log_softmax(1)
        own = shares.gather(1, labels[:, None]).squeeze(1)
        expected = -((1 - smoothing) * own + smoothing * shares.mean(1)).mean()
        assert Targets(labels).loss(logits, label_smoothing=smoothing).item() == pytest.approx(expected.item())

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_two_labels_are_one_soft_target(self, share):
        logits, labels = noise(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
        soft = share * functional.one_hot(labels, 4) + (1 - share) * functional.one_hot(labels.roll(1), 4)
        loss = Targets(labels, labels.roll(1), share).loss(logits, label_smoothing=0.1)
        assert loss.item() == pytest.approx(functional.cross_entropy(logits, soft, label_smoothing=0.1).item())

    @pytest.mark.parametrize(("share", "hits"), [(1.0, 3), (0.5, 3), (0.49, 1), (0.0, 1)])
    def test_the_larger_share_is_what_a_hit_hits(self, share, hits):
        labels = torch.tensor([0, 1, 2, 1])
        logits = functional.one_hot(torch.tensor([0, 1, 2, 2]), 3).float()  # right, right, right, the partner's
        assert Targets(labels, labels.roll(1), share).hits(logits).item() == hits


class TestMix:
    def test_nothing_asked_is_nothing_done(self):
        images, targets = mixed(4, Mixing(cutout=3))
        assert torch.equal(images, numbered(4).pixels)
        assert (targets.partners, targets.share) == (None, 1.0)

    def test_mixup_blends_pixels_as_labels(self):
        images, targets = mixed(5, Mixing(mixup=1.0))
        assert 0 < targets.share < 1
        expected = targets.share * targets.labels + (1 - targets.share) * targets.partners
        assert torch.allclose(images, expected[:, None, None, None].expand_as(images))
        assert (targets.labels != targets.partners).all()

    def test_mixup_draws_from_beta(self):
        draws = [
            draw_blend(Mixing(mixup=0.2), side=1, generator=np.random.default_rng(seed)).share for seed in range(1000)
        ]
        # Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1)) = 0.1786; 4 standard errors of a thousand
        assert np.mean(draws) == pytest.approx(0.5, abs=4 * np.sqrt(0.1786 / 1000))
        assert np.var(draws) == pytest.approx(0.1786, rel=0.1)

    def test_cutmix_takes_the_share_of_its_box(self):
        for seed in range(50):
            batch = numbered(5)
            images, targets = mixed(5, Mixing(cutmix=1.0), seed=seed, batch=batch)
            own = (images[1, 0] == 1).sum().item()
            assert own + (images[1, 0] == 0).sum().item() == 64  # its partner is image 0
            assert own / 64 == pytest.approx(targets.share)
            assert torch.equal(batch.pixels, numbered(5).pixels)

    def test_cutmix_pastes_one_box(self):
        images, targets = mixed(2, Mixing(cutmix=1.0), seed=3, side=16)
        rows, columns = torch.nonzero(images[1, 0] == 0, as_tuple=True)
        area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
        assert 0 < area.item() == len(rows) == round((1 - targets.share) * 256)

    def test_of_both_each_batch_gets_one(self):
        blended = 0
        for seed in range(400):
            images, _ = mixed(2, Mixing(mixup=1.0, cutmix=1.0), seed=seed, side=4)
            blended += not torch.isin(images, torch.tensor([0.0, 1.0])).all().item()
        assert 160 < blended < 240  # 200 ± 4 standard deviations of 10

    @pytest.mark.parametrize("mixing", [Mixing(mixup=1.0), Mixing(cutmix=1.0)])
    @pytest.mark.parametrize("rows", [range(4), range(2, 4)])
    def test_stays_channels_last(self, mixing, rows):
        images, _ = mixed(4, mixing, rows=rows)
        assert images.is_contiguous(memory_format=torch.channels_last)


class TestParts:
    def test_have_partners_from_the_whole_step(self):
        first, second = (mixed(6, Mixing(mixup=1.0), rows=rows)[1] for rows in (range(3), range(3, 6)))
        assert (first.labels.tolist(), first.partners.tolist()) == ([0, 1, 2], [5, 0, 1])
        assert (second.labels.tolist(), second.partners.tolist()) == ([3, 4, 5], [2, 3, 4])
        assert first.share == second.share

    @pytest.mark.parametrize("mixing", [Mixing(), Mixing(mixup=1.0), Mixing(cutmix=1.0)])
    @pytest.mark.parametrize("length", [None, 3])
    @pytest.mark.parametrize("parts", [2, 3, 6])
    def test_are_the_pictures_of_the_whole_step(self, mixing, length, parts):
        batch = numbered(6)
        dice = np.random.default_rng(7)
        squares = draw_squares(6, length, of=8, device=CPU, generator=dice) if length else None
        drawn = Drawn(squares, draw_blend(mixing, side=8, generator=dice))
        whole, _ = drawn.apply(batch, range(6))
        assert torch.equal(torch.cat([drawn.apply(batch, rows)[0] for rows in batch.rows(parts)]), whole)


class TestCutOut:
    @pytest.mark.parametrize("length", [1, 2, 3, 8])
    def test_is_a_square_around_a_random_pixel(self, length):
        images = noise(50, 3, 8, 8).abs() + 1
        squares = draw_squares(50, length, of=8, device=CPU, generator=np.random.default_rng(0))
        centres = np.random.default_rng(0).integers(8, size=(2, 50)).T
        for before, after, (row, column) in zip(images, squares.cut_out(images, range(50)), centres, strict=True):
            top, left = row - length // 2, column - length // 2
            expected = before.clone()
            expected[:, max(top, 0) : top + length, max(left, 0) : left + length] = 0
            assert torch.equal(after, expected)

    def test_stays_channels_last(self):
        images = noise(4, 3, 8, 8).contiguous(memory_format=torch.channels_last)
        squares = draw_squares(4, 2, of=8, device=CPU, generator=np.random.default_rng(0))
        assert squares.cut_out(images, range(4)).is_contiguous(memory_format=torch.channels_last)
