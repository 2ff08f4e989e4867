"""What docs/reference/training.md says that no schema holds; the tables around it are generated."""

# Those of the range test explain themselves.
WARNINGS = {
    "landmark_missing": "The curve does not have the landmark that `schedule.pick` asks for, so the service's own rule "
    "picked instead.",
    "no_batch_norm": "`exact_batch_norm` or `batch_norm_momentum` changed nothing: the network has no batch norm.",
    "flip_changes_meaning": "`test_time_flip` or `augmentation.flip` mirrors the images of a built-in data set "
    "that by default are only shifted, since mirrored signs mean something else or nothing. Set them to false.",
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

A training that picks its own learning rate sweeps with the same values, so the range test is of the same work. Formats
of data sets are in [datasets.md](datasets.md), names and options of networks in [architectures.md](architectures.md).

{shared}

## `"kind": "range_test"`

{range_test}

## `"kind": "training"`

{training}

## `"kind": "comparison"`

Takes every field of a training but `preset` and `schedule`, for all its arms alike, and these.
[Comparing](../howto/compare.md) explains them.

{comparison}

## `"kind": "tuning"`

Takes every field of a training but `preset`, and these. [Tuning](../howto/tune.md) explains them.

{tuning}

## `"kind": "auto"`

Takes every field of a training but `preset`, and these.

{auto}

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

## Warnings

Codes of `warning` [events](events.md); those that a range test's curve gives stand in its result too.

{warnings}

What ends a job is in [errors.md](errors.md#errors-of-jobs).
"""
