"""Pages of a history, read once for all who listen, and never more of them than the cache may hold."""

import pytest

from app.domain.lifecycle import JobState
from app.jobs import stream
from app.jobs.stream import Pages


@pytest.fixture
def hand(database, hand_of):
    return hand_of(database)


@pytest.fixture
def job(database, put_job):
    return put_job(database)


@pytest.fixture
def pages(database, monkeypatch):
    """Pages that count in `reads` how often they ask the database."""
    pages = Pages(database)
    pages.reads = []
    original = pages._read
    monkeypatch.setattr(pages, "_read", lambda *asked: pages.reads.append(asked) or original(*asked))
    return pages


def log(text):
    return "log", {"level": "info", "message": text}


class TestSharing:
    def test_what_one_read_all_get(self, pages, job):
        first = pages.after(job, 0, newest=1)
        assert (first.last_seq, first.is_full, first.is_last) == (1, False, False)
        assert pages.after(job, 0, newest=1) is first
        assert len(pages.reads) == 1

    def test_a_page_from_before_the_news_is_read_again(self, pages, hand, job):
        pages.after(job, 0, newest=1)
        hand.claim()
        assert pages.after(job, 0, newest=2).last_seq == 2
        assert len(pages.reads) == 2

    def test_a_full_page_stays_as_it_is(self, pages, hand, job, monkeypatch):
        monkeypatch.setattr(stream, "MOST_EVENTS", 2)
        lease = hand.claim()
        first = pages.after(job, 0, newest=2)
        assert (first.last_seq, first.is_full) == (2, True)
        hand.write(lease, log("later"))
        assert pages.after(job, 0, newest=3) is first

    def test_the_end_is_a_page_of_its_own_kind(self, pages, hand, job):
        hand.do("finish", hand.claim(), JobState.SUCCEEDED)
        page = pages.after(job, 0, newest=3)
        assert (page.last_seq, page.is_last) == (3, True)
        assert page.text.count(b"\nid: ") == 3

    def test_of_a_job_that_is_gone(self, pages, job):
        assert pages.after(job, 7, newest=8) is None


class TestBounds:
    def test_large_events_make_several_pages_at_one_read(self, pages, hand, job, monkeypatch):
        monkeypatch.setattr(stream, "PAGE_BYTES", 1000)
        hand.write(hand.claim(), *[log("x" * 400)] * 5)
        seen = [0]
        while seen[-1] < 7:
            page = pages.after(job, seen[-1], newest=7)
            assert len(page.text) < 1000 + 600  # the event that fills it is whole
            seen.append(page.last_seq)
        assert seen == [0, 4, 6, 7]  # two small ones come first
        assert len(pages.reads) == 1

    def test_the_oldest_pages_go(self, pages, hand, job, monkeypatch):
        monkeypatch.setattr(stream, "PAGE_BYTES", 1)  # a page for each event
        monkeypatch.setattr(stream, "CACHE_BYTES", 3000)
        hand.write(hand.claim(), *[log("x" * 400)] * 20)
        assert pages.after(job, 0, newest=22).last_seq == 1
        assert len(pages._kept) <= 3
        assert pages._bytes == sum(len(page.text) + stream.ENTRY_BYTES for page in pages._kept.values()) <= 3000
        assert pages.after(job, 21, newest=22).last_seq == 22
        assert len(pages.reads) == 1
        assert pages.after(job, 2, newest=22).last_seq == 3  # gone, so it is read again
        assert len(pages.reads) == 2
