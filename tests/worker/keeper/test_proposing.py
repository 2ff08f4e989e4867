"""What the sampler is told and what comes back, with Optuna itself."""

from app.domain.plans.tuning.searching import Asked
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

    def test_it_learns(self):
        """Losses that fall with the decay draw the points to the upper half of the decades."""
        history = [asked(1e-5 * 10 ** (step / 5), 1 - step / 15) for step in range(15)]
        points = [propose(SPACE, history, 1, seed)[0]["optimizer.weight_decay"] for seed in range(10)]
        assert sum(point > 10**-3.5 for point in points) >= 8
