"""Links lead from what an answer holds to operations that take it."""

import re

import pytest

from app.openapi.links import LINKS

ALL = [
    (operation, status, name, link)
    for operation, by_status in LINKS.items()
    for status, links in by_status.items()
    for name, link in links.items()
]


def text_of(value):
    return value if isinstance(value, str) else None


def held(value, pointer):
    """What a JSON pointer finds in a value."""
    for part in pointer.strip("/").split("/"):
        value = value[int(part) if isinstance(value, list) else part]
    return value


@pytest.mark.parametrize(("operation", "status", "name", "link"), ALL, ids=text_of)
class TestLink:
    def test_is_declared(self, operations, operation, status, name, link):
        assert operations[operation]["responses"][status]["links"][name] == link

    def test_leads_to_an_operation_with_all_that_it_needs(self, operations, operation, status, name, link):
        target = operations[link["operationId"]]
        taken = {
            parameter["name"]: parameter["in"] for parameter in target.get("parameters", []) if "name" in parameter
        }
        given = link.get("parameters", {})
        assert given.keys() <= taken.keys()
        assert {name for name, place in taken.items() if place == "path"} <= given.keys()
        assert given or "requestBody" in link

    def test_takes_what_the_examples_have(self, operations, operation, status, name, link):
        examples = operations[operation]["responses"][status]["content"]["application/json"]["examples"].values()
        pointers = re.findall(r"\$response\.body#([\w/]+)", str(link))
        path = [parameter["name"] for parameter in operations[operation].get("parameters", []) if "name" in parameter]
        assert set(re.findall(r"\$request\.path\.(\w+)", str(link))) <= set(path)
        for pointer in pointers:
            assert [example for example in examples if held(example["value"], pointer) is not None], pointer


def test_what_was_made_leads_to_all_that_can_be_done_with_it(operations):
    made = {"submit_job": "job_id", "add_webhook": "webhook_id", "add_dataset": "id_or_name", "get_model": "model_id"}
    for operation, key in made.items():
        reached = {link["operationId"] for maker, _, _, link in ALL if maker == operation}
        about = {
            id
            for id, target in operations.items()
            for parameter in target.get("parameters", [])
            if parameter.get("name") == key
        }
        further = {"get_artifact", "get_plot", "redeliver"}  # they need a name or an id more
        assert about - further - {operation} <= reached, operation
