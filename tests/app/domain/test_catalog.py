"""Which image sizes an architecture takes, by arithmetic alone."""

import pytest

from app.domain.catalog import architectures, default_image_size, describe_misfit


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
