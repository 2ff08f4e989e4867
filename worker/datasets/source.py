"""Where the images of a data set lie, and what is already known of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from worker.datasets.splitting import MadeSplit

Mode = Literal["L", "RGB"]
Resize = Literal["crop", "pad", "stretch"]  #: as `preprocessing.resize` in a spec


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """Enough to open a data set in another process.

    `root` is the folder that holds torchvision's sets, or the folder of images or arrays. Such a folder also has
    the `version`, `mode` and `side` (of its pictures, in pixels) that its check found, the `split` that it made
    where there was none, and the pictures it left out, by path. A version given for a built-in set is the one it
    must have.
    """

    kind: Literal["built_in", "imported", "uploaded", "registered"]
    name: str
    root: Path
    version: str | None = None
    mode: Mode | None = None
    side: int | None = None
    split: MadeSplit | None = None
    skipped: frozenset[str] = frozenset()
