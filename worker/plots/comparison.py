"""The pictures of a comparison: accuracy over epochs and over seconds, learning rates, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from worker.plots.canvas import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Canvas,
    open_canvas,
    save_figure,
    shorten,
)

Array = NDArray[np.float64]

FIRST = {"baseline": BLACK, "one_cycle": VERMILION}  #: what the comparison is about; the others take turns
OTHERS = (BLUE, GREEN, ORANGE, PURPLE, SKY, GREY)
DASHES = ("-", "--", "-.", ":")
MOST_IN_A_ROW = 4  #: names that fit below the data
ROW_HEIGHT, HEAD_HEIGHT, FOOT_HEIGHT, WIDTH, DPI = 0.42, 1.0, 0.9, 9.0, 100  # inches


@dataclass(frozen=True, slots=True)
class ArmCurves:
    """Of one arm: validation accuracy (shares) after each epoch, a row for each seed, and when it was reached."""

    name: str
    accuracy: Array  #: seeds x epochs
    seconds: Array  #: seeds x epochs, since the first optimizer step


@dataclass(frozen=True, slots=True)
class ArmRates:
    """The learning rate of each optimizer step of an arm, with the epochs that have passed by then."""

    name: str
    epochs: Array
    rates: Array


@dataclass(frozen=True, slots=True)
class Distance:
    """How far an arm is from the baseline, in percentage points; without an interval where there is one seed."""

    name: str
    mean: float
    interval: tuple[float, float] | None


def plot_accuracies(arms: Sequence[ArmCurves], *, target: float | None, path_stem: Path, title: str) -> list[Path]:
    """Accuracy over epochs: the mean of all seeds, and a band from the worst to the best."""
    canvas = open_canvas(title, x="epoch", y="validation accuracy in %")
    for style, arm in zip(styles([arm.name for arm in arms]), arms, strict=True):
        _plot_band(canvas, arm, np.arange(1, arm.accuracy.shape[1] + 1, dtype=np.float64), style)
    return _finish(canvas, target).save(path_stem)


def plot_seconds(arms: Sequence[ArmCurves], *, target: float | None, path_stem: Path, title: str) -> list[Path]:
    """The same over the seconds that the trainings took, on average over the seeds."""
    canvas = open_canvas(title, x="seconds of training", y="validation accuracy in %")
    for style, arm in zip(styles([arm.name for arm in arms]), arms, strict=True):
        _plot_band(canvas, arm, arm.seconds.mean(axis=0), style)
    return _finish(canvas, target).save(path_stem)


def plot_rates(arms: Sequence[ArmRates], *, path_stem: Path, title: str) -> list[Path]:
    """The learning rates of all arms over epochs; decades apart, so the axis is logarithmic."""
    canvas = open_canvas(title, x="epoch", y="learning rate")
    for (color, dashes), arm in zip(styles([arm.name for arm in arms]), arms, strict=True):
        shown = arm.rates > 0  # a schedule may end at 0, which has no place there
        canvas.axes.plot(arm.epochs[shown], arm.rates[shown], dashes, color=color, linewidth=1.8, label=arm.name)
    canvas.axes.set_yscale("log")
    _legend(canvas)
    return canvas.save(path_stem)


def plot_verdict(distances: Sequence[Distance], *, margin: float, path_stem: Path, title: str, note: str) -> list[Path]:
    """Each arm's distance to the baseline with its interval, beside the margin that the goal allows."""
    count = max(1, len(distances))  # where nothing can be compared, empty axes say so
    height = HEAD_HEIGHT + FOOT_HEIGHT + ROW_HEIGHT * count
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0.2, FOOT_HEIGHT / height, 0.75, 1 - (HEAD_HEIGHT + FOOT_HEIGHT) / height))
    axes.axvline(-margin, color=VERMILION, linestyle="--", linewidth=1.4)
    axes.axvline(0, color=GREY, linewidth=1)
    for row, one in enumerate(distances):
        color = FIRST.get(one.name, BLUE)
        if one.interval is not None:
            axes.plot(one.interval, (row, row), "-", color=color, linewidth=2.5, solid_capstyle="butt")
        axes.plot(one.mean, row, "o", color=color, markersize=7)
    axes.set_yticks(range(len(distances)), [shorten(one.name, 22) for one in distances])
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_xlabel(f"accuracy minus the baseline's, in points; dashed: the goal's margin of {margin:g}")
    axes.grid(visible=True, axis="x", color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.text(0.5, 1 - 0.3 / height, shorten(title), ha="center", va="center", fontsize=13)
    figure.text(0.5, 1 - 0.65 / height, shorten(note, 120), ha="center", va="center", fontsize=10, color="#444444")
    return save_figure(figure, path_stem)


def styles(names: Sequence[str]) -> list[tuple[str, str]]:
    """A colour and a kind of line for each, no two alike."""
    others = [name for name in names if name not in FIRST]
    found = {
        name: (OTHERS[place % len(OTHERS)], DASHES[place // len(OTHERS) % len(DASHES)])
        for place, name in enumerate(others)
    }
    return [found.get(name) or (FIRST[name], "-") for name in names]


def _plot_band(canvas: Canvas, arm: ArmCurves, places: Array, style: tuple[str, str]) -> None:
    (color, dashes), percent = style, 100 * arm.accuracy
    mark = "o" if len(places) == 1 else ""
    canvas.axes.plot(places, percent.mean(axis=0), f"{mark}{dashes}", color=color, linewidth=1.8, label=arm.name)
    if len(percent) > 1:
        canvas.axes.fill_between(places, percent.min(axis=0), percent.max(axis=0), color=color, alpha=0.12, linewidth=0)


def _finish(canvas: Canvas, target: float | None) -> Canvas:
    if target is not None:
        canvas.axes.axhline(100 * target, color=GREY, linestyle=":", linewidth=1.2)
    _legend(canvas)
    return canvas


def _legend(canvas: Canvas) -> None:
    """Names beside the lines: there may be more of them than fit below."""
    handles, labels = canvas.axes.get_legend_handles_labels()
    columns = 1 if len(handles) <= MOST_IN_A_ROW else 2
    canvas.axes.legend(handles, [shorten(label, 28) for label in labels], loc="best", ncols=columns, fontsize=9)
