"""What is said about wrong fields: in words that name what is allowed, never in pydantic's."""

import re

import pytest

from app.wording import PATTERNS

MINIMAL = {"kind": "training", "dataset": "digits", "architecture": "mlp"}
KINDS = "range_test, training, dataset_import, comparison, tuning, auto"
POLICIES = "one_cycle, constant, step, linear, cosine"


@pytest.fixture
def refused(shared_client):
    """The problem that a change of the minimal job gets."""

    def post(change, path="/v1/jobs"):
        response = shared_client.post(path, json=MINIMAL | change if isinstance(change, dict) else change)
        assert response.status_code == 422, response.text
        return response.json()

    return post


class TestDetails:
    @pytest.mark.parametrize(
        ("change", "detail"),
        [
            ({"epochs": 0}, "must be at least 1, not 0"),
            ({"epochs": 20_000}, "must be at most 10000, not 20000"),
            ({"optimizer": {"name": "sgd", "momentum": 1}}, "must be less than 1, not 1"),
            ({"schedule": {"policy": "step", "factor": 0}}, "must be greater than 0, not 0"),
            ({"max_runtime_seconds": 31_536_001.5}, "must be at most 31536000, not 31536001.5"),
            ({"epochs": "3"}, 'must be a whole number, not "3"'),
            ({"epochs": 1.5}, "must be a whole number, not 1.5"),
            ({"epochs": []}, "must be a whole number, not a list"),
            ({"optimizer": {"name": "sgd", "momentum": True}}, "must be a number, not true"),
            ({"optimizer": {"name": "sgd", "nesterov": 3}}, "must be true or false, not 3"),
            ({"optimizer": 3}, "must be an object or a name, not 3"),
            ({"dataset": None}, "must be an object or a name, not null"),
            ({"architecture": ["mlp"]}, "must be an object or a name, not a list"),
            ({"early_stopping": 5}, "must be an object, not 5"),
            ({"schedule": "cosine"}, 'must be an object, not "cosine"'),
            ({"tags": "a"}, 'must be a list, not "a"'),
            ({"name": 3}, "must be text, not 3"),
            ({"name": ""}, "must not be empty"),
            ({"tags": ["x" * 51]}, "must have at most 50 characters, not 51"),
            ({"tags": ["x"] * 21}, "must have at most 20 items, not 21"),
            ({"name": "a\0"}, "must not contain a NUL character"),
            (
                {"kind": "trainin"},
                f"must be one of {KINDS}, not \"trainin\"; did you mean 'training'?",
            ),
            ({"kind": 3}, f"must be one of {KINDS}, not 3"),
            ({"optimizer": "adm"}, "must be one of sgd, adam, adamw, not \"adm\"; did you mean 'adam'?"),
            ({"schedule": {"policy": None}}, f"must be one of {POLICIES}, not null"),
            ({"precision": "fp8"}, 'must be one of auto, fp32, bf16, fp16, not "fp8"'),
            ({"optimizer": {"momentum": 0.9}}, "name is missing: sgd, adam or adamw"),
            ({"architecture": {"width": 8}}, "name is missing"),
            (
                {"early_stopping": {"patient": 3}},
                "is no field here; did you mean 'patience'? There are patience, armed",
            ),
            ({"dataset": {}}, "give either a name or an id"),
        ],
    )  # fmt: skip
    def test_of_one_field(self, refused, change, detail):
        assert [error["detail"] for error in refused(change)["errors"]] == [detail]

    @pytest.mark.parametrize(
        ("change", "code", "detail"),
        [
            ({"schedule": {"max_lr": -1}}, "out_of_range", 'must be "auto" or a number greater than 0, not -1'),
            (
                {"schedule": {"max_lr": "aut"}},
                "unknown_option",
                "must be \"auto\" or a number, not \"aut\"; did you mean 'auto'?",
            ),
            ({"schedule": {"max_lr": None}}, "wrong_type", 'must be "auto" or a number, not null'),
            ({"validation": 2}, "out_of_range", 'must be "test" or a number less than 1, not 2'),
            ({"augmentation": "some"}, "unknown_option", 'must be "default", "none" or an object, not "some"'),
            ({"augmentation": 3}, "wrong_type", 'must be "default", "none" or an object, not 3'),
            ({"augmentation": {"crop": -1}}, "out_of_range", "must be at least 0, not -1"),
            ({"pretrained": 3}, "wrong_type", "must be true or false or text, not 3"),
            ({"pretrained": ""}, "too_short", "must not be empty"),
        ],
    )  # fmt: skip
    def test_of_a_union_is_one(self, refused, change, code, detail):
        assert [(error["code"], error["detail"]) for error in refused(change)["errors"]] == [(code, detail)]

    def test_an_unknown_field_of_the_body_brings_its_fields(self, refused):
        [error] = refused({"epoch": 3})["errors"]
        assert error["detail"].startswith("is no field here; did you mean 'epochs'? There are name, tags, priority,")

    def test_what_is_long_is_cut(self, refused):
        [error] = refused({"precision": "x" * 10_000})["errors"]
        assert len(error["detail"]) < 150

    @pytest.mark.parametrize("change", [{"\ud800": 1}, {"name": "\ud800"}, {"kind": "\ud800"}])
    def test_half_a_character_is_said_too(self, shared_client, change):
        text = str(MINIMAL | change).replace("'", '"').encode("utf-8", "backslashreplace")
        response = shared_client.post("/v1/jobs", content=text, headers={"Content-Type": "application/json"})
        assert response.status_code == 422
        assert "\\ud800" in response.json()["detail"]


