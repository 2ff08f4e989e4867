"""What an upload may still take: of its own limit, of its owner's quota, and of the disk."""

from dataclasses import dataclass
from pathlib import Path

from app.datasets.quotas import Arrival, Arrivals, Holdings, Quota
from app.disk import free_bytes
from app.errors import StorageFull, TooLarge

FRAME_BYTES = 100_000  #: what boundaries, headers and fields may add to the file


@dataclass(frozen=True)
class Room:
    """Asked before an upload, as far as its length is known, and after every piece of it."""

    most_bytes: int
    floor_bytes: int
    folder: Path
    arrival: Arrival
    arrivals: Arrivals
    quota: Quota
    held: Holdings

    def begin(self, length: int | None) -> None:
        """Raise where a body of this length is in vain; without one, where nothing at all has room."""
        if length is not None and length > self.most_bytes + FRAME_BYTES:
            raise too_large(self.most_bytes)
        self.held.refuse_another(self.quota, beside=len(self.arrivals.beside(self.arrival)))
        size = max(0, (length or 0) - FRAME_BYTES)
        self._refuse_excess(size)
        self._refuse_full(size)
        self.arrival.size, self.arrival.is_taken = size, True

    def take(self, size: int) -> None:
        """Raise where the file has grown too large; `size` of it is on the disk."""
        if size > self.most_bytes:
            raise too_large(self.most_bytes)
        self._refuse_excess(size)
        self._refuse_full(0)
        self.arrival.size = max(self.arrival.size, size)

    def _refuse_excess(self, size: int) -> None:
        beside = sum(other.size for other in self.arrivals.beside(self.arrival))
        self.held.refuse_bytes(self.quota, size, beside=beside)

    def _refuse_full(self, size: int) -> None:
        if free_bytes(self.folder) - size < self.floor_bytes:
            raise storage_full()


def too_large(most_bytes: int) -> TooLarge:
    """More than one upload may have."""
    return TooLarge("body_too_large", f"At most {most_bytes:,} bytes are taken.", "Send less.")


def storage_full() -> StorageFull:
    """The disk has no room, or would have less than the operator keeps free."""
    detail = "The server has no room for this upload; nothing of it was kept."
    return StorageFull("storage_full", detail, "Delete data sets or models that are not needed, or ask the operator.")
