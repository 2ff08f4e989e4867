"""A small service with something of everything in it: keys, jobs in every state, a model, data sets, webhooks.

What a worker writes is what a real one wrote: `worked.json` holds a training and a range test on the digits.
"""

import errno
import hashlib
import io
import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import select

from app.api_keys import service as keys
from app.callers import Scope
from app.config import Settings
from app.db.tables import ArtifactTable, ModelFileTable, ModelTable, WebhookDeliveryTable, WebhookTable, WorkerTable
from app.db.types import database_now
from app.domain.lifecycle import JobState
from app.ids import new_id
from app.jobs.claims import Claimant, Claims, Lease
from app.jobs.repository import NewEvent
from app.main import create_app
from app.state import State
from app.webhooks import due
from tests.app.openapi.planned import COMPARISON, begin
from worker.keeper.imports import Importer

WORKED = json.loads((Path(__file__).parent / "worked.json").read_text("utf-8"))
MINIMAL = {"kind": "training", "dataset": "digits", "architecture": "mlp"}
TRAINING = MINIMAL | {
    "name": "first try",
    "tags": ["digits"],
    "epochs": 2,
    "batch_size": 512,
    "schedule": {"max_lr": 0.05},
}
RANGE_TEST = {"kind": "range_test", "dataset": "digits", "architecture": "mlp", "steps": 20}
HOOK = {"url": "https://example.com/hooks/supercycle"}
OWNER = "ann"
ERROR = {
    "code": "lr_diverged",
    "title": "The learning rate is too large: the loss diverged",
    "detail": "The loss is nan at step 3.",
    "hint": 'Lower schedule.max_lr, or set it to "auto" to have it picked by a range test.',
    "retryable": False,
    "attempt": 1,
}
PICTURE = bytes.fromhex(  # one black pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001"
    "48afa4710000000049454e44ae426082"
)
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


class QuietQueue:
    """Takes hints and tells nobody; `down` is a broker that is away."""

    down = False

    def hint(self, job_id: str) -> bool:
        return not self.down

    def ping(self) -> None:
        if self.down:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


@dataclass
class World:
    """The service under test and what is in it, each id under a name of its own."""

    client: TestClient
    queue: QuietQueue
    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> State:
        """The database, store and settings of the app."""
        return self.client.app.state.parts

    def header(self, name: str) -> dict[str, str]:
        """What this caller sends."""
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def named(self) -> dict[str, str]:
        """Things that are there, by the names that path parameters have."""
        with self.parts.database.reading() as session:
            delivery = WebhookDeliveryTable.webhook_id == self.ids["webhook"]
            first = session.scalars(select(WebhookDeliveryTable.id).where(delivery).limit(1)).one()
        about = {"job_id": "trained", "model_id": "model", "webhook_id": "webhook", "id_or_name": "pets"}
        return {name: self.ids[id] for name, id in about.items()} | {"delivery_id": first}

    def submit(self, body: dict[str, object] = MINIMAL, *, by: str = OWNER) -> str:
        """The id of a new job."""
        answer = self.client.post("/v1/jobs", json=body, headers=self.header(by))
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]


@contextmanager
def populated(folder: Path, migrated: Path) -> Iterator[World]:
    """Everything there is, in a folder of its own; `migrated` is an empty SQLite database with the present schema."""
    folder.mkdir()
    shutil.copy(migrated, folder / "supercycle.db")
    # The one worker was heard from when it was made, and counts as alive from then on.
    with world(Settings(data_dir=folder, heartbeat_seconds=10_000)) as made:
        yield made


@contextmanager
def world(settings: Settings) -> Iterator[World]:
    """Everything there is, in a migrated and empty database."""
    roots = settings.data_dir.absolute() / "images"
    settings.dataset_roots = [roots]
    (roots / "pets").mkdir(parents=True)
    queue = QuietQueue()
    app = create_app(settings, queue=queue, may_be_open=False)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        made = World(client, queue, settings.data_dir.absolute())
        _add_keys(made)
        _add_webhooks(made)
        _add_datasets(made)
        _add_jobs(made)
        _deliver(made)
        yield made
        made.parts.held_keys._checker = None  # where requests had loops of their own, which are closed by now


def _add_keys(world: World) -> None:
    scopes = {
        OWNER: [Scope.READ, Scope.SUBMIT],
        "reader": [Scope.READ],
        "writer": [Scope.SUBMIT],
        "bob": [Scope.READ, Scope.SUBMIT],
        "operator": [Scope.ADMIN],
    }
    with world.parts.database.transaction() as session:
        for name, allowed in scopes.items():
            owner = OWNER if name in ("reader", "writer") else name
            world.tokens[name] = keys.create(session, owner=owner, scopes=allowed).token
        session.add(WorkerTable(name="host:0", device="cpu", started_at=database_now(), heard_at=database_now()))


def _add_webhooks(world: World) -> None:
    for name in ("webhook", "silent_webhook", "gone_webhook"):
        made = world.client.post("/v1/webhooks", json=HOOK, headers=world.header(OWNER))
        world.ids[name] = made.json()["id"]


def _add_datasets(world: World) -> None:
    levels = {"cat": 40, "dog": 200}
    images = {f"{kind}/{number}.bmp": _pixels(levels[kind]) for kind in levels for number in range(5)}
    one_class = {name: data for name, data in images.items() if name.startswith("cat")}
    for name, files in (("pets", images), ("cats", one_class)):
        world.ids[name] = _upload(world, name, files)
    importer = Importer(world.parts.database, world.parts.store)
    while importer.advance():
        time.sleep(0.01)
    world.ids["unchecked"] = _upload(world, "unchecked", images)


