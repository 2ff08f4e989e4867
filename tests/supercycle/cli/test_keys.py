"""`supercycle keys`: made, shown once, listed and revoked in the database of the settings."""

import json

import pytest
from typer.testing import CliRunner

from app.api_keys.tokens import key_id_of
from supercycle.cli.app import app


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a command where the settings lead to a new folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUPERCYCLE_DATA_DIR", str(tmp_path / "data"))

    def invoke(*arguments):
        return CliRunner().invoke(app, ["keys", *arguments])

    return invoke


@pytest.fixture
def create(run):
    """A new key, as `--json` shows it."""

    def call(*arguments):
        made = run("create", "--owner", "ann", "--json", *arguments)
        assert made.exit_code == 0, made.output
        return json.loads(made.stdout)

    return call


class TestCreate:
    def test_the_key_is_shown_once(self, run, create):
        made = create("--name", "ci", "--scope", "read")
        assert key_id_of(made["key"]) == made["id"]
        assert (made["owner"], made["name"], made["scopes"], made["state"]) == ("ann", "ci", ["read"], "good")
        assert made["key"] not in run("list").output
        assert made["key"] not in run("list", "--json").output

    def test_for_people_it_stands_on_a_line_of_its_own(self, run):
        lines = run("create", "--owner", "ann").output.splitlines()
        (key,) = [line for line in lines if line.startswith("sc_")]
        assert key_id_of(key)
        assert any("not shown again" in line for line in lines)

    def test_by_default_it_reads_and_submits_for_ever(self, create):
        made = create()
        assert (made["scopes"], made["expires_at"]) == (["read", "submit"], None)

    def test_a_lifetime(self, create):
        assert create("--expires", "90d")["expires_at"] is not None

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--owner", "ann", "--scope", "write"], "none of read, submit, admin"),
            (["--owner", ""], "is empty"),
            (["--owner", "ann", "--expires", "0s"], "more than 0"),
            (["--owner", "ann", "--expires", "99999999d"], "at most 36500 days"),
            (["--owner", "ann", "--expires", "soon"], "no duration"),
            ([], "--owner"),
        ],
    )
    def test_wrong_usage(self, run, arguments, said):
        refused = run("create", *arguments)
        assert refused.exit_code == 2
        assert said in refused.output.replace("\n", " ").replace("│ ", "")
        assert json.loads(run("list", "--json").stdout) == []


class TestRevoke:
    def test_it_stays_in_the_list(self, run, create):
        made = create()
        assert run("revoke", made["id"]).exit_code == 0
        (listed,) = json.loads(run("list", "--json").stdout)
        assert listed["state"] == "revoked"

    def test_one_that_is_not_there(self, run):
        refused = run("revoke", "key_x")
        assert refused.exit_code == 1
        assert "supercycle keys list" in refused.output
