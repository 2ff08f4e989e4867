"""A training goes on from a checkpoint that its job's row names, and such files stay until the row names newer ones."""

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from app.db.session import Database
from worker import reporter as reporting
from worker.assignments import make_assignment
from worker.checkpoints import newest_checkpoint, with_previous
from worker.engine.checkpoint import Checkpoints
from worker.engine.checkpoint_files import NAME, kept
from worker.messages import Happened
from worker.runner import Runner, Worker


@pytest.fixture
def settings(sqlite_settings):
    return sqlite_settings


@pytest.fixture
def folder(settings, lease):
    return settings.folder("checkpoints") / lease.job_id


@pytest.fixture
def save(folder, reporter):
    """Let a training save checkpoints, which forgets old ones, and say so."""
    checkpoints = Checkpoints(folder, every_seconds=0)

    def save(*steps):
        for step in steps:
            reporter.take(Happened(checkpoints.save({"step": step}, step=step, best=False)))

    return save


def steps_in(folder):
    return sorted(int(NAME.fullmatch(path.name)[1]) for path in folder.glob("checkpoint-*"))


class TestOutage:
    """While the database is away the training goes on and its history waits in the worker."""

    @pytest.fixture
    def after(self, save, reporter, monkeypatch):
        """Checkpoints 1 and 2 are in the row; then the database is away, while four more are saved."""
        for step in (1, 2):
            save(step)
            reporter.commit()
        with monkeypatch.context() as patch:
            patch.setattr(Database, "transaction", self.refuse)
            for step in (3, 4, 5, 6):
                save(step)
                with pytest.raises(OperationalError):
                    reporter.commit()

    @staticmethod
    def refuse(_):
        raise OperationalError("BEGIN", None, sqlite3.OperationalError("database is locked"))

    @pytest.mark.usefixtures("after")
    def test_what_the_row_names_stays_and_a_killed_worker_loses_the_rest(self, settings, store, folder, lease, read):
        assert {1, 2, 5, 6} <= set(steps_in(folder))
        job = read(lease.job_id)[0]
        assert newest_checkpoint(settings, store, job).path.name.startswith("checkpoint-000000002")

    @pytest.mark.usefixtures("after")
    def test_the_next_attempt_finds_no_other_file(self, settings, database, store, folder, lease, read):
        job = read(lease.job_id)[0]
        job.spec = {"kind": "training", "dataset": "digits", "architecture": {"name": "mlp"}}
        runner = Runner(settings, database, store, Worker("other:0", ("cpu",)), processes=None, stopping=lambda: False)
        assert make_assignment(runner, job).resume.name.startswith("checkpoint-000000002")
        assert steps_in(folder) == [1, 2]

    @pytest.mark.usefixtures("after")
    def test_once_it_is_over_the_row_names_the_newest_and_older_ones_go(self, save, reporter, folder, lease, read):
        reporter.commit()
        assert read(lease.job_id)[0].checkpoint["step"] == 6
        for step in (7, 8):
            save(step)
            reporter.commit()
        assert steps_in(folder) == [6, 7, 8]


class TestMarks:
    def test_of_every_attempt_are_heeded(self, save, folder):
        save(1)
        (folder / "keep-99").write_text(next(folder.glob("checkpoint-*")).name)
        save(2, 3, 4)
        assert steps_in(folder) == [1, 3, 4]

    def test_a_full_disk_keeps_no_history_waiting(self, save, reporter, folder, lease, read, monkeypatch):
        def find_no_room(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(reporting, "keep", find_no_room)
        save(1)
        reporter.commit()
        assert read(lease.job_id)[0].checkpoint["step"] == 1
        assert kept(folder) == set()


class TestDamage:
    @pytest.fixture
    def job(self, save, reporter, lease, read):
        for step in (1, 2, 3):
            save(step)
            reporter.commit()
        return read(lease.job_id)[0]

    def test_the_one_before_it_is_next(self, settings, store, folder, job):
        (settings.data_dir / job.checkpoint["path"]).write_bytes(b"damaged")
        found = newest_checkpoint(settings, store, job)
        assert found.path == (settings.data_dir / job.checkpoint["previous"]).absolute()
        assert found.complaints == ["The checkpoint after step 3 is missing or damaged."]

    def test_then_the_beginning_but_never_a_newer_one(self, settings, store, folder, job, write):
        for name in ("path", "previous"):
            (settings.data_dir / job.checkpoint[name]).unlink()
        write(900)
        found = newest_checkpoint(settings, store, job)
        assert found.path is None
        assert found.complaints[-1] == "No checkpoint is left; the training starts over."


class TestPrevious:
    @pytest.mark.parametrize(
        ("present", "previous"),
        [
            (None, None),
            ({"step": 10, "path": "c/10.pt"}, "c/10.pt"),
            ({"step": 10, "path": "c/10.pt", "previous": "c/5.pt"}, "c/10.pt"),
            ({"step": 20, "path": "c/20.pt", "previous": "c/10.pt"}, "c/10.pt"),  # saved again
            ({"step": 30, "path": "c/30.pt"}, None),  # the attempt went on from before that
        ],
    )
    def test_is_the_one_before_in_the_history(self, present, previous):
        assert with_previous({"step": 20, "path": "c/20.pt"}, present).get("previous") == previous
