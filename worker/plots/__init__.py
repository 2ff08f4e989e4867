"""Pictures of what happened, each made once and written as PNG and as SVG."""

from worker.plots.range_test import RangeCurve, plot_range_test
from worker.plots.training import EpochCurve, plot_accuracy, plot_learning_rate, plot_loss

__all__ = ["EpochCurve", "RangeCurve", "plot_accuracy", "plot_learning_rate", "plot_loss", "plot_range_test"]
