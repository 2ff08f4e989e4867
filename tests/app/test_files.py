"""Stored files in ranges, and under conditions, apart from any resource."""

import pytest
from starlette.requests import Request

from app.artifacts.store import ArtifactStore
from app.errors import RangeNotSatisfiable
from app.files import StoredFile, send_file

TAG = '"d1ge57"'


def request(**headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


@pytest.fixture
def stored(tmp_path):
    """A file of a hundred bytes, and its store."""
    source = tmp_path / "source"
    source.write_bytes(bytes(range(100)))
    store = ArtifactStore((tmp_path / "store").as_uri())
    store.put("k/a.bin", source)
    return store, StoredFile("a.bin", "k/a.bin", 100, TAG.strip('"'), "application/octet-stream")


@pytest.fixture
def send(stored):
    return lambda **headers: send_file(request(**headers), *stored)


class TestRanges:
    @pytest.mark.parametrize(
        ("span", "sent"),
        [
            ("bytes=0-9", "bytes 0-9/100"),
            ("bytes=90-", "bytes 90-99/100"),
            ("bytes=-10", "bytes 90-99/100"),  # the last ten
            ("bytes=-1000", "bytes 0-99/100"),
            ("bytes=50-1000", "bytes 50-99/100"),
            ("bytes=99-99", "bytes 99-99/100"),
            ("bytes = 0-0", "bytes 0-0/100"),
            ("BYTES=0-0", "bytes 0-0/100"),
        ],
    )
    def test_one(self, send, span, sent):
        response = send(range=span)
        assert (response.status_code, response.headers["content-range"]) == (206, sent)
        first, last = sent.removeprefix("bytes ").removesuffix("/100").split("-")
        assert int(response.headers["content-length"]) == int(last) - int(first) + 1
        assert response.headers["etag"] == TAG

    @pytest.mark.parametrize("span", ["bytes=100-", "bytes=-0", "bytes=9-3", "bytes=100-200"])
    def test_none_of_its_bytes(self, send, span):
        with pytest.raises(RangeNotSatisfiable) as caught:
            send(range=span)
        assert (caught.value.status, caught.value.headers["Content-Range"]) == (416, "bytes */100")

    @pytest.mark.parametrize(
        "span",
        ["bytes=0-1,5-6", "bytes=0-1,900-", "bytes=-", "bytes=", "lines=0-9", "bytes=a-b", "bytes=1", "0-9",
         "bytes=" + "9" * 5000 + "-", "bytes=-" + "9" * 5000, ""],
    )  # fmt: skip
    def test_what_is_sent_whole(self, send, span):
        """Several at once, another unit, and what is no range: the server may, or must, leave these aside."""
        response = send(range=span)
        assert (response.status_code, response.headers["content-length"]) == (200, "100")
        assert response.headers["accept-ranges"] == "bytes"
        assert "content-range" not in response.headers

    @pytest.mark.parametrize("span", [None, "bytes=0-", "bytes=-5"])
    def test_an_empty_file(self, stored, span):
        about = request(range=span) if span else request()
        response = send_file(about, stored[0], StoredFile("e", "k/none", 0, "e3b0", "text/plain"))
        assert (response.status_code, response.headers["content-length"]) == (200, "0")


class TestIfRange:
    @pytest.mark.parametrize(
        ("validator", "status"),
        [
            (TAG, 206),
            ('"older"', 200),
            (f"W/{TAG}", 200),  # compared strongly
            (TAG.strip('"'), 200),
            (f'{TAG}, "older"', 200),  # it is one, not a list
            ("*", 200),
            ("Wed, 21 Oct 2065 07:28:00 GMT", 200),  # no file says when it was modified, so none has this date
            ("Wed, 21 Oct 2015 07:28:00 GMT", 200),
            ("", 200),
        ],
    )
    def test_only_the_file_s_own_tag_lets_a_range_be_sent(self, send, validator, status):
        assert send(range="bytes=0-1", if_range=validator).status_code == status

    def test_another_version_is_sent_whole_even_where_the_range_is_not_in_this_one(self, send):
        assert send(range="bytes=100-", if_range='"older"').status_code == 200

    def test_without_a_range_it_says_nothing(self, send):
        assert send(if_range='"older"').status_code == send(if_range=TAG).status_code == 200

    def test_what_is_known_is_not_sent_again_in_parts(self, send):
        response = send(range="bytes=0-1", if_none_match=f"W/{TAG}", if_range=TAG)
        assert (response.status_code, response.headers["etag"]) == (304, TAG)
