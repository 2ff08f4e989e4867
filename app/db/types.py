"""Column types and SQL functions that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Double, TypeDecorator, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement


class Timestamp(TypeDecorator[datetime]):
    """A moment: UTC seconds since 1970 in the database, an aware datetime in Python.

    Numbers, because leases are arithmetic on the database's own clock and must be the same on both databases.
    """

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        """Into the database."""
        return None if value is None else value.timestamp()

    def process_result_value(self, value: float | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Out of the database."""
        return None if value is None else datetime.fromtimestamp(value, UTC)


class database_now(FunctionElement[float]):  # noqa: N801 - reads as an SQL function
    """The database's clock, in UTC seconds: the only clock leases are measured by."""

    type = Double()
    inherit_cache = True
    name = "database_now"


@compiles(database_now, "sqlite")
def _sqlite_now(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401, ARG001
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "postgresql")
def _postgresql_now(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401, ARG001
    return "cast(extract(epoch from clock_timestamp()) as double precision)"


def database_in(delay: timedelta) -> ColumnElement[float]:
    """The database's clock, `delay` from now."""
    return database_now() + literal(delay.total_seconds(), Double)


def now_seconds(session: Session) -> float:
    """The database's clock, read now."""
    return float(session.execute(select(database_now())).scalar_one())
