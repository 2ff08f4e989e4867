"""The loop that everybody writes: ImageFolder, transforms, DataLoader; and the same over tensors in memory."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from torchvision import datasets, transforms

from benchmarks.peers.request import CIFAR10_MEAN, CIFAR10_STD, Clock, Request


def over_files(request: Request) -> float:
    """Images a second of a DataLoader over picture files."""
    return _train(request, file_loader(request))


def over_memory(request: Request) -> float:
    """Images a second of a DataLoader over tensors decoded and normalised beforehand, which cannot augment."""
    pixels, labels = zip(*(batch for batch in file_loader(request)), strict=True)
    data = TensorDataset(torch.cat(pixels), torch.cat(labels))
    return _train(request, DataLoader(data, request.batch, shuffle=True, drop_last=True))


def file_loader(request: Request) -> DataLoader[tuple[Tensor, Tensor]]:
    """With as many workers as there are cores here."""
    shaking = [transforms.RandomCrop(32, padding=4, padding_mode="reflect"), transforms.RandomHorizontalFlip()]
    steps = [*(shaking if request.augmented else []), transforms.ToTensor()]
    data = datasets.ImageFolder(
        request.folder, transforms.Compose([*steps, transforms.Normalize(CIFAR10_MEAN, CIFAR10_STD)])
    )
    pinned = request.device.startswith("cuda")
    return DataLoader(data, request.batch, shuffle=True, drop_last=True, num_workers=request.workers, pin_memory=pinned)


def _train(request: Request, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    network = request.network()
    optimizer = request.optimizer(network)
    clock, total = Clock(request.device), 0.0
    for pixels, labels in batches:
        there = pixels.to(request.device, non_blocking=True, memory_format=request.memory_format)
        logits = request.forward(network, there)
        loss = functional.cross_entropy(logits, labels.to(request.device, non_blocking=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        clock.tick()
    return clock.images_per_second(request.batch)
