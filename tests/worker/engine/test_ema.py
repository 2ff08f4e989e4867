import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from worker.engine.ema import WeightAverage


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2))


def disturb(network):
    """As a training step would change it."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    network.train()(torch.randn(8, 1, 8, 8))


class TestAverage:
    def test_warms_up(self, network):
        average, weight = WeightAverage(network, decay=0.15), network[0].weight
        expected = weight.detach().clone()
        for step, decay in enumerate([0.1, 0.15, 0.15]):  # (1 + step) / (10 + step) = .1, .18, .25, at most .15
            disturb(network)
            average.update(step=step)
            expected = decay * expected + (1 - decay) * weight.detach()
            assert torch.allclose(average.network[0].weight, expected, atol=1e-6)

    def test_is_torchs_own_beyond_that(self, network):
        average = WeightAverage(network, decay=0.9)
        reference = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9))
        reference.update_parameters(network)  # its first one copies
        for step in range(80, 90):  # 81 / 90 = .9
            disturb(network)
            average.update(step=step)
            reference.update_parameters(network)
        for ours, theirs in zip(average.network.parameters(), reference.module.parameters(), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-6)

    def test_has_the_networks_statistics(self, network):
        average = WeightAverage(network, decay=0.9)
        disturb(network)
        average.update(step=0)
        assert torch.equal(average.network[1].running_var, network[1].running_var)
        assert average.network[1].num_batches_tracked == 1

    def test_leaves_the_network_alone(self, network):
        average = WeightAverage(network, decay=0.9)
        before = [parameter.detach().clone() for parameter in network.parameters()]
        average.update(step=0)
        assert all(torch.equal(*pair) for pair in zip(network.parameters(), before, strict=True))
        assert network.training
        assert not average.network.training
        assert all(parameter.requires_grad for parameter in network.parameters())

    def test_goes_on_from_its_state(self, network):
        first = WeightAverage(network, decay=0.9)
        disturb(network)
        first.update(step=0)
        second = WeightAverage(network, decay=0.9)
        second.restore(first.state())
        for average in (first, second):
            average.update(step=1)
        assert all(torch.equal(*pair) for pair in zip(first.state().values(), second.state().values(), strict=True))
