"""The page on the HTTP API names every operation, and says of each what the service does."""

import json
import re

import pytest
from fastapi.testclient import TestClient

from app import openapi_reference
from app.api_keys.service import create
from app.api_reference import PAGE, render
from app.callers import Scope
from app.config import Settings
from app.http import LONGEST_WAIT_SECONDS
from app.jobs.estimate import Estimate
from app.main import create_app
from app.protocol import MOST_HEAD_BYTES
from app.webhooks.service import MOST_PER_OWNER

TEXT = PAGE.read_text("utf-8")
DOCUMENT = json.loads(openapi_reference.PAGE.read_text("utf-8"))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
SECTIONS = dict(re.findall(r"^#### ([A-Z]+ /\S+)\n(.*?)(?=^###|\Z)", TEXT, re.DOTALL | re.MULTILINE))


class TestPage:
    def test_is_the_generators(self):
        assert render(DOCUMENT) == TEXT, "run: make reference"

    def test_has_every_operation_with_its_parameters(self):
        assert SECTIONS.keys() == OPERATIONS.keys()
        for place, operation in OPERATIONS.items():
            listed = set(re.findall(r"^\| `([\w-]+)` \| (?:query|header) \|", SECTIONS[place], re.MULTILINE))
            declared = [one for one in operation.get("parameters", []) if "$ref" not in one and one["in"] != "path"]
            assert {one["name"] for one in declared} <= listed, place
            assert f"`{operation['operationId']}`, needs " in SECTIONS[place]

    def test_every_parameter_says_what_it_is_for(self):
        assert re.findall(r"^\| `[\w-]+` \| (?:query|header) \|.*\|  \|$", TEXT, re.MULTILINE) == []

    def test_every_status_stands_there(self):
        for place, operation in OPERATIONS.items():
            statuses = operation["responses"].keys() - {"default"}
            told = SECTIONS[place] + (TEXT.split("## Operations")[1].split("### Jobs")[0] if "/v1/" in place else "")
            assert [status for status in statuses if not re.search(rf"\b{status}\b", told)] == [], place


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, migrated_file):
    """A client of a service with a key of each scope; the keys by scope."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "supercycle.db").write_bytes(migrated_file.read_bytes())
    app = create_app(Settings(data_dir=folder))
    with app.state.parts.database.transaction() as session:
        keys = {scope.value: create(session, owner="alice", scopes={scope}).token for scope in Scope}
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client, keys


@pytest.mark.parametrize("place", OPERATIONS)
class TestScopes:
    def status(self, guarded, place, *, key=None, **request):
        client, keys = guarded
        method, path = place.split()
        headers = {"Authorization": f"Bearer {keys[key]}"} if key else {}
        return client.request(method, re.sub(r"{\w+}", "x", path), headers=headers, **request).status_code

    def test_they_are_what_is_needed(self, guarded, place):
        needs = re.search(r"^`\w+`, needs (.+)\.$", SECTIONS[place], re.MULTILINE)[1]
        assert (self.status(guarded, place) != 401) == (needs == "no key")
        for scope in ("read", "submit"):
            is_refused = self.status(guarded, place, key=scope) == 403
            assert is_refused == (needs.startswith("`") and not needs.startswith(f"`{scope}`")), scope
        assert self.status(guarded, place, key="admin") not in (401, 403)

    def test_admin_is_where_it_says(self, guarded, place):
        body = {"name": "mine", "path": "/nowhere"}
        if self.status(guarded, place, key="submit") != 403:
            needs_admin = self.status(guarded, place, key="submit", json=body) == 403
            assert needs_admin == ("`admin`" in re.search(r", needs (.+)\.$", SECTIONS[place], re.MULTILINE)[1])


class TestWords:
    def section(self, title):
        return re.search(rf"^## {title}\n(.*?)(?=^## )", TEXT, re.DOTALL | re.MULTILINE)[1]

    def test_what_is_said_of_a_trial_is_all_there(self):
        named = set(re.findall(r"`(\w+)`", self.section("Trying first")))
        assert Estimate.model_fields.keys() - named == set()

    def test_every_limit_is_there(self):
        settings = {f"SUPERCYCLE_{name.upper()}" for name in Settings.model_fields if name.startswith("max_")}
        assert settings - set(re.findall(r"`(SUPERCYCLE_\w+)`", self.section("Limits"))) == set()

    def test_scopes_are_all_there(self):
        assert set(re.findall(r"^\| `(\w+)` \| (?:to|both)", TEXT, re.MULTILINE)) == {scope.value for scope in Scope}

    @pytest.mark.parametrize(
        "words",
        [
            f"after 30 seconds, at most {LONGEST_WAIT_SECONDS}.",
            f"| {MOST_HEAD_BYTES >> 10} KiB | 431",
            f"| {MOST_PER_OWNER} | 409 `too_many_webhooks` |",
            f"`SUPERCYCLE_MAX_BODY_BYTES` ({Settings().max_body_bytes >> 20} MiB)",
            f"`SUPERCYCLE_MAX_UPLOAD_BYTES` ({Settings().max_upload_bytes >> 30} GiB)",
        ],
    )
    def test_figures_are_the_codes(self, words):
        assert words in " ".join(TEXT.split())
