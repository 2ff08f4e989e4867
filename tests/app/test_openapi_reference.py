"""The committed OpenAPI document is the one that is served; where it is not, the changed places are named."""

import json

from app.openapi_reference import PAGE, served, text


def places(document, path=""):
    """Every leaf of a document by its place."""
    if isinstance(document, dict):
        return {
            place: leaf for name, part in document.items() for place, leaf in places(part, f"{path}/{name}").items()
        }
    if isinstance(document, list):
        return {place: leaf for i, part in enumerate(document) for place, leaf in places(part, f"{path}/{i}").items()}
    return {path: document}


def test_the_committed_document_is_the_served_one():
    committed, present = places(json.loads(PAGE.read_text("utf-8"))), places(json.loads(text(served())))
    changed = sorted(place for place in committed.keys() | present.keys() if committed.get(place) != present.get(place))
    assert changed == [], "the API changed here; if that was meant, run `make reference` and name it in CHANGELOG.md"


def test_it_is_written_as_it_is_read():
    assert PAGE.read_text("utf-8") == text(json.loads(PAGE.read_text("utf-8")))


def test_every_operation_has_an_id_of_its_own():
    ids = [found["operationId"] for methods in served()["paths"].values() for found in methods.values()]
    assert len(ids) == len(set(ids)) > 25
