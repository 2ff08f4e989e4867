"""The OpenAPI document says what is really answered."""

import json
import re

import pytest
from pydantic import TypeAdapter

from app.domain.specs import JobSpec
from app.problems import Problem

SPECS = TypeAdapter(JobSpec).json_schema()["$defs"]  # the specs, their parts and layers


@pytest.fixture
def document(shared_client):
    return shared_client.get("/openapi.json").json()


@pytest.fixture
def operations(document):
    """Every operation below /v1 with its address."""
    paths = {path: methods for path, methods in document["paths"].items() if path.startswith("/v1/")}
    return {f"{method} {path}": found for path, methods in paths.items() for method, found in methods.items()}


class TestProblems:
    def test_the_frameworks_own_shape_is_gone(self, document):
        assert "ValidationError" not in json.dumps(document)

    def test_everything_referred_to_is_there(self, document):
        text = json.dumps(document)
        referred = re.findall(r'"#/components/(\w+)/([\w.-]+)"', text)
        assert {(room, name) for room, name in referred if name not in document["components"][room]} == set()

    @pytest.mark.parametrize("path", ["/v1/jobs?limit=0", "/v1/jobs/x", "/v1/nope"])
    def test_real_ones_have_that_shape(self, shared_client, document, path):
        body = shared_client.get(path).json()
        declared = document["components"]["schemas"]["Problem"]
        assert body.keys() == declared["properties"].keys() == set(declared["required"])
        Problem.model_validate(body)

    def test_the_document_is_made_once(self, shared_client):
        assert shared_client.app.openapi() is shared_client.app.openapi()


class TestHeaders:
    def names(self, document, answer):
        found = answer
        if "$ref" in answer:
            found = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        return found.get("headers", {})

    def asked(self, operation):
        references = [one["$ref"] for one in operation.get("parameters", []) if "$ref" in one]
        return {reference.rpartition("/")[2] for reference in references}

    def test_every_answer_has_a_request_id_and_every_request_may(self, document, operations):
        for place, operation in operations.items():
            assert "X-Request-ID" in self.asked(operation), place
            for status, answer in operation["responses"].items():
                assert "X-Request-ID" in self.names(document, answer), (place, status)

    def test_what_is_done_once_says_when_it_was_done_before(self, document, operations):
        for place, operation in operations.items():
            takes_key = any(one.get("name") == "Idempotency-Key" for one in operation.get("parameters", []))
            granted = [answer for status, answer in operation["responses"].items() if status in ("200", "201", "202")]
            says = any("Idempotent-Replayed" in self.names(document, answer) for answer in granted)
            assert says == takes_key, place

    def test_a_part_of_a_file_may_be_of_one_version(self, operations):
        places = [place for place, operation in operations.items() if "Range" in self.asked(operation)]
        assert len(places) == 4
        assert all("If-Range" in self.asked(operations[place]) for place in places)

    def test_a_method_that_there_is_not_names_those_there_are(self, document):
        answer = document["components"]["responses"]["405-method_not_allowed"]
        assert "Allow" in self.names(document, answer)


class TestSpecs:
    @pytest.mark.parametrize("name", SPECS)
    def test_every_field_describes_itself(self, document, name):
        component = document["components"]["schemas"][name.replace("Spec", "Submission")]
        assert [
            field for field in SPECS[name]["properties"] if not component["properties"][field].get("description")
        ] == []


class TestKeys:
    def test_the_scheme_is_bearer(self, document):
        [scheme] = document["components"]["securitySchemes"].values()
        assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")

    def test_every_operation_takes_one(self, document, operations):
        [name] = document["components"]["securitySchemes"]
        assert all(operation["security"] == [{name: []}] for operation in operations.values())

    def test_without_a_key_on_the_server_none_is_needed(self, shared_client):
        assert shared_client.get("/v1/jobs").status_code == 200
        assert shared_client.get("/v1/jobs", headers={"Authorization": "Basic x"}).status_code == 200
