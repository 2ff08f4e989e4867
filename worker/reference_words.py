"""What docs/reference/training.md says that no schema holds; the tables around it are generated."""

# By part and field, for those whose schema has no description.
MEANINGS: dict[tuple[str, str], str] = {
    ("job", "dataset"): "The images: a name or id of `GET /v1/datasets`, or an object. [Formats](datasets.md)",
    ("job", "architecture"): "The network: a name of [architectures.md](architectures.md), or an object.",
    ("job", "optimizer"): "A name, or an object.",
    ("job", "batch_size"): "Images whose gradients are computed at once.",
    ("job", "augmentation"): 'Random changes of the training images; "default" is the data set\'s own.',
    ("job", "precision"): "Of the arithmetic; `auto` is what measured faster on the worker's machine, or for a short "
    "training what its hardware has.",
    ("job", "seed"): "Of everything random: held-out images, weights, order, augmentation, dropout.",
    ("job", "start_lr"): "First learning rate; by default 1e-6 with sgd and 1e-7 with the Adam family.",
    ("job", "end_lr"): "Last learning rate; by default 10 with sgd and 1 with the Adam family. A sweep that has not "
    "diverged there goes on for one more decade.",
    ("job", "steps"): "Optimizer steps; by default those of one epoch, but at least 100 and at most 300.",
    ("job", "sweep"): "How the learning rate rises.",
    ("job", "epochs"): "Passes over the training images.",
    ("job", "schedule"): "The learning rate over the optimizer steps.",
    ("job", "early_stopping"): "When to stop before the end; left out: never.",
    ("dataset", "name"): "Built in, uploaded or registered.",
    ("dataset", "id"): "Instead of the name.",
    ("dataset", "version"): "The content it must have; anything else is refused.",
    ("architecture", "name"): "Its options stand beside it; with `custom`, its layers do.",
    ("optimizer", "momentum"): "While no schedule cycles it; a range test keeps it.",
    ("optimizer", "nesterov"): "Nesterov's momentum instead of the classical one.",
    ("optimizer", "weight_decay"): "Times each weight, added to its gradient; with adamw, taken off the weight itself.",
    ("optimizer", "beta1"): "Decay of the mean gradient.",
    ("optimizer", "beta2"): "Decay of the mean squared gradient.",
    ("optimizer", "epsilon"): "Added to the denominator.",
    ("schedule", "shape"): "Where the numbers below come from unless they are given.",
    ("schedule", "max_momentum"): "Momentum where the learning rate is smallest.",
    ("schedule", "min_momentum"): "Momentum where the learning rate is largest.",
    ("schedule", "milestones"): "Shares of the training, rising, at which the learning rate falls.",
    ("schedule", "factor"): "Times which it falls at each.",
    ("early_stopping", "patience"): "Epochs without a better validation accuracy.",
    ("early_stopping", "armed"): "From when on they count; left out, it is the annealing phase, and a policy without "
    "a cycle anneals from its first step.",
    ("freeze", "epochs"): "A bare number will do instead of the object.",
}

# Fields that the engine's events have for the progress bar and the checkpoint's file, and the history has not.
HIDDEN_FIELDS = frozenset({("phase", "steps"), ("phase", "epochs"), ("checkpoint", "path"), ("checkpoint", "sha256")})

# By type: the fields where the service itself writes them (else they are the engine's), and when it comes.
EVENTS: dict[str, tuple[str, str]] = {
    "state": ("`state`, `previous`, and `error` where it failed", "The job moves on in its life."),
    "phase": ("", "A phase of the job begins."),
    "steps": ("", "A block of optimizer steps is done: as many values in each list, the first of `first_step`."),
    "epoch": ("", "A pass over the training images and the evaluation after it are done; epochs count from 1."),
    "checkpoint": ("", "The state after `step` steps is on disk; `best` if it is the best epoch's."),
    "rewind": (
        "",
        "Training begins again at `to_step`: a max_lr that was picked diverged and was lowered to a third. Steps from "
        "there on and epochs that ended after it count no more, in the metrics too.",
    ),
    "artifact": ("`name`", "A file is there to be fetched."),
    "warning": ("", "Something to know that stops nothing."),
    "log": ("", "A line of the job's log."),
}

# Those of the range test explain themselves.
WARNINGS = {
    "landmark_missing": "The curve does not have the landmark that `schedule.pick` asks for, so the service's own rule "
    "picked instead.",
    "no_batch_norm": "`exact_batch_norm` changed nothing, since the network has no batch norm.",
    "checkpoint_skipped": "A checkpoint could not be written, e.g. on a full disk. Training goes on.",
}

PAGE = """\
# Training options

Every field of a job's spec, as `POST /v1/jobs` takes it. `python -m worker.training_reference` writes this page: do not
edit it by hand. Beside the spec, in the same body, stand `name`, `tags`, `priority` and `max_attempts`.

```json
{{"kind": "training", "dataset": "digits", "architecture": {{"name": "resnet9", "width": 16}}, "epochs": 10,
 "schedule": {{"shape": "case_study", "max_lr": "auto"}}}}
```

Fields that are not here are refused, as is what does not go together, each with a pointer to the field. "none" as a
default means that it is off, or that its meaning says what happens. What a job was really run with stands in its
`resolved`, each value with its origin and reason.

## Fields of both kinds

A training that picks its own learning rate sweeps with the same values, so the range test is of the same work.

{shared}

## `"kind": "range_test"`

{range_test}

## `"kind": "training"`

{training}

## Objects

{parts}

## Shapes of one cycle

`up` and `annihilation` are shares of the steps; between them the rate comes down. It begins at max_lr / `initial_div`,
and ends at 1 / `final_div` of that, ∞ being from or to 0. `cosine` moves along half cosines, the others in straight
lines.

{shapes}

## Presets

`{{"kind": "training", "preset": "blog"}}` is a whole spec. What is given beside a preset wins: objects are merged field
by field, unless they name another data set, architecture, optimizer or policy, which then replaces the preset's. A
max_lr given as a number leaves nothing to pick. The job keeps the spec that was filled in, and the preset's name.

{presets}

## Events

`GET /v1/jobs/{{id}}/events` lists them, or streams them with `Accept: text/event-stream`. Each has `seq`, `type`,
`time`, `attempt` and `data`.

{events}

## Warnings

Codes of `warning` events; those of a range test stand in its result too.

{warnings}

## Errors

Codes in `error` of a job that failed in the engine or for its data. They are never renamed.

{errors}
"""
