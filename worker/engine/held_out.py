"""The loss on a fixed batch of held-out images in the middle of a sweep, which changes nothing in it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.engine.device import autocast
from worker.engine.norm_layers import tracking_layers
from worker.engine.workload import Workload


class HeldOut:
    """Looks at the same validation images, as many as go through the network at once, every so many steps.

    Batch norm normalises by those images, as it does by the batch in training: running statistics would lag behind a
    rate that rises. Of several ranks every one looks at all of them, which are as many as one rank's share.
    """

    def __init__(self, workload: Workload, *, every: int) -> None:
        images = workload.training.batch_size // workload.accumulation_steps // workload.ranks.count
        self._pixels, self._labels = workload.validation.spread(images)
        self._precision, self._every = workload.precision, every

    def due(self, step: int) -> bool:
        """Whether this step, counted from 0, is one to look before."""
        return step % self._every == 0

    @torch.no_grad()
    def loss(self, network: nn.Module) -> Tensor:
        """The mean cross-entropy, still on the device."""
        with _as_in_training(network), autocast(self._pixels.device, self._precision):
            logits = network(self._pixels)
        return functional.cross_entropy(logits.float(), self._labels)


@contextmanager
def _as_in_training(network: nn.Module) -> Iterator[None]:
    """Batch norm by the batch, without a trace in its statistics; dropout off."""
    modes = {module: module.training for module in network.modules()}
    layers = tracking_layers(network)
    network.eval()
    for layer in layers:
        layer.train()
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
        for module, mode in modes.items():
            module.training = mode
