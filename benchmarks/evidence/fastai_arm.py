"""fastai as one more arm: `fit_one_cycle` with the rate of its own `lr_find`, over as many epochs and images."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.domain.specs import Augmentation
from benchmarks.evidence.tasks import HELD_OUT, Pictures
from benchmarks.peers.asking_fastai import ask_fastai

NEVER = 2.0  #: an accuracy


def fastai_accuracies(pictures: Pictures, arm: dict[str, Any], *, python: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Its accuracy on the test split after the last epoch, for each seed; raises MissingError.

    It trains as many images as we do, the first of each class rather than a draw, since it holds out none.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _link(pictures.files("train"), root / "train", share=1 - HELD_OUT)
        _link(pictures.files("test"), root / "test", share=1.0)
        pixels = pictures.read()
        runs = [ask_fastai(python, root, pixels, **_about(arm), seed=seed) for seed in seeds]
    return {
        "version": runs[0]["version"],
        "epochs": arm["epochs"],
        "max_lr": [run["max_lr"] for run in runs],
        "test_accuracies": [run["accuracies"][-1] for run in runs],
        "seconds": [run["total_seconds"] for run in runs],
    }


def _link(folder: Path, target: Path, *, share: float) -> None:
    """The first of each class, so many of them."""
    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        (target / kind.name).mkdir(parents=True)
        files = sorted(kind.iterdir())
        for path in files[: round(share * len(files))]:
            (target / kind.name / path.name).symlink_to(path)


def _about(arm: dict[str, Any]) -> dict[str, Any]:
    """What it trains, as the arm has it."""
    augmentation = Augmentation.model_validate(arm["augmentation"])
    what = {"architecture": arm["architecture"], "augmentation": augmentation, "batch": arm["batch_size"]}
    return what | {"epochs": arm["epochs"], "target": NEVER, "threads": 2, "device": "cpu"}
