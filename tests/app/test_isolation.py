"""What one owner made is not there for another: every route, every method, beside an id that never was."""

import re

import pytest

from app.callers import Scope
from app.ids import new_id

MINIMAL = {"kind": "training", "dataset": "digits", "architecture": "mlp"}


@pytest.fixture
def client(any_client):
    return any_client


@pytest.fixture
def foreign(client, put_everything):
    """The ids of things that ann made, by the names that routes give them."""
    return put_everything(client.app.state.parts.database, owner="ann")


KINDS = {"job_id": "job", "model_id": "mdl", "id_or_name": "ds", "webhook_id": "whk", "delivery_id": "dlv"}
MISSING = {name: new_id(kind) for name, kind in KINDS.items()}
OTHER_PLACES = {"name": "x.png"}  # names a part of one of these
SHARED = {"/v1/architectures/{name}"}  # nobody's own


def routes(app):
    """Every method of every address below /v1 that names something somebody made."""
    paths = app.openapi()["paths"]
    return [
        (method.upper(), path)
        for path, methods in paths.items()
        if path.startswith("/v1/") and "{" in path and path not in SHARED
        for method in methods
    ]


def ask(client, method, path, ids, header):
    names = re.findall(r"{(\w+)}", path)
    address = path.format(**{name: ids.get(name) or OTHER_PLACES[name] for name in names})
    return client.request(method, address, headers=header), [ids[name] for name in names if name in ids]


def plain(response, ids):
    """The answer without what must differ: the id that was asked for, and the request's."""
    text = response.text
    for id in ids:
        text = text.replace(id, "ID")
    headers = {
        name: value for name, value in response.headers.items() if name not in ("x-request-id", "content-length")
    }
    return response.status_code, re.sub(r'"request_id":"[^"]*"', "", text), headers


class TestForeign:
    def test_it_answers_as_if_it_never_was(self, client, header_of, foreign):
        ben = header_of("ben")
        asked = routes(client.app)
        assert len(asked) > 15
        for method, path in asked:
            there = plain(*ask(client, method, path, foreign, ben))
            assert there[0] == 404, (method, path)
            assert there == plain(*ask(client, method, path, MISSING, ben)), (method, path)

    def test_nothing_of_it_was_changed(self, client, header_of, foreign):
        ben, ann = header_of("ben"), header_of("ann")
        for method, path in routes(client.app):
            ask(client, method, path, foreign, ben)
        for method, path in routes(client.app):
            if method == "GET" and not any(part in path for part in ("artifact", "plots", "files", "preview")):
                assert ask(client, method, path, foreign, ann)[0].status_code == 200, path

    def test_lists_leave_it_out(self, client, header_of, foreign):
        ben, ann = header_of("ben"), header_of("ann")
        for path in ("/v1/jobs", "/v1/models", "/v1/datasets?limit=200", "/v1/webhooks"):
            assert not set(foreign.values()) & {item["id"] for item in client.get(path, headers=ben).json()["items"]}
            assert set(foreign.values()) & {item["id"] for item in client.get(path, headers=ann).json()["items"]}

    @pytest.mark.parametrize("how", ["name", "id"])
    def test_its_data_cannot_be_trained_on(self, client, header_of, foreign, how):
        ben = header_of("ben")
        there, never = ({"name": "pets"}, {"name": "pots"}) if how == "name" else (
            {"id": foreign["id_or_name"]}, {"id": MISSING["id_or_name"]})  # fmt: skip
        answers = [
            client.post("/v1/jobs", json=MINIMAL | {"dataset": dataset}, headers=ben) for dataset in (there, never)
        ]
        assert [answer.status_code for answer in answers] == [422, 422]
        assert {answer.json()["code"] for answer in answers} == {"unknown_dataset"}
        assert "pets" not in answers[1].text

    def test_its_name_is_free_for_others(self, client, header_of, foreign):
        files = {"file": ("pets.zip", b"PK")}
        answer = client.post("/v1/datasets", data={"name": "pets"}, files=files, headers=header_of("ben"))
        assert (answer.status_code, answer.json()["name"]) == (202, "pets")
        again = client.post("/v1/datasets", data={"name": "pets"}, files=files, headers=header_of("ann"))
        assert (again.status_code, again.json()["code"]) == (409, "name_taken")

    @pytest.mark.parametrize("owner", ["root", "ann"])
    def test_jobs_of_others_on_ones_dataset_are_counted_and_not_named(self, client, header_of, foreign, put_job, owner):
        """An administrator may train on anybody's; the job is then the administrator's own."""
        job = put_job(client.app.state.parts.database, owner=owner, dataset_id=foreign["id_or_name"])
        said = client.delete("/v1/datasets/pets", headers=header_of("ann")).json()["detail"]
        named = f"{job} (queued)" if owner == "ann" else "another owner's"
        assert said == f"1 job that has not ended needs pets: {named}."
        if owner == "ann":
            put_job(client.app.state.parts.database, owner="root", dataset_id=foreign["id_or_name"])
            said = client.delete("/v1/datasets/pets", headers=header_of("ann")).json()["detail"]
            assert said == f"2 jobs that have not ended need pets: {job} (queued), 1 more."


