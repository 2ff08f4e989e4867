"""Preferences, conditions and ranges, apart from any resource."""

import pytest
from starlette.requests import Request

from app.artifacts.store import ArtifactStore
from app.http import StoredFile, accepts, is_fresh, preferred_wait, send_file


def request(**headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


class TestPreferences:
    @pytest.mark.parametrize(
        ("prefer", "seconds"),
        [
            ("wait=30", 30),
            ("respond-async, wait=5", 5),
            ("respond-async;wait=5", 5),
            ("wait=600", 60),  # a minute at most
            ("wait=0", 0),
            ("await=3", 0),
            ("wait=-3", 0),
            ("wait=x", 0),
            ("", 0),
        ],
    )
    def test_wait(self, prefer, seconds):
        assert preferred_wait(request(prefer=prefer)) == seconds

    def test_accept(self):
        assert accepts(request(accept="text/event-stream, */*"), "text/event-stream")
        assert not accepts(request(accept="*/*"), "text/event-stream")
        assert not accepts(request(), "text/csv")

    @pytest.mark.parametrize(
        ("known", "fresh"),
        [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("", False)],
    )
    def test_if_none_match(self, known, fresh):
        assert is_fresh(request(if_none_match=known), '"a"') is fresh


class TestRanges:
    @pytest.fixture
    def stored(self, tmp_path):
        source = tmp_path / "source"
        source.write_bytes(bytes(range(100)))
        store = ArtifactStore((tmp_path / "store").as_uri())
        store.put("k/a.bin", source)
        return store, StoredFile("a.bin", "k/a.bin", 100, "d1ge57", "application/octet-stream")

    @pytest.mark.parametrize(
        ("span", "expected"),
        [
            ("bytes=0-9", (206, "bytes 0-9/100")),
            ("bytes=90-", (206, "bytes 90-99/100")),
            ("bytes=-10", (206, "bytes 90-99/100")),
            ("bytes=-1000", (206, "bytes 0-99/100")),
            ("bytes=50-1000", (206, "bytes 50-99/100")),
            ("bytes = 0-0", (206, "bytes 0-0/100")),
            ("bytes=100-", (416, "bytes */100")),
            ("bytes=-0", (416, "bytes */100")),
            ("bytes=9-3", (416, "bytes */100")),
            ("bytes=0-1,5-6", (200, None)),  # several are answered with the whole
            ("bytes=-", (200, None)),
            ("lines=0-9", (200, None)),
            ("bytes=" + "9" * 5000 + "-", (200, None)),
            ("", (200, None)),
        ],
    )
    def test_status_and_span(self, stored, span, expected):
        response = send_file(request(range=span), *stored)
        assert (response.status_code, response.headers.get("content-range")) == expected
        length = {200: 100, 206: None, 416: 0}[expected[0]]
        assert length is None or int(response.headers["content-length"]) == length

    def test_if_range_of_another_version_sends_the_whole(self, stored):
        assert send_file(request(range="bytes=0-1", if_range='"d1ge57"'), *stored).status_code == 206
        assert send_file(request(range="bytes=0-1", if_range='"older"'), *stored).status_code == 200

    def test_an_empty_file(self, stored):
        store, _ = stored
        response = send_file(request(), store, StoredFile("e", "k/none", 0, "e3b0", "text/plain"))
        assert (response.status_code, response.headers["content-length"]) == (200, "0")
