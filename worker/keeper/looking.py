"""Looks at pictures, one after the other; at many with helpers, which `python -m worker.keeper.looking` is.

What a helper finds wrong is looked at here once more: it has a part of the memory, and the verdict is not to tell.
"""

import hashlib
import logging
import resource
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from operator import mul
from typing import Any, NamedTuple

from worker.datasets.crew import Helpers, Pace, serve
from worker.datasets.decoding import MAX_PIXELS, as_mode, is_grey, read, reading
from worker.datasets.errors import Problem, Refused

_BITS = (255 * MAX_PIXELS).bit_length()  #: that the sum of a channel takes
_WEIGHTS = [value + (value**2 << _BITS) for value in range(256)]  #: for both sums in one go
_SHARED = (resource.RLIMIT_AS, resource.RLIMIT_CPU)


class Picture(NamedTuple):
    """What one file holds. Sums of its values and of their squares are three; those of grey are thrice the same."""

    digest: str
    size: int
    width: int
    height: int
    mode: str
    has_colour: bool
    sums: list[int]
    squares: list[int]


def look_at_all(root: str, paths: Sequence[str]) -> Iterator[Picture | Problem]:
    """Each picture in the order of paths, or what is wrong with it."""
    pace = Pace(len(paths))
    while pace.done < len(paths) and not pace.helpers_pay():
        began = time.perf_counter()
        found = look(root, paths[pace.done])
        pace.take(1, since=began)
        yield found
    if pace.done < len(paths):
        yield from _look_with_helpers(root, paths[pace.done :], at_once=pace.at_once)


def _look_with_helpers(root: str, paths: Sequence[str], *, at_once: int) -> Iterator[Picture | Problem]:
    pieces = [paths[start : start + at_once] for start in range(0, len(paths), at_once)]
    with Helpers(__name__) as helpers:
        for piece, rows in zip(pieces, helpers.ask_all([root, piece] for piece in pieces), strict=True):
            for path, row in zip(piece, rows, strict=True):
                yield look(root, path) if row is None else Picture(*row)


def look(root: str, path: str) -> Picture | Problem:
    """Decode a picture in full: half a JPEG has a good header."""
    try:
        data = read(f"{root}/{path}")
    except OSError as error:
        detail = f"It cannot be read: {error.strerror or error}."
        return Problem("unreadable_image", path, detail, "Let the service read it, or leave it out.")
    try:
        with reading(data, path) as image:
            stored, has_colour = image.mode, not is_grey(image)
            levels = as_mode(image, "RGB" if has_colour else "L").histogram()
            size = image.size
    except Refused as error:
        return error.problem
    sums, squares = _sums(levels)
    return Picture(hashlib.sha256(data).hexdigest(), len(data), *size, stored, has_colour, sums, squares)


def _sums(levels: list[int]) -> tuple[list[int], list[int]]:
    """Of three channels' values, and of their squares, from a histogram of one or three."""
    both = [sum(map(mul, _WEIGHTS, levels[start : start + 256])) for start in range(0, len(levels), 256)]
    both *= 3 // len(both)
    return [total % (1 << _BITS) for total in both], [total >> _BITS for total in both]


def _answer(request: Any) -> list[Picture | None]:  # noqa: ANN401
    root, paths = request
    return [_tried(root, path) for path in paths]


def _tried(root: str, path: str) -> Picture | None:
    try:
        found = look(root, path)
    except MemoryError:
        return None
    return None if isinstance(found, Problem) else found


def main() -> None:
    """Be one of so many helpers, with a part of the limits that they all inherit."""
    helpers = int(sys.argv[1])
    for limit in _SHARED:
        _, most = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY:
            resource.setrlimit(limit, (most // helpers, most // helpers))
    warnings.simplefilter("ignore")  # as in the check
    logging.disable()
    serve(_answer)


if __name__ == "__main__":
    main()
