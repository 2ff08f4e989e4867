"""The catalog of architectures over HTTP."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.domain.catalog import ArchitectureFact, CustomArchitectureFact, architectures
from app.errors import not_found

router = APIRouter(prefix="/v1/architectures", tags=["architectures"])

AnyArchitecture = CustomArchitectureFact | ArchitectureFact


class ArchitecturePage(BaseModel):
    """Every architecture there is."""

    items: list[AnyArchitecture]
    next_cursor: None = None


@router.get("")
def list_architectures() -> ArchitecturePage:
    """The networks a spec may name, with what they are good for, their options and published weights.

    The last one, `custom`, is declared layer by layer in the spec itself.
    """
    return ArchitecturePage(items=list(architectures().values()))


@router.get("/{name}")
def get_architecture(name: str) -> AnyArchitecture:
    """One network."""
    if name not in architectures():
        raise not_found("architecture", name)
    return architectures()[name]
