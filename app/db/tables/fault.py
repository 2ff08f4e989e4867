"""How often attempts broke off, by what happened to them."""

from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base


class FaultTable(Base):
    """One kind of fault, by its error code; the count outlives the jobs it happened to."""

    __tablename__ = "faults"

    code: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
