"""Whole trainings by name. What a user gives beside a preset wins, down to single fields."""

from collections.abc import Mapping
from typing import Any, Literal

from app.domain.merging import names_another

PresetName = Literal["blog", "case_study"]

PRESETS: dict[str, dict[str, Any]] = {
    # Transfer learning as a tutorial does it: the rate where the loss falls fastest, PyTorch's cosine cycle.
    "blog": {
        "dataset": {"name": "CIFAR10"},
        "architecture": {"name": "mobilenet_v2"},
        "pretrained": True,
        "optimizer": {"name": "adamw"},
        "schedule": {"policy": "one_cycle", "shape": "cosine", "max_lr": "auto", "pick": "steepest"},
        "epochs": 50,
        "early_stopping": {"patience": 5},
        "crop_from": 256,
        "image_size": 224,
        "augmentation": "none",  # the random crop is all there is
    },
    # Smith & Topin 2019 (arXiv:1708.07120): LeNet on MNIST in 12 epochs, at a rate as low and as stable as can be.
    "case_study": {
        "dataset": {"name": "MNIST"},
        "architecture": {"name": "lenet"},
        "optimizer": {"name": "sgd"},
        "schedule": {"policy": "one_cycle", "shape": "case_study", "max_lr": "auto", "pick": "edge"},
        "epochs": 12,
    },
}
# What a bare string stands for; a data set is always replaced whole.
_MARKERS = {"dataset": None, "architecture": "name", "optimizer": "name", "schedule": "policy"}


def filled(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The preset with everything in `given` put in its place.

    Objects are merged field by field, unless they name another optimizer, policy, architecture or data set: then
    they replace the preset's. A max_lr given as a number leaves nothing to pick.
    """
    preset = PRESETS[name]
    spec = preset | {field: _merged(field, preset.get(field), value) for field, value in given.items()}
    schedule = spec["schedule"]
    if isinstance(schedule, dict) and schedule.get("max_lr", "auto") != "auto" and not _gives(given, "pick"):
        spec["schedule"] = {field: value for field, value in schedule.items() if field != "pick"}
    return spec


def _merged(field: str, ours: Any, theirs: Any) -> Any:  # noqa: ANN401
    marker = _MARKERS.get(field, "")
    if marker and isinstance(theirs, str):
        theirs = {marker: theirs}
    if marker is None or not isinstance(ours, dict) or not isinstance(theirs, dict):
        return theirs
    return theirs if names_another(ours, theirs) else ours | theirs


def _gives(given: Mapping[str, Any], field: str) -> bool:
    schedule = given.get("schedule")
    return isinstance(schedule, dict) and field in schedule
