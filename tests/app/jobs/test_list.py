"""Lists of jobs: newest first, page by page, filtered."""

import pytest
from pydantic import TypeAdapter
from sqlalchemy import event

from app.domain.specs import JobSpec
from app.jobs.listing import JobFilter, page


def walk(client, **query):
    """Every page's items, and how many pages there were."""
    items, pages, cursor = [], 0, None
    while True:
        response = client.get("/v1/jobs", params=query | ({"cursor": cursor} if cursor else {}))
        assert response.status_code == 200, response.text
        page = response.json()
        items += page["items"]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            return items, pages


@pytest.fixture
def put(any_client, put_job):
    database = any_client.app.state.parts.database
    return lambda **columns: put_job(database, **columns)


class TestPages:
    def test_each_job_once_newest_first(self, any_client, put):
        ids = [put() for _ in range(7)]
        for limit, pages in [(1, 7), (2, 4), (3, 3), (6, 2), (7, 1), (8, 1), (200, 1)]:
            items, count = walk(any_client, limit=limit)
            assert [item["id"] for item in items] == ids[::-1], limit
            assert count == pages, limit

    def test_jobs_that_come_meanwhile_disturb_nothing(self, any_client, put):
        ids = [put() for _ in range(4)]
        first = any_client.get("/v1/jobs?limit=2").json()
        put()
        rest = any_client.get("/v1/jobs", params={"cursor": first["next_cursor"]}).json()
        assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1]

    def test_an_empty_list(self, any_client):
        assert any_client.get("/v1/jobs").json() == {"items": [], "next_cursor": None}

    def test_the_default_is_fifty(self, any_client, put):
        for _ in range(51):
            put()
        assert len(any_client.get("/v1/jobs").json()["items"]) == 50


class TestFilters:
    TABLE = (
        ({}, ["sweep", "failed", "queued"]),
        ({"kind": "training"}, ["failed", "queued"]),
        ({"kind": ["training", "range_test"]}, ["sweep", "failed", "queued"]),
        ({"kind": "comparison"}, []),
        ({"state": "failed"}, ["sweep", "failed"]),
        ({"state": ["failed", "queued"]}, ["sweep", "failed", "queued"]),  # repeated states widen
        ({"tag": "a"}, ["failed", "queued"]),
        ({"tag": ["a", "b"]}, ["failed"]),  # repeated tags narrow
        ({"tag": "b", "kind": "range_test"}, ["sweep"]),
        ({"kind": "training", "state": "failed", "tag": "a"}, ["failed"]),
        ({"state": "running"}, []),
    )

    @pytest.fixture
    def jobs(self, put):
        ids = {
            "queued": put(tags=["a"]),
            "failed": put(state="failed", tags=["a", "b"]),
            "sweep": put(kind="range_test", state="failed", tags=["b"]),
        }
        ids["child"] = put(parent_id=ids["queued"], tags=["a"])
        return ids

    def test_they_combine(self, any_client, jobs):
        for query, expected in self.TABLE:
            items, _ = walk(any_client, limit=2, **query)
            assert [item["id"] for item in items] == [jobs[name] for name in expected], query

    @pytest.mark.parametrize("kind", TypeAdapter(JobSpec).json_schema()["discriminator"]["mapping"])
    def test_every_kind_may_be_asked_for(self, client, kind, parts, put_job):
        id = put_job(parts.database, kind=kind)
        put_job(parts.database, kind="another")
        assert [item["id"] for item in walk(client, kind=kind)[0]] == [id]

    def test_children_come_with_their_parent_only(self, any_client, jobs):
        items, _ = walk(any_client, parent_id=jobs["queued"])
        assert [item["id"] for item in items] == [jobs["child"]]
        assert walk(any_client, parent_id="job_nonsense")[0] == []


class TestWork:
    @pytest.mark.parametrize("query", ["", "?tag=a&tag=b&state=queued&limit=2"])
    def test_a_page_takes_one_statement(self, any_client, put, query, asked_of):
        for _ in range(3):
            put(tags=["b", "a"])
        asked = asked_of(any_client.app.state.parts.database)
        items = any_client.get(f"/v1/jobs{query}").json()["items"]
        assert [item["tags"] for item in items] == [["a", "b"]] * len(items)
        assert len(asked) == 1


class TestShape:
    def test_listed_jobs_are_light(self, client, submit):
        whole = submit(tags=["b", "a"])
        [listed] = client.get("/v1/jobs").json()["items"]
        assert whole.keys() - listed.keys() == {"spec", "resolved", "result"}
        assert "plots" not in listed["links"]
        assert listed["tags"] == ["a", "b"]
        assert {name: listed[name] for name in listed if name != "links"} == {
            name: whole[name] for name in listed if name != "links"
        }


class TestOrder:
    """On SQLite, which has no statistics to find a good plan by."""

    @pytest.mark.parametrize(
        "wanted",
        [
            JobFilter(),
            JobFilter(states=["failed"]),
            JobFilter(kinds=["training"], states=["failed", "cancelled"]),
            JobFilter(tags=["a"]),
            JobFilter(tags=["a", "b"], states=["running"]),
            JobFilter(parent_id="job_" + "0" * 26),
        ],
    )
    @pytest.mark.parametrize("before", [None, "job_" + "z" * 26])
    def test_comes_from_an_index(self, client, wanted, before):
        steps = self.plan(client, wanted, before)
        assert any("ix_jobs_list" in step or "ix_job_tags_tag_job_id" in step for step in steps), steps

    @pytest.mark.parametrize(
        "filters",
        [
            {},
            {"states": ["running"]},
            {"kinds": ["training"]},
            {"kinds": ["training", "range_test"], "states": ["failed", "cancelled"]},
            {"parent_id": "job_" + "0" * 26},
            {"parent_id": "job_" + "0" * 26, "states": ["running"]},
        ],
    )
    @pytest.mark.parametrize("before", [None, "job_" + "z" * 26])
    def test_an_owners_comes_from_one_that_leaves_out_children(self, client, filters, before):
        steps = self.plan(client, JobFilter(owner="ann", **filters), before)
        bounds = "owner=? AND parent_id=?" + (" AND id<?" if before else "")
        assert f"SEARCH jobs USING INDEX ix_jobs_owner_list ({bounds})" in steps

    @pytest.mark.parametrize("before", [None, "job_" + "z" * 26])
    def test_an_owners_with_a_tag_comes_from_that_of_tags(self, client, before):
        steps = self.plan(client, JobFilter(owner="ann", tags=["a"], states=["running"]), before)
        assert any("ix_job_tags_tag_job_id" in step for step in steps), steps

    def plan(self, client, wanted, before):
        """The steps by which such a page is read, none of which goes through a whole table or sorts."""
        engine = client.app.state.parts.database.engine
        asked = []
        event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
        with client.app.state.parts.database.reading_rows() as connection:
            page(connection, wanted, limit=50, before=before)
            [(statement, values)] = asked
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps = [row[-1] for row in plan]
        assert not any("SCAN" in step or "TEMP B-TREE" in step for step in steps), steps
        return steps
