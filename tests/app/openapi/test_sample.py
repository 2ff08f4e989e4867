"""A recording says the same however often it is made."""

import base64

from app.ids import is_id, new_id, stable_id
from tests.app.openapi.sample import rounded, sampled


def of(*values, folder="/nowhere"):
    return [exchange["body"] for exchange in sampled([{"body": value} for value in values], folder=folder)]


class TestIds:
    def test_the_same_id_becomes_the_same_sample(self):
        job, other = new_id("job"), new_id("job")
        first, path, second = of(job, f"/v1/jobs/{job}/events", other)
        assert path == f"/v1/jobs/{first}/events"
        assert second != first
        assert first not in (job, other)
        assert is_id(first, "job")

    def test_another_run_gives_the_same(self):
        assert of(new_id("job"), new_id("mdl")) == of(new_id("job"), new_id("mdl"))

    def test_what_is_the_same_everywhere_stays(self):
        kept = stable_id("ds", "digits"), "job_" + "0" * 26
        assert tuple(of(*kept)) == kept

    def test_a_cursor_is_of_the_sample(self):
        id = new_id("job")
        sample, cursor = of(id, base64.urlsafe_b64encode(id.encode()).decode())
        assert base64.urlsafe_b64decode(cursor).decode() == sample


def test_times_keep_their_order():
    later, earlier, again = of(
        "2026-11-26T13:45:05.387757Z", "2026-11-26T13:45:05.316390Z", "2026-11-26T13:45:05.387757Z"
    )
    assert earlier < later == again
    assert earlier.startswith("2026-01-05T09:00:00")


def test_no_secret_and_no_folder_is_kept():
    secret, place = of("whsec_abcDEF123+/=", "/tmp/x/images", folder="/tmp/x")  # noqa: S108
    assert secret == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert place == "/srv/supercycle/images"


def test_last_digits_do_not_count():
    assert rounded({"a": [0.1 + 0.2, 1, "0.30000000000000004"]}) == {"a": [0.3, 1, "0.30000000000000004"]}
