"""What a training says becomes rows, under the fence."""

import hashlib
import math
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.db.tables import ArtifactTable
from app.domain.lifecycle import JobState
from app.jobs.claims import Claimant, Claims, LeaseLost
from app.jobs.repository import JobRepository
from worker.engine.events import (
    CheckpointSaved,
    EpochDone,
    Logged,
    PhaseStarted,
    Progress,
    Resized,
    Rewound,
    StepsDone,
    Warned,
)
from worker.messages import FileMade, Happened, Settled
from worker.reporter import Reporter


@pytest.fixture
def told(reporter, read, lease):
    """Report these events and commit; what the history then has beyond the claim."""

    def report(*events):
        for event in events:
            reporter.take(Happened(event))
        reporter.commit()
        return [(row.type, row.data) for row in read(lease.job_id)[1][2:]]

    return report


def steps(first, losses):
    return StepsDone("training", first, [0.1] * len(losses), [0.9] * len(losses), losses)


class TestEvents:
    def test_each_becomes_a_row_in_order(self, told):
        assert told(
            PhaseStarted("training", steps=960, epochs=10),
            steps(0, [2.0, math.nan]),
            EpochDone(1, 1.0, 0.5, 1.1, 0.4, 2.0, 300.0),
            Warned("no_descent", "It never fell."),
            Logged("info", "hello"),
        ) == [
            ("phase", {"phase": "training"}),
            (
                "steps",
                {
                    "phase": "training",
                    "first_step": 0,
                    "learning_rate": [0.1, 0.1],
                    "momentum": [0.9, 0.9],
                    "loss": [2.0, None],
                },
            ),
            (
                "epoch",
                {
                    "epoch": 1,
                    "train_loss": 1.0,
                    "train_accuracy": 0.5,
                    "validation_loss": 1.1,
                    "validation_accuracy": 0.4,
                    "seconds": 2.0,
                    "images_per_second": 300.0,
                },
            ),
            ("warning", {"code": "no_descent", "detail": "It never fell."}),
            ("log", {"level": "info", "message": "hello"}),
        ]

    def test_they_keep_the_time_at_which_they_happened(self, reporter, read, lease):
        message = Happened(Logged("info", "early"))
        time.sleep(0.05)
        reporter.take(message)
        reporter.commit()
        assert abs(read(lease.job_id)[1][-1].time - message.time) < timedelta(milliseconds=1)

    def test_the_row_shows_phase_and_progress(self, told, read, lease):
        told(PhaseStarted("training", steps=100, epochs=5), steps(0, [1.0] * 25))
        job, _ = read(lease.job_id)
        assert job.phase == "training"
        assert (job.progress["step"], job.progress["fraction"], job.progress["epochs"]) == (25, 0.25, 5)

    def test_the_bar_moves_without_history(self, told, read, lease):
        assert told(PhaseStarted("preparing"), Progress(1, 4), Progress(3, 4)) == [("phase", {"phase": "preparing"})]
        assert read(lease.job_id)[0].progress["fraction"] == 0.75

    def test_nor_does_its_new_size(self, told, read, lease):
        told(PhaseStarted("range_test", steps=20), Resized("range_test", 25), steps(0, [1.0] * 20))
        job, events = read(lease.job_id)
        assert (job.progress["steps"], job.progress["fraction"]) == (25, 0.8)
        assert "resized" not in [event.type for event in events]

    def test_a_rewind_forgets_what_was_saved_before_it(self, told, read, lease, settings):
        folder = settings.data_dir.absolute() / "checkpoints" / "job_1"
        saved = [CheckpointSaved(step=step, best=True, path=folder / f"{step}.pt", sha256="a" * 64) for step in (9, 4)]
        assert told(saved[0], Rewound(0, "Diverged."))[-1] == ("rewind", {"to_step": 0, "reason": "Diverged."})
        assert read(lease.job_id)[0].checkpoint is None
        told(saved[1])
        assert read(lease.job_id)[0].checkpoint["step"] == 4

    def test_a_commit_is_a_heartbeat_and_brings_requests(self, reporter, database, read, lease):
        assert reporter.commit() is JobState.RUNNING
        with database.transaction() as session:
            jobs = JobRepository(session)
            jobs.move(jobs.lock(lease.job_id), JobState.CANCELLING)
        before = read(lease.job_id)[0].lease_until
        time.sleep(0.02)
        assert reporter.commit() is JobState.CANCELLING
        assert read(lease.job_id)[0].lease_until > before


class TestDue:
    @pytest.mark.parametrize(
        ("events", "after", "due"),
        [
            ([], 10, False),
            ([PhaseStarted("training")], 0.05, False),
            ([PhaseStarted("training")], 0.2, True),  # people wait for these
            ([steps(0, [1.0])], 0.2, True),  # and for the first step
            ([steps(5, [1.0])], 0.2, False),
            ([steps(5, [1.0])], 1.1, True),  # the others are collected for a second
            ([Progress(1, 2)], 0.2, False),
            ([Progress(1, 2)], 1.1, True),
        ],
    )
    def test_when(self, reporter, monkeypatch, events, after, due):
        began = time.monotonic()
        reporter._committed = began
        monkeypatch.setattr("worker.reporter.time.monotonic", lambda: began + after)
        for event in events:
            reporter.take(Happened(event))
        assert reporter.is_due() is due

    def test_not_again_after_a_commit(self, reporter):
        reporter.take(Happened(Logged("info", "x")))
        reporter._committed -= 5
        assert reporter.is_due()
        reporter.commit()
        reporter._committed -= 5
        assert not reporter.is_due()


