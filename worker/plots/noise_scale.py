"""The picture of a batch size that was chosen: what larger batches gain by the step, and lose by the image."""

from pathlib import Path

import numpy as np

from app.domain.noise_scale import LARGEST, SMALLEST, image_progress, step_progress
from worker.plots.canvas import BLACK, BLUE, GREEN, VERMILION, open_canvas


def plot_noise_scale(noise: float, *, chosen: int, path_stem: Path, title: str) -> list[Path]:
    """Progress by step and by image over the batch size, the noise scale where they cross, and the choice."""
    canvas = open_canvas(title, x="batch size", y="share of the most that a step, or an image, can gain")
    axes, low, high = canvas.axes, min(SMALLEST, chosen, noise) / 2, max(LARGEST, chosen, noise) * 2
    sizes = np.geomspace(low, high, 200)
    axes.plot(sizes, [step_progress(size, noise) for size in sizes], color=BLUE, linewidth=2, label="a step gains")
    axes.plot(sizes, [image_progress(size, noise) for size in sizes], color=GREEN, linewidth=2, label="an image gains")
    axes.axvline(noise, color=BLACK, linestyle="--", linewidth=1.6, label=f"gradient noise scale {noise:.3g}")
    picked = (chosen, step_progress(chosen, noise))
    axes.plot(*picked, "*", color=VERMILION, markersize=15, linestyle="", label=f"batch size {chosen}", zorder=4)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlim=(low, high), ylim=(0, 1.02))
    canvas.finish(notes=["Measured at the beginning of a training; the noise scale grows as the loss falls."])
    return canvas.save(path_stem)
