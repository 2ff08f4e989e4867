import pytest
from torch import nn

from app.domain.specs.parts import Adam, AdamW, Sgd
from worker.engine.optim import build_optimizer, momentum_of, parameter_groups, set_rates


@pytest.fixture
def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


class TestGroups:
    def test_norm_and_bias_do_not_decay(self, network):
        decayed, others = parameter_groups(network, Sgd(name="sgd", weight_decay=0.1))
        assert [parameter.ndim for parameter in decayed["params"]] == [4, 2]
        assert decayed["weight_decay"] == 0.1
        assert [parameter.ndim for parameter in others["params"]] == [1, 1, 1, 1]
        assert others["weight_decay"] == 0

    def test_they_do_when_asked(self, network):
        (group,) = parameter_groups(network, AdamW(name="adamw", decay_norm_and_bias=True))
        assert len(group["params"]) == 6
        assert group["weight_decay"] == 0.01

    def test_frozen_parameters_are_left_out(self, network):
        network[0].weight.requires_grad_(False)
        decayed, _ = parameter_groups(network, Sgd(name="sgd"))
        assert len(decayed["params"]) == 1


class TestRates:
    def test_sgd_takes_both(self, network):
        optimizer = build_optimizer(network, Sgd(name="sgd"))
        set_rates(optimizer, 0.3, 0.87)
        assert {(group["lr"], group["momentum"], group["nesterov"]) for group in optimizer.param_groups} == {
            (0.3, 0.87, True)
        }
        assert momentum_of(optimizer) == 0.87

    def test_none_leaves_momentum(self, network):
        optimizer = build_optimizer(network, Sgd(name="sgd", momentum=0.8))
        set_rates(optimizer, 0.3, None)
        assert momentum_of(optimizer) == 0.8

    @pytest.mark.parametrize("spec", [Adam(name="adam", beta1=0.7), AdamW(name="adamw", beta1=0.7)])
    @pytest.mark.parametrize(("momentum", "beta1"), [(None, 0.7), (0.95, 0.95)])
    def test_adam_takes_beta1(self, network, spec, momentum, beta1):
        optimizer = build_optimizer(network, spec)
        set_rates(optimizer, 0.3, momentum)
        assert {group["betas"] for group in optimizer.param_groups} == {(beta1, 0.999)}
        assert momentum_of(optimizer) == beta1
        assert type(optimizer).__name__.lower() == spec.name


class TestRatesByDepth:
    def test_each_stage_has_its_share_of_the_heads(self):
        network = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 7), nn.Linear(7, 2))
        optimizer = build_optimizer(network, AdamW(name="adamw"), layer_lr_decay=0.5)
        set_rates(optimizer, 0.8, None)
        rates = {id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]}
        assert [rates[id(layer.weight)] for layer in network] == pytest.approx([0.1, 0.2, 0.4, 0.8])  # 0.8 · 0.5^depth
        assert [rates[id(layer.bias)] for layer in network] == pytest.approx([0.1, 0.2, 0.4, 0.8])
        assert {(g["params"][0].ndim, g["weight_decay"]) for g in optimizer.param_groups} == {(2, 0.01), (1, 0.0)}

    def test_all_the_same_by_default(self, network):
        assert len(parameter_groups(network, Sgd(name="sgd"))) == 2
        assert {group["lr_scale"] for group in parameter_groups(network, Sgd(name="sgd"))} == {1.0}
