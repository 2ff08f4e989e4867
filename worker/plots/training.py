"""The pictures of a training: learning rate and momentum, losses, accuracies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from app.domain.curves import Column, downsample
from app.domain.smoothing import loess
from worker.plots.canvas import BLACK, BLUE, GREY, ORANGE, VERMILION, Canvas, fit_losses, initial_loss, open_canvas

MOST_POINTS = 2000  # more than there are pixels; keeps the SVG small


@dataclass(frozen=True, slots=True)
class EpochCurve:
    """One value per finished epoch, from the training images and from those held out."""

    epochs: Sequence[int]
    train: Sequence[float]
    validation: Sequence[float]


def plot_learning_rate(
    steps: Sequence[int], learning_rates: Sequence[float], *, momenta: Column | None, path_stem: Path, title: str
) -> list[Path]:
    """Learning rate over optimizer steps and, on an axis of its own, momentum; returns the files written."""
    columns: dict[str, Column] = {"step": steps, "learning_rate": learning_rates}
    if momenta is not None:
        columns["momentum"] = momenta
    rows = {name: np.array(column, dtype=np.float64) for name, column in downsample(columns, MOST_POINTS).items()}
    canvas = open_canvas(title, x="optimizer step", y="learning rate")
    axes, marker = [canvas.axes], _marker(steps)
    canvas.axes.plot("step", "learning_rate", f"{marker}-", data=rows, color=BLUE, linewidth=2, label="learning rate")
    canvas.axes.set_ylim(bottom=0)
    canvas.axes.xaxis.set_major_locator(_whole_numbers())
    if momenta is not None:
        axes.append(canvas.axes.twinx())
        axes[1].plot("step", "momentum", f"{marker}--", data=rows, color=ORANGE, linewidth=2, label="momentum")
        axes[1].set_ylabel("momentum")
        axes[1].spines["top"].set_visible(False)
    canvas.finish(axes=axes)
    return canvas.save(path_stem)


def plot_loss(
    steps: Sequence[int],
    losses: Sequence[float],
    *,
    epochs: EpochCurve,
    steps_per_epoch: int,
    path_stem: Path,
    title: str,
) -> list[Path]:
    """Write the picture of the losses; returns the files written."""
    return draw_loss(steps, losses, epochs=epochs, steps_per_epoch=steps_per_epoch, title=title).save(path_stem)


def draw_loss(
    steps: Sequence[int], losses: Sequence[float], *, epochs: EpochCurve, steps_per_epoch: int, title: str
) -> Canvas:
    """The loss of each step, raw and smooth, and the losses of each epoch, over epochs."""
    rows = downsample({"step": steps, "loss": losses}, MOST_POINTS)
    passed = (np.array(rows["step"], dtype=np.float64) + 1) / steps_per_epoch
    raw = np.array(rows["loss"], dtype=np.float64)
    canvas = open_canvas(title, x="epoch", y="loss")
    canvas.axes.plot(passed, raw, color=GREY, linewidth=0.7, alpha=0.8, label="each step", marker=_marker(steps))
    if np.isfinite(raw).sum() >= 3:
        canvas.axes.plot(passed, loess(passed, raw, share=0.05), color=BLUE, linewidth=2, label="smooth (LOESS)")
    _plot_epochs(canvas.axes, epochs)
    shown = [raw, np.array(epochs.train, dtype=np.float64), np.array(epochs.validation, dtype=np.float64)]
    canvas.finish(notes=fit_losses(canvas.axes, shown, initial=initial_loss(raw)))
    return canvas


def plot_accuracy(epochs: EpochCurve, *, best_epoch: int | None, path_stem: Path, title: str) -> list[Path]:
    """Accuracy (shares from 0 to 1) after each epoch in percent, the best epoch marked; returns the files written."""
    percent = EpochCurve(epochs.epochs, _percent(epochs.train), _percent(epochs.validation))
    canvas = open_canvas(title, x="epoch", y="accuracy in %")
    _plot_epochs(canvas.axes, percent)
    if best_epoch is not None:
        best = percent.validation[list(epochs.epochs).index(best_epoch)]
        label = f"best: {best:.2f} % after epoch {best_epoch}"
        canvas.axes.plot(best_epoch, best, "*", color=VERMILION, markersize=15, linestyle="", label=label, zorder=4)
    canvas.finish()
    return canvas.save(path_stem)


def _plot_epochs(axes: Axes, epochs: EpochCurve) -> None:
    axes.plot(epochs.epochs, epochs.train, "s--", color=ORANGE, linewidth=1.6, markersize=4, label="training")
    axes.plot(epochs.epochs, epochs.validation, "o-", color=BLACK, linewidth=1.8, markersize=4.5, label="validation")
    axes.xaxis.set_major_locator(_whole_numbers())


def _percent(shares: Sequence[float]) -> list[float]:
    return [100 * share for share in shares]


def _marker(steps: Sequence[int]) -> str:
    """A dot where a line through a single point would be invisible."""
    return "o" if len(steps) == 1 else ""


def _whole_numbers() -> MaxNLocator:
    return MaxNLocator(integer=True, min_n_ticks=1)
