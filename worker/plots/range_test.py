"""The picture of a range test: losses over the learning rate, every landmark, and the pick."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import ConnectionPatch
from matplotlib.text import Text

from app.domain.repeats import Curve, mean_curve
from app.domain.suggestion import Suggestion
from worker.plots.canvas import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    HEIGHT,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Canvas,
    fit_losses,
    initial_loss,
    open_canvas,
)

LABELS_HEIGHT = 0.85  # inches above the axes: a row of labels and the lines that lead to it
MARKS = {
    "steepest": ("steepest", SKY, "-."),
    "valley": ("valley", GREEN, ":"),
    "minimum_over_ten": ("minimum/10", ORANGE, "--"),
    "minimum": ("minimum", PURPLE, "--"),
    "edge": ("edge", BLUE, "-."),
    "divergence": ("divergence", BLACK, ":"),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A learning rate to point at."""

    rate: float
    name: str
    color: str
    line: str
    width: float = 1.2


def plot_range_test(
    curves: Sequence[Curve], suggestion: Suggestion, *, path_stem: Path, title: str, max_lr: float | None = None
) -> list[Path]:
    """Write the picture of a range test; returns the files written."""
    return draw_range_test(curves, suggestion, title=title, max_lr=max_lr).save(path_stem)


def draw_range_test(
    curves: Sequence[Curve], suggestion: Suggestion, *, title: str, max_lr: float | None = None
) -> Canvas:
    """Raw and smooth loss over a logarithmic learning rate, with the landmarks and the pick.

    Of several sweeps the mean is smoothed, and each of them lies behind it. A `max_lr` that was found in another way
    than the suggestion's takes its place, and has no interval.
    """
    picked = suggestion.max_lr if max_lr is None else max_lr
    curve = mean_curve([one.read for one in curves])
    looked = curves[0].held_out is not None
    canvas = open_canvas(title, x="learning rate", y="loss" if looked else "training loss", head=LABELS_HEIGHT)
    rates, losses = np.asarray(curve.rates), np.asarray(curve.losses, dtype=np.float64)
    smooth = np.array(suggestion.smoothed)
    marks = _marks(suggestion, picked)
    axes = canvas.axes
    axes.set_xscale("log")
    for number, one in enumerate(curves):
        label = "loss of each step" if number == 0 else None
        axes.plot(one.rates, one.losses, color=GREY, linewidth=0.8, marker=".", markersize=4, label=label)
    if looked:
        axes.plot(rates, losses, "o", color=BLACK, markersize=3.5, label="held-out loss")
    axes.plot(rates, smooth, color=BLUE, linewidth=2.2, label="smooth (LOESS)")
    shown = [rates[0], rates[-1], *(mark.rate for mark in marks)]
    axes.set_xlim(min(shown) / 1.5, max(shown) * 1.5)
    if picked == suggestion.max_lr:
        axes.axvspan(*suggestion.interval, color=VERMILION, alpha=0.14, linewidth=0, label="90 % interval of the pick")
    notes = fit_losses(axes, [losses], initial=initial_loss(losses))
    _point_at(canvas, marks, curve=(rates, smooth))
    canvas.finish(notes=notes)
    return canvas


def _marks(suggestion: Suggestion, max_lr: float) -> list[Mark]:
    found = [(rate, *MARKS[name]) for name, rate in suggestion.landmarks if rate is not None]
    pick = Mark(max_lr, "max_lr", VERMILION, "-", width=2.2)
    return sorted([pick, *(Mark(*mark) for mark in found)], key=lambda mark: mark.rate)


def _point_at(canvas: Canvas, marks: list[Mark], *, curve: tuple[np.ndarray, np.ndarray]) -> None:
    """A line through the axes for each mark, and lines that fan out above them to labels side by side."""
    axes = canvas.axes
    for mark in marks:
        axes.axvline(mark.rate, color=mark.color, linestyle=mark.line, linewidth=mark.width, zorder=1.5)
        _dot(axes, mark, curve=curve)
    texts = [_label(canvas, mark) for mark in marks]
    for mark, text, x in zip(marks, texts, _spread(canvas, texts), strict=True):
        text.set_x(x)
        canvas.figure.add_artist(_leader(canvas, mark, x=x))


def _leader(canvas: Canvas, mark: Mark, *, x: float) -> ConnectionPatch:
    """From the top of the mark's line to the foot of its label."""
    return ConnectionPatch(
        xyA=(mark.rate, 1.0),
        coordsA=canvas.axes.get_xaxis_transform(),
        xyB=(x, _labels_foot(canvas) - 0.04 / HEIGHT),
        coordsB=canvas.figure.transFigure,
        color=mark.color,
        linestyle=mark.line,
        linewidth=mark.width,
    )


def _labels_foot(canvas: Canvas) -> float:
    return float(canvas.axes.get_position().y1) + 0.36 / HEIGHT


def _dot(axes: Axes, mark: Mark, *, curve: tuple[np.ndarray, np.ndarray]) -> None:
    rates, smooth = (values[np.isfinite(curve[1])] for values in curve)
    if rates[0] <= mark.rate <= rates[-1]:
        height = np.interp(np.log(mark.rate), np.log(rates), smooth)
        star = mark.name == "max_lr"
        axes.plot(mark.rate, height, "*" if star else "o", color=mark.color, markersize=13 if star else 6, zorder=4)


def _label(canvas: Canvas, mark: Mark) -> Text:
    x = canvas.figure.transFigure.inverted().transform(canvas.axes.transData.transform((mark.rate, 0)))[0]
    y = _labels_foot(canvas)
    weight = "bold" if mark.name == "max_lr" else "normal"
    return canvas.figure.text(
        x, y, f"{mark.name}\n{mark.rate:.2g}", ha="center", va="bottom", fontsize=9.5, fontweight=weight
    )


def _spread(canvas: Canvas, texts: list[Text], *, gap: float = 0.012) -> list[float]:
    """Centres for labels in a row: where they point, or as close as they get without touching. Keeps their order."""
    canvas.figure.draw_without_rendering()
    pixels = canvas.figure.bbox.width
    widths = [text.get_window_extent().width / pixels + gap for text in texts]
    centres = [text.get_position()[0] for text in texts]
    lefts: list[float] = []
    taken = gap
    for centre, width in zip(centres, widths, strict=True):
        lefts.append(max(centre - width / 2, taken))
        taken = lefts[-1] + width
    limit = 1 - gap
    for place in reversed(range(len(texts))):
        lefts[place] = min(lefts[place], limit - widths[place])
        limit = lefts[place]
    return [left + width / 2 for left, width in zip(lefts, widths, strict=True)]
