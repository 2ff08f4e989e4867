"""Images a second of the engine, a bare loop and what others write: `python benchmarks/engine_throughput.py`.

Alike: network (ResNet-9, width 16), CIFAR-10 pictures, batch 256, threads, cross-entropy, Nesterov SGD with weight
decay, full batches; every number counts optimizer steps alone, without the first five and without evaluation.

- The bare loop has normalised float tensors in memory, in a fixed order, and does nothing else.
- The engine starts from uint8, shuffles, augments, follows a schedule, counts hits, reports every step's loss.
- The peers, in one process of their own: torchvision's ImageFolder in a DataLoader with two workers, the same over
  tensors in memory (which cannot augment), fastai's and Lightning's loops over the files. They need
  `pip install '.[worker,benchmarks]'`; `--peers-python` names the interpreter that has them where it is another.

All take turns within each round, so that a disturbance hits all of them; only ratios within one run mean anything.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.domain import catalog
from app.domain.schedules import build_schedule
from app.domain.specs import Augmentation, TrainingSpec, parse_spec
from benchmarks.peers.company import Company
from benchmarks.peers.pictures import CIFAR10_ARCHIVE, cifar10, cifar10_files
from benchmarks.peers.request import UNTIMED_STEPS, Request
from benchmarks.silent import Silent
from worker.engine.data import Dataset, Images
from worker.engine.device import autocast
from worker.engine.optim import build_optimizer
from worker.engine.training import train
from worker.engine.trials import device_name
from worker.engine.workload import Workload, prepare

BATCH = 256
BARE, ENGINE, COMPILED = "bare loop", "engine", "engine, compiled"
PLAIN, LAST, FAST = "fp32", "fp32 channels_last", "bf16 channels_last"
FORMATS = [PLAIN, LAST, FAST]
AUGMENTED = {"off": "none", "on": {"crop": 4, "flip": True}}

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Cell:
    """One number of the table, and how it is measured."""

    who: str
    form: str
    measure: Callable[[], float]


def spec_of(asked: argparse.Namespace, *, precision: str, augmentation: object, compile: str = "off") -> TrainingSpec:  # noqa: A002
    """One epoch, as a user would submit it."""
    fields = {"dataset": "CIFAR10", "architecture": {"name": "resnet9", "width": asked.width}, "epochs": 1}
    choices = {"precision": precision, "augmentation": augmentation, "compile": compile}
    spec = parse_spec({"kind": "training", **fields, **choices, "batch_size": BATCH, "validation": 0.1})
    assert isinstance(spec, TrainingSpec)
    return spec


def workload_of(spec: TrainingSpec, asked: argparse.Namespace) -> Workload:
    """As the service would prepare it."""
    pixels, labels = cifar10("train", asked.images)
    shares = pixels / np.float32(255)
    mean, std = shares.mean(axis=(0, 2, 3)).tolist(), shares.std(axis=(0, 2, 3)).tolist()
    fact = catalog.datasets()["CIFAR10"]
    return prepare(
        spec,
        Dataset("CIFAR10", fact.classes, Images(pixels, labels), None, channel_mean=mean, channel_std=std),
        fact=catalog.architectures()["resnet9"],
        default_validation=fact.validation,
        default_augmentation=fact.augmentation,
        device=asked.device,
        weights_dir=Path(tempfile.gettempdir()),
    )


def bare_loop(workload: Workload, spec: TrainingSpec, *, batches: list[Batch], form: str) -> float:
    """Images a second of the plainest loop."""
    memory_format = torch.contiguous_format if form == PLAIN else torch.channels_last
    network = workload.fresh_network().to(memory_format=memory_format).train()
    batches = [(pixels.contiguous(memory_format=memory_format), labels) for pixels, labels in batches]
    optimizer = build_optimizer(network, spec.optimizer)
    for group in optimizer.param_groups:
        group["lr"] = 0.05
    began = 0.0
    for step, (pixels, labels) in enumerate(batches):
        if step == UNTIMED_STEPS:
            began = now(workload.device)
        with autocast(workload.device, workload.precision):
            logits = network(pixels)
        loss = functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return (len(batches) - UNTIMED_STEPS) * BATCH / (now(workload.device) - began)


def now(device: torch.device) -> float:
    """The time at which the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter()


def engine(workload: Workload, spec: TrainingSpec) -> float:
    """Images a second that the engine itself reports."""
    schedule = build_schedule(spec.schedule, max_lr=0.2)
    with tempfile.TemporaryDirectory() as folder:
        trained = train(workload, spec, schedule=schedule, control=Silent(), folder=Path(folder), resume=None)
    assert trained.images_per_second is not None
    return trained.images_per_second


