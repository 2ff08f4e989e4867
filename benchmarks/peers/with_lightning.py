"""Lightning's Trainer around the plain loop's DataLoader."""

import lightning
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.peers.plain import file_loader
from benchmarks.peers.request import Clock, Request

_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


class Module(lightning.LightningModule):
    """The network as Lightning wants it."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request
        self.network = request.network()

    def training_step(self, batch: tuple[Tensor, Tensor], _number: int) -> Tensor:
        """One loss."""
        pixels, labels = batch
        return functional.cross_entropy(self.network(pixels.to(memory_format=self.request.memory_format)), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The same as everywhere."""
        return self.request.optimizer(self.network)


class Ticking(lightning.Callback):
    """Tells the clock of every step."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_batch_end(self, *_arguments: object) -> None:
        """A step was done."""
        self.clock.tick()


def over_files(request: Request) -> float:
    """Images a second, with everything off that can be: no logger, checkpoint, progress bar or summary."""
    clock = Clock(request.device)
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="gpu" if request.device.startswith("cuda") else "cpu",
        devices=1,
        precision=_PRECISIONS[request.precision],
        callbacks=[Ticking(clock)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(request), file_loader(request))
    return clock.images_per_second(request.batch)
