"""The states of a job and the moves between them."""

from itertools import product

import pytest

from app.domain.lifecycle import ENDED, LIVE, IllegalMove, JobState, Verb, after_loss, after_verb, check_move

LEGAL = {
    ("queued", "running"),
    ("queued", "paused"),
    ("queued", "cancelled"),
    ("running", "queued"),
    ("running", "cancelling"),
    ("running", "pausing"),
    ("pausing", "paused"),
    ("pausing", "cancelling"),
    ("pausing", "succeeded"),
    ("pausing", "failed"),
    ("paused", "queued"),
    ("paused", "cancelled"),
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

    def test_every_state_is_waiting_live_or_ended(self):
        assert {JobState.QUEUED, JobState.PAUSED} | LIVE | ENDED == set(JobState)


# What API.md says of each verb, state by state; None is a 409.
VERBS = [
    # state, cancel, pause, resume
    ("queued", "cancelled", "paused", None),
    ("running", "cancelling", "pausing", None),
    ("pausing", "cancelling", "pausing", None),
    ("paused", "cancelled", "paused", "queued"),
    ("cancelling", "cancelling", None, None),
    ("cancelled", "cancelled", None, None),
    ("succeeded", None, None, None),
    ("failed", None, None, None),
]


class TestVerbs:
    @pytest.mark.parametrize(("current", "cancel", "pause", "resume"), VERBS)
    def test_verb_table(self, current, cancel, pause, resume):
        assert [after_verb(verb, JobState(current)) for verb in Verb] == [cancel, pause, resume]

    @pytest.mark.parametrize(("verb", "current"), list(product(Verb, JobState)))
    def test_a_verb_only_makes_legal_moves(self, verb, current):
        to = after_verb(verb, current)
        if to not in (None, current):
            check_move(current, to)

    def test_the_table_is_whole(self):
        assert {row[0] for row in VERBS} == set(JobState)


class TestLoss:
    @pytest.mark.parametrize(
        ("current", "to"), [("running", "queued"), ("pausing", "paused"), ("cancelling", "cancelled")]
    )
    def test_where_it_goes(self, current, to):
        assert after_loss(JobState(current)) == to
