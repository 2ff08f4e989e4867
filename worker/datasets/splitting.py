"""Takes test images out of a set that came without any: a share of each class, chosen by content alone.

Neither names nor order matter, and images that are the same byte for byte stay together, so none of them is both
trained on and tested with. Nothing but share and seed has to be kept to find the same images again.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

DEFAULT_TEST_FRACTION = 0.2
DEFAULT_SEED = 0


@dataclass(frozen=True, slots=True)
class MadeSplit:
    """A test split that is made here: which share of each class, and the seed of the draw."""

    test_fraction: float = DEFAULT_TEST_FRACTION
    seed: int = DEFAULT_SEED

    def ranks(self, digests: Iterable[bytes]) -> "array[int]":
        """A number for each image, from the SHA-256 of its content: equal for equal ones, else as good as random."""
        return array("Q", (rank_of(digest, seed=self.seed) for digest in digests))

    def marks(self, ranks: Sequence[int], labels: Sequence[int]) -> bytearray:
        """1 for each test image, 0 for each training image.

        Of each class the lowest ranks, as many as its share rounds to; at least one image is left to train on.
        Images that are the same go together, or not where they are too many. What lies under two classes is for
        training: nobody knows which of the two it is, and shares are drawn class by class.
        """
        marks = bytearray(len(ranks))
        room = {label: min(round(count * self.test_fraction), count - 1) for label, count in Counter(labels).items()}
        for group in alike(ranks):
            label, *others = {labels[place] for place in group}
            if not others and len(group) <= room[label]:
                room[label] -= len(group)
                for place in group:
                    marks[place] = 1
        return marks

    def version(self, content: str) -> str:
        """The version of a content that is split like this."""
        listing = f"{content}\0test_fraction\0{self.test_fraction!r}\0seed\0{self.seed}"
        return f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}"


def rank_of(digest: bytes, *, seed: int) -> int:
    """64 bits of SHA-256: of ten million images two different ones have the same once in 370,000 data sets."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0".encode() + digest).digest()[:8], "big")


def alike(ranks: Sequence[int]) -> Iterator[list[int]]:
    """The places of each rank, in the order of ranks."""
    places = sorted(range(len(ranks)), key=ranks.__getitem__)
    return (list(group) for _, group in groupby(places, key=ranks.__getitem__))
