import numpy as np
import pytest
import torch
from torch.nn import functional

from worker.engine.mixing import Mixing, Targets, cut_out, mix


def noise(*shape):
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


def numbered(count, side=8):
    """Images that are their own number in every pixel."""
    pixels = torch.arange(count, dtype=torch.float32)[:, None, None, None].expand(count, 3, side, side)
    return pixels.contiguous(memory_format=torch.channels_last), torch.arange(count)


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

    def test_parts_are_those_of_the_batch(self):
        labels = torch.arange(6)
        first, second = Targets(labels, labels.roll(1), 0.3).chunk(2)
        assert (first.labels.tolist(), first.partners.tolist(), first.share) == ([0, 1, 2], [5, 0, 1], 0.3)
        assert (second.labels.tolist(), second.partners.tolist(), second.share) == ([3, 4, 5], [2, 3, 4], 0.3)


class TestMix:
    def test_nothing_asked_is_nothing_done(self):
        pixels, labels = numbered(4)
        mixed, targets = mix(pixels, labels, Mixing(cutout=3), generator=np.random.default_rng(0))
        assert mixed is pixels
        assert (targets.partners, targets.share) == (None, 1.0)

    def test_mixup_blends_pixels_as_labels(self):
        pixels, labels = numbered(5)
        mixed, targets = mix(pixels, labels, Mixing(mixup=1.0), generator=np.random.default_rng(0))
        assert 0 < targets.share < 1
        expected = targets.share * targets.labels + (1 - targets.share) * targets.partners
        assert torch.allclose(mixed, expected[:, None, None, None].expand_as(mixed))
        assert (targets.labels != targets.partners).all()

    def test_mixup_draws_from_beta(self):
        pixels, labels = numbered(2, side=1)
        draws = [
            mix(pixels, labels, Mixing(mixup=0.2), generator=np.random.default_rng(seed))[1].share
            for seed in range(1000)
        ]
        # Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1)) = 0.1786; 4 standard errors of a thousand
        assert np.mean(draws) == pytest.approx(0.5, abs=4 * np.sqrt(0.1786 / 1000))
        assert np.var(draws) == pytest.approx(0.1786, rel=0.1)

    def test_cutmix_takes_the_share_of_its_box(self):
        for seed in range(50):
            pixels, labels = numbered(5)
            mixed, targets = mix(pixels, labels, Mixing(cutmix=1.0), generator=np.random.default_rng(seed))
            own = (mixed[1, 0] == 1).sum().item()
            assert own + (mixed[1, 0] == 0).sum().item() == 64  # its partner is image 0
            assert own / 64 == pytest.approx(targets.share)
            assert torch.equal(pixels, numbered(5)[0])

    def test_cutmix_pastes_one_box(self):
        pixels, labels = numbered(2, side=16)
        mixed, targets = mix(pixels, labels, Mixing(cutmix=1.0), generator=np.random.default_rng(3))
        rows, columns = torch.nonzero(mixed[1, 0] == 0, as_tuple=True)
        area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
        assert 0 < area.item() == len(rows) == round((1 - targets.share) * 256)

    def test_of_both_each_batch_gets_one(self):
        pixels, labels = numbered(2, side=4)
        blended = 0
        for seed in range(400):
            mixed, _ = mix(pixels, labels, Mixing(mixup=1.0, cutmix=1.0), generator=np.random.default_rng(seed))
            blended += not torch.isin(mixed, torch.tensor([0.0, 1.0])).all().item()
        assert 160 < blended < 240  # 200 ± 4 standard deviations of 10

    @pytest.mark.parametrize("mixing", [Mixing(mixup=1.0), Mixing(cutmix=1.0)])
    def test_stays_channels_last(self, mixing):
        mixed, _ = mix(*numbered(4), mixing, generator=np.random.default_rng(0))
        assert mixed.is_contiguous(memory_format=torch.channels_last)


class TestCutOut:
    @pytest.mark.parametrize("side", [1, 2, 3, 8])
    def test_is_a_square_around_a_random_pixel(self, side):
        pixels = noise(50, 3, 8, 8).abs() + 1
        changed = cut_out(pixels, side, generator=np.random.default_rng(0))
        centres = np.random.default_rng(0).integers(8, size=(2, 50)).T
        for before, after, (row, column) in zip(pixels, changed, centres, strict=True):
            top, left = row - side // 2, column - side // 2
            expected = before.clone()
            expected[:, max(top, 0) : top + side, max(left, 0) : left + side] = 0
            assert torch.equal(after, expected)

    def test_stays_channels_last(self):
        pixels = noise(4, 3, 8, 8).contiguous(memory_format=torch.channels_last)
        changed = cut_out(pixels, 2, generator=np.random.default_rng(0))
        assert changed.is_contiguous(memory_format=torch.channels_last)
