"""The networks by name: the papers' small ones, and everything torchvision has for classification."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from app.domain.catalog import OptionFact
from worker.engine.errors import ArchitectureUnavailable, WeightsUnavailable
from worker.engine.nets import published, residual, small


@dataclass(frozen=True)
class Design:
    """One of our own networks and what it was drawn for."""

    build: Callable[..., nn.Module]
    family: str
    image_size: int
    channels: int
    options: dict[str, OptionFact] = field(default_factory=dict)


DESIGNS: dict[str, Design] = {
    "cnn3": Design(small.cnn3, family="cnn", image_size=32, channels=3),
    "lenet": Design(small.lenet, family="lenet", image_size=28, channels=1),
    "mlp": Design(
        small.mlp, family="mlp", image_size=28, channels=1, options={"width": OptionFact(default=512, min=1, max=8192)}
    ),
    "resnet9": Design(
        residual.resnet9,
        family="resnet9",
        image_size=32,
        channels=3,
        options={"width": OptionFact(default=32, min=1, max=512)},
    ),
    "resnet20": Design(residual.resnet20, family="resnet_cifar", image_size=32, channels=3),
    "resnet32": Design(residual.resnet32, family="resnet_cifar", image_size=32, channels=3),
    "resnet56": Design(residual.resnet56, family="resnet_cifar", image_size=32, channels=3),
}


def build(
    name: str, *, classes: int, channels: int, image_size: int, options: Mapping[str, int] | None = None
) -> nn.Module:
    """A fresh network, initialised from torch's global generator; (N, channels, side, side) → (N, classes)."""
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
    if name in DESIGNS:
        raise WeightsUnavailable(f"{name} has no published weights", hint="Set pretrained to false.")
    return str(published.weights_of(name, asked).name)


def fetch_weights(name: str, weights: str, *, folder: Path) -> None:
    """Make sure that the weights file lies in `folder`; raises WeightsUnavailable."""
    published.weights_file(name, weights, folder=folder)


def granularity(name: str) -> int:
    """The number that an image's side must be a multiple of."""
    return published.granularity(name)
