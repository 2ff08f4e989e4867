"""Jobs on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.db.tables import ArtifactTable, JobEventTable, JobTable
from app.domain.lifecycle import JobState
from app.domain.published import importable
from app.domain.specs import (
    PLAN_KINDS,
    AnySpec,
    AutoSpec,
    ComparisonSpec,
    DatasetImportSpec,
    RangeTestSpec,
    TrainingSpec,
    TuningSpec,
    parse_spec,
)
from app.domain.specs.fields import NO_NUL, Name, json_number, whole_number

Tag = Annotated[str, Field(min_length=1, max_length=50, pattern=NO_NUL)]


class Envelope(BaseModel):
    """What stands beside the spec in the same body: how to run it, not what."""

    name: Name | None = Field(None, description="What you call it, for lists and titles.")
    tags: Annotated[list[Tag], Field(max_length=20)] = Field(
        [], description="Labels to find it by: `GET /v1/jobs?tag=`."
    )
    priority: Annotated[int, Field(ge=-100, le=100), BeforeValidator(whole_number)] = Field(
        0, description="Higher is claimed first."
    )
    max_attempts: Annotated[int, Field(ge=1, le=10), BeforeValidator(whole_number)] = Field(
        3, description="Crashes without a new checkpoint between them before the job fails."
    )
    max_runtime_seconds: Annotated[float, Field(gt=0, le=31_536_000), BeforeValidator(json_number)] | None = Field(
        None, description="How long it may run, queueing left out, since its submission or its last `resume`."
    )
    on_time_limit: Literal["pause", "fail"] = Field(
        "pause", description="At the time limit: save a checkpoint and wait for `resume`, or fail."
    )


class DeviceEnvelope(Envelope):
    """The same for what a worker runs."""

    device: Literal["any", "cpu", "cuda"] = Field("any", description="Only workers with this kind of device claim it.")


class RangeTestSubmission(RangeTestSpec, DeviceEnvelope):
    """A range test to run."""


class TrainingSubmission(TrainingSpec, DeviceEnvelope):
    """A training to run."""


class ComparisonSubmission(ComparisonSpec, DeviceEnvelope):
    """A comparison to run. What stands beside the spec holds for each of its jobs."""


class TuningSubmission(TuningSpec, DeviceEnvelope):
    """A tuning to run. What stands beside the spec holds for each of its jobs."""


class AutoSubmission(AutoSpec, DeviceEnvelope):
    """An automatic run. What stands beside the spec holds for each of its jobs."""


def _names_the_sets(schema: dict[str, Any]) -> None:
    """Which names there are; another one is refused with what it was perhaps meant to be."""
    schema["properties"]["dataset"]["enum"] = importable()


class DatasetImportSubmission(DatasetImportSpec, Envelope):
    """A published data set to fetch."""

    model_config = ConfigDict(json_schema_extra=_names_the_sets)


Submission = (
    RangeTestSubmission
    | TrainingSubmission
    | DatasetImportSubmission
    | ComparisonSubmission
    | TuningSubmission
    | AutoSubmission
)
Kind = Literal["range_test", "training", "dataset_import", "comparison", "tuning", "auto"]
JobSubmission = Annotated[Submission, Field(discriminator="kind")]


def spec_of(submission: Submission) -> AnySpec:
    """The spec alone, without its envelope."""
    return parse_spec(submission.model_dump(exclude=set(DeviceEnvelope.model_fields)))


class Out(BaseModel):
    """A wire format: reads attributes of rows."""

    model_config = ConfigDict(from_attributes=True)


class Progress(Out):
    """How far the present phase has come."""

    step: int = 0
    steps: int | None = None
    epoch: int = 0
    epochs: int | None = None
    fraction: float = 0.0
    eta_seconds: float | None = None
    steps_per_second: float | None = Field(None, description="On average over the phase, evaluations included.")
    memory_bytes: int | None = Field(
        None, description="The most that the training has held: of its GPUs, or of the machine where it uses none."
    )


class JobHead(Out):
    """A job as lists show it."""

    id: str
    owner: str
    kind: str
    name: str | None
    tags: list[str]
    priority: int
    state: JobState
    phase: str | None
    progress: Progress
    error: dict[str, Any] | None
    parent_id: str | None
    source_id: str | None
    model_id: str | None
    device: str
    attempts: int
    max_attempts: int
    max_runtime_seconds: float | None
    on_time_limit: str
    worker: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: dict[str, Any]

    @classmethod
    def of_facts(cls, facts: dict[str, Any], *, plots: list[str] | None = None) -> Self:
        """From its columns, its sorted tags, and, for a whole job, the names of its files."""
        links = _links(facts["id"], facts["model_id"], plots=plots)
        if facts["kind"] in PLAN_KINDS:
            links["children"] = f"/v1/jobs?parent_id={facts['id']}"
        return cls(**facts | {"progress": Progress(**facts["progress"])}, links=links)


class JobOut(JobHead):
    """A whole job."""

    spec: dict[str, Any]
    resolved: dict[str, Any]
    result: dict[str, Any] | None

    @classmethod
    def whole(cls, job: JobTable, *, plots: list[str]) -> "JobOut":
        """From its row and the names of its plots, e.g. `loss.png`."""
        facts = {name: getattr(job, name) for name in cls.model_fields.keys() - {"links", "tags"}}
        return cls.of_facts(facts | {"tags": sorted(tag.tag for tag in job.tags)}, plots=plots)


def _links(id: str, model_id: str | None, *, plots: list[str] | None) -> dict[str, Any]:
    itself = f"/v1/jobs/{id}"
    links: dict[str, Any] = {
        "self": itself,
        "events": f"{itself}/events",
        "metrics": f"{itself}/metrics",
        "artifacts": f"{itself}/artifacts",
        "logs": f"{itself}/logs",
        "model": f"/v1/models/{model_id}" if model_id else None,
    }
    if plots is not None:
        links["plots"] = {
            name.removesuffix(".png"): f"{itself}/plots/{name}" for name in plots if name.endswith(".png")
        }
    return links


class JobPage(Out):
    """A page of jobs, newest first."""

    items: list[JobHead]
    next_cursor: str | None


class EventOut(Out):
    """One event of a job's history."""

    seq: int
    type: str
    time: datetime
    attempt: int
    data: dict[str, Any]

    @classmethod
    def of(cls, row: JobEventTable) -> "EventOut":
        """From its row."""
        return cls.model_validate(row)


