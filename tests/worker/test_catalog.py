"""The committed catalog is what the generator gives for the installed torchvision."""

import json

import pytest

from app.domain.catalog import ArchitectureFact
from worker import catalog
from worker.engine import nets

COMMITTED = json.loads(catalog.PATH.read_text("utf-8"))
FACTS = {fact["name"]: fact for fact in COMMITTED["architectures"]}


class TestCatalog:
    def test_names_are_complete(self):
        assert list(FACTS) == catalog.architecture_names()

    def test_datasets(self):
        assert COMMITTED["datasets"] == [fact.model_dump(mode="json") for fact in catalog.dataset_facts()]
        assert {fact["name"]: len(fact["classes"]) for fact in COMMITTED["datasets"]} == {
            "CIFAR10": 10, "CIFAR100": 100, "FashionMNIST": 10, "KMNIST": 10, "MNIST": 10, "SVHN": 10, "digits": 10,
        }  # fmt: skip

    @pytest.mark.parametrize("name", [*sorted(nets.DESIGNS), "alexnet", "mobilenet_v2", "resnet18", "vgg11"])
    def test_architecture(self, name):
        assert FACTS[name] == catalog.architecture_fact(name).model_dump(mode="json")

    def test_text_is_the_generators(self):
        facts = [ArchitectureFact.model_validate(fact) for fact in COMMITTED["architectures"]]
        assert catalog.PATH.read_text("utf-8") == catalog.render(facts, catalog.dataset_facts())

    @pytest.mark.verify
    @pytest.mark.timeout(600)
    def test_every_architecture(self):
        fresh = {name: catalog.architecture_fact(name).model_dump(mode="json") for name in catalog.architecture_names()}
        assert fresh == FACTS
