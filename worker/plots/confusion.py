"""The picture of which class was taken for which."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from worker.plots.canvas import Array, save_figure, shorten

WIDTH, HEIGHT = 8.0, 7.6  #: inches
MOST_NUMBERS, MOST_NAMES = 15, 60  #: classes up to which cells have their number, and axes the classes' names
_FONT_POINTS = 10.0


def plot_confusion(
    counts: NDArray[np.int64],
    classes: Sequence[str],
    *,
    split: Literal["test", "validation"],
    path_stem: Path,
    title: str,
) -> list[Path]:
    """Write the picture of `counts`, (C, C) with a row for each true class; returns the files written.

    Cells are coloured by their share of the row, so that classes of any size compare.
    """
    shares = shares_of_rows(counts)
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=100, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100, interpolation="nearest")
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("% of the images of the class")
    axes.set(xlabel="taken for", ylabel=f"what it is ({split} images)")
    _name(axes, classes)
    if len(classes) <= MOST_NUMBERS:
        _number(axes, counts, shares)
    figure.suptitle(f"{shorten(title, 80)}\n{describe(counts, classes)}", fontsize=11, parse_math=False)
    return save_figure(figure, path_stem)


def shares_of_rows(counts: NDArray[np.int64]) -> Array:
    """Each count as a share of its row; 0 in rows without images."""
    images = counts.sum(axis=1, keepdims=True)
    shares: Array = counts / np.maximum(images, 1)
    return shares


def describe(counts: NDArray[np.int64], classes: Sequence[str]) -> str:
    """How much of it is right, and the two classes that are confused most."""
    right, images = int(np.trace(counts)), int(counts.sum())
    words = f"{right:,} of {images:,} right ({100 * right / images:.2f} %)"
    wrong = counts - np.diag(np.diag(counts))
    true, taken = np.unravel_index(int(wrong.argmax()), wrong.shape)
    if not wrong[true, taken]:
        return words
    names = (shorten(classes[int(index)], 30) for index in (true, taken))
    return f"{words}\nmost often wrong: {' taken for '.join(names)}, {wrong[true, taken]:,} times"


def _name(axes: Axes, classes: Sequence[str]) -> None:
    """The names of the classes, where there is room; else the numbers of some of them."""
    count = len(classes)
    if count > MOST_NAMES:
        axes.set(xlabel="taken for (number of the class)")
        return
    names = [shorten(name, 24) for name in classes]
    style: dict[str, Any] = {"fontsize": min(_FONT_POINTS, 350 / count), "parse_math": False}  # a name may hold a $
    axes.set_xticks(range(count), names, rotation=90 if max(map(len, names)) > 3 else 0, **style)
    axes.set_yticks(range(count), names, **style)


def _number(axes: Axes, counts: NDArray[np.int64], shares: Array) -> None:
    for (true, taken), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[true, taken] > 0.5 else "black"
            axes.text(taken, true, f"{count:,}", ha="center", va="center", color=colour, fontsize=_FONT_POINTS)
