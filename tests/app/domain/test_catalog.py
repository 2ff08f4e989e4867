"""Which image sizes an architecture takes, by arithmetic alone."""

import pytest

from app.domain.catalog import OptionFact, architectures, default_image_size, describe_misfit


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
