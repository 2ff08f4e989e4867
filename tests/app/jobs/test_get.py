"""One job: conditions, and waiting for its end."""

import threading
import time

import pytest

from app.domain.lifecycle import JobState


@pytest.fixture
def hand(parts, hand_of):
    return hand_of(parts.database)


class TestConditions:
    def test_unchanged_is_304(self, client, submit):
        url = submit()["links"]["self"]
        etag = client.get(url).headers["etag"]
        response = client.get(url, headers={"If-None-Match": etag})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
        assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200

    def test_the_etag_changes_with_everything_that_is_seen(self, client, submit, hand):
        url = submit()["links"]["self"]
        seen = {}

        def look():
            response = client.get(url)
            seen[response.headers["etag"]] = response.json()

        look()
        lease = hand.claim()
        look()
        hand.write(lease, ("phase", {"phase": "training"}), change=lambda job: setattr(job, "phase", "training"))
        look()
        hand.write(lease, change=lambda job: setattr(job, "progress", {"step": 3}))  # no event, yet a change
        look()
        client.post(f"{url}/cancel")
        look()
        hand.do("finish", lease, JobState.CANCELLED)
        look()
        states = ["queued", "running", "running", "running", "cancelling", "cancelled"]
        assert [job["state"] for job in seen.values()] == states
        hand_seen = len(seen)
        look()
        assert len(seen) == hand_seen  # and with nothing else

    def test_retry_after_until_the_end(self, client, submit):
        url = submit()["links"]["self"]
        assert int(client.get(url).headers["retry-after"]) >= 1
        client.post(f"{url}/cancel")
        assert "retry-after" not in client.get(url).headers


class TestWork:
    """What an answer costs: statements on the database."""

    @pytest.fixture
    def statements(self, parts, asked_of):
        return asked_of(parts.database)

    def test_a_304_reads_the_revision_alone(self, client, submit, statements):
        job = submit(tags=["a"])
        etag = client.get(f"/v1/jobs/{job['id']}").headers["etag"]
        statements.clear()
        assert client.get(f"/v1/jobs/{job['id']}", headers={"If-None-Match": etag}).status_code == 304
        [statement] = statements
        assert statement.startswith("SELECT jobs.revision \nFROM jobs")

    def test_a_200_takes_one_statement(self, client, submit, statements):
        job = submit(tags=["b", "a"])
        statements.clear()
        assert client.get(f"/v1/jobs/{job['id']}").json() == job
        assert len(statements) == 1


class TestWait:
    def test_answers_when_the_job_ends(self, client, submit, hand):
        job = submit()
        lease = hand.claim()
        ending = threading.Timer(0.4, lambda: hand.do("finish", lease, JobState.SUCCEEDED))
        ending.start()
        began = time.monotonic()
        response = client.get(job["links"]["self"], headers={"Prefer": "wait=20"})
        took = time.monotonic() - began
        ending.join()
        assert response.json()["state"] == "succeeded"
        assert response.headers["preference-applied"] == "wait=20"
        assert 0.3 < took < 5

    def test_or_after_so_many_seconds(self, client, submit):
        began = time.monotonic()
        response = client.get(submit()["links"]["self"], headers={"Prefer": "wait=1"})
        assert 1 <= time.monotonic() - began < 4
        assert (response.status_code, response.json()["state"]) == (200, "queued")
        assert response.headers["preference-applied"] == "wait=1"

    def test_at_once_when_it_has_ended(self, client, submit):
        url = submit()["links"]["self"]
        client.post(f"{url}/cancel")
        began = time.monotonic()
        assert client.get(url, headers={"Prefer": "wait=20"}).json()["state"] == "cancelled"
        assert time.monotonic() - began < 5

    def test_when_it_is_paused(self, client, submit):
        url = submit()["links"]["self"]
        pausing = threading.Timer(0.4, lambda: client.post(f"{url}/pause"))
        pausing.start()
        began = time.monotonic()
        for _ in range(2):  # the second time at once
            assert client.get(url, headers={"Prefer": "wait=20"}).json()["state"] == "paused"
        pausing.join()
        assert time.monotonic() - began < 5

    def test_not_without_asking(self, client, submit):
        assert "preference-applied" not in client.get(submit()["links"]["self"]).headers

    def test_not_for_a_job_that_is_not_there(self, client):
        began = time.monotonic()
        assert client.get("/v1/jobs/job_" + "0" * 26, headers={"Prefer": "wait=20"}).status_code == 404
        assert time.monotonic() - began < 5

    def test_ends_when_the_job_is_deleted(self, client, submit, parts, hand):
        job = submit()

        def remove():
            with parts.database.transaction() as session:
                session.connection().exec_driver_sql("DELETE FROM jobs")

        removal = threading.Timer(0.3, remove)
        removal.start()
        began = time.monotonic()
        assert client.get(job["links"]["self"], headers={"Prefer": "wait=20"}).status_code == 404
        removal.join()
        assert time.monotonic() - began < 5
