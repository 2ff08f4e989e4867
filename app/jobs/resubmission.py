"""A new job from an old one: what was submitted then, with changes merged into it."""

from collections.abc import Container, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from app.db.tables import JobTable
from app.domain.merging import merged, stacked
from app.domain.specs import DATASET_IMPORT
from app.domain.specs.auto import AUTO
from app.domain.specs.comparison import AT_SHARE, COMPARISON, at_share, is_default
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
    arms = changes.get("arms", {})
    if body.get("kind") == COMPARISON and isinstance(arms, Mapping):
        body["arms"] = _arms(job.spec.get("arms", {}), arms, _shares(body.get("fractions")))
    if body.get("kind") == AUTO:
        # In a row every field has a value: without a `tune`, each would count as given, and nothing would be tuned.
        body.setdefault("tune", list(EVERYTHING))
    return body


def _arms(old: Mapping[str, Any], changes: Mapping[str, Any], shares: Container[str]) -> dict[str, Any]:
    """There null is a value: it leaves an arm out, or what all arms share.

    What the old job had of an arm goes with its share; one that it had added is gone without a trace.
    """
    kept = {name: arm for name, arm in old.items() if not name.startswith(AT_SHARE) or name in shares}
    still_there = [name for name in kept if is_default(name)]
    gone = [name for name in old if name in changes and changes[name] is None and name not in still_there]
    return {name: arm for name, arm in stacked(kept, changes).items() if name not in gone}


def _shares(fractions: Any) -> list[str]:  # noqa: ANN401 - not checked yet
    """The arms that are there for these."""
    numbers = fractions if isinstance(fractions, list) else []
    return [at_share(one) for one in numbers if isinstance(one, int | float)]
