"""Checkpoints follow the storage: copied to S3 under the fence, named by the row, fetched and checked elsewhere."""

import threading
from datetime import timedelta

import pytest

from app.artifacts.store import ArtifactStore, StoreUnavailable
from worker import storing
from worker.assignments import make_assignment
from worker.checkpoints import Copies, newest_checkpoint
from worker.engine.events import Rewound
from worker.messages import Happened
from worker.reporter import Reporter
from worker.runner import Runner, Worker

LONG = timedelta(seconds=30)


@pytest.fixture
def settings(sqlite_settings, s3_url):
    """A host that shares S3 with others."""
    return sqlite_settings.model_copy(update={"storage_url": s3_url})


def keys_in(store):
    return sorted(found.key for page in store.pages("checkpoints/") for found in page)


def steps_of(keys):
    return [int(key.rpartition("/")[2].split("-")[1]) for key in keys]


class TestCopies:
    @pytest.fixture
    def copies(self, store, lease):
        return Copies(store, lease)

    @pytest.fixture
    def gate(self, store, monkeypatch):
        """Holds every put until it is opened."""
        gate, put = threading.Event(), store.put

        def slow(key, path):
            with path.open("rb"):
                gate.wait(30)
                put(key, path)

        monkeypatch.setattr(store, "put", slow)
        return gate

    def test_under_the_fence_with_the_digest(self, copies, store, write, lease):
        saved = write(7)
        copies.offer(saved)
        copies.wait(lambda: LONG)
        key = f"checkpoints/{lease.job_id}/{lease.fence}/{saved.path.name}"
        assert copies.has_news()
        assert copies.take() == [{"key": key, "sha256": saved.sha256}]
        assert b"".join(store.stream(key)) == b"weights after 7"
        assert not copies.has_news()

    def test_nobody_waits_for_it_and_only_the_newest_follows(self, copies, gate, write):
        for step in (1, 2, 3):
            copies.offer(write(step))
        assert copies.take() == []
        copies.wait(lambda: timedelta(seconds=0.1))  # patience ends before the copying does
        gate.set()
        copies.wait(lambda: LONG)
        made = steps_of(copy["key"] for copy in copies.take())
        assert made[0] == 3
        assert len(made) < 3  # at least one was overtaken

    def test_one_that_a_new_beginning_overtakes_is_void(self, copies, gate, store, write):
        copies.offer(write(1))
        copies.forget()
        gate.set()
        copies.wait(lambda: LONG)
        assert copies.take() == []
        assert keys_in(store) == []

    def test_in_a_folder_there_is_nothing_to_do(self, lease, write, tmp_path):
        copies = Copies(ArtifactStore((tmp_path / "storage").as_uri()), lease)
        copies.offer(write(1))
        copies.wait(lambda: LONG)
        assert copies.take() == []

    def test_an_outage_is_told_once(self, copies, store, write, monkeypatch):
        def fail(*_):
            raise StoreUnavailable("It is away.", "Wait.")

        monkeypatch.setattr(storing, "PAUSES_SECONDS", ())
        told = []
        with monkeypatch.context() as patch:
            patch.setattr(store, "put", fail)
            for step in (1, 2):
                copies.offer(write(step))
                copies.wait(lambda: LONG)
                told.append(copies.complaint())
        copies.offer(write(3))
        copies.wait(lambda: LONG)
        assert told == ["The checkpoint after step 1 is on the worker's disk alone: It is away. Wait.", None]
        assert steps_of(copy["key"] for copy in copies.take()) == [3]

    def test_one_that_a_newer_replaced_meanwhile_is_no_outage(self, copies, write, monkeypatch):
        monkeypatch.setattr(storing, "PAUSES_SECONDS", ())
        saved = write(1)
        saved.path.unlink()
        copies.offer(saved)
        copies.wait(lambda: LONG)
        assert copies.complaint() is None


class TestRow:
    @pytest.fixture
    def save(self, reporter, write):
        def save(step):
            reporter.take(Happened(write(step)))
            reporter.commit()  # the row need not wait for the copy
            reporter.await_copies(lambda: LONG)
            assert reporter.is_due(interval_seconds=0)
            reporter.commit()

        return save

    def test_names_the_two_newest_and_the_store_has_no_others(self, save, reporter, read, lease, store):
        for step in (1, 2, 3):
            save(step)
        row = read(lease.job_id)[0].checkpoint
        assert row["step"] == 3
        assert steps_of(copy["key"] for copy in row["copies"]) == [3, 2]
        reporter.await_copies(lambda: LONG)
        assert steps_of(keys_in(store)) == [2, 3]

    def test_before_the_copy_is_there_it_names_the_one_before(self, save, reporter, write, read, lease, monkeypatch):
        save(1)
        monkeypatch.setattr(Copies, "offer", lambda *_: None)
        reporter.take(Happened(write(2)))
        reporter.commit()
        row = read(lease.job_id)[0].checkpoint
        assert (row["step"], steps_of(copy["key"] for copy in row["copies"])) == (2, [1])

    def test_a_new_beginning_leaves_none(self, save, reporter, read, lease, store):
        save(1)
        reporter.take(Happened(Rewound(0, "It diverged.")))
        reporter.commit()
        assert read(lease.job_id)[0].checkpoint is None
        reporter.await_copies(lambda: LONG)
        assert keys_in(store) == []

    def test_an_outage_is_in_the_jobs_log(self, reporter, write, read, lease, store, monkeypatch):
        def fail(*_):
            raise StoreUnavailable("It is away.", "Wait.")

        monkeypatch.setattr(storing, "PAUSES_SECONDS", ())
        monkeypatch.setattr(store, "put", fail)
        reporter.take(Happened(write(1)))
        reporter.await_copies(lambda: LONG)
        reporter.commit()
        job, events = read(lease.job_id)
        assert "on the worker's disk alone" in events[-1].data["message"]
        assert (job.checkpoint["step"], job.checkpoint.get("copies")) == (1, None)


