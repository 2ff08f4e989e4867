"""Who may call: with a key set only who shows it, without one anybody, but on this machine's own address alone."""

import pytest

KEY = "sc_correct"


@pytest.fixture
def guarded(sqlite_settings, queue, in_process):
    settings = type(sqlite_settings)(data_dir=sqlite_settings.data_dir, api_key=KEY)
    with in_process(settings, queue, base_url="http://service.example") as client:
        yield client


class TestKey:
    @pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", f"Bearer  {KEY} "])
    def test_who_shows_it_may(self, guarded, header):
        assert guarded.get("/v1/jobs", headers={"Authorization": header}).status_code == 200

    def test_everybody_else_gets_the_same_answer(self, guarded):
        wrong = ["Bearer sc_wrong", f"Basic {KEY}", KEY, "Bearer", "Bearer ", f"Bearer {KEY}x", "Bearer schlüssel"]
        answers = []
        for headers in [{}, *({"Authorization": value.encode()} for value in wrong)]:
            response = guarded.get("/v1/jobs", headers=headers)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            answers.append(response.json() | {"request_id": None})
        assert answers == [answers[0]] * 8
        assert answers[0]["code"] == "unauthorized"

    def test_it_is_not_taken_from_the_address(self, guarded):
        assert guarded.get(f"/v1/jobs?api_key={KEY}&key={KEY}").status_code == 401

    def test_every_operation_but_health_needs_it(self, guarded):
        open_to_all = []
        for path, operations in guarded.get("/openapi.json").json()["paths"].items():
            for method in operations:
                response = guarded.request(method, path.replace("{", "").replace("}", ""))
                if response.status_code != 401:
                    open_to_all.append((method, path))
        assert open_to_all == [("get", "/healthz"), ("get", "/readyz")]

    def test_with_a_key_any_host_name_will_do(self, guarded):
        assert guarded.get("/healthz", headers={"Host": "anything.example"}).status_code == 200

    def test_nothing_was_submitted_without_it(self, guarded, queue):
        body = {"kind": "training", "dataset": "digits", "architecture": "mlp"}
        assert guarded.post("/v1/jobs", json=body).status_code == 401
        assert queue.hints == []
        assert guarded.post("/v1/jobs", json=body, headers={"Authorization": f"Bearer {KEY}"}).status_code == 202
