"""One rank of several at work on the digits: run once for each rank, it writes down what it saw for the test to read.

python rank_at_work.py NUMBER COUNT FOLDER
"""

import pickle
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from app.domain import catalog
from app.domain.schedules import build_schedule
from app.domain.specs import Freeze, parse_spec
from app.domain.specs.parts import Augmentation
from worker.engine.data import Dataset, Images
from worker.engine.errors import LrDiverged, Stopped
from worker.engine.events import CheckpointSaved, EpochDone, StepsDone, Stop
from worker.engine.fitting import largest_fitting
from worker.engine.loop import Stepper
from worker.engine.parallel import ALONE, joined
from worker.engine.range_test import sweep
from worker.engine.training import train
from worker.engine.workload import prepare

LENET = {"architecture": "lenet", "image_size": 16, "batch_size": 64, "epochs": 2, "optimizer": {"name": "sgd"}}


class Control:
    """Remembers what was emitted and how often it was asked; is told to stop at the `stop_at`-th question."""

    def __init__(self, stop_at=None):
        self.events, self.asked, self.stop_at = [], 0, stop_at

    def emit(self, event):
        self.events.append(event)

    def stop_requested(self):
        self.asked += 1
        return Stop.YIELD if self.asked == self.stop_at else None

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def seen(self):
        epochs = [
            (e.train_loss, e.train_accuracy, e.validation_loss, e.validation_accuracy) for e in self.of(EpochDone)
        ]
        losses = [loss for block in self.of(StepsDone) for loss in block.loss]
        return {"losses": losses, "epochs": epochs, "asked": self.asked, "saved": len(self.of(CheckpointSaved))}


def digits(count):
    data = load_digits()
    pixels = np.round(data.images[:count] / 16 * 255).astype(np.uint8)[:, None]
    images = Images(pixels, data.target[:count].astype(np.int64))
    shares = pixels / 255
    return Dataset("digits", [str(d) for d in range(10)], images, None, [float(shares.mean())], [float(shares.std())])


def with_dropout():
    """What differs between ranks: batch-norm statistics and dropout."""
    convolution = nn.Conv2d(1, 8, 3, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(512, 10))


def without_dropout():
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))


