"""Trainings of a comparison, as the keeper hands them on."""

MINIMAL = {"kind": "comparison", "dataset": "digits", "architecture": "mlp", "epochs": 8, "seeds": 3}


def record(key, *, test=0.9, best=0.9, final=None, accuracy=None, state="succeeded", **facts):
    """A training as the keeper hands it on; two epochs of 10 steps and a second each, unless said otherwise."""
    accuracy = accuracy or [0.5, best]
    result = {
        "epochs_run": len(accuracy), "seconds": float(len(accuracy)), "search_steps": 0, "test_accuracy": test,
        "best": {"validation_accuracy": best}, "last": {"validation_accuracy": best if final is None else final},
    }  # fmt: skip
    usual = {
        "key": key, "id": f"job_{key}", "state": state, "error": None, "result": result, "steps": 10 * len(accuracy),
        "resolved": {}, "search_seconds": 0.0, "spec": {"schedule": {"max_lr": 0.1}},
        "epochs": {"validation_accuracy": accuracy, "seconds": [1.0] * len(accuracy)},
    }  # fmt: skip
    return usual | facts


def arm(name, tests, **facts):
    return [record(f"{name}/{seed}", test=test, **facts) for seed, test in enumerate(tests)]
