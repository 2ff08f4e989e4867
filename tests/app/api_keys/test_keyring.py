"""Who a key belongs to, and how soon a change of the keys is known."""

import asyncio
from datetime import timedelta

import pytest
from pydantic import SecretStr

from app.api_keys import keyring, service
from app.api_keys.keyring import Keyring
from app.callers import Scope, administrator
from app.db.tables import ApiKeyTable
from app.errors import Unauthorized


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(database, clock):
    def build(**options):
        return Keyring(database, clock=clock, **{"admin_key": None, "may_be_open": True} | options)

    return build


@pytest.fixture
def create(database):
    def call(**options):
        with database.transaction() as session:
            return service.create(session, **{"owner": "ann", "scopes": [Scope.READ]} | options)

    return call


def caller_of(ring, header):
    return asyncio.run(ring.caller_of(header))


def is_refused(ring, header):
    try:
        caller_of(ring, header)
    except Unauthorized:
        return True
    return False


class TestOpen:
    def test_without_any_key_everybody_is_the_administrator(self, make):
        assert caller_of(make(), "") == administrator()

    def test_a_key_that_is_made_closes_it_within_two_seconds(self, make, create, clock):
        ring = make()
        assert ring.is_open()
        made = create()
        clock.now += 2
        assert not ring.is_open()
        assert is_refused(ring, "")
        assert caller_of(ring, f"Bearer {made.token}").owner == "ann"

    def test_revoking_the_last_key_does_not_open_it(self, make, create, database):
        made = create()
        with database.transaction() as session:
            service.revoke(session, made.row.id)
        ring = make()
        assert not ring.is_open()
        assert is_refused(ring, f"Bearer {made.token}")

    @pytest.mark.parametrize("options", [{"may_be_open": False}, {"admin_key": SecretStr("sc_admin")}])
    def test_where_others_reach_it_or_a_key_is_set_it_never_is(self, make, options):
        assert not make(**options).is_open()
        assert is_refused(make(**options), "")

    def test_a_database_that_is_away_changes_nothing(self, make, sqlite_settings, database, monkeypatch, clock):
        ring = make()
        assert ring.is_open()
        clock.now += 2
        monkeypatch.setattr(keyring, "have_been_made", fail_as_a_database_does)
        assert ring.is_open()


def fail_as_a_database_does(session):
    from sqlalchemy.exc import OperationalError

    raise OperationalError("SELECT", {}, ConnectionError("away"))


class TestStored:
    def test_the_caller_is_its_owner_with_its_scopes(self, make, create):
        made = create(owner="ben", scopes=[Scope.SUBMIT, Scope.READ])
        caller = caller_of(make(), f"Bearer {made.token}")
        assert (caller.owner, caller.scopes, caller.key_id) == ("ben", {Scope.READ, Scope.SUBMIT}, made.row.id)
        assert caller.only == "ben"

    def test_the_key_of_the_settings_works_beside_them(self, make, create):
        ring = make(admin_key=SecretStr("sc_admin"))
        assert caller_of(ring, "Bearer sc_admin") == administrator()
        assert caller_of(ring, f"Bearer {create().token}").owner == "ann"

    def test_one_that_expired_is_refused(self, make, create):
        assert is_refused(make(), f"Bearer {create(lifetime=timedelta(microseconds=1)).token}")

    def test_another_secret_under_the_same_id_is_refused(self, make, create):
        token = create().token
        assert is_refused(make(), f"Bearer {token[:-1]}{'A' if token[-1] != 'A' else 'B'}")

    def test_a_revoked_one_works_for_two_seconds_at_most(self, make, create, database, clock):
        made, ring = create(), make()
        caller_of(ring, f"Bearer {made.token}")
        with database.transaction() as session:
            service.revoke(session, made.row.id)
        clock.now += keyring.REMEMBERED_SECONDS
        assert is_refused(ring, f"Bearer {made.token}")
        assert keyring.REMEMBERED_SECONDS < 5

    def test_within_two_seconds_the_database_is_not_asked_again(self, make, create, database, monkeypatch):
        made, ring = create(), make()
        first = caller_of(ring, f"Bearer {made.token}")
        monkeypatch.setattr(database, "reading", None)
        assert caller_of(ring, f"Bearer {made.token}") is first

    def test_its_use_is_noted_once_a_minute(self, make, create, database, clock):
        made, ring = create(), make()
        caller_of(ring, f"Bearer {made.token}")
        first = last_use(database, made)
        clock.now += 10
        caller_of(ring, f"Bearer {made.token}")
        assert first is not None
        assert last_use(database, made) == first
        with database.transaction() as session:
            session.get(ApiKeyTable, made.row.id).last_used_at = first - timedelta(minutes=2)
        clock.now += 10
        caller_of(ring, f"Bearer {made.token}")
        assert last_use(database, made) > first

    def test_the_memory_is_bounded(self, make, create, monkeypatch):
        monkeypatch.setattr(keyring, "MOST_REMEMBERED", 2)
        ring = make()
        for _ in range(5):
            caller_of(ring, f"Bearer {create().token}")
            assert len(ring._known) <= 2


def last_use(database, made):
    with database.reading() as session:
        return session.get(ApiKeyTable, made.row.id).last_used_at
