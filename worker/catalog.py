"""Writes app/domain/catalog.json, what the API knows of networks and data sets without loading torch, and its page.

Run as `python -m worker.catalog` after a change of the networks or of torchvision.
"""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models

from app.domain.catalog import ArchitectureFact, DatasetFact, custom_architecture
from app.domain.specs.parts import Augmentation
from worker import reference
from worker.engine import nets
from worker.engine.errors import EngineError
from worker.engine.nets import families, published
from worker.engine.nets.designs import DESIGNS
from worker.engine.norm_layers import has_statistics

PATH = Path(__file__).parents[1] / "app" / "domain" / "catalog.json"

_DIGITS = [str(digit) for digit in range(10)]
_CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_CIFAR100 = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""  # split where it is used: a hundred quoted names would fill a page
_FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
_KUZUSHIJI = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


def dataset_facts() -> list[DatasetFact]:
    """The built-in data sets. Digits and signs are shifted but never mirrored: that would change what they are."""
    shift, mirror = Augmentation(crop=2), Augmentation(crop=4, flip=True)
    return [
        _small("CIFAR10", _CIFAR10, train=50_000, test=10_000, mode="RGB", size=32, augmentation=mirror),
        _small("CIFAR100", _CIFAR100.split(), train=50_000, test=10_000, mode="RGB", size=32, augmentation=mirror),
        _small("FashionMNIST", _FASHION, augmentation=Augmentation(crop=2, flip=True)),
        _small("KMNIST", _KUZUSHIJI, augmentation=shift),
        _small("MNIST", _DIGITS, augmentation=shift),
        _small("SVHN", _DIGITS, train=73_257, test=26_032, mode="RGB", size=32, augmentation=shift),
        DatasetFact(
            name="digits",
            source="scikit-learn",
            classes=_DIGITS,
            counts={"train": 1_797},
            mode="L",
            size=8,
            validation=0.2,
            augmentation=Augmentation(crop=1),
        ),
    ]


def _small(
    name: str,
    classes: list[str],
    *,
    augmentation: Augmentation,
    train: int = 60_000,
    test: int = 10_000,
    mode: Any = "L",  # noqa: ANN401 - checked by the fact
    size: int = 28,
) -> DatasetFact:
    counts: dict[Any, int] = {"train": train, "test": test}
    return DatasetFact(
        name=name, source="torchvision", classes=classes, counts=counts, mode=mode, size=size, augmentation=augmentation
    )


def architecture_names() -> list[str]:
    """Our own networks and torchvision's."""
    return sorted([*DESIGNS, *published.names()])


def architecture_fact(name: str) -> ArchitectureFact:
    """What can be said of a network without training it; takes from 0.1 to 30 s."""
    return _own_fact(name) if name in DESIGNS else _published_fact(name)


def _own_fact(name: str) -> ArchitectureFact:
    design = DESIGNS[name]
    network = _shapes_of(name, classes=10, channels=design.channels, image_size=design.image_size)
    return ArchitectureFact(
        name=name,
        family=design.family,
        description=design.description,
        paper=design.paper,
        parameters=_parameters(network),
        batch_norm=has_statistics(network),
        image_size=design.image_size,
        min_image_size=_smallest_side(name, channels=design.channels),
        options=design.options,
    )


def _published_fact(name: str) -> ArchitectureFact:
    weights = list(models.get_model_weights(name))
    image_size = min(int(entry.transforms.keywords["crop_size"]) for entry in weights)
    granularity, family = nets.granularity(name), families.family_of(name)
    network = _shapes_of(name, classes=1000, channels=3, image_size=image_size).train()
    return ArchitectureFact(
        name=name,
        family=models.get_model_builder(name).__module__.rpartition(".")[2],
        description=family.description,
        paper=family.paper,
        parameters=_parameters(network),
        batch_norm=has_statistics(network),
        image_size=image_size,
        # One network serves all sides where it can, since building one takes longer than running it.
        min_image_size=_smallest_side(name, channels=3, network=network if granularity == 1 else None),
        granularity=granularity,
        channels=3,
        weights=sorted(entry.name for entry in weights),
    )


def _shapes_of(name: str, *, classes: int, channels: int, image_size: int) -> nn.Module:
    """The network without memory behind it: only shapes are computed."""
    build = partial(nets.build, name, classes=classes, channels=channels, image_size=image_size)
    try:
        with torch.device("meta"):
            return build()
    except (NotImplementedError, RuntimeError):  # RegNet and Swin compute widths with tensors
        return build().to("meta")


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _smallest_side(name: str, *, channels: int, network: nn.Module | None = None) -> int:
    step = nets.granularity(name)
    return next(side for side in range(step, 300, step) if _trains(name, channels=channels, side=side, network=network))


def _trains(name: str, *, channels: int, side: int, network: nn.Module | None) -> bool:
    """Whether two images of this side go forward and backward in training mode."""
    try:
        network = network or _shapes_of(name, classes=10, channels=channels, image_size=side).train()
        network(torch.empty(2, channels, side, side, device="meta")).sum().backward()
    except (RuntimeError, ValueError, EngineError):  # what torch and we raise for an image that is too small
        return False
    return True


def render(architectures: list[ArchitectureFact], datasets: list[DatasetFact]) -> str:
    """The file's text."""
    content = {
        "architectures": [fact.model_dump(mode="json") for fact in architectures],
        "datasets": [fact.model_dump(mode="json") for fact in datasets],
    }
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write both files."""
    facts = []
    for name in architecture_names():
        facts.append(architecture_fact(name))
        print(f"{name}: from {facts[-1].min_image_size} px", file=sys.stderr)
    PATH.write_text(render(facts, dataset_facts()), encoding="utf-8")
    reference.PATH.write_text(reference.render([*facts, custom_architecture()]), encoding="utf-8")


if __name__ == "__main__":
    main()
