"""Models over HTTP."""

from fastapi import APIRouter, Request, Response, status

from app.errors import NotFound
from app.http import Cursor, Limit, StoredFile, decode_cursor, encode_cursor, link_next, send_file
from app.models import service
from app.models.schemas import ModelOut, ModelPage
from app.security import Authenticated
from app.state import Parts

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("")
def list_models(
    parts: Parts,
    caller: Authenticated,
    request: Request,
    response: Response,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ModelPage:
    """Trained models, newest first."""
    with parts.database.reading() as session:
        models, last = service.page(session, caller, limit=limit, before=decode_cursor(cursor))
        page = ModelPage(items=[ModelOut.of(model) for model in models], next_cursor=encode_cursor(last))
    link_next(request, response, page.next_cursor)
    return page


@router.get("/{model_id}")
def get_model(model_id: str, parts: Parts, caller: Authenticated) -> ModelOut:
    """One model."""
    with parts.database.reading() as session:
        return ModelOut.of(service.find(session, model_id, caller))


@router.delete("/{model_id}", status_code=status.HTTP_204_NO_CONTENT)
def delete_model(model_id: str, parts: Parts, caller: Authenticated) -> None:
    """Remove a model and its files."""
    service.delete(parts.database, parts.store, model_id, caller)


@router.get(
    "/{model_id}/files/{name}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file; `Range` is honoured."}},
)
def get_model_file(model_id: str, name: str, parts: Parts, caller: Authenticated, request: Request) -> Response:
    """`weights.safetensors` or `config.json`."""
    with parts.database.reading() as session:
        files = {file.name: file for file in service.find(session, model_id, caller).files}
    if name not in files:
        raise NotFound("unknown_file", f"The model has no file {name!r}.", f"It has: {', '.join(sorted(files))}.")
    file = files[name]
    return send_file(request, parts.store, StoredFile(name, file.key, file.size, file.sha256, file.media_type))
