"""The committed catalog is what the generator gives for the installed torchvision."""

import json

import pytest

from app.domain.catalog import ArchitectureFact
from worker import catalog
from worker.engine.nets.designs import DESIGNS
from worker.engine.nets.families import family_of

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

    # The deepest take a second each; `make verify` tries them with all the others.
    @pytest.mark.parametrize(
        "name", [*sorted(DESIGNS.keys() - {"resnet44", "resnet110"}), "alexnet", "mobilenet_v2", "resnet18", "vgg11"]
    )
    def test_architecture(self, name):
        assert FACTS[name] == catalog.architecture_fact(name).model_dump(mode="json")

    def test_text_is_the_generators(self):
        facts = [ArchitectureFact.model_validate(fact) for fact in COMMITTED["architectures"]]
        assert catalog.PATH.read_text("utf-8") == catalog.render(facts, catalog.dataset_facts())

    @pytest.mark.parametrize(
        ("name", "paper"),
        [("resnet18", "1512.03385"), ("wide_resnet50_2", "1605.07146"), ("swin_t", "2103.14030"),
         ("swin_v2_t", "2111.09883"), ("efficientnet_b0", "1905.11946"), ("efficientnet_v2_s", "2104.00298")],
    )  # fmt: skip
    def test_the_longest_beginning_names_the_family(self, name, paper):
        assert family_of(name).paper == paper == FACTS[name]["paper"]
        assert FACTS[name]["description"] == family_of(name).description

    def test_a_family_that_nobody_described_stops_the_generator(self):
        with pytest.raises(KeyError, match="describe the family of mamba_s"):
            family_of("mamba_s")

    @pytest.mark.verify
    @pytest.mark.timeout(600)
    def test_every_architecture(self):
        fresh = {name: catalog.architecture_fact(name).model_dump(mode="json") for name in catalog.architecture_names()}
        assert fresh == FACTS
