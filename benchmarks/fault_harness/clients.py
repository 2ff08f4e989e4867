"""Clients that submit tiny jobs, change their minds about some, and never take a lost connection for an answer."""

import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.fault_harness.recording import ENDED, Recording

STEPS_PER_EPOCH = 11  #: of the digits, at the default batch size
PAUSE_SECONDS = 0.2
_MAY_COME = {409, 503, 507}  #: beside success; a service that is broken may say no more than that


def random_body(choose: random.Random, tag: str) -> dict[str, Any]:
    """A training of a few seconds, plainly in fp32 on one thread, so that what is repeated must come out the same."""
    architecture: dict[str, Any] = choose.choice([{"name": "mlp", "width": 64}, {"name": "lenet"}])
    epochs = choose.randint(10, 40) if architecture["name"] == "mlp" else choose.randint(4, 12)
    plain = {"precision": "fp32", "compile": "off", "seed": choose.randrange(1000), "max_attempts": 10}
    schedule = {"policy": "one_cycle", "max_lr": 0.05}
    spec = {"kind": "training", "dataset": "digits", "architecture": architecture, "epochs": epochs}
    return spec | plain | {"schedule": schedule, "tags": [tag]}


@dataclass
class Orders:
    """What all clients go by."""

    url: str
    recording: Recording
    submitting: threading.Event = field(default_factory=threading.Event)  #: cleared once no more is to be submitted
    deadline: float = float("inf")  #: when to give up on jobs that do not end


class GaveUp(Exception):
    """The deadline passed; the checker will find what is not as it should be."""


class Client(threading.Thread):
    """Submits one job after another, each followed to its end."""

    def __init__(self, orders: Orders, seed: int) -> None:
        super().__init__(name=f"client {seed}", daemon=True)
        self._orders = orders
        self._recording = orders.recording
        self._choose = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._http = httpx.Client(base_url=orders.url, timeout=30, trust_env=False)

    def run(self) -> None:
        """Until no more is to be submitted."""
        try:
            while self._orders.submitting.is_set():
                self._see_through(self._submit())
        except GaveUp:
            return
        finally:
            self._http.close()

    def _submit(self) -> str:
        """The id of a new job. There are no idempotency keys: after silence the client looks before it sends again."""
        tag = uuid.uuid4().hex
        body = random_body(self._choose, tag)
        while True:
            answer = self._send("POST", "/v1/jobs", json=body)
            if answer is not None and answer.status_code == 202:
                break
            found = self._ask("GET", "/v1/jobs", params={"tag": tag}).json()["items"]
            if found:
                self._recording.stored_without_word += 1
                answer = self._ask("GET", f"/v1/jobs/{found[0]['id']}")
                break
        id = str(answer.json()["id"])
        self._recording.acknowledged[tag] = id
        return id

    def _see_through(self, id: str) -> None:
        act = self._choose.choices([None, self._cancel, self._pause], weights=[70, 12, 18])[0]
        if act:
            time.sleep(self._choose.uniform(0, 4))
            act(id)
        while not self._has_ended(id):
            time.sleep(PAUSE_SECONDS)

    def _cancel(self, id: str) -> None:
        self._recording.asked_to_cancel.add(id)
        if self._ask("POST", f"/v1/jobs/{id}/cancel").is_success:
            self._recording.cancelled.add(id)

    def _pause(self, id: str) -> None:
        if self._ask("POST", f"/v1/jobs/{id}/pause").is_success:
            while self._state(id) == "pausing":
                time.sleep(PAUSE_SECONDS)
            time.sleep(self._choose.uniform(0, 1))
            self._ask("POST", f"/v1/jobs/{id}/resume")  # a conflict where it ended instead, or was heard before

    def _has_ended(self, id: str) -> bool:
        return self._state(id) in ENDED

    def _state(self, id: str) -> str:
        return str(self._ask("GET", f"/v1/jobs/{id}").json()["state"])

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """The answer, however often it takes: everything but a submission can be said twice."""
        while True:
            answer = self._send(method, path, **options)
            if answer is not None and not answer.is_server_error:
                return answer

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response | None:  # noqa: ANN401
        """One try; None where there was no answer."""
        if time.monotonic() > self._orders.deadline:
            raise GaveUp
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError:
            time.sleep(PAUSE_SECONDS)
            return None
        self._check(answer)
        if answer.is_server_error:
            time.sleep(PAUSE_SECONDS)
        return answer

    def _check(self, answer: httpx.Response) -> None:
        """Note what should not have been answered: there is nothing wrong with the requests."""
        is_bare = answer.status_code == 503 and "retry-after" not in answer.headers
        if not (answer.is_success or answer.status_code in _MAY_COME) or is_bare:
            request = f"{answer.request.method} {answer.request.url.path}"
            text = answer.text[:600] + (" (no Retry-After)" if is_bare else "")
            self._recording.answers.append(f"{request} was answered with {answer.status_code}: {text}")
