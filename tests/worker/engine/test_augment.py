import numpy as np
import pytest
import torch

from app.domain import catalog
from app.domain.specs.parts import Augmentation
from worker.engine.augment import augment, shift
from worker.engine.draws import Use, generator


def random_pixels(*shape):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8))


class TestShift:
    def test_is_a_window_of_the_reflected_image(self):
        pixels, padding = random_pixels(9, 3, 6, 5), 2
        corners = np.random.default_rng(1).integers(0, 5, size=(2, 9))
        moved = shift(pixels, padding, top=torch.from_numpy(corners[0]), left=torch.from_numpy(corners[1]))
        padded = np.pad(pixels.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
        for image, (top, left) in enumerate(corners.T):
            assert (moved[image].numpy() == padded[image, :, top : top + 6, left : left + 5]).all()

    def test_the_middle_corner_changes_nothing(self):
        pixels, middle = random_pixels(4, 1, 8, 8), torch.full((4,), 3)
        assert torch.equal(shift(pixels, 3, top=middle, left=middle), pixels)

    def test_padding_may_be_wider_than_the_image(self):
        pixels, corner = random_pixels(2, 1, 4, 4), torch.tensor([0, 15])
        moved = shift(pixels, 8, top=corner, left=corner)
        padded = np.pad(pixels.numpy(), ((0, 0), (0, 0), (8, 8), (8, 8)), mode="reflect")
        assert (moved[0].numpy() == padded[0, :, 0:4, 0:4]).all()
        assert (moved[1].numpy() == padded[1, :, 15:19, 15:19]).all()


class TestAugment:
    def test_mirrors_about_half(self):
        pixels = random_pixels(400, 1, 4, 4)
        changed = augment(pixels, Augmentation(flip=True), generator=np.random.default_rng(0))
        mirrored = [torch.equal(after, before.flip(-1)) for after, before in zip(changed, pixels, strict=True)]
        assert 160 < sum(mirrored) < 240  # 200 ± 4 standard deviations of 10
        assert all(
            hit or torch.equal(after, before) for hit, after, before in zip(mirrored, changed, pixels, strict=True)
        )

    def test_nothing_asked_is_nothing_done(self):
        pixels = random_pixels(4, 1, 4, 4)
        assert torch.equal(augment(pixels, Augmentation(), generator=np.random.default_rng(0)), pixels)

    def test_follows_from_seed_and_step(self):
        pixels, both = random_pixels(32, 3, 8, 8), Augmentation(crop=2, flip=True)
        first, again, later = (
            augment(pixels, both, generator=generator(7, use=Use.AUGMENTATION, position=step)) for step in (5, 5, 6)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, later)

    @pytest.mark.parametrize("name", ["digits", "MNIST", "KMNIST", "SVHN"])
    def test_signs_are_never_mirrored_by_default(self, name):
        assert not catalog.datasets()[name].augmentation.flip
