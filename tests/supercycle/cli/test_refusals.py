import pytest

from supercycle.cli.refusals import print_error
from supercycle.errors import ConnectionFailed, FieldError, ProblemError


def refusal(*pointers, code="invalid_request", detail="Not valid."):
    errors = tuple(FieldError(pointer=pointer, detail="is wrong", code="wrong") for pointer in pointers)
    return ProblemError(status=422, code=code, title="Refused", detail=detail, hint="See GET /v1.", errors=errors)


class TestPlaces:
    @pytest.mark.parametrize(
        ("command", "pointer", "place"),
        [
            ("train", "#/dataset", "--dataset"),
            ("train", "#/dataset/version", "--dataset"),
            ("train", "#/architecture/width", "--architecture"),  # given as resnet9:width=16
            ("train", "#/schedule/max_lr", "--max-lr"),
            ("train", "#/schedule/up", "--set schedule.up"),
            ("train", "#/schedule", "--policy"),
            ("train", "#/optimizer", "--optimizer"),
            ("train", "#/optimizer/name", "--optimizer"),
            ("train", "#/optimizer/nesterov", "--set optimizer.nesterov"),
            ("train", "#/early_stopping", "--early-stopping"),
            ("train", "#/augmentation/crop", "--augmentation"),
            ("train", "#/tags/0", "--tag"),
            ("train", "#/a~1b", "--set a/b"),
            ("range-test", "#/start_lr", "--start-lr"),
            ("range-test", "#/epochs", "--set epochs"),  # only a training has an option for it
            ("compare", "#/epochs", "--epochs"),
            ("compare", "#/fractions/1", "--fractions"),
            ("compare", "#/search_steps", "--search-steps"),
            ("compare", "#/schedule/max_lr", "--set schedule.max_lr"),  # it looks for its own
            ("tune", "#/tune/0", "--tune"),
            ("tune", "#/budget_seconds", "--budget"),
            ("tune", "#/schedule", "--set schedule"),
            ("auto", "#/compare", "--compare"),
            ("auto", "#/optimizer/weight_decay", "--weight-decay"),
            ("train", "#", "the request"),
            ("train", "#/max_runtime_seconds", "--max-runtime"),
            ("clone", "#/max_runtime_seconds", "--max-runtime"),
            ("clone", "#/epochs", "--set epochs"),  # only train has an option for it
            ("clone", "#/optimizer/momentum", "--set optimizer.momentum"),
            ("jobs", "state", "--state"),  # a query parameter
            ("datasets", "#/name", "name"),  # an argument, not the option of train
            ("datasets", "#/test_fraction", "--test-fraction"),
            ("datasets", "#/on_bad_file", "--on-bad-file"),
            ("train", "#/test_fraction", "--set test_fraction"),
        ],
    )
    def test_fields_are_named_as_they_were_given(self, capsys, command, pointer, place):
        print_error(refusal(pointer), command=command)
        assert f"\n  {place}: is wrong\n" in capsys.readouterr().err


class TestWords:
    @pytest.mark.parametrize(
        ("detail", "is_shown"),
        [
            ("Not valid: #/seed, #/epochs.", False),  # says only which fields
            ("is wrong; is wrong", False),  # says only what stands at the fields
            ("Both are far too small.", True),
        ],
    )
    def test_nothing_is_said_twice(self, capsys, detail, is_shown):
        print_error(refusal("#/seed", "#/epochs", detail=detail), command="train")
        assert (detail in capsys.readouterr().err) is is_shown

    @pytest.mark.parametrize(
        ("pointer", "code", "hint"),
        [
            ("#/dataset", "unknown_dataset", "See what there is with: supercycle datasets list"),
            ("#/architecture", "unknown_architecture", "See what there is with: supercycle architectures"),
            (
                "#/architecture/depth",
                "unknown_architecture_option",
                "See its options with: supercycle architectures NAME",
            ),
            ("#/pretrained", "unknown_weights", "See its weights with: supercycle architectures NAME"),
        ],
    )
    def test_hints_name_commands(self, capsys, pointer, code, hint):
        print_error(refusal(pointer, code=code), command="train")
        assert capsys.readouterr().err.splitlines()[-1] == hint

    @pytest.mark.parametrize(
        ("command", "code", "hint"),
        [
            ("cancel", "job_ended", "There is nothing to cancel."),
            ("pause", "job_ended", "There is nothing to pause."),
            ("resume", "job_ended", "Make a new job like it with: supercycle clone JOB"),
            ("resume", "job_not_paused", "See how it stands with: supercycle show JOB"),
            (
                "retry",
                "cannot_retry",
                "If it is paused: supercycle resume JOB; for a new job like it: supercycle clone JOB",
            ),
        ],
    )
    def test_hints_fit_what_was_asked_of_a_job(self, capsys, command, code, hint):
        print_error(refusal(code=code), command=command)
        assert capsys.readouterr().err.splitlines()[-1] == hint

    def test_other_hints_have_commands_for_addresses(self, capsys):
        hint = "Cancel it first: POST …/cancel."
        print_error(ProblemError(status=409, code="job_not_ended", title="No", detail="", hint=hint), command="delete")
        assert capsys.readouterr().err.splitlines()[-1] == "Cancel it first: `supercycle cancel JOB`."

    def test_a_request_id_where_the_service_is_to_blame(self, capsys):
        print_error(ProblemError(status=500, code="internal_error", title="Oh", detail="", request_id="req_1"))
        assert capsys.readouterr().err == "Oh (internal_error)\nrequest req_1\n"

    def test_other_errors_are_their_message(self, capsys):
        print_error(ConnectionFailed("no answer"), command="train")
        assert capsys.readouterr().err == "no answer\n"
