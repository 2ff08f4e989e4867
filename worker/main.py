"""A worker: one device, one job at a time. `python -m worker` runs it."""

import argparse
import re
import socket

import structlog
from celery import Celery
from celery.signals import worker_ready
from celery.worker import state as celery_state

from app.artifacts.store import ArtifactStore
from app.config import Settings, prepare_environment_for_trainings
from app.db.session import Database
from app.logs import configure_logs
from app.parent import follow_stdin
from app.queue import QUEUE, WORK_TASK, celery_app
from app.wakes import announcer
from worker.presence import Presence
from worker.runner import Runner, Worker
from worker.supervision import count_gpus, start_forkserver
from worker.tasks import register

log = structlog.get_logger()

_DEVICE = re.compile(r"cpu|cuda:\d{1,3}")


def main() -> None:
    """Work until told to stop."""
    arguments = _parser().parse_args()
    configure_logs("worker")
    settings = Settings()
    store = ArtifactStore(settings.storage)  # takes its credentials from the environment, so before that is cleaned
    prepare_environment_for_trainings()  # before any child exists
    processes = start_forkserver()
    if arguments.follow_stdin:
        follow_stdin()
    worker = Worker(arguments.name, _devices(arguments.devices, gpus=count_gpus(processes)))
    database = Database(settings.database, announce=announcer(settings))
    runner = Runner(settings, database, store, worker, processes, stopping=is_stopping)
    heartbeat = settings.heartbeat_seconds
    presence = Presence(database=database, name=worker.name, device=",".join(worker.devices), every_seconds=heartbeat)
    presence.start()
    log.info("worker ready", worker=worker.name, devices=worker.devices)
    try:
        _consume(celery_app(settings), runner)
    finally:
        presence.stop()


def is_stopping() -> bool:
    """Whether the worker was told to stop. Celery's flags hold an exit code, which is 0 for a plain stop."""
    flags = (celery_state.should_stop, celery_state.should_terminate)
    return any(flag is not None and flag is not False for flag in flags)


def _consume(celery: Celery, runner: Runner) -> None:
    register(celery, runner)
    node = celery.Worker(
        hostname=f"{runner.worker.name.replace(':', '-')}@{socket.gethostname()}",
        pool="solo",
        queues=[QUEUE],
        loglevel="WARNING",
        quiet=True,  # no banner
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    # Jobs may have waited for this worker longer than their hints lasted.
    worker_ready.connect(lambda **_: celery.send_task(WORK_TASK, args=["start"], queue=QUEUE), weak=False)
    node.start()


def _devices(wanted: tuple[str, ...], *, gpus: int) -> tuple[str, ...]:
    if wanted:
        return wanted
    return ("cuda:0",) if gpus else ("cpu",)


def device_names(text: str) -> tuple[str, ...]:
    """Devices as the command line names them; none for `auto`."""
    if text == "auto":
        return ()
    names = tuple(text.split(","))
    wrong = [name for name in names if not _DEVICE.fullmatch(name)]
    if wrong:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is no device; give auto, cpu, cuda:0, or cuda:0,cuda:1")
    if len({name.partition(":")[0] for name in names}) > 1:
        raise argparse.ArgumentTypeError("all devices of a worker must be of one kind; start another worker")
    if len(set(names)) < len(names) and names[0] != "cpu":
        raise argparse.ArgumentTypeError("the same device is named twice")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="supercycle worker", description="Trains, one job at a time.")
    text = "cpu, cuda:0, or several that share each batch of a job: cuda:0,cuda:1; auto takes the first GPU there is"
    parser.add_argument("--devices", type=device_names, default="auto", help=text)
    parser.add_argument("--name", default=f"{socket.gethostname()}:0", help="how the worker is known, host:index")
    parser.add_argument("--follow-stdin", action="store_true", help="stop when standard input ends")
    return parser
