"""A store that stumbles is tried again; one that stays down is said to be."""

import pytest

from worker import storing
from worker.storing import put_patiently


class Stumbling:
    """Fails so many times, then takes what it is given."""

    def __init__(self, failures):
        self.failures = failures
        self.kept = []

    def put(self, key, path):
        if self.failures:
            self.failures -= 1
            raise ConnectionResetError("the store is busy")
        self.kept.append(key)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(storing, "PAUSES_SECONDS", (0, 0, 0))


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_tries_again(failures, tmp_path):
    store = Stumbling(failures)
    put_patiently(store, "key", tmp_path)
    assert store.kept == ["key"]


def test_gives_up_in_the_end(tmp_path):
    store = Stumbling(4)  # the first try and three more
    with pytest.raises(ConnectionResetError):
        put_patiently(store, "key", tmp_path)
    assert store.kept == []
