"""Keys as an operator makes and revokes them, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest

from app.api_keys import service
from app.api_keys.tokens import digest_of, is_same, key_id_of, new_token
from app.callers import Scope
from app.db.tables import ApiKeyTable
from app.ids import is_id, new_id


@pytest.fixture
def create(database):
    def call(**options):
        with database.transaction() as session:
            return service.create(session, **{"owner": "ann", "scopes": [Scope.READ]} | options)

    return call


class TestTokens:
    def test_the_form(self):
        id = new_id("key")
        token = new_token(id)
        assert token.startswith(f"sc_{id.removeprefix('key_')}_")
        assert len(token.rpartition("_")[0]) > 0
        assert key_id_of(token) == id
        assert new_token(id) != token

    @pytest.mark.parametrize("text", ["", "sc_", "sc_x_y", "key_01", "Bearer", "sc_" + "i" * 26 + "_" + "a" * 43])
    def test_what_has_not_the_form_has_no_id(self, text):
        assert key_id_of(text) is None

    def test_secrets_are_compared_whole(self):
        assert is_same("schlüssel", "schlüssel")
        assert not is_same("schlüssel", "schlüsse")


class TestCreate:
    def test_only_the_digest_is_stored(self, create, database):
        made = create(name="ci", scopes={Scope.SUBMIT, Scope.READ})
        with database.reading() as session:
            row = session.get(ApiKeyTable, made.row.id)
            values = {name: getattr(row, name) for name in ApiKeyTable.__table__.columns.keys()}  # noqa: SIM118
        assert is_id(row.id, "key")
        assert (row.owner, row.name, row.scopes) == ("ann", "ci", ["read", "submit"])
        assert row.sha256 == digest_of(made.token)
        secret = made.token.rpartition("_")[2]
        assert not any(secret in str(value) for value in values.values())

    def test_a_lifetime(self, create):
        row = create(lifetime=timedelta(hours=1)).row
        assert row.expires_at - row.created_at == timedelta(hours=1)
        assert service.is_good(row, now=row.created_at + timedelta(minutes=59))
        assert not service.is_good(row, now=row.created_at + timedelta(hours=1))


class TestRevoke:
    def test_it_is_kept_but_good_for_nothing(self, create, database):
        id = create().row.id
        with database.transaction() as session:
            first = service.revoke(session, id).revoked_at
            assert service.revoke(session, id).revoked_at == first
        with database.reading() as session:
            (row,) = service.every(session)
            assert service.have_been_made(session)
        assert not service.is_good(row, now=datetime.now(UTC))

    @pytest.mark.parametrize("id", ["key_01m8bv1ehde2drrgya9c9f6dp4", "key_x", "job_1", ""])
    def test_none(self, database, id):
        with database.transaction() as session:
            assert service.revoke(session, id) is None
            assert not service.have_been_made(session)
