"""Hints to workers: "there is work". The job's row is the truth; a hint that is lost is sent again by the keeper."""

from typing import Any, Protocol

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from app import broker
from app.config import Settings

log = structlog.get_logger()

QUEUE = "supercycle"
WORK_TASK = "supercycle.work"


class Queue(Protocol):
    """Where hints go."""

    def hint(self, job_id: str) -> bool:
        """Say that there is work; the id is for the logs. False when the broker does not take it."""

    def ping(self) -> None:
        """Raise when the broker does not answer."""


class CeleryQueue:
    """Hints as Celery messages."""

    def __init__(self, settings: Settings) -> None:
        # A publish must fail within a second: the row is safe, the keeper sends the hint again.
        self._celery = celery_app(settings, patience_seconds=1.0)

    def hint(self, job_id: str) -> bool:
        """Publish once, within a second or so, with no retries. Call it after the commit."""
        try:
            self._celery.send_task(WORK_TASK, args=[job_id], queue=QUEUE, retry=False, ignore_result=True)
        except (OperationalError, OSError) as error:
            log.warning("the broker did not take a hint", job_id=job_id, error=str(error))
            return False
        return True

    def ping(self) -> None:
        """Connect to the broker, once."""
        with self._celery.connection_for_write(connect_timeout=1) as connection:
            connection.ensure_connection(max_retries=0, timeout=1)
            connection.default_channel.queue_declare(QUEUE)


def celery_app(settings: Settings, *, patience_seconds: float = 10.0) -> Celery:
    """The Celery app, for the side that sends and the side that works; see broker.transport_options."""
    options: dict[str, Any] = {
        "broker_transport_options": broker.transport_options(settings, patience_seconds=patience_seconds),
        "broker_connection_timeout": 1,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker waits for its broker for ever
        "broker_pool_limit": 2,
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": False,
        "task_default_queue": QUEUE,
        "task_default_delivery_mode": "persistent",
        "worker_prefetch_multiplier": 1,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "enable_utc": True,
        "task_serializer": "json",
        "accept_content": ["json"],
    }
    app = Celery("supercycle", broker=settings.broker, set_as_current=False)
    app.conf.update(options)
    return app
