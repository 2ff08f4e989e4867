"""What a job works on: from spec and data set to batches, a network's factory, device and precision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from app.domain.catalog import ArchitectureFact
from app.domain.specs.leaf import LeafSpec
from app.domain.specs.parts import Augmentation
from app.domain.specs.range_test import RangeTestSpec
from app.domain.specs.training import TrainingSpec
from worker.engine import choices, nets
from worker.engine.batch_size import Openly, choose_batch_size
from worker.engine.batches import Batches, Format, Source
from worker.engine.data import Dataset, split_validation
from worker.engine.device import Resolution, choose_device
from worker.engine.draws import Use, preserved, seed_torch
from worker.engine.errors import NoTestSplit
from worker.engine.mixing import Mixing
from worker.engine.norm_layers import has_statistics
from worker.engine.parallel import ALONE, Ranks
from worker.engine.trial_memory import TrialMemory
from worker.engine.trials import Call, Trial, choose_computation

# Of the photographs in ImageNet, whose normalisation all published weights were trained with.
_IMAGENET_MEAN = [0.485, 0.456, 0.406]
_IMAGENET_STD = [0.229, 0.224, 0.225]
_STARTED = "as the worker was started"


@dataclass(frozen=True)
class Workload:
    """Everything that a range test and a training of the same spec share."""

    classes: list[str]
    device: torch.device
    precision: str
    compiled: bool
    form: Format
    training: Batches
    validation: Batches
    test: Batches | None
    augmentation: Augmentation
    seed: int
    new_network: Callable[[], nn.Module]
    accumulation_steps: int = 1  #: equal parts in which a batch of `training` goes through the network
    gradient_clip: float | None = None
    label_smoothing: float = 0.0
    layer_lr_decay: float = 1.0
    mixing: Mixing = field(default_factory=Mixing)
    deterministic: bool = False
    resolved: dict[str, Resolution] = field(default_factory=dict)
    ranks: Ranks = ALONE  #: the processes that share each batch

    @cached_property
    def has_batch_norm(self) -> bool:
        """Whether its network has layers with running statistics."""
        return has_statistics(self.fresh_network())

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one pass over the training images."""
        return self.training.per_epoch

    def fresh_network(self) -> nn.Module:
        """A new network on the device, the same one every time; torch's global generators stay as they are."""
        with preserved(self.device):
            seed_torch(self.seed, use=Use.NETWORK)
            network = self.new_network()
        return _placed(network, self.device)

    def reseeded(self, repeat: int) -> "Workload":
        """The same images split the same way, with other initial weights, another order and other augmentation."""
        return replace(self, seed=(self.seed + repeat) % 2**32)

    def forward_of(self, network: nn.Module) -> Call:
        """What a training step calls: the network, or its compiled form, which shares its weights.

        The network itself stays plain, and so do the names in its state. Of several ranks all average its gradients.
        """
        return self.ranks.averaging(torch.compile(network, dynamic=False) if self.compiled else network)


def _placed(network: nn.Module, device: torch.device) -> nn.Module:
    return network.to(device).to(memory_format=torch.channels_last)


