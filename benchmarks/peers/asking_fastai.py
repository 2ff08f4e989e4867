"""What `fastai_to_accuracy.py` says of one training, run by an interpreter that has fastai."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.specs import Augmentation

SCRIPT = Path(__file__).with_name("fastai_to_accuracy.py")


class MissingError(Exception):
    """There is no fastai, or it failed."""


def ask_fastai(
    python: str,
    root: Path,
    pixels: NDArray[np.uint8],
    *,
    architecture: dict[str, Any],
    augmentation: Augmentation,
    **more: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Train on the folders `train` and `test` of `root`, whose training pictures are `pixels`; raises MissingError.

    `more` is what the script asks for besides: epochs, batch, target, threads, device, and a seed if it is to have one.
    """
    shares = pixels / np.float32(255)
    options = {key: value for key, value in architecture.items() if key != "name"}
    request = more | {
        "folder": str(root), "architecture": architecture["name"], "options": options,
        "side": pixels.shape[2], "channels": pixels.shape[1], "crop": augmentation.crop, "flip": augmentation.flip,
        "mean": shares.mean(axis=(0, 2, 3)).tolist(), "std": shares.std(axis=(0, 2, 3)).tolist(),
    }  # fmt: skip
    done = subprocess.run([python, str(SCRIPT), json.dumps(request)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
