"""The client: one object for one service, methods named after what the HTTP interface offers."""

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from supercycle.config import api_key as key_from_environment
from supercycle.config import service_url
from supercycle.downloads import Progress, save, save_all
from supercycle.errors import UnexpectedAnswer, WaitTimeout
from supercycle.jobs import Job, file_table
from supercycle.transport import Json, Transport, idempotency_headers
from supercycle.transport import segment as _segment
from supercycle.uploads import Reader, Upload, upload_of
from supercycle.webhooks import Webhooks

# Checking in a large archive takes the service longer than answering a question.
UPLOAD_TIMEOUT_SECONDS = 600.0
CHECK_POLL_SECONDS = 0.5


class Client(Webhooks):
    """Talks to one Supercycle service.

    `url` and `api_key` default to SUPERCYCLE_URL and SUPERCYCLE_API_KEY. `timeout` is in seconds and bounds
    each wait for the network. Every request is repeated for `patience` seconds while the service is away or
    busy; an `Idempotency-Key` of its own lets the service do once what is sent twice. A key that the caller gives
    does the same over several runs of a program. Errors are those of `supercycle.errors`.
    """

    def __init__(
        self, url: str | None = None, api_key: str | None = None, *, timeout: float = 30.0, patience: float = 3.0
    ) -> None:
        self._transport = Transport(
            url or service_url(),
            api_key=api_key or key_from_environment(),
            timeout_seconds=timeout,
            patience_seconds=patience,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._transport.url

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()

    def train(self, *, idempotency_key: str | None = None, **spec: Any) -> Job:  # noqa: ANN401
        """Submit a training; the keywords are the fields of its spec, and how to run it.

        That is `name`, `tags`, `priority`, `device`, `max_attempts`, `max_runtime_seconds` and `on_time_limit`.
        `preset="blog"` or `"case_study"` fills in everything; what is given beside it wins.
        """
        return self.submit({"kind": "training", **spec}, idempotency_key=idempotency_key)

    def range_test(self, *, idempotency_key: str | None = None, **spec: Any) -> Job:  # noqa: ANN401
        """Submit a learning-rate range test; the keywords are the fields of its spec, and those on how to run it."""
        return self.submit({"kind": "range_test", **spec}, idempotency_key=idempotency_key)

    def compare(self, *, idempotency_key: str | None = None, **spec: Any) -> Job:  # noqa: ANN401
        """Submit a comparison of one cycle with a baseline and controls; `job.children()` are its trainings."""
        return self.submit({"kind": "comparison", **spec}, idempotency_key=idempotency_key)

    def tune(self, *, idempotency_key: str | None = None, **spec: Any) -> Job:  # noqa: ANN401
        """Submit a tuning; `result["training"]` of the job that ended is a spec to submit."""
        return self.submit({"kind": "tuning", **spec}, idempotency_key=idempotency_key)

    def auto(self, *, idempotency_key: str | None = None, **spec: Any) -> Job:  # noqa: ANN401
        """Submit an automatic run: tune within `budget_seconds`, train, and with `compare=True` compare."""
        return self.submit({"kind": "auto", **spec}, idempotency_key=idempotency_key)

    def import_dataset(self, name: str, *, idempotency_key: str | None = None, **how: Any) -> Job:  # noqa: ANN401
        """Have the service fetch a published data set once, for everybody; the keywords say how to run the job."""
        return self.submit({"kind": "dataset_import", "dataset": name, **how}, idempotency_key=idempotency_key)

    def submit(self, body: Json, *, idempotency_key: str | None = None) -> Job:
        """Submit a job as the HTTP interface takes it.

        The same body under the same `idempotency_key` gives the job that was made first; another body is a
        ProblemError with the code `idempotency_mismatch`.
        """
        return Job(self._transport, self._transport.post("/v1/jobs", json=body, idempotency_key=idempotency_key))

    def validate(self, body: Json) -> Json:
        """What `submit` would make of it, without queueing anything; ProblemError where it would be refused.

        `spec` with everything filled in, and how many `children` and `steps` it would come to.
        """
        return self._transport.post("/v1/jobs", params={"validate_only": "true"}, json=body)

    def job(self, job_id: str) -> Job:
        """The job with this id."""
        return Job(self._transport, self._transport.get_json(f"/v1/jobs/{_segment(job_id)}"))

    def jobs(
        self,
        *,
        kind: str | Sequence[str] | None = None,
        state: str | Sequence[str] | None = None,
        tag: str | Sequence[str] | None = None,
        parent_id: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Job]:
        """Jobs, newest first, at most `limit`. Their `data` is short until `refresh()`: no spec, no result.

        Of several kinds or states a job has one, of several tags it has all.
        The children of a job are listed by its `parent_id` alone.
        """
        params = {"kind": kind, "state": state, "tag": tag, "parent_id": parent_id}
        return (Job(self._transport, item) for item in self._transport.pages("/v1/jobs", params=params, limit=limit))

    def datasets(self) -> list[Json]:
        """Every data set: built-in, uploaded, registered."""
        return list(self._transport.pages("/v1/datasets", params={}))

    def dataset(self, id_or_name: str) -> Json:
        """One data set."""
        return self._transport.get_json(f"/v1/datasets/{_segment(id_or_name)}")

    def add_dataset(
        self,
        name: str,
        path: str | Path | Upload,
        *,
        test_fraction: float | None = None,
        split_seed: int | None = None,
        on_bad_file: str | None = None,
        idempotency_key: str | None = None,
        progress: Progress | None = None,
    ) -> Json:
        """Upload an archive, an .npz, or a folder packed on the way; the service then checks it (state `validating`).

        It holds a folder of pictures for each class, IDX files named as MNIST's, or the arrays of Keras or MedMNIST.
        Where it has no test split, `test_fraction` of each class becomes one (0.2 unless given, 0 for none), drawn by
        `split_seed`. `on_bad_file="skip"` leaves out pictures that cannot be read, up to 1 % of all.

        Of a folder, hidden files and links to folders are left out. `progress` is called with the name of what is
        sent, the bytes sent, and how many there are; from 0 again where the upload is repeated.
        """
        upload = path if isinstance(path, Upload) else upload_of(Path(path))
        fields = {"name": name} | _given(test_fraction, split_seed, on_bad_file)
        headers = idempotency_headers(idempotency_key)
        return self._transport.patiently(lambda: self._upload(fields, upload, headers=headers, progress=progress))

    def _upload(self, fields: Json, upload: Upload, *, headers: dict[str, str], progress: Progress | None) -> Json:
        reader = Reader(upload, report=lambda sent: progress(upload.name, sent, upload.size) if progress else None)
        response = self._transport.send(
            "POST",
            "/v1/datasets",
            data=fields,
            files={"file": (upload.name, reader)},
            headers=headers,
            timeout_seconds=UPLOAD_TIMEOUT_SECONDS,
        )
        return self._transport.read_json(response)

    def register_dataset(
        self,
        name: str,
        path: str,
        *,
        test_fraction: float | None = None,
        split_seed: int | None = None,
        on_bad_file: str | None = None,
        idempotency_key: str | None = None,
    ) -> Json:
        """Make a folder on the server known as a data set; `path` is the server's, the rest as for `add_dataset`."""
        body = {"name": name, "path": path} | _given(test_fraction, split_seed, on_bad_file)
        return self._transport.post("/v1/datasets", json=body, idempotency_key=idempotency_key)

    def wait_for_dataset(self, id_or_name: str, timeout: float | None = None) -> Json:
        """The data set once its check has ended, `ready` or `invalid`. WaitTimeout after `timeout` seconds."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while (found := self.dataset(id_or_name))["state"] == "validating":
            if time.monotonic() >= deadline:
                raise WaitTimeout(f"{found['name']} is still validating after {timeout:g} s")
            time.sleep(CHECK_POLL_SECONDS)
        return found

    def dataset_preview(self, id_or_name: str, path: str | Path) -> Path:
        """Save the picture of a data set, a PNG with images of up to 20 classes; raises ProblemError if it has none."""
        path = Path(path)
        href = f"/v1/datasets/{_segment(id_or_name)}/preview.png"
        return save(self._transport, href, folder=path.parent, name=path.name, sha256=None)

    def delete_dataset(self, id_or_name: str) -> None:
        """Forget a data set and its uploaded images; ProblemError where a job needs it. A registered folder stays."""
        self._transport.delete(f"/v1/datasets/{_segment(id_or_name)}")

    def architectures(self) -> list[Json]:
        """Every network that can be trained."""
        return list(self._transport.pages("/v1/architectures", params={}))

    def architecture(self, name: str) -> Json:
        """One network: its options and weights; of `custom`, what its layers may be."""
        return self._transport.get_json(f"/v1/architectures/{_segment(name)}")

    def models(self, *, limit: int | None = None) -> Iterator[Json]:
        """Trained models, newest first, at most `limit`."""
        return self._transport.pages("/v1/models", params={}, limit=limit)

    def model(self, model_id: str) -> Json:
        """One trained model."""
        return self._transport.get_json(f"/v1/models/{_segment(model_id)}")

    def delete_model(self, model_id: str) -> None:
        """Remove a model and its files; its job stays."""
        self._transport.delete(f"/v1/models/{_segment(model_id)}")

    def download_model(self, model_id: str, folder: str | Path, *, progress: Progress | None = None) -> list[Path]:
        """Save a model's files in `folder`, as `Job.download` does; each one whole and checked, or not at all."""
        return save_all(self._transport, file_table(self.model(model_id)["files"]), folder=folder, progress=progress)

    def preview_schedule(self, schedule: Json, steps: int, *, max_points: int = 1000) -> Json:
        """Learning rate and momentum over `steps` optimizer steps, as columns; nothing is queued."""
        body = {"schedule": schedule, "steps": steps, "max_points": max_points}
        return self._transport.post("/v1/schedules/preview", json=body)

    def readiness(self) -> Json:
        """Each part of the service with whether it works: `ready`, and `parts` by name, each `ok` and `detail`."""
        answer = self._transport.read_json(self._transport.send("GET", "/readyz", also_accepted=503))
        if not isinstance(answer.get("parts"), dict):
            raise UnexpectedAnswer(f"{self.url} answers /readyz, but not as Supercycle does; check SUPERCYCLE_URL")
        return answer

    def ready(self) -> bool:
        """Whether the service and all it needs are there; ConnectionFailed where nothing answers."""
        return not self._transport.send("GET", "/readyz", also_accepted=503).is_error


def _given(test_fraction: float | None, split_seed: int | None, on_bad_file: str | None) -> Json:
    fields = {"test_fraction": test_fraction, "split_seed": split_seed, "on_bad_file": on_bad_file}
    return {name: value for name, value in fields.items() if value is not None}
