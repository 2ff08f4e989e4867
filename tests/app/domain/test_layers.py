"""Shapes, parameters and limits of custom architectures, by arithmetic."""

import pytest

from app.domain.layers import LayerUnfit, Measure, Shape, TooLarge, measure, steps
from app.domain.specs.layers import parse_layers

HEAD = {"type": "linear", "features": "classes"}


def conv(channels, kernel_size=3, **fields):
    return {"type": "conv", "channels": channels, "kernel_size": kernel_size, **fields}


def pool(kernel_size, kind="max_pool", **fields):
    return {"type": kind, "kernel_size": kernel_size, **fields}


def residual(*layers, shortcut=()):
    return {"type": "residual", "layers": list(layers), "shortcut": list(shortcut)}


def last_shape(layers, given):
    return list(steps(parse_layers(layers), given, classes=10))[-1].gives


class TestShapes:
    @pytest.mark.parametrize(
        ("layer", "given", "gives"),
        [
            (conv(16), Shape(3, 32), Shape(16, 30)),  # 32 - 3 + 1
            (conv(16, padding=1), Shape(3, 32), Shape(16, 32)),  # 32 + 2 - 3 + 1
            (conv(16, stride=2, padding=1), Shape(3, 32), Shape(16, 16)),  # (32 + 2 - 3) // 2 + 1
            (conv(16, stride=2, padding=1), Shape(3, 17), Shape(16, 9)),  # (17 + 2 - 3) // 2 + 1
            (conv(16, 8), Shape(3, 8), Shape(16, 1)),  # fits exactly once
            (pool(2), Shape(8, 7), Shape(8, 3)),  # (7 - 2) // 2 + 1
            (pool(3, stride=2, padding=1), Shape(8, 32), Shape(8, 16)),  # (32 + 2 - 3) // 2 + 1
            (pool(2, "avg_pool", stride=1), Shape(8, 7), Shape(8, 6)),  # 7 - 2 + 1
            ("global_avg_pool", Shape(8, 7), Shape(8)),
            ("flatten", Shape(8, 7), Shape(392)),  # 8 × 7 × 7
            ("flatten", Shape(8), Shape(8)),
            ({"type": "linear", "features": 20}, Shape(8), Shape(20)),
            (HEAD, Shape(8), Shape(10)),
            ("batch_norm", Shape(8, 7), Shape(8, 7)),
            ({"type": "dropout", "p": 0.2}, Shape(8), Shape(8)),
            (residual("relu"), Shape(8, 7), Shape(8, 7)),
            (residual(conv(16, stride=2, padding=1), shortcut=[conv(16, 1, stride=2)]), Shape(8, 7), Shape(16, 4)),
        ],
    )
    def test_of_one_layer(self, layer, given, gives):
        assert last_shape([layer], given) == gives

    def test_layers_follow_one_another(self):
        assert last_shape([conv(20, 5), pool(2), conv(50, 5), pool(2), "flatten"], Shape(1, 28)) == Shape(800)


class TestMeasure:
    def test_lenet_is_caffes(self):
        hidden = {"type": "linear", "features": 500}
        layers = [conv(20, 5), pool(2), conv(50, 5), pool(2), "flatten", hidden, "relu", HEAD]
        measured = measure(parse_layers(layers), Shape(1, 28), classes=10)
        assert measured.parameters == 431_080  # 520 + 25,050 + 400,500 + 5,010
        # 20×24² + 20×12² + 50×8² + 50×4² + 800 + 500 + 500 + 10
        assert measured.activations == 11_520 + 2_880 + 3_200 + 800 + 800 + 500 + 500 + 10

    def test_what_stands_in_residual_layers_counts(self):
        layers = [residual(conv(4, 1, bias=False), "batch_norm", shortcut=[conv(4, 1)]), "global_avg_pool", HEAD]
        measured = measure(parse_layers(layers), Shape(2, 3), classes=5)
        # parameters: 2×4, 2×4, 2×4 + 4, 4×5 + 5; activations: three of 4×3² inside, 4×3² outside, 4, 5
        assert measured == Measure(parameters=8 + 8 + 12 + 25, activations=4 * 36 + 4 + 5)

    @pytest.mark.parametrize(
        ("layer", "parameters"),
        [
            (conv(8, 3, groups=4), 8 * 1 * 9 + 8),
            (conv(8, 3, groups=4, bias=False), 8 * 1 * 9),
            ({"type": "group_norm", "groups": 2}, 2 * 4),
        ],
    )
    def test_groups(self, layer, parameters):
        step = next(steps(parse_layers([layer]), Shape(4, 8), classes=10))
        assert step.parameters == parameters


