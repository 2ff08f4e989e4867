"""A dataset that a job still needs is not deleted, and the refusal names the jobs."""

import pytest

from app.domain.lifecycle import ENDED, JobState

NEEDING = sorted(set(JobState) - set(ENDED))


@pytest.fixture
def pets(upload):
    return upload().json()


@pytest.fixture
def refused(client, pets):
    """The refusal's words."""

    def delete():
        answer = client.delete("/v1/datasets/pets")
        assert (answer.status_code, answer.json()["code"]) == (409, "dataset_in_use")
        assert answer.json()["hint"]
        assert client.get("/v1/datasets/pets").status_code == 200
        return answer.json()["detail"]

    return delete


class TestInUse:
    def test_every_state_before_the_end_is_needed(self):
        assert NEEDING == ["cancelling", "paused", "pausing", "queued", "running"]

    @pytest.mark.parametrize("state", NEEDING)
    def test_the_job_and_its_state_are_named(self, parts, pets, put_job, refused, state):
        id = put_job(parts.database, state=state, dataset_id=pets["id"])
        assert refused() == f"1 job that has not ended needs pets: {id} ({state})."

    @pytest.mark.parametrize("state", sorted(ENDED))
    def test_one_that_has_ended_needs_it_no_more(self, client, parts, pets, put_job, state):
        put_job(parts.database, state=state, dataset_id=pets["id"])
        assert client.delete("/v1/datasets/pets").status_code == 204

    def test_one_on_another_dataset_does_not_matter(self, client, parts, pets, put_job):
        put_job(parts.database, dataset_id="ds_other")
        assert client.delete("/v1/datasets/pets").status_code == 204

    def test_of_many_the_oldest_are_named_and_the_others_counted(self, parts, pets, put_job, refused):
        ids = [put_job(parts.database, dataset_id=pets["id"]) for _ in range(12)]
        said = refused()
        assert said.startswith(f"12 jobs that have not ended need pets: {ids[0]} (queued), {ids[1]} (queued)")
        assert said.endswith(f"{ids[9]} (queued), 2 more.")

    def test_when_it_has_ended_it_goes(self, client, parts, pets, put_job, refused):
        id = put_job(parts.database, state="paused", dataset_id=pets["id"])
        refused()
        assert client.post(f"/v1/jobs/{id}/cancel").status_code == 200
        assert client.delete("/v1/datasets/pets").status_code == 204
