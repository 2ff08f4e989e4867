"""A training that was stopped and resumed ends with the same bits as one that was not (CPU, fp32)."""

import pytest
import torch
from torch import nn

from app.domain.schedules import build_schedule
from worker.engine.checkpoint import load_checkpoint
from worker.engine.errors import CheckpointDamaged, Stopped
from worker.engine.events import CheckpointSaved, Logged, Stop
from worker.engine.training import train


class KilledError(Exception):
    """What a kill -9 is to the engine: the end of everything, at any step."""


def with_dropout():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(512, 3)
    )


EVERYTHING = {
    "batch_size": 8, "accumulation_steps": 2, "gradient_clip": 1.0, "label_smoothing": 0.1, "mixup": 0.4, "cutmix": 1.0,
    "cutout": 3, "ema": 0.8, "test_time_flip": True, "exact_batch_norm": True, "deterministic": True,
    "batch_norm_momentum": "auto",
}  # fmt: skip


@pytest.fixture
def run(spec_of, prepared, striped, tmp_path):
    def start(control, *, resume=None, folder="first", checkpoint_seconds=60.0, epochs=4, **fields):
        spec = spec_of(epochs=epochs, augmentation={"crop": 2, "flip": True}, **fields)
        workload = prepared(spec, striped)
        object.__setattr__(workload, "new_network", with_dropout)
        schedule = build_schedule(spec.schedule, max_lr=0.05)
        return train(
            workload,
            spec,
            schedule=schedule,
            control=control,
            folder=tmp_path / folder,
            resume=resume,
            checkpoint_seconds=checkpoint_seconds,
        )

    return start


def same_bits(first, second):
    ours, theirs = first.network.state_dict(), second.network.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def without_time(epoch):
    return (epoch.epoch, epoch.train_loss, epoch.train_accuracy, epoch.validation_loss, epoch.validation_accuracy)


class TestExactResume:
    # 3 optimizer steps and one batch of validation per epoch, so 4 questions: the 5th comes before step 3
    @pytest.mark.parametrize(
        "at", [2, 4, 5, 8, 15, 17], ids=["mid", "first-evaluation", "boundary", "second-evaluation", "last", "test"]
    )
    @pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
    def test_after_a_yield(self, run, control, stopping, optimizer, at):
        whole = run(control, optimizer=optimizer)
        with pytest.raises(Stopped):
            run(first := stopping(Stop.YIELD, at=at), optimizer=optimizer)
        resumed = run(
            second := stopping(), optimizer=optimizer, resume=first.of(CheckpointSaved)[-1].path, folder="second"
        )
        assert same_bits(whole, resumed)
        assert first.losses + second.losses == control.losses
        assert [without_time(e) for e in first.epochs + second.epochs] == [without_time(e) for e in control.epochs]
        assert without_time(resumed.best) == without_time(whole.best)
        assert resumed.test_loss == whole.test_loss

    @pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
    def test_after_three_yields_with_every_option(self, run, control, stopping, optimizer):
        fields = EVERYTHING | {"optimizer": optimizer}
        whole = run(control, **fields)
        # 16 questions as above, 6 for the parts with exact statistics, one each for validation with those and with five
        # momenta, and one for test
        assert control.asked == 29
        attempts, checkpoint = [], None
        for number, at in enumerate([6, 9, 4]):  # in epoch 2, before the evaluation of epoch 4, within the statistics
            attempts.append(attempt := stopping(Stop.YIELD, at=at))
            with pytest.raises(Stopped):
                run(attempt, resume=checkpoint, folder=f"{number}", **fields)
            checkpoint = attempt.of(CheckpointSaved)[-1].path
        attempts.append(attempt := stopping())
        resumed = run(attempt, resume=checkpoint, folder="last", **fields)
        assert attempt.asked == 13
        assert same_bits(whole, resumed)
        assert [loss for attempt in attempts for loss in attempt.losses] == control.losses
        epochs = [without_time(epoch) for attempt in attempts for epoch in attempt.epochs]
        assert epochs == [without_time(epoch) for epoch in control.epochs]
        assert without_time(resumed.best) == without_time(whole.best)
        assert resumed.test_loss == whole.test_loss
        assert resumed.batch_norm == whole.batch_norm

    @pytest.mark.parametrize("fields", [{}, {"batch_norm_momentum": "auto"}])
    def test_after_a_kill(self, run, control, stopping, fields):
        whole = run(control, **fields)

        class Fragile(stopping):
            def stop_requested(self):
                if super().stop_requested() is None and self.asked == 12:
                    raise KilledError

        with pytest.raises(KilledError):
            run(fragile := Fragile(), checkpoint_seconds=0.0, **fields)
        resumed = run(stopping(), resume=fragile.of(CheckpointSaved)[-1].path, folder="second", **fields)
        assert same_bits(whole, resumed)
        assert resumed.batch_norm == whole.batch_norm

    def test_says_what_it_did(self, run, stopping):
        with pytest.raises(Stopped):
            run(first := stopping(Stop.YIELD, at=3))
        run(second := stopping(), resume=first.of(CheckpointSaved)[-1].path)
        assert [line.message for line in second.of(Logged)] == ["Resumed at step 2 of 12, on the same platform."]

    def test_says_when_the_platform_changed(self, run, stopping):
        with pytest.raises(Stopped):
            run(first := stopping(Stop.YIELD, at=3))
        torch.set_num_threads(2)
        run(second := stopping(), resume=first.of(CheckpointSaved)[-1].path)
        assert "not bit for bit, since threads 1 → 2" in second.of(Logged)[0].message


class TestOlderCheckpoint:
    def test_whose_groups_have_no_scale_goes_on_to_the_same_bits(self, run, control, stopping, monkeypatch):
        whole = run(control)
        with pytest.raises(Stopped):
            run(first := stopping(Stop.YIELD, at=3))
        state = load_checkpoint(first.of(CheckpointSaved)[-1].path)
        for group in state["optimizer"]["param_groups"]:
            del group["lr_scale"]
        monkeypatch.setattr("worker.engine.training.load_checkpoint", lambda _: state)
        assert same_bits(whole, run(stopping(), resume=first.of(CheckpointSaved)[-1].path, folder="second"))


class TestForeignCheckpoint:
    @pytest.mark.parametrize("change", [{"epochs": 5}, {"optimizer": {"name": "sgd", "decay_norm_and_bias": True}}])
    def test_is_refused(self, run, stopping, change):
        with pytest.raises(Stopped):
            run(first := stopping(Stop.YIELD, at=3))
        with pytest.raises(CheckpointDamaged, match="It belongs to"):
            run(stopping(), resume=first.of(CheckpointSaved)[-1].path, **change)
