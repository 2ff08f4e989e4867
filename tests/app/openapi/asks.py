"""What the recording asks of the service, beyond what it asks of every operation alike."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.app.openapi.planned import COMPARISON
from tests.app.openapi.world import HOOK, MINIMAL, OWNER, RANGE_TEST, TRAINING

NOWHERE = {name: f"{prefix}_{'0' * 26}" for name, prefix in
           {"job": "job", "model": "mdl", "dataset": "ds", "webhook": "whk", "delivery": "dlv"}.items()}  # fmt: skip


@dataclass(frozen=True)
class Ask:
    """One request. In `path` stand names of the world's ids, or what is no id; `name` is of the example it makes."""

    operation: str
    status: int
    name: str = ""
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    form: dict[str, Any] | None = None
    by: str = OWNER
    excerpt: str = ""  #: of a long text, the lines that begin so


def _of_job(operation: str, status: int, job: str, name: str = "", **more: Any) -> Ask:
    return Ask(operation, status, name, path={"job_id": job} | more.pop("path", {}), **more)


def _file(operation: str, name: str = "") -> list[Ask]:
    """A file, a part of it, and none of it."""
    owner = {"get_model_file": {"model_id": "model"}, "get_preview": {"id_or_name": "pets"}}
    about = {"path": owner.get(operation, {"job_id": "trained"}) | ({"name": name} if name else {})}
    return [
        Ask(operation, 200, "whole", **about),
        Ask(operation, 206, "part", headers={"Range": "bytes=0-9"}, **about),
        Ask(operation, 200, "whole", headers={"Range": "bytes=0-9", "If-Range": '"of another version"'}, **about),
        Ask(operation, 416, headers={"Range": "bytes=9999999-"}, **about),
    ]


_LISTS = ("list_jobs", "list_datasets", "list_models", "list_webhooks")
_STREAM = {"Accept": "text/event-stream"}
_PETS = {"name": "my pets", "path": "{folder}/images/pets"}

