"""The catalog of architectures over HTTP."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.domain.catalog import ArchitectureFact, CustomArchitectureFact, architectures
from app.errors import not_found
from app.http import UNCHANGED, send_json

router = APIRouter(prefix="/v1/architectures", tags=["architectures"])

AnyArchitecture = CustomArchitectureFact | ArchitectureFact


class ArchitecturePage(BaseModel):
    """Every architecture there is."""

    items: list[AnyArchitecture]
    next_cursor: None = None


@router.get("", response_model=ArchitecturePage, responses=UNCHANGED)
def list_architectures(request: Request) -> Response:
    """The networks a spec may name, with what they are good for, their options and published weights.

    The last one, `custom`, is declared layer by layer in the spec itself.
    """
    return send_json(request, ArchitecturePage(items=list(architectures().values())))


@router.get("/{name}", response_model=AnyArchitecture, responses=UNCHANGED)
def get_architecture(name: str, request: Request) -> Response:
    """One network."""
    if name not in architectures():
        raise not_found("architecture", name)
    return send_json(request, architectures()[name])
