"""Files arrive whole over connections that break, and over runs that end."""

import fcntl
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from supercycle import Client, ConnectionFailed, DigestMismatch, ProblemError, UnexpectedAnswer

CONTENT = random.Random(7).randbytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "weights.safetensors"
PART = f".{NAME}.{SHA256[:16]}.part"


@dataclass
class Server:
    """Sends a file as the service does: ranges of it, the digest as ETag; cuts each connection after some bytes."""

    canned: type
    content: bytes = CONTENT
    etag: str = f'"{SHA256}"'
    cuts: list[int] = field(default_factory=list)
    cuts_always: int = 0
    knows_ranges: bool = True
    spans: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, request):
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        if not self.knows_ranges or request.headers.get("If-Range") != self.etag:
            start = 0
        if start and start >= len(self.content):
            return self.canned({"title": "Range"}, 416, {"Content-Range": f"bytes */{len(self.content)}"})
        rest = self.content[start:]
        sent = rest[: self.cuts.pop(0) if self.cuts else self.cuts_always or None]
        self.spans.append((start, start + len(sent)))
        headers = {"ETag": self.etag, "Accept-Ranges": "bytes"} if self.etag else {}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        return self.canned(sent, 206 if start else 200, headers, cut=len(rest) - len(sent))


@pytest.fixture
def server(service, canned):
    """Sends the file at /files/w."""
    service.answers["GET /files/w"] = server = Server(canned)
    return server


@pytest.fixture
def download(service, client, canned, tmp_path):
    """Downloads a model of that one file; returns what the file then holds, and looks that nothing else was left."""

    def fetch(sha256=SHA256, *, by=client, **options):
        model = {"files": [{"name": NAME, "sha256": sha256, "href": "/files/w"}]}
        service.answers["GET /v1/models/mdl_1"] = canned(model)
        (saved,) = by.download_model("mdl_1", tmp_path, **options)
        assert [path.name for path in tmp_path.iterdir()] == [saved.name] == [NAME]
        return saved.read_bytes()

    return fetch


class TestBrokenConnections:
    def test_are_taken_up_where_they_broke(self, server, download):
        server.cuts = [300_000, 1, 400_000]
        assert download() == CONTENT
        assert server.spans == [(0, 300_000), (300_000, 300_001), (300_001, 700_001), (700_001, 1_000_000)]

    @pytest.mark.parametrize("prefix", ["", "sha256:"])
    def test_of_a_file_without_a_listed_digest(self, server, download, prefix):
        server.cuts = [300_000]
        assert download(prefix + SHA256 if prefix else None) == CONTENT
        assert server.spans == [(0, 300_000), (300_000, 1_000_000)]

    def test_patience_begins_anew_with_each_byte(self, service, server, download):
        server.cuts_always = 100_000
        with Client(service.url, patience=0.15) as hasty:  # one pause of 0.1 s fits, two do not; ten are needed
            assert download(by=hasty) == CONTENT
        assert len(server.spans) == 10  # 1 000 000 / 100 000

    @pytest.mark.parametrize("knows_ranges", [True, False])
    def test_patience_ends_where_nothing_new_comes(self, service, server, download, tmp_path, knows_ranges):
        server.knows_ranges = knows_ranges
        server.cuts = [500_000] + [0 if knows_ranges else 400_000] * 100
        with Client(service.url, patience=0.6) as hasty, pytest.raises(ConnectionFailed):
            download(by=hasty)
        assert len(server.spans) == 3  # pauses of 0.1 and 0.2 s fit, one of 0.4 s more does not
        assert [path.name for path in tmp_path.iterdir()] == [PART]

    @pytest.mark.parametrize("etag", ['W/"1"', "", '"older"'])
    def test_begin_again_where_no_etag_says_it_is_the_same_file(self, server, download, etag):
        server.cuts, server.etag = [300_000], etag
        assert download() == CONTENT
        resumes = etag == '"older"'  # odd, but strong: the service's own word for these bytes
        assert server.spans[1][0] == (300_000 if resumes else 0)

    def test_begin_again_where_the_file_is_another_now(self, server, download):
        server.cuts, server.etag = [300_000], '"older"'

        def change(name, held, total):
            server.etag = f'"{SHA256}"'

        assert download(progress=change) == CONTENT
        assert server.spans == [(0, 300_000), (0, 1_000_000)]

    def test_wait_out_a_503(self, service, server, canned, download):
        busy = canned({"title": "Busy", "code": "unavailable"}, 503)
        service.answers["GET /files/w"] = lambda request: busy if len(service.requests) == 3 else server(request)
        server.cuts = [300_000]
        assert download() == CONTENT

    def test_another_range_than_asked_for_is_refused(self, service, canned, download):
        wrong = canned(b"x", 206, {"Content-Range": "bytes 7-7/9"})
        service.answers["GET /files/w"] = [canned(b"abc", headers={"ETag": '"1"'}, cut=3), wrong]
        with pytest.raises(UnexpectedAnswer, match="asked for the bytes from 3 on"):
            download()


