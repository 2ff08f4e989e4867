"""Elects one keeper: whoever holds the lease row keeps house until it stops renewing."""

import os
import socket
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import insert, or_, update
from sqlalchemy.exc import IntegrityError

from app.db.session import Database
from app.db.tables import KeeperTable
from app.db.types import database_in, database_now

ROLE = "keeper"


class Election:
    """This process's candidacy."""

    def __init__(self, database: Database, *, lease: timedelta) -> None:
        self._database = database
        self._lease = lease
        self._me = f"{socket.gethostname()}:{os.getpid()}"

    def win(self) -> bool:
        """Take or renew the office; False while somebody else holds it."""
        free = or_(KeeperTable.holder == self._me, KeeperTable.lease_until < database_now())
        term = {"holder": self._me, "lease_until": database_in(self._lease)}
        with self._database.transaction() as session:
            renewed = session.execute(update(KeeperTable).where(KeeperTable.role == ROLE, free).values(**term))
            if renewed.rowcount:  # type: ignore[attr-defined]
                return True
        return self._found_the_office(term)

    def _found_the_office(self, term: Mapping[str, object]) -> bool:
        try:
            with self._database.transaction() as session:
                session.execute(insert(KeeperTable).values(role=ROLE, **term))
        except IntegrityError:
            return False  # it exists, and is taken
        return True

    def resign(self) -> None:
        """Leave the office to the next."""
        mine = (KeeperTable.role == ROLE, KeeperTable.holder == self._me)
        with self._database.transaction() as session:
            session.execute(update(KeeperTable).where(*mine).values(lease_until=database_now()))
