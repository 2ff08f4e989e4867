"""What a user's program imports: the HTTP client, and the pure parts for loops of one's own.

Everything loads on first use, so that `import supercycle` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.domain.schedules import OneCycle
    from app.domain.suggestion import suggest_learning_rate
    from supercycle.client import Client
    from supercycle.errors import (
        ConnectionFailed,
        DigestMismatch,
        FieldError,
        NotReady,
        ProblemError,
        SupercycleError,
        UnexpectedAnswer,
        WaitTimeout,
    )
    from supercycle.events import Event
    from supercycle.jobs import Job

_HOMES = {
    "Client": "supercycle.client",
    "ConnectionFailed": "supercycle.errors",
    "DigestMismatch": "supercycle.errors",
    "Event": "supercycle.events",
    "FieldError": "supercycle.errors",
    "Job": "supercycle.jobs",
    "NotReady": "supercycle.errors",
    "OneCycle": "app.domain.schedules",
    "ProblemError": "supercycle.errors",
    "SupercycleError": "supercycle.errors",
    "UnexpectedAnswer": "supercycle.errors",
    "WaitTimeout": "supercycle.errors",
    "suggest_learning_rate": "app.domain.suggestion",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOMES:
        raise AttributeError(f"module 'supercycle' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"supercycle.{name} needs {error.name}, which the client alone does not bring: "
            'pip install "supercycle[server]"'
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """What is there at once and what is loaded on first use."""
    return sorted({*globals(), *_HOMES})


__all__ = [
    "Client",
    "ConnectionFailed",
    "DigestMismatch",
    "Event",
    "FieldError",
    "Job",
    "NotReady",
    "OneCycle",
    "ProblemError",
    "SupercycleError",
    "UnexpectedAnswer",
    "WaitTimeout",
    "suggest_learning_rate",
]
