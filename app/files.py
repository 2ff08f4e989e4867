"""Stored files over HTTP: whole, in ranges, or not at all where the caller has them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from app.artifacts.store import ArtifactStore
from app.errors import NotFound, RangeNotSatisfiable
from app.http import unchanged

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)


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
    return unchanged(request, headers) or _send(store, file, _range(request, file, etag), headers=headers)


def _send(store: ArtifactStore, file: StoredFile, span: tuple[int, int] | None, *, headers: dict[str, str]) -> Response:
    if span is None:
        return _stream(store, file, (0, file.size), status=200, headers=headers)
    start, end = span
    if start >= end:
        detail = f"{file.name} has {file.size:,} bytes; none of them is in the range asked for."
        headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes */{file.size}"}
        raise RangeNotSatisfiable("range_not_satisfiable", detail, "Ask for bytes that there are.", headers=headers)
    headers = headers | {"Content-Range": f"bytes {start}-{end - 1}/{file.size}"}
    return _stream(store, file, span, status=206, headers=headers)


def _range(request: Request, file: StoredFile, etag: str) -> tuple[int, int] | None:
    """Start and end of the range asked for; None sends the whole file (RFC 9110, 14.2).

    So do several ranges at once, and a validator in If-Range that is not the file's own tag: a weak one, or a date,
    says nothing about bytes. An empty file has no range that could be named.
    """
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if found is None or not any(found.groups()) or not file.size or request.headers.get("if-range", etag) != etag:
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
