"""What docs/reference/errors.md says that neither an answer nor a class holds: when each code comes."""

#: Problems of requests. Status, title and hint are those of a recorded answer.
ANSWERS = {
    "architecture_too_large": "A custom architecture has more parameters, or gives more numbers, than may be.",
    "batch_too_large": "A batch holds more images than there are to train on.",
    "body_too_large": "The body has more bytes than the endpoint takes.",
    "built_in": "A built-in data set was to be deleted.",
    "cannot_retry": "`retry` of a job that neither failed nor was cancelled.",
    "crop_too_large": "`augmentation.crop` leaves nothing of the images.",
    "cutout_too_large": "`cutout` covers the whole image.",
    "database_unavailable": "The database is down, locked or out of reach.",
    "dataset_in_use": "A job that has not ended needs the data set.",
    "dataset_not_ready": "The data set is still being checked, or was found invalid.",
    "dataset_version_mismatch": "The data set has another version than the one named.",
    "file_lost": "The file was made, but the storage does not have it any more.",
    "head_too_large": "The address and the headers of a request are longer than may be.",
    "host_not_allowed": "A service without keys was asked under another name than a loopback one.",
    "idempotency_in_progress": "The same `Idempotency-Key` is being worked on.",
    "idempotency_mismatch": "The `Idempotency-Key` came with another request before.",
    "image_size_unfit": "The architecture does not take images of this side.",
    "internal_error": "A mistake of the service's own. Its log has it under the request id.",
    "invalid_cursor": "`cursor` is none that a page has given as `next_cursor`.",
    "invalid_request": "Several fields are wrong in different ways; `errors` names each.",
    "invalid_value": "A value has the right type, and yet a form or a company in which it is refused.",
    "job_ended": "The job has ended, so nothing can be done with it any more.",
    "job_not_ended": "Only a job that has ended can be deleted.",
    "job_not_paused": "`resume` of a job that is not paused.",
    "job_stopping": "`pause` of a job that is being cancelled.",
    "layer_unfit": "A layer of a custom architecture cannot take what the layer before it gives.",
    "malformed_json": "The body cannot be parsed.",
    "malformed_request": "What was sent is no HTTP/1.1 request.",
    "malformed_multipart": "An upload cannot be taken apart into its fields and its file.",
    "max_lr_needed": 'A preview was asked for with `max_lr: "auto"`.',
    "method_not_allowed": "The address takes other methods; `Allow` names them.",
    "missing_field": "A field that is needed is not there.",
    "name_taken": "There is a data set of this name already.",
    "no_preview": "A data set has no picture: it is built in, invalid, or was checked by a release that drew none.",
    "no_test_split": "`validation` is to be on the test split, and the data set has none.",
    "not_finite": "A number is infinite or not a number.",
    "not_found": "There is nothing at this address.",
    "not_ready": "The job has not made this file yet. `Retry-After` says when to look again.",
    "origin_not_allowed": "A web page from elsewhere was to change something in a service without keys.",
    "out_of_range": "A number is outside its bounds.",
    "parent_not_ended": "A plan that has not ended needs the job's result, or that of a job which goes with it.",
    "path_not_allowed": "A folder outside of `SUPERCYCLE_DATASET_ROOTS` was to be registered.",
    "path_not_found": "There is no such folder on the server.",
    "quota_exceeded": "The data sets of the owner are as many, or take as much room, as may be.",
    "range_not_satisfiable": "`Range` asks for bytes beyond the end of the file.",
    "schema_behind": "The service was upgraded, and its database was not migrated.",
    "scope_missing": "The key does not have the scope that this needs.",
    "step_too_large": "`batch_size` × `accumulation_steps` is more than there is to train on.",
    "storage_full": "The server's disk or database is full. Nothing was changed.",
    "storage_unavailable": "The storage of files is down or out of reach.",
    "too_long": "A text or a list is longer than it may be.",
    "too_many_waiting": "So many of the owner's jobs wait, or are plans that have not ended, as may. `Retry-After` "
    "says when to come again.",
    "too_many_webhooks": "The owner has as many webhooks as may be.",
    "too_short": "A text or a list is shorter than it may be, or empty.",
    "unauthorized": "There is no key, or none that is good: unknown, revoked and expired are not told apart.",
    "unknown_architecture": "There is no architecture of this name.",
    "unknown_architecture_option": "The architecture has no such option.",
    "unknown_artifact": "The job has ended and has no such file.",
    "unknown_dataset": "There is no such data set, or it is another owner's.",
    "unknown_delivery": "The webhook has no such delivery.",
    "unknown_field": "The body has a field that is not known there.",
    "unknown_file": "The model has no such file.",
    "unknown_job": "There is no such job, or it is another owner's.",
    "unknown_model": "There is no such model, or it is another owner's.",
    "unknown_option": "A value is none of those that may be chosen.",
    "unknown_parameter": "The address has a query parameter that is not known there.",
    "unknown_plot": "The job has ended and has no such plot.",
    "unknown_webhook": "There is no such webhook, or it is another owner's.",
    "unknown_weights": "The architecture has no pretrained weights, or none of this name.",
    "unsupported_media_type": "The body is of a content type that the endpoint does not read.",
    "upload_cut_off": "The sender hung up before the end of an upload, so that nobody hears this.",
    "validation_too_small": "`validation` is a share so small that it holds no image.",
    "webhook_disabled": "The webhook answered `410 Gone`, so nothing is sent to it.",
    "webhook_url_not_allowed": "A webhook leads to no public https address.",
    "wrong_type": "A value is of another JSON type than the field.",
}

