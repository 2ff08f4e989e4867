"""torchvision's classification models by their own names, with a head for any number of classes."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import WeightsEnum
from torchvision.models.vision_transformer import interpolate_embeddings

from worker.engine.errors import WeightsUnavailable
from worker.engine.nets.weights import fetch

# Their position tables are made for one grid of patches: a side must be a multiple of this.
_GRANULARITY = {"vit_b_16": 16, "vit_b_32": 32, "vit_l_16": 16, "vit_l_32": 32, "vit_h_14": 14, "maxvit_t": 224}
# Auxiliary heads exist to train very deep nets without batch norm; these have it.
_WITHOUT_AUXILIARY = {name: {"aux_logits": False, "init_weights": True} for name in ("googlenet", "inception_v3")}


def names() -> list[str]:
    """Every classification model of the installed torchvision."""
    return list(models.list_models(module=models))


def granularity(name: str) -> int:
    """The number that an image's side must be a multiple of."""
    return _GRANULARITY.get(name, 1)


def build(name: str, *, classes: int, image_size: int) -> nn.Module:
    """The network with fresh weights from torch's global generator; takes RGB."""
    network: nn.Module = models.get_model(name, weights=None, num_classes=classes, **_arguments(name, image_size))
    return network


def build_pretrained(name: str, *, classes: int, image_size: int, weights: str, folder: Path) -> nn.Module:
    """The network with published weights under a fresh head.

    Raises WeightsUnavailable when they are neither in `folder` nor to be downloaded.
    """
    state = torch.load(weights_file(name, weights, folder=folder), map_location="cpu", weights_only=True)
    network = build(name, classes=classes, image_size=image_size)
    head = head_name(network)
    _fit(state, name, image_size=image_size)
    for key in [key for key in state if key.startswith((head + ".", "aux1.", "aux2.", "AuxLogits."))]:
        del state[key]
    missing, unexpected = network.load_state_dict(state, strict=False)
    if unexpected or any(not key.startswith(head + ".") for key in missing):
        detail = f"The weights file of {name} does not fit the network: {missing[:3]} {unexpected[:3]}"
        raise WeightsUnavailable(detail, hint="Delete the file from the worker's cache, so that it is downloaded anew.")
    if name in _WITHOUT_AUXILIARY:
        setattr(network, "transform_input", True)  # noqa: B010 - theirs were trained on inputs in [-1, 1]
    return network


def weights_file(name: str, weights: str, *, folder: Path) -> Path:
    """The weights file in `folder`, downloaded if need be."""
    return fetch(weights_of(name, weights).url, folder)


def weights_of(name: str, weights: str | None) -> WeightsEnum:
    """The named weights of a model, or its default ones."""
    known: Any = models.get_model_weights(name)
    if weights is None:
        default: WeightsEnum = known.DEFAULT
        return default
    if weights not in known.__members__:
        detail = f"{name} has no weights {weights}; there are {', '.join(known.__members__)}"
        raise WeightsUnavailable(detail, hint="Name one of these, or set pretrained to true for the default ones.")
    named: WeightsEnum = known[weights]
    return named


def _arguments(name: str, image_size: int) -> dict[str, Any]:
    if name.startswith("vit_"):
        return {"image_size": image_size}
    if name == "maxvit_t":
        return {"input_size": (image_size, image_size)}
    return _WITHOUT_AUXILIARY.get(name, {})


def head_name(network: nn.Module) -> str:
    """The last layer with weights: torchvision registers the classifier last in every model."""
    layers: list[str] = [name for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return layers[-1]


def _fit(state: dict[str, Tensor], name: str, *, image_size: int) -> None:
    """Bring a weights file to the names and shapes of today's network, in place."""
    if name.startswith("densenet"):
        for key in [key for key in state if re.search(r"denselayer\d+\.(norm|conv)\.", key)]:
            state[re.sub(r"\.(norm|conv)\.(\d)\.", r".\1\2.", key)] = state.pop(key)
    if name.startswith("vit_"):
        fitted = interpolate_embeddings(image_size, _GRANULARITY[name], state)
        state["encoder.pos_embedding"] = fitted["encoder.pos_embedding"]
