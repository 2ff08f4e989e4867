"""One training follows batch-norm statistics at several momenta, and is no other training for it."""

import pytest
import torch
from torch import nn

from app.domain.batch_norm import momenta_around, rule_momentum
from app.domain.schedules import build_schedule
from worker.engine.batch_norm import plain_batches, recompute_statistics
from worker.engine.evaluation import evaluate
from worker.engine.events import Warned
from worker.engine.norm_layers import statistics_of
from worker.engine.progress import rank
from worker.engine.shadows import ShadowStatistics
from worker.engine.training import train

RESNET = {"architecture": {"name": "resnet9", "width": 2}}
UPDATES = 12  # 54 images in steps of 16, four epochs


@pytest.fixture
def run(spec_of, prepared, striped, tmp_path):
    def start(control, **fields):
        spec = spec_of(**{"epochs": 4, **RESNET, **fields})
        places = {"folder": tmp_path / "checkpoints", "resume": None}
        schedule = build_schedule(spec.schedule, max_lr=0.1)
        return train(prepared(spec, striped), spec, schedule=schedule, control=control, **places)

    return start


def weights(trained):
    return torch.cat([parameter.flatten() for parameter in trained.network.parameters()])


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4, momentum=0.3))


class TestShadows:
    @pytest.mark.parametrize("momentum", [0.01, 0.1, 0.4, 1.0])
    def test_are_the_running_statistics_of_that_momentum(self, momentum):
        network, plain = small(), small()
        for layer in (plain[1], plain[3]):
            layer.momentum = momentum
        shadows = ShadowStatistics(network, [0.5, momentum])
        for _ in range(20):
            pixels = torch.randn(8, 1, 6, 6)
            network(pixels)
            plain(pixels)
            shadows.update()
        shadows.keep()
        shadows.show_best(network, 1)
        for ours, torchs in zip(statistics_of(network), statistics_of(plain), strict=True):
            assert torch.allclose(ours, torchs, rtol=1e-5, atol=1e-6)

    def test_of_frozen_layers_stay(self):
        network = small()
        network[1].running_mean.fill_(-7)
        network[1].eval()
        shadows = ShadowStatistics(network, [0.1, 0.9])
        for _ in range(5):
            network(torch.randn(8, 1, 6, 6))
            shadows.update()
        shadows.keep()
        for place in (0, 1):
            shadows.show_best(network, place)
            assert torch.equal(network[1].running_mean, torch.full((4,), -7.0))
            assert not torch.equal(network[3].running_mean, torch.zeros(4))

    def test_go_on_from_their_state(self):
        network = small()
        first, second = (ShadowStatistics(network, [0.1, 0.9]) for _ in range(2))
        network(torch.randn(8, 1, 6, 6))
        first.update()
        first.keep()
        second.restore(first.state())
        assert all(
            torch.equal(ours, theirs)
            for kind in ("running", "best")
            for one, other in zip(first.state()[kind], second.state()[kind], strict=True)
            for ours, theirs in zip(one, other, strict=True)
        )
        assert first.state()["running"][0][0] is not second.state()["running"][0][0]


class TestTrajectory:
    @pytest.mark.parametrize("momentum", [0.01, 1, "auto"])
    @pytest.mark.parametrize(
        "fields", [{}, {"optimizer": "adamw"}, {"batch_size": 8, "accumulation_steps": 2}, {"ema": 0.7}]
    )
    def test_no_momentum_changes_a_bit_of_the_weights(self, run, control, stopping, momentum, fields):
        # With one epoch, or the best one might be another: it is chosen by what the statistics are for.
        plain = run(control, epochs=1, **fields)
        other = run(second := stopping(), epochs=1, batch_norm_momentum=momentum, **fields)
        assert torch.equal(weights(plain), weights(other))
        assert second.losses == control.losses
        assert second.epochs[-1].validation_loss != control.epochs[-1].validation_loss

    def test_losses_are_the_same_throughout(self, run, control, stopping):
        run(control, epochs=6)
        run(second := stopping(), epochs=6, batch_norm_momentum="auto")
        assert second.losses == control.losses

    @pytest.mark.parametrize("fields", [{}, {"batch_size": 8, "accumulation_steps": 2}, {"ema": 0.7}])
    def test_epochs_are_evaluated_with_the_rules(self, run, control, stopping, fields):
        parts = fields.get("accumulation_steps", 1)
        run(control, batch_norm_momentum="auto", **fields)
        run(plain := stopping(), batch_norm_momentum=rule_momentum(UPDATES * parts), **fields)
        for ours, theirs in zip(control.epochs, plain.epochs, strict=True):
            assert ours.validation_loss == pytest.approx(theirs.validation_loss, rel=1e-4)


class TestPick:
    @pytest.fixture
    def scored(self, spec_of, prepared, striped, control):
        """The validation loss of a network as it is, and with exact statistics."""

        def look(network):
            workload = prepared(spec_of(**RESNET), striped)
            as_it_is = evaluate(network, workload.validation, precision="fp32", control=control).loss
            recompute_statistics(network, plain_batches(workload), precision="fp32")
            return as_it_is, evaluate(network, workload.validation, precision="fp32", control=control).loss

        return look

    @pytest.mark.parametrize("ema", [None, 0.7])
    def test_the_network_carries_the_winners(self, run, control, scored, ema):
        trained = run(control, batch_norm_momentum="auto", ema=ema)
        found = trained.batch_norm
        assert [one.momentum for one in found.followed] == momenta_around(rule_momentum(UPDATES))
        assert found.gap(found.picked) == min(found.gap(one) for one in found.followed)
        assert len({one.loss for one in found.followed}) == len(found.followed)
        assert trained.best.validation_loss == found.picked.loss
        assert trained.best.epoch == max(control.epochs, key=rank).epoch
        loss, exact = scored(trained.network)
        assert loss == pytest.approx(found.picked.loss)
        assert exact == pytest.approx(found.exact_loss)

    def test_each_is_what_a_training_with_that_momentum_ends_with(self, run, control, stopping):
        trained = run(control, epochs=1, batch_norm_momentum="auto")
        for one in trained.batch_norm.followed:
            alone = run(stopping(), epochs=1, batch_norm_momentum=one.momentum)
            assert alone.best.validation_loss == pytest.approx(one.loss, rel=1e-4)

    def test_exact_ones_are_kept_where_they_are_asked_for(self, run, control, scored):
        trained = run(control, batch_norm_momentum="auto", exact_batch_norm=True)
        assert trained.best.validation_loss == trained.batch_norm.exact_loss
        assert scored(trained.network)[0] == pytest.approx(trained.batch_norm.exact_loss)

    @pytest.mark.parametrize("momentum", ["auto", 0.3])
    def test_there_may_be_no_batch_norm(self, run, control, momentum):
        trained = run(control, architecture={"name": "mlp", "width": 8}, batch_norm_momentum=momentum)
        assert [warning.code for warning in control.of(Warned)] == ["no_batch_norm"]
        assert "batch_norm_momentum changed nothing" in control.of(Warned)[0].detail
        assert trained.batch_norm is None
