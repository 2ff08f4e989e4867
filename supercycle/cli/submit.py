"""`range-test` and `train`: submit a job made of options, then follow it; `watch` follows one that runs already."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from supercycle.cli.exit_codes import ExitCode
from supercycle.cli.follow import follow
from supercycle.cli.help import FOLLOW as STEER
from supercycle.cli.help import SUBMIT
from supercycle.cli.options import (
    AsJson,
    Detach,
    Device,
    Devices,
    IdempotencyKey,
    JobId,
    MaxAttempts,
    MaxRuntime,
    Name,
    OnTimeLimit,
    Priority,
    Tags,
    connect,
)
from supercycle.cli.output import console, print_json
from supercycle.cli.report import FOLLOW, outcome, tell_plan, tell_state
from supercycle.cli.spec import build_spec, check_essentials
from supercycle.jobs import Job

Dataset = Annotated[
    str | None, typer.Option(metavar="DATASET", help="Name or id; `supercycle datasets list` shows them.")
]
Architecture = Annotated[
    str | None,
    typer.Option(metavar="NETWORK", help="E.g. resnet9, or resnet9:width=16; `supercycle architectures` lists them."),
]
Optimizer = Annotated[str | None, typer.Option(help="sgd, adam or adamw.")]
Momentum = Annotated[float | None, typer.Option(help="Of SGD.")]
WeightDecay = Annotated[str | None, typer.Option(metavar="auto|NUMBER", help="Of the optimizer.")]
BatchSize = Annotated[str | None, typer.Option(metavar="auto|NUMBER", help="Images per step.")]
Validation = Annotated[str | None, typer.Option(help='Share of the training images held out, or "test".')]
ImageSize = Annotated[int | None, typer.Option(help="Side in pixels.")]
Pretrained = Annotated[bool | None, typer.Option("--pretrained", help="Start from the default published weights.")]
Weights = Annotated[str | None, typer.Option(help="Start from these published weights, by name.")]
Augmentation = Annotated[
    str | None,
    typer.Option(metavar="CHANGES", help="Of the training images, at random: default, none, or e.g. crop=4,flip."),
]
Precision = Annotated[str | None, typer.Option(help="auto, fp32, bf16 or fp16.")]
Seed = Annotated[int | None, typer.Option(help="Of everything random.")]
Base = Annotated[Path | None, typer.Option("--spec", metavar="FILE.json", help="Start from this spec.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Any other field, e.g. schedule.up=0.3; may be repeated."),
]

ValidateOnly = Annotated[
    bool, typer.Option("--validate-only", help="Say what would be run, with everything filled in; queue nothing.")
]


Command = Callable[..., None]


def _shared(
    *,
    validation: Validation = None,
    image_size: ImageSize = None,
    pretrained: Pretrained = None,
    weights: Weights = None,
    augmentation: Augmentation = None,
    precision: Precision = None,
    seed: Seed = None,
    name: Name = None,
    tags: Tags = None,
    priority: Priority = None,
    device: Device = None,
    devices: Devices = None,
    max_runtime: MaxRuntime = None,
    on_time_limit: OnTimeLimit = None,
    max_attempts: MaxAttempts = None,
    spec: Base = None,
    idempotency_key: IdempotencyKey = None,
    settings: Settings = None,
    validate_only: ValidateOnly = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """What all of these commands take, after what is their own."""


def submits(kind: str) -> Callable[[Command], Command]:
    """Have a command, whose signature names its own options, take the shared ones too and submit a job of this kind."""

    def complete(command: Command) -> Command:
        own, shared = inspect.signature(command), inspect.signature(_shared)

        @wraps(command)
        def run(context: typer.Context, **given: Any) -> None:  # noqa: ANN401 - as the options are typed
            submit(context, kind, given=given)

        parameters = [*own.parameters.values(), *shared.parameters.values()]
        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = command.__annotations__ | _shared.__annotations__
        return run

    return complete


@submits("range_test")
def range_test(
    context: typer.Context,
    *,
    dataset: Dataset = None,
    architecture: Architecture = None,
    optimizer: Optimizer = None,
    momentum: Momentum = None,
    weight_decay: WeightDecay = None,
    batch_size: BatchSize = None,
    start_lr: Annotated[float | None, typer.Option(help="First learning rate of the sweep.")] = None,
    end_lr: Annotated[float | None, typer.Option(help="Last learning rate of the sweep.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps of the sweep.")] = None,
    sweep: Annotated[str | None, typer.Option(help="exponential or linear.")] = None,
) -> None:
    """Sweep the learning rate over some hundred steps and suggest the largest to train with."""


@submits("training")
def train(
    context: typer.Context,
    *,
    preset: Annotated[
        str | None, typer.Option(help="Fill in everything from blog or case_study; other options win.")
    ] = None,
    dataset: Dataset = None,
    architecture: Architecture = None,
    optimizer: Optimizer = None,
    momentum: Momentum = None,
    weight_decay: WeightDecay = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    batch_size: BatchSize = None,
    max_lr: Annotated[str | None, typer.Option(metavar="auto|NUMBER", help="Peak of the learning rate.")] = None,
    shape: Annotated[
        str | None, typer.Option(help="Of one_cycle: case_study, three_phase, cosine or triangle.")
    ] = None,
    policy: Annotated[str | None, typer.Option(help="one_cycle, constant, step, linear or cosine.")] = None,
    early_stopping: Annotated[
        int | None, typer.Option(metavar="PATIENCE", help="Stop after so many epochs without a better accuracy.")
    ] = None,
) -> None:
    """Train a network in one cycle, with the largest learning rate given or picked."""


def watch(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Follow a job until it ends or is paused. Its history is played first."""
    _follow(connect(context).job(job_id), as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel=SUBMIT)(range_test)
    app.command(rich_help_panel=SUBMIT)(train)
    app.command(rich_help_panel=STEER)(watch)


def submit(context: typer.Context, kind: str, *, given: Mapping[str, Any]) -> None:
    body = build_spec(kind, options=given, base=given["spec"], settings=given["settings"] or [])
    check_essentials(body)
    client = connect(context)
    if given["validate_only"]:
        tell_plan(client.validate(body), as_json=given["as_json"])
        return
    job = client.submit(body, idempotency_key=given["idempotency_key"])
    accompany(job, detach=given["detach"], as_json=given["as_json"])


def accompany(job: Job, *, detach: bool, as_json: bool) -> None:
    """Follow a job that was submitted just now, or say how to."""
    if detach:
        tell_state(job, as_json=as_json, then=FOLLOW)
    else:
        _follow(job, as_json=as_json)


def _follow(job: Job, *, as_json: bool) -> None:
    """Show the job until it has ended or is paused; Ctrl-C lets go of it without stopping it."""
    try:
        if as_json:
            print_json(job.wait().data)
        else:
            follow(job, console=console())
            outcome(job.data)
    except KeyboardInterrupt:
        console(stderr=True).print(
            f"\n{job.id} goes on. Follow it with: supercycle watch {job.id}\n"
            f"Put it aside with: supercycle pause {job.id}\nStop it with: supercycle cancel {job.id}"
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if job.is_paused:
        raise typer.Exit(ExitCode.PAUSED)
    if job.state != "succeeded":
        raise typer.Exit(ExitCode.FAILED)
