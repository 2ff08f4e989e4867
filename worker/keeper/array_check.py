"""The part of a dataset's check that reads arrays; it alone needs numpy."""

from typing import TYPE_CHECKING

import numpy as np

from worker.datasets.array_files import ArrayFiles
from worker.datasets.array_sets import ArraySet, Pixels, judge_arrays

if TYPE_CHECKING:
    from worker.keeper.check import Survey


def survey_arrays(files: ArrayFiles, survey: "Survey") -> tuple[ArraySet, "Survey"]:
    """Look at every value, adding up what the pictures are like; raises Refused at the first that does not fit."""
    found = judge_arrays(files)
    for layout in found.layouts.values():
        survey.widths[layout.width] += layout.count
        survey.heights[layout.height] += layout.count
        survey.shorter_sides[min(layout.width, layout.height)] += layout.count
    for split, pixels in found.pictures():
        if split == "train":
            _add_levels(survey, pixels)
    return found, survey


def _add_levels(survey: "Survey", pixels: Pixels) -> None:
    levels = survey.grey_levels if pixels.ndim == 3 else survey.colour_levels
    channels = [pixels] if pixels.ndim == 3 else [pixels[..., channel] for channel in range(3)]
    counted = np.concatenate([np.bincount(channel.ravel(), minlength=256) for channel in channels])
    levels[:] = (np.array(levels) + counted).tolist()
