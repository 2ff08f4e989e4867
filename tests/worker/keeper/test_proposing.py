"""What the sampler is told and what comes back, with Optuna itself."""

from app.domain.lifecycle import JobState
from app.domain.plans import Child, plan_of
from app.domain.plans.tuning.searching import Asked
from app.domain.specs import parse_spec
from app.domain.specs.tuning import Choices, Interval
from worker.keeper.proposing import propose

SPACE = {
    "optimizer.weight_decay": Interval(low=1e-5, high=1e-2, log=True),
    "batch_size": Choices(choices=(64, 128)),
    "epochs": Interval(low=1, high=4, whole=True),
}


def asked(decay, loss, **facts):
    return Asked({"optimizer.weight_decay": decay, "batch_size": 64, "epochs": 2}, loss, **facts)


class TestPropose:
    def test_points_lie_in_the_space(self):
        for point in propose(SPACE, [], 8, 1):
            assert point.keys() == SPACE.keys()
            assert 1e-5 <= point["optimizer.weight_decay"] <= 1e-2
            assert point["batch_size"] in (64, 128)
            assert point["epochs"] in (1, 2, 3, 4)

    def test_the_same_history_and_seed_give_the_same_points(self):
        history = [asked(1e-3, 0.5), asked(1e-4, 0.4), asked(1e-5, None, failed=True), asked(2e-3, None)]
        assert propose(SPACE, history, 2, 7) == propose(SPACE, history, 2, 7)
        assert propose(SPACE, history, 2, 7) != propose(SPACE, history, 2, 8)

    def test_what_the_training_has_is_told_like_the_others(self):
        """As numbers and choices that Optuna takes; while it is under way, and once it has ended."""
        fields = {
            "optimizer.weight_decay": {"low": 1e-5, "high": 1e-2, "log": True},
            "label_smoothing": {"low": 0, "high": 0.2},
            "batch_size": {"low": 16, "high": 256, "whole": True},
            "architecture": {"choices": ["mlp", "resnet9"]},
            "mixup": {"choices": [None, 0.2]},
        }
        spec = {"kind": "tuning", "dataset": "digits", "architecture": "resnet9", "tune": [], "epochs": 5}
        plan = plan_of(parse_spec(spec | {"search": {"fields": fields, "trials": 3, "parallel": 2}}))
        settled = plan.settle(lambda _: 11)
        first, second = plan.advance(settled, {}, propose).new
        present = {"optimizer.weight_decay": 5e-4, "label_smoothing": 0.0, "batch_size": 128, "architecture": "resnet9",
                   "mixup": None}  # fmt: skip
        assert (first.settled["proposed"]["value"], first.settled["proposed"]["origin"]) == (present, "present")
        assert second.settled["proposed"]["value"] != present
        result = {"last": {"validation_loss": 0.5, "validation_accuracy": 0.5}}
        ended = {
            one.key: Child(one.key, one.key, JobState.SUCCEEDED, resolved=one.settled, result=result)
            for one in (first, second)
        }
        assert [one.key for one in plan.advance(settled, ended, propose).new] == ["search/2"]

    def test_it_learns(self):
        """Losses that fall with the decay draw the points to the upper half of the decades."""
        history = [asked(1e-5 * 10 ** (step / 5), 1 - step / 15) for step in range(15)]
        points = [propose(SPACE, history, 1, seed)[0]["optimizer.weight_decay"] for seed in range(10)]
        assert sum(point > 10**-3.5 for point in points) >= 8
