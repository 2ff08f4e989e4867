"""Random numbers as a function of (seed, epoch or step), so that a resumed training needs no generator's state."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch


class Use(IntEnum):
    """What numbers are drawn for; each has a stream of its own."""

    ORDER = 1
    AUGMENTATION = 2
    NETWORK = 3
    DROPOUT = 4
    CUTOUT = 5
    MIXING = 6


def generator(seed: int, *, use: Use, position: int = 0) -> np.random.Generator:
    """A generator for one epoch or one step."""
    return np.random.default_rng([seed, use, position])


def seed_torch(seed: int, *, use: Use, position: int = 0) -> None:
    """Seed torch's global generators, which initialisation and dropout draw from.

    Not with torch.manual_seed, which on a machine without a GPU notes a traceback each time for a later one:
    ten times the cost, once a step.
    """
    number = int(np.random.SeedSequence([seed, use, position]).generate_state(1, np.uint64)[0])
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(number)


@contextmanager
def preserved(device: torch.device) -> Iterator[None]:
    """Leave torch's global generators as they were found."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
