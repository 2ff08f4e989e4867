"""Seconds until fastai's `fit_one_cycle` has a network at an accuracy, its own `lr_find` included; prints JSON.

Run by `time_to_accuracy.py` and `experiments.py`, with the interpreter that has fastai.
"""

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import fastai
import torch
from fastai.vision.all import (
    Callback,
    CropPad,
    CrossEntropyLossFlat,
    Flip,
    ImageDataLoaders,
    Learner,
    Normalize,
    PadMode,
    PILImage,
    PILImageBW,
    RandomCrop,
    accuracy,
    set_seed,
)

from worker.engine import nets


class Watching(Callback):
    """Notes when the accuracy on the validation folder is first reached."""

    order = 60  # after the recorder

    def __init__(self, began: float, target: float) -> None:
        self.began, self.target = began, target
        self.reached: float | None = None
        self.accuracies: list[float] = []

    def after_epoch(self) -> None:
        """Look at the recorder's last row, which lr_find leaves empty."""
        if not self.recorder.values or hasattr(self, "lr_finder"):
            return
        self.accuracies.append(float(self.recorder.values[-1][-1]))
        if self.reached is None and self.accuracies[-1] >= self.target:
            self.reached = perf_counter() - self.began


def main() -> None:
    """Train once with fastai's defaults: Adam, the valley that lr_find suggests, 25 % warm-up."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    warnings.filterwarnings("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # fastai prints as well
    torch.set_num_threads(asked["threads"])
    if "seed" in asked:
        set_seed(asked["seed"])
    began = perf_counter()
    watching = Watching(began, asked["target"])
    learner = _learner(asked)
    with learner.no_bar(), learner.no_logging():
        max_lr = learner.lr_find(show_plot=False).valley
        found = perf_counter() - began
        learner.fit_one_cycle(asked["epochs"], lr_max=max_lr, cbs=watching)
    facts = {"seconds": watching.reached, "accuracies": watching.accuracies, "max_lr": max_lr, "search_seconds": found}
    answers.write(json.dumps(facts | {"version": fastai.__version__, "total_seconds": perf_counter() - began}) + "\n")
    answers.flush()


def _learner(asked: dict[str, Any]) -> Learner:
    crop, flip = asked["crop"], asked["flip"]
    side, channels = asked["side"], asked["channels"]
    data = ImageDataLoaders.from_folder(
        asked["folder"],
        train="train",
        valid="test",
        bs=asked["batch"],
        num_workers=2,
        img_cls=PILImageBW if channels == 1 else PILImage,
        item_tfms=[CropPad(side + 2 * crop, pad_mode=PadMode.Reflection), RandomCrop(side)] if crop else [],
        batch_tfms=[*([Flip()] if flip else []), Normalize.from_stats(asked["mean"], asked["std"])],
        device=torch.device(asked["device"]),
    )
    network = nets.build(
        asked["architecture"], classes=10, channels=channels, image_size=side, options=asked["options"]
    )
    return Learner(
        data,
        network,
        loss_func=CrossEntropyLossFlat(),
        metrics=accuracy,
        path=Path(tempfile.mkdtemp()),
    )


if __name__ == "__main__":
    main()