#: Errors of jobs that are no class of the engine's: title, when, what to do.
JOBS = {
    "no_child_succeeded": (
        "None of the jobs that the plan is about succeeded",
        "All jobs of a comparison or a tuning failed or were cancelled, or the training of an automatic run did.",
        "`GET /v1/jobs?parent_id=` lists them with their errors.",
    ),
    "report_failed": (
        "The report could not be made",
        "The process that makes a plan's report broke off several times. Its jobs are there, with their results.",
        "See the keeper's log.",
    ),
    "cancelled": (
        "The job was cancelled",
        "Somebody asked for it before the job had ended.",
        "`POST …/retry` makes a new job of it.",
    ),
    "internal_error": (
        "The training met an error it did not foresee",
        "A mistake of the service's own, or of a library.",
        "See the worker's log and report it.",
    ),
    "native_crash": (
        "The training process was lost",
        "A library below Python crashed.",
        "See the worker's log; try precision fp32 or another architecture.",
    ),
    "storage_full": (
        "The worker's disk is full",
        "No space was left in its data folder, at every attempt.",
        "Free disk space on the worker and retry the job.",
    ),
    "storage_unavailable": (
        "The store does not answer",
        "A file could not be stored or fetched, at every attempt.",
        "See the worker's log, and whether the artifact store can be reached.",
    ),
    "time_limit": (
        "The time limit was reached",
        "The job has run for its `max_runtime_seconds` and was to fail then.",
        'Allow more, or submit it with `"on_time_limit": "pause"` and resume it.',
    ),
    "worker_lost": (
        "The worker was lost",
        "It was killed or not heard from, at every attempt.",
        "See the worker's log; if the machine ran out of memory, lower batch_size.",
    ),
}

