"""A job's history as pages of JSON."""

import pytest


@pytest.fixture
def job(submit, parts, hand_of):
    """Five events: queued, running, and three lines of log."""
    made = submit()
    hand = hand_of(parts.database)
    hand.write(hand.claim(), *[("log", {"level": "info", "message": str(number)}) for number in range(3)])
    return made


class TestPages:
    @pytest.mark.parametrize(
        ("query", "seqs", "last_seq"),
        [
            ("", [1, 2, 3, 4, 5], 5),
            ("?after=0", [1, 2, 3, 4, 5], 5),
            ("?after=3", [4, 5], 5),  # exclusive
            ("?limit=2", [1, 2], 2),
            ("?after=2&limit=2", [3, 4], 4),
            ("?after=5", [], 5),
            ("?after=99", [], 99),
        ],
    )
    def test_after_and_limit(self, client, job, query, seqs, last_seq):
        page = client.get(job["links"]["events"] + query).json()
        assert [item["seq"] for item in page["items"]] == seqs
        assert page["last_seq"] == last_seq

    def test_shape(self, client, job):
        event = client.get(job["links"]["events"]).json()["items"][1]
        assert event.pop("time").endswith("Z")
        assert event == {"seq": 2, "type": "state", "attempt": 1, "data": {"state": "running", "previous": "queued"}}

    @pytest.mark.parametrize(
        ("query", "parameter"),
        [("after=-1", "after"), ("after=x", "after"), (f"after={10**20}", "after"), ("limit=0", "limit"),
         ("limit=1001", "limit"), (f"after={2**31}", "after"), ("before=3", "before")],
    )  # fmt: skip
    def test_bounds(self, client, job, query, parameter):
        response = client.get(f"{job['links']['events']}?{query}")
        assert response.status_code == 422
        assert [error["parameter"] for error in response.json()["errors"]] == [parameter]
