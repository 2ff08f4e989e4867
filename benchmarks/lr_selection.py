"""How good the pick of max_lr is, beside every rule in use: `python benchmarks/lr_selection.py`.

Small real tasks, nets with and without batch norm, three optimizers. The truth is the accuracy of complete one-cycle
trainings over a grid of largest rates, with exact batch-norm statistics, on images kept back for it. Every rule picks
from its own sweeps (four seeds a task); its regret is the truth's best less the truth at its pick, in points. The
margins of our own rule are chosen on the other tasks before it is scored on one (leave one task out), and the
training is run at every pick of the rule as it ships.

What was measured lies in benchmarks/results/lr_selection, so that a new rule is scored in seconds; `measure` adds what
is missing, `peers` asks the other packages (fastai, torch-lr-finder and lightning must be installed).
"""

import argparse
import platform
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.selection.grid import SWEEPS, measure, total_steps
from benchmarks.selection.measuring import measure_whole
from benchmarks.selection.records import Records
from benchmarks.selection.rules import LANDMARKS, PEERS, fixed, highest_accuracy, landmark, margin, peer, verified
from benchmarks.selection.score import (
    ground_of,
    leave_one_out,
    print_runs,
    print_scores,
    print_targets,
    print_truth,
    score,
)
from benchmarks.selection.tasks import TASKS, Task


def main() -> None:
    """Measure what is missing, or score the rules against what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["score", "measure", "peers"], default="score")
    parser.add_argument("--tasks", nargs="*", default=[task.name for task in TASKS], metavar="TASK")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [task for task in TASKS if task.name in asked.tasks]
    for task in chosen:
        if asked.what == "measure":
            measure(task)
            _train_at_picks(task)
        elif asked.what == "peers":
            _ask_peers(task.name)
    if asked.what == "score":
        _score([task.name for task in chosen])


def _train_at_picks(task: Task) -> None:
    records = Records(task.name)
    for seed in range(SWEEPS):
        pick = verified()(task, records, seed)
        assert pick is not None
        measure_whole(records, task, lr=pick.lr, steps=total_steps(task), seed=seed)


def _ask_peers(name: str) -> None:
    from benchmarks.selection.peers import measure_peers  # only here: needs packages of its own

    for seed in range(SWEEPS):
        measure_peers(Records(name), next(task for task in TASKS if task.name == name), seed=seed)


def _score(names: list[str]) -> None:
    grounds = [ground_of(task) for task in TASKS if task.name in names]
    ours = leave_one_out("verified (ours, left out)", grounds)
    rules = {
        "verified (ours, as it ships)": verified(),
        "margin (ours, sweep alone)": margin,
        "accuracy, highest": highest_accuracy,
        "fixed 0.1 or 0.001": fixed,
    }
    rules |= {f"our {name}": landmark(name) for name in LANDMARKS} | {name: peer(name) for name in PEERS}
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}, fp32, 1 thread\n")
    print_truth(grounds)
    print_scores([ours, *(score(name, rule, grounds) for name, rule in rules.items())], grounds)
    print_runs(grounds)
    print_targets(ours, grounds)


if __name__ == "__main__":
    main()
