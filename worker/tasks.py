"""The one Celery task: a hint that there is work."""

from celery import Celery

from app.queue import WORK_TASK
from worker.keeper.collector import Collector
from worker.runner import Runner


def register(celery: Celery, runner: Runner) -> None:
    """Let hints wake the runner. The id in them is for logs: the rows say what to do."""
    collector = Collector(runner.database, runner.settings)  # the keeper may be on another host, with other folders

    @celery.task(name=WORK_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
    def work(job_id: str) -> None:  # noqa: ARG001
        runner.drain()
        collector.collect()
