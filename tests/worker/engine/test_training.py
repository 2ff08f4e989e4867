import pytest
import torch
from torch import nn

from app.domain.schedules import build_schedule
from worker.engine.batch_norm import plain_batches, recompute_statistics
from worker.engine.errors import BatchTooSmall, LrDiverged, Stopped
from worker.engine.evaluation import evaluate
from worker.engine.events import CheckpointSaved, EpochDone, PhaseStarted, StepsDone, Stop, Warned
from worker.engine.progress import rank
from worker.engine.training import train


@pytest.fixture
def run(spec_of, prepared, striped, tmp_path):
    """Train on the striped pictures: 54 of 72 for training, so 3 steps of 16 per epoch."""

    def start(control, *, max_lr=0.1, dataset=striped, workload=None, **fields):
        spec = spec_of(**{"epochs": 4, **fields})
        return train(
            workload or prepared(spec, dataset),
            spec,
            schedule=build_schedule(spec.schedule, max_lr=max_lr),
            control=control,
            folder=tmp_path / "checkpoints",
            resume=None,
        )

    return start


class TestTraining:
    @pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
    def test_learns(self, run, control, optimizer):
        trained = run(control, max_lr=0.1 if optimizer == "sgd" else 0.02, optimizer=optimizer, epochs=12)
        assert trained.best.validation_accuracy > 0.9
        assert trained.test_accuracy > 0.9
        assert trained.stopped == "completed"
        assert trained.epochs_run == 12
        assert trained.images_per_second > 0

    def test_learns_the_digits(self, run, control, digits):
        trained = run(
            control, max_lr=0.2, dataset=digits, architecture={"name": "resnet9", "width": 4}, epochs=3, batch_size=64
        )
        assert trained.best.validation_accuracy > 0.85
        assert trained.test_accuracy is None  # there is no test split

    def test_every_step_and_epoch_is_told(self, run, control):
        run(control, epochs=4)
        assert control.events[0] == PhaseStarted("training", steps=12, epochs=4)
        blocks = control.of(StepsDone)
        rates = [rate for block in blocks for rate in block.learning_rate]
        momenta = [momentum for block in blocks for momentum in block.momentum]
        assert len(rates) == len(momenta) == len(control.losses) == 12
        assert [block.first_step for block in blocks] == [
            sum(len(b.loss) for b in blocks[:i]) for i in range(len(blocks))
        ]
        assert rates[0] == pytest.approx(0.01)  # max_lr / 10
        assert rates[-1] == pytest.approx(0.0001)  # a hundredth of that
        assert momenta[0] == pytest.approx(0.95)
        assert [epoch.epoch for epoch in control.epochs] == [1, 2, 3, 4]
        assert all(
            sum(control.losses[3 * i : 3 * i + 3]) / 3 == pytest.approx(e.train_loss)
            for i, e in enumerate(control.epochs)
        )

    @pytest.mark.parametrize("fields", [{}, {"ema": 0.7}, {"batch_size": 4, "accumulation_steps": 4}])
    def test_network_carries_the_best_weights(self, run, control, spec_of, prepared, striped, fields):
        trained = run(control, epochs=6, max_lr=0.5, **fields)
        assert trained.best == max(control.epochs, key=rank)
        workload = prepared(spec_of(), striped)
        score = evaluate(trained.network, workload.validation, precision="fp32", control=control)
        assert score.loss == pytest.approx(trained.best.validation_loss)
        assert not trained.network.training

    def test_test_split_is_seen_once_and_not_when_it_validates(self, run, control, stopping):
        run(control)
        assert [event.phase for event in control.of(PhaseStarted)] == ["training", "evaluating"]
        trained = run(stopping(), validation="test")
        assert trained.test_accuracy is None

    def test_test_split_stays_closed_where_that_is_asked(self, run, control):
        trained = run(control, evaluate_test=False)
        assert (trained.test_accuracy, trained.test_loss) == (None, None)
        assert trained.confusion.split == "validation"

    def test_counts_what_the_best_weights_take_for_what(self, run, control, stopping, striped):
        trained = run(control, epochs=6)
        assert trained.confusion.split == "test"
        assert trained.confusion.counts.sum(1).tolist() == torch.bincount(torch.tensor(striped.test.labels)).tolist()
        right = trained.confusion.counts.diag().sum().item()
        assert right / trained.confusion.counts.sum().item() == pytest.approx(trained.test_accuracy)
        validated = run(stopping(), epochs=6, validation="test")
        assert validated.confusion.split == "validation"
        accuracy = validated.confusion.counts.diag().sum() / validated.confusion.counts.sum()
        assert accuracy.item() == pytest.approx(validated.best.validation_accuracy)

    def test_does_not_count_too_many_classes(self, run, control, monkeypatch):
        monkeypatch.setattr("worker.engine.training.MOST_COUNTED", 1)
        trained = run(control, epochs=1)
        assert trained.confusion is None
        assert trained.test_accuracy is not None

    def test_early_stopping_ends_it(self, run, control):
        schedule = {"policy": "constant"}
        trained = run(control, max_lr=1e-9, schedule=schedule, epochs=30, early_stopping={"patience": 3})
        assert trained.stopped == "early_stopping"
        assert trained.epochs_run < 30
        assert trained.last.epoch == trained.epochs_run

    def test_leaves_the_global_generator(self, run, control):
        before = torch.get_rng_state()
        run(control, epochs=1)
        assert torch.equal(torch.get_rng_state(), before)

    def test_speed_leaves_out_the_first_five_steps(self, run, control):
        run(control, epochs=3)  # 3 steps each
        first, second, third = control.epochs
        assert first.images_per_second is None
        assert second.images_per_second > 0  # its last step, the sixth
        assert third.images_per_second > 0

    def test_a_batch_too_small_for_batch_norm_is_said(self, run, control):
        with pytest.raises(BatchTooSmall, match="single value per channel in a batch of 1"):
            run(control, architecture={"name": "resnet9", "width": 1}, batch_size=1)

    def test_bf16(self, run, control):
        assert run(control, precision="bf16", epochs=12).best.validation_accuracy > 0.9


