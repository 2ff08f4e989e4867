"""Datasets over HTTP."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from app.callers import Scope
from app.datasets import service
from app.datasets.quotas import NO_QUOTA, Arrival, Holdings, Quota
from app.datasets.room import Room
from app.datasets.schemas import DatasetOut, DatasetPage, Registration, Upload
from app.datasets.service import NewDataset
from app.datasets.upload import read_limited, received
from app.errors import UnsupportedMedia
from app.files import StoredFile, send_file
from app.http import UNCHANGED, send_json
from app.idempotency.once import Answer, Once, OnceUnread
from app.ids import new_id
from app.paging import Paging
from app.security import Authenticated
from app.state import Parts, State

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}, "description": "The picture; `Range` is honoured."}
}

Body = TypeVar("Body", bound=BaseModel)

_NO_LIMIT_OF_THE_FRAMEWORK = 1 << 62  # the two forms have limits of their own, from the settings
_FORMATS = "zip, tar, tar.gz, tar.bz2, tar.xz or tar.zst of class folders, IDX files or one .npz; or that .npz."
_FILE = {"type": "string", "format": "binary", "description": _FORMATS}


def _form_fields() -> dict[str, Any]:
    """As a form has them: it knows no null, so what is not given is left out."""
    fields = Upload.model_json_schema()["properties"]
    return {name: _without_null(field) for name, field in fields.items()} | {"file": _FILE}


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    given = {key: value for key, value in field.items() if key != "anyOf" and (key, value) != ("default", None)}
    value: dict[str, Any] = field.get("anyOf", [{}])[0]
    return given | value


_BODIES: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "file"],
                "properties": _form_fields(),
            }
        },
        "application/json": {"schema": Registration.model_json_schema()},
    },
}


@router.get("", response_model=DatasetPage, responses=UNCHANGED)
def list_datasets(parts: Parts, caller: Authenticated, page: Paging) -> Response:
    """Built-in datasets first, then uploaded and registered ones, newest first."""
    found = service.list_datasets(parts.database, caller, limit=page.rows, after=page.after)
    return page.answer(DatasetPage, _shown(parts, found))


@router.get("/{id_or_name}", response_model=DatasetOut, responses=UNCHANGED)
def get_dataset(id_or_name: str, parts: Parts, caller: Authenticated, request: Request) -> Response:
    """One dataset, by id or by name. After its check, `report` says what was expected and what was found."""
    with parts.database.reading() as session:
        dataset = service.find(session, id_or_name, caller)
    return send_json(request, _shown(parts, [dataset])[0])


@router.get("/{id_or_name}/preview.png", response_class=Response, responses=_PICTURE)
def get_preview(id_or_name: str, parts: Parts, caller: Authenticated, request: Request) -> Response:
    """A picture of up to 20 classes: the name of each, how many images it has, and up to 8 of them."""
    with parts.database.reading() as session:
        found = service.preview(session, id_or_name, caller)
    return send_file(request, parts.store, StoredFile(service.PREVIEW, media_type="image/png", **found))


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    max_body_size=_NO_LIMIT_OF_THE_FRAMEWORK,
    response_model=DatasetOut,
    openapi_extra={"requestBody": _BODIES},
)
async def add_dataset(parts: Parts, request: Request, once: OnceUnread) -> Response:
    """Upload an archive of class folders or arrays (multipart), or register a folder on the server (JSON).

    It is `validating` until its images were checked, then `ready` or `invalid`. Registering needs the scope `admin`.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return await _upload(parts, request, once)
    if media_type == "application/json":
        once.caller.require(Scope.ADMIN)
        return await _register(parts, request, once)
    hint = "Send multipart/form-data with an archive, or application/json with a path on the server."
    raise UnsupportedMedia("unsupported_media_type", f"This takes no {media_type or 'body without a type'}.", hint)


@router.delete("/{id_or_name}", status_code=status.HTTP_204_NO_CONTENT)
def delete_dataset(id_or_name: str, parts: Parts, caller: Authenticated) -> None:
    """Forget a dataset. Uploaded images are removed; a registered folder stays as it is."""
    service.delete(parts.database, parts.store, id_or_name, caller)


def _shown(parts: State, datasets: Sequence[service.Dataset]) -> list[DatasetOut]:
    expiries = service.expiries(parts.database, datasets, days=parts.settings.unused_dataset_days)
    return [DatasetOut.of(one).model_copy(update={"expires_at": expiries.get(one.id)}) for one in datasets]


async def _upload(parts: State, request: Request, once: Once) -> Response:
    id = new_id("ds")
    target = await run_in_threadpool(parts.settings.folder, "uploads") / id
    with once.held(), parts.arrivals.one(once.caller.owner) as arrival:
        room = await run_in_threadpool(_room, parts, once, arrival, folder=target.parent)
        async with received(request, target, room=room) as form:
            wanted = _validated(Upload, form.fields)
            folder = await run_in_threadpool(parts.settings.folder, "datasets/uploaded") / id
            places: dict[str, Any] = {"path": folder, "upload": target, "size": form.size}
            new = NewDataset(id, once.caller.owner, wanted.name, "uploaded", **places, **_options(wanted))
            content = f"{wanted.model_dump_json()} {form.sha256}".encode()
            response = await _added(parts, new, once, content=content)
        if response.headers.get("Location") != _address(id):  # said again for another upload: this one is not needed
            await run_in_threadpool(target.unlink, missing_ok=True)
        return response


async def _register(parts: State, request: Request, once: Once) -> Response:
    body = await read_limited(request, max_bytes=parts.settings.max_body_bytes)
    wanted = _validated(Registration, _parsed(body))
    folder = await run_in_threadpool(service.allowed_folder, parts.settings, wanted.path)
    new = NewDataset(new_id("ds"), once.caller.owner, wanted.name, "registered", path=folder, **_options(wanted))
    with once.held():
        return await _added(parts, new, once, content=body)


def _options(wanted: Upload | Registration) -> dict[str, Any]:
    return wanted.model_dump(include={"test_fraction", "split_seed", "on_bad_file"})


def _room(parts: State, once: Once, arrival: Arrival, *, folder: Path) -> Room:
    """What this upload may take. One that was answered is heard again and adds nothing, so no quota is in its way."""
    settings, quota = parts.settings, Quota.of(parts.settings)
    if not quota.is_set or once.was_answered():
        quota, held = NO_QUOTA, Holdings(arrival.owner)
    else:
        held = service.holdings(parts.database, arrival.owner)
    limits = settings.max_upload_bytes, settings.disk_floor_bytes
    return Room(*limits, folder=folder, arrival=arrival, arrivals=parts.arrivals, quota=quota, held=held)


async def _added(parts: State, new: NewDataset, once: Once, *, content: bytes) -> Response:
    def work(session: Session) -> Answer:
        row = service.add(session, new, Quota.of(parts.settings))
        return Answer.of(DatasetOut.of(row), status=status.HTTP_202_ACCEPTED, headers={"Location": _address(row.id)})

    return await run_in_threadpool(once.do_held, work, content=content)


def _address(id: str) -> str:
    return f"/v1/datasets/{id}"


def _parsed(body: bytes) -> Any:  # noqa: ANN401
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        # The shape FastAPI gives its own, so that one handler answers both.
        found = {"type": "json_invalid", "loc": ("body", 0), "msg": reason, "ctx": {"error": reason}}
        raise RequestValidationError([found]) from error


def _validated(schema: type[Body], data: Any) -> Body:  # noqa: ANN401
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        found = [{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors(include_url=False)]
        raise RequestValidationError(found, body=data) from error
