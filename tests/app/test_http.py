"""Preferences and conditions, apart from any resource."""

import pytest
from pydantic import BaseModel
from starlette.requests import Request

from app.http import accepts, preferred_wait, revision_tag, send_json, unchanged


def request(*more, **headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": [*raw, *more]})


class Body(BaseModel):
    text: str


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


class TestConditions:
    @pytest.mark.parametrize(
        ("known", "is_fresh"),
        [
            ('"a"', True),
            ('W/"a"', True),  # compared weakly
            ('"b", "a"', True),
            ('"b" ,W/"a" , "c"', True),
            ("*", True),
            ('"b"', False),
            ('"A"', False),
            ("a", False),  # a tag has quotation marks
            ("", False),
        ],
    )
    def test_if_none_match(self, known, is_fresh):
        answer = unchanged(request(if_none_match=known), {"ETag": '"a"', "Vary": "Accept"})
        assert (answer is not None) == is_fresh
        if answer:
            assert (answer.status_code, answer.body) == (304, b"")
            assert (answer.headers["etag"], answer.headers["vary"]) == ('"a"', "Accept")
            assert "content-length" not in answer.headers

    def test_a_list_in_several_lines(self):
        lines = [(b"if-none-match", b'"b"'), (b"if-none-match", b'"c", "a"')]
        assert unchanged(request(*lines), {"ETag": '"a"'})
        assert not unchanged(request(*lines), {"ETag": '"d"'})

    def test_a_tag_of_content_is_the_content_s(self):
        first, same, other = (send_json(request(), Body(text=text)).headers["etag"] for text in ("a", "a", "b"))
        assert first == same != other
        assert send_json(request(if_none_match=first), Body(text="a")).status_code == 304
        assert send_json(request(if_none_match=first), Body(text="b")).status_code == 200

    def test_a_tag_of_a_revision_is_that_of_the_form_and_the_version_too(self, monkeypatch):
        tags = [revision_tag(7), revision_tag(8), revision_tag(7, "csv"), revision_tag(7, "json")]
        monkeypatch.setattr("app.http._version", lambda: "9.9")  # it may word the same row in another way
        assert len({*tags, revision_tag(7)}) == 5
