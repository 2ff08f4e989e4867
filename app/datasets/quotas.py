"""How much the data sets of one owner may take: asked before an upload, while it comes in, and when it is stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.config import Settings
from app.errors import Conflict


@dataclass(frozen=True)
class Quota:
    """The limits for every owner alike; None is no limit."""

    most_sets: int | None = None
    most_bytes: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Quota":
        """As the operator set it."""
        return cls(settings.max_datasets_per_owner, settings.max_dataset_bytes_per_owner)

    @property
    def is_set(self) -> bool:
        """Whether there is anything to look at."""
        return self.most_sets is not None or self.most_bytes is not None

    def room(self, held: "Holdings", *, without: int) -> int | None:
        """How many bytes are left, if those `without` are let go."""
        return None if self.most_bytes is None else max(0, self.most_bytes - held.bytes + without)


NO_QUOTA = Quota()


@dataclass(frozen=True)
class Holdings:
    """What an owner has: how many sets, their bytes, and the largest by name."""

    owner: str
    sets: int = 0
    bytes: int = 0
    largest: tuple[tuple[str, int], ...] = ()

    def refuse_another(self, quota: Quota, *, beside: int = 0) -> None:
        """Raise Conflict where one more set is too many, with `beside` others that are on their way."""
        if quota.most_sets is not None and self.sets + beside >= quota.most_sets:
            detail = f"{self.owner} has {self.sets + beside:,} data sets, which is as many as may be."
            raise Conflict("quota_exceeded", detail, self._hint())

    def refuse_bytes(self, quota: Quota, size: int, *, beside: int = 0) -> None:
        """Raise Conflict where `size` more bytes are too many, with `beside` others that are on their way."""
        held = self.bytes + beside
        if quota.most_bytes is not None and held + size > quota.most_bytes:
            detail = f"{self.owner} has data sets of {held:,} bytes; with this one, more than {quota.most_bytes:,}."
            raise Conflict("quota_exceeded", detail, self._hint())

    def _hint(self) -> str:
        largest = ", ".join(f"{name} ({size:,} bytes)" for name, size in self.largest)
        return f"Delete data sets that are not needed. The largest: {largest}." if largest else "Delete or send less."


@dataclass(eq=False)
class Arrival:
    """An upload under way."""

    owner: str
    size: int = 0  #: what has come, or is to come
    is_taken: bool = False  #: it had room when it began


@dataclass
class Arrivals:
    """The uploads that this process receives. Used on the event loop alone."""

    _all: set[Arrival] = field(default_factory=set)

    @contextmanager
    def one(self, owner: str) -> Iterator[Arrival]:
        """Note an upload for as long as it lasts."""
        arrival = Arrival(owner)
        self._all.add(arrival)
        try:
            yield arrival
        finally:
            self._all.discard(arrival)

    def beside(self, arrival: Arrival) -> list[Arrival]:
        """What else comes for the same owner."""
        return [
            other for other in self._all if other is not arrival and other.is_taken and other.owner == arrival.owner
        ]
