"""What `import supercycle` offers."""

import supercycle


class TestNames:
    def test_what_is_loaded_on_first_use_is_listed_before(self):
        assert set(supercycle.__all__) <= set(dir(supercycle))
        assert "__file__" in dir(supercycle)  # as in any module

    def test_every_listed_name_is_there(self):
        assert [name for name in dir(supercycle) if not hasattr(supercycle, name)] == []
