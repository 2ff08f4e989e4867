"""Every hostile file that this project knows."""

from functools import cache

from tests.worker.datasets.hostile import arrays, bombs, kinds, paths, pictures, tars, zips
from tests.worker.datasets.hostile.entry import Entry

ROOMS = {
    "paths": paths,
    "kinds": kinds,
    "zips": zips,
    "tars": tars,
    "bombs": bombs,
    "pictures": pictures,
    "arrays": arrays,
}


@cache
def entries_of(room: str) -> list[Entry]:
    """Those of one kind, in a fixed order."""
    return list(ROOMS[room].entries())


def every_entry() -> list[Entry]:
    """All of them."""
    return [entry for room in ROOMS for entry in entries_of(room)]
