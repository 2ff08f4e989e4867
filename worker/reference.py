"""Renders docs/reference/architectures.md from the catalog, so that the page cannot say what the service does not."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from app.domain.catalog import ArchitectureFact, CustomArchitectureFact, LayerFieldFact, OptionFact

PATH = Path(__file__).parents[1] / "docs" / "reference" / "architectures.md"

_TEMPLATE = """\
# Architectures

`GET /v1/architectures` lists what this page lists. `make catalog` writes it: do not edit it by hand.

A spec names its network, with options beside the name: `"architecture": "resnet9"`, or
`"architecture": {{"name": "resnet9", "width": 64}}`. "From" is the smallest side of an image, in pixels, that the
network takes; smaller images are enlarged to it unless `image_size` says otherwise.

## Networks for small images

They take grey and colour images. Parameters are counted for 10 classes at the size the network was drawn for.

{own}

## Your own: `custom`

{custom_description} No code of yours is run: a layer is one of the types below.

```json
{example}
```

- `layers` go from pixels to one number per class: the last is `{{"type": "linear", "features": "classes"}}`, and
  nothing is added behind it. A bare string stands for a layer that needs only its type; `?` marks what may be left out.
- The side of the images, their channels and the number of classes are the data set's; every layer finds out by itself
  how much it is given. Weights begin as those of torch's own layers do.
- `residual` adds what its `layers` make of the input to what its `shortcut` makes of it; without a shortcut, to the
  input itself. Both must give the same shape.
- A stack that cannot work is refused when it is submitted, with a pointer to the layer at fault and what it is given:
  `#/architecture/layers/3`: "layer 4 (max_pool 2) gets 8 channels of 1×1 pixels and would leave nothing".
- Limits: {layers} layers with those in residual layers, {depth} residual layers within one another, {parameters}
  parameters, and {activations} numbers that all layers together give for one image.

{types}

## Published networks

torchvision's classification models by their own names. They take colour images (grey ones are repeated over three
channels), and `"pretrained": true` starts from published weights. Parameters are counted for 1,000 classes.

{published}
"""

# Every rule of the page at work; json.dumps would give each layer seven lines.
_EXAMPLE = """\
{"kind": "training", "dataset": "CIFAR10", "architecture": {"name": "custom", "layers": [
  {"type": "conv", "channels": 32, "kernel_size": 3, "padding": 1, "bias": false}, "batch_norm", "relu",
  {"type": "residual", "layers": [
    {"type": "conv", "channels": 64, "kernel_size": 3, "stride": 2, "padding": 1, "bias": false}, "batch_norm", "relu",
    {"type": "conv", "channels": 64, "kernel_size": 3, "padding": 1, "bias": false}, "batch_norm"
  ], "shortcut": [{"type": "conv", "channels": 64, "kernel_size": 1, "stride": 2}]},
  "relu",
  {"type": "max_pool", "kernel_size": 2},
  "global_avg_pool",
  {"type": "dropout", "p": 0.2},
  {"type": "linear", "features": "classes"}
]}}"""


def render(architectures: list[ArchitectureFact]) -> str:
    """The page's text."""
    custom = next(fact for fact in architectures if isinstance(fact, CustomArchitectureFact))
    published = [fact for fact in architectures if fact.weights]
    own = [fact for fact in architectures if fact is not custom and not fact.weights]
    return _TEMPLATE.format(
        own="\n".join(_own(own)),
        custom_description=custom.description,
        example=_EXAMPLE,
        layers=custom.limits["layers"],
        depth=custom.limits["depth"],
        parameters=_count(custom.limits["parameters"]),
        activations=_count(custom.limits["activations_per_image"]),
        types="\n".join(_layer_types(custom)),
        published="\n".join(_published(published)),
    )


def _own(facts: list[ArchitectureFact]) -> Iterator[str]:
    yield from ("| name | parameters | from | options | what it is good for |", "|---|---|---|---|---|")
    for fact in facts:
        options = "<br>".join(f"`{name}`: {_option(option)}" for name, option in fact.options.items())
        description = f"{fact.description}{_paper(fact)}"
        yield f"| `{fact.name}` | {_count(fact.parameters)} | {fact.min_image_size} | {options} | {description} |"


def _option(option: OptionFact) -> str:
    return f"{option}, default {option.default}. {option.description}"


def _layer_types(custom: CustomArchitectureFact) -> Iterator[str]:
    yield from ("| type | what it does | fields |", "|---|---|---|")
    for name, layer in custom.layers.items():
        fields = "<br>".join(_layer_field(name, field) for name, field in layer.fields.items())
        yield f"| `{name}` | {layer.description} | {fields} |"


def _layer_field(name: str, field: LayerFieldFact) -> str:
    bounds = "" if field.min is None else f" from {field.min} to {field.max}"
    default = "" if field.required or field.default in (None, []) else f", default {str(field.default).lower()}"
    return f"`{name}`{'' if field.required else '?'}: {field.takes}{bounds}{default}. {field.description}"


def _published(facts: list[ArchitectureFact]) -> Iterator[str]:
    yield from ("| names (parameters, from) | what they are good for |", "|---|---|")
    for about, family in groupby(
        sorted(facts, key=_family_then_name), key=lambda fact: fact.description + _paper(fact)
    ):
        names = (f"`{fact.name}` ({_count(fact.parameters)}, {fact.min_image_size})" for fact in family)
        yield f"| {', '.join(names)} | {about} |"


def _family_then_name(fact: ArchitectureFact) -> tuple[str, str | None, str]:
    return fact.family, fact.paper, fact.name


def _paper(fact: ArchitectureFact) -> str:
    return f" [{fact.paper}](https://arxiv.org/abs/{fact.paper})" if fact.paper else ""


def _count(number: int | None) -> str:
    if number is None:
        return ""
    return f"{number / 1e6:.3g} M" if number >= 100_000 else f"{number / 1e3:.3g} k"
