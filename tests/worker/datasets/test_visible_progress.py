"""While images are decoded, whoever asks for the job sees how far it is."""

import pytest

from app.artifacts.store import ArtifactStore
from worker.datasets.opening import open_dataset
from worker.engine.events import PhaseStarted, Progress
from worker.messages import Happened
from worker.reporter import Reporter


@pytest.fixture
def settings(sqlite_settings):
    """The database that the app under test reads."""
    return sqlite_settings


class TestProgress:
    def test_is_served_with_the_job(self, client, settings, database, claimed, make_folder, make_picture, as_source):
        pictures = {f"{kind}/{number}.png": make_picture(9, mode="L") for kind in "ab" for number in range(300)}
        source, lease, seen = as_source(make_folder(pictures), side=4), claimed(), []
        store = ArtifactStore(settings.storage)
        reporter = Reporter(database=database, store=store, settings=settings, lease=lease)
        reporter.take(Happened(PhaseStarted("preparing")))

        def show(done, total):
            reporter.take(Happened(Progress(done, total)))
            reporter.commit()
            job = client.get(f"/v1/jobs/{lease.job_id}").json()
            seen.append((job["phase"], job["progress"]["step"], job["progress"]["steps"]))

        open_dataset(source, target_size=4, cache_root=settings.folder("cache"), on_progress=show)
        assert {phase for phase, *_ in seen} == {"preparing"}
        assert {steps for *_, steps in seen} == {600}
        assert len(seen) > 3  # the first on its own, then in pieces of at most 256
        done = [step for _, step, _ in seen]
        assert done == sorted(set(done))
        assert done[-1] == 600
