"""What patience costs when it does not know the cycle: `python benchmarks/early_stopping.py`.

ResNet-9 on the UCI handwritten digits under one cycle, each seed trained twice: with patience 5 armed always, as for
a learning rate that only falls, and armed from the annealing phase on, which is the default here. Both see the same
order, augmentation and weights until one of them stops. Lost are points of the best validation accuracy, which is
what a training delivers, and of the accuracy of its last epoch.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.domain import catalog
from app.domain.schedules import build_schedule
from app.domain.specs import TrainingSpec, parse_spec
from benchmarks.silent import Silent
from worker.engine.data import Dataset, Images
from worker.engine.training import Trained, train
from worker.engine.workload import prepare

ARMED = ("always", "annealing")


def digits() -> Dataset:
    """All 1,797 of them."""
    found = load_digits()
    pixels = np.round(found.images / 16 * 255).astype(np.uint8)[:, None]
    shares = pixels / 255
    names = [str(name) for name in found.target_names]
    images = Images(pixels, found.target.astype(np.int64))
    return Dataset(
        "digits", names, images, None, channel_mean=[float(shares.mean())], channel_std=[float(shares.std())]
    )


def trained(dataset: Dataset, *, seed: int, armed: str, asked: argparse.Namespace) -> Trained:
    """One training to its end, or to where patience ends it."""
    spec = parse_spec(
        {
            "kind": "training",
            "dataset": "digits",
            "architecture": {"name": "resnet9", "width": asked.width},
            "epochs": asked.epochs,
            "schedule": {"max_lr": asked.max_lr},
            "early_stopping": {"patience": 5, "armed": armed},
            "precision": "fp32",
            "compile": "off",
            "seed": seed,
        }
    )
    assert isinstance(spec, TrainingSpec)
    fact = catalog.datasets()["digits"]
    workload = prepare(
        spec,
        dataset,
        fact=catalog.architectures()["resnet9"],
        default_validation=0.5,  # half, so that a point is nine pictures
        default_augmentation=fact.augmentation,
        device="cpu",
        weights_dir=Path(tempfile.gettempdir()),
    )
    schedule = build_schedule(spec.schedule, max_lr=asked.max_lr)
    with tempfile.TemporaryDirectory() as folder:
        return train(workload, spec, schedule=schedule, control=Silent(), folder=Path(folder), resume=None)


def main() -> None:
    """Train every seed both ways; print each pair, then the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--max-lr", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    dataset = digits()
    best, last, stopped = [], [], 0
    for seed in range(asked.seeds):
        always, annealing = (trained(dataset, seed=seed, armed=armed, asked=asked) for armed in ARMED)
        best.append(100 * (annealing.best.validation_accuracy - always.best.validation_accuracy))
        last.append(100 * (annealing.last.validation_accuracy - always.last.validation_accuracy))
        stopped += always.stopped == "early_stopping"
        print(
            f"seed {seed}: always stops after epoch {always.epochs_run:2} of {asked.epochs}, "
            f"best {always.best.validation_accuracy:.2%}, last {always.last.validation_accuracy:.2%}; "
            f"annealing after {annealing.epochs_run:2}, "
            f"best {annealing.best.validation_accuracy:.2%}, last {annealing.last.validation_accuracy:.2%}"
        )
    print(
        f"torch {torch.__version__}, {asked.seeds} seeds, max lr {asked.max_lr:g}: always stopped {stopped} early; "
        f"points lost: best {statistics.mean(best):.2f} ({min(best):.2f} to {max(best):.2f}), "
        f"last {statistics.mean(last):.2f} ({min(last):.2f} to {max(last):.2f})"
    )


if __name__ == "__main__":
    main()
