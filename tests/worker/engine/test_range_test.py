import numpy as np
import pytest
import torch
from torch import nn

from worker.engine.errors import Stopped
from worker.engine.events import Logged, PhaseStarted, Resized, StepsDone, Stop
from worker.engine.held_out import HeldOut
from worker.engine.range_test import sweep

SMALL = {"architecture": {"name": "resnet9", "width": 2}, "steps": 20, "end_lr": 0.01}


class NanAfter(nn.Module):
    """Returns NaN from the given call on."""

    def __init__(self, calls):
        super().__init__()
        self.layer, self.left = nn.Linear(64, 3), calls

    def forward(self, images):
        self.left -= 1
        return self.layer(images.flatten(1)) * (1.0 if self.left >= 0 else float("nan"))


class TestCurve:
    def test_rates_and_losses_of_every_step(self, spec_of, prepared, striped, control):
        spec = spec_of("range_test", start_lr=1e-4, end_lr=1e-2, steps=21)
        (result,) = sweep(prepared(spec, striped), spec, control)
        assert result.stopped == "end"
        assert result.learning_rate == pytest.approx(np.logspace(-4, -2, 21))
        assert control.losses == result.loss.tolist()
        assert control.events[0] == PhaseStarted("range_test", steps=21)
        blocks = control.of(StepsDone)
        assert [block.first_step for block in blocks] == [0, 10, 20]
        assert {momentum for block in blocks for momentum in block.momentum} == {0.9}

    def test_linear(self, spec_of, prepared, striped, control):
        spec = spec_of("range_test", start_lr=0.01, end_lr=0.2, steps=20, sweep="linear")
        assert sweep(prepared(spec, striped), spec, control)[0].learning_rate == pytest.approx(
            np.linspace(0.01, 0.2, 20)
        )

    def test_first_loss_is_the_fresh_networks(self, spec_of, prepared, striped, control):
        spec = spec_of("range_test", start_lr=5.0, end_lr=6.0, steps=20)
        workload = prepared(spec, striped)
        steps = workload.training.shuffled(0, augmentation=workload.augmentation, start=0, stop=1)
        batch = next(steps)
        expected = nn.functional.cross_entropy(workload.fresh_network()(batch.images()), batch.labels).item()
        assert sweep(workload, spec, control)[0].loss[0] == pytest.approx(expected)

    def test_again_is_the_same(self, spec_of, prepared, striped, stopping):
        spec = spec_of("range_test", end_lr=1e-2, steps=20)
        workload = prepared(spec, striped)
        first, second = (sweep(workload, spec, stopping())[0].loss.tolist() for _ in range(2))
        assert first == second

    def test_leaves_the_global_generator(self, spec_of, prepared, striped, control):
        spec = spec_of("range_test", end_lr=1e-2, steps=20)
        torch.manual_seed(5)
        before = torch.get_rng_state()
        sweep(prepared(spec, striped), spec, control)
        assert torch.equal(torch.get_rng_state(), before)


class TestEnd:
    def test_divergence(self, spec_of, prepared, striped, control):
        spec = spec_of("range_test", start_lr=1e-3, end_lr=1e6, steps=60)
        (result,) = sweep(prepared(spec, striped), spec, control)
        assert result.stopped in ("diverged", "non_finite")
        assert len(result.loss) < 60
        assert control.losses == result.loss.tolist()

    def test_non_finite_ends_at_the_point(self, spec_of, prepared, striped, control):
        spec = spec_of("range_test", end_lr=1e-3, steps=40)
        workload = prepared(spec, striped)
        object.__setattr__(workload, "new_network", lambda: NanAfter(13))
        (result,) = sweep(workload, spec, control)
        assert result.stopped == "non_finite"
        assert len(result.loss) == 14
        assert np.isnan(result.loss[-1])
        assert np.isfinite(result.loss[:-1]).all()

    def test_range_grows_once_by_a_decade(self, spec_of, prepared, striped, control):
        spec = spec_of("range_test", steps=21, optimizer="adam", start_lr=1e-7)
        workload = prepared(spec, striped)
        # A network that nothing moves: its loss does not depend on its only parameter.
        object.__setattr__(workload, "new_network", Unmoved)
        (result,) = sweep(workload, spec, control)
        assert result.stopped == "end"
        assert result.learning_rate.max() == pytest.approx(10.0)  # 1 is the default end for Adam
        assert np.all(np.diff(result.learning_rate) > 0)
        assert result.extended
        assert control.of(Resized) == [Resized("range_test", steps=len(result.loss))]
        assert [line.message for line in control.of(Logged)] == ["The loss did not diverge up to 1; going on to 10."]

    def test_the_users_end_is_kept(self, spec_of, prepared, striped, control):
        spec = spec_of("range_test", end_lr=1e-5, steps=20)
        (result,) = sweep(prepared(spec, striped), spec, control)
        assert result.learning_rate[-1] == pytest.approx(1e-5)
        assert not result.extended
        assert not control.of(Resized)

    def test_cancel_takes_effect_at_the_next_step(self, spec_of, prepared, striped, stopping):
        spec, control = spec_of("range_test", steps=20), stopping(Stop.CANCEL, at=4)
        with pytest.raises(Stopped) as caught:
            sweep(prepared(spec, striped), spec, control)
        assert caught.value.reason is Stop.CANCEL
        assert control.asked == 4


