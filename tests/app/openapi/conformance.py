"""Runs schemathesis against an app in process: every check, examples, coverage, random requests and chains of links.

It asks for what the document allows and for what it forbids, without a key and with another owner's.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemathesis
from fastapi import FastAPI
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.engine import events, from_schema
from schemathesis.hooks import unregister
from schemathesis.openapi.checks import RejectedPositiveData

from tests.app.openapi.sample import SAMPLE

# Valid by the schema and refused all the same, for a reason that no schema holds: what there is, what came before, and
# fields that do not go together. Only answers with these codes pass, and only from these operations.
_PAGE, _RANGE = {"invalid_cursor"}, {"range_not_satisfiable"}
BEYOND_A_SCHEMA = {
    "list_jobs": _PAGE,
    "list_datasets": _PAGE,
    "list_models": _PAGE,
    "list_webhooks": _PAGE,
    "list_deliveries": _PAGE,
    "get_artifact": _RANGE,
    "get_plot": _RANGE,
    "get_model_file": _RANGE,
    "get_preview": _RANGE,
    "list_events": {"invalid_value"},  # Last-Event-ID is any text elsewhere
    "get_metrics": {"unknown_option"},  # each phase has series of its own
    "add_dataset": {"path_not_allowed", "path_not_found", "malformed_multipart"},
    "add_webhook": {"webhook_url_not_allowed"},
    "preview_schedule": {"max_lr_needed", "invalid_value"},
    "submit_job": {
        "architecture_too_large", "batch_too_large", "crop_too_large", "cutout_too_large", "dataset_not_ready",
        "dataset_version_mismatch", "image_size_unfit", "invalid_request", "invalid_value", "layer_unfit",
        "no_test_split", "step_too_large", "unknown_architecture", "unknown_architecture_option", "unknown_dataset",
        "unknown_weights", "validation_too_small",
    },
}  # fmt: skip
_OF_ANY_POST = {"idempotency_mismatch"}
_SOMETHING_ELSE = "none"
_ANY_PATCH = "clone_job"


@dataclass
class Outcome:
    """What a run found, and how far it came."""

    failures: list[str] = field(default_factory=list)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)  #: by operation id and status
    links: set[str] = field(default_factory=set)  #: that were followed
    cases: int = 0

    def granted(self) -> set[str]:
        """The operations that did at least once what they are for."""
        return {operation for operation, status in self.answers if 200 <= status < 300}

    def note(self, event: events.EngineEvent) -> None:
        """Add what an event of the engine tells."""
        if isinstance(event, events.NonFatalError | events.FatalError):
            self.failures.append(repr(event))
        if isinstance(event, events.ScenarioFinished):
            self._note_cases(event)
            self._note_failures(event)

    def _note_cases(self, event: events.ScenarioFinished) -> None:
        for id, node in event.recorder.cases.items():
            self.cases += 1
            self.links |= {node.transition.id} if node.transition else set()
            interaction = event.recorder.interactions.get(id)
            if interaction is not None and interaction.response is not None:
                self.answers[_id_of(node.value.operation), interaction.response.status_code] += 1

    def _note_failures(self, event: events.ScenarioFinished) -> None:
        for id, found in event.recorder.checks.items():
            for check in found:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    told = f"{failure.operation}: {check.name}: {failure.title}\n{failure.message}"
                    answer = event.recorder.interactions[id].response
                    body = answer.content[:1000] if answer is not None else b""
                    self.failures.append(f"{told}\n{check.failure_info.code_sample}\n{body!r}")


def conform(
    app: FastAPI,
    tokens: dict[str, str],
    *,
    folder: Path,
    ids: dict[str, str] | None = None,
    only: list[str] | None = None,
    options: dict[str, Any],
) -> Outcome:
    """Ask as the first of these callers; the others must not see what is the first one's.

    `ids` are things that there are, by the names of path parameters: the document's examples name others.
    """
    load_all_checks()
    config = SchemathesisConfig.from_dict(_usual(tokens, folder) | options)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config)
    schema.hook(filter_failure)
    if only is not None:
        schema = schema.include(operation_id=only)
    outcome = Outcome()
    with _existing(ids or {}):
        for event in from_schema(schema).execute():
            outcome.note(event)
    return outcome


def checks() -> list[str]:
    """The names of all checks there are."""
    load_all_checks()
    return [check.__name__ for check in CHECKS.get_all()]


def _usual(tokens: dict[str, str], folder: Path) -> dict[str, Any]:
    """The same requests every time; a stream that does not end, or an answer that does not come, holds nothing up."""
    users = folder / "users.json"
    about = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}]}
        for name, token in tokens.items()
    ]
    users.write_text(json.dumps({"auth": about}))
    first = next(iter(tokens))
    auth = {"path": str(users), "user": first} | ({"peers": list(tokens)} if len(tokens) > 1 else {})
    return {
        "seed": 1,
        "request-timeout": 10,
        "max-stream-events": 20,
        "auth": {"wfc": auth},
    }


def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether a failure counts: not where a valid request is refused for what no schema says.

    Nor where an invalid form was accepted because, written as one, it is valid: there null is the text "null".
    """
    if isinstance(failure, AcceptedNegativeData) and case.media_type == "multipart/form-data":
        return "violates `type` at" not in failure.message
    if not isinstance(failure, RejectedPositiveData) or response.status_code not in (416, 422):
        return True
    asked = _id_of(case.operation), case.method, case.body
    return not is_beyond_a_schema(json.loads(response.content), *asked)


def is_beyond_a_schema(problem: dict[str, Any], operation: str, method: str, body: Any) -> bool:
    """Whether a valid request may be refused with this problem.

    What a merge patch may hold depends on the job, so any field may be at fault; but not where nothing is to change.
    So it is with the arms of a comparison, each a patch of a training.
    """
    if problem["code"] in BEYOND_A_SCHEMA.get(operation, set()) | (_OF_ANY_POST if method == "POST" else set()):
        return True
    pointers = [error.get("pointer", "") for error in problem["errors"]]
    is_of_fields = bool(pointers) and all(pointers)
    if operation == "submit_job" and is_of_fields and all(pointer.startswith("#/arms/") for pointer in pointers):
        return True
    return operation == _ANY_PATCH and is_of_fields and isinstance(body, dict) and bool(body)


@contextmanager
def _existing(ids: dict[str, str]) -> Iterator[None]:
    """Requests name things that there are where they would name the document's examples."""

    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        for name, value in list((case.path_parameters or {}).items()):
            if case.method == "DELETE":  # of what a list has shown: others still ask for it
                case.path_parameters[name] = _SOMETHING_ELSE if value == ids.get(name) else value
            elif name in ids and SAMPLE in str(value):
                case.path_parameters[name] = ids[name]
        is_valid = case.meta is not None and case.meta.generation.mode.is_positive
        if is_valid and _id_of(case.operation) == "add_webhook":
            # A key that was used gets the first answer again, also when what it made has been deleted since.
            (case.headers or {}).pop("Idempotency-Key", None)
        if is_valid and isinstance(case.body, dict) and _id_of(case.operation) == "submit_job":
            is_import = case.body.get("kind") == "dataset_import"
            case.body |= {"dataset": "digits"} | ({} if is_import else {"architecture": "mlp"})

    schemathesis.hook(before_call)
    try:
        yield
    finally:
        unregister(before_call)


def _id_of(operation: Any) -> str:
    return str(operation.definition.raw["operationId"])
