"""Datasets over HTTP."""

import json
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from app.datasets import service
from app.datasets.schemas import DatasetOut, DatasetPage, Registration, Upload
from app.datasets.service import NewDataset
from app.datasets.upload import read_limited, received
from app.db.tables import DatasetTable
from app.errors import UnsupportedMedia
from app.http import Cursor, Limit, decode_cursor, encode_cursor
from app.ids import new_id
from app.state import Parts, State

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

Body = TypeVar("Body", bound=BaseModel)

_NO_LIMIT_OF_THE_FRAMEWORK = 1 << 62  # the two forms have limits of their own, from the settings
_FORMATS = "zip, tar, tar.gz, tar.bz2 or tar.xz of class folders, of IDX files or of one .npz; or that .npz itself."
_FILE = {"type": "string", "format": "binary", "description": _FORMATS}
_BODIES: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["name", "file"],
                "properties": {"name": Registration.model_json_schema()["properties"]["name"], "file": _FILE},
            }
        },
        "application/json": {"schema": Registration.model_json_schema()},
    },
}


@router.get("")
def list_datasets(parts: Parts, limit: Limit = 50, cursor: Cursor = None) -> DatasetPage:
    """Built-in datasets first, then uploaded and registered ones, newest first."""
    found, last = service.list_datasets(parts.database, limit=limit, after=decode_cursor(cursor))
    return DatasetPage(items=[DatasetOut.of(dataset) for dataset in found], next_cursor=encode_cursor(last))


@router.get("/{id_or_name}")
def get_dataset(id_or_name: str, parts: Parts) -> DatasetOut:
    """One dataset, by id or by name. After its check, `report` says what was expected and what was found."""
    with parts.database.reading() as session:
        return DatasetOut.of(service.find(session, id_or_name))


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    max_body_size=_NO_LIMIT_OF_THE_FRAMEWORK,
    openapi_extra={"requestBody": _BODIES},
)
async def add_dataset(parts: Parts, request: Request, response: Response) -> DatasetOut:
    """Upload an archive of class folders or arrays (multipart), or register a folder on the server (JSON).

    It is `validating` until its images were checked, then `ready` or `invalid`.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        row = await _upload(parts, request)
    elif media_type == "application/json":
        row = await _register(parts, request)
    else:
        hint = "Send multipart/form-data with an archive, or application/json with a path on the server."
        raise UnsupportedMedia("unsupported_media_type", f"This takes no {media_type or 'body without a type'}.", hint)
    response.headers["Location"] = f"/v1/datasets/{row.id}"
    return DatasetOut.of(row)


@router.delete("/{id_or_name}", status_code=status.HTTP_204_NO_CONTENT)
def delete_dataset(id_or_name: str, parts: Parts) -> None:
    """Forget a dataset. Uploaded images are removed; a registered folder stays as it is."""
    service.delete(parts.database, id_or_name)


async def _upload(parts: State, request: Request) -> DatasetTable:
    id = new_id("ds")
    target = await run_in_threadpool(parts.settings.folder, "uploads") / id
    async with received(request, target, max_bytes=parts.settings.max_upload_bytes) as fields:
        name = _validated(Upload, fields).name
        folder = await run_in_threadpool(parts.settings.folder, "datasets/uploaded") / id
        new = NewDataset(id, name, "uploaded", path=folder, upload=target)
        return await run_in_threadpool(service.add, parts.database, new)


async def _register(parts: State, request: Request) -> DatasetTable:
    body = await read_limited(request, max_bytes=parts.settings.max_body_bytes)
    wanted = _validated(Registration, _parsed(body))
    folder = await run_in_threadpool(service.allowed_folder, parts.settings, wanted.path)
    new = NewDataset(new_id("ds"), wanted.name, "registered", path=folder)
    return await run_in_threadpool(service.add, parts.database, new)


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
