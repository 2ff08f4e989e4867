"""Examples are what the service really answers: recorded from it, and of the declared form."""

import json

import jsonschema_rs
import pytest
from fastapi.routing import iter_route_contexts
from pydantic import TypeAdapter

from app.config import Settings
from app.jobs.estimate import Estimate
from app.main import create_app
from app.openapi.examples import recorded
from app.problems import Problem
from tests.app.openapi.record import arranged
from tests.app.openapi.recording import record
from tests.app.openapi.sample import rounded

PROBLEM = "application/problem+json"


@pytest.fixture(scope="session")
def valid(document):
    """The first way in which a value breaks a schema of the document, or None."""

    def broken(schema, value):
        whole = {"components": document["components"], "allOf": [schema]}
        errors = jsonschema_rs.Draft202012Validator(whole).iter_errors(value)
        return next((f"{error.instance_path}: {error.message}" for error in errors), None)

    return lambda schema, value: broken(schema, value) is None or pytest.fail(broken(schema, value))


def contents(operations):
    """Every declared body of an answer: operation, status, media type, content."""
    for id, operation in operations.items():
        for status, answer in operation["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                yield id, status, media_type, content


def values(document, content):
    """The examples of a body."""
    shared = document["components"]["examples"]
    for example in content.get("examples", {}).values():
        yield shared[example["$ref"].rpartition("/")[2]]["value"] if "$ref" in example else example["value"]


def differences(known, found, place=""):
    """The places where two recordings differ."""
    if isinstance(known, dict) and isinstance(found, dict):
        names = known.keys() | found.keys()
        pairs = [(known.get(name), found.get(name), f"{place}/{name}") for name in sorted(names)]
        return [line for pair in pairs for line in differences(*pair)]
    return [] if known == found else [f"{place}: {found!r}, not {known!r}"]


def test_they_are_what_the_service_answers(tmp_path, migrated_file):
    found = arranged(record(tmp_path, migrated_file))
    what_to_do = "the service answers otherwise; if that was meant, run `make reference`"
    assert differences(rounded(recorded()), rounded(found)) == [], what_to_do


class TestForm:
    def test_every_answer_is_of_the_declared_form(self, document, operations, valid):
        checked = 0
        for _, _, _, content in contents(operations):
            for value in values(document, content):
                valid(content.get("schema", {}), value)
                checked += 1
        assert checked > 300

    def test_every_request_is_of_the_declared_form(self, document, operations, valid):
        asked = [
            operation["requestBody"]["content"]["application/json"]
            for operation in operations.values()
            if "requestBody" in operation
        ]
        assert len(asked) >= 5
        for content in asked:
            for value in values(document, content):
                valid(content["schema"], value)

    def test_what_was_granted_is_what_the_models_say(self, document, operations):
        routes = iter_route_contexts(create_app(Settings(data_dir="/nowhere")).routes)
        models = {route.name: route.response_model for route in routes if getattr(route, "response_model", None)}
        checked = set()
        for id, status, media_type, content in contents(operations):
            if media_type != "application/json" or id == "get_model_file":
                continue
            model = TypeAdapter(Estimate if (id, status) == ("submit_job", "200") else models[id])
            for value in values(document, content):
                assert model.dump_python(model.validate_python(value), mode="json") == value
                checked.add(id)
        assert len(checked) >= 24

    def test_problems_are_the_models(self):
        for problem in recorded()["problems"].values():
            Problem.model_validate(problem["value"], extra="forbid")


class TestWhole:
    def test_every_operation_shows_what_it_grants(self, document, operations):
        for id, operation in operations.items():
            granted = [status for status in operation["responses"] if status < "400"]
            assert granted, id
            for status in granted:
                for media_type, content in operation["responses"][status].get("content", {}).items():
                    is_file = content.get("schema", {}).get("format") == "binary"
                    assert is_file or list(values(document, content)), f"{id} {status} {media_type}"

    def test_every_problem_is_of_its_status_and_its_operation(self, document, operations):
        for id, status, media_type, content in contents(operations):
            if status >= "400" and media_type == PROBLEM:
                problems = list(values(document, content))
                assert {problem["status"] for problem in problems} == {int(status)}, id
                assert [problem["code"] for problem in problems] == list(content["examples"]), id

    @pytest.mark.parametrize("status", ["401", "403", "422", "500", "503"])
    def test_every_operation_below_v1_may_answer(self, document, status):
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                assert not path.startswith("/v1/") or status in operation["responses"], f"{method} {path}"

    def test_none_declares_what_it_was_not_heard_to_answer(self, operations):
        for id, operation in operations.items():
            found = recorded()["operations"][id]
            assert set(operation["responses"]) == {*found["answers"], *found.get("problems", {})}, id

    def test_a_recording_shows_no_secret_and_no_place_of_this_machine(self):
        text = json.dumps(recorded())
        assert [word for word in ("sc_", "/tmp", "whsec_") if word in text.replace("whsec_MfKQ9r8GK", "")] == []  # noqa: S108
