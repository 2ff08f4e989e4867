"""fastai's Learner over the same folder of pictures."""

from functools import partial

import torch
from fastai.callback.channelslast import ChannelsLast
from fastai.vision.all import (
    Callback,
    CropPad,
    CrossEntropyLossFlat,
    Flip,
    ImageDataLoaders,
    Learner,
    MixedPrecision,
    Normalize,
    OptimWrapper,
    PadMode,
    RandomCrop,
)

from benchmarks.peers.request import CIFAR10_MEAN, CIFAR10_STD, Clock, Request


class Ticking(Callback):
    """Tells the clock of every training step."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def after_batch(self) -> None:
        """A step was done."""
        if self.training:
            self.clock.tick()


class Bf16(MixedPrecision):
    """fastai's mixed precision, which asks for CUDA's autocast whatever the device, made to ask for the device's."""

    def __init__(self, device: str) -> None:
        super().__init__(amp_mode="bf16")
        self.device = torch.device(device).type

    def before_fit(self) -> None:
        """Replace the autocast; bf16 needs no scaler."""
        super().before_fit()
        self.autocast = torch.autocast(self.device, dtype=torch.bfloat16)


def over_files(request: Request) -> float:
    """Images a second, with the progress bar and the log off."""
    # CropPad pads, and each image of the epoch is cut out of it anew.
    shaking = [CropPad(40, pad_mode=PadMode.Reflection), RandomCrop(32)] if request.augmented else []
    data = ImageDataLoaders.from_folder(
        request.folder,
        valid_pct=0.02,
        bs=request.batch,
        num_workers=request.workers,
        item_tfms=shaking,
        batch_tfms=[*([Flip()] if request.augmented else []), Normalize.from_stats(CIFAR10_MEAN, CIFAR10_STD)],
        device=torch.device(request.device),
    )
    clock = Clock(request.device)
    callbacks = [Ticking(clock)]
    callbacks += [ChannelsLast()] if request.channels_last else []
    callbacks += [Bf16(request.device)] if request.precision == "bf16" else []
    learner = Learner(
        data,
        request.network(),
        loss_func=CrossEntropyLossFlat(),
        opt_func=partial(OptimWrapper, opt=partial(torch.optim.SGD, momentum=0.9, nesterov=True, weight_decay=5e-4)),
        cbs=callbacks,
    )
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, lr=0.05)
    return clock.images_per_second(request.batch)
