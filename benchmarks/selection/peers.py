"""Learning-rate finders of other packages, each run by its own code on the same networks and batches.

Needs fastai, torch-lr-finder and lightning, which the project itself does not: `pip install -e .[benchmarks]`.
"""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, IterableDataset

from app.domain.specs.parts import Adam, AdamW, Sgd
from app.domain.weight_decay import usual_decay
from benchmarks.selection.grid import SWEEP_STEPS
from benchmarks.selection.measuring import workload_of
from benchmarks.selection.records import Records
from benchmarks.selection.tasks import Task
from worker.engine.optim import build_optimizer
from worker.engine.workload import Workload

FASTAI_RULES = ("minimum", "steep", "valley", "slide")


class _Shuffled(IterableDataset[tuple[Tensor, Tensor]]):
    """The batches that our own sweep would see."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        workload = self.workload
        batches = workload.training.shuffled(
            workload.seed, augmentation=workload.augmentation, stop=workload.steps_per_epoch
        )
        return ((batch.images(), batch.labels) for batch in batches)

    def __len__(self) -> int:
        return self.workload.steps_per_epoch


def measure_peers(records: Records, task: Task, *, seed: int) -> None:
    """What every peer suggests for one seed."""
    if records.get("peer", seed=seed) is not None:
        return
    workload, optimizer = workload_of(task.name, seed), task.spec(seed=seed).optimizer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picks = _fastai(workload, optimizer) | _lr_finder(workload, optimizer) | _lightning(workload, optimizer)
    records.add({"kind": "peer", "seed": seed, "picks": picks})


def _loader(workload: Workload) -> DataLoader[Any]:
    return DataLoader(_Shuffled(workload), batch_size=None)


def _fastai(workload: Workload, optimizer: Sgd | Adam | AdamW) -> dict[str, float | None]:
    from fastai.callback import schedule
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    with tempfile.TemporaryDirectory() as folder:
        learner = Learner(
            DataLoaders(_loader(workload), _loader(workload)),
            workload.fresh_network(),
            loss_func=nn.CrossEntropyLoss(),
            opt_func=partial(OptimWrapper, opt=partial(_optimizer_over, optimizer)),
            path=Path(folder),
        )
        functions = tuple(getattr(schedule, rule) for rule in FASTAI_RULES)
        with learner.no_bar(), learner.no_logging():
            found = learner.lr_find(num_it=SWEEP_STEPS, show_plot=False, suggest_funcs=functions)
    return {f"fastai {rule}": float(getattr(found, rule)) for rule in FASTAI_RULES}


def _optimizer_over(spec: Sgd | Adam | AdamW, parameters: Any, **_: Any) -> torch.optim.Optimizer:  # noqa: ANN401
    decay = usual_decay(spec) if spec.weight_decay == "auto" else spec.weight_decay
    if isinstance(spec, Sgd):
        return torch.optim.SGD(parameters, lr=0.1, momentum=spec.momentum, nesterov=spec.nesterov, weight_decay=decay)
    return (torch.optim.AdamW if isinstance(spec, AdamW) else torch.optim.Adam)(parameters, weight_decay=decay)


def _lr_finder(workload: Workload, optimizer: Sgd | Adam | AdamW) -> dict[str, float | None]:
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from torch_lr_finder import LRFinder

    network = workload.fresh_network()
    built = build_optimizer(network, optimizer)
    for group in built.param_groups:
        group["lr"] = 1e-7  # as its README starts
    finder = LRFinder(network, built, nn.CrossEntropyLoss(), device="cpu")
    finder.range_test(_loader(workload), end_lr=10 if isinstance(optimizer, Sgd) else 1, num_iter=SWEEP_STEPS)
    drawn = finder.plot(suggest_lr=True)
    pyplot.close("all")
    return {"torch-lr-finder": float(drawn[1]) if isinstance(drawn, tuple) else None}


def _lightning(workload: Workload, optimizer: Sgd | Adam | AdamW) -> dict[str, float | None]:
    import lightning
    from lightning.pytorch.tuner import Tuner

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.lr = workload.fresh_network(), 1e-3

        def training_step(self, batch: Any, _: int) -> Tensor:  # noqa: ANN401
            return cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            built = build_optimizer(self.network, optimizer)
            for group in built.param_groups:
                group["lr"] = self.lr
            return built

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        trainer = lightning.Trainer(max_epochs=100, accelerator="cpu", default_root_dir=folder, **quiet)
        found = Tuner(trainer).lr_find(Module(), _loader(workload), num_training=SWEEP_STEPS)
    suggestion = found.suggestion() if found is not None else None
    return {"lightning": None if suggestion is None else float(suggestion)}
