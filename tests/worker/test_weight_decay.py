"""Weight decay that is left open is settled after max_lr, and everything that trains meets a number."""

import pytest
import torch

from app.domain.specs import parse_spec
from app.domain.verification import USUAL
from app.domain.weight_decay import total_decay, total_rate
from worker.engine.errors import LrDiverged
from worker.engine.optim import build_optimizer
from worker.messages import Settled
from worker.work import run

NORMALISED = {"name": "custom", "layers": [
    {"type": "conv", "channels": 4, "kernel_size": 3, "stride": 2}, "batch_norm", "relu", "flatten",
    {"type": "linear", "features": "classes"},
]}  # fmt: skip
TRAINING = {
    "kind": "training", "dataset": "digits", "architecture": NORMALISED, "precision": "fp32", "compile": "off",
    "batch_size": 16, "augmentation": "none", "epochs": 5, "schedule": {"max_lr": 0.05},
    "optimizer": {"name": "sgd", "weight_decay": "auto"},
}  # fmt: skip
SWEEP = {name: value for name, value in TRAINING.items() if name not in ("epochs", "schedule")}
SWEEP |= {"kind": "range_test", "steps": 20}


class Remembering:
    def __init__(self):
        self.settled = []

    def emit(self, event):
        pass

    def stop_requested(self):
        return None

    def send(self, message):
        if isinstance(message, Settled):
            self.settled.append(message)

    def of(self, name):
        return [one for one in self.settled if one.name == name]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a network gains nothing by more
    yield
    torch.set_num_threads(before)


@pytest.fixture
def decays(monkeypatch):
    """What every optimizer was built with, in their order."""
    seen = []

    def build(network, spec, **rest):
        seen.append(spec.weight_decay)
        return build_optimizer(network, spec, **rest)

    monkeypatch.setattr("worker.engine.loop.build_optimizer", build)
    return seen


@pytest.fixture
def done(tmp_path, assignment_of, decays):
    def work(spec):
        line = Remembering()
        run(assignment_of(tmp_path, spec), line)
        return line

    return work


def sgd_decay(spec, max_lr, *, epochs=None):
    """The total / the sum over 89 steps an epoch: 1,438 of 1,797 images in batches of 16."""
    read = parse_spec(spec if spec["kind"] == "training" else TRAINING)
    steps = 89 * (epochs or read.epochs)
    return total_decay(steps) / total_rate(read.schedule, max_lr=max_lr, steps=steps, momentum=0.9)


class TestTraining:
    def test_with_a_rate_that_was_given(self, done, decays):
        (told,) = done(TRAINING).of("weight_decay")
        assert (told.value, told.origin) == (pytest.approx(sgd_decay(TRAINING, 0.05)), "rule")
        assert "over 445 steps to 0.05" in told.reason
        assert decays == [told.value]

    def test_sweep_has_that_of_the_usual_rate_and_cycles_their_own(self, done, decays):
        spec = TRAINING | {"schedule": {"max_lr": "auto"}}
        line = done(spec)
        (told,), (rate,), (trials,) = (line.of(name) for name in ("weight_decay", "max_lr", "trials"))
        tried = [trial["max_lr"] for trial in trials.value]
        rates = [USUAL["sgd"], *tried, rate.value]
        assert len(tried) >= 2
        assert decays == pytest.approx([sgd_decay(spec, rate) for rate in rates])
        assert told.value == decays[-1]
        names = [message.name for message in line.settled]
        assert names.index("max_lr") < names.index("weight_decay")

    def test_is_settled_again_where_the_rate_is_lowered(self, done, decays, monkeypatch):
        from worker import work

        train, calls = work.train, []

        def diverging_once(*arguments, **rest):
            calls.append(rest["schedule"].learning_rate(0.5))
            if len(calls) == 1:
                raise LrDiverged("It exploded")
            return train(*arguments, **rest)

        monkeypatch.setattr("worker.work.train", diverging_once)
        line = done(TRAINING | {"schedule": {"max_lr": "auto", "pick": "margin"}})
        first, second = line.of("weight_decay")
        assert second.value == pytest.approx(3 * first.value)
        assert calls[1] == pytest.approx(calls[0] / 3)
        assert decays[-1] == second.value

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"architecture": {"name": "mlp", "width": 8}}, 5e-4),  # no batch norm
            ({"optimizer": {"name": "adamw", "weight_decay": "auto"}}, 1 / (0.05 * 89 * 2.5**0.5)),
            ({"optimizer": {"name": "adam", "weight_decay": "auto"}}, 0.0),
        ],
    )
    def test_of_others(self, done, decays, changes, expected):
        (told,) = done(TRAINING | changes).of("weight_decay")
        assert told.value == pytest.approx(expected)
        assert decays == [told.value]

    def test_a_number_is_nothing_to_settle(self, done, decays):
        line = done(TRAINING | {"optimizer": {"name": "sgd", "weight_decay": 0.02}})
        assert not line.of("weight_decay")
        assert decays == [0.02]


class TestRangeTest:
    def test_has_that_of_a_default_training_at_the_usual_rate(self, done, decays):
        (told,) = done(SWEEP).of("weight_decay")
        usual = parse_spec({name: value for name, value in TRAINING.items() if name not in ("epochs", "schedule")})
        steps = 89 * usual.epochs
        expected = total_decay(steps) / total_rate(usual.schedule, max_lr=USUAL["sgd"], steps=steps, momentum=0.9)
        assert told.value == pytest.approx(expected)
        assert decays == [told.value]


class TestOpen:
    def test_no_optimizer_is_built_from_it(self):
        spec = parse_spec(TRAINING).optimizer
        with pytest.raises(ValueError, match="open still"):
            build_optimizer(torch.nn.Linear(2, 2), spec)
