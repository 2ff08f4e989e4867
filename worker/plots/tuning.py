"""The pictures of a tuning: sweeps on one axis, and what short trainings came to by value."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.plots.canvas import BLUE, GREY, VERMILION, fit_losses, initial_loss, open_canvas, shorten

Array = NDArray[np.float64]

MOST_NAMES = 12  #: values whose names fit below the axis


@dataclass(frozen=True, slots=True)
class NamedSweep:
    """The smoothed curve of one range test."""

    name: str
    rates: Array
    losses: Array


@dataclass(frozen=True, slots=True)
class Point:
    """What a short training with one value ended with; no loss where it failed."""

    name: str
    loss: float | None
    is_chosen: bool


def plot_sweeps(sweeps: Sequence[NamedSweep], *, path_stem: Path, title: str) -> list[Path]:
    """Loss over learning rate, a line for each value; the larger the value, the darker."""
    canvas = open_canvas(title, x="learning rate", y="smoothed loss")
    for place, one in enumerate(sweeps):
        shade = 0.25 + 0.75 * (place + 1) / len(sweeps)
        canvas.axes.plot(one.rates, one.losses, color=BLUE, alpha=shade, linewidth=1.8, label=one.name)
    canvas.axes.set_xscale("log")
    curves = [one.losses for one in sweeps]
    notes = fit_losses(canvas.axes, curves, initial=initial_loss(np.concatenate([curve[:20] for curve in curves])))
    canvas.axes.legend(loc="upper left", fontsize=9)
    canvas.figure.text(0.5, 0.03, " ".join(notes), ha="center", fontsize=9, color="#444444")
    return canvas.save(path_stem)


def plot_points(points: Sequence[Point], *, what: str, path_stem: Path, title: str) -> list[Path]:
    """Validation loss by value, in the order in which they were tried; the chosen one marked, failures as crosses."""
    canvas = open_canvas(title, x=what, y="validation loss of a short training")
    known = [(place, one.loss, one.is_chosen) for place, one in enumerate(points) if one.loss is not None]
    places, losses = [place for place, _, _ in known], [loss for _, loss, _ in known]
    canvas.axes.plot(places, losses, "o-", color=BLUE, label="ended with")
    chosen = [(place, loss) for place, loss, is_chosen in known if is_chosen]
    if chosen:
        canvas.axes.plot(*chosen[0], "*", color=VERMILION, markersize=16, linestyle="", zorder=4, label="chosen")
    failed = [place for place, one in enumerate(points) if one.loss is None]
    if failed:
        canvas.axes.plot(failed, [canvas.axes.get_ylim()[0]] * len(failed), "x", color=GREY, label="failed")
    if len(points) <= MOST_NAMES:
        canvas.axes.set_xticks(range(len(points)), [shorten(one.name, 14) for one in points])
    canvas.finish()
    return canvas.save(path_stem)