class TestResolved:
    def test_values_add_up_over_commits(self, reporter, read, lease):
        reporter.take(Settled("precision", "fp32", "hardware", "No GPU."))
        reporter.commit()
        reporter.take(Settled("max_lr", 0.8, "range_test", "The loss was lowest there."))
        reporter.take(Settled("bad", math.inf, "x", "y"))
        reporter.commit()
        assert read(lease.job_id)[0].resolved == {
            "precision": {"value": "fp32", "origin": "hardware", "reason": "No GPU."},
            "max_lr": {"value": 0.8, "origin": "range_test", "reason": "The loss was lowest there."},
            "bad": {"value": None, "origin": "x", "reason": "y"},
        }


class TestCheckpoints:
    @pytest.fixture
    def save(self, settings, told):
        folder = settings.data_dir.absolute() / "checkpoints" / "job_1"
        return lambda step: told(CheckpointSaved(step, step == 9, folder / f"{step}.pt", f"digest{step}"))

    def test_the_row_points_to_it_relative_to_the_data_folder(self, save, read, lease):
        assert save(9) == [("checkpoint", {"step": 9, "best": True})]
        assert read(lease.job_id)[0].checkpoint == {
            "step": 9,
            "path": "checkpoints/job_1/9.pt",
            "sha256": "digest9",
        }

    def test_progress_forgives_crashes(self, save, database, read, lease):
        def crash():
            with database.transaction() as session:
                JobRepository(session).lock(lease.job_id).crashes = 2

        crash()
        save(9)
        assert read(lease.job_id)[0].crashes == 0
        crash()
        save(9)  # no further than before
        assert read(lease.job_id)[0].crashes == 2
        save(12)
        assert read(lease.job_id)[0].crashes == 0


class TestFiles:
    def made(self, tmp_path, data, name="loss.png"):
        path = tmp_path / name
        path.write_bytes(data)
        return FileMade(name, path, len(data), hashlib.sha256(data).hexdigest(), "image/png")

    def test_stored_under_the_fence_and_listed(self, reporter, store, database, read, lease, tmp_path):
        reporter.take(self.made(tmp_path, b"picture"))
        digest = hashlib.sha256(b"picture").hexdigest()[:16]
        key = f"jobs/{lease.job_id}/{lease.fence}/{digest}/loss.png"
        assert b"".join(store.stream(key)) == b"picture"  # at once; the row follows with the commit
        reporter.commit()
        with database.reading() as session:
            [row] = session.scalars(select(ArtifactTable))
        facts = (row.job_id, row.name, row.key, row.size, row.media_type)
        assert facts == (lease.job_id, "loss.png", key, 7, "image/png")
        assert read(lease.job_id)[1][-1].data == {"name": "loss.png"}

    def test_a_later_attempts_file_takes_the_place(self, settings, reporter, store, database, lease, tmp_path):
        reporter.take(self.made(tmp_path, b"old"))
        reporter.commit()
        with database.transaction() as session:
            claims = Claims(session, lease=settings.lease)
            claims.give_back(lease)
            second = type(lease)(lease.job_id, claims.claim(Claimant("host:1")).fence)
        again = Reporter(database=database, store=store, settings=settings, lease=second)
        again.take(self.made(tmp_path, b"newer"))
        again.commit()
        with database.reading() as session:
            [row] = session.scalars(select(ArtifactTable))
        digest = hashlib.sha256(b"newer").hexdigest()[:16]
        assert (row.key, row.size) == (f"jobs/{lease.job_id}/2/{digest}/loss.png", 5)


class TestFence:
    @pytest.fixture
    def lost(self, settings, database, lease):
        with database.transaction() as session:
            claims = Claims(session, lease=settings.lease)
            claims.give_back(lease)
            claims.claim(Claimant("host:1"))

    def test_a_zombie_writes_nothing(self, reporter, lost, database, read, lease, tmp_path):
        before = len(read(lease.job_id)[1])
        (tmp_path / "a").write_bytes(b"x")
        reporter.take(Happened(Logged("info", "still here")))
        reporter.take(FileMade("a.png", tmp_path / "a", 1, "d", "image/png"))
        with pytest.raises(LeaseLost):
            reporter.commit()
        with pytest.raises(LeaseLost):
            reporter.commit_with(lambda claims: claims.finish(lease, JobState.SUCCEEDED))
        job, events = read(lease.job_id)
        assert (job.state, len(events)) == ("running", before)
        with database.reading() as session:
            assert session.scalars(select(ArtifactTable)).all() == []


class TestCommit:
    def test_a_failed_one_loses_nothing(self, reporter, database, read, lease, monkeypatch):
        reporter.take(Happened(Logged("info", "kept")))
        with monkeypatch.context() as patch:
            patch.setattr(JobRepository, "append", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                reporter.commit()
        reporter.commit()
        assert [row.data["message"] for row in read(lease.job_id)[1] if row.type == "log"] == ["kept"]

    def test_with_the_end_it_is_all_or_nothing(self, reporter, read, lease):
        reporter.take(Happened(Logged("info", "last words")))

        def fail(claims):
            claims.finish(lease, JobState.SUCCEEDED)
            raise KeyError

        with pytest.raises(KeyError):
            reporter.commit_with(fail)
        assert read(lease.job_id)[0].state == "running"
        reporter.commit_with(lambda claims: claims.finish(lease, JobState.SUCCEEDED))
        job, events = read(lease.job_id)
        assert job.state == "succeeded"
        assert [event.type for event in events[-2:]] == ["log", "state"]