class TestMisfits:
    @pytest.mark.parametrize(
        ("layers", "place", "says"),
        [
            (
                [pool(2), pool(2), pool(2), pool(2), "flatten", HEAD],
                (3,),
                "layer 4 (max_pool 2) gets 1 channel of 1×1 pixels and would leave nothing",
            ),
            ([conv(4, 9), HEAD], (0,), "layer 1 (conv 9) gets 1 channel of 8×8 pixels and would leave nothing"),
            ([HEAD], (0,), "layer 1 (linear classes) gets 1 channel of 8×8 pixels and needs a flat vector"),
            (["flatten", conv(4), HEAD], (1,), "layer 2 (conv 3) gets 64 numbers and needs pixels"),
            (["flatten", "global_avg_pool", HEAD], (1,), "layer 2 (global_avg_pool) gets 64 numbers and needs pixels"),
            ([conv(4, groups=2), HEAD], (0,), "gets 1 channel of 8×8 pixels and cannot divide the channels into 2"),
            ([conv(4), conv(6, groups=4), HEAD], (1,), "cannot divide its own 6 channels into 4 groups"),
            ([conv(4), {"type": "group_norm", "groups": 3}, HEAD], (1,), "layer 2 (group_norm) gets 4 channels"),
            (
                [residual(conv(4)), "flatten", HEAD],
                (0,),
                "layer 1 (residual) cannot add 4 channels of 6×6 pixels from its layers to 1 channel of 8×8 pixels",
            ),
            ([residual("relu", pool(9)), HEAD], (0, "layers", 1), "layer 2 of layer 1 (max_pool 9) gets"),
            (
                ["relu", residual("relu", shortcut=["gelu", residual(pool(9))]), HEAD],
                (1, "shortcut", 1, "layers", 0),
                "layer 1 of layer 2 of the shortcut of layer 2 (max_pool 9) gets",
            ),
            (["flatten", HEAD, "relu"], (2,), "layer 3 (relu) is the last; end with"),
            ([residual("relu")], (0,), "layer 1 (residual) is the last"),
            (
                ["flatten", {"type": "linear", "features": 9}],
                (1,),
                'layer 2 (linear 9) is the last and gives 9 numbers for 10 classes; give it features "classes"',
            ),
        ],
    )
    def test_name_the_layer(self, layers, place, says):
        with pytest.raises(LayerUnfit) as caught:
            measure(parse_layers(layers), Shape(1, 8), classes=10)
        assert caught.value.place == place
        assert caught.value.detail.startswith(says) or says in caught.value.detail
        assert not isinstance(caught.value, TooLarge)

    def test_a_number_that_is_the_classes_will_do(self):
        measure(parse_layers(["flatten", {"type": "linear", "features": 10}]), Shape(1, 8), classes=10)


class TestLimits:
    def test_parameters(self):
        # 64×8192 + 8192, then 8192² + 8192 each: the third of these brings it beyond 200 M
        wide = {"type": "linear", "features": 8192}
        layers = ["flatten", wide, wide, wide, HEAD]
        assert measure(parse_layers(layers), Shape(1, 8), classes=10).parameters == 134_848_522
        with pytest.raises(TooLarge) as caught:
            measure(parse_layers([*layers[:-1], wide, HEAD]), Shape(1, 8), classes=10)
        assert caught.value.place == (4,)
        assert caught.value.detail == (
            "layer 5 (linear 8192) brings the parameters to 201,883,648; at most 200,000,000 are allowed"
        )

    def test_activations(self):
        # 95 channels of 1,024² pixels are 99.6 million numbers, 96 are 100.7 million
        assert measure(parse_layers([conv(95, 1), "global_avg_pool", HEAD]), Shape(1, 1024), classes=10)
        with pytest.raises(TooLarge, match="brings the activations per image to 100,663,296"):
            measure(parse_layers([conv(96, 1), "global_avg_pool", HEAD]), Shape(1, 1024), classes=10)
