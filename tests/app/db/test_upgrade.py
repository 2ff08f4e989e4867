"""A database as the first release left it, full of data, is brought up to date and used."""

import hashlib
from datetime import timedelta

import pytest
from alembic import command
from sqlalchemy import MetaData

from app.artifacts.store import ArtifactStore
from app.datasets.facts import of_row
from app.datasets.repository import DatasetRepository
from app.db import migrate
from app.db.migrate import upgrade
from app.db.schema import newest_revision
from app.db.session import Database
from app.ids import new_id
from app.jobs.claims import Claimant, Claims
from worker.assignments import dataset_source
from worker.runner import Runner, Worker
from worker.supervision import start_forkserver

THEN = 1_700_000_000.0
STATES = ("queued", "running", "cancelling", "succeeded", "failed", "cancelled")
CONTENT = b"weights of then"
ERROR = {
    "code": "lr_diverged", "title": "t", "detail": "d", "hint": "h", "retryable": False, "attempt": 1
}  # fmt: skip
REPORT = {"expected": "e", "found": "f", "problems": []}
NEWER = {"warnings": [], "statistics": None}  #: what a report has today
# As the first release wrote them: without all that came later.
SHARED = {
    "dataset": {"name": "digits", "id": None, "version": None},
    "architecture": {"name": "mlp"},
    "optimizer": {
        "decay_norm_and_bias": False, "name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.0005
    },
    "batch_size": 128, "validation": None, "image_size": None, "pretrained": False, "augmentation": "default",
    "preprocessing": None, "precision": "auto", "seed": 0,
}  # fmt: skip
TRAINING = SHARED | {
    "kind": "training",
    "epochs": 2,
    "schedule": {
        "max_lr": 0.05, "policy": "one_cycle", "shape": "case_study", "up": None, "annihilation": None,
        "initial_div": None, "final_div": None, "max_momentum": None, "min_momentum": None,
    },
    "early_stopping": None,
}  # fmt: skip
RANGE_TEST = SHARED | {"kind": "range_test", "start_lr": None, "end_lr": None, "steps": None, "sweep": "exponential"}
IDS = {state: new_id("job") for state in STATES} | {"range_test": new_id("job"), "model": new_id("mdl")}


@pytest.fixture
def old(settings):
    """Both databases in turn, at the first revision, with rows in every table."""
    database = Database(settings.database)
    to_revision(database, command.downgrade, "base")
    to_revision(database, command.upgrade, "0001")
    store = ArtifactStore(settings.storage)
    file = settings.folder("attempts") / "weights"
    file.write_bytes(CONTENT)
    store.put(f"models/{IDS['model']}/weights.safetensors", file)
    fill(database)
    yield settings
    database.dispose()


def to_revision(database, step, revision):
    config = migrate._config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        step(config, revision)


def fill(database):
    """By plain INSERTs into the tables as they are at that revision."""
    then = MetaData()
    with database.engine.begin() as connection:
        then.reflect(connection)
        for table, rows in rows_of_then().items():
            for row in rows:
                connection.execute(then.tables[table].insert().values(**row))


def rows_of_then():
    jobs = [job(state) for state in STATES] + [
        job("succeeded", id=IDS["range_test"], kind="range_test", spec=RANGE_TEST)
    ]
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = {"size": len(CONTENT), "sha256": digest, "media_type": "application/octet-stream"}
    key = f"models/{IDS['model']}/weights.safetensors"
    facts = {"name": "m", "architecture": {"name": "mlp"}, "parameters": 3, "image_size": 8, "channels": 1, "epoch": 2}
    plain = {
        "classes": ["0", "1"],
        "preprocessing": {},
        "dataset": {"name": "digits"},
        "metrics": {"test_accuracy": 0.9},
    }
    dataset = {"id": new_id("ds"), "name": "mine", "kind": "registered", "state": "ready", "path": "/srv/mine"}
    counts = {"train": {"a": 1, "b": 1}, "test": {}}
    picture = {"mode": "L", "min": [8, 8], "max": [8, 8]}
    ready = {"classes": ["a", "b"], "counts": counts, "image": picture, "channel_mean": [0.5], "channel_std": [0.2]}
    return {
        "jobs": jobs,
        "job_tags": [{"job_id": IDS["failed"], "tag": "old"}],
        "job_events": [event for row in jobs for event in history(row)],
        "artifacts": [{"job_id": IDS["succeeded"], "name": "loss.png", "key": "jobs/x", "created_at": THEN} | file],
        "models": [{"id": IDS["model"], "job_id": IDS["succeeded"], "created_at": THEN} | facts | plain],
        "model_files": [{"model_id": IDS["model"], "name": "weights.safetensors", "key": key} | file],
        "datasets": [dataset | ready | {"version": "sha256:0", "report": REPORT, "created_at": THEN}],
        "workers": [{"name": "host:0", "device": "cpu", "started_at": THEN, "heard_at": THEN}],
        "keeper": [{"role": "keeper", "holder": "gone", "lease_until": THEN}],
    }


