"""Receives an upload: a multipart body straight to disk, never whole in memory and never looked into."""

import hashlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import structlog
from anyio import CancelScope, fail_after
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from app.datasets.room import FRAME_BYTES, Room, storage_full, too_large
from app.disk import is_full
from app.errors import Unprocessable

log = structlog.get_logger()

SILENCE_SECONDS = 60.0  #: a network that is gone says nothing, and would be waited for without end
_FIELDS = 10
_FIELD_BYTES = 10_000
_WRITE_BYTES = 1 << 20
_WRITE_SECONDS = 60.0  #: the keeper removes a file that nobody has written to for an hour


@asynccontextmanager
async def received(request: Request, target: Path, *, room: Room) -> AsyncIterator["Form"]:
    """A multipart body, its `file` synced at `target`; removed again if the block raises."""
    try:
        yield await _receive(request, target, room)
    except BaseException:
        with CancelScope(shield=True):  # also when the server stops
            await run_in_threadpool(target.unlink, missing_ok=True)
        raise


async def read_limited(request: Request, *, max_bytes: int) -> bytes:
    """A small body; raises TooLarge instead of reading on."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large(max_bytes)
    return bytes(body)


@dataclass
class Form:
    """Gathers what the parser finds. Bytes of the file wait in `pending` until `write` puts them into the file."""

    fields: dict[str, str] = field(default_factory=dict)
    pending: bytearray = field(default_factory=bytearray)
    size: int = 0  #: of the file, as far as it is written
    has_file: bool = False
    ended: bool = False
    _digest: Any = field(default_factory=hashlib.sha256)
    _name: str = ""
    _header: bytearray = field(default_factory=bytearray)
    _headers: dict[str, str] = field(default_factory=dict)
    _header_name: str = ""
    _value: bytearray = field(default_factory=bytearray)

    @property
    def sha256(self) -> str:
        """Of the bytes written so far."""
        return str(self._digest.hexdigest())

    def write(self, file: IO[bytes]) -> None:
        """Put what is pending into the file."""
        self._digest.update(self.pending)
        self.size += file.write(self.pending)
        self.pending.clear()

    def parser(self, boundary: bytes) -> MultipartParser:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._take,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def _begin(self) -> None:
        self._headers = {}

    def _end_header(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._header.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", ""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name == "file":
            if self.has_file:
                raise _malformed("there is more than one part named 'file'")
            self.has_file = True

    def _take(self, data: bytes, start: int, end: int) -> None:
        into = self.pending if self._name == "file" else self._value
        into.extend(data[start:end])
        if len(self._value) > _FIELD_BYTES:
            raise _malformed(f"the field {self._name[:50]!r} is too long")

    def _end_part(self) -> None:
        if self._name != "file":
            self.fields[self._name] = self._value.decode("utf-8", "replace")
            self._value.clear()
        if len(self.fields) > _FIELDS:
            raise _malformed("it has too many fields")

    def _end(self) -> None:
        self.ended = True


async def _receive(request: Request, target: Path, room: Room) -> Form:
    form = Form()
    try:
        parser = form.parser(_boundary(request))
        room.begin(_length(request))
        with await run_in_threadpool(target.open, "wb") as file:
            await _copy(request, parser, form, file=file, room=room)
    except FormParserError as error:
        raise _malformed(str(error)) from error
    except ClientDisconnect as error:
        raise _cut_off(form, "it was cut off before its end") from error
    except TimeoutError as error:
        raise _cut_off(form, f"nothing came for {SILENCE_SECONDS:g} s") from error
    except OSError as error:
        if not is_full(error):
            raise
        raise storage_full() from error
    if not form.ended:
        raise _malformed("it ends before its last boundary")
    if not form.has_file:
        missing = {"type": "missing", "loc": ("body", "file"), "msg": "Field required"}
        raise RequestValidationError([missing], body=form.fields)
    return form


async def _copy(request: Request, parser: MultipartParser, form: Form, *, file: IO[bytes], room: Room) -> None:
    size, written = 0, time.monotonic()
    async for chunk in _heard(request.stream()):
        size += len(chunk)
        if size > room.most_bytes + FRAME_BYTES:
            raise too_large(room.most_bytes)
        parser.write(chunk)
        if len(form.pending) >= _WRITE_BYTES or time.monotonic() - written > _WRITE_SECONDS:
            await run_in_threadpool(_write, file, form)
            room.take(form.size)
            written = time.monotonic()
    await run_in_threadpool(_finish, file, form)
    room.take(form.size)


async def _heard(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What comes, for as long as something does; raises TimeoutError."""
    while True:
        try:
            with fail_after(SILENCE_SECONDS):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        yield chunk


def _write(file: IO[bytes], form: Form) -> None:
    form.write(file)
    file.flush()
    os.utime(file.fileno())  # also where nothing has come of the file yet


def _finish(file: IO[bytes], form: Form) -> None:
    _write(file, form)
    os.fsync(file.fileno())


def _length(request: Request) -> int | None:
    """How long the body will be, where the client says so."""
    said = request.headers.get("content-length", "")
    return int(said) if said.isdecimal() else None


def _boundary(request: Request) -> bytes:
    _, options = parse_options_header(request.headers["content-type"])
    if not (boundary := options.get(b"boundary")):
        raise _malformed("its content type names no boundary")
    return boundary


def _malformed(reason: str) -> Unprocessable:
    hint = "Send the parts 'name' and 'file', e.g. with curl -F name=pets -F file=@pets.zip."
    return Unprocessable("malformed_multipart", f"The multipart body cannot be read: {reason[:200]}.", hint)


def _cut_off(form: Form, reason: str) -> Unprocessable:
    log.warning("upload cut off", reason=reason, received_bytes=form.size + len(form.pending))
    detail = f"The upload ended too early: {reason}."
    return Unprocessable("upload_cut_off", detail, "Send it again; nothing of it was kept.")
