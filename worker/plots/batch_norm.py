"""The picture of batch-norm momenta: how well each one's running statistics serve the same weights."""

from pathlib import Path

from app.domain.batch_norm import Comparison
from worker.plots.canvas import BLACK, BLUE, VERMILION, open_canvas


def plot_batch_norm(comparison: Comparison, *, path_stem: Path, title: str) -> list[Path]:
    """Validation loss over momentum, that with exact statistics, and the pick; returns the files written."""
    canvas = open_canvas(title, x="batch-norm momentum", y="validation loss")
    axes, picked = canvas.axes, comparison.picked
    axes.set_xscale("log", base=2)
    followed = sorted((one.momentum, one.loss) for one in comparison.followed)
    axes.plot(*zip(*followed, strict=True), "o-", color=BLUE, linewidth=2, markersize=8, label="running statistics")
    exact = f"exact statistics: {comparison.exact_loss:.3g}"
    axes.axhline(comparison.exact_loss, color=BLACK, linestyle="--", linewidth=1.6, label=exact)
    chosen = f"momentum {picked.momentum:.3g}"
    axes.plot(picked.momentum, picked.loss, "*", color=VERMILION, markersize=15, linestyle="", label=chosen, zorder=4)
    axes.set_xticks([momentum for momentum, _ in followed], labels=[f"{momentum:.3g}" for momentum, _ in followed])
    axes.minorticks_off()
    canvas.finish(notes=[f"The rule for this length of training says {comparison.rule:.3g}."])
    return canvas.save(path_stem)