class Unmoved(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 3))

    def forward(self, images):
        return torch.zeros(len(images), 3) + 0 * self.weight


class TestRepeats:
    def test_begin_anew_with_other_weights_and_order(self, spec_of, prepared, striped, control):
        spec = spec_of("range_test", start_lr=1e-4, end_lr=1e-2, steps=20, repeats=3)
        swept = sweep(prepared(spec, striped), spec, control)
        assert [len(one.loss) for one in swept] == [20, 20, 20]
        assert len({one.loss[0] for one in swept}) == 3
        assert [event.first_step for event in control.of(StepsDone)] == [0, 10, 20, 30, 40, 50]
        assert control.events[0] == PhaseStarted("range_test", steps=60)

    def test_first_is_the_sweep_alone(self, spec_of, prepared, striped, stopping):
        alone, repeated = (
            sweep(prepared(spec, striped), spec, stopping())[0].loss.tolist()
            for spec in (spec_of("range_test", end_lr=1e-2, steps=20, repeats=n) for n in (1, 2))
        )
        assert alone == repeated

    def test_that_end_early_leave_fewer_steps_to_wait_for(self, spec_of, prepared, striped, control):
        spec = spec_of("range_test", start_lr=1e-3, end_lr=1e6, steps=60, repeats=2)
        swept = sweep(prepared(spec, striped), spec, control)
        assert control.of(Resized)[-1].steps == len(swept[0].loss) + 60
        assert [line.message for line in control.of(Logged)] == ["Sweep 2 of 2 begins."]


class TestHeldOut:
    @pytest.fixture
    def swept(self, spec_of, prepared, striped, stopping):
        def run(**fields):
            spec = spec_of("range_test", **SMALL | fields)
            workload = prepared(spec, striped)
            return workload, sweep(workload, spec, control := stopping()), control

        return run

    def test_changes_no_bit_of_the_sweep(self, swept):
        (_, (plain,), _), (_, (looking,), _) = swept(), swept(held_out=1)
        assert looking.loss.tolist() == plain.loss.tolist()
        assert plain.held_out_loss is None

    def test_is_there_every_so_many_steps_through_all_sweeps(self, swept):
        _, sweeps, control = swept(steps=45, held_out=2, repeats=2)
        for one in sweeps:
            assert [loss is None for loss in one.held_out_loss] == [step % 2 == 1 for step in range(45)]
        told = [loss for block in control.of(StepsDone) for loss in block.held_out_loss]
        assert told == sweeps[0].held_out_loss + sweeps[1].held_out_loss

    def test_first_is_the_fresh_networks_with_the_batchs_own_statistics(self, swept):
        workload, (result,), _ = swept(held_out=1)
        pixels, labels = workload.validation.spread(16)
        assert len(labels) == 16  # of 18, as many as a batch
        network = workload.fresh_network().train()  # resnet9 has no dropout
        expected = nn.functional.cross_entropy(network(pixels), labels).item()
        assert result.held_out_loss[0] == pytest.approx(expected, rel=1e-5)
        assert result.held_out_loss[-1] < expected  # and they are no training images, but it learns

    def test_leaves_the_network_as_it_was(self, swept):
        workload, _, _ = swept()
        network = workload.fresh_network().train()
        next(network.children()).eval()  # as a frozen one
        before = [buffer.clone() for buffer in network.buffers()]
        modes = [module.training for module in network.modules()]
        HeldOut(workload, every=1).loss(network)
        assert all(torch.equal(*pair) for pair in zip(before, network.buffers(), strict=True))
        assert modes == [module.training for module in network.modules()]

    def test_ends_with_the_sweep(self, swept):
        _, (result,), control = swept(steps=40, start_lr=1.0, end_lr=1e4, held_out=1)
        assert result.stopped != "end"
        assert len(result.held_out_loss) == len(result.loss) < 40
        assert all(len(block.held_out_loss) == len(block.loss) for block in control.of(StepsDone))

    def test_without_it_the_event_has_no_such_field(self, swept):
        _, _, control = swept()
        assert all("held_out_loss" not in block.data() for block in control.of(StepsDone))
