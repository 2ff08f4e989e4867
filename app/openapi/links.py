"""Which answer leads to which operation: OpenAPI links, by operation and status."""

from typing import Any

Link = dict[str, Any]

_ID = "$response.body#/id"
_FIRST = "$response.body#/items/0/id"


def _to(operation: str, description: str = "", **parameters: str) -> Link:
    link: Link = {"operationId": operation, "parameters": parameters}
    return link | ({"description": description} if description else {})


def _of_job(id: str) -> dict[str, Link]:
    """What one can do with a job, or look at."""
    names = ("get_job", "cancel_job", "pause_job", "resume_job", "retry_job", "clone_job", "delete_job")
    seen = ("list_events", "get_metrics", "get_logs", "list_artifacts")
    return {name: _to(name, job_id=id) for name in (*names, *seen)}


def _next(operation: str, **more: str) -> dict[str, Link]:
    words = "The next page, where there is one."
    return {"next_page": _to(operation, words, cursor="$response.body#/next_cursor", **more)}


def _file_of_job(operation: str) -> dict[str, Link]:
    path = {"job_id": "$request.path.job_id", "name": "$response.body#/items/0/name"}
    return {operation: _to(operation, **path)}


_WEBHOOK = {
    "get_webhook": _to("get_webhook", webhook_id=_ID),
    "list_deliveries": _to("list_deliveries", webhook_id=_ID),
    "delete_webhook": _to("delete_webhook", webhook_id=_ID),
}
_DATASET = {
    "get_dataset": _to("get_dataset", id_or_name=_ID),
    "get_preview": _to("get_preview", "Once it is `ready`.", id_or_name=_ID),
    "delete_dataset": _to("delete_dataset", id_or_name=_ID),
    "submit_job": {
        "operationId": "submit_job",
        "description": "Train on it, once it is `ready`.",
        "requestBody": {"kind": "training", "dataset": {"id": _ID}, "architecture": "mlp", "batch_size": 1},
    },
}

LINKS: dict[str, dict[str, dict[str, Link]]] = {
    "submit_job": {"202": _of_job(_ID)},
    "retry_job": {"202": _of_job(_ID)},
    "clone_job": {"202": _of_job(_ID)},
    "get_job": {
        "200": {name: link for name, link in _of_job(_ID).items() if name != "get_job"}
        | {"get_model": _to("get_model", "Of a training that succeeded.", model_id="$response.body#/model_id")}
    },
    "list_jobs": {"200": {"get_job": _to("get_job", job_id=_FIRST)} | _next("list_jobs")},
    "cancel_job": {"200": {name: _of_job(_ID)[name] for name in ("get_job", "retry_job", "delete_job")}},
    "pause_job": {"200": {name: _of_job(_ID)[name] for name in ("get_job", "resume_job", "cancel_job")}},
    "resume_job": {"200": {name: _of_job(_ID)[name] for name in ("get_job", "pause_job", "cancel_job")}},
    "list_events": {
        "200": {
            "later_events": _to(
                "list_events",
                "What happened since.",
                job_id="$request.path.job_id",
                after="$response.body#/last_seq",
            )
        }
    },
    "list_artifacts": {"200": _file_of_job("get_artifact") | _file_of_job("get_plot")},
    "list_datasets": {"200": {"get_dataset": _to("get_dataset", id_or_name=_FIRST)} | _next("list_datasets")},
    "add_dataset": {"202": _DATASET},
    "list_models": {"200": {"get_model": _to("get_model", model_id=_FIRST)} | _next("list_models")},
    "get_model": {
        "200": {
            "get_model_file": _to("get_model_file", model_id=_ID, name="$response.body#/files/0/name"),
            "get_job": _to("get_job", "That trained it.", job_id="$response.body#/job_id"),
            "delete_model": _to("delete_model", model_id=_ID),
        }
    },
    "list_architectures": {"200": {"get_architecture": _to("get_architecture", name="$response.body#/items/0/name")}},
    "add_webhook": {"201": _WEBHOOK},
    "list_webhooks": {"200": {"get_webhook": _to("get_webhook", webhook_id=_FIRST)} | _next("list_webhooks")},
    "get_webhook": {"200": {name: link for name, link in _WEBHOOK.items() if name != "get_webhook"}},
    "list_deliveries": {
        "200": {
            "redeliver": _to("redeliver", webhook_id="$request.path.webhook_id", delivery_id=_FIRST),
        }
        | _next("list_deliveries", webhook_id="$request.path.webhook_id")
    },
}
