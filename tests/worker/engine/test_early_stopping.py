import pytest

from app.domain.schedules import build_schedule
from app.domain.specs import ConstantLr, EarlyStopping, OneCycle
from worker.engine.early_stopping import Patience

CYCLE = build_schedule(OneCycle(), max_lr=1.0)
CONSTANT = build_schedule(ConstantLr(policy="constant"), max_lr=1.0)


def stops_after(spec, schedule, *, epochs, improvements):
    """The epoch at which patience runs out, or None."""
    patience = Patience(spec, schedule, epochs=epochs)
    for epoch in range(1, epochs + 1):
        if patience.ends_at(epoch, improved=epoch in improvements):
            return epoch
    return None


class TestPatience:
    @pytest.mark.parametrize(
        ("armed", "schedule", "expected"),
        [
            (None, CYCLE, 93),  # annihilation begins at 90 % of 100 epochs: 91, 92, 93 count
            ("annealing", CYCLE, 93),
            ("always", CYCLE, 5),  # 2 was the last that improved: 3, 4, 5
            (None, CONSTANT, 5),  # no cycle to wait for
        ],
    )
    def test_knows_the_cycle(self, armed, schedule, expected):
        spec = EarlyStopping(patience=3, armed=armed)
        assert stops_after(spec, schedule, epochs=100, improvements={1, 2}) == expected

    def test_a_cycle_as_it_is_recorded(self):
        """The shape that one-cycle accuracies have: up fast, a long stall at large rates, the best at the very end."""
        rise, stall, descent = [0.35, 0.55, 0.66, 0.7], [0.68, 0.6, 0.69, 0.58, 0.64, 0.66, 0.62, 0.67], [0.72, 0.75]
        accuracies = rise + stall + [*descent, 0.78, 0.8, 0.83, 0.85, 0.9, 0.92]  # 20 epochs
        improvements = {
            epoch for epoch, accuracy in enumerate(accuracies, start=1) if accuracy > max([0, *accuracies[: epoch - 1]])
        }
        stopped = stops_after(EarlyStopping(patience=5, armed="always"), CYCLE, epochs=20, improvements=improvements)
        assert stopped == 9  # the fifth epoch after 4, whose 0.70 was the best so far
        assert max(accuracies) - max(accuracies[:stopped]) == pytest.approx(0.22)
        assert stops_after(EarlyStopping(patience=5), CYCLE, epochs=20, improvements=improvements) is None

    def test_improvement_starts_the_count_again(self):
        spec = EarlyStopping(patience=2)
        assert stops_after(spec, CONSTANT, epochs=10, improvements={1, 3, 5}) == 7

    def test_off_unless_asked_for(self):
        assert stops_after(None, CONSTANT, epochs=50, improvements={1}) is None
