"""The document as it is served."""

import pytest

from app.openapi_reference import served


@pytest.fixture(scope="session")
def document():
    """Made once; nobody changes it."""
    return served()


@pytest.fixture(scope="session")
def operations(document):
    """Every operation by its id, with references to shared answers followed."""
    shared = document["components"]["responses"]

    def whole(operation):
        responses = operation["responses"].items()
        return operation | {"responses": {
            status: shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
            for status, answer in responses
        }}  # fmt: skip

    found = [operation for methods in document["paths"].values() for operation in methods.values()]
    return {operation["operationId"]: whole(operation) for operation in found}
