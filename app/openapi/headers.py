"""The headers that the OpenAPI document names, of answers and of requests."""

from typing import Any

_STRING = {"type": "string"}


def _answered(description: str, schema: dict[str, Any] = _STRING) -> dict[str, Any]:
    return {"description": description, "schema": schema}


def _asked(name: str, description: str, example: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": _STRING, "example": example}


ANSWERED = {
    "Accept-Ranges": _answered("`bytes`: a range of the file may be asked for."),
    "Allow": _answered("The methods that the address takes."),
    "Content-Disposition": _answered("Whether a browser shows the file or saves it, and under which name."),
    "Content-Range": _answered("Which bytes these are, and of how many."),
    "ETag": _answered("Names this version of the content, for `If-None-Match`."),
    "Idempotent-Replayed": _answered(
        "`true`: this is the first answer to the `Idempotency-Key`, and nothing was done now. Left out otherwise.",
        {"const": "true"},
    ),
    "Link": _answered('The next page as `<address>; rel="next"` (RFC 8288), where there is one.'),
    "Location": _answered("The address of what was made."),
    "Preference-Applied": _answered("The `Prefer` that was honoured."),
    "Retry-After": _answered("After how many seconds to ask again.", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": _answered("`Bearer`: how to show a key."),
    "X-Request-ID": _answered("The id under which the service's log knows the request."),
}

ASKED = {
    "If-None-Match": _asked("If-None-Match", "The `ETag` of the copy at hand; 304 while it is current.", '"17"'),
    "If-Range": _asked("If-Range", "With `Range`: the `ETag` of which it is to be a part; else all is sent.", '"17"'),
    "Prefer": _asked("Prefer", "`wait=30`: answer when the job is at rest, or after 30 seconds.", "wait=30"),
    "Range": _asked("Range", "The part of the file to send.", "bytes=0-1023"),
    "X-Request-ID": _asked(
        "X-Request-ID",
        "An id of your own for the request, of 1 to 64 letters, digits, `_`, `.` and `-`; another is passed over.",
        "req_0198c0ffee",
    ),
}


def refer(names: list[str]) -> dict[str, Any]:
    """Headers of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def ask(names: list[str]) -> list[dict[str, Any]]:
    """Headers of a request."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]