#: Problems in the report of a data set.
REPORTS = {
    "ambiguous_arrays": "Two files or arrays for the same part, or a second `.npz`.",
    "archive_too_large": "More entries or bytes than an archive may unpack to.",
    "array_too_large": "More images or bytes than an array may have.",
    "bad_label": "A label below 0, or one that has no class name.",
    "check_failed": "The check broke off; the keeper's log says more.",
    "check_out_of_memory": "The check needed more memory than it may take.",
    "check_timed_out": "The check took longer than it may.",
    "class_not_in_train": "A class of the test split has no training images.",
    "column_order": "An array in Fortran order.",
    "damaged_archive": "An archive that is cut off, fails a checksum, contradicts itself, or goes on after its end.",
    "duplicate_member": "Two names in an archive that are the same, or differ only in case or encoding of letters.",
    "empty_array": "An array without entries, or a single number.",
    "empty_class": "A class without training images.",
    "image_too_large": "A picture of too many pixels.",
    "length_mismatch": "Not as many labels as images.",
    "missing_array": "Images without labels, or labels without images.",
    "more_problems": "Stands last, and says how many problems beyond the first 100 are not listed.",
    "nested_archive": "An archive within the archive.",
    "no_training_split": "A test split alone, or arrays of other names.",
    "not_an_archive": "Of none of the formats.",
    "not_finite": "A pixel that is NaN or infinite.",
    "object_array": "An array of Python objects or records.",
    "out_of_range": "A pixel outside its range.",
    "quota_exceeded": "It unpacks to more than its owner may have.",
    "storage_full": "The server has no room to unpack it, or would have less than it keeps free.",
    "too_few_classes": "Fewer than two classes.",
    "too_many_bad_files": "More pictures cannot be read than `on_bad_file: skip` leaves out.",
    "too_many_classes": "More classes than are read.",
    "unreadable_array": "A damaged array, `.npz` or IDX file.",
    "unreadable_image": "A file that is no picture, a damaged one, or one of 32 bits.",
    "unsafe_member": "A link, device, named pipe, sparse or encrypted file in an archive.",
    "unsafe_name": "A name that cannot be shown, or a class name that is empty, too long or there twice.",
    "unsafe_path": "A path that leads out of the archive, is too long or cannot be shown.",
    "unsupported_archive": "Compressed in a way that is not read, or with a window too large.",
    "unused_folder": "A folder beside `train` and the test split.",
    "wrong_shape": "Images or labels of another shape, or two splits of different pictures.",
    "wrong_type": "Values that are no pixels, no whole labels, or no text for names.",
}

#: Warnings in the report of a data set that can be used.
WARNINGS = {
    "class_imbalance": "One class has at least 10 times as many training images as another.",
    "duplicates_across_classes": "The same image lies under two classes.",
    "duplicates_across_splits": "Test images are training images, too: the test says too much. Of given splits.",
    "duplicates_in_training": "Training images are copies of others.",
    "few_images": "Classes with fewer than 10 training images.",
    "more_skipped_files": "Stands after the first 100 files that were left out, and says how many more there are.",
    "no_test_images": "No class is large enough for a test split to be made.",
    "skip_is_for_pictures": "Arrays were refused, and `on_bad_file: skip` does not apply to them.",
    "skipped_file": "A picture that cannot be read and was left out.",
    "split_not_made": "The set has test images, so `test_fraction` and `split_seed` changed nothing.",
}

PAGE = """\
# Error codes

Every code that the service gives. Codes are promises: scripts compare them, so none is renamed. `python -m
worker.error_reference` writes this page: do not edit it by hand.

## Problems: answers to requests

What is refused is answered with `application/problem+json` (RFC 9457), whatever its status:

```
{example}
```

- `code` is for programs. `type` is `/problems/` and the code: a name, the same everywhere; nothing is served there.
- `title` says the same in words, `detail` what is wrong this time, `hint` what to do about it.
- `errors` names every field that is wrong: `pointer` leads to it in the body (RFC 6901), `parameter` names a query
  parameter or a header. Each has a `code`, one of those below. Where all have the same, it is the problem's too;
  else that is `invalid_request`, or, where a job does not fit its data, the code of the first.
- `request_id` is that of `X-Request-ID`; the service's log has it.

Which operation answers what is in [openapi.json](openapi.json), with an example of each. Hints below are examples, too.

{answers}
## Errors of jobs

`error.code` of a job that has failed or was cancelled. `error` also has `title`, `detail`, `hint`, `attempt`, and
`retryable`: whether the same job may succeed when it is tried again.

{jobs}

Warnings, which stop nothing, are in [training.md](training.md#warnings).

## Reports on data sets

`code` of each problem in the report of a data set that is `invalid`. `path` names the file or the array, if any.

{reports}

## Warnings on data sets

`code` of each warning in the report: what can be trained on, and is perhaps not what was meant.

{warnings}
"""