def _pixels(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (12, 8), level).save(file, "BMP")
    return file.getvalue()


def packed(files: dict[str, bytes]) -> bytes:
    """A zip of them."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def _upload(world: World, name: str, files: dict[str, bytes]) -> str:
    form = {"data": {"name": name}, "files": {"file": (f"{name}.zip", packed(files))}}
    answer = world.client.post("/v1/datasets", headers=world.header(OWNER), **form)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


class Hand:
    """Does what a worker does, a transaction each."""

    def __init__(self, world: World) -> None:
        self._world = world

    def claim(self, body: dict[str, object]) -> Lease:
        """Of a new job; none may wait before it."""
        id = self._world.submit(body)
        with self._world.parts.database.transaction() as session:
            job = Claims(session, lease=timedelta(hours=1)).claim(Claimant("host:0"))
        assert job is not None
        assert job.id == id
        return Lease(job.id, job.fence)

    def write(self, lease: Lease, kind: str, *, files: dict[str, tuple[str, bytes]]) -> None:
        """What a real worker wrote of such a job, and these files."""
        worked = WORKED[kind]
        events = [NewEvent(*event) for event in worked["events"]]
        rows = [ArtifactTable(**_stored(self._world, lease, *file), **_about(lease)) for file in files.items()]
        with self._world.parts.database.transaction() as session:
            session.add_all(rows)
            facts = {name: worked[name] for name in ("resolved", "result", "progress")}
            Claims(session, lease=timedelta(hours=1)).write(
                lease, [*events, *(NewEvent("artifact", {"name": row.name}) for row in rows)],
                change=lambda job: [setattr(job, name, value) for name, value in facts.items()],
            )  # fmt: skip

    def finish(self, lease: Lease, to: JobState, **outcome: object) -> None:
        """End the job."""
        with self._world.parts.database.transaction() as session:
            Claims(session, lease=timedelta(hours=1)).finish(lease, to, **outcome)


def _about(lease: Lease) -> dict[str, object]:
    return {"job_id": lease.job_id, "created_at": datetime.now(UTC)}


def _stored(world: World, lease: Lease, name: str, file: tuple[str, bytes]) -> dict[str, object]:
    media_type, data = file
    key = f"jobs/{lease.job_id}/{lease.fence}/{name}"
    path = world.folder / "to-store"
    path.write_bytes(data)
    world.parts.store.put(key, path)
    digest = hashlib.sha256(data).hexdigest()
    return {"name": name, "key": key, "size": len(data), "sha256": digest, "media_type": media_type}


def _add_jobs(world: World) -> None:
    """Those that run or ran first: a claim takes the one that waits longest."""
    hand = Hand(world)
    files = {f"{name}.{end}": kind for name in ("accuracy", "loss") for end, kind in _PICTURES.items()}
    trained = hand.claim(TRAINING)
    hand.write(trained, "training", files=files)
    world.ids |= {"trained": trained.job_id, "other_model": _add_model(world, trained)}
    world.ids["model"] = _add_model(world, trained)
    hand.finish(trained, JobState.SUCCEEDED, model_id=world.ids["model"])
    swept = hand.claim(RANGE_TEST)
    hand.write(swept, "range_test", files={"range_test.png": _PICTURES["png"]})
    hand.finish(swept, JobState.SUCCEEDED)
    failed = hand.claim(TRAINING)
    hand.finish(failed, JobState.FAILED, error=ERROR)
    world.ids |= {"swept": swept.job_id, "failed": failed.job_id}
    for name in ("running", "to_cancel", "to_pause", "stopping"):
        world.ids[name] = hand.claim(MINIMAL | {"dataset": "pets", "batch_size": 4}).job_id
    world.ids |= {name: world.submit() for name in ("queued", "paused", "cancelled", "to_resume")}
    world.ids["plan"] = world.submit(COMPARISON)
    world.ids["part"] = begin(world.parts.database, world.ids["plan"])
    for verb, name in (("pause", "paused"), ("pause", "to_resume"), ("cancel", "cancelled"), ("cancel", "stopping")):
        world.client.post(f"/v1/jobs/{world.ids[name]}/{verb}", headers=world.header(OWNER))


_PICTURES = {"png": ("image/png", PICTURE), "svg": ("image/svg+xml", DRAWING)}


def _add_model(world: World, lease: Lease) -> str:
    facts = WORKED["training"]["model"]
    files = {
        "config.json": ("application/json", json.dumps(facts, indent=2).encode()),
        "weights.safetensors": ("application/octet-stream", bytes(64)),
    }
    rows = [ModelFileTable(**_stored(world, lease, *file)) for file in files.items()]
    about = {"id": new_id("mdl"), "owner": OWNER, "job_id": lease.job_id, "created_at": datetime.now(UTC)}
    with world.parts.database.transaction() as session:
        session.add(ModelTable(**about, **facts, files=rows))
    return str(about["id"])


def _deliver(world: World) -> None:
    """One event is received, one is not, and the third webhook wants none any more."""
    statuses = {world.ids["webhook"]: 204, world.ids["gone_webhook"]: 410}
    with world.parts.database.transaction() as session:
        while (taken := due.claim(session, hold=timedelta(hours=1))) is not None:
            status = statuses.get(taken.webhook_id)
            outcome = due.Outcome(41, status=status) if status else due.Outcome(15_000, error=_SLOW)
            due.note(session, taken, outcome, jitter=0)
        assert session.get_one(WebhookTable, world.ids["gone_webhook"]).disabled_at is not None


_SLOW = "There was no whole answer within 15 s."
