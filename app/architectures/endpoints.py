"""The catalog of architectures over HTTP."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.domain.catalog import ArchitectureFact, architectures
from app.errors import not_found

router = APIRouter(prefix="/v1/architectures", tags=["architectures"])


class ArchitecturePage(BaseModel):
    """Every architecture there is."""

    items: list[ArchitectureFact]
    next_cursor: None = None


@router.get("")
def list_architectures() -> ArchitecturePage:
    """The networks a spec may name, with their options and published weights."""
    return ArchitecturePage(items=list(architectures().values()))


@router.get("/{name}")
def get_architecture(name: str) -> ArchitectureFact:
    """One network."""
    if name not in architectures():
        raise not_found("architecture", name)
    return architectures()[name]
