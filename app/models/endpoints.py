"""Models over HTTP."""

from fastapi import APIRouter, Request, Response, status

from app.errors import NotFound
from app.files import StoredFile, send_file
from app.http import UNCHANGED, send_json
from app.models import service
from app.models.schemas import ModelOut, ModelPage
from app.paging import Paging
from app.security import Authenticated
from app.state import Parts

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", response_model=ModelPage, responses=UNCHANGED)
def list_models(parts: Parts, caller: Authenticated, page: Paging) -> Response:
    """Trained models, newest first."""
    with parts.database.reading() as session:
        models = service.page(session, caller, limit=page.rows, before=page.after)
    return page.answer(ModelPage, [ModelOut.of(model) for model in models])


@router.get("/{model_id}", response_model=ModelOut, responses=UNCHANGED)
def get_model(model_id: str, parts: Parts, caller: Authenticated, request: Request) -> Response:
    """One model."""
    with parts.database.reading() as session:
        model = service.find(session, model_id, caller)
    return send_json(request, ModelOut.of(model))


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
