import pytest
import torch
from torch import nn

from app.domain.schedules import build_schedule
from app.domain.verification import Budget
from worker.engine.cycles import judge, run_cycle
from worker.engine.errors import DeviceOutOfMemory, Stopped
from worker.engine.events import Logged, PhaseStarted, StepsDone, Stop
from worker.engine.norm_layers import has_statistics
from worker.engine.verification import run_trials


@pytest.fixture
def cycle(spec_of, prepared, striped, stopping):
    """Run one cycle; it, its workload and what it emitted."""

    def run(*, max_lr=0.05, steps=25, control=None, **fields):
        spec, control = spec_of("training", **fields), control or stopping()
        workload = prepared(spec, striped)
        schedule = build_schedule(spec.schedule, max_lr=max_lr)
        done = run_cycle(workload, spec, schedule=schedule, steps=steps, control=control, first_step=100)
        return done, workload, control

    return run


class TestCycle:
    def test_squeezes_the_whole_schedule_into_its_steps(self, cycle):
        done, _, control = cycle()
        blocks = control.of(StepsDone)
        rates = [rate for block in blocks for rate in block.learning_rate]
        assert len(done.loss) == len(rates) == 25
        assert (rates[0], max(rates), rates[-1]) == pytest.approx((0.005, 0.05, 0.00005))  # max/10, max, max/1000
        assert [(block.phase, block.first_step) for block in blocks] == [("verifying", 100), ("verifying", 120)]

    def test_ends_early_where_it_diverges(self, cycle, stopping):
        done, workload, _ = cycle(max_lr=1e6, steps=100)
        assert done.diverged
        assert len(done.loss) == 20  # a block
        assert judge(workload, done, control=stopping()) is None

    def test_leaves_the_global_generator(self, cycle):
        before = torch.get_rng_state()
        cycle()
        assert torch.equal(torch.get_rng_state(), before)

    def test_stops_when_asked(self, cycle, stopping):
        with pytest.raises(Stopped):
            cycle(control=stopping(Stop.CANCEL, at=5))


class TestJudgement:
    def test_is_the_loss_on_images_that_come_last(self, cycle, stopping):
        done, workload, _ = cycle()
        images = list(workload.training.last_of_first_epoch(workload.seed, count=2048).in_order())
        done.network.eval()
        with torch.no_grad():
            losses = [nn.functional.cross_entropy(done.network(x), y, reduction="sum").item() for x, y in images]
        expected = sum(losses) / sum(len(y) for _, y in images)
        assert judge(workload, done, control=stopping()) == pytest.approx(expected, rel=1e-5)

    def test_says_what_a_device_without_memory_left_means(self, cycle, stopping, monkeypatch):
        def full(*_, **__):
            raise torch.OutOfMemoryError("no memory is left")

        done, workload, _ = cycle()
        monkeypatch.setattr("worker.engine.cycles.evaluate", full)
        with pytest.raises(DeviceOutOfMemory, match="no memory is left"):
            judge(workload, done, control=stopping())

    def test_is_deterministic_where_the_work_is(self, cycle, stopping, monkeypatch):
        done, workload, _ = cycle(deterministic=True)
        seen = []
        monkeypatch.setattr(
            "worker.engine.cycles.recompute_statistics",
            lambda *_, **__: seen.append(torch.are_deterministic_algorithms_enabled()),
        )
        judge(workload, done, control=stopping())
        assert seen == [True]

    def test_is_made_with_exact_statistics(self, cycle, stopping):
        done, workload, _ = cycle(architecture={"name": "resnet9", "width": 2})
        assert has_statistics(done.network)
        exact = judge(workload, done, control=stopping())
        for layer in done.network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.add_(100)
        assert judge(workload, done, control=stopping()) == pytest.approx(exact)

    def test_last_of_the_first_epoch_are_what_a_short_cycle_has_not_seen(self, spec_of, prepared, striped):
        workload = prepared(spec_of("training", batch_size=8, augmentation="none"), striped)
        steps = workload.training.shuffled(0, augmentation=workload.augmentation, stop=2)
        seen = torch.cat([batch.images() for batch in steps])
        last = workload.training.last_of_first_epoch(0, count=len(workload.training) - 16)
        unseen = torch.cat([x for x, _ in last.in_order()])
        assert len(seen) + len(unseen) == len(workload.training)
        assert not {tuple(x.flatten().tolist()) for x in seen} & {tuple(x.flatten().tolist()) for x in unseen}


class TestTrials:
    def test_go_on_until_the_budget_is_spent(self, spec_of, prepared, striped, control):
        spec = spec_of("training", epochs=100)
        budget = Budget(total=70, sweep_steps=10, trial_steps=20)
        workload = prepared(spec, striped)
        trials = run_trials(workload, spec, start=1e-4, budget=budget, spent=10, control=control)
        assert [trial.max_lr for trial in trials] == [
            2.0**-13,
            2.0**-11,
            2.0**-9,
        ]  # nothing learnt yet: strides of two octaves
        assert [trial.steps for trial in trials] == [20, 20, 20]
        assert control.events[0] == PhaseStarted("verifying", steps=60)
        assert [event.first_step for event in control.of(StepsDone)] == [0, 20, 40]
        assert "max_lr 0.000122 ended with a loss of" in control.of(Logged)[0].message

    def test_one_is_made_even_without_a_budget(self, spec_of, prepared, striped, control):
        spec = spec_of("training")
        budget = Budget(total=10, sweep_steps=10, trial_steps=20)
        assert len(run_trials(prepared(spec, striped), spec, start=1.0, budget=budget, spent=10, control=control)) == 1
