"""What of a folder is part of a data set: nothing that is hidden, nothing that a Mac packs along, no links."""

import os
from collections.abc import Iterator
from pathlib import Path


def is_visible(name: str) -> bool:
    """Whether a folder of this name is looked into."""
    return not name.startswith(".") and name != "__MACOSX"


def visible_files(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every visible folder below, `root` first, with its visible plain files; the same order on every machine."""
    for place, folders, _ in os.walk(root):
        folders[:] = sorted(filter(is_visible, folders))
        with os.scandir(place) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        yield Path(place), [name for name in names if not name.startswith(".")]
