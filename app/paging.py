"""Pages of lists over HTTP: what is asked for, and how it is answered, the same for every list."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel

from app.errors import FieldError, Unprocessable
from app.http import send_json
from app.ids import is_id

Limit = Annotated[int, Query(ge=1, le=200, description="Items per page.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]


class Listed(Protocol):
    """An item of a list."""

    @property
    def id(self) -> str: ...


@dataclass(frozen=True)
class PageAsked:
    """The page that a request asks for: so many items behind the id `after`, from the beginning without it."""

    request: Request
    limit: int
    after: str | None

    @property
    def rows(self) -> int:
        """How many to look for: one more than is shown says that another page follows."""
        return self.limit + 1

    def answer(self, schema: type[BaseModel], found: Sequence[Listed]) -> Response:
        """The page of what was found, which names the next one in its body and, as RFC 8288 has it, in a header."""
        items = found[: self.limit]
        cursor = encode_cursor(items[-1].id) if len(found) > self.limit else None
        response = send_json(self.request, schema.model_validate({"items": items, "next_cursor": cursor}))
        if cursor is not None:
            target = self.request.url.include_query_params(cursor=cursor)
            response.headers["Link"] = f'<{target.path}?{target.query}>; rel="next"'
        return response


async def _page_asked(request: Request, limit: Limit = 50, cursor: Cursor = None) -> PageAsked:
    return PageAsked(request, limit, None if cursor is None else decode_cursor(cursor))


Paging = Annotated[PageAsked, Depends(_page_asked)]


def encode_cursor(id: str) -> str:
    """A page's last id as an opaque cursor."""
    return base64.urlsafe_b64encode(id.encode()).decode()


def decode_cursor(cursor: str) -> str:
    """The id inside a cursor."""
    try:
        id = base64.urlsafe_b64decode(cursor.encode()).decode()
    except (binascii.Error, UnicodeError):
        id = ""
    if not is_id(id, id.partition("_")[0]):
        detail = "The cursor is not one of ours."
        error = FieldError(detail, "invalid_cursor", parameter="cursor")
        raise Unprocessable("invalid_cursor", detail, "Use next_cursor of the page before.", [error])
    return id
