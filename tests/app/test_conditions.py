"""Every GET has a tag that stands for what is seen; a HEAD is a GET without the body."""

import pytest

from app.db.tables import DatasetTable
from app.domain.lifecycle import JobState
from app.ids import new_id

SAME = {"/v1/architectures/{name}": "/v1/architectures/mlp"}  #: for everybody
PLACES = {"name": "x.png"}  #: within what has an id


@pytest.fixture
def client(any_client):
    return any_client


@pytest.fixture
def ids(parts, put_everything):
    return put_everything(parts.database, owner="ann")


@pytest.fixture
def addresses(client, ids):
    """What every GET below /v1 is asked for, by its path."""
    paths = [path for path, methods in client.app.openapi()["paths"].items() if "get" in methods]
    return {path: SAME.get(path, path).format(**ids, **PLACES) for path in paths if path.startswith("/v1/")}


def plain(headers):
    """What two answers to the same request have in common."""
    return {name: value for name, value in headers.items() if name != "x-request-id"}


class TestEveryGet:
    def test_has_a_tag_and_is_not_sent_again_to_who_has_it(self, client, addresses):
        assert len(addresses) > 15
        for path, address in addresses.items():
            whole = client.get(address)
            tag = whole.headers["etag"]
            assert (whole.status_code, tag[0], tag[-1]) == (200, '"', '"'), path
            assert whole.headers["cache-control"] == "private, no-cache", path
            for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
                answer = client.get(address, headers={"If-None-Match": known})
                assert (answer.status_code, answer.content) == (304, b""), (path, known)
                for name in ("etag", "cache-control", "vary"):
                    assert answer.headers.get(name) == whole.headers.get(name), path
            other = client.get(address, headers={"If-None-Match": '"other", W/"another"'})
            assert (other.status_code, other.content, other.headers["etag"]) == (200, whole.content, tag), path

    def test_costs_no_more_where_nothing_is_sent(self, client, addresses, parts, asked_of):
        asked = asked_of(parts.database)
        for path, address in addresses.items():
            tag = client.get(address).headers["etag"]
            asked.clear()
            client.get(address)
            statements = len(asked)
            client.get(address, headers={"If-None-Match": tag})
            assert len(asked) - statements <= statements, path

    def test_is_as_if_it_never_was_for_who_must_not_see_it(self, client, addresses, header_of):
        ann, ben = header_of("ann"), header_of("ben")
        for path, address in addresses.items():
            if "{" in path and path not in SAME:
                tag = client.get(address, headers=ann).headers["etag"]
                for known in (tag, "*"):
                    assert client.get(address, headers=ben | {"If-None-Match": known}).status_code == 404, path

    @pytest.mark.parametrize("path", ["/v1/jobs", "/v1/datasets?limit=200", "/v1/models", "/v1/webhooks"])
    def test_lists_of_two_owners_share_no_tag_unless_they_are_the_same(self, client, ids, header_of, path):
        ann, ben, eve = (header_of(owner) for owner in ("ann", "ben", "eve"))
        anns, bens, eves = (client.get(path, headers=header) for header in (ann, ben, eve))
        assert anns.headers["etag"] != bens.headers["etag"]
        assert (bens.content, bens.headers["etag"]) == (eves.content, eves.headers["etag"])
        answer = client.get(path, headers=ben | {"If-None-Match": anns.headers["etag"]})
        assert (answer.status_code, answer.content) == (200, bens.content)


class TestHead:
    def test_is_answered_as_a_get_without_its_body(self, client, addresses):
        others = ["/healthz", "/openapi.json", "/docs", "/v1/nope", f"/v1/jobs/{new_id('job')}", "/v1/jobs?limit=0"]
        for path in [*addresses.values(), *others]:
            whole, head = client.get(path), client.head(path)
            assert (head.status_code, head.content) == (whole.status_code, b""), path
            assert plain(head.headers) == plain(whole.headers), path
        assert client.head(addresses["/v1/models"], headers={"If-None-Match": "*"}).status_code == 304

    def test_of_a_stream_ends_at_once(self, client, put_job, parts):
        address = f"/v1/jobs/{put_job(parts.database)}/events"
        head = client.head(address, headers={"Accept": "text/event-stream"})
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"].startswith("text/event-stream")

    def test_has_no_ranges(self, client, addresses):
        path = addresses["/v1/models/{model_id}/files/{name}"]
        head = client.head(path, headers={"Range": "bytes=99-"})
        assert (head.status_code, head.headers["accept-ranges"]) == (200, "bytes")


class TestWhatChangesATag:
    @pytest.fixture
    def tag(self, client):
        def of(address, **headers):
            tags = {client.get(address, headers=headers).headers["etag"] for _ in range(2)}
            assert len(tags) == 1, address  # nothing has changed
            return tags.pop()

        return of

    def test_a_dataset_s_check(self, client, tag, parts, ids):
        both = ["/v1/datasets?limit=200", f"/v1/datasets/{ids['id_or_name']}"]
        before = [tag(address) for address in both]
        with parts.database.transaction() as session:
            session.get(DatasetTable, ids["id_or_name"]).report = {"expected": "a", "found": "b", "problems": []}
        assert not set(before) & {tag(address) for address in both}
        before = tag(both[0])
        assert client.delete(both[1]).status_code == 204
        assert tag(both[0]) != before

    def test_a_model_s_end(self, client, tag, ids):
        before = [tag("/v1/models"), tag(f"/v1/jobs/{ids['job_id']}")]
        client.delete(f"/v1/models/{ids['model_id']}")
        assert tag("/v1/models") != before[0]
        assert tag(f"/v1/jobs/{ids['job_id']}") == before[1]  # it never named that model

    def test_all_that_a_job_does(self, client, tag, parts, put_job, hand_of):
        put_job(parts.database)
        hand = hand_of(parts.database)
        lease = hand.claim()
        address = f"/v1/jobs/{lease.job_id}"
        steps = {"phase": "training", "first_step": 0, "learning_rate": [0.1], "momentum": [0.9], "loss": [2.0]}
        seen = []
        for change in (
            lambda: None,
            lambda: hand.write(lease, ("steps", steps)),
            lambda: hand.write(lease, ("steps", steps | {"first_step": 1})),
            lambda: hand.do("finish", lease, JobState.SUCCEEDED),
        ):
            change()
            seen.append([tag(f"{address}{place}") for place in ("", "/metrics", "/events", "/logs")])
        jobs, metrics, events, logs = zip(*seen, strict=True)
        assert [len(set(tags)) for tags in (jobs, metrics, events, logs)] == [4, 4, 4, 4]

    def test_the_form_of_metrics(self, client, tag, ids):
        address = f"/v1/jobs/{ids['job_id']}/metrics"
        assert tag(address) != tag(address, Accept="text/csv")
        answer = client.get(address, headers={"Accept": "text/csv", "If-None-Match": tag(address)})
        assert (answer.status_code, answer.headers["vary"]) == (200, "Accept")

    def test_metrics_that_are_known_are_not_read(self, client, tag, ids, monkeypatch):
        address = f"/v1/jobs/{ids['job_id']}/metrics"
        known = tag(address)

        def fail(*_, **__):
            raise AssertionError("a hundred thousand steps were read for nothing")

        monkeypatch.setattr("app.jobs.repository.JobRepository.entries", fail)
        assert client.get(address, headers={"If-None-Match": known}).status_code == 304
        wrong = client.get(f"{address}?series=nope", headers={"If-None-Match": known})
        assert wrong.status_code == 422  # a condition counts only where the answer would be a 200
