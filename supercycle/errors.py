"""What can go wrong between a program and the service.

SupercycleError
├── ConnectionFailed   nothing answered
├── UnexpectedAnswer   something answered, but not as Supercycle does
├── ProblemError       the service answered with a problem
├── DigestMismatch     a downloaded file is not what the service says it is
├── NotReady           the job has made nothing yet
└── WaitTimeout        the job, or the check of a data set, had not ended in time
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


class SupercycleError(Exception):
    """The base of every error this package raises on purpose; `code` is stable."""

    code = "client_error"

    def as_dict(self) -> dict[str, Any]:
        """As one JSON object."""
        return {"code": self.code, "detail": str(self)}


class ConnectionFailed(SupercycleError):
    """Nothing answered at the address."""

    code = "connection_failed"


class UnexpectedAnswer(SupercycleError):
    """What answered is not Supercycle, or asks for what no client should do.

    `status` is that of a refusal without a problem, such as the page of a proxy; None where it was no refusal.
    """

    code = "unexpected_answer"

    def __init__(self, message: str = "", *, status: int | None = None, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class DigestMismatch(SupercycleError):
    """A downloaded file differs from what the service holds; nothing was kept of it."""

    code = "digest_mismatch"


class NotReady(SupercycleError):
    """The job goes on and there is nothing to download yet."""

    code = "not_ready"


class WaitTimeout(SupercycleError, TimeoutError):
    """The job went on for longer than the caller would wait. It is not cancelled by that."""

    code = "wait_timeout"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request: where (a JSON pointer or a query parameter) and what."""

    pointer: str
    detail: str
    code: str

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "FieldError":
        """From one entry of a problem's `errors`."""
        pointer = data.get("pointer") or data.get("parameter") or ""
        return cls(pointer=str(pointer), detail=str(data.get("detail", "")), code=str(data.get("code", "")))


class ProblemError(SupercycleError):
    """The service refused; `code` is stable, `hint` says what to do, `errors` name the fields."""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        title: str,
        detail: str,
        hint: str = "",
        errors: tuple[FieldError, ...] = (),
        request_id: str = "",
        retry_after_seconds: float = 0.0,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.hint = hint
        self.errors = errors
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds

    @classmethod
    def read(cls, data: Mapping[str, Any], *, status: int, retry_after_seconds: float = 0.0) -> "ProblemError":
        """From a problem document."""
        text = {name: str(data.get(name) or "") for name in ("code", "title", "detail", "hint", "request_id")}
        errors = tuple(FieldError.read(entry) for entry in data.get("errors") or ())
        return cls(status=status, errors=errors, retry_after_seconds=retry_after_seconds, **text)

    def as_dict(self) -> dict[str, Any]:
        """The problem as the service sent it, without `type`."""
        names = ("status", "code", "title", "detail", "hint", "request_id")
        return {name: getattr(self, name) for name in names} | {"errors": [asdict(error) for error in self.errors]}

    def __str__(self) -> str:
        lines = [f"{self.title} ({self.status} {self.code})", self.detail]
        lines += [f"  {error.pointer}: {error.detail}" for error in self.errors]
        return "\n".join(line for line in [*lines, self.hint] if line)
