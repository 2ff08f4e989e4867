import pytest

from worker.engine import host
from worker.engine.host import host_bytes


@pytest.fixture
def limited(tmp_path, monkeypatch):
    """What may be used where these are the limits of control groups, of version 2 and of version 1; None is no file."""
    monkeypatch.setattr(host.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}.__getitem__)

    def look(*limits):
        paths = [tmp_path / str(version) for version in range(len(limits))]
        for path, text in zip(paths, limits, strict=True):
            if text is not None:
                path.write_text(f"{text}\n")
        monkeypatch.setattr(host, "LIMITS", paths)
        return host_bytes()

    return look


class TestHostBytes:
    @pytest.mark.parametrize(
        ("limits", "expected"),
        [
            ((None, None), 4_096_000),
            (("max", None), 4_096_000),
            (("1000000", None), 1_000_000),
            ((None, "2000000"), 2_000_000),
            ((None, "9223372036854771712"), 4_096_000),  # how version 1 says that there is none
        ],
    )
    def test_is_the_machines_or_less(self, limited, limits, expected):
        assert limited(*limits) == expected

    def test_of_this_machine_is_a_number(self):
        assert host_bytes() > 2**20
