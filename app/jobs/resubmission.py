"""A new job from an old one: what was submitted then, with changes merged into it."""

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from app.db.tables import JobTable
from app.domain.merging import merged
from app.domain.specs import DATASET_IMPORT
from app.domain.specs.auto import AUTO
from app.domain.specs.comparison import COMPARISON, is_default
from app.domain.specs.tuning import EVERYTHING
from app.jobs.schemas import DeviceEnvelope, Envelope, JobSubmission, Submission

_adapter: TypeAdapter[Submission] = TypeAdapter(JobSubmission)


def resubmission(job: JobTable, changes: Mapping[str, Any]) -> Submission:
    """The body that would have made this job, with changes merged into it.

    Raises RequestValidationError, as a body of the user's own would.
    """
    fields = (Envelope if job.kind == DATASET_IMPORT else DeviceEnvelope).model_fields
    envelope = {name: getattr(job, name) for name in fields if name != "tags"}
    whole = job.spec | envelope | {"tags": sorted(tag.tag for tag in job.tags)}
    body = _as_meant(merged(whole, changes), job, changes)
    try:
        return _adapter.validate_python(body)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(found, body=body) from error


def _as_meant(body: dict[str, Any], job: JobTable, changes: Mapping[str, Any]) -> dict[str, Any]:
    """With what a merge patch cannot say of plans."""
    if body.get("kind") == COMPARISON and isinstance(changes.get("arms"), Mapping):
        body["arms"] |= _left_out(job.spec["arms"], changes["arms"])
    if body.get("kind") == AUTO:
        # In a row every field has a value: without a `tune`, each would count as given, and nothing would be tuned.
        body.setdefault("tune", list(EVERYTHING))
    return body


def _left_out(arms: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, None]:
    """There null is a value, which leaves an arm out; one that the old job had added is gone without it."""
    return {name: None for name, arm in changes.items() if arm is None and (is_default(name) or name not in arms)}