def prepare(
    spec: LeafSpec,
    dataset: Dataset,
    *,
    fact: ArchitectureFact,
    default_validation: float,
    default_augmentation: Augmentation,
    device: str,
    weights_dir: Path,
    settled: Mapping[str, Any] | None = None,
    trials: Path | None = None,
    ranks: Ranks = ALONE,
) -> Workload:
    """Settle every choice of the spec, and put the images where the training wants them.

    `settled` is what earlier attempts of the same job resolved, `trials` the file that remembers what was
    measured on this machine; without one, nothing is. Of several `ranks` the first measures for all.
    Raises the EngineError that says which choice does not fit, and WeightsUnavailable within seconds.
    """
    there = choose_device(device)
    resolved = {
        "device": Resolution(str(there), "worker", _STARTED if ranks.count == 1 else f"{_STARTED}; {_first_of(ranks)}"),
        "image_size": choices.image_size(spec, dataset, fact),
        "pretrained": choices.weights(spec, fact),
        "augmentation": choices.augmentation(spec, default_augmentation),
        "validation": choices.validation(spec, default_validation),
        "deterministic": choices.deterministic(spec),
    }
    resolved["normalize"] = choices.normalization(spec, resolved["pretrained"].value)
    form = _format(spec, dataset, fact, resolved, device=there)
    training, validation = _indices(dataset, resolved["validation"].value, seed=spec.seed)
    source = Source(dataset.train, there)
    facts: dict[str, Any] = {"classes": len(dataset.classes), "form": form, "folder": weights_dir}
    factory = ranks.after_the_first(lambda: _factory(spec, fact, resolved, **facts))
    openly = Openly(
        spec,
        there,
        images=len(training),
        new_network=lambda: _placed(factory(), there),
        batches=lambda size: Batches(source, training, form=form, batch_size=size),
        augmentation=Augmentation.model_validate(resolved["augmentation"].value),
        devices=ranks.count,
    )
    resolved |= _batch_size(openly, settled=settled or {}, ranks=ranks)
    batch_size = int(resolved["batch_size"].value)
    resolved["accumulation_steps"] = choices.accumulation_steps(spec, batch_size, len(training))
    parts = int(resolved["accumulation_steps"].value)
    per_epoch = len(training) // (batch_size * parts)
    resolved |= choices.batch_norm_momentum(spec, steps_per_epoch=per_epoch, parts=parts)
    common: dict[str, Any] = {"form": form, "ranks": ranks}
    test = _whole(dataset, batch_size=batch_size, **common) if dataset.test is not None else None
    on_test = resolved["validation"].value == "test"
    held_out = test if on_test and test else Batches(source, validation, batch_size=batch_size, **common)
    trial = Trial(
        device=there,
        architecture={"name": spec.architecture.name} | spec.architecture.options,
        new_network=lambda: _placed(factory(), there),
        shape=(batch_size // ranks.count, form.channels, form.side, form.side),
        classes=len(dataset.classes),
        batches=_batches(spec, len(training) // batch_size),
        memory=TrialMemory(trials) if trials else None,
    )
    resolved |= ranks.tell(lambda: choose_computation(spec, trial, settled=settled or {}))
    return Workload(
        classes=dataset.classes,
        device=there,
        precision=resolved["precision"].value,
        compiled=resolved["compile"].value == "on",
        form=form,
        training=Batches(source, training, batch_size=batch_size * parts, **common),
        validation=held_out,
        test=None if on_test else test,
        augmentation=Augmentation.model_validate(resolved["augmentation"].value),
        seed=spec.seed,
        new_network=factory,
        accumulation_steps=parts,
        gradient_clip=spec.gradient_clip,
        label_smoothing=spec.label_smoothing,
        layer_lr_decay=spec.layer_lr_decay,
        mixing=Mixing(mixup=spec.mixup, cutmix=spec.cutmix, cutout=spec.cutout),
        deterministic=spec.deterministic,
        resolved=resolved,
        ranks=ranks,
    )


def _batch_size(openly: Openly, *, settled: Mapping[str, Any], ranks: Ranks) -> dict[str, Resolution]:
    """The user's; else what an earlier attempt settled, or a training that goes on would be another; else measured."""
    if openly.spec.batch_size != "auto":
        return {"batch_size": choices.batch_size(openly.spec.batch_size, openly.images, ranks=ranks)}
    if "batch_size" in settled:
        known = settled.keys() & {"batch_size", "noise_scale"}
        return {name: Resolution(**settled[name]) for name in known}
    return ranks.tell(lambda: choose_batch_size(openly))


def _first_of(ranks: Ranks) -> str:
    return f"the first of {ranks.count} devices that share each batch"


def _batches(spec: LeafSpec, per_epoch: int) -> int:
    """Forward and backward passes that the job will make."""
    if isinstance(spec, TrainingSpec):
        return spec.epochs * per_epoch
    return spec.steps_for(per_epoch) if isinstance(spec, RangeTestSpec) else per_epoch


def _format(
    spec: LeafSpec, dataset: Dataset, fact: ArchitectureFact, resolved: dict[str, Resolution], *, device: torch.device
) -> Format:
    channels = fact.channels or dataset.train.channels
    mean, std = dataset.channel_mean, [value or 1.0 for value in dataset.channel_std]  # 0: all pixels alike
    if resolved["normalize"].value == "imagenet":
        grey = channels == 1
        mean = [sum(_IMAGENET_MEAN) / 3] if grey else _IMAGENET_MEAN
        std = [sum(_IMAGENET_STD) / 3] if grey else _IMAGENET_STD
    side = resolved["image_size"].value
    return Format(device=device, side=side, channels=channels, mean=mean, std=std, crop_from=spec.crop_from)


def _indices(dataset: Dataset, validation: object, *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if validation != "test":
        return split_validation(dataset.train.labels, float(str(validation)), seed=seed)
    if dataset.test is None:
        raise NoTestSplit(f"{dataset.name} has no test split to validate on")
    return np.arange(len(dataset.train)), np.arange(0)


def _whole(dataset: Dataset, *, form: Format, batch_size: int, ranks: Ranks) -> Batches | None:
    if dataset.test is None:
        return None
    index = np.arange(len(dataset.test))
    return Batches(Source(dataset.test, form.device), index, form=form, batch_size=batch_size, ranks=ranks)


def _factory(
    spec: LeafSpec,
    fact: ArchitectureFact,
    resolved: dict[str, Resolution],
    *,
    classes: int,
    form: Format,
    folder: Path,
) -> Callable[[], nn.Module]:
    weights = resolved["pretrained"].value

    def build() -> nn.Module:
        options = spec.architecture.options
        return nets.build(fact.name, classes=classes, channels=form.channels, image_size=form.side, options=options)

    def build_pretrained() -> nn.Module:
        return nets.build_pretrained(fact.name, classes=classes, image_size=form.side, weights=weights, folder=folder)

    if weights is None:
        return build
    nets.fetch_weights(fact.name, weights, folder=folder)  # now, so that it fails before anything was computed
    return build_pretrained
