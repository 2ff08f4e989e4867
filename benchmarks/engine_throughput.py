"""Images a second of the engine beside a bare loop, on CIFAR-10 pictures: `python benchmarks/engine_throughput.py`.

Alike: network (ResNet-9, width 16), batch 256, threads, precision (bf16 where the CPU has it), channels last,
cross-entropy, Nesterov SGD with weight decay, full batches.
The bare loop has normalised float tensors of one epoch in memory, in a fixed order, and does nothing else. The
engine starts from uint8, shuffles, shifts and mirrors, follows a schedule, counts hits, reports every step's
loss and asks at every step whether to stop. Both count the seconds of optimizer steps alone, without evaluation.
"""

import argparse
import statistics
import tarfile
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from app.domain import catalog
from app.domain.schedules import build_schedule
from app.domain.specs import Augmentation, TrainingSpec, parse_spec
from worker.engine.data import Dataset, Images
from worker.engine.device import autocast
from worker.engine.events import Event, Stop
from worker.engine.optim import build_optimizer
from worker.engine.training import train
from worker.engine.workload import Workload, prepare

ARCHIVE = Path(__file__).parents[1] / ".." / "shared" / "data" / "cifar10-jpeg.tar.xz"
BATCH = 256


class Silent:
    """Takes events and drops them."""

    def emit(self, event: Event) -> None:
        """Nothing to do."""

    def stop_requested(self) -> Stop | None:
        """Never."""
        return None


def pictures(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The first training pictures of the archive, decoded once and kept in the temporary folder."""
    cache = Path(tempfile.gettempdir()) / f"supercycle-cifar10-{count}.npz"
    if not cache.exists():
        pixels, labels = decode(count)
        np.savez(cache, pixels=pixels, labels=labels)
    content = np.load(cache)
    return content["pixels"], content["labels"]


def decode(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read JPEGs as they come, the same number of every class."""
    classes = catalog.datasets()["CIFAR10"].classes
    found: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in classes}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            split, _, rest = member.name.partition("/")
            name = rest.partition("/")[0]
            if split == "train" and member.name.endswith(".jpg") and len(found[name]) < count // 10:
                picture = archive.extractfile(member)
                assert picture is not None
                found[name].append(np.asarray(Image.open(picture).convert("RGB")).transpose(2, 0, 1))
    pixels = np.stack([picture for name in classes for picture in found[name]])
    return pixels, np.repeat(np.arange(10), [len(found[name]) for name in classes])


def workload_of(spec: TrainingSpec, count: int) -> Workload:
    """As the service would prepare it."""
    pixels, labels = pictures(count)
    shares = pixels / np.float32(255)
    mean, std = shares.mean(axis=(0, 2, 3)).tolist(), shares.std(axis=(0, 2, 3)).tolist()
    fact = catalog.datasets()["CIFAR10"]
    return prepare(
        spec,
        Dataset("CIFAR10", fact.classes, Images(pixels, labels), None, channel_mean=mean, channel_std=std),
        fact=catalog.architectures()["resnet9"],
        default_validation=fact.validation,
        default_augmentation=fact.augmentation,
        device="cpu",
        weights_dir=Path(tempfile.gettempdir()),
    )


def bare_loop(workload: Workload, spec: TrainingSpec, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Images a second of the plainest loop, its first five steps left out."""
    network = workload.fresh_network().train()
    optimizer = build_optimizer(network, spec.optimizer)
    for group in optimizer.param_groups:
        group["lr"] = 0.05
    began = 0.0
    for step, (pixels, labels) in enumerate(batches):
        if step == 5:
            began = perf_counter()
        with autocast(workload.device, workload.precision):
            loss = functional.cross_entropy(network(pixels), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return (len(batches) - 5) * BATCH / (perf_counter() - began)


def engine(workload: Workload, spec: TrainingSpec) -> float:
    """Images a second that the engine itself reports."""
    schedule = build_schedule(spec.schedule, max_lr=0.2)
    with tempfile.TemporaryDirectory() as folder:
        trained = train(workload, spec, schedule=schedule, control=Silent(), folder=Path(folder), resume=None)
    assert trained.images_per_second is not None
    return trained.images_per_second


def main() -> None:
    """Measure both in turn, and print each round, the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    architecture = {"name": "resnet9", "width": 16}
    fields = {"dataset": "CIFAR10", "architecture": architecture, "epochs": 1, "batch_size": BATCH, "validation": 0.1}
    spec = parse_spec({"kind": "training", **fields})
    assert isinstance(spec, TrainingSpec)
    workload = workload_of(spec, asked.images)
    bare, ours = [], []
    steps = workload.training.shuffled(0, augmentation=Augmentation(), start=0, stop=workload.steps_per_epoch)
    batches = list(steps)
    for round_number in range(1, asked.rounds + 1):
        bare.append(bare_loop(workload, spec, batches))
        ours.append(engine(workload, spec))
        print(f"round {round_number}: bare {bare[-1]:7.1f}   engine {ours[-1]:7.1f}   ratio {ours[-1] / bare[-1]:.3f}")
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    print(
        f"torch {torch.__version__}, {workload.precision}, {asked.threads} threads: median of {asked.rounds} rounds: "
        f"bare {statistics.median(bare):.1f} images/s, engine {statistics.median(ours):.1f} images/s, "
        f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"
    )


if __name__ == "__main__":
    main()
