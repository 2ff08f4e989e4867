"""How long a worker takes to leave: from SIGTERM in the middle of a training to the end of its process."""

import random
import time

from app.domain.lifecycle import JobState
from benchmarks.service_figures.serving import Service, wait_until
from benchmarks.service_figures.showing import show
from benchmarks.service_figures.waits import LONG


def measure_stop(service: Service, *, rounds: int, dice: random.Random) -> None:
    """The next worker goes on with the same job."""
    id = service.submit(LONG | {"priority": 100})
    seconds = [_stop_seconds(service, id, dice) for _ in range(rounds)]
    show("SIGTERM of a training worker to its exit", seconds, unit="s", target="all within 10 s")
    service.ask(id, "cancel")


def _stop_seconds(service: Service, id: str, dice: random.Random) -> float:
    with service.workers(warm=False) as (keeping,):
        service.await_training(id)
        time.sleep(dice.uniform(0, 0.5))
        began = time.monotonic()
        keeping.ask_to_stop()
        wait_until(keeping.has_stopped, what="for the worker to leave", every_seconds=0.005)
        took = time.monotonic() - began
    job = service.job(id)
    if job["state"] != JobState.QUEUED:
        raise RuntimeError(f"job {id} should be queued again, and is {job['state']}: {job['error']}")
    return took
