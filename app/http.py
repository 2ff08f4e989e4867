"""What several resources need of HTTP: parameters, conditional answers, preferences, files with ranges."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from app.artifacts.store import ArtifactStore
from app.errors import FieldError, NotFound, Unprocessable, did_you_mean

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})\b")
LONGEST_WAIT_SECONDS = 60


async def refuse_unknown_parameters(request: Request) -> None:
    """Raise for a query parameter that the endpoint does not declare: ignored, `?status=` would list everything."""
    if not request.query_params:
        return
    known = sorted(_declared(cast("APIRoute", request.scope["route"]).dependant))
    errors = [
        FieldError(
            f"There is no query parameter {name[:100]!r} here{did_you_mean(name, known)}",
            "unknown_parameter",
            parameter=name,
        )
        for name in dict.fromkeys(request.query_params)
        if name not in known
    ]
    if errors:
        hint = f"It takes: {', '.join(known)}." if known else "It takes no query parameters."
        raise Unprocessable("unknown_parameter", " ".join(error.detail for error in errors), hint, errors)


def _declared(dependant: Dependant) -> set[str]:
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*(_declared(inner) for inner in dependant.dependencies))


def is_fresh(request: Request, etag: str) -> bool:
    """Whether the caller's copy is the present one."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return "*" in known or etag in known


def preferred_wait(request: Request) -> int:
    """The seconds of `Prefer: wait=…`, at most a minute; 0 without it."""
    found = _WAIT.search(request.headers.get("prefer", ""))
    return min(int(found[1]), LONGEST_WAIT_SECONDS) if found else 0


def accepts(request: Request, media_type: str) -> bool:
    """Whether the caller asked for this media type by name."""
    return media_type in request.headers.get("accept", "")


@dataclass(frozen=True)
class StoredFile:
    """A file in the artifact store, as it is sent."""

    name: str
    key: str
    size: int
    sha256: str
    media_type: str


def send_file(request: Request, store: ArtifactStore, file: StoredFile) -> Response:
    """Stream a file, or the range asked for. Objects are immutable, so the digest is the ETag.

    Raises NotFound before the answer begins when the store does not have it: after a 200 nobody could be told.
    """
    etag = f'"{file.sha256}"'
    # SVG may hold scripts, so it is never shown in the service's own origin.
    disposition = "inline" if file.media_type in ("image/png", "application/json") else "attachment"
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'{disposition}; filename="{file.name.rsplit("/", 1)[-1]}"',
    }
    if is_fresh(request, etag):
        return Response(status_code=304, headers=headers)
    span = _range(request, file, etag)
    if span is None:
        return _stream(store, file, (0, file.size), status=200, headers=headers)
    start, end = span
    if start >= end:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{file.size}"})
    return _stream(
        store, file, span, status=206, headers=headers | {"Content-Range": f"bytes {start}-{end - 1}/{file.size}"}
    )


def _range(request: Request, file: StoredFile, etag: str) -> tuple[int, int] | None:
    """Start and end of the one range asked for; None sends the whole file, as several ranges do."""
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if found is None or request.headers.get("if-range", etag) != etag or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return max(file.size - int(last), 0), file.size
    return int(first), min(int(last) + 1, file.size) if last else file.size


def _stream(
    store: ArtifactStore, file: StoredFile, span: tuple[int, int], *, status: int, headers: dict[str, str]
) -> Response:
    if file.size and not store.exists(file.key):
        detail = f"{file.name} was made, but the service's storage does not have it any more."
        raise NotFound("file_lost", detail, "Ask the operator for a backup of the storage, or run the job again.")
    body: Iterator[bytes] = iter(()) if file.size == 0 else store.stream(file.key, start=span[0], end=span[1])
    headers = headers | {"Content-Length": str(span[1] - span[0])}
    return StreamingResponse(body, status, headers=headers, media_type=file.media_type)
