"""Exact batch-norm statistics: what a running average only follows, computed once over many images."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from app.domain.specs.parts import Augmentation
from worker.engine.device import autocast
from worker.engine.norm_layers import statistics_of, tracking_layers
from worker.engine.parallel import ALONE, Ranks
from worker.engine.workload import Workload

_IMAGES = 8192


@torch.no_grad()
def recompute_statistics(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, precision: str, ranks: Ranks = ALONE
) -> None:
    """Set every batch-norm layer's mean and variance to their average over these batches, all counted alike.

    After a few steps, or with a rate that moves the weights fast, the running average lags behind them (Izmailov et
    al. 2018, arXiv:1803.05407, section 3.3). The network's modes and momenta are left as found; dropout stays off.
    """
    layers = tracking_layers(network)
    modes, momenta = [layer.training for layer in layers], [layer.momentum for layer in layers]
    was_training = network.training
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a cumulative average
        layer.train()
    try:
        for pixels, _ in batches if layers else ():
            with autocast(pixels.device, precision):
                network(pixels)
        # Every rank went through as many batches.
        ranks.average(statistics_of(network))
    finally:
        network.train(was_training)
        for layer, mode, momentum in zip(layers, modes, momenta, strict=True):
            layer.train(mode)
            layer.momentum = momentum


def plain_batches(workload: Workload) -> Iterator[tuple[Tensor, Tensor]]:
    """Up to 8,192 training images, unchanged and always the same, in batches that are all of the training's size.

    A smaller last one would count too much, and a single image has nothing to normalise by.
    """
    training, parts = workload.training, workload.accumulation_steps
    steps = max(1, min(training.per_epoch, _IMAGES // training.batch_size))
    for batch in training.shuffled(workload.seed, augmentation=Augmentation(), stop=steps):
        for rows in batch.rows(parts):
            part = batch.part(rows)
            yield part.images(), part.labels
