"""Deliveries are claimed before they are sent, tried as often as the standard recommends, and then given up."""

from datetime import UTC, datetime, timedelta

import pytest

from app.db.tables import WebhookDeliveryTable, WebhookTable
from app.ids import new_id
from app.webhooks import due
from app.webhooks.due import PAUSES, Outcome

HOLD = timedelta(seconds=60)
REFUSED = Outcome(5, status=500, error="It answered 500.")


@pytest.fixture
def put_delivery(database):
    """A delivery that is due; returns its id."""

    def put(webhook, *, since=timedelta(seconds=1), **columns):
        usual = {"id": new_id("dlv"), "webhook_id": webhook, "event_id": new_id("evt"), "type": "job.failed"}
        moments = {"created_at": datetime.now(UTC), "next_at": datetime.now(UTC) - since}
        row = WebhookDeliveryTable(**usual | {"payload": "{}", "state": "pending"} | moments | columns)
        with database.transaction() as session:
            session.add(row)
        return row.id

    return put


@pytest.fixture
def claim(database):
    def take(**options):
        with database.transaction() as session:
            return due.claim(session, **{"hold": HOLD} | options)

    return take


@pytest.fixture
def note(database):
    def write(mine, outcome, *, jitter=0.0):
        with database.transaction() as session:
            due.note(session, mine, outcome, jitter=jitter)

    return write


@pytest.fixture
def read(database):
    def row(id):
        with database.reading() as session:
            return session.get(WebhookDeliveryTable, id)

    return row


def seconds_until(moment):
    return (moment - datetime.now(UTC)).total_seconds()


class TestClaim:
    def test_once(self, put_webhook, put_delivery, claim, read):
        id = put_delivery(put_webhook(url="https://example.com/x"))
        mine = claim()
        assert (mine.id, mine.attempt, mine.url) == (id, 1, "https://example.com/x")
        assert seconds_until(read(id).next_at) == pytest.approx(60, abs=5)
        assert claim() is None

    def test_again_where_nothing_came_of_it(self, put_webhook, put_delivery, claim, note, read):
        id = put_delivery(put_webhook())
        lost = claim(hold=timedelta(0))
        mine = claim()
        assert (mine.id, mine.attempt, mine.event_id) == (id, 2, lost.event_id)
        note(lost, Outcome(1, status=200))  # comes too late
        assert read(id).state == "pending"

    def test_the_one_that_has_waited_longest(self, put_webhook, put_delivery, claim):
        webhook = put_webhook()
        second, first = (put_delivery(webhook, since=timedelta(seconds=seconds)) for seconds in (10, 20))
        put_delivery(webhook, since=timedelta(seconds=-30))  # not yet
        assert [claim().id, claim().id, claim()] == [first, second, None]

    def test_none_of_a_webhook_that_is_busy(self, database, put_webhook, put_delivery, claim):
        busy, other = put_webhook(), put_webhook()
        put_delivery(busy, since=timedelta(minutes=1))
        mine = put_delivery(other)
        with database.reading() as session:
            assert due.count_due(session, most=10) == 2
            assert due.count_due(session, most=1) == 1
            assert due.count_due(session, most=10, full=[busy]) == 1
        assert claim(full=[busy]).id == mine
        assert claim(full=[busy]) is None

    def test_what_waits_for_a_disabled_webhook_has_failed(self, put_webhook, put_delivery, claim, read):
        disabled = put_webhook(disabled_at=datetime.now(UTC))
        lost = [put_delivery(disabled, since=timedelta(minutes=1)) for _ in range(3)]
        other = put_delivery(put_webhook())
        assert claim().id == other
        assert {read(id).state for id in lost} == {"failed"}
        assert "410 Gone" in read(lost[0]).error


