"""What a job is and what came out of it, in words: the whole of it, or the outcome in a few lines."""

import re
from datetime import timedelta

from supercycle.cli.addresses import with_commands
from supercycle.cli.durations import duration_text
from supercycle.cli.output import (
    EMPTY,
    cell_text,
    complain,
    field_text,
    percent,
    print_aligned,
    print_facts,
    print_json,
    say,
)
from supercycle.jobs import Job
from supercycle.transport import Json

IMPORT, COMPARISON, TUNING, AUTO = "dataset_import", "comparison", "tuning", "auto"
HEAD = ("id", "kind", "name", "tags", "state", "phase")
HISTORY = ("attempts", "worker", "created_at", "started_at", "finished_at", "model_id")
DIGEST_LETTERS = 12
# What to do next with a job, before its id.
FOLLOW, GO_ON = "follow it with: supercycle watch", "let it go on with: supercycle resume"
# What a job's error says about these speaks of HTTP; here is what to type.
HINTS = {"time_limit": "Allow more with --max-runtime, or let it pause then with --on-time-limit pause."}


def tell_state(job: Job, *, as_json: bool, then: str = "") -> None:
    """What state a verb has brought a job to, and what may be done next."""
    if as_json:
        print_json(job.data)
    else:
        say(f"{job.id} {job.state}" + (f"\n{then} {job.id}" if then else ""))


def tell_plan(plan: Json, *, as_json: bool) -> None:
    """What would be run: the spec with everything filled in, and what it comes to."""
    if as_json:
        print_json(plan)
        return
    print_facts([("steps", plan["steps"]), ("children", plan["children"] or None)])
    _print_part("spec", [[name, field_text(name, value)] for name, value in plan["spec"].items()])
    say("\nnothing was queued; run it by leaving out --validate-only")


def outcome(job: Json) -> None:
    """What came out of it, in a few lines."""
    result, max_lr = job.get("result") or {}, (job.get("resolved") or {}).get("max_lr") or {}
    best = result.get("best") or {}
    print_facts(
        [
            ("state", job["state"]),
            ("learning rate", result.get("max_lr") or max_lr.get("value")),
            ("reason", result.get("reason") or max_lr.get("reason")),
            ("validation accuracy", _best_accuracy(best)),
            ("test accuracy", result.get("test_accuracy")),
            ("epochs", result.get("epochs_run")),
            ("seconds", result.get("seconds")),
            ("warnings", _warnings(job, result)),
            ("model", job.get("model_id")),
            *(_imported(result) if job["kind"] == IMPORT else ()),
            *_planned(job, result),
        ]
    )
    _print_error(job)
    _say_what_next(job)


def _imported(result: Json) -> list[tuple[str, object]]:
    """What an import brought."""
    if not result:
        return []
    words = "was there already" if result["already_there"] else "is there now"
    images = ", ".join(f"{count:,} {split}" for split, count in result["counts"].items())
    return [("data set", f"{result['name']} {words}"), ("classes", len(result["classes"])), ("images", images)]


def _planned(job: Json, result: Json) -> list[tuple[str, object]]:
    """What a plan has come to; nothing of other jobs."""
    told = {COMPARISON: _compared, TUNING: _tuned, AUTO: _automatic}.get(job["kind"])
    return told(result) if told and result else []


def _tuned(result: Json) -> list[tuple[str, object]]:
    """What was chosen, and why."""
    cost = result["cost"]
    told = f"{cost['jobs']} jobs, {cost['steps']:,} optimizer steps, {cost['seconds']:.0f} s"
    return [*result["values"].items(), *((one["stage"], one["reason"]) for one in result["decisions"]), ("cost", told)]


def _automatic(result: Json) -> list[tuple[str, object]]:
    """Where its jobs are; the accuracies stand above."""
    verdict = result["verdict"]
    goal = f"{verdict['verdict'].replace('_', ' ')}: {verdict['reason']}" if verdict else None
    best = _best_accuracy(result["best"] or {})
    accuracies = [("validation accuracy", best), ("test accuracy", result["test_accuracy"])]
    return [*accuracies, *result["chosen"].items(), ("goal", goal), *result["jobs"].items()]


def _warnings(job: Json, result: Json) -> object:
    """Codes; of a comparison, sentences."""
    found = result.get("warnings")
    return " ".join(found) if found and job["kind"] == COMPARISON else found


