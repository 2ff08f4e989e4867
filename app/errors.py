"""The error tree, and how it looks on the wire: problem+json (RFC 9457) with a stable code.

ServiceError
├── Malformed           400   cannot be read at all
├── NotFound            404   no such thing, or not yours
├── MethodNotAllowed …  from the framework, see app.problems
├── Conflict            409   the state forbids it
├── TooLarge            413
├── UnsupportedMedia    415
├── RangeNotSatisfiable 416
├── Unprocessable       422   understood, but wrong; names the fields
├── Unauthorized        401
├── Forbidden           403   understood and refused
├── TooManyRequests     429   past an owner's limits
├── HeadTooLarge        431
├── StorageFull         507
└── Unavailable         503   try again later
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field: a JSON pointer into the body, or the name of a query parameter."""

    detail: str
    code: str
    pointer: str | None = None
    parameter: str | None = None

    def as_dict(self) -> dict[str, str]:
        """The shape in `errors`, without what does not apply."""
        place = {"pointer": self.pointer} if self.pointer is not None else {"parameter": self.parameter or ""}
        return place | {"detail": self.detail, "code": self.code}


@dataclass
class ServiceError(Exception):
    """An answer other than the one asked for. Raise it where it is known; app.problems maps it once."""

    code: str
    detail: str
    hint: str
    errors: list[FieldError] = field(default_factory=list)
    retry_after_seconds: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    status = 500
    title = "Something went wrong"

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    def problem(self, request_id: str) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "type": f"/problems/{self.code}",
            "title": _TITLES.get(self.code, self.title),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "hint": self.hint,
            "errors": [error.as_dict() for error in self.errors],
            "request_id": request_id,
        }


# Where the title of the status is too general to be told apart.
_TITLES = {
    "built_in": "Built-in data sets cannot be deleted",
    "idempotency_in_progress": "The same request is being worked on",
    "idempotency_mismatch": "The Idempotency-Key belongs to another request",
    "scope_missing": "The key does not allow this",
    "cannot_retry": "The job cannot be tried again",
    "dataset_in_use": "The data set is in use",
    "job_ended": "The job has ended already",
    "job_not_ended": "The job has not ended yet",
    "job_not_paused": "The job is not paused",
    "job_stopping": "The job is stopping already",
    "malformed_json": "The body is not valid JSON",
    "name_taken": "The name is taken",
    "not_ready": "It is not there yet",
    "quota_exceeded": "The data sets of the owner take as much as they may",
    "too_many_webhooks": "The owner has as many webhooks as may be",
    "webhook_disabled": "The webhook is disabled",
    "webhook_url_not_allowed": "Webhooks may not lead there",
}


class Unauthorized(ServiceError):
    """The key is missing or wrong; which of the two is not said."""

    status = 401
    title = "A valid API key is needed"


class Forbidden(ServiceError):
    """Understood and refused."""

    status = 403
    title = "That is not allowed here"


class Malformed(ServiceError):
    """It cannot be read at all."""

    status = 400
    title = "The request cannot be read"


class NotFound(ServiceError):
    """No such thing."""

    status = 404
    title = "Not found"


class Conflict(ServiceError):
    """The state of things forbids it."""

    status = 409
    title = "The state of the resource forbids this"


class TooLarge(ServiceError):
    """More bytes than the service takes."""

    status = 413
    title = "The body is too large"


class UnsupportedMedia(ServiceError):
    """A content type the endpoint does not read."""

    status = 415
    title = "The content type is not supported"


class RangeNotSatisfiable(ServiceError):
    """Bytes that a file does not have."""

    status = 416
    title = "The file has no such bytes"


class Unprocessable(ServiceError):
    """Understood, but wrong."""

    status = 422
    title = "The request is not valid"


class TooManyRequests(ServiceError):
    """Past one of an owner's limits."""

    status = 429
    title = "That is more than is allowed at a time"


class HeadTooLarge(ServiceError):
    """More before the body than the service takes."""

    status = 431
    title = "The head of the request is too large"


class Unavailable(ServiceError):
    """A part the service needs does not answer."""

    status = 503
    title = "Temporarily unavailable"


class StorageFull(ServiceError):
    """No room for more."""

    status = 507
    title = "The server's storage is full"


def json_pointer(*parts: object) -> str:
    """The place of a field in a JSON body (RFC 6901), e.g. `#/schedule/max_lr`; `#` is the whole body."""
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def refused(pointer: str, *, code: str, detail: str, hint: str) -> Unprocessable:
    """The common case: one field of the body is wrong."""
    return Unprocessable(code, detail, hint, [FieldError(detail, code, pointer=pointer)])


def not_found(kind: str, id: str) -> NotFound:
    """The answer for an id that names nothing, whatever its form."""
    return NotFound(f"unknown_{kind}", f"There is no {kind} {id!r}.", f"List what there is with GET /v1/{kind}s.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at the nearest known name, or nothing."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else "."
