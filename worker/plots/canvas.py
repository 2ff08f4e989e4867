"""The frame all plots share: size, colours, legend and notes below the data, and the files.

Matplotlib's object API only: no pyplot, no global state, so plots may be made in any process or thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDTH, HEIGHT, DPI = 9.0, 5.6, 100  # inches: 900 × 560 pixels
TITLE_HEIGHT, FOOT_HEIGHT = 0.5, 1.15  # inches; the foot holds x label, legend and note
LEFT, RIGHT = 0.8, 0.8  # inches, wide enough for tick labels and a second axis

# Okabe & Ito's palette, which colour-blind eyes can tell apart.
BLACK, GREY = "#000000", "#8c8c8c"
ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7"


@dataclass(frozen=True, slots=True)
class Canvas:
    """A figure with one set of axes and room around it."""

    figure: Figure
    axes: Axes

    def save(self, stem: Path) -> list[Path]:
        """Write `stem`.png and `stem`.svg. Names with a dot in them keep it."""
        return save_figure(self.figure, stem)

    def finish(self, *, axes: Sequence[Axes] = (), notes: Sequence[str] = ()) -> None:
        """Put the legend and the notes below the data, where they cannot cover any of it."""
        handles = [handle for each in axes or (self.axes,) for handle in each.get_legend_handles_labels()[0]]
        self.figure.legend(
            handles=handles,
            loc="center",
            bbox_to_anchor=(0.5, 0.44 / HEIGHT),
            ncols=max(1, len(handles)),
            frameon=False,
        )
        self.figure.text(0.5, 0.12 / HEIGHT, " ".join(notes), ha="center", fontsize=9, color="#444444")


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write `stem`.png and `stem`.svg. Names with a dot in them keep it."""
    files = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg")]
    for file in files:
        # Without the date the same curve gives the same picture.
        figure.savefig(file, dpi=DPI, metadata={"Date": None} if file.suffix == ".svg" else {})
    return files


def open_canvas(title: str, *, x: str, y: str, head: float = 0.0) -> Canvas:
    """Empty labelled axes; `head` inches stay free between them and the title."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white")
    top = TITLE_HEIGHT + head
    axes = figure.add_axes(
        (LEFT / WIDTH, FOOT_HEIGHT / HEIGHT, 1 - (LEFT + RIGHT) / WIDTH, 1 - (FOOT_HEIGHT + top) / HEIGHT)
    )
    axes.set(xlabel=x, ylabel=y)
    axes.grid(visible=True, color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.text(0.5, 1 - 0.3 / HEIGHT, shorten(title), ha="center", va="center", fontsize=13)
    return Canvas(figure, axes)


def shorten(text: str, most: int = 90) -> str:
    """What fits a line of the title."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def fit_losses(axes: Axes, curves: Sequence[Array], *, initial: float) -> list[str]:
    """Show losses up to twice where they began; says how many points a divergence put above that."""
    values = np.concatenate([np.asarray(curve, dtype=np.float64) for curve in curves])
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    ceiling = min(high, initial + max(abs(initial), initial - low))
    margin = 0.06 * (ceiling - low) or 0.1 * max(abs(high), 1e-9)  # or: a flat line still needs a height
    axes.set_ylim(low - margin, ceiling + margin)
    above, broken = int((finite > ceiling + margin).sum()), len(values) - len(finite)
    notes = [f"{_points(above)} above {ceiling + margin:.3g} not shown."] if above else []
    return [*notes, f"{_points(broken)} not finite."] if broken else notes


def _points(count: int) -> str:
    return f"{count} point{'s' * (count != 1)}"


def initial_loss(losses: Array) -> float:
    """Where the losses began: the median of the first tenth, so that one odd batch does not decide."""
    finite = losses[np.isfinite(losses)]
    if not len(finite):
        raise ValueError("no loss is finite: there is nothing to plot")
    return float(np.median(finite[: max(3, len(finite) // 10)]))
