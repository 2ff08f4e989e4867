import pytest
import torch

from worker.engine.events import StepsDone
from worker.engine.loop import Ledger


def add(ledger, loss, hits=1):
    ledger.add(torch.tensor(loss), torch.tensor(hits), learning_rate=loss / 10, momentum=0.9)


class TestLedger:
    def test_blocks_follow_each_other(self):
        ledger = Ledger(first_step=7)
        add(ledger, 2.0, hits=3)
        add(ledger, 1.0, hits=4)
        block = ledger.take()
        add(ledger, 0.5)
        assert block.event("training") == StepsDone("training", 7, [0.2, 0.1], [0.9, 0.9], [2.0, 1.0])
        assert block.hits == 7
        assert ledger.take().first_step == 9

    @pytest.mark.parametrize(
        ("steps", "seconds", "expected"),
        [
            (3, 1000.0, True),  # full
            (4, 1000.0, False),
            (4, 0.0, True),  # old enough
        ],
    )
    def test_due(self, steps, seconds, expected):
        ledger = Ledger(first_step=0, most_steps=steps, most_seconds=seconds)
        assert not ledger.is_due  # nothing to show
        for _ in range(3):
            add(ledger, 1.0)
        assert ledger.is_due is expected

    def test_numbers_that_are_none_come_home(self):
        ledger = Ledger(first_step=0)
        add(ledger, float("inf"), hits=2)
        block = ledger.take()
        assert (block.loss, block.hits) == ([float("inf")], 2)
