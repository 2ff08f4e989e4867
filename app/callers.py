"""Who calls: an owner, and what the key that was shown allows."""

from dataclasses import dataclass
from enum import StrEnum

from app.errors import Forbidden

ADMIN = "admin"  #: the owner of what is made without a key, or with the one of SUPERCYCLE_API_KEY


class Scope(StrEnum):
    """What a key allows."""

    READ = "read"  #: look at one's own
    SUBMIT = "submit"  #: make, change and delete one's own
    ADMIN = "admin"  #: both, of every owner, register folders of the server, and read its figures


@dataclass(frozen=True)
class Caller:
    """Somebody who may call."""

    owner: str
    scopes: frozenset[Scope]
    key_id: str | None = None

    @property
    def only(self) -> str | None:
        """The owner whose things alone this caller sees; None for an administrator, who sees everybody's."""
        return None if Scope.ADMIN in self.scopes else self.owner

    def sees(self, owner: str) -> bool:
        """Whether what this owner made is there for this caller."""
        return self.only in (None, owner)

    def require(self, scope: Scope) -> None:
        """Raise unless the key allows it."""
        if scope in self.scopes or Scope.ADMIN in self.scopes:
            return
        has = ", ".join(sorted(self.scopes)) or "none"
        detail = f"This needs a key with the scope {scope.value!r}; the one shown has: {has}."
        raise Forbidden("scope_missing", detail, f"Make one with: supercycle keys create --scope {scope.value}")


def administrator(owner: str = ADMIN) -> Caller:
    """Who may do everything; `owner` is whose names are meant and who owns what is made."""
    return Caller(owner, frozenset({Scope.ADMIN}))