ASKS = [
    Ask("live", 200, "live"),
    Ask("ready", 200, "ready"),
    Ask("metrics", 200, "figures", by="operator", excerpt="supercycle_jobs"),
    # Jobs
    Ask("submit_job", 202, "training", body=TRAINING),
    Ask("submit_job", 202, "range_test", body=RANGE_TEST),
    Ask("submit_job", 202, "comparison", body=COMPARISON),
    Ask("submit_job", 202, "tuning", body=MINIMAL | {"kind": "tuning", "budget_seconds": 600}),
    Ask("submit_job", 202, "auto", body={"kind": "auto", "dataset": "digits", "budget_seconds": 600}),
    Ask("submit_job", 202, "dataset_import", body={"kind": "dataset_import", "dataset": "EuroSAT"}),
    Ask("submit_job", 200, "validate_only", body=MINIMAL | {"epochs": 5}, query={"validate_only": "true"}),
    Ask("list_jobs", 200, "page", query={"limit": 1, "state": "succeeded"}),
    _of_job("get_job", 200, "trained", "training", headers={"Prefer": "wait=30"}),
    _of_job("get_job", 200, "swept", "range_test"),
    _of_job("get_job", 200, "failed", "failed"),
    _of_job("cancel_job", 200, "to_cancel", "running"),
    _of_job("cancel_job", 409, "trained"),
    _of_job("pause_job", 200, "to_pause", "running"),
    _of_job("pause_job", 409, "trained"),
    _of_job("pause_job", 409, "stopping"),
    _of_job("resume_job", 200, "to_resume", "paused"),
    _of_job("resume_job", 409, "running"),
    _of_job("resume_job", 409, "trained"),
    _of_job("retry_job", 202, "failed", "failed"),
    _of_job("retry_job", 409, "trained"),
    _of_job("clone_job", 202, "trained", "longer", body={"epochs": 20, "optimizer": {"weight_decay": 0.001}}),
    _of_job("clone_job", 202, "trained", "unchanged"),
    _of_job("clone_job", 422, "trained", body={"epochs": 0}),
    _of_job("clone_job", 422, "trained", body={"dataset": "digitz"}),
    _of_job("delete_job", 204, "cancelled", "ended"),
    _of_job("delete_job", 409, "running"),
    _of_job("delete_job", 409, "part"),
    _of_job("list_events", 200, "trained", "page", query={"after": 3, "limit": 3}),
    _of_job("list_events", 200, "trained", "stream", headers=_STREAM | {"Last-Event-ID": "8"}),
    _of_job("list_events", 204, "swept", "nothing_more", headers=_STREAM | {"Last-Event-ID": "99"}),
    _of_job("list_events", 422, "trained", headers=_STREAM | {"Last-Event-ID": "x"}),
    _of_job("list_events", 422, "trained", query={"after": "-1"}),
    _of_job("get_metrics", 200, "trained", "training"),
    _of_job("get_metrics", 200, "swept", "range_test", query={"max_points": 4}),
    _of_job("get_metrics", 200, "trained", "csv", headers={"Accept": "text/csv"}),
    _of_job("get_metrics", 422, "trained", query={"series": "los"}),
    _of_job("get_metrics", 422, "trained", query={"max_points": 1}),
    _of_job("get_logs", 200, "trained", "lines"),
    _of_job("list_artifacts", 200, "swept", "files"),
    *_file("get_artifact", "loss.svg"),
    _of_job("get_artifact", 200, "trained", "picture", path={"name": "loss.png"}),
    _of_job("get_artifact", 404, "trained", path={"name": "none.png"}),
    _of_job("get_artifact", 409, "running", path={"name": "loss.png"}),
    *_file("get_plot", "loss.png"),
    _of_job("get_plot", 200, "trained", "drawing", path={"name": "loss.svg"}),
    _of_job("get_plot", 404, "trained", path={"name": "none.png"}),
    _of_job("get_plot", 409, "running", path={"name": "loss.png"}),
    # Datasets, models, architectures, schedules
    Ask("list_datasets", 200, "page", query={"limit": 1}),
    Ask("get_dataset", 200, "built_in", path={"id_or_name": "digits"}),
    Ask("get_dataset", 200, "ready", path={"id_or_name": "pets"}),
    Ask("get_dataset", 200, "invalid", path={"id_or_name": "cats"}),
    *_file("get_preview"),
    Ask("get_preview", 404, path={"id_or_name": "digits"}),
    Ask("get_preview", 404, path={"id_or_name": "cats"}),
    Ask("get_preview", 409, path={"id_or_name": "unchecked"}),
    Ask("add_dataset", 202, "upload", form={"name": "my pets"}),
    Ask("add_dataset", 202, "folder", body=_PETS, by="operator"),
    Ask("add_dataset", 403, body=_PETS),
    Ask("add_dataset", 409, form={"name": "pets"}),
    Ask("add_dataset", 422, body=_PETS | {"path": "/etc"}, by="operator"),
    Ask("add_dataset", 422, body=_PETS | {"path": "{folder}/images/none"}, by="operator"),
    Ask("add_dataset", 422, body=_PETS | {"name": "ds_pets"}, by="operator"),
    Ask("add_dataset", 422, body={"name": "my pets"}, by="operator"),
    Ask("add_dataset", 422, body=_PETS | {"path": 3}, by="operator"),
    Ask("delete_dataset", 204, "uploaded", path={"id_or_name": "cats"}),
    Ask("delete_dataset", 409, path={"id_or_name": "digits"}),
    Ask("delete_dataset", 409, path={"id_or_name": "pets"}),
    Ask("list_models", 200, "page", query={"limit": 1}),
    Ask("get_model", 200, "model", path={"model_id": "model"}),
    *_file("get_model_file", "weights.safetensors"),
    Ask("get_model_file", 200, "facts", path={"model_id": "model", "name": "config.json"}),
    Ask("get_model_file", 404, path={"model_id": "model", "name": "none"}),
    Ask("list_architectures", 200, "first_two"),
    Ask("get_architecture", 200, "resnet9", path={"name": "resnet9"}),
    Ask("preview_schedule", 200, "one_cycle", body={"schedule": {"max_lr": 1.0}, "steps": 100, "max_points": 5}),
    Ask("preview_schedule", 422, body={"schedule": {"max_lr": "auto"}, "steps": 100}),
    Ask("preview_schedule", 422, body={"schedule": {"max_lr": 1.0}, "steps": 0}),
    Ask("add_dataset", 422, body="--x", headers={"Content-Type": "multipart/form-data; boundary=x"}),
    # Webhooks
    Ask("add_webhook", 201, "two_events", body=HOOK | {"events": ["job.succeeded", "job.failed"]}),
    Ask("add_webhook", 422, body={"url": "http://10.0.0.1/"}),
    Ask("add_webhook", 422, body={"url": "https://example.com/", "events": ["job.done"]}),
    Ask("list_webhooks", 200, "page", query={"limit": 1}),
    Ask("get_webhook", 200, "webhook", path={"webhook_id": "webhook"}),
    Ask("list_deliveries", 200, "page", path={"webhook_id": "webhook"}, query={"limit": 2}),
    Ask("redeliver", 202, "delivered", path={"webhook_id": "webhook", "delivery_id": "delivery"}),
    Ask("redeliver", 404, path={"webhook_id": "webhook", "delivery_id": NOWHERE["delivery"]}),
    Ask("redeliver", 409, path={"webhook_id": "gone_webhook", "delivery_id": "gone_delivery"}),
    Ask("delete_webhook", 204, "webhook", path={"webhook_id": "silent_webhook"}),
    # Every list
    *(Ask(name, 422, query={"limit": 0}) for name in _LISTS),
    *(Ask(name, 422, query={"cursor": "MQ=="}) for name in _LISTS),
    Ask("list_jobs", 422, query={"state": "done"}),
    Ask("list_jobs", 422, query={"kind": "trainig"}),
    Ask("list_deliveries", 422, path={"webhook_id": "webhook"}, query={"limit": "many"}),
    Ask("list_deliveries", 422, path={"webhook_id": "webhook"}, query={"cursor": "MQ=="}),
]

