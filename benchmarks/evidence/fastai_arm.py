"""fastai as one more arm: `fit_one_cycle` with the rate of its own `lr_find`, over as many epochs and images."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evidence.tasks import HELD_OUT, Pictures

SCRIPT = Path(__file__).parents[1] / "peers" / "fastai_to_accuracy.py"
NEVER = 2.0  #: an accuracy


class MissingError(Exception):
    """There is no fastai."""


def fastai_accuracies(pictures: Pictures, arm: dict[str, Any], *, python: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Its accuracy on the test split after the last epoch, for each seed; raises MissingError.

    It trains as many images as we do, the first of each class rather than a draw, since it holds out none.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _link(pictures.files("train"), root / "train", share=1 - HELD_OUT)
        _link(pictures.files("test"), root / "test", share=1.0)
        request = _request(pictures.read(), arm) | {"folder": str(root)}
        runs = [_ask(python, request | {"seed": seed}) for seed in seeds]
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


def _request(pixels: Any, arm: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    shares = pixels / np.float32(255)
    named = arm["architecture"]
    return {
        "epochs": arm["epochs"], "target": NEVER, "batch": arm["batch_size"], "threads": 2, "device": "cpu",
        "architecture": named["name"], "options": {name: value for name, value in named.items() if name != "name"},
        "side": pixels.shape[2], "channels": pixels.shape[1],
        "crop": arm["augmentation"]["crop"], "flip": arm["augmentation"]["flip"],
        "mean": shares.mean(axis=(0, 2, 3)).tolist(), "std": shares.std(axis=(0, 2, 3)).tolist(),
    }  # fmt: skip


def _ask(python: str, request: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run([python, str(SCRIPT), json.dumps(request)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
