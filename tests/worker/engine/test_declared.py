"""Custom architectures as torch builds them, against the arithmetic that lets them through."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.layers import LayerUnfit, Shape, measure, steps
from app.domain.specs.layers import LAYER_TYPES, parse_layers
from worker.engine import nets
from worker.engine.errors import ArchitectureUnfit
from worker.engine.nets import declared

HEAD = {"type": "linear", "features": "classes"}
SMALL = st.integers(1, 4)


def window(kind, **fields):
    sizes = {"kernel_size": SMALL, "stride": SMALL}
    return st.fixed_dictionaries({"type": st.just(kind), **sizes, **fields})


CONV = window("conv", channels=st.sampled_from([2, 4, 6]), padding=st.integers(0, 2), groups=SMALL, bias=st.booleans())
SINGLE = st.one_of(
    st.sampled_from(["batch_norm", "relu", "gelu", "silu", "global_avg_pool", "flatten"]),
    st.builds(lambda groups: {"type": "group_norm", "groups": groups}, SMALL),
    st.builds(lambda p: {"type": "dropout", "p": p}, st.floats(0, 0.9)),
    st.builds(lambda size, bias: {"type": "linear", "features": size, "bias": bias}, SMALL, st.booleans()),
    window("max_pool").map(lambda pool: pool | {"padding": pool["kernel_size"] // 2}),
    window("avg_pool"),
    CONV,
)


def keeps_up(stride, layers):
    """A residual layer whose shortcut gives what its layers give, whatever comes in."""
    body = [{"type": "conv", "channels": 4, "kernel_size": 3, "stride": stride, "padding": 1}, *layers]
    around = [{"type": "conv", "channels": 4, "kernel_size": 1, "stride": stride}, *layers]
    return {"type": "residual", "layers": body, "shortcut": around}


LAYER = st.recursive(
    SINGLE,
    lambda inner: st.one_of(
        st.builds(keeps_up, SMALL, st.lists(inner, max_size=2)),
        st.builds(lambda layer: {"type": "residual", "layers": [layer]}, inner),
    ),
    max_leaves=4,
)


def fitting(layers, given):
    """The layers that fit one after the other, with a head; the others left out."""
    kept = []
    for layer in layers:
        try:
            given = list(steps(parse_layers([layer]), given, classes=3))[-1].gives
        except LayerUnfit:
            continue
        kept.append(layer)
    return parse_layers([*kept, "flatten", HEAD])


def check_against_torch(layers, given):
    """Every shape and the number of parameters, on the meta device, which computes nothing else."""
    with torch.device("meta"):
        network = declared.stack(layers, given, classes=3)
        flowing = torch.empty(2, given.channels, given.side, given.side)
    assert measure(layers, given, classes=3).parameters == sum(each.numel() for each in network.parameters())
    outer = [step for step in steps(layers, given, classes=3) if len(step.place) == 1]
    for module, step in zip(network, outer, strict=True):
        flowing = module(flowing)
        sides = () if step.gives.side is None else (step.gives.side, step.gives.side)
        assert flowing.shape == (2, step.gives.channels, *sides), step


class TestArithmetic:
    examples = (
        {"type": "conv", "channels": 8, "kernel_size": 3, "stride": 2, "padding": 1, "groups": 4},
        "batch_norm",
        {"type": "group_norm", "groups": 2},
        "relu",
        "gelu",
        "silu",
        {"type": "max_pool", "kernel_size": 3, "stride": 2, "padding": 1},
        {"type": "avg_pool", "kernel_size": 2},
        "global_avg_pool",
        {"type": "dropout", "p": 0.3},
        "flatten",
        keeps_up(2, ["batch_norm"]),
    )

    @pytest.mark.parametrize("layer", examples, ids=str)
    def test_is_torchs_for_each_type(self, layer):
        check_against_torch(parse_layers([layer, "flatten", HEAD]), Shape(4, 9))

    def test_every_type_is_among_them(self):
        tried = {type(layer) for layer in parse_layers([*self.examples, HEAD])}
        assert tried == set(LAYER_TYPES)

    @settings(max_examples=40, deadline=None)
    @given(layers=st.lists(LAYER, max_size=8), channels=st.sampled_from([1, 3]), side=st.integers(1, 20))
    def test_is_torchs_for_any_stack(self, layers, channels, side):
        check_against_torch(fitting(layers, Shape(channels, side)), Shape(channels, side))

    @pytest.mark.parametrize("kind", ["conv", "max_pool", "avg_pool"])
    def test_what_would_leave_nothing_torch_refuses(self, kind):
        channels = {"channels": 2} if kind == "conv" else {}
        for side in range(1, 5):
            for kernel_size in range(1, 8):
                for padding in range(kernel_size // 2 + 1):
                    layer = {"type": kind, "kernel_size": kernel_size, "stride": 2, "padding": padding, **channels}
                    assert arithmetic_takes(layer, side) == torch_takes(layer, side), (layer, side)


def arithmetic_takes(layer, side):
    try:
        return bool(list(steps(parse_layers([layer]), Shape(2, side), classes=3)))
    except LayerUnfit:
        return False


def torch_takes(layer, side):
    """Asked on a module for images that are large enough, since none is built for those that are not."""
    with torch.device("meta"):
        module = declared.stack(parse_layers([layer]), Shape(2, 64), classes=3)
    try:
        return module(torch.empty(1, 2, side, side, device="meta")).numel() > 0
    except RuntimeError:
        return False


class TestBuild:
    def test_a_residual_layer_adds(self):
        layers = [{"type": "residual", "layers": ["relu", {"type": "dropout", "p": 0.5}], "shortcut": ["silu"]}]
        network = declared.stack(parse_layers(layers), Shape(1, 3), classes=2).eval()
        given = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
        before = given.clone()
        assert torch.equal(network(given), torch.relu(before) + torch.nn.functional.silu(before))
        assert torch.equal(given, before)

    def test_fields_reach_torch(self):
        layers = [
            {"type": "conv", "channels": 4, "kernel_size": 5, "stride": 2, "padding": 3, "groups": 2, "bias": False},
            {"type": "max_pool", "kernel_size": 3, "padding": 1},
            {"type": "dropout", "p": 0.125},
            {"type": "group_norm", "groups": 4},
        ]
        conv, pool, dropout, norm = declared.stack(parse_layers(layers), Shape(2, 16), classes=2)
        assert (conv.kernel_size, conv.stride, conv.padding, conv.groups) == ((5, 5), (2, 2), (3, 3), 2)
        assert conv.bias is None
        assert (pool.kernel_size, pool.stride, pool.padding) == (3, 3, 1)  # the stride is the kernel's
        assert (dropout.p, norm.num_groups, norm.num_channels) == (0.125, 4, 4)

    def test_what_does_not_fit_is_an_error_in_words(self):
        layers = [{"type": "max_pool", "kernel_size": 9}, "flatten", HEAD]
        with pytest.raises(ArchitectureUnfit, match=r"layer 1 \(max_pool 9\) gets 1 channel of 8×8"):
            nets.build("custom", classes=2, channels=1, image_size=8, options={"layers": layers})
