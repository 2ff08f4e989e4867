"""What the history costs: the step rate of trainings whose rows are committed, and of the same that commit no row."""

import random
from statistics import median

from benchmarks.service_figures.serving import SHORT, Job, Service, cpu_seconds, pid_of
from benchmarks.service_figures.showing import say
from benchmarks.service_figures.sparing_worker import UNCOMMITTED

#: Two kinds of training: a block of steps and an epoch every few milliseconds, or about one block a second.
TRAININGS: dict[str, Job] = {
    "mlp, a thousand steps a second": SHORT | {"batch_size": 16, "epochs": 40},
    "ResNet-9, tens of steps a second": SHORT | {"architecture": {"name": "resnet9", "width": 16}, "epochs": 12},
}


Run = tuple[float, float]  #: images a second in the child, and the share of a core that its worker used


def measure_history(service: Service, *, rounds: int, dice: random.Random) -> None:
    """In one worker, in turns, so that a disturbance hits both; only their ratio means anything."""
    with service.workers(sparing=True) as (worker,):
        for name, body in TRAININGS.items():
            pairs = [_pair(service, pid_of(worker), body, dice=dice) for _ in range(rounds)]
            _show(name, pairs)


def _pair(service: Service, worker: int, body: Job, *, dice: random.Random) -> tuple[Run, Run]:
    """Committed and not, of the same seed, in either order."""
    seeded, names = body | {"seed": dice.randrange(1 << 16)}, ["committed", UNCOMMITTED]
    dice.shuffle(names)
    runs = {name: _run(service, worker, seeded | {"name": name}) for name in names}
    return runs["committed"], runs[UNCOMMITTED]


def _run(service: Service, worker: int, body: Job) -> Run:
    before = cpu_seconds(worker)
    result = service.finish(service.submit(body))["result"]
    return result["images_per_second"], (cpu_seconds(worker) - before) / result["seconds"]


def _show(name: str, pairs: list[tuple[Run, Run]]) -> None:
    costs = [100 * (1 - committed[0] / uncommitted[0]) for committed, uncommitted in pairs]
    figures = f"{median(costs):.1f} % of the step rate ({min(costs):.1f} to {max(costs):.1f}, n={len(costs)})"
    shares = [100 * (committed[1] - uncommitted[1]) for committed, uncommitted in pairs]
    speed = median(committed[0] for committed, _ in pairs)
    more = f"{median(shares):.1f} % of a core; {speed:.0f} images/s with them"
    say(f"cost of the rows, {name}", f"{figures}, {more}", target="at most 2 % of the step rate")