class TestGoingOn:
    @pytest.fixture
    def job(self, settings, database, store, lease, write, read):
        """A job with copies after steps 1 and 2."""
        reporter = Reporter(database=database, store=store, settings=settings, lease=lease)
        for step in (1, 2):
            reporter.take(Happened(write(step)))
            reporter.await_copies(lambda: LONG)
            reporter.commit()
        return read(lease.job_id)[0]

    @pytest.fixture
    def elsewhere(self, settings, tmp_path):
        """The settings of another host."""
        return settings.model_copy(update={"data_dir": tmp_path / "elsewhere"})

    def overwrite(self, store, copy, tmp_path):
        (tmp_path / "damaged").write_bytes(b"weights after 2 bits flipped")
        store.put(copy["key"], tmp_path / "damaged")

    def test_here_the_file_here_is_enough(self, settings, store, job, lease):
        store.delete_below("checkpoints/")
        found = newest_checkpoint(settings, store, job)
        assert found.path == settings.data_dir.absolute() / job.checkpoint["path"]
        assert not found.complaints

    def test_elsewhere_it_is_fetched_once(self, elsewhere, store, job):
        found = newest_checkpoint(elsewhere, store, job)
        assert found.path == elsewhere.data_dir.absolute() / job.checkpoint["path"]
        assert found.path.read_bytes() == b"weights after 2"
        assert not found.complaints
        assert [path.name for path in found.path.parent.iterdir()] == [found.path.name]
        store.delete_below("checkpoints/")
        assert newest_checkpoint(elsewhere, store, job).path == found.path

    @pytest.mark.parametrize("how", ["damaged", "missing"])
    def test_the_older_one_where_the_newest_is_no_good(self, elsewhere, store, job, tmp_path, how):
        newest = job.checkpoint["copies"][0]
        self.overwrite(store, newest, tmp_path) if how == "damaged" else store.delete([newest["key"]])
        found = newest_checkpoint(elsewhere, store, job)
        assert found.path.read_bytes() == b"weights after 1"
        assert len(found.complaints) == 1
        assert f"The checkpoint after step 2 is {how}" in found.complaints[0]

    def test_from_the_beginning_where_none_is_left(self, elsewhere, store, job, tmp_path):
        self.overwrite(store, job.checkpoint["copies"][0], tmp_path)
        store.delete([job.checkpoint["copies"][1]["key"]])
        found = newest_checkpoint(elsewhere, store, job)
        assert found.path is None
        assert found.complaints[-1] == "No checkpoint is left; the training starts over."
        assert list((elsewhere.data_dir / "checkpoints" / job.id).iterdir()) == []

    def test_not_from_the_beginning_because_the_store_is_away(self, elsewhere, job, monkeypatch, free_port):
        monkeypatch.setattr(storing, "PAUSES_SECONDS", ())
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port}")
        with pytest.raises(StoreUnavailable):
            newest_checkpoint(elsewhere, ArtifactStore(elsewhere.storage), job)

    def test_never_what_an_attempt_left_that_came_to_nothing(self, settings, store, job, write):
        write(900)  # on a host that lost the job, after the training had begun again
        (settings.data_dir / job.checkpoint["path"]).unlink()
        assert newest_checkpoint(settings, store, job).path.read_bytes() == b"weights after 2"

    def test_a_job_without_one(self, settings, store, job):
        job.checkpoint = None
        assert newest_checkpoint(settings, store, job).path is None

    def test_what_was_wrong_is_in_the_jobs_log(self, elsewhere, store, database, job, read):
        store.delete([job.checkpoint["copies"][0]["key"]])
        worker = Worker("other:0", ("cpu",))
        runner = Runner(elsewhere, database, store, worker, processes=None, stopping=lambda: False)
        job.spec = {"kind": "training", "dataset": "digits", "architecture": {"name": "mlp"}}
        assert make_assignment(runner, job).resume.read_bytes() == b"weights after 1"
        message = "The checkpoint after step 2 is missing from the storage."
        assert read(job.id)[1][-1].data == {"level": "warning", "message": message}
