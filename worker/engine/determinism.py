"""Kernels that give the same bits every time: torch's switches for them, set for a while and put back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from worker.engine.errors import NotDeterministic


@contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """Where wanted, allow deterministic kernels alone; raises NotDeterministic at one that has none."""
    if not wanted:
        yield
        return
    before = _switches()
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False  # the fastest kernel of a trial is not always the same
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        raise NotDeterministic(str(error).partition(", but")[0]) from error
    finally:
        is_on, warns_only, torch.backends.cudnn.benchmark = before
        torch.use_deterministic_algorithms(is_on, warn_only=warns_only)


def _switches() -> tuple[bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
    )
