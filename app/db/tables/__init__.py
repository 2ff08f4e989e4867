"""Every table, one file each; importing this package makes the metadata whole."""

from app.db.tables.api_key import ApiKeyTable
from app.db.tables.artifact import ArtifactTable
from app.db.tables.base import Base
from app.db.tables.dataset import DatasetTable
from app.db.tables.fault import FaultTable
from app.db.tables.idempotency_key import IdempotencyKeyTable
from app.db.tables.job import JobTable, JobTagTable
from app.db.tables.job_event import JobEventTable
from app.db.tables.keeper import KeeperTable
from app.db.tables.model import ModelFileTable, ModelTable
from app.db.tables.webhook import WebhookDeliveryTable, WebhookTable
from app.db.tables.worker import WorkerTable

__all__ = [
    "ApiKeyTable",
    "ArtifactTable",
    "Base",
    "DatasetTable",
    "FaultTable",
    "IdempotencyKeyTable",
    "JobEventTable",
    "JobTable",
    "JobTagTable",
    "KeeperTable",
    "ModelFileTable",
    "ModelTable",
    "WebhookDeliveryTable",
    "WebhookTable",
    "WorkerTable",
]
