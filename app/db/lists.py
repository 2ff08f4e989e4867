"""What the statements of all lists have in common: whose rows, and which of them make a page."""

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import InstrumentedAttribute

Rows = TypeVar("Rows", bound=Select[Any])
Column = InstrumentedAttribute[str] | ColumnElement[str]


def of_owner(statement: Rows, owner: Column, only: str | None) -> Rows:
    """With `only`, what this owner made alone; None is everybody's."""
    return statement if only is None else statement.where(owner == only)


def newest_first(statement: Rows, id: Column, *, limit: int, before: str | None) -> Rows:
    """So many rows by falling id, which is by falling age; those older than the id `before`."""
    older = statement if before is None else statement.where(id < before)
    return older.order_by(id.desc()).limit(limit)
