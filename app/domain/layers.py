"""The arithmetic of custom architectures: shapes, parameters and activations of layers, without torch.

So that a stack that cannot work is refused before it is queued, by the layer at fault.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from app.domain.specs.layers import (
    AnyLayer,
    AvgPool,
    BatchNorm,
    Conv,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    Linear,
    MaxPool,
    Residual,
)

MOST_PARAMETERS = 200_000_000
MOST_ACTIVATIONS = 100_000_000  #: numbers that all layers give for one image, about what a training keeps of it

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Shape:
    """What flows between two layers for one image: square channels of pixels, or a flat vector (side None)."""

    channels: int
    side: int | None = None

    @property
    def numbers(self) -> int:
        """How many there are."""
        return self.channels * (self.side or 1) ** 2

    def __str__(self) -> str:
        ending = "" if self.channels == 1 else "s"
        if self.side is None:
            return f"{self.channels} number{ending}"
        return f"{self.channels} channel{ending} of {self.side}×{self.side} pixels"


class LayerUnfit(ValueError):
    """A layer that cannot do what is asked of it; `place` leads to it from the list of layers."""

    def __init__(self, place: Place, detail: str) -> None:
        super().__init__(detail)
        self.place = place
        self.detail = detail


class TooLarge(LayerUnfit):
    """With this layer the network passes a limit."""


@dataclass(frozen=True)
class Step:
    """One layer at work. A residual layer has no parameters of its own: the layers in it are steps themselves."""

    place: Place
    layer: AnyLayer
    given: Shape
    gives: Shape

    @property
    def parameters(self) -> int:
        """The numbers it learns."""
        match self.layer:
            case Conv(channels=channels, kernel_size=kernel, groups=groups, bias=bias):
                return channels * (self.given.channels // groups * kernel**2 + bias)
            case Linear(bias=bias):
                return self.gives.channels * (self.given.channels + bias)
            case BatchNorm() | GroupNorm():
                return 2 * self.given.channels
        return 0


@dataclass(frozen=True)
class Measure:
    """What a network of layers costs."""

    parameters: int
    activations: int


def measure(layers: Sequence[AnyLayer], given: Shape, *, classes: int) -> Measure:
    """What these layers cost for images of shape `given`; raises LayerUnfit for the first that does not work."""
    parameters = activations = 0
    for step in steps(layers, given, classes=classes):
        parameters += step.parameters
        activations += step.gives.numbers
        _check_limit(step, "parameters", parameters, most=MOST_PARAMETERS)
        _check_limit(step, "activations per image", activations, most=MOST_ACTIVATIONS)
    _check_head(step, classes=classes)
    return Measure(parameters, activations)


def steps(
    layers: Sequence[AnyLayer], given: Shape, *, classes: int, within: Place = ()
) -> Generator[Step, None, Shape]:
    """Every layer at work, those in a residual layer before it; returns the last one's shape.

    Raises LayerUnfit where a layer does not fit what it is given.
    """
    for index, layer in enumerate(layers):
        place = (*within, index)
        if isinstance(layer, Residual):
            gives = yield from _branches(layer, given, classes=classes, at=place)
        else:
            gives = _gives(layer, given, classes=classes, at=place)
        yield Step(place, layer, given, gives)
        given = gives
    return given


def _branches(layer: Residual, given: Shape, *, classes: int, at: Place) -> Generator[Step, None, Shape]:
    added = yield from steps(layer.layers, given, classes=classes, within=(*at, "layers"))
    around = yield from steps(layer.shortcut, given, classes=classes, within=(*at, "shortcut"))
    if added != around:
        reason = f"cannot add {added} from its layers to {around} from its shortcut"
        raise LayerUnfit(at, f"{_words(at, layer)} {reason}")
    return added


def _gives(layer: AnyLayer, given: Shape, *, classes: int, at: Place) -> Shape:
    """The shape of what a layer other than a residual one makes of `given`."""
    if reason := _misfit(layer, given):
        raise LayerUnfit(at, f"{_words(at, layer)} gets {given} and {reason}")
    match layer:
        case Conv(channels=channels):
            return Shape(channels, _places(layer, given))
        case MaxPool() | AvgPool():
            return Shape(given.channels, _places(layer, given))
        case GlobalAvgPool():
            return Shape(given.channels)
        case Flatten():
            return Shape(given.numbers)
        case Linear(features=features):
            return Shape(classes if features == "classes" else features)
    return given  # norms, activations and dropout keep it


def _misfit(layer: AnyLayer, given: Shape) -> str | None:
    """What goes against this layer here, after "gets … and "."""
    if isinstance(layer, Conv | MaxPool | AvgPool | GlobalAvgPool) and given.side is None:
        return "needs pixels, which flatten and global_avg_pool take away"
    if isinstance(layer, Conv | MaxPool | AvgPool) and _places(layer, given) < 1:
        return "would leave nothing"
    if isinstance(layer, Linear) and given.side is not None:
        return "needs a flat vector; put flatten or global_avg_pool before it"
    if isinstance(layer, Conv | GroupNorm) and given.channels % layer.groups:
        return f"cannot divide the channels into {layer.groups} groups"
    if isinstance(layer, Conv) and layer.channels % layer.groups:
        return f"cannot divide its own {layer.channels} channels into {layer.groups} groups"
    return None


def _places(layer: Conv | MaxPool | AvgPool, given: Shape) -> int:
    """How often the kernel fits along a side, going on by `stride`; 0 where it does not fit once."""
    room = (given.side or 0) + 2 * layer.padding - layer.kernel_size
    return max(0, room // (layer.stride or layer.kernel_size) + 1)


def _check_limit(step: Step, what: str, count: int, *, most: int) -> None:
    if count > most:
        words = _words(step.place, step.layer)
        raise TooLarge(step.place, f"{words} brings the {what} to {count:,}; at most {most:,} are allowed")


def _check_head(last: Step, *, classes: int) -> None:
    words = f"{_words(last.place, last.layer)} is the last"
    if not isinstance(last.layer, Linear):
        raise LayerUnfit(last.place, f'{words}; end with {{"type": "linear", "features": "classes"}}')
    if last.gives.channels != classes:
        detail = f'{words} and gives {last.gives} for {classes} classes; give it features "classes"'
        raise LayerUnfit(last.place, detail)


def _words(place: Place, layer: AnyLayer) -> str:
    """A layer as people count, e.g. `layer 2 of layer 4 (max_pool 2)`."""
    name = f"layer {int(place[-1]) + 1}"
    for index, branch in zip(place[-3::-2], place[-2::-2], strict=True):
        name += f" of {'the shortcut of ' if branch == 'shortcut' else ''}layer {int(index) + 1}"
    number = getattr(layer, "kernel_size", None) or getattr(layer, "features", "")
    return f"{name} ({f'{layer.type} {number}'.strip()})"