class TestDigest:
    def test_a_damaged_file_leaves_nothing(self, server, download, tmp_path):
        server.content = CONTENT[:-1] + b"?"
        with pytest.raises(DigestMismatch, match="arrived damaged"):
            download()
        assert list(tmp_path.iterdir()) == []
        assert len(server.spans) == 1

    def test_the_etag_is_one_where_none_is_listed(self, server, download, tmp_path):
        server.content = CONTENT[:-1] + b"?"
        with pytest.raises(DigestMismatch, match=f"not {SHA256}"):
            download(None)
        assert list(tmp_path.iterdir()) == []

    def test_what_is_there_and_whole_is_not_fetched(self, server, download, tmp_path):
        (tmp_path / NAME).write_bytes(CONTENT)
        assert download() == CONTENT
        assert server.spans == []

    def test_what_is_no_digest_is_refused(self, server, download):
        with pytest.raises(UnexpectedAnswer, match="64 hexadecimal digits"):
            download("../../evil")

    def test_an_empty_file(self, server, download):
        server.content, empty = b"", hashlib.sha256(b"").hexdigest()
        assert download(empty) == b""


class TestLaterRuns:
    def test_take_up_what_was_kept(self, server, download, tmp_path):
        (tmp_path / PART).write_bytes(CONTENT[:600_000])
        assert download() == CONTENT
        assert server.spans == [(600_000, 1_000_000)]

    def test_only_look_at_a_part_that_is_whole(self, server, download, tmp_path):
        (tmp_path / PART).write_bytes(CONTENT)
        assert download() == CONTENT
        assert server.spans == []

    @pytest.mark.parametrize(
        ("part", "spans"),
        [
            (b"?" * 600_000, [(600_000, 1_000_000), (0, 1_000_000)]),
            (CONTENT + b"?", [(0, 1_000_000)]),  # 416 first
        ],
        ids=["other bytes", "too long"],
    )
    def test_fetch_anew_what_does_not_fit(self, server, download, tmp_path, part, spans):
        (tmp_path / PART).write_bytes(part)
        assert download() == CONTENT
        assert server.spans == spans

    def test_fetch_anew_only_once(self, server, download, tmp_path):
        (tmp_path / PART).write_bytes(CONTENT[:10])
        server.content = CONTENT[:-1] + b"?"
        with pytest.raises(DigestMismatch):
            download()
        assert server.spans == [(10, 1_000_000), (0, 1_000_000)]
        assert list(tmp_path.iterdir()) == []

    def test_an_error_before_the_first_byte_leaves_no_part(self, service, canned, download, tmp_path):
        service.answers["GET /files/w"] = canned({"title": "Lost", "code": "file_lost"}, 404)
        with pytest.raises(ProblemError, match="file_lost"):
            download()
        assert list(tmp_path.iterdir()) == []

    def test_a_killed_process_is_taken_up(self, service, server, canned, download, tmp_path):
        server.cuts = [700_000] + [0] * 10_000
        service.answers["GET /v1/models/mdl_1"] = canned(
            {"files": [{"name": NAME, "sha256": SHA256, "href": "/files/w"}]}
        )
        code = f"from supercycle import Client; Client({service.url!r}, patience=60).download_model('mdl_1', '.')"
        process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=dict(os.environ))
        deadline = time.monotonic() + 30
        while len(server.spans) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = (tmp_path / PART).stat().st_size
        assert 0 < kept <= 700_000
        server.cuts.clear()
        server.spans.clear()
        assert download() == CONTENT
        assert server.spans == [(kept, 1_000_000)]

    def test_a_part_that_another_process_writes_is_let_alone(self, server, download, tmp_path):
        part = tmp_path / PART
        with part.open("wb") as theirs:
            fcntl.flock(theirs, fcntl.LOCK_EX)
            with pytest.raises(AssertionError, match="part"):  # the check of the fixture: the part stays
                download()
        assert (tmp_path / NAME).read_bytes() == CONTENT
        assert part.read_bytes() == b""


class TestProgress:
    def test_counts_the_bytes_that_are_here(self, server, download):
        server.cuts, seen = [300_000], []
        download(progress=lambda *told: seen.append(told))
        assert seen[0] == (NAME, 0, 1_000_000)
        assert (NAME, 300_000, 1_000_000) in seen
        assert seen[-1] == (NAME, 1_000_000, 1_000_000)
        assert [held for _, held, _ in seen] == sorted(held for _, held, _ in seen)

    def test_begins_with_what_an_earlier_run_had(self, server, download, tmp_path):
        (tmp_path / PART).write_bytes(CONTENT[:600_000])
        seen = []
        download(progress=lambda *told: seen.append(told))
        assert seen[0] == (NAME, 600_000, 1_000_000)

    def test_of_what_is_there_already(self, server, download, tmp_path):
        Path(tmp_path / NAME).write_bytes(CONTENT)
        seen = []
        download(progress=lambda *told: seen.append(told))
        assert seen == [(NAME, 1_000_000, 1_000_000)]