class TestPlaces:
    """Fields that lie in unions, or that do not go together."""

    @pytest.mark.parametrize(
        ("change", "pointer", "code"),
        [
            ({"schedule": {"max_lr": -1}}, "#/schedule/max_lr", "out_of_range"),
            ({"schedule": {"max_lr": "big"}}, "#/schedule/max_lr", "unknown_option"),
            ({"schedule": {"max_lr": [1]}}, "#/schedule/max_lr", "wrong_type"),
            ({"schedule": {"shape": "blah"}}, "#/schedule/shape", "unknown_option"),
            ({"schedule": {"up": 0.95}}, "#/schedule/up", "invalid_value"),
            ({"schedule": {"annihilation": 0.6}}, "#/schedule/annihilation", "invalid_value"),
            ({"schedule": {"max_momentum": 0.8}}, "#/schedule/max_momentum", "invalid_value"),
            ({"schedule": "cosine"}, "#/schedule", "wrong_type"),
            ({"kind": "range_test", "start_lr": 20}, "#/start_lr", "invalid_value"),
            ({"optimizer": {"name": "sgd", "momentum": 0}}, "#/optimizer/momentum", "invalid_value"),
            ({"augmentation": {"crop": -1}}, "#/augmentation/crop", "out_of_range"),
            ({"augmentation": "some"}, "#/augmentation", "unknown_option"),
            ({"pretrained": ""}, "#/pretrained", "too_short"),
            ({"pretrained": 3}, "#/pretrained", "wrong_type"),
        ],
    )
    def test_are_the_fields_own(self, refused, change, pointer, code):
        assert [(error["pointer"], error["code"]) for error in refused(change)["errors"]] == [(pointer, code)]


class TestSummary:
    def test_one_error(self, refused):
        body = refused({"epochs": 0})
        assert body["detail"] == "#/epochs: must be at least 1, not 0."
        assert body["hint"] == "Give a number within the bounds named."

    def test_several_of_one_code_keep_it(self, refused):
        body = refused({"epochs": 0, "batch_size": 0, "seed": -1})
        assert body["code"] == "out_of_range"
        assert body["detail"] == '#/batch_size: must be "auto" or a number at least 1, not 0; and 2 more.'

    def test_several_codes(self, refused):
        body = refused({"epochs": 0, "seed": "a"})
        assert (body["code"], body["hint"]) == (
            "invalid_request",
            "Correct every field named in errors and send it again.",
        )

    @pytest.mark.parametrize(
        ("content", "detail"),
        [
            ([], "The body: must be an object, not a list."),
            (
                {"kind": None},
                f"#/kind: must be one of {KINDS}, not null.",
            ),
        ],
    )
    def test_the_body_itself(self, refused, content, detail):
        assert refused(content)["detail"] == detail

    def test_a_question_needs_no_full_stop(self, refused):
        assert refused({"optimizer": "adm"})["detail"].endswith("did you mean 'adam'?")

    def test_a_missing_kind(self, shared_client):
        detail = shared_client.post("/v1/jobs", json={}).json()["detail"]
        assert detail == "#/kind: kind is missing: range_test, training, dataset_import, comparison, tuning or auto."

    def test_a_parameter(self, shared_client):
        body = shared_client.get("/v1/jobs?limit=x").json()
        assert (body["code"], body["detail"]) == ("wrong_type", 'limit: must be a whole number, not "x".')


class TestPatterns:
    def test_every_pattern_of_the_service_has_words(self, shared_client):
        document = shared_client.get("/openapi.json").json()

        def patterns(node):
            if isinstance(node, dict):
                yield from ([node["pattern"]] if isinstance(node.get("pattern"), str) else [])
                yield from node.get("patternProperties", {})
                node = list(node.values())
            for inner in node if isinstance(node, list) else []:
                yield from patterns(inner)

        assert set(patterns(document)) == set(PATTERNS)

    def test_none_is_shown(self, refused):
        for change in ({"name": "\0"}, {"dataset": {"name": "digits", "version": "x"}}):
            assert not re.search(r"[\^$\[\]]", refused(change)["detail"])