# Who does not find it: the operation, what it looks for.
ASKS += [
    Ask(operation, 404, path={"job_id": NOWHERE["job"], "name": "loss.png"})
    for operation in ("get_job", "cancel_job", "pause_job", "resume_job", "retry_job", "clone_job", "delete_job",
                      "list_events", "get_metrics", "get_logs", "list_artifacts", "get_artifact", "get_plot")
]  # fmt: skip
ASKS += [Ask(name, 404, path={"id_or_name": "pest"}) for name in ("get_dataset", "get_preview", "delete_dataset")]
ASKS += [
    Ask(name, 404, path={"model_id": NOWHERE["model"], "name": "config.json"})
    for name in ("get_model", "get_model_file", "delete_model")
]
ASKS += [Ask("get_architecture", 404, path={"name": "resnet8"})]
ASKS += [
    Ask(name, 404, path={"webhook_id": NOWHERE["webhook"], "delivery_id": NOWHERE["delivery"]})
    for name in ("get_webhook", "delete_webhook", "list_deliveries", "redeliver")
]
ASKS += [Ask("delete_model", 204, "model", path={"model_id": "model"})]

# What is wrong with a job: each change to a good one is refused with a code of its own.
WRONG_JOBS = [
    {"epoch": 3},
    {"epochs": 0},
    {"epochs": "3"},
    {"precision": "fp8"},
    {"name": ""},
    {"name": "x" * 101},
    {"dataset": {"version": "sha256:ff", "name": "digits"}},
    {"optimizer": {"momentum": 0.9}},
    {"epoch": 3, "epochs": 0},
    {"dataset": "digitz"},
    {"dataset": "unchecked"},
    {"dataset": {"name": "pets", "version": "sha256:" + "0" * 64}, "batch_size": 4},
    {"architecture": "resnet8"},
    {"architecture": {"name": "mlp", "widht": 8}},
    {"architecture": "vgg16", "image_size": 8},
    {"architecture": "lenet", "pretrained": True},
    {"architecture": {"name": "custom", "layers": [{"type": "conv", "channels": 8, "kernel_size": 9}]}},
    {"architecture": {"name": "custom", "layers": [{"type": "flatten"}, *[{"type": "linear", "features": 8192}] * 99]}},
    {"dataset": "pets", "batch_size": 4, "validation": "test"},
    {"dataset": "pets", "batch_size": 4, "validation": 0.01},
    {"batch_size": 2048},
    {"batch_size": 1024, "accumulation_steps": 4},
    {"augmentation": {"crop": 8}},
    {"cutout": 8},
]
ASKS += [Ask("submit_job", 422, body=MINIMAL | change) for change in WRONG_JOBS]
ASKS += [Ask("submit_job", 422, body={"kind": "dataset_import", "dataset": "EuroSat"})]
ASKS += [Ask("submit_job", 422, body=MINIMAL | {"dataset": "EuroSAT"})]
ASKS += [Ask("submit_job", 422, body=json.dumps(MINIMAL)[:-1] + ', "ema": 1e999}')]

ASKS += [Ask("metrics", 403)]

# What is no operation.
ASKS += [Ask("", 404, path={"place": "/v1/nope"}), Ask("", 405, path={"place": "/v1/jobs"})]
