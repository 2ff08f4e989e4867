"""The states of a job and the moves between them."""

from itertools import product

import pytest

from app.domain.lifecycle import ENDED, LIVE, IllegalMove, JobState, after_cancel, after_loss, check_move

LEGAL = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "queued"),
    ("running", "cancelling"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("cancelling", "cancelled"),
}


class TestMoves:
    @pytest.mark.parametrize(("current", "to"), list(product(JobState, JobState)))
    def test_only_the_legal_ones(self, current, to):
        if (current.value, to.value) in LEGAL:
            check_move(current, to)
        else:
            with pytest.raises(IllegalMove, match=f"a job that is {current} cannot become {to}"):
                check_move(current, to)

    def test_ended_states_never_change(self):
        assert {state.value for state in JobState if state.ended} == {"succeeded", "failed", "cancelled"}
        assert not {(current, to) for current, to in LEGAL if JobState(current).ended}

    def test_every_state_is_queued_live_or_ended(self):
        assert {JobState.QUEUED} | LIVE | ENDED == set(JobState)


class TestCancel:
    @pytest.mark.parametrize(
        ("current", "to"),
        [
            ("queued", "cancelled"),
            ("running", "cancelling"),
            ("cancelling", "cancelling"),
            ("cancelled", "cancelled"),
            ("succeeded", None),
            ("failed", None),
        ],
    )
    def test_verb_table(self, current, to):
        assert after_cancel(JobState(current)) == to


class TestLoss:
    @pytest.mark.parametrize(("current", "to"), [("running", "queued"), ("cancelling", "cancelled")])
    def test_where_it_goes(self, current, to):
        assert after_loss(JobState(current)) == to
