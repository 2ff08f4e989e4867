"""Networks that a spec declares layer by layer; nothing but the allow-listed layers is ever built."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from app.domain.layers import LayerUnfit, Shape, Step, measure, steps
from app.domain.specs import layers as spec
from worker.engine.errors import ArchitectureUnfit


def build(*, classes: int, channels: int, image_size: int, layers: Any) -> nn.Module:  # noqa: ANN401 - plain data
    """The network that `layers`, plain data as in a spec or a model's config.json, describe.

    Raises ArchitectureUnfit where they do not fit these images, which the service says before it queues a job,
    unless the data set has changed since.
    """
    read, images = spec.parse_layers(layers), Shape(channels, image_size)
    try:
        measure(read, images, classes=classes)
    except LayerUnfit as error:
        raise ArchitectureUnfit(error.detail) from error
    return stack(read, images, classes=classes)


def stack(layers: Sequence[spec.AnyLayer], given: Shape, *, classes: int) -> nn.Sequential:
    """The modules for layers that fit `given`."""
    own = [step for step in steps(layers, given, classes=classes) if len(step.place) == 1]
    modules = {f"{index}_{step.layer.type}": _module(step, classes=classes) for index, step in enumerate(own)}
    return nn.Sequential(OrderedDict(modules))


def _module(step: Step, *, classes: int) -> nn.Module:
    given, gives = step.given.channels, step.gives.channels
    match step.layer:
        case spec.Conv(kernel_size=kernel, stride=stride, padding=padding, groups=groups, bias=bias):
            return nn.Conv2d(given, gives, kernel, stride=stride, padding=padding, groups=groups, bias=bias)
        case spec.BatchNorm():
            return nn.BatchNorm1d(given) if step.given.side is None else nn.BatchNorm2d(given)
        case spec.GroupNorm(groups=groups):
            return nn.GroupNorm(groups, given)
        case spec.MaxPool(kernel_size=kernel, stride=stride, padding=padding):
            return nn.MaxPool2d(kernel, stride=stride, padding=padding)
        case spec.AvgPool(kernel_size=kernel, stride=stride, padding=padding):
            return nn.AvgPool2d(kernel, stride=stride, padding=padding)
        case spec.Dropout(p=share):
            return nn.Dropout(share)
        case spec.Linear(bias=bias):
            return nn.Linear(given, gives, bias=bias)
        case spec.Residual(layers=layers, shortcut=shortcut):
            return _Residual(*(stack(branch, step.given, classes=classes) for branch in (layers, shortcut)))
    return _WITHOUT_FIELDS[type(step.layer)]()


class _GlobalAverage(nn.Module):
    """The mean of each channel."""

    def forward(self, given: Tensor) -> Tensor:
        return given.mean(dim=(2, 3))


_WITHOUT_FIELDS: dict[type, Callable[[], nn.Module]] = {
    spec.Flatten: nn.Flatten,
    spec.Gelu: nn.GELU,
    spec.GlobalAvgPool: _GlobalAverage,
    spec.Relu: nn.ReLU,  # not in place, where it would overwrite what a shortcut still needs
    spec.Silu: nn.SiLU,
}


class _Residual(nn.Module):
    """Add what the layers make of the input to what the shortcut makes of it; an empty one leaves it as it is."""

    def __init__(self, layers: nn.Sequential, shortcut: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers
        self.shortcut = shortcut

    def forward(self, given: Tensor) -> Tensor:
        added: Tensor = self.layers(given) + self.shortcut(given)
        return added
