"""A training whose body is frozen for its first epochs."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from app.domain.schedules import build_schedule
from app.domain.specs import Freeze
from worker.engine.errors import Stopped
from worker.engine.events import CheckpointSaved, Stop
from worker.engine.training import train


def small_network():
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 3))


class Watching:
    """Wraps a control: notes the weights whenever a step is about to be taken."""

    def __init__(self, control):
        self.control, self.networks, self.seen = control, [], []

    def emit(self, event):
        self.control.emit(event)

    def stop_requested(self):
        if self.networks and self.networks[-1].training:
            self.seen.append({name: value.clone() for name, value in self.networks[-1].state_dict().items()})
        return self.control.stop_requested()


@pytest.fixture
def run(spec_of, prepared, striped, tmp_path):
    """Train for 4 epochs of 3 steps, the first 2 frozen; the last network is noted in `control.networks`."""

    def start(control, *, resume=None, folder="first", **fields):
        # No weights are published for a network this small, so the check that asks for them is passed by.
        spec = spec_of(epochs=4, **fields).model_copy(update={"freeze": Freeze(epochs=2)})
        workload = prepared(spec, striped)

        def noted():
            network = small_network()
            getattr(control, "networks", []).append(network)
            return network

        object.__setattr__(workload, "new_network", noted)
        schedule = build_schedule(spec.schedule, max_lr=0.05)
        return train(workload, spec, schedule=schedule, control=control, folder=tmp_path / folder, resume=resume)

    return start


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
class TestFreeze:
    def test_the_body_rests_then_moves(self, run, control, optimizer):
        watching = Watching(control)
        run(watching, optimizer=optimizer)
        steps = watching.seen  # before steps 0 … 11
        assert len(steps) == 12
        changed = [
            {name for name in before if not torch.equal(before[name], after[name])} for before, after in pairwise(steps)
        ]
        head = {"4.weight", "4.bias"}
        assert all(step == head for step in changed[:6])  # steps 0 … 5; batch-norm statistics included
        assert all(step > head | {"0.weight", "1.running_mean"} for step in changed[6:])

    # 3 steps and a validation an epoch: within the frozen epochs, at their end and past it
    @pytest.mark.parametrize("at", [2, 8, 10])
    def test_resumes_to_the_same_bits(self, run, control, stopping, optimizer, at):
        whole = run(control, optimizer=optimizer, ema=0.9)
        with pytest.raises(Stopped):
            run(first := stopping(Stop.YIELD, at=at), optimizer=optimizer, ema=0.9)
        saved = first.of(CheckpointSaved)[-1].path
        resumed = run(second := stopping(), optimizer=optimizer, ema=0.9, resume=saved, folder="second")
        assert first.losses + second.losses == control.losses
        ours, theirs = whole.network.state_dict(), resumed.network.state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
