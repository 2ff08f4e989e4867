"""How the database grows with what is trained: bytes for a thousand optimizer steps, unused space taken out."""

import sqlite3
from contextlib import closing

import psycopg

from app.db.session import Database
from app.db.tables import Base
from benchmarks.service_figures.serving import SHORT, Job, Service
from benchmarks.service_figures.showing import say

#: A row for fifty steps and one for each epoch; with short epochs each of these ends a block of steps, too.
TRAININGS: dict[str, Job] = {
    "epochs of 179 steps": SHORT | {"batch_size": 8, "epochs": 20},
    "epochs of eleven steps": SHORT | {"batch_size": 128, "epochs": 100},
}


def measure_growth(service: Service) -> None:
    """With one training of each kind; the rows of the job, its files and its model are a part of it."""
    with service.workers():
        for name, body in TRAININGS.items():
            before = bytes_used(service.database)
            job = service.finish(service.submit(body))
            grown, steps = bytes_used(service.database) - before, job["progress"]["step"]
            figures = f"{grown / steps * 1000:.0f} bytes for 1,000 steps, over {steps} of them"
            say(f"growth of the database, {name}", figures, target="none set")


def bytes_used(database: Database) -> int:
    """By all tables and their indexes, vacuumed."""
    return _of_sqlite(database) if database.is_sqlite else _of_postgresql(database)


def _of_sqlite(database: Database) -> int:
    with closing(sqlite3.connect(str(database.url.database), isolation_level=None, timeout=10)) as connection:
        connection.execute("VACUUM")
        pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages * size)


def _of_postgresql(database: Database) -> int:
    dsn = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM FULL")
        names = list(Base.metadata.tables)
        query = "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) AS name"
        row = connection.execute(query, [names]).fetchone()
        assert row is not None
        return int(row[0])
