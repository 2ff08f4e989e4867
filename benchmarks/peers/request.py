"""What a peer is asked to train, and the clock that times its steps."""

from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor, nn

from worker.engine import nets
from worker.engine.device import autocast

CIFAR10_MEAN, CIFAR10_STD = [0.491, 0.482, 0.447], [0.247, 0.243, 0.262]
UNTIMED_STEPS = 5


@dataclass(frozen=True)
class Request:
    """One epoch of ResNet-9 on a folder of pictures."""

    peer: str
    folder: str
    precision: str  #: fp32 or bf16
    channels_last: bool
    augmented: bool
    device: str = "cpu"
    width: int = 16
    batch: int = 256
    workers: int = 2

    def network(self) -> nn.Module:
        """A fresh one, where and how it is to be trained."""
        network = nets.build("resnet9", classes=10, channels=3, image_size=32, options={"width": self.width})
        return network.to(self.device).to(memory_format=self.memory_format).train()

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """Nesterov SGD as tutorials write it."""
        return torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)

    @property
    def memory_format(self) -> torch.memory_format:
        """Of network and pixels."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def forward(self, network: nn.Module, pixels: Tensor) -> Tensor:
        """A forward pass in the precision asked for."""
        with autocast(torch.device(self.device), self.precision):
            logits: Tensor = network(pixels)
        return logits.float()


class Clock:
    """Notes when each step was done; the first few, in which things warm up, do not count."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._marks: list[float] = []

    def tick(self) -> None:
        """A step was done."""
        self._marks.append(perf_counter())

    def images_per_second(self, batch: int) -> float:
        """Between the last untimed step and the last step of all, called right after it."""
        if self._device.type == "cuda":
            torch.cuda.synchronize()
            self._marks[-1] = perf_counter()
        steps = len(self._marks) - UNTIMED_STEPS
        assert steps > 0, f"more than {UNTIMED_STEPS} batches are needed"
        return steps * batch / (self._marks[-1] - self._marks[UNTIMED_STEPS - 1])