def _compared(result: Json) -> list[tuple[str, object]]:
    """What a comparison has found, the goal first, then each arm's accuracy."""
    measure = "test_accuracy" if result["measure"] == "test_accuracy" else "best_validation_accuracy"
    arms = [(name, arm[measure]) for name, arm in result["arms"].items()]
    goal, beside = result["verdict"], result["one_cycle_minus_best_control"]
    against = beside and beside["difference"] and f"{beside['difference']['mean']:+.2f} points ({beside['control']})"
    return [
        ("goal", f"{goal['verdict'].replace('_', ' ')}: {goal['reason']}"),
        ("one cycle minus best control", against),
        *((name, percent(found["mean"]) if found else "failed") for name, found in arms),
    ]


def whole(job: Json) -> None:
    """All there is to know: the job, its spec, what the service settled, its result."""
    facts = [*((name, job.get(name)) for name in HEAD), ("progress", _progress(job)), *_terms(job)]
    print_facts([*facts, *((name, tidy(job.get(name))) for name in HISTORY)])
    _print_part("spec", [[name, field_text(name, value)] for name, value in job["spec"].items() if name != "kind"])
    _print_part("settled by the service", _resolved_rows(job["resolved"]))
    result = job["result"] or {}
    rows = _planned(job, result) or result.items()
    _print_part("result", [[name, field_text(name, value)] for name, value in rows])
    _print_error(job)
    _say_what_next(job)


def _print_error(job: Json) -> None:
    """Why it failed, if it has; a cancelled job is as it was asked to be."""
    error = job.get("error")
    if error and job["state"] == "failed":
        hint = HINTS.get(error["code"]) or with_commands(error.get("hint") or "")
        lines = [f"{error['title']} ({error['code']})", error.get("detail"), hint]
        complain("\n".join(str(line) for line in lines if line))


def _say_what_next(job: Json) -> None:
    """The next command, for a job that rests."""
    if job["kind"] == IMPORT and job["state"] == "succeeded":
        say(f"see it with: supercycle datasets show {job['result']['name']}")
        return
    id, is_bad_luck = job["id"], (job.get("error") or {}).get("retryable")
    again = f"try it again with: supercycle retry {id}"
    changed = f"submit it again, changed, with: supercycle clone {id} --set FIELD=VALUE"
    text = {
        "succeeded": f"save the files with: supercycle download {id}",
        "paused": f"{GO_ON} {id}",
        "cancelled": f"start it over with: supercycle retry {id}",
        "failed": again if is_bad_luck else changed,
    }.get(job["state"])
    if text:
        say(text)


def _terms(job: Json) -> list[tuple[str, object]]:
    """How it was to be run, where that is out of the ordinary."""
    device, seconds = job.get("device", "any"), job.get("max_runtime_seconds")
    limit = duration_text(timedelta(seconds=seconds)) if seconds else ""
    then = {"pause": "then it is paused", "fail": "then it fails"}.get(job.get("on_time_limit", ""), "")
    return [
        ("priority", job.get("priority") or None),
        ("device", "" if device == "any" else f"{device} only"),
        ("time limit", limit and f"{limit}, {then}"),
        ("made from", job.get("source_id")),
    ]


def _print_part(heading: str, rows: list[list[str]]) -> None:
    shown = [row for row in rows if row[1] not in ("", "-")]
    if shown:
        say(f"\n{heading}")
        print_aligned([[f"  {row[0]}", *row[1:]] for row in shown])


def _resolved_rows(resolved: Json) -> list[list[str]]:
    """What was chosen and why; the learning rate, which is what it is all about, comes first."""
    names = sorted(resolved, key=lambda name: name != "max_lr")
    return [[name, cell_text(tidy(resolved[name]["value"])), cell_text(resolved[name]["reason"])] for name in names]


def _progress(job: Json) -> str | None:
    progress = job["progress"]
    if job["state"] in ("pausing", "paused") and progress["fraction"]:
        return percent(progress["fraction"])
    if job["state"] != "running" or not progress["steps"]:
        return None
    left = progress["eta_seconds"]
    return f"{percent(progress['fraction'])}" + ("" if left is None else f", about {left:.0f} s left in this phase")


def tidy(value: object) -> object:
    """Digests by their first letters, as far as people compare them; times to the second."""
    if not isinstance(value, str):
        return value
    short = re.sub(rf"^(sha256:[0-9a-f]{{{DIGEST_LETTERS}}})[0-9a-f]+$", r"\1", value)
    return re.sub(r"^(\d{4}-\d\d-\d\dT[\d:]{8})\.\d+", r"\1", short)


def _best_accuracy(epoch: Json) -> str | None:
    share = epoch.get("validation_accuracy")
    return None if share in EMPTY else f"{percent(share)} (epoch {epoch['epoch']})"
