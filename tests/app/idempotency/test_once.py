"""An Idempotency-Key makes a request take effect once, whatever becomes of its answer."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app.api_keys import service as keys
from app.callers import Scope
from app.db.tables import DatasetTable, IdempotencyKeyTable, JobTable
from app.errors import StorageFull
from app.idempotency import repository
from app.jobs.service import submit

MINIMAL = {"kind": "training", "dataset": "digits", "architecture": "mlp"}
HEADER = "Idempotency-Key"


@pytest.fixture
def client(settings, queue, in_process):
    with in_process(settings, queue) as client:
        yield client


@pytest.fixture
def database(client):
    return client.app.state.parts.database


def count(database, table=JobTable):
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table))


def post(client, key, path="/v1/jobs", body=MINIMAL, **headers):
    return client.post(path, json=body, headers={HEADER: key, **headers})


class TestReplay:
    def test_the_second_hears_what_the_first_was_answered(self, client, database, queue):
        first, second = post(client, "k"), post(client, "k")
        assert (first.status_code, second.status_code) == (202, 202)
        assert second.content == first.content
        assert second.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        for name in ("location", "retry-after", "content-type"):
            assert second.headers[name] == first.headers[name]
        assert count(database) == 1
        assert queue.hints == [first.json()["id"]]

    def test_it_is_the_first_answer_even_when_the_job_has_moved_on(self, client):
        job = post(client, "k").json()
        client.post(f"/v1/jobs/{job['id']}/cancel")
        assert post(client, "k").json()["state"] == "queued"

    def test_without_a_key_each_is_a_job(self, client, database):
        client.post("/v1/jobs", json=MINIMAL)
        client.post("/v1/jobs", json=MINIMAL)
        assert count(database) == 2

    def test_other_keys_and_owners_are_others(self, client, database):
        with database.transaction() as session:
            tokens = [keys.create(session, owner=owner, scopes=[Scope.SUBMIT]).token for owner in ("ann", "ann", "ben")]
        answers = [
            post(client, key, Authorization=f"Bearer {token}").json()["id"] for token in tokens for key in ("k", "l")
        ]
        assert answers[:2] == answers[2:4]  # two keys of ann
        assert len(set(answers)) == 4

    @pytest.mark.parametrize("verb", ["cancel", "pause"])
    def test_verbs(self, client, verb):
        job = client.post("/v1/jobs", json=MINIMAL).json()
        path = f"/v1/jobs/{job['id']}/{verb}"
        first = post(client, "v", path, None)
        assert first.json()["state"] in ("cancelled", "paused")
        client.post(f"/v1/jobs/{job['id']}/cancel")
        assert post(client, "v", path, None).content == first.content

    @pytest.mark.parametrize("verb", ["retry", "clone"])
    def test_jobs_from_jobs(self, client, database, verb):
        job = client.post("/v1/jobs", json=MINIMAL).json()
        client.post(f"/v1/jobs/{job['id']}/cancel")
        path = f"/v1/jobs/{job['id']}/{verb}"
        assert post(client, "v", path, None).content == post(client, "v", path, None).content
        assert count(database) == 2

    def test_after_a_day_the_key_is_new(self, client, database):
        post(client, "k")
        with database.transaction() as session:
            ago = repository.KEPT + timedelta(seconds=1)
            row = session.scalars(select(IdempotencyKeyTable)).one()
            session.execute(update(IdempotencyKeyTable).values(created_at=row.created_at - ago))
        assert "idempotent-replayed" not in post(client, "k").headers
        assert count(database) == 2

    def test_old_ones_are_forgotten(self, client, database):
        post(client, "old")
        with database.transaction() as session:
            row = session.scalars(select(IdempotencyKeyTable)).one()
            row.created_at -= repository.KEPT + timedelta(seconds=1)
        post(client, "new")
        with database.transaction() as session:
            repository.forget_old(session)
            assert list(session.scalars(select(IdempotencyKeyTable.key))) == ["new"]


class TestRefusals:
    def test_another_body(self, client, database):
        post(client, "k")
        answer = post(client, "k", body=MINIMAL | {"epochs": 3})
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
        assert answer.json()["errors"][0]["parameter"] == HEADER
        assert count(database) == 1

    def test_another_address(self, client):
        job = post(client, "k").json()
        answer = post(client, "k", f"/v1/jobs/{job['id']}/cancel", None)
        assert answer.json()["code"] == "idempotency_mismatch"

    @pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "\x7f"])
    def test_what_is_no_key(self, client, database, key):
        answer = post(client, key)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value")
        assert answer.json()["errors"][0]["parameter"] == HEADER
        assert count(database) == 0

    def test_what_was_refused_may_come_again_corrected(self, client):
        assert post(client, "k", body=MINIMAL | {"epochs": 0}).status_code == 422
        assert post(client, "k").status_code == 202

    def test_what_broke_off_left_nothing(self, client, database, monkeypatch):
        def fail(*_, **__):
            raise StorageFull("storage_full", "No room.", "Make some.")

        with monkeypatch.context() as broken:
            broken.setattr("app.jobs.endpoints.JobOut.whole", fail)
            assert post(client, "k").status_code == 507
        assert count(database) == count(database, IdempotencyKeyTable) == 0
        assert post(client, "k").status_code == 202


class TestAtOnce:
    def test_while_one_is_worked_on_another_is_told_so(self, client, database, monkeypatch):
        begun, go_on = threading.Event(), threading.Event()

        def hold(session, submission, caller, **options):
            begun.set()
            go_on.wait(20)
            return submit(session, submission, caller, **options)

        monkeypatch.setattr("app.jobs.endpoints.service.submit", hold)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(post(client, "k")))
        thread.start()
        assert begun.wait(20)
        refused = post(client, "k")
        assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_in_progress")
        assert refused.headers["retry-after"] == "1"
        go_on.set()
        thread.join(20)
        assert answers[0].status_code == 202
        assert post(client, "k").content == answers[0].content

    def test_another_process_is_told_so_too(self, postgresql_settings, queue, in_process):
        with in_process(postgresql_settings, queue) as client:
            database = client.app.state.parts.database
            with database.transaction() as session:
                assert not repository.is_taken(session, "admin", "k")
                refused = post(client, "k")
            assert refused.json()["code"] == "idempotency_in_progress"
            assert post(client, "k").status_code == 202

    def test_many_at_once_make_one_job(self, client, database):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(post(client, "k"))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert {answer.status_code for answer in answers} <= {202, 409}
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
        assert count(database) == 1


class TestUploads:
    def send(self, client, key, name="pets", content=b"PK-1"):
        files = {"file": ("pets.zip", content)}
        return client.post("/v1/datasets", data={"name": name}, files=files, headers={HEADER: key})

    def test_the_same_again(self, client, database, settings):
        first, second = self.send(client, "k"), self.send(client, "k")  # each with a boundary of its own
        assert (first.status_code, second.status_code) == (202, 202)
        assert second.content == first.content
        assert second.headers["location"] == first.headers["location"]
        assert count(database, DatasetTable) == 1
        kept = list(settings.folder("uploads").iterdir())
        assert [path.name for path in kept] == [first.json()["id"]]
        assert kept[0].read_bytes() == b"PK-1"

    @pytest.mark.parametrize("change", [{"name": "cats"}, {"content": b"PK-2"}])
    def test_another_one(self, client, settings, change):
        self.send(client, "k")
        assert self.send(client, "k", **change).json()["code"] == "idempotency_mismatch"
        assert len(list(settings.folder("uploads").iterdir())) == 1
