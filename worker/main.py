"""A worker: one device, one job at a time. `python -m worker` runs it."""

import argparse
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
from worker.presence import Presence
from worker.runner import Runner, Worker
from worker.supervision import count_gpus, start_forkserver
from worker.tasks import register

log = structlog.get_logger()


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
    worker = Worker(arguments.name, _device(arguments.devices, gpus=count_gpus(processes)))
    database = Database(settings.database)
    runner = Runner(settings, database, store, worker, processes, stopping=is_stopping)
    heartbeat = settings.heartbeat_seconds
    presence = Presence(database=database, name=worker.name, device=worker.device, every_seconds=heartbeat)
    presence.start()
    log.info("worker ready", worker=worker.name, device=worker.device)
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


def _device(wanted: str, *, gpus: int) -> str:
    if wanted != "auto":
        return wanted
    return "cuda:0" if gpus else "cpu"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="supercycle worker", description="Trains, one job at a time.")
    parser.add_argument("--devices", default="auto", help="cpu, cuda:0, …; auto takes the first GPU there is")
    parser.add_argument("--name", default=f"{socket.gethostname()}:0", help="how the worker is known, host:index")
    parser.add_argument("--follow-stdin", action="store_true", help="stop when standard input ends")
    return parser