class TestNote:
    @pytest.mark.parametrize("status", [200, 202, 204, 299])
    def test_delivered(self, put_webhook, put_delivery, claim, note, read, status):
        id = put_delivery(put_webhook())
        note(claim(), Outcome(12, status=status))
        row = read(id)
        assert (row.state, row.response_status, row.error, row.milliseconds) == ("delivered", status, None, 12)
        assert row.next_at is None
        assert abs(seconds_until(row.delivered_at)) < 5

    @pytest.mark.parametrize(
        "outcome",
        [REFUSED, Outcome(5, status=302), Outcome(5, status=404), Outcome(5, error="There was no connection.")],
    )
    def test_everything_else_is_tried_again(self, put_webhook, put_delivery, claim, note, read, outcome):
        id = put_delivery(put_webhook())
        note(claim(), outcome)
        row = read(id)
        assert (row.state, row.response_status, row.error) == ("pending", outcome.status, outcome.error)
        assert seconds_until(row.next_at) == pytest.approx(5, abs=3)

    def test_as_the_standard_recommends(self, database, put_webhook, put_delivery, claim, note, read):
        id = put_delivery(put_webhook())
        pauses = []
        for _ in range(9):
            note(claim(), REFUSED)
            pauses.append(seconds_until(read(id).next_at))
            with database.transaction() as session:
                session.get(WebhookDeliveryTable, id).next_at = datetime.now(UTC)
        minute, hour = 60, 3600
        expected = [5, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour]
        assert pauses == pytest.approx(expected, abs=3)
        note(claim(), REFUSED)
        row = read(id)
        assert (row.state, row.attempts, row.next_at) == ("failed", 10, None)

    def test_jitter_puts_off_by_a_tenth_at_most(self, put_webhook, put_delivery, claim, note, read):
        id = put_delivery(put_webhook(), attempts=4)
        note(claim(), REFUSED, jitter=1.0)
        assert seconds_until(read(id).next_at) == pytest.approx(PAUSES[4].total_seconds() * 1.1, abs=3)

    @pytest.mark.parametrize(
        ("asked", "pause"),
        [
            pytest.param(timedelta(hours=1), timedelta(hours=1), id="later"),
            pytest.param(timedelta(seconds=2), timedelta(minutes=5), id="no sooner than it would be"),
            pytest.param(timedelta(days=-1), timedelta(minutes=5), id="a date that is past"),
            pytest.param(timedelta(days=365), timedelta(hours=24), id="no later than the schedule ever waits"),
        ],
    )
    def test_a_receiver_may_put_it_off(self, put_webhook, put_delivery, claim, note, read, asked, pause):
        id = put_delivery(put_webhook(), attempts=1)
        note(claim(), Outcome(5, status=429, error="It answered 429.", retry_after=asked))
        assert seconds_until(read(id).next_at) == pytest.approx(pause.total_seconds(), abs=3)

    def test_whoever_puts_it_off_uses_up_attempts_all_the_same(self, put_webhook, put_delivery, claim, note, read):
        id = put_delivery(put_webhook(), attempts=9)
        note(claim(), Outcome(5, status=503, error="It answered 503.", retry_after=timedelta(hours=1)))
        assert read(id).state == "failed"

    def test_gone_disables_the_webhook(self, database, put_webhook, put_delivery, claim, note, read):
        webhook = put_webhook()
        id = put_delivery(webhook)
        note(claim(), Outcome(5, status=410, error="Gone."))
        assert read(id).state == "failed"
        with database.reading() as session:
            assert abs(seconds_until(session.get(WebhookTable, webhook).disabled_at)) < 5


class TestForget:
    def test_what_has_ended_and_is_old(self, database, put_webhook, put_delivery, read):
        webhook = put_webhook()
        old = {"created_at": datetime.now(UTC) - timedelta(days=31)}
        gone = [put_delivery(webhook, state=state, **old) for state in ("delivered", "failed")]
        kept = [put_delivery(webhook, state="pending", **old), put_delivery(webhook, state="delivered")]
        with database.transaction() as session:
            due.forget_old(session)
        assert [read(id) for id in gone] == [None, None]
        assert all(read(id) for id in kept)
