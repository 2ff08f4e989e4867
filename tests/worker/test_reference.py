"""The page on architectures says what the catalog says."""

import json
import re

from app.domain.catalog import architectures
from app.domain.layers import Shape, measure
from app.domain.specs import parse_spec
from worker import reference

PAGE = reference.PATH.read_text("utf-8")


class TestPage:
    def test_is_the_generators(self):
        assert reference.render(list(architectures().values())) == PAGE

    def test_names_every_architecture(self):
        assert [name for name in architectures() if f"`{name}`" not in PAGE] == []

    def test_its_example_can_be_trained(self):
        spec = parse_spec(json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1]))
        assert measure(spec.architecture.layers, Shape(3, 32), classes=10).parameters > 50_000