def own_cells(asked: argparse.Namespace, augmentation: object) -> Iterator[Cell]:
    """The bare loop in every format, and the engine in those that it uses."""
    batches: list[Batch] = []
    for form in FORMATS:
        spec = spec_of(asked, precision=form.partition(" ")[0], augmentation=augmentation)
        workload = workload_of(spec, asked)
        steps = workload.training.shuffled(0, augmentation=Augmentation(), start=0, stop=workload.steps_per_epoch)
        batches = batches or [(batch.images(), batch.labels) for batch in steps]
        yield Cell(BARE, form, partial(bare_loop, workload, spec, batches=batches, form=form))
        if form != PLAIN:
            yield Cell(ENGINE, form, partial(engine, workload, spec))
    if asked.compile:
        spec = spec_of(asked, precision="bf16", augmentation=augmentation, compile="on")
        yield Cell(COMPILED, FAST, partial(engine, workload_of(spec, asked), spec))


def peer_cells(asked: argparse.Namespace, company: Company, *, augmented: bool) -> Iterator[Cell]:
    """Every peer that is there, plainly and with all it can have."""
    folder = str(cifar10_files("train", asked.images))
    for name in company.versions:
        if augmented and name == "DataLoader over memory":
            continue
        for form in (PLAIN, FAST):
            request = Request(
                name, folder, form.partition(" ")[0], form == FAST, augmented, asked.device, asked.width, BATCH
            )
            yield Cell(name, form, partial(company.images_per_second, request))


Table = dict[tuple[str, str], list[float]]


def measure(cells: list[Cell], *, rounds: int) -> Table:
    """Every cell once in each round; each round begins with another one."""
    table: Table = {(cell.who, cell.form): [] for cell in cells}
    for number in range(rounds):
        first = number * len(cells) // rounds
        for cell in cells[first:] + cells[:first]:
            table[cell.who, cell.form].append(cell.measure())
    return table


def show(table: Table) -> None:
    """Medians as rows and columns, then the two ratios that the project promises."""
    print(f"{'images/s (median, range)':26}" + "".join(f"{form:>27}" for form in FORMATS))
    for who in dict.fromkeys(name for name, _ in table):
        print(f"{who:26}" + "".join(f"{_spread(table.get((who, form), [])):>27}" for form in FORMATS))
    for form in (LAST, FAST):
        ratios = [ours / bare for ours, bare in zip(table[ENGINE, form], table[BARE, form], strict=True)]
        print(f"engine / bare loop, {form}: {_spread(ratios, digits=3)}; wanted: at least 0.95")
    peers = {name: median(values) for name, values in table.items() if name[0] not in (BARE, ENGINE, COMPILED)}
    for columns, label in (([PLAIN], "as they come"), ([PLAIN, FAST], "in any format")):
        _show_lead(table, {name: speed for name, speed in peers.items() if name[1] in columns}, label=label)


def _show_lead(table: Table, peers: dict[tuple[str, str], float], *, label: str) -> None:
    if not peers:
        print(f"engine / fastest peer, {label}: no peer was there")
        return
    fastest = max(peers, key=lambda name: peers[name])
    for who in (ENGINE, COMPILED):
        if (who, FAST) in table:
            ratios = [ours / theirs for ours, theirs in zip(table[who, FAST], table[fastest], strict=True)]
            print(f"{who} / fastest peer, {label} ({', '.join(fastest)}): {_spread(ratios)}; wanted: at least 3")


def _spread(values: list[float], *, digits: int | None = None) -> str:
    if not values:
        return "-"
    digits = digits if digits is not None else (0 if median(values) > 100 else 2)
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), median(values), max(values)))
    return f"{middle} ({low}-{high})"


def main() -> None:
    """Measure all in turn, without augmentation and with it."""
    asked = arguments()
    torch.set_num_threads(asked.threads)
    where = f"{asked.device} ({device_name(torch.device(asked.device))})"
    print(f"{where}, {asked.threads} threads, torch {torch.__version__}, Python {platform.python_version()}")
    print(f"ResNet-9 width {asked.width}, batch {BATCH}, {asked.images} pictures, {asked.rounds} interleaved rounds")
    with Company(asked.peers_python, threads=asked.threads, log=asked.log) as company:
        print(f"there: {', '.join(company.versions.values()) or 'no peer'}")
        for name, why in company.missing.items():
            print(f"NOT THERE: {name} ({why})")
        for augmentation in asked.augmentation:
            print(f"\naugmentation {augmentation}", flush=True)
            cells = list(own_cells(asked, AUGMENTED[augmentation]))
            cells += peer_cells(asked, company, augmented=augmentation == "on")
            show(measure(cells, rounds=asked.rounds))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--augmentation", nargs="+", choices=list(AUGMENTED), default=list(AUGMENTED))
    parser.add_argument("--compile", action="store_true", help="also time the engine compiled")
    parser.add_argument("--peers-python", default=sys.executable, help="the interpreter that has fastai and lightning")
    parser.add_argument("--log", type=Path, default=Path(tempfile.gettempdir()) / "supercycle-peers.log")
    asked = parser.parse_args()
    if not CIFAR10_ARCHIVE.exists():
        parser.exit(0, f"SKIPPED: {CIFAR10_ARCHIVE.resolve()} is not there\n")
    return asked


if __name__ == "__main__":
    main()
