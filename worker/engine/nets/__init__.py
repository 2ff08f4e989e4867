"""The networks: the papers' small ones and torchvision's by name, and those that a spec declares layer by layer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from app.domain.specs.layers import CUSTOM
from worker.engine.errors import ArchitectureUnavailable, WeightsUnavailable
from worker.engine.nets import declared, published
from worker.engine.nets.designs import DESIGNS


def build(
    name: str, *, classes: int, channels: int, image_size: int, options: Mapping[str, Any] | None = None
) -> nn.Module:
    """A fresh network, initialised from torch's global generator; (N, channels, side, side) → (N, classes).

    `options` are what stands beside the name in a spec and in a model's config.json.
    """
    if name == CUSTOM:
        return declared.build(classes=classes, channels=channels, image_size=image_size, **(options or {}))
    if name in DESIGNS:
        return DESIGNS[name].build(classes=classes, channels=channels, image_size=image_size, **(options or {}))
    if name not in published.names():
        raise ArchitectureUnavailable(f"This worker has no architecture {name}")
    return published.build(name, classes=classes, image_size=image_size)


def build_pretrained(name: str, *, classes: int, image_size: int, weights: str, folder: Path) -> nn.Module:
    """A network with published weights and a fresh head; raises WeightsUnavailable, never waits for long."""
    return published.build_pretrained(name, classes=classes, image_size=image_size, weights=weights, folder=folder)


def weights_name(name: str, asked: str | None) -> str:
    """The published weights' name, or that of the default ones where none is asked for."""
    if name == CUSTOM or name in DESIGNS:
        raise WeightsUnavailable(f"{name} has no published weights", hint="Set pretrained to false.")
    return str(published.weights_of(name, asked).name)


def fetch_weights(name: str, weights: str, *, folder: Path) -> None:
    """Make sure that the weights file lies in `folder`; raises WeightsUnavailable."""
    published.weights_file(name, weights, folder=folder)


def granularity(name: str) -> int:
    """The number that an image's side must be a multiple of."""
    return published.granularity(name)


def head_of(network: nn.Module) -> nn.Module:
    """The classifier of any network that `build` made: the layer whose outputs are the classes' logits."""
    return network.get_submodule(published.head_name(network))
