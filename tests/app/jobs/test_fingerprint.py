import pytest

from app.jobs.fingerprint import PACKAGE, code_version, digest_of


@pytest.fixture
def sources(tmp_path):
    """A small program of the same layout."""
    for name in ("app/domain/rule.py", "worker/engine/loop.py", "app/web.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    return tmp_path


class TestCode:
    @pytest.mark.parametrize(
        ("name", "counts"), [("app/domain/rule.py", True), ("worker/engine/loop.py", True), ("app/web.py", False)]
    )
    def test_a_change_of_what_decides_is_another_version(self, sources, name, counts):
        before = digest_of(sources)
        (sources / name).write_text("x = 2\n")
        assert (digest_of(sources) != before) is counts

    def test_a_file_of_another_name_is_another_version(self, sources):
        before = digest_of(sources)
        (sources / "worker/engine/loop.py").rename(sources / "worker/engine/pool.py")
        assert digest_of(sources) != before

    def test_is_found_where_this_program_lies(self):
        assert code_version().endswith(digest_of(PACKAGE))
        assert (PACKAGE / "worker/engine/loop.py").exists()
