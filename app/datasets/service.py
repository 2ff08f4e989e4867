"""What one can do with datasets. Functions that take the database are one transaction each.

A name means the caller's own data set, or a built-in one; an id any that the caller sees.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.artifacts.store import ArtifactStore
from app.callers import Caller, Scope
from app.config import Settings
from app.datasets.facts import DatasetFacts, built_in_by_id, built_in_by_name, of_published, of_row
from app.datasets.quotas import NO_QUOTA, Holdings, Quota
from app.datasets.repository import DatasetRepository
from app.db.locks import lock_owner
from app.db.session import Database
from app.db.tables import DatasetTable
from app.domain import published
from app.domain.specs import DatasetRef
from app.errors import Conflict, NotFound, Unprocessable, did_you_mean, not_found, refused
from app.ids import is_id, stable_id
from app.jobs.repository import JobRepository

__all__ = [
    "DatasetFacts",
    "NewDataset",
    "add",
    "allowed_folder",
    "delete",
    "expiries",
    "find",
    "holdings",
    "list_datasets",
    "named_for_import",
    "preview",
    "resolve",
]

Dataset = DatasetFacts | DatasetTable

PREVIEW = "preview.png"
SHOWN_JOBS = 10  #: that keep a dataset from being deleted

_POINTER = "#/dataset"


def resolve(ref: DatasetRef, session: Session, caller: Caller) -> DatasetFacts:
    """The dataset a spec means, ready to be used; it stays until the transaction ends."""
    facts = _facts(ref, session, caller)
    if facts.state not in ("available", "ready"):
        raise _not_ready(facts)
    if facts.path is None:
        return replace(facts, version=ref.version)  # compared when a worker opens it, for then it comes out
    if ref.version not in (None, facts.version):
        detail = f"{facts.name} has the version {facts.version}, not {ref.version}."
        hint = "Name the version it has, or leave the version out."
        raise refused(_POINTER, code="dataset_version_mismatch", detail=detail, hint=hint)
    return facts


def find(session: Session, id_or_name: str, caller: Caller) -> Dataset:
    """A dataset that must exist for this caller, by id or by name."""
    found = _lookup(session, id_or_name, caller)
    if found is None and id_or_name in published.SETS:
        raise NotFound("unknown_dataset", f"{id_or_name} was not imported yet.", _how_to_import(id_or_name))
    if found is None:
        raise not_found("dataset", id_or_name)
    return found


def named_for_import(name: str) -> DatasetFacts:
    """The published set that a `dataset_import` means, as it is before; raises Unprocessable where there is none."""
    found = of_published(name) if name in published.SETS else built_in_by_name(name)
    if found is not None:
        return found
    detail = f"There is no published data set {name!r}{did_you_mean(name, published.importable())}"
    hint = "See docs/reference/datasets.md for those there are; other images are uploaded."
    raise refused(_POINTER, code="unknown_dataset", detail=detail, hint=hint)


def list_datasets(database: Database, caller: Caller, *, limit: int, after: str | None) -> Sequence[Dataset]:
    """What comes after the id `after`: first the built-in ones by name, then the others, newest first."""
    with database.reading() as session:
        datasets = DatasetRepository(session)
        built_in = _built_in(datasets)
        ids = [one.id for one in built_in]
        start = ids.index(after) + 1 if after in ids else 0 if after is None else len(ids)
        items = built_in[start : start + limit]
        if len(items) < limit:
            before = None if after in ids else after
            items += datasets.page(limit=limit - len(items), before=before, only=caller.only)
    return items


def _built_in(datasets: DatasetRepository) -> list[Dataset]:
    """Those that need no import, and those that were imported, by name."""
    return sorted([*built_in_by_id().values(), *datasets.imported()], key=lambda one: one.name.lower())


@dataclass(frozen=True)
class NewDataset:
    """A dataset to be: an archive that has arrived, or a folder that was allowed."""

    id: str
    owner: str
    name: str
    kind: str
    path: Path
    upload: Path | None = None
    test_fraction: float | None = None  #: None is the usual
    split_seed: int | None = None
    on_bad_file: str = "reject"
    size: int | None = None  #: of the archive


def add(session: Session, new: NewDataset, quota: Quota = NO_QUOTA) -> DatasetTable:
    """Store a dataset that the keeper then checks; raises Conflict past the quota of its owner."""
    if quota.is_set:
        lock_owner(session, new.owner, adding="datasets")
        held = DatasetRepository(session).holdings(new.owner)
        held.refuse_another(quota)
        held.refuse_bytes(quota, new.size or 0)
    row = DatasetTable(
        id=new.id,
        owner=new.owner,
        name=new.name,
        kind=new.kind,
        state="validating",
        path=str(new.path),
        upload=str(new.upload) if new.upload else None,
        test_fraction=new.test_fraction,
        split_seed=new.split_seed,
        on_bad_file=new.on_bad_file,
        size=new.size,
        created_at=datetime.now(UTC),
    )
    refuse_taken(session, new.name, owner=new.owner)
    try:
        with session.begin_nested():
            DatasetRepository(session).add(row)
    except IntegrityError as error:  # the owner took the name at this very moment
        raise _name_taken(new.name) from error
    return row


def holdings(database: Database, owner: str) -> Holdings:
    """What an owner has of data sets."""
    with database.reading() as session:
        return DatasetRepository(session).holdings(owner)


def expiries(database: Database, datasets: Sequence[Dataset], *, days: int | None) -> dict[str, datetime]:
    """When each upload is deleted unless a job uses it; those that one is using, or that stay, are not in it."""
    rows = [row for row in datasets if isinstance(row, DatasetTable) and _may_expire(row)]
    if days is None or not rows:
        return {}
    with database.reading() as session:
        uses = DatasetRepository(session).last_uses([row.id for row in rows])
    ends = {row.id: uses.get(row.id, row.created_at) for row in rows}
    born = {row.id: row.created_at for row in rows}
    return {id: max(end, born[id]) + timedelta(days=days) for id, end in ends.items() if end is not None}


def _may_expire(row: DatasetTable) -> bool:
    return row.kind == "uploaded" and row.state != "validating"


def refuse_taken(session: Session, name: str, *, owner: str) -> None:
    """Raise unless the name is free. Built-in names are taken in any case: MNIST and mnist would be confused."""
    built_in = {known.casefold() for known in published.importable()}
    if name.casefold() in built_in or DatasetRepository(session).by_name(name, owner=owner) is not None:
        raise _name_taken(name)


def allowed_folder(settings: Settings, path: str) -> Path:
    """The real folder behind `path`, if the operator allows folders there to be used."""
    roots = [Path(os.path.realpath(root)) for root in settings.dataset_roots]
    folder = Path(os.path.realpath(path))  # Path.resolve raises for a loop of links
    if not Path(path).is_absolute() or not any(folder.is_relative_to(root) for root in roots):
        detail = "Folders there may not be registered." if roots else "No folder may be registered on this server."
        hint = "The operator names the roots in SUPERCYCLE_DATASET_ROOTS; or upload the images instead."
        raise refused("#/path", code="path_not_allowed", detail=detail, hint=hint)
    if not _is_folder(folder):
        detail = "There is no such folder on the server, or none that the service can open."
        raise refused("#/path", code="path_not_found", detail=detail, hint="Check the path on the server.")
    return folder


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, a folder that is closed to the service
        return False


def preview(session: Session, id_or_name: str, caller: Caller) -> dict[str, Any]:
    """Key, size and sha256 of the picture that the check drew.

    Raises Conflict until the check has ended, NotFound where there will be none.
    """
    found = find(session, id_or_name, caller)
    if isinstance(found, DatasetFacts):
        raise NotFound("no_preview", f"{found.name} is built in, and has none.", "Train on it: that needs no picture.")
    if found.state == "validating":
        detail, hint = f"{found.name} is being checked.", "Ask again later."
        raise Conflict("not_ready", detail, hint, retry_after_seconds=2)
    if found.preview is None:
        raise NotFound("no_preview", *_without_preview(found))
    return found.preview


def _without_preview(row: DatasetTable) -> tuple[str, str]:
    if row.state == "invalid":
        return f"{row.name} is invalid.", "GET /v1/datasets/{id} shows the report; correct it and add the set again."
    return f"{row.name} was checked before there were pictures.", "Add the set again to get one."


def delete(database: Database, store: ArtifactStore, id_or_name: str, caller: Caller) -> None:
    """Forget a dataset that no unfinished job needs. Uploaded images go with it; a registered folder stays.

    An imported one is everybody's: an administrator may delete it, and anybody import it again.
    """
    with database.transaction() as session:
        found = find(session, id_or_name, caller)
        if isinstance(found, DatasetFacts):
            raise Conflict("built_in", f"{found.name} is built in and cannot be deleted.", "Nothing needs to be done.")
        if found.kind == "built_in":
            caller.require(Scope.ADMIN)
        datasets = DatasetRepository(session)
        row = datasets.lock(found.id) or found
        _refuse_needed(session, row, caller)
        datasets.delete(row)
    store.discard_below(f"datasets/{row.id}/")
    if row.kind in ("uploaded", "built_in"):
        shutil.rmtree(row.path, ignore_errors=True)  # it is there only once the check has passed
    if row.upload:
        Path(row.upload).unlink(missing_ok=True)


def _refuse_needed(session: Session, row: DatasetTable, caller: Caller) -> None:
    """Raise where a job that has not ended needs it; names those that the caller may see."""
    jobs = JobRepository(session).needing_dataset(row.id)
    if not jobs:
        return
    seen = [f"{id} ({state})" for id, state, owner in jobs if caller.sees(owner)][:SHOWN_JOBS]
    others = [f"{len(jobs) - len(seen)} more" if seen else "another owner's"] if len(jobs) > len(seen) else []
    who = "1 job that has not ended needs" if len(jobs) == 1 else f"{len(jobs)} jobs that have not ended need"
    detail = f"{who} {row.name}: {', '.join([*seen, *others])}."
    raise Conflict("dataset_in_use", detail, "Cancel them or wait for their end, then delete.")


def _lookup(session: Session, id_or_name: str, caller: Caller) -> Dataset | None:
    datasets = DatasetRepository(session)
    if is_id(id_or_name, "ds"):
        return built_in_by_id().get(id_or_name) or datasets.get(id_or_name, only=caller.only)
    # An own set may bear a name from before it was that of one that can be imported.
    own = built_in_by_name(id_or_name) or datasets.by_name(id_or_name, owner=caller.owner)
    is_published = own is None and id_or_name in published.SETS
    return datasets.get(stable_id("ds", id_or_name)) if is_published else own


def _facts(ref: DatasetRef, session: Session, caller: Caller) -> DatasetFacts:
    found = _lookup(session, ref.label, caller)
    if isinstance(found, DatasetTable):
        found = DatasetRepository(session).hold(found)  # None where a deletion was under way, and came first
    if found is None and ref.label in published.SETS:
        return of_published(ref.label)
    if found is None:
        known = [*published.importable(), *DatasetRepository(session).names(owner=caller.owner)]
        detail = f"There is no dataset {ref.label!r}{did_you_mean(ref.label, known)}"
        raise refused(_POINTER, code="unknown_dataset", detail=detail, hint="See GET /v1/datasets for what there is.")
    return found if isinstance(found, DatasetFacts) else of_row(found)


def _not_ready(facts: DatasetFacts) -> Unprocessable:
    hints = {
        "validating": "Wait until its state is ready; GET /v1/datasets/{id} shows it.",
        "not imported": _how_to_import(facts.name),
    }
    hint = hints.get(facts.state, "See the report at GET /v1/datasets/{id}, correct the images and add them again.")
    return refused(_POINTER, code="dataset_not_ready", detail=f"{facts.name} is {facts.state}.", hint=hint)


def _how_to_import(name: str) -> str:
    return f'Import it once: POST /v1/jobs {{"kind": "dataset_import", "dataset": "{name}"}}.'


def _name_taken(name: str) -> Conflict:
    return Conflict("name_taken", f"There is a dataset {name!r} already.", "Choose another name, or delete that one.")