class Scenes:
    """Each public method is one scene; what it returns is compared."""

    def __init__(self, ranks, folder):
        self._ranks, self._folder = ranks, folder

    def lenet(self):
        return self._train(control := Control(), LENET) | control.seen()

    def every_option(self):
        """With the same draws for the whole step, however it is shared."""
        options = {
            "accumulation_steps": 2,
            "batch_size": 32,
            "gradient_clip": 1.0,
            "mixup": 0.4,
            "cutout": 6,
            "ema": 0.9,
        }
        crop = {"crop_from": 20, "augmentation": {"crop": 2, "flip": True}, "label_smoothing": 0.1}
        return self._train(control := Control(), LENET | options | crop) | control.seen()

    def range_test(self):
        spec = self._spec(LENET | {"kind": "range_test", "steps": 40, "end_lr": 100.0})
        (swept,) = sweep(self._workload(spec), spec, control := Control())
        return control.seen() | {"stopped": swept.stopped, "losses": swept.loss.tolist()}

    def batch_norm(self):
        options = {"epochs": 3, "ema": 0.9, "exact_batch_norm": True}
        return self._train(control := Control(), options, network=with_dropout) | control.seen()

    def batch_norm_momenta(self):
        options = {"epochs": 3, "ema": 0.9, "batch_norm_momentum": "auto"}
        return self._train(control := Control(), options, network=with_dropout) | control.seen()

    def resumed(self):
        """The first rank is asked to stop, and the others hear of it; then all go on from its checkpoint."""
        whole = self._train(first := Control(), {"epochs": 3}, network=with_dropout)
        stopped = Control(stop_at=8 if self._ranks.leads else None)
        try:
            self._train(stopped, {"epochs": 3}, network=with_dropout, folder="resumed")
        except Stopped as stop:
            reason = stop.reason
        saved = self._ranks.after_the_first(lambda: list((self._folder / "resumed").glob("checkpoint-*.pt")))
        again = self._train(second := Control(), {"epochs": 3}, network=with_dropout, resume=saved[0])
        return {
            "saved": stopped.seen()["saved"],
            "files": len(saved),
            "reason": reason,
            "stopped_after": stopped.asked,
            "losses": first.seen()["losses"],
            "losses_in_two": stopped.seen()["losses"] + second.seen()["losses"],
            "weights": whole["weights"],
            "weights_in_two": again["weights"],
        }

    def frozen(self):
        return self._train(control := Control(), {"epochs": 3}, network=without_dropout, freeze=1) | control.seen()

    def diverged(self):
        try:
            self._train(control := Control(), LENET, max_lr=1e6)
        except LrDiverged as error:
            return {"detail": error.detail} | control.seen()
        raise AssertionError("a rate of a million trained")

    def few_images(self):
        """One image to validate on, and a batch larger than what is left, which is an odd number."""
        workload = self._workload(self._spec({"batch_size": 128, "validation": 0.001}), count=100)
        spec = self._spec({"batch_size": 128, "epochs": 2})
        control = Control()
        schedule = build_schedule(spec.schedule, max_lr=0.01)
        train(workload, spec, schedule=schedule, control=control, folder=self._folder / "few", resume=None)
        return {"batch_size": workload.resolved["batch_size"].value} | control.seen()

    def fitting(self):
        """Asked by one rank alone, as where only one device is full."""
        workload = self._workload(self._spec({"batch_size": 64}))
        if self._ranks.count > 1 and self._ranks.leads:
            return {"fits": None}
        return {"fits": largest_fitting(workload, self._spec({}).optimizer)}

    def dropout(self):
        """The same image on every rank, through different masks."""
        workload = self._workload(self._spec({"batch_size": 2}))
        object.__setattr__(workload, "new_network", with_dropout)
        stepper = Stepper(workload, self._spec({}).optimizer)
        masks = []
        stepper.network[3].register_forward_hook(lambda _, inputs, output: masks.append(bool((output == 0).any())))
        batch = next(workload.training.shuffled(0, augmentation=Augmentation(), stop=1))
        stepper.step(batch, step=0, learning_rate=0.0, momentum=None)
        return {"first_number": torch.rand(1).item(), "masks": masks}

    def agreement(self):
        ranks, path = self._ranks, self._folder / "made by the first"
        found = ranks.after_the_first(lambda: path.exists() or bool(path.write_text("once")))
        return {
            "agreed": ranks.agree(7 if ranks.leads else 8),
            "told": ranks.tell(lambda: {"by": ranks.number}),
            "sum": ranks.add_up(torch.tensor([1.0, ranks.number])).tolist(),
            "threads": torch.get_num_threads(),
            "found": found,
        }

    def _spec(self, fields):
        small = {"kind": "training", "dataset": "digits", "architecture": "mlp", "batch_size": 32, "precision": "fp32"}
        if fields.get("kind") == "range_test":
            fields = {name: value for name, value in fields.items() if name != "epochs"}
        return parse_spec(small | fields)

    def _workload(self, spec, *, count=400):
        return prepare(
            spec,
            digits(count),
            fact=catalog.architectures()[spec.architecture.name],
            default_validation=0.2,
            default_augmentation=Augmentation(crop=1),
            device="cpu",
            weights_dir=self._folder,
            ranks=self._ranks,
        )

    def _train(self, control, fields, *, network=None, max_lr=0.02, freeze=None, resume=None, folder=None):
        spec = self._spec(fields)
        if freeze:
            spec = spec.model_copy(update={"freeze": Freeze(epochs=freeze)})
        workload = self._workload(spec)
        if network:
            object.__setattr__(workload, "new_network", network)
        schedule = build_schedule(spec.schedule, max_lr=max_lr)
        place = self._folder / (folder or f"{self._ranks.number}")
        trained = train(workload, spec, schedule=schedule, control=control, folder=place, resume=resume)
        weights = {name: value.numpy() for name, value in trained.network.state_dict().items()}
        return {"weights": weights, "compared": trained.batch_norm and trained.batch_norm.as_dict()}


def main():
    number, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(count)  # of which each takes its share
    joining = joined(torch.device("cpu"), number=number, count=count, meeting=folder / "meeting")
    with joining if count > 1 else nullcontext(ALONE) as ranks:
        scenes = Scenes(ranks, folder)
        names = [name for name in vars(Scenes) if not name.startswith("_")]
        (folder / f"{number}.pickle").write_bytes(pickle.dumps({name: getattr(scenes, name)() for name in names}))


if __name__ == "__main__":
    main()
