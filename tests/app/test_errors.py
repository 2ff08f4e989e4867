"""The error tree: each kind's status, and its shape on the wire."""

import pytest

from app.errors import (
    Conflict,
    FieldError,
    Forbidden,
    NotFound,
    ServiceError,
    StorageFull,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unprocessable,
    UnsupportedMedia,
    json_pointer,
    not_found,
    refused,
)


class TestProblem:
    @pytest.mark.parametrize(
        ("kind", "status"),
        [(Unauthorized, 401), (Forbidden, 403), (NotFound, 404), (Conflict, 409), (TooLarge, 413),
         (UnsupportedMedia, 415), (Unprocessable, 422), (ServiceError, 500), (Unavailable, 503), (StorageFull, 507)],
    )  # fmt: skip
    def test_status(self, kind, status):
        assert kind("c", "d", "h").problem("r")["status"] == status

    @pytest.mark.parametrize("kind", [Conflict, Unprocessable])
    def test_a_code_may_have_a_title_of_its_own(self, kind):
        titles = {kind(code, "d", "h").problem("r")["title"] for code in ("name_taken", "not_ready", "job_ended", "c")}
        assert len(titles) == 4

    def test_every_field(self):
        errors = [FieldError("bad", "x", pointer="#/a"), FieldError("worse", "y", parameter="limit")]
        assert Unprocessable("some_code", "What is wrong.", "What to do.", errors).problem("req_1") == {
            "type": "/problems/some_code",
            "title": "The request is not valid",
            "status": 422,
            "detail": "What is wrong.",
            "code": "some_code",
            "hint": "What to do.",
            "errors": [
                {"pointer": "#/a", "detail": "bad", "code": "x"},
                {"parameter": "limit", "detail": "worse", "code": "y"},
            ],
            "request_id": "req_1",
        }

    def test_two_errors_do_not_share_their_lists(self):
        first, second = Conflict("a", "", ""), Conflict("b", "", "")
        first.errors.append(FieldError("x", "y", pointer="#"))
        assert second.errors == []

    def test_in_a_log_it_reads_as_code_and_detail(self):
        assert str(not_found("job", "job_x")) == "unknown_job: There is no job 'job_x'."

    def test_one_refused_field(self):
        error = refused("#/dataset", code="unknown_dataset", detail="No.", hint="Look.")
        assert [entry.as_dict() for entry in error.errors] == [
            {"pointer": "#/dataset", "detail": "No.", "code": "unknown_dataset"}
        ]


class TestPointer:
    @pytest.mark.parametrize(
        ("parts", "expected"),
        [
            ((), "#"),
            (("schedule", "max_lr"), "#/schedule/max_lr"),
            (("tags", 0), "#/tags/0"),
            (("a/b~c",), "#/a~1b~0c"),
        ],
    )
    def test_escapes(self, parts, expected):
        assert json_pointer(*parts) == expected
