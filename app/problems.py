"""Turns every failure of a request into one problem+json answer: ours, the framework's and the unforeseen."""

import re
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from obstore.exceptions import BaseError as StoreError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.artifacts.store import StoreUnavailable
from app.errors import Malformed, ServiceError, StorageFull, Unavailable, Unprocessable, UnsupportedMedia
from app.wording import field_errors, hint_for, summary_of

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

#: Keeps the framework from declaring refusals of its own; app.openapi declares those that are really given.
RESPONSES: dict[int | str, dict[str, Any]] = {"default": {"description": "A problem."}}

# What the framework refuses by itself: status → code, title, hint. It refuses nothing else.
_FRAMEWORK = {
    400: ("malformed_json", "The body is not valid JSON", "Send one JSON object."),
    404: ("not_found", "Not found", "See /docs for the endpoints there are."),
    405: ("method_not_allowed", "This endpoint does not take this method", "See the Allow header."),
    413: ("body_too_large", "The body is too large", "Send less."),
}
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# How the databases say it: PostgreSQL by the SQLSTATE, SQLite by the name of its error or only in words.
_UNDEFINED = ("42P01", "42703")  # table, column
_FULL = ("53100", "SQLITE_FULL")
_UNDEFINED_WORDS = re.compile(r"no such (table|column)|has no column named")


class FieldProblem(BaseModel):
    """What is wrong with one field of the body (`pointer`) or one parameter of the address (`parameter`)."""

    pointer: str = Field("", examples=["#/schedule/max_lr"])
    parameter: str = Field("", examples=["limit"])
    detail: str = Field(examples=['must be "auto" or a number greater than 0, not -1'])
    code: str = Field(examples=["out_of_range"])


class Problem(BaseModel):
    """Every error's answer (RFC 9457). `code` is stable; `detail` and `hint` are for people."""

    type: str = Field(examples=["/problems/out_of_range"])
    title: str = Field(examples=["The request is not valid"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=['#/schedule/max_lr: must be "auto" or a number greater than 0, not -1.'])
    code: str = Field(examples=["out_of_range"])
    hint: str = Field(examples=["Give a number within the bounds named."])
    errors: list[FieldProblem]
    request_id: str = Field(examples=["req_0198c0ffee"])


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for failed in (OperationalError, InterfaceError, InternalError, ProgrammingError):
        app.add_exception_handler(failed, _on_database_error)
    app.add_exception_handler(PoolTimeout, _on_database_away)
    app.add_exception_handler(StoreError, _on_store_error)
    app.add_exception_handler(StoreUnavailable, _on_store_error)
    app.add_exception_handler(Exception, _on_unforeseen)


def respond(request: Request, error: ServiceError) -> Response:
    """The answer for `error`."""
    headers = dict(error.headers)
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = error.problem(request_id(request))
    return JSONResponse(body, error.status, headers=headers, media_type=MEDIA_TYPE)


def request_id(request: Request) -> str:
    """The id this request is known by in logs and answers."""
    return str(getattr(request.state, "request_id", ""))


async def _on_service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)  # noqa: S101 - registered for it
    return respond(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    code, title, hint = _FRAMEWORK[error.status_code]
    problem = ServiceError(code, f"{request.method} {request.url.path}: {error.detail}", hint)
    body = problem.problem(request_id(request)) | {"title": title, "status": error.status_code}
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else dict(error.headers or {})
    return JSONResponse(body, error.status_code, headers=headers, media_type=MEDIA_TYPE)


def _allowed(request: Request) -> str:
    """Every method that this address takes; the framework names those of the first route alone that has it."""
    asked = {"type": "http", "path": request.scope["path"], "headers": []}
    taken = [
        method
        for method in _METHODS
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    return ", ".join(taken).replace("GET", "GET, HEAD")  # see app.gate


async def _on_database_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)  # noqa: S101 - registered for it
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    if state in _UNDEFINED or _UNDEFINED_WORDS.search(str(error.orig)):
        log.error("the schema is behind", error=str(error.orig), request_id=request_id(request))
        detail = "The database's schema is older than this version of the service."
        hint = "Run `supercycle migrate` on the server."
        return respond(request, Unavailable("schema_behind", detail, hint, retry_after_seconds=30))
    if state in _FULL:
        log.error("the database is full", error=str(error.orig), request_id=request_id(request))
        detail = "The server's disk has no room for this; nothing was changed."
        return respond(request, StorageFull("storage_full", detail, "Delete jobs or models that are not needed."))
    if isinstance(error, ProgrammingError):
        raise error  # our own mistake
    return await _on_database_away(request, error)


async def _on_store_error(request: Request, error: Exception) -> Response:
    log.error("the storage does not answer", error=str(error), request_id=request_id(request))
    detail = "The storage of files does not answer."
    hint = "Try again. /readyz says which part is down."
    return respond(request, Unavailable("storage_unavailable", detail, hint, retry_after_seconds=2))


async def _on_database_away(request: Request, error: Exception) -> Response:
    log.error("the database does not answer", error=str(error.__cause__ or error), request_id=request_id(request))
    detail = "The database does not answer."
    hint = "Try again in a moment; after a change, look first whether it was made. /readyz says which part is down."
    return respond(request, Unavailable("database_unavailable", detail, hint, retry_after_seconds=2))


async def _on_unforeseen(request: Request, error: Exception) -> Response:
    log.error("unforeseen error", exc_info=error, request_id=request_id(request), path=request.url.path)
    detail = "The service met an error it did not foresee; it is in its log under the request id."
    return respond(request, ServiceError("internal_error", detail, "Report it with the request id."))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    if any(found["type"] == "json_invalid" for found in error.errors()):
        return respond(request, _malformed(error))
    if isinstance(error.body, bytes):  # the framework parses JSON only where the content type says so
        detail = f"This takes no {request.headers.get('content-type') or 'body without a type'}."
        return respond(request, UnsupportedMedia("unsupported_media_type", detail, "Send application/json."))
    return respond(request, invalid(error.errors(), error.body))


def _malformed(error: RequestValidationError) -> ServiceError:
    reason = error.errors()[0].get("ctx", {}).get("error", "it cannot be parsed")
    return Malformed("malformed_json", f"The body is not JSON: {reason}.", "Send one JSON object.")


def invalid(found: Any, body: Any) -> Unprocessable:  # noqa: ANN401 - as pydantic has them
    """The problem for pydantic's list of errors; `body` is what they were found in."""
    errors = field_errors(found, body)
    code = errors[0].code if len({error.code for error in errors}) == 1 else "invalid_request"
    return Unprocessable(code, summary_of(errors), hint_for(errors), errors)
