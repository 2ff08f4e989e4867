"""Turns a claimed row into an assignment for a training process: data, folders, the checkpoint to resume from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.callers import administrator
from app.config import Settings
from app.datasets.service import DatasetFacts, resolve
from app.db.tables import JobTable
from app.domain.specs import parse_device_spec
from app.errors import ServiceError
from app.jobs.claims import Claims, Lease
from app.jobs.metrics import HISTORY, collect
from app.jobs.repository import JobRepository, NewEvent
from worker.checkpoints import named_paths, newest_checkpoint
from worker.datasets.source import DatasetSource
from worker.datasets.splitting import MadeSplit
from worker.engine.checkpoint_files import keep_only
from worker.messages import Assignment, Failed, History, Places

if TYPE_CHECKING:
    from worker.runner import Runner


class CannotStart(Exception):
    """What the job needs is not there any more."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.detail)
        self.failure = failure


def make_assignment(runner: "Runner", job: JobTable) -> Assignment:
    """All the training process needs, read now so that it needs no database."""
    settings = runner.settings
    facts = _dataset(runner, job)
    places = _places(settings, job)
    keep_only(places.checkpoints, {Path(path).name for path in named_paths(job.checkpoint)}, fence=job.fence)
    resume = _resume_from(runner, job)
    return Assignment(
        job_id=job.id,
        title=job.name or f"{job.spec['architecture']['name']} on {facts.name}",
        spec=job.spec,
        dataset=dataset_source(settings, facts),
        dataset_id=facts.id,
        default_image_size=facts.image_size,
        default_validation=facts.validation,
        default_augmentation=facts.augmentation,
        device=runner.worker.devices[0],
        places=places,
        checkpoint_seconds=settings.checkpoint_seconds,
        resume=resume,
        fence=job.fence,
        resolved=job.resolved,
        history=_history(runner, job) if resume else History(),
    )


def dataset_source(settings: Settings, facts: DatasetFacts) -> DatasetSource:
    """Where the images lie on this machine."""
    if facts.path is None:
        return DatasetSource("built_in", facts.name, settings.folder("datasets"), version=facts.version)
    return DatasetSource(
        "imported" if facts.kind == "built_in" else facts.kind,
        facts.name,
        Path(facts.path),
        version=facts.version,
        mode=facts.mode,
        side=facts.side,
        split=_made_split(facts),
        skipped=frozenset(facts.skipped),
    )


def _made_split(facts: DatasetFacts) -> MadeSplit | None:
    if facts.split is None or facts.split["origin"] != "made":
        return None
    return MadeSplit(facts.split["test_fraction"], facts.split["seed"])


def _resume_from(runner: "Runner", job: JobTable) -> Path | None:
    """The checkpoint to go on from; what was wrong with others goes into the job's log."""
    found = newest_checkpoint(runner.settings, runner.store, job)
    if found.complaints:
        events = [NewEvent("log", {"level": "warning", "message": said}) for said in found.complaints]
        with runner.database.transaction() as session:
            claims = Claims(session, lease=runner.settings.lease)
            claims.write(Lease(job.id, job.fence), events, change=lambda _: None)
    return found.path


def _dataset(runner: "Runner", job: JobTable) -> DatasetFacts:
    try:
        with runner.database.reading() as session:
            return resolve(parse_device_spec(job.spec).dataset, session, administrator(job.owner))
    except ServiceError as error:
        title = "The data set is not available"
        raise CannotStart(Failed("dataset_unavailable", title, error.detail, error.hint)) from error


def _places(settings: Settings, job: JobTable) -> Places:
    folders: dict[str, Any] = {
        "attempt": settings.folder("attempts") / job.id / str(job.fence),
        "checkpoints": settings.folder("checkpoints") / job.id,
        "cache": settings.folder("cache"),
        "weights": settings.folder("weights"),
    }
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    return Places(**folders)


def _history(runner: "Runner", job: JobTable) -> History:
    """What was trained before the checkpoint, for pictures of the whole."""
    with runner.database.reading() as session:
        events = JobRepository(session).events(job.id, types=HISTORY)
    metrics = collect(events, "training", series=[], max_points=100_000)
    return History(metrics.steps, metrics.epochs)
