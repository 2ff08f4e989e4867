"""The part of a dataset's check that reads arrays; it alone needs numpy."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.datasets.array_sets import ArraySet, Pixels, digests_of
from worker.datasets.splitting import rank_of
from worker.keeper.content import Content, marks_of
from worker.keeper.preview import Gallery
from worker.keeper.survey import Survey


def survey_arrays(found: ArraySet, gallery: Gallery, *, seed: int) -> Survey:
    """Look at every value, adding up what the pictures are like; raises Refused at the first that does not fit.

    `gallery` gets the pictures it shows: an npz can be read from its beginning only.
    """
    survey, shown = Survey(), set(gallery.places)
    for layout in found.layouts.values():
        survey.count_size(layout.width, layout.height, images=layout.count)
    for _, pixels in found.pictures():
        first = len(survey.ranks)
        for place in shown.intersection(range(first, first + len(pixels))):
            gallery.add(place, Image.fromarray(pixels[place - first]))
        survey.ranks.extend(rank_of(digest, seed=seed) for digest in digests_of(pixels))
        _add_levels(survey, pixels)
    survey.modes[found.mode] = len(survey.ranks)
    paths = {stored.path for pair in found.files.pairs.values() for stored in (pair.images, pair.labels)}
    survey.bytes = sum(path.stat().st_size for path in paths)
    return survey


def array_content(found: ArraySet) -> Content:
    """The images by their place in their array."""
    names: list[tuple[int, str]] = []  #: the place of the first image of each array
    labels: list[int] = []
    for split, pair in found.files.pairs.items():
        names.append((len(labels), pair.images.name))
        labels += found.labels[split].tolist()
    training = len(found.labels["train"])
    marks = marks_of(training=training, test=len(labels) - training)

    def name(place: int) -> str:
        start, array = names[place >= training]
        return f"{array}[{place - start}]"

    return Content(found.classes, labels, marks, "arrays" if len(names) > 1 else "none", name)


def _add_levels(survey: Survey, pixels: Pixels) -> None:
    count, side = len(pixels), pixels.shape[1] * pixels.shape[2]
    values = pixels.reshape(count, side, -1)
    survey.pixels.extend([side] * count)
    # einsum converts as it goes; a block converted as a whole would be eight times as large.
    survey.sums.frombytes(_for_each(np.einsum("ijk->ik", values, dtype=np.uint64, casting="unsafe")))
    squares = np.einsum("ijk,ijk->ik", values, values, dtype=np.uint64, casting="unsafe")
    survey.squares.frombytes(_for_each(squares))
    survey.has_colour.extend(bytes([pixels.ndim == 4]) * count)


def _for_each(channels: NDArray[np.uint64]) -> bytes:
    """Three numbers a picture; of grey ones thrice the same."""
    return np.ascontiguousarray(np.broadcast_to(channels, (len(channels), 3))).tobytes()
