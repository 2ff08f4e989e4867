"""Running batch-norm statistics at several momenta, kept side by side in one training.

While a network trains, its layers normalise by the batch itself: their momentum changes no weight. So one training can
follow the statistics at as many momenta as it likes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from worker.engine.norm_layers import statistics_of, tracking_layers


class ShadowStatistics:
    """The running statistics of a network that is being trained, at each of `momenta`.

    The network's own become those of its last batch. Layers that are frozen keep theirs, and so do their shadows.
    """

    def __init__(self, network: nn.Module, momenta: Sequence[float]) -> None:
        set_momentum(network, 1.0)
        self.momenta = momenta
        self._latest = statistics_of(network)
        self._running = [[tensor.clone() for tensor in self._latest] for _ in momenta]
        self._best: list[list[Tensor]] = []

    @torch.no_grad()
    def update(self) -> None:
        """Take the batch in that has just passed through the network."""
        for momentum, running in zip(self.momenta, self._running, strict=True):
            torch._foreach_lerp_(running, self._latest, momentum)

    def show(self, network: nn.Module) -> None:
        """Give a network, this one or an average of its weights, the statistics of the first momentum."""
        copy_statistics(self._running[0], statistics_of(network))

    def keep(self) -> None:
        """Remember them as they are now, in host memory, for the best weights."""
        self._best = [[tensor.to("cpu", copy=True) for tensor in running] for running in self._running]

    def show_best(self, network: nn.Module, place: int) -> None:
        """Give a network with the best weights what was remembered for the momentum at `place`."""
        copy_statistics(self._best[place], statistics_of(network))

    def state(self) -> dict[str, list[list[Tensor]]]:
        """What a resumed training must know."""
        return {"running": self._running, "best": self._best}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        for ours, theirs in zip(self._running, state["running"], strict=True):
            copy_statistics(theirs, ours)
        self._best = state["best"]


def set_momentum(network: nn.Module, momentum: float) -> None:
    """Give every layer with running statistics this weight of the new batch."""
    for layer in tracking_layers(network):
        layer.momentum = momentum


@torch.no_grad()
def copy_statistics(source: Sequence[Tensor], target: Sequence[Tensor]) -> None:
    """Overwrite the values of each tensor, wherever it lies."""
    for theirs, ours in zip(source, target, strict=True):
        ours.copy_(theirs)
