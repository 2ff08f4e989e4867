"""Which dataset a spec means, and what is said when it means none."""

from pathlib import Path

import numpy as np
import pytest

from app.callers import administrator
from app.datasets import service
from app.datasets.built_in import class_counts
from app.datasets.facts import built_in_by_name
from app.domain import catalog
from app.domain.specs import DatasetRef
from app.errors import ServiceError
from worker.datasets import idx
from worker.datasets.layouts import LAYOUTS

OTHER = "sha256:" + "0" * 64  #: of no content

REAL = Path(__file__).parents[3] / "../shared/data"


@pytest.fixture
def resolve(database):
    def call(**ref):
        with database.reading() as session:
            return service.resolve(DatasetRef(**ref), session, administrator())

    return call


class TestResolve:
    def test_a_built_in_set_by_name_and_by_id(self, resolve):
        digits = resolve(name="digits")
        assert resolve(id=digits.id) == digits
        assert (digits.counts, digits.validation, digits.image_size) == ({"train": 1797, "test": 0}, 0.2, 8)

    def test_the_version_asked_of_a_built_in_set_is_passed_on(self, resolve):
        digits = resolve(name="digits")
        assert resolve(id=digits.id, version=OTHER).version == OTHER

    def test_an_upload(self, resolve, upload, check_all, settings):
        posted = upload().json()
        check_all()
        pets = resolve(name="pets")
        assert resolve(id=pets.id, version=pets.version) == pets
        assert (pets.kind, pets.counts, pets.mode, pets.side) == ("uploaded", {"train": 6, "test": 2}, "L", 8)
        assert pets.augmentation.crop == 1  # an eighth of 8
        assert not pets.augmentation.flip
        assert pets.path == str(settings.folder("datasets/uploaded") / posted["id"])

    @pytest.mark.parametrize(
        ("ref", "code", "words"),
        [
            ({"name": "digit"}, "unknown_dataset", "did you mean 'digits'"),
            ({"name": "cifar10"}, "unknown_dataset", "did you mean 'CIFAR10'"),
            ({"name": "pest"}, "unknown_dataset", "did you mean 'pets'"),
            ({"name": "zzz"}, "unknown_dataset", "no dataset 'zzz'."),
            ({"id": "ds_zzz"}, "unknown_dataset", "ds_zzz"),
            ({"name": "pets"}, "dataset_not_ready", "pets is validating"),
        ],
    )
    def test_what_cannot_be_used(self, resolve, upload, ref, code, words):
        upload()
        with pytest.raises(ServiceError, match=words) as error:
            resolve(**ref)
        assert error.value.code == code
        assert error.value.errors[0].pointer == "#/dataset"

    def test_another_version(self, resolve, upload, check_all):
        upload()
        check_all()
        with pytest.raises(ServiceError) as error:
            resolve(name="pets", version=OTHER)
        assert error.value.code == "dataset_version_mismatch"

    def test_one_that_failed_its_check(self, resolve, upload, check_all):
        upload(files={"cat/a.png": b"broken", "dog/b.png": b"broken"})
        check_all()
        with pytest.raises(ServiceError, match="pets is invalid"):
            resolve(name="pets")


class TestClassCounts:
    @pytest.mark.parametrize("name", sorted(catalog.datasets()))
    def test_they_add_up_to_the_catalog(self, name):
        facts = built_in_by_name(name)
        assert {split: sum(counts.values()) for split, counts in class_counts(facts).items()} == facts.counts

    def test_digits(self):
        labels = LAYOUTS["digits"].read(Path())["train"].labels
        counted = class_counts(built_in_by_name("digits"))["train"]
        assert list(counted.values()) == np.bincount(labels).tolist()

    @pytest.mark.parametrize(("split", "file"), [("train", "train"), ("test", "t10k")])
    def test_mnist(self, split, file):
        path = REAL / f"{file}-labels-idx1-ubyte.gz"
        if not path.is_file():
            pytest.skip("../shared/data has no MNIST")
        counted = class_counts(built_in_by_name("MNIST"))[split]
        assert list(counted.values()) == np.bincount(idx.read(path)).tolist()
