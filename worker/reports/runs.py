"""The trainings of a comparison as a report looks at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from app.domain.plans.comparison import split_key
from app.domain.plans.family import COMPUTATION

Cost = Mapping[str, float]  #: epochs, steps and seconds


@dataclass(frozen=True, slots=True)
class Run:
    """A training that succeeded. Accuracies are shares from 0 to 1, times are seconds."""

    arm: str
    seed: int
    job_id: str
    reused_from: str | None
    max_lr: float
    epochs: int
    steps: int
    seconds: float  #: of the training alone, evaluations included
    search_steps: int
    search_seconds: float
    best: float  #: validation accuracy of the best epoch's weights, with the batch-norm statistics that they ended with
    final: float  #: validation accuracy of the last epoch
    test: float | None  #: test accuracy of the best epoch's weights
    accuracy: Sequence[float]  #: validation accuracy after each epoch
    clock: Sequence[float]  #: seconds from the first step to the end of each epoch
    computation: Mapping[str, str]  #: its precision, and whether it was compiled

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Run":
        """From what the keeper has read."""
        arm, seed = split_key(record["key"])
        result, epochs, resolved = record["result"], record["epochs"], record["resolved"]
        given = record["spec"]["schedule"]["max_lr"]
        return cls(
            arm=arm,
            seed=seed,
            job_id=record["id"],
            reused_from=resolved.get("reused", {}).get("value"),
            max_lr=resolved["max_lr"]["value"] if given == "auto" else given,
            epochs=result["epochs_run"],
            steps=record["steps"],
            seconds=result["seconds"],
            search_steps=result["search_steps"],
            search_seconds=record["search_seconds"],
            best=result["best"]["validation_accuracy"],
            final=result["last"]["validation_accuracy"],
            test=result["test_accuracy"],
            accuracy=epochs["validation_accuracy"],
            clock=list(accumulate(epochs["seconds"])),
            computation={name: resolved[name]["value"] for name in COMPUTATION if name in resolved},
        )

    @property
    def cost(self) -> Cost:
        """Of the whole training, without the search."""
        return {"epochs": self.epochs, "steps": self.steps, "seconds": self.seconds}

    def cost_to(self, accuracy: float) -> Cost | None:
        """What it took until the validation accuracy first was at least that; None where it never was."""
        epochs = next((epoch for epoch, value in enumerate(self.accuracy, 1) if value >= accuracy), None)
        if epochs is None:
            return None
        return {"epochs": epochs, "steps": epochs * self.steps / self.epochs, "seconds": self.clock[epochs - 1]}


@dataclass(frozen=True, slots=True)
class Failure:
    """A training that did not succeed."""

    arm: str
    seed: int
    job_id: str
    state: str  #: failed or cancelled
    code: str
    detail: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Failure":
        """From what the keeper has read."""
        error = record["error"] or {"code": record["state"], "detail": f"The job is {record['state']}."}
        return cls(*split_key(record["key"]), record["id"], record["state"], error["code"], error["detail"])