class TestOptions:
    def test_a_step_counts_all_its_parts(self, run, control, stopping):
        run(control, batch_size=4, accumulation_steps=4, epochs=4)
        assert control.events[0] == PhaseStarted("training", steps=12, epochs=4)  # 54 // 16 = 3 an epoch
        run(whole := stopping(), batch_size=16, epochs=4)
        assert control.losses == pytest.approx(whole.losses, rel=1e-4)
        assert [epoch.train_accuracy for epoch in control.epochs] == [epoch.train_accuracy for epoch in whole.epochs]

    def test_the_average_of_the_weights_is_what_is_evaluated(self, run, control, stopping):
        plain = run(control, epochs=4)
        averaged = run(average := stopping(), epochs=4, ema=0.7)
        assert average.losses == control.losses  # it changes nothing in the training itself
        assert averaged.last.validation_loss != plain.last.validation_loss
        averages = nn.utils.parameters_to_vector(averaged.network.parameters())
        assert not torch.equal(averages, nn.utils.parameters_to_vector(plain.network.parameters()))

    @pytest.mark.parametrize("ema", [None, 0.7])
    def test_exact_statistics_are_evaluated_anew(self, run, control, spec_of, prepared, striped, ema):
        fields = {"architecture": {"name": "resnet9", "width": 2}, "test_time_flip": True, "ema": ema}
        trained = run(control, exact_batch_norm=True, **fields)
        running = max(control.epochs, key=rank)
        assert trained.best.epoch == running.epoch
        assert trained.best.validation_loss != running.validation_loss
        workload = prepared(spec_of(**fields), striped)
        for batches, loss in ((workload.validation, trained.best.validation_loss), (workload.test, trained.test_loss)):
            score = evaluate(trained.network, batches, precision="fp32", control=control, mirrored_too=True)
            assert score.loss == pytest.approx(loss)
        before = [buffer.clone() for buffer in trained.network.buffers()]
        recompute_statistics(trained.network, plain_batches(workload), precision="fp32")
        assert all(torch.equal(*pair) for pair in zip(before, trained.network.buffers(), strict=True))
        assert [event.phase for event in control.of(PhaseStarted)] == ["training", "evaluating"]

    def test_there_may_be_no_statistics(self, run, control):
        trained = run(control, exact_batch_norm=True)
        assert [warning.code for warning in control.of(Warned)] == ["no_batch_norm"]
        assert trained.best == max(control.epochs, key=rank)

    @pytest.mark.parametrize("deterministic", [True, False])
    def test_deterministic_is_for_the_training_alone(self, run, stopping, deterministic):
        seen = []

        class Looking(stopping):
            def emit(self, event):
                seen.append(torch.are_deterministic_algorithms_enabled())
                super().emit(event)

        run(Looking(), epochs=1, deterministic=deterministic)
        assert set(seen) == {deterministic}
        assert not torch.are_deterministic_algorithms_enabled()


class TestDivergence:
    @pytest.mark.parametrize("architecture", [{"name": "mlp", "width": 16}, {"name": "resnet9", "width": 2}])
    def test_keeps_the_curve(self, run, control, architecture):
        with pytest.raises(LrDiverged) as caught:
            run(control, max_lr=1e6, epochs=20, architecture=architecture)
        assert caught.value.code == "lr_diverged"
        assert len(control.losses) >= 2
        assert not 0 < control.losses[-1] < 10


class TestStop:
    @pytest.mark.parametrize("at", [1, 2, 5])
    def test_cancel_within_a_batch(self, run, stopping, at):
        control = stopping(Stop.CANCEL, at=at)
        with pytest.raises(Stopped):
            run(control)
        assert control.asked == at
        assert not control.of(CheckpointSaved)

    def test_yield_saves_first(self, run, stopping):
        control = stopping(Stop.YIELD, at=3)
        with pytest.raises(Stopped) as caught:
            run(control)
        assert caught.value.reason is Stop.YIELD
        assert [saved.step for saved in control.of(CheckpointSaved)] == [2]
        assert len(control.losses) == 2

    def test_a_checkpoint_that_cannot_be_written_is_a_warning(self, run, stopping, tmp_path):
        (tmp_path / "checkpoints").write_text("not a folder")
        control = stopping(Stop.YIELD, at=3)
        with pytest.raises(Stopped):
            run(control)
        assert [warning.code for warning in control.of(Warned)] == ["checkpoint_skipped"]


class TestRank:
    @pytest.mark.parametrize(
        ("better", "worse"),
        [
            ((0.9, 1.0), (0.8, 0.1)),  # accuracy first
            ((0.9, 0.1), (0.9, 0.2)),  # then the lower loss
            ((0.9, 5.0), (0.9, float("nan"))),
        ],
    )
    def test_order(self, better, worse):
        def epoch(accuracy, loss):
            return EpochDone(1, 0.0, 0.0, loss, accuracy, 0.0, None)

        assert rank(epoch(*better)) > rank(epoch(*worse))
