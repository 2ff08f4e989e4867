"""Keys that callers show. The key itself is nowhere: only its digest, which cannot be turned back."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base


class ApiKeyTable(Base):
    """One key and what it allows. It is revoked rather than deleted, so that its last use stays known."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str | None]
    sha256: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
