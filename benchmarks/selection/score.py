"""Regret of every rule on every task, and the table that is printed."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from app.domain.verification import MARGINS, Margins
from benchmarks.selection.grid import SWEEPS, total_steps
from benchmarks.selection.records import Records
from benchmarks.selection.rules import Rule, verified
from benchmarks.selection.tasks import Task
from benchmarks.selection.truth import CLASSES, Truth, truth_of

CANDIDATES = [
    Margins(best, cliff, loss)
    for best in (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
    for cliff in (2.0, 4.0, 8.0)
    for loss in (0.0, 0.01, 0.02, 0.03, 0.05)
]
TARGET_MEAN, TARGET_WORST = 0.5, 1.5  # points


@dataclass
class Score:
    """How one rule did: points lost per pick, steps spent, picks that end in a collapse or were not made."""

    rule: str
    regrets: dict[str, list[float]] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)  #: search steps / steps of the training
    over_budget: int = 0
    collapsed: int = 0
    lost: Counter[str] = field(default_factory=Counter)  #: collapses by task

    @property
    def mean(self) -> float:
        """Over all picks."""
        return fmean(regret for regrets in self.regrets.values() for regret in regrets)

    @property
    def worst(self) -> float:
        """Of all picks."""
        return max(regret for regrets in self.regrets.values() for regret in regrets)


@dataclass(frozen=True)
class Ground:
    """A task with what was measured of it."""

    task: Task
    records: Records
    truth: Truth
    total: int


def ground_of(task: Task) -> Ground:
    """Read the records of a task and fit its truth."""
    records = Records(task.name)
    return Ground(task, records, truth_of(records), total_steps(task))


def score(name: str, rule: Rule, grounds: list[Ground]) -> Score:
    """Let a rule pick on every task, once per sweep."""
    found = Score(name)
    for ground in grounds:
        found.regrets[ground.task.name] = [_regret(rule, ground, seed, found) for seed in range(SWEEPS)]
    return found


def leave_one_out(name: str, grounds: list[Ground]) -> Score:
    """Our rule on each task with the margins that do best on all others."""
    found = Score(name)
    tables = {margins: score(name, verified(margins), grounds) for margins in CANDIDATES}
    for left_out in (ground.task.name for ground in grounds):
        # Where several do equally well on the others, the most careful one.
        chosen = min(CANDIDATES, key=lambda margins: (_without(tables[margins], left_out), -margins.cliff))
        found.regrets[left_out] = tables[chosen].regrets[left_out]
        found.collapsed += tables[chosen].lost[left_out]
    found.shares, found.over_budget = tables[MARGINS].shares, tables[MARGINS].over_budget
    return found


def _without(table: Score, task: str) -> float:
    """Mean regret on all other tasks, with half the worst, so that neither is bought with the other."""
    others = [regret for name, regrets in table.regrets.items() if name != task for regret in regrets]
    return fmean(others) + max(others) / 2


def _regret(rule: Rule, ground: Ground, seed: int, found: Score) -> float:
    pick, truth = rule(ground.task, ground.records, seed), ground.truth
    if pick is None:  # a user without a suggestion is no better off than with a collapse
        _count_lost(found, ground)
        return 100 * (truth.best - 1 / CLASSES)
    found.shares.append(pick.steps / ground.total)
    found.over_budget += pick.steps > max(0.3 * ground.total, 100)
    if truth.accuracy(pick.lr) < truth.best / 2:
        _count_lost(found, ground)
    return max(0.0, truth.regret(pick.lr))


def _count_lost(found: Score, ground: Ground) -> None:
    found.collapsed += 1
    found.lost[ground.task.name] += 1


def print_truth(grounds: list[Ground]) -> None:
    """What there is to gain, and how sure that is."""
    print(f"{'task':22} {'steps':>5} {'best lr':>8} {'accuracy':>8} {'± error':>8} {'sd':>6} {'seeds':>5}")
    for ground in grounds:
        truth = ground.truth
        print(
            f"{ground.task.name:22} {ground.total:5d} {truth.best_lr:8.3g} {100 * truth.best:8.2f} "
            f"{truth.error:8.2f} {truth.deviation:6.2f} {truth.seeds:5d}"
        )


def print_scores(scores: list[Score], grounds: list[Ground]) -> None:
    """A row for each rule, best first: mean, worst, collapses, cost, and the mean regret on every task."""
    errors = {ground.task.name: ground.truth.error for ground in grounds}
    print(f"\n{'regret, points':28} {'mean':>6} {'beyond':>6} {'worst':>6} {'lost':>4} {'cost':>5}  ", end="")
    print(" ".join(f"{name[:12]:>12}" for name in errors))
    for row in sorted(scores, key=lambda found: found.mean):
        beyond = fmean(max(0.0, r - errors[task]) for task, regrets in row.regrets.items() for r in regrets)
        cost = f"{100 * fmean(row.shares):4.0f}%" if row.shares else "   -"
        each = " ".join(f"{fmean(regrets):5.1f} /{max(regrets):5.1f}" for regrets in row.regrets.values())
        print(f"{row.rule:28} {row.mean:6.2f} {beyond:6.2f} {row.worst:6.1f} {row.collapsed:4d} {cost}  {each}")


def print_runs(grounds: list[Ground]) -> None:
    """What whole trainings reached at the picks of our rule as it ships, where they were run."""
    print(f"\n{'trained at the picks':22} {'picks':>34} {'accuracy':>28}  diverged")
    for ground in grounds:
        runs = [run for run in (run_at_pick(ground, seed) for seed in range(SWEEPS)) if run is not None]
        rates = " ".join(f"{run['lr']:.3g}" for run in runs)
        reached = " ".join("-" if run["accuracy"] is None else f"{100 * run['accuracy']:.1f}" for run in runs)
        print(f"{ground.task.name:22} {rates:>34} {reached:>28}  {sum(run['diverged'] for run in runs)} of {len(runs)}")


def run_at_pick(ground: Ground, seed: int) -> dict[str, Any] | None:
    """The record of a whole training at what the rule as it ships picks."""
    pick = verified()(ground.task, ground.records, seed)
    assert pick is not None
    return ground.records.get("whole", lr=pick.lr, steps=ground.total, seed=seed)


def print_targets(ours: Score, grounds: list[Ground]) -> None:
    """Whether the left-out scores meet what was asked of them."""
    errors = {ground.task.name: ground.truth.error for ground in grounds}
    beyond = fmean(max(0.0, r - errors[task]) for task, regrets in ours.regrets.items() for r in regrets)
    missed = [
        f"{task} {max(regrets):.1f}" for task, regrets in ours.regrets.items()
        if max(regrets) > max(TARGET_WORST, 2 * errors[task])
    ]  # fmt: skip
    print(f"\nleft out: mean regret beyond the truth's error {beyond:.2f} (target {TARGET_MEAN})")
    print(
        f"worst over max({TARGET_WORST}, 2 errors): {', '.join(missed) or 'none'}; collapsed {ours.collapsed}; ", end=""
    )
    print(f"picks over budget {ours.over_budget}; cost {100 * max(ours.shares):.0f} % of the steps at most")
