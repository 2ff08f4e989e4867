"""`compare`, `tune` and `auto`: submit a plan, a job that is made of other jobs, then follow it."""

from datetime import timedelta
from typing import Annotated

import typer

from supercycle.cli.durations import read_duration
from supercycle.cli.help import SUBMIT
from supercycle.cli.submit import (
    Architecture,
    BatchSize,
    Dataset,
    Momentum,
    Optimizer,
    WeightDecay,
    submits,
)

Reuse = Annotated[bool | None, typer.Option("--reuse", help="Take over what ended jobs have found.")]
Budget = Annotated[
    timedelta | None,
    typer.Option(parser=read_duration, metavar="10m|SECONDS", help="What its jobs may take together."),
]
Tune = Annotated[str | None, typer.Option(metavar="WHAT", help="What to look for, e.g. batch_size,momentum; or none.")]


@submits("comparison")
def compare(
    context: typer.Context,
    *,
    dataset: Dataset = None,
    architecture: Architecture = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images of the baseline.")] = None,
    fraction: Annotated[float | None, typer.Option(help="Share of them for one cycle and its controls.")] = None,
    fractions: Annotated[
        str | None, typer.Option(metavar="SHARES", help="Further shares to try one cycle in, e.g. 0.5,0.125.")
    ] = None,
    margin: Annotated[float | None, typer.Option(help="Points below the baseline that the goal allows.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Trainings of each arm.")] = None,
    search_steps: Annotated[int | None, typer.Option(help="Most optimizer steps to look for max_lr, per arm.")] = None,
    reuse: Reuse = None,
    optimizer: Optimizer = None,
    momentum: Momentum = None,
    weight_decay: WeightDecay = None,
    batch_size: BatchSize = None,
) -> None:
    """Is it super-convergence? One cycle in a quarter of the epochs beside a baseline and controls, with intervals."""


@submits("tuning")
def tune(
    context: typer.Context,
    *,
    dataset: Dataset = None,
    architecture: Architecture = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images of the training to tune.")] = None,
    tune: Tune = None,
    trial_epochs: Annotated[int | None, typer.Option(help="Length of a short training.")] = None,
    budget: Budget = None,
    reuse: Reuse = None,
    optimizer: Optimizer = None,
    momentum: Momentum = None,
    weight_decay: WeightDecay = None,
    batch_size: BatchSize = None,
) -> None:
    """Look for good values by sweeps and short trainings: batch size, weight decay, momentum, or any field."""


@submits("auto")
def auto(
    context: typer.Context,
    *,
    dataset: Dataset = None,
    architecture: Architecture = None,
    budget: Budget = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images; left out, what fits the budget.")] = None,
    tune: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="What to look for, e.g. batch_size,momentum; or none. Left out, all that is not given.",
        ),
    ] = None,
    compare: Annotated[
        bool | None, typer.Option("--compare", help="Compare with a baseline and controls, too.")
    ] = None,
    optimizer: Optimizer = None,
    momentum: Momentum = None,
    weight_decay: WeightDecay = None,
    batch_size: BatchSize = None,
) -> None:
    """From a data set to a model: tune within a budget, train, and report."""


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (compare, tune, auto):
        app.command(rich_help_panel=SUBMIT)(command)