class EventPage(Out):
    """A page of events, oldest first; go on with `after` = `last_seq`."""

    items: list[EventOut]
    last_seq: int


class ArtifactOut(Out):
    """A file a job made."""

    name: str
    size: int
    sha256: str
    media_type: str
    created_at: datetime
    href: str

    @classmethod
    def of(cls, row: ArtifactTable) -> "ArtifactOut":
        """From its row."""
        names = cls.model_fields.keys() - {"href"}
        return cls(**{name: getattr(row, name) for name in names}, href=f"/v1/jobs/{row.job_id}/artifacts/{row.name}")


class ArtifactPage(Out):
    """The files of a job."""

    items: list[ArtifactOut]
    next_cursor: None = None


class Metrics(Out):
    """Columns of numbers, aligned; a number that is not finite is null."""

    phase: Literal["range_test", "verifying", "training"]
    steps: dict[str, list[int | float | None]] = Field(
        description="By optimizer step: `step`, `learning_rate`, `momentum` and `training_loss`. A range test has "
        "`step`, `sweep`, `learning_rate`, `loss` and `smoothed_loss`; steps are counted through all of its `repeats`, "
        "`sweep` says which of them a step is of (0 is the first), and each is smoothed on its own."
    )
    epochs: dict[str, list[int | float | None]] = Field(
        description="Of a training, by epoch: `epoch`, `train_loss`, `train_accuracy`, `validation_loss`, "
        "`validation_accuracy`, `seconds` and `images_per_second`."
    )
    points: int
    total_steps: int
