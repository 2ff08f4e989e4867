"""Which image sizes an architecture takes, and which images are not to be mirrored, by arithmetic alone."""

import pytest

from app.domain.catalog import (
    OptionFact,
    architectures,
    datasets,
    default_image_size,
    describe_flip,
    describe_misfit,
)
from app.domain.specs import RangeTestSpec, TrainingSpec

JOB = {"dataset": "digits", "architecture": "lenet"}


class TestImageSize:
    @pytest.mark.parametrize(
        ("name", "side", "size"),
        [
            ("resnet9", 32, 32),
            ("lenet", 8, 16),  # its smallest
            ("vit_b_16", 8, 16),
            ("vit_b_16", 32, 32),
            ("vit_b_16", 33, 48),  # the next multiple of 16
            ("vit_h_14", 32, 42),
            ("maxvit_t", 225, 448),
        ],
    )
    def test_is_the_next_that_fits(self, name, side, size):
        fact = architectures()[name]
        assert default_image_size(side, fact) == size
        assert describe_misfit(size, fact) is None

    @pytest.mark.parametrize("name", sorted(architectures()))
    def test_the_smallest_fits_every_architecture(self, name):
        fact = architectures()[name]
        assert default_image_size(1, fact) == fact.min_image_size
        assert describe_misfit(fact.min_image_size, fact) is None

    @pytest.mark.parametrize(
        ("name", "side", "says"),
        [
            ("lenet", 15, "lenet takes images of 16 px or more, not 15; the next that fits is 16"),
            (
                "vit_b_32",
                40,
                "vit_b_32 takes images whose side is a multiple of 32 px, not 40; the next that fits is 64",
            ),
        ],
    )
    def test_a_misfit_is_described(self, name, side, says):
        assert describe_misfit(side, architectures()[name]) == says


class TestFlips:
    mirrored = RangeTestSpec(kind="range_test", **JOB, augmentation={"flip": True})
    averaged = TrainingSpec(kind="training", **JOB, test_time_flip=True)
    both = TrainingSpec(kind="training", **JOB, augmentation={"crop": 4, "flip": True}, test_time_flip=True)

    @pytest.mark.parametrize("name", ["digits", "MNIST", "KMNIST", "SVHN"])
    @pytest.mark.parametrize(
        ("spec", "fields"),
        [
            (mirrored, "augmentation.flip"),
            (averaged, "test_time_flip"),
            (both, "augmentation.flip and test_time_flip"),
        ],
    )
    def test_signs_are_not_to_be_mirrored(self, name, spec, fields):
        told = describe_flip(spec, datasets()[name])
        assert told.startswith(f"Mirrored, images of {name} mean something else or nothing")
        assert told.endswith(f"set {fields} to false.")

    @pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100", "FashionMNIST"])
    def test_objects_may_be(self, name):
        assert describe_flip(self.both, datasets()[name]) is None

    @pytest.mark.parametrize("augmentation", ["default", "none", {"crop": 2}])
    def test_nothing_is_said_of_shifts(self, augmentation):
        spec = TrainingSpec(kind="training", **JOB, augmentation=augmentation)
        assert describe_flip(spec, datasets()["MNIST"]) is None


class TestOptions:
    depth = OptionFact(default=16, min=10, max=40, step=6, description="Layers.")

    @pytest.mark.parametrize("value", [10, 16, 22, 28, 34, 40])
    def test_takes_each_step_within_its_bounds(self, value):
        assert self.depth.takes(value)

    @pytest.mark.parametrize("value", [4, 11, 17, 46, 16.0, True, "16", None])
    def test_takes_nothing_else(self, value):
        assert not self.depth.takes(value)

    def test_says_what_it_takes(self):
        assert str(self.depth) == "a whole number from 10 to 40 in steps of 6"
        assert str(self.depth.model_copy(update={"step": 1})) == "a whole number from 10 to 40"

    @pytest.mark.parametrize("name", sorted(architectures()))
    def test_defaults_may_be_given(self, name):
        assert all(option.takes(option.default) for option in architectures()[name].options.values())
