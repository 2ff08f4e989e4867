"""What several resources need of HTTP: parameters, conditional answers, preferences."""

import re
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import Any, cast

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.errors import FieldError, Unprocessable, did_you_mean

#: What an endpoint declares that answers with a tag.
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Unchanged since the ETag given."}}

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


def send_json(request: Request, body: BaseModel) -> Response:
    """An answer under a tag made of its bytes, which changes with all that is seen and with nothing else; or a 304.

    Handed to the framework, a model would be validated once more.
    """
    content = body.model_dump_json().encode()
    headers = {"ETag": f'"{sha256(content).hexdigest()}"'}
    return unchanged(request, headers) or Response(content, headers=headers, media_type="application/json")


def revision_tag(revision: int, *form: str) -> str:
    """The tag of what a job has done, in this form: known before it is read and put together.

    Another version of the service may word the same in another way.
    """
    return f'"{"-".join((str(revision), *form, _version()))}"'


def unchanged(request: Request, headers: dict[str, str]) -> Response | None:
    """The 304, where the caller has what these headers' ETag stands for."""
    # Tags are compared weakly (RFC 9110, 13.1.2), and a list may come in several lines.
    lines = request.headers.getlist("if-none-match")
    known = [tag.strip().removeprefix("W/") for line in lines for tag in line.split(",")]
    return Response(status_code=304, headers=headers) if "*" in known or headers["ETag"] in known else None


def preferred_wait(request: Request) -> int:
    """The seconds of `Prefer: wait=…`, at most a minute; 0 without it."""
    found = _WAIT.search(request.headers.get("prefer", ""))
    return min(int(found[1]), LONGEST_WAIT_SECONDS) if found else 0


def accepts(request: Request, media_type: str) -> bool:
    """Whether the caller asked for this media type by name."""
    return media_type in request.headers.get("accept", "")


@cache
def _version() -> str:
    return version("supercycle")
