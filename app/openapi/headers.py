"""The headers that the OpenAPI document names, of answers and of requests."""

from typing import Any

_STRING = {"type": "string"}


def _answered(description: str, schema: dict[str, Any] = _STRING) -> dict[str, Any]:
    return {"description": description, "schema": schema}


def _asked(name: str, description: str, example: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": _STRING, "example": example}


ANSWERED = {
    "Accept-Ranges": _answered("`bytes`: a range of the file may be asked for."),
    "Content-Disposition": _answered("Whether a browser shows the file or saves it, and under which name."),
    "Content-Range": _answered("Which bytes these are, and of how many."),
    "ETag": _answered("Names this version of the content, for `If-None-Match`."),
    "Link": _answered('The next page as `<address>; rel="next"` (RFC 8288), where there is one.'),
    "Location": _answered("The address of what was made."),
    "Preference-Applied": _answered("The `Prefer` that was honoured."),
    "Retry-After": _answered("After how many seconds to ask again.", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": _answered("`Bearer`: how to show a key."),
}

ASKED = {
    "If-None-Match": _asked("If-None-Match", "The `ETag` of the copy at hand; 304 while it is current.", '"17"'),
    "Prefer": _asked("Prefer", "`wait=30`: answer when the job is at rest, or after 30 seconds.", "wait=30"),
    "Range": _asked("Range", "The part of the file to send; with `If-Range`, of that version.", "bytes=0-1023"),
}


def refer(names: list[str]) -> dict[str, Any]:
    """Headers of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def ask(names: list[str]) -> list[dict[str, Any]]:
    """Headers of a request."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]
