"""Figures for Prometheus at /metrics, read from the rows, so every API process tells the same."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from app.db.tables import DatasetTable, FaultTable, JobTable, KeeperTable, WorkerTable
from app.db.types import database_now
from app.domain.lifecycle import LIVE
from app.jobs.repository import JobRepository
from app.security import permit_all
from app.state import Parts, State
from app.webhooks.repository import WebhookRepository

router = APIRouter(tags=["health"])

# Shown before the first of them: a counter that comes into being at 1 shows no increase, and no alert knows of a
# figure that is not there.
_EXPECTED_FAULTS = {"lease_expired": 0, "worker_lost": 0}
_DELIVERY_STATES = {"pending": 0, "delivered": 0, "failed": 0}
_DATASET_STATES = {"validating": 0, "ready": 0, "invalid": 0}


@router.get("/metrics", dependencies=[Depends(permit_all)], response_class=Response)
def metrics(parts: Parts) -> Response:
    """Figures for Prometheus, of all owners' jobs, read from the rows, so every API process tells the same."""
    registry = CollectorRegistry()
    registry.register(_Collected(parts))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Collected(Collector):
    def __init__(self, parts: State) -> None:
        self._parts = parts

    def describe(self) -> list[Metric]:
        """Nothing: a registry that is told nothing here reads all the figures just to learn their names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the figures anew."""
        with self._parts.database.reading() as session:
            figures = _read(session)
        yield from _of_jobs(figures)
        yield from _of_workers(figures)
        yield from _of_the_keeper(figures)
        faults = CounterMetricFamily("supercycle_faults", "Attempts that broke off, by error code.", labels=["code"])
        for code, count in sorted((_EXPECTED_FAULTS | figures.faults).items()):
            faults.add_metric([code], count)
        yield faults


@dataclass(frozen=True)
class _Figures:
    jobs: list[tuple[str, str, int]]  #: kind, state, how many
    oldest: datetime | None  #: since when the job that waits longest has waited
    workers: dict[str, tuple[str, float]]  #: device and seconds since it was heard, by name
    trainings: dict[str, dict[str, Any]]  #: progress of what each worker does
    faults: dict[str, int]
    has_keeper: bool
    datasets: dict[str, int]  #: how many, by state
    deliveries: dict[str, int]  #: how many, by state
    oldest_delivery: datetime | None  #: since when the event that waits longest has waited


def _read(session: Session) -> _Figures:
    jobs, webhooks = JobRepository(session), WebhookRepository(session)
    workers = session.execute(select(WorkerTable.name, WorkerTable.device, database_now() - WorkerTable.heard_at))
    # Of two that name the same worker, the later claim is what it does; the other waits to be reclaimed.
    running = select(JobTable.worker, JobTable.progress).where(JobTable.state.in_(LIVE)).order_by(JobTable.claimed_at)
    datasets = select(DatasetTable.state, func.count()).group_by(DatasetTable.state)
    return _Figures(
        jobs=jobs.count_by_kind_and_state(),
        oldest=jobs.oldest_queued(),
        workers={name: (device, float(age)) for name, device, age in workers},
        trainings={worker: progress for worker, progress in session.execute(running) if worker is not None},
        faults={row.code: row.count for row in session.scalars(select(FaultTable))},
        has_keeper=bool(session.scalar(select(exists().where(KeeperTable.lease_until > database_now())))),
        datasets=dict(session.execute(datasets).all()),
        deliveries=webhooks.count_by_state(),
        oldest_delivery=webhooks.oldest_pending(),
    )


def _of_jobs(figures: _Figures) -> Iterator[Metric]:
    by_state = GaugeMetricFamily("supercycle_jobs", "Jobs by kind and state.", labels=["kind", "state"])
    for kind, state, count in figures.jobs:
        by_state.add_metric([kind, state], count)
    yield by_state
    age = _age_seconds(figures.oldest)
    yield GaugeMetricFamily("supercycle_queue_age_seconds", "How long the oldest queued job waits.", value=age)


def _age_seconds(since: datetime | None) -> float:
    return max(0.0, time.time() - since.timestamp()) if since else 0.0


def _of_workers(figures: _Figures) -> Iterator[Metric]:
    labels = ["worker", "device"]
    heard = GaugeMetricFamily("supercycle_worker_heard_seconds", "Since a worker was heard.", labels=labels)
    for name, (device, age) in figures.workers.items():
        heard.add_metric([name, device], max(0.0, age))
    yield heard
    speed = "Optimizer steps a second of the running job, on average over its phase."
    yield _by_worker(figures, "supercycle_worker_steps_per_second", speed, field="steps_per_second")
    memory = "The most memory the running job has held: of its GPUs, or of the machine where it uses none."
    yield _by_worker(figures, "supercycle_worker_memory_bytes", memory, field="memory_bytes")


def _by_worker(figures: _Figures, name: str, text: str, *, field: str) -> Metric:
    """A figure of what each worker does, where it is known."""
    family = GaugeMetricFamily(name, text, labels=["worker", "device"])
    for worker, progress in figures.trainings.items():
        device, _ = figures.workers.get(worker, ("", 0.0))
        if progress.get(field) is not None:
            family.add_metric([worker, device], progress[field])
    return family


def _of_the_keeper(figures: _Figures) -> Iterator[Metric]:
    """Whether one is there, and what would pile up if it were not."""
    yield GaugeMetricFamily("supercycle_keeper_up", "1 while a keeper keeps house, else 0.", value=figures.has_keeper)
    datasets = "Uploaded and registered data sets by state."
    yield _by_state("supercycle_datasets", datasets, _DATASET_STATES | figures.datasets)
    deliveries = "Events for webhooks by state, of the last 30 days."
    yield _by_state("supercycle_webhook_deliveries", deliveries, _DELIVERY_STATES | figures.deliveries)
    name, text = "supercycle_webhook_pending_age_seconds", "How long the oldest event that is not delivered yet waits."
    yield GaugeMetricFamily(name, text, value=_age_seconds(figures.oldest_delivery))


def _by_state(name: str, text: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    return family
