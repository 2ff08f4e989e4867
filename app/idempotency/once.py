"""Does what a request asks and keeps the answer, in one transaction, so that a repeated request only hears it again.

After draft-ietf-httpapi-idempotency-key-header: another request under the same key is a 422, one that is still being
worked on a 409. Refusals are not kept: nothing came of them, so the corrected request may use the same key.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.callers import Caller
from app.db.session import Database
from app.db.tables import IdempotencyKeyTable
from app.errors import FieldError, Unprocessable
from app.idempotency import repository
from app.idempotency.in_flight import FORM, HEADER, InFlight, in_progress
from app.security import Authenticated
from app.state import state_of

REPLAYED = "Idempotent-Replayed"


@dataclass(frozen=True)
class Answer:
    """What is sent for a request that took effect, ready to be kept."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, content: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None) -> "Answer":
        """From a wire format."""
        return cls(content.model_dump_json(), status, headers or {})

    def response(self, *, replayed: bool = False) -> Response:
        """As it goes out."""
        headers = self.headers | ({REPLAYED: "true"} if replayed else {})
        return Response(self.body, self.status, headers, media_type="application/json")


@dataclass(frozen=True)
class Once:
    """One request of one caller, with its key if it carries one."""

    database: Database
    in_flight: InFlight
    caller: Caller
    key: str | None
    about: str  #: method and address
    content: bytes = b""

    def do(self, work: Callable[[Session], Answer]) -> Response:
        """Run `work` in a transaction and answer with what it returns; or as it was answered the first time."""
        with self.held():
            return self.do_held(work, content=self.content)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the key, if there is one, for a request that takes its time before it does its work."""
        if self.key is None:
            yield
        else:
            with self.in_flight.alone(self.caller.owner, self.key):
                yield

    def was_answered(self) -> bool:
        """Whether an answer is kept under the key, though perhaps to another request."""
        if self.key is None:
            return False
        with self.database.reading() as session:
            return repository.is_kept(session, self.caller.owner, self.key)

    def do_held(self, work: Callable[[Session], Answer], *, content: bytes) -> Response:
        """The same as `do` while the key is held; `content` tells this request from others."""
        with self.database.transaction() as session:
            if self.key is None:
                return work(session).response()
            if (kept := self._kept(session, self.key, content)) is not None:
                return kept.response(replayed=True)
            answer = work(session)
            session.add(self._row(self.key, content, answer))
        return answer.response()

    def _kept(self, session: Session, key: str, content: bytes) -> Answer | None:
        if repository.is_taken(session, self.caller.owner, key):
            raise in_progress()
        row = repository.find(session, self.caller.owner, key)
        if row is None:
            return None
        if row.fingerprint != self._fingerprint(content):
            detail = f"The {HEADER} {key[:100]!r} came with another request before."
            error = FieldError(detail, "idempotency_mismatch", parameter=HEADER)
            raise Unprocessable("idempotency_mismatch", detail, "Make a new key for every new request.", [error])
        return Answer(row.body, row.status, row.headers)

    def _row(self, key: str, content: bytes, answer: Answer) -> IdempotencyKeyTable:
        return IdempotencyKeyTable(
            owner=self.caller.owner,
            key=key,
            fingerprint=self._fingerprint(content),
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            created_at=datetime.now(UTC),
        )

    def _fingerprint(self, content: bytes) -> str:
        return hashlib.sha256(self.about.encode() + b"\0" + content).hexdigest()


Key = Annotated[
    str | None,
    Header(alias=HEADER, pattern=FORM, description="Unlike any other of yours. Sent again with the same body "
           "within 24 hours, the request has no second effect and gets the first answer."),
]  # fmt: skip


async def once_unread(request: Request, caller: Authenticated, key: Key = None) -> Once:
    """For an endpoint that reads the body itself."""
    parts = state_of(request)
    query = f"?{request.url.query}" if request.url.query else ""
    return Once(parts.database, parts.in_flight, caller, key, f"{request.method} {request.url.path}{query}")


async def once(request: Request, unread: Annotated[Once, Depends(once_unread)]) -> Once:
    """For an endpoint whose body, if any, is JSON."""
    body = await request.body() if unread.key else b""
    return Once(unread.database, unread.in_flight, unread.caller, unread.key, unread.about, body)


OnceUnread = Annotated[Once, Depends(once_unread)]
JustOnce = Annotated[Once, Depends(once)]
