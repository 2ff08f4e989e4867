import pytest

from app.domain.picks import pick_from
from app.domain.suggestion import suggest_learning_rate


@pytest.fixture
def suggestion():
    """Of a sweep whose loss falls, bottoms out near 0.1 and explodes."""
    rates = [1e-5 * 10 ** (6 * step / 199) for step in range(200)]
    losses = [2.3 / (1 + 30 * rate) + (5 * rate) ** 3 for rate in rates]
    return suggest_learning_rate(rates, losses, stopped="diverged")


@pytest.fixture
def flat():
    """Of a sweep that learns nothing: no landmark but perhaps a divergence."""
    return suggest_learning_rate([1e-5 * 1.1**step for step in range(100)], [2.3] * 100)


class TestPick:
    @pytest.mark.parametrize("name", ["steepest", "edge", "minimum", "minimum_over_ten", "valley"])
    def test_a_landmark_is_taken_as_it_is(self, suggestion, name):
        pick = pick_from(suggestion, name)
        assert pick.max_lr == getattr(suggestion.landmarks, name)
        assert pick.reason.startswith(f"{pick.max_lr:.2g} is the landmark {name}, as the spec asks. ")
        assert pick.reason.endswith(suggestion.explanations[name])
        assert pick.warning is None
        assert pick.fallback == suggestion.max_lr

    def test_the_best_is_our_own_rules(self, suggestion):
        pick = pick_from(suggestion, "best")
        assert (pick.max_lr, pick.reason, pick.warning) == (suggestion.max_lr, suggestion.reason, None)
        assert pick.fallback is None
        assert pick.max_lr not in dict(suggestion.landmarks).values()

    def test_a_landmark_that_is_not_there_gives_way(self, flat):
        pick = pick_from(flat, "steepest")
        assert (pick.max_lr, pick.fallback) == (flat.max_lr, None)
        assert "no landmark steepest" in pick.warning
        assert pick.reason == f"{pick.warning} {flat.reason}"
