"""Who keeps house: the lease by which one keeper is elected."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base


class KeeperTable(Base):
    """A single row; the holder sweeps until its lease runs out."""

    __tablename__ = "keeper"

    role: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    lease_until: Mapped[datetime]
