import pytest
import torch
from torch import nn

from worker.engine import nets
from worker.engine.nets import head_of
from worker.engine.stages import freeze_body, stages

OWN = {"lenet": (1, 28), "cnn3": (3, 32), "mlp": (1, 28), "resnet9": (3, 32), "resnet20": (3, 32)}


@pytest.fixture(scope="module")
def network_of():
    """A network without memory behind it: only its structure counts."""

    def make(name):
        channels, side = OWN.get(name, (3, 224))
        with torch.device("meta"):
            return nets.build(name, classes=10, channels=channels, image_size=side)

    return make


class TestStages:
    @pytest.mark.parametrize(
        ("name", "count"),
        [
            ("lenet", 4),  # two convolutions, two linear layers
            ("mlp", 3),  # it has no more
            ("resnet20", 11),  # stem, nine blocks, head
            ("resnet18", 6),  # stem, four layers, head
            ("mobilenet_v2", 20),  # the 19 of `features`, which alone would be too coarse
            ("vit_b_16", 14),  # patches, the encoder's 12 layers, head
            ("densenet121", 9),
        ],
    )
    def test_every_parameter_is_in_exactly_one(self, network_of, name, count):
        network = network_of(name)
        found = stages(network)
        assert len(found) == count
        assert all(found)
        assert sorted(id(p) for stage in found for p in stage) == sorted(map(id, network.parameters()))

    @pytest.mark.parametrize("name", [*OWN, "resnet18", "mobilenet_v2", "vit_b_16", "squeezenet1_0"])
    def test_the_last_one_has_the_head(self, network_of, name):
        network = network_of(name)
        head = head_of(network)
        assert any(parameter is head.weight for parameter in stages(network)[-1])
        assert head.weight.shape[0] == 10

    def test_normalisation_goes_with_its_layer(self, network_of):
        network = network_of("resnet18")
        stem = stages(network)[0]
        assert [id(p) for p in stem] == [id(p) for p in (*network.conv1.parameters(), *network.bn1.parameters())]

    def test_what_lies_outside_goes_to_what_follows(self, network_of):
        network = network_of("vit_b_16")
        found = stages(network)
        assert any(parameter is network.class_token for parameter in found[0])
        assert any(parameter is network.encoder.pos_embedding for parameter in found[1])

    def test_a_single_layer_is_one_stage(self):
        assert len(stages(nn.Linear(2, 2))) == 1


class TestFrozenBody:
    @pytest.fixture
    def network(self):
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))

    def test_only_the_head_learns(self, network):
        freeze_body(network, is_frozen=True)
        assert [name for name, parameter in network.named_parameters() if parameter.requires_grad] == [
            "3.weight", "3.bias",
        ]  # fmt: skip
        assert [layer.training for layer in network] == [False, False, False, True]

    def test_then_all(self, network):
        freeze_body(network, is_frozen=True)
        freeze_body(network.eval(), is_frozen=False)
        assert all(parameter.requires_grad for parameter in network.parameters())
        assert all(layer.training for layer in network.modules())