class TestAdministrator:
    def test_sees_everybodys(self, client, header_of, foreign):
        admin = header_of("root", Scope.ADMIN)
        assert client.get(f"/v1/jobs/{foreign['job_id']}", headers=admin).json()["owner"] == "ann"
        assert len(client.get("/v1/jobs", headers=admin).json()["items"]) == 1

    def test_what_it_makes_of_anothers_job_is_the_others(self, client, header_of, foreign, put_job):
        spec = client.post("/v1/jobs?validate_only=true", json=MINIMAL, headers=header_of("ann")).json()["spec"]
        job = put_job(client.app.state.parts.database, owner="ann", state="failed", spec=spec)
        made = client.post(f"/v1/jobs/{job}/retry", headers=header_of("root", Scope.ADMIN)).json()
        assert (made["owner"], made["source_id"]) == ("ann", job)


class TestFigures:
    """What Prometheus reads tells of all owners alike."""

    def test_they_are_the_administrators(self, client, header_of, foreign):
        refused = client.get("/metrics", headers=header_of("ben", Scope.READ, Scope.SUBMIT))
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
        assert "supercycle_jobs" not in refused.text
        shown = client.get("/metrics", headers=header_of("root", Scope.ADMIN))
        assert 'supercycle_jobs{kind="training",state="succeeded"} 1.0' in shown.text

    def test_without_any_key_they_are_everybodys(self, client, put_job):
        put_job(client.app.state.parts.database, owner="ann")
        assert 'supercycle_jobs{kind="training",state="queued"} 1.0' in client.get("/metrics").text


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "method", "path", "status"),
        [
            (Scope.READ, "GET", "/v1/jobs", 200),
            (Scope.READ, "POST", "/v1/jobs", 403),
            (Scope.READ, "DELETE", "/v1/jobs/job_01m8bv1ehde2drrgya9c9f6dp4", 403),
            (Scope.READ, "POST", "/v1/schedules/preview", 422),  # let in, and then found empty
            (Scope.SUBMIT, "GET", "/v1/jobs", 403),
            (Scope.SUBMIT, "POST", "/v1/jobs", 202),
            (Scope.SUBMIT, "POST", "/v1/schedules/preview", 403),
            (Scope.ADMIN, "GET", "/v1/jobs", 200),
            (Scope.ADMIN, "POST", "/v1/jobs", 202),
            (Scope.READ, "GET", "/metrics", 403),  # which counts everybody's
            (Scope.SUBMIT, "GET", "/metrics", 403),
            (Scope.ADMIN, "GET", "/metrics", 200),
        ],
    )
    def test_each_opens_its_own(self, client, header_of, scope, method, path, status):
        body = MINIMAL if path == "/v1/jobs" and method == "POST" else None
        answer = client.request(method, path, json=body, headers=header_of("ann", scope))
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["code"] == "scope_missing"
            assert "supercycle keys create" in answer.json()["hint"]

    def test_folders_of_the_server_are_the_administrators(self, client, header_of):
        body = {"name": "pets", "path": "/srv/pets"}
        answer = client.post("/v1/datasets", json=body, headers=header_of("ann"))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        allowed = client.post("/v1/datasets", json=body, headers=header_of("ann", Scope.ADMIN))
        assert allowed.json()["code"] == "path_not_allowed"  # the scope was enough