def job(state, **changes):
    row = {"id": IDS[state], "kind": "training", "name": state, "priority": 0, "state": state, "spec": TRAINING}
    counters = {"revision": 2, "last_seq": 2, "fence": 1, "attempts": 1, "crashes": 0, "max_attempts": 3, "hints": 1}
    row |= {"resolved": {}, "progress": {}, "dataset_id": "ds_builtin_digits", "created_at": THEN} | counters
    if state in ("running", "cancelling"):
        row |= {"worker": "host:0", "lease_until": THEN, "started_at": THEN, "phase": "training"}
    if state == "succeeded":
        row |= {"model_id": IDS["model"], "result": {"test_accuracy": 0.9}, "finished_at": THEN}
    if state == "failed":
        row |= {"error": ERROR, "finished_at": THEN}
    return row | changes


def history(row):
    states = [{"state": "queued", "previous": None}, {"state": row["state"], "previous": "queued"}]
    for seq, data in enumerate(states, 1):
        yield {"job_id": row["id"], "seq": seq, "type": "state", "time": THEN + seq, "attempt": 0, "data": data}


@pytest.fixture
def api(old, queue, in_process):
    """Today's service on the upgraded database."""
    assert upgrade(old) == newest_revision()
    with in_process(old, queue) as client:
        yield client


class TestReadBack:
    def test_every_job_with_its_history(self, api):
        assert {one["id"] for one in api.get("/v1/jobs").json()["items"]} == set(IDS.values()) - {IDS["model"]}
        for state in STATES:
            job = api.get(f"/v1/jobs/{IDS[state]}").json()
            assert (job["state"], job["name"], job["spec"]) == (state, state, TRAINING)
            events = api.get(job["links"]["events"]).json()["items"]
            assert [event["data"]["state"] for event in events] == ["queued", state]

    def test_what_came_later_has_its_usual_value(self, api):
        job = api.get(f"/v1/jobs/{IDS['queued']}").json()
        assert (job["device"], job["on_time_limit"], job["max_runtime_seconds"]) == ("any", "pause", None)
        assert job["progress"]["steps_per_second"] is None

    def test_tags_errors_and_artifacts(self, api):
        (tagged,) = api.get("/v1/jobs", params={"tag": "old"}).json()["items"]
        assert (tagged["id"], tagged["error"]) == (IDS["failed"], ERROR)
        (file,) = api.get(f"/v1/jobs/{IDS['succeeded']}/artifacts").json()["items"]
        assert (file["name"], file["size"]) == ("loss.png", len(CONTENT))

    def test_the_model_and_its_file(self, api):
        (model,) = api.get("/v1/models").json()["items"]
        assert (model["id"], model["job_id"], model["classes"]) == (IDS["model"], IDS["succeeded"], ["0", "1"])
        assert api.get(model["files"][0]["href"]).content == CONTENT

    def test_the_dataset(self, api):
        dataset = api.get("/v1/datasets/mine").json()
        assert (dataset["state"], dataset["classes"]) == ("ready", ["a", "b"])
        assert (dataset["split"], dataset["report"], dataset["version"]) == (None, REPORT | NEWER, "sha256:0")

    def test_the_dataset_is_opened_as_it_was_checked(self, api, old):
        database = Database(old.database)
        with database.reading() as session:
            source = dataset_source(old, of_row(DatasetRepository(session).by_name("mine", owner="admin")))
        database.dispose()
        assert (source.split, source.skipped, source.version) == (None, frozenset(), "sha256:0")

    def test_metrics_count_them(self, api):
        assert 'supercycle_jobs{kind="training",state="queued"} 1.0' in api.get("/metrics").text


class TestGoingOn:
    def test_jobs_that_ran_are_taken_from_workers_that_are_gone(self, api, old):
        database, error = Database(old.database), ERROR | {"code": "worker_lost"}
        with database.transaction() as session:
            claims = Claims(session, lease=timedelta(seconds=2))
            moved = {lease.job_id: claims.reclaim(lease, error=error) for lease in claims.lost_leases()}
        database.dispose()
        assert moved == {IDS["running"]: "queued", IDS["cancelling"]: "cancelled"}

    def test_the_queued_one_is_claimed(self, api, old):
        database = Database(old.database)
        with database.transaction() as session:
            job = Claims(session, lease=timedelta(seconds=2)).claim(Claimant("host:0"))
            assert (job.id, job.owner, job.ran_seconds) == (IDS["queued"], "admin", 0)
        database.dispose()

    @pytest.mark.parametrize(("verb", "whose"), [("retry", "failed"), ("retry", "cancelled"), ("clone", "range_test")])
    def test_one_that_has_ended_is_run_again(self, api, verb, whose):
        answer = api.post(f"/v1/jobs/{IDS[whose]}/{verb}", json={} if verb == "clone" else None)
        assert answer.status_code == 202, answer.text
        assert answer.json()["spec"]["batch_size"] == 128


class TestTraining:
    @pytest.fixture
    def settings(self, sqlite_settings):
        """One database is enough for what the training process does."""
        return sqlite_settings

    def test_the_queued_one_is_trained(self, api, old):
        database, store = Database(old.database), ArtifactStore(old.storage)
        worker = Worker("host:0", ("cpu",))
        Runner(old, database, store, worker, start_forkserver(), stopping=lambda: False).drain()
        database.dispose()
        job = api.get(f"/v1/jobs/{IDS['queued']}").json()
        assert job["state"] == "succeeded", job["error"]
        model = api.get(job["links"]["model"]).json()
        assert model["parameters"] > 1000
        assert api.get(model["files"][0]["href"]).status_code == 200
