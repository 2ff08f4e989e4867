"""Ids: their form, that they sort by age, and that a malformed one is as unknown as a missing one."""

import time
import uuid

import pytest

from app.ids import is_id, new_id, stable_id


class TestForm:
    def test_prefix_and_26_characters(self):
        id = new_id("job")
        assert id.startswith("job_")
        assert len(id) == len("job_") + 26
        assert is_id(id, "job")
        assert not is_id(id, "mdl")

    def test_the_number_inside_is_a_uuid7(self):
        digits = "0123456789abcdefghjkmnpqrstvwxyz"
        number = 0
        for character in new_id("job").removeprefix("job_"):
            number = number * 32 + digits.index(character)
        made = uuid.UUID(int=number)
        assert made.version == 7
        assert abs((number >> 80) / 1000 - time.time()) < 5  # its first 48 bits are milliseconds

    def test_later_ones_sort_later(self):
        ids = [new_id("job") for _ in range(2000)]
        assert ids == sorted(ids)
        assert len(set(ids)) == 2000

    def test_stable_ids_depend_on_the_name_alone(self):
        assert stable_id("ds", "digits") == stable_id("ds", "digits") != stable_id("ds", "MNIST")
        assert is_id(stable_id("ds", "digits"), "ds")

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "job_",
            "job",
            "job_" + "0" * 25,
            "job_" + "0" * 27,
            "job_" + "8" + "0" * 25,  # 130 bits
            "job_" + "0" * 25 + "l",  # not in the alphabet
            "job_" + "0" * 25 + "A",
            "job_" + "0" * 26 + "\n",
            "JOB_" + "0" * 26,
            "mdl_" + "0" * 26,
        ],
    )
    def test_not_an_id(self, value):
        assert not is_id(value, "job")


class TestOverHttp:
    @pytest.mark.parametrize(
        "template",
        ["/v1/jobs/{}", "/v1/jobs/{}/events", "/v1/jobs/{}/metrics", "/v1/jobs/{}/logs", "/v1/jobs/{}/artifacts",
         "/v1/jobs/{}/artifacts/a", "/v1/jobs/{}/plots/loss.png"],
    )  # fmt: skip
    def test_malformed_is_answered_as_missing_is(self, shared_client, template):
        answers = []
        for id in (new_id("job"), "job_nonsense", "é", new_id("mdl")):
            response = shared_client.get(template.format(id))
            assert response.status_code == 404
            problem = response.json() | {"request_id": None}
            problem["detail"] = problem["detail"].replace(repr(id), "ID")
            answers.append(problem)
        assert answers == [answers[0]] * 4
        assert answers[0]["code"] == "unknown_job"
        assert answers[0]["detail"] == "There is no job ID."

    @pytest.mark.parametrize("id", ["mdl_nonsense", f"mdl_{'0' * 26}"])
    def test_verbs_and_models(self, shared_client, id):
        client = shared_client
        assert client.post(f"/v1/jobs/{id}/cancel").json()["code"] == "unknown_job"
        assert client.delete(f"/v1/jobs/{id}").status_code == 404
        for response in (client.get(f"/v1/models/{id}"), client.delete(f"/v1/models/{id}")):
            assert (response.status_code, response.json()["code"]) == (404, "unknown_model")
