"""Pictures of what happened, each made once and written as PNG and as SVG."""

from worker.plots.batch_norm import plot_batch_norm
from worker.plots.confusion import plot_confusion
from worker.plots.noise_scale import plot_noise_scale
from worker.plots.range_test import plot_range_test
from worker.plots.training import EpochCurve, plot_accuracy, plot_learning_rate, plot_loss
from worker.plots.verification import plot_verification

__all__ = [
    "EpochCurve",
    "plot_accuracy",
    "plot_batch_norm",
    "plot_confusion",
    "plot_learning_rate",
    "plot_loss",
    "plot_noise_scale",
    "plot_range_test",
    "plot_verification",
]
