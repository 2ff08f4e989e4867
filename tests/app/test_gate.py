"""What every request passes: a request id, the right host, safe headers."""

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.main import create_app
from app.network import is_loopback_host


class TestRequestId:
    @pytest.mark.parametrize("offered", ["mine", "A-b_c.9", "x" * 64])
    def test_a_valid_one_is_echoed(self, shared_client, offered):
        assert shared_client.get("/healthz", headers={"X-Request-ID": offered}).headers["x-request-id"] == offered

    @pytest.mark.parametrize("offered", ["", "x" * 65, "a b", "a;b", "ä", 'a"b'])
    def test_another_is_replaced(self, shared_client, offered):
        sent = shared_client.get("/healthz", headers={"X-Request-ID": offered.encode()}).headers["x-request-id"]
        assert sent.startswith("req_")
        assert len(sent) == 36

    def test_without_one_each_request_gets_its_own(self, shared_client):
        ids = {shared_client.get("/healthz").headers["x-request-id"] for _ in range(5)}
        assert len(ids) == 5


class TestHeaders:
    @pytest.mark.parametrize("path", ["/healthz", "/v1/jobs", "/v1/nope", "/openapi.json", "/docs"])
    def test_no_sniffing(self, shared_client, path):
        assert shared_client.get(path).headers["x-content-type-options"] == "nosniff"


class TestHost:
    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:80", "[::1]", "[::1]:8000", "127.1.2.3"]
    )
    def test_this_machine(self, shared_client, host):
        assert is_loopback_host(host)
        assert shared_client.get("/healthz", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize(
        "host",
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "8.8.8.8", "[", "[::2]", ""],
    )
    def test_another_name_is_refused(self, shared_client, host):
        assert not is_loopback_host(host)
        response = shared_client.get("/v1/jobs", headers={"Host": host})
        assert response.status_code == 403
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "host_not_allowed"
        assert response.json()["request_id"] == response.headers["x-request-id"]


class TestOrigin:
    """A browser sends these headers for a page; a program sends none."""

    def answer(self, client, method="POST", path="/v1/schedules/preview", **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.request(method, path, headers=names)

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "http://evil.example"},
            {"Origin": "https://localhost.evil.example"},
            {"Origin": "null"},
            {"Origin": ""},
            {"Sec_Fetch_Site": "cross-site"},
            {"Origin": "http://127.0.0.1:8000", "Sec_Fetch_Site": "cross-site"},
        ],
    )
    @pytest.mark.parametrize(("method", "path"), [("POST", "/v1/datasets"), ("DELETE", "/v1/jobs/x")])
    def test_changes_for_a_page_of_another_host_are_refused(self, shared_client, method, path, headers):
        response = self.answer(shared_client, method, path, **headers)
        assert (response.status_code, response.json()["code"]) == (403, "origin_not_allowed")
        assert response.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Origin": "http://127.0.0.1:8000", "Sec_Fetch_Site": "same-origin"},
            {"Origin": "http://[::1]:8000"},
            {"Origin": "http://localhost:3000", "Sec_Fetch_Site": "same-site"},
            {"Sec_Fetch_Site": "none"},
        ],
    )
    def test_programs_and_pages_of_this_machine_pass(self, shared_client, headers):
        assert self.answer(shared_client, **headers).status_code == 422  # it has no body

    def test_reading_is_free(self, shared_client):
        assert self.answer(shared_client, "GET", "/v1/jobs", Origin="http://evil.example").status_code == 200

    def test_with_a_key_the_key_decides(self, sqlite_settings, queue):
        sqlite_settings.api_key = SecretStr("secret")
        with TestClient(create_app(sqlite_settings, queue=queue), base_url="http://127.0.0.1") as client:
            headers = {"Origin": "http://app.example", "Sec_Fetch_Site": "cross-site"}
            assert self.answer(client, **headers).status_code == 401
            assert self.answer(client, **headers, Authorization="Bearer secret").status_code == 422
