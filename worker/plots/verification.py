"""The picture of the short cycles by which max_lr was verified."""

from collections.abc import Sequence
from pathlib import Path

from app.domain.verification import Trial
from worker.plots.canvas import BLACK, BLUE, VERMILION, open_canvas


def plot_verification(trials: Sequence[Trial], *, max_lr: float, path_stem: Path, title: str) -> list[Path]:
    """The loss at the end of every short cycle over its largest rate, and the pick; returns the files written."""
    canvas = open_canvas(title, x="max_lr", y="loss at the end of the short cycle")
    axes = canvas.axes
    axes.set_xscale("log", base=10)
    ended = sorted((trial.max_lr, trial.loss) for trial in trials if trial.loss is not None)
    if ended:
        axes.plot(*zip(*ended, strict=True), "o-", color=BLUE, linewidth=2, markersize=8, label="short cycle")
    for number, trial in enumerate(trial for trial in trials if trial.loss is None):
        label = "diverged" if number == 0 else None
        axes.axvline(trial.max_lr, color=BLACK, linestyle=":", linewidth=1.6, label=label)
    axes.axvline(max_lr, color=VERMILION, linewidth=2.2, label=f"max_lr {max_lr:.2g}")
    tried = sorted(trial.max_lr for trial in trials)
    axes.set_xticks(tried, labels=[f"{rate:.3g}" for rate in tried])
    axes.minorticks_off()
    axes.set_xlim(min(*tried, max_lr) / 1.5, max(*tried, max_lr) * 1.5)
    steps = max(trial.steps for trial in trials)
    note = f"Cycles of {steps} optimizer steps. The whole training stays below their best: it is longer at its peak."
    canvas.finish(notes=[note])
    return canvas.save(path_stem)
