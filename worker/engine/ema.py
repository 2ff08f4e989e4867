"""A running average of the weights, which jitters less than the weights themselves (Polyak & Juditsky 1992)."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """A copy of a network whose parameters are an exponential moving average of the network's own.

    Its buffers, batch-norm statistics among them, are the network's.
    """

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.network = deepcopy(network).eval().requires_grad_(False)
        self._decay = decay
        self._averages: list[Tensor] = list(self.network.parameters())
        self._weights: list[Tensor] = list(network.parameters())
        self._buffers, self._sources = list(self.network.buffers()), list(network.buffers())

    @torch.no_grad()
    def update(self, *, step: int) -> None:
        """Take the weights after optimizer step `step` in, counted from 0.

        The decay warms up as (1 + step) / (10 + step), or the random start would weigh for 1 / (1 - decay) steps.
        """
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averages, self._weights, 1 - decay)
        if self._buffers:  # torch refuses an empty list
            torch._foreach_copy_(self._buffers, self._sources)

    def state(self) -> dict[str, Tensor]:
        """What a resumed training must know."""
        return self.network.state_dict()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.network.load_state_dict(state)
