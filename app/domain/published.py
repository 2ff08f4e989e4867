"""The classification sets of torchvision that are imported before they are used; the catalog's need no import.

Only what is known without torchvision: their names, of which parts their training and test images are made, where
their files lie. A test compares the list with the torchvision that is installed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain import catalog

Part = Mapping[str, Any]  #: what the class of torchvision is called with


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """One set. `place` is where torchvision looks for its files, below the data folder's `datasets/`."""

    name: str
    kind: str  #: its class in torchvision.datasets
    place: str
    train: tuple[Part, ...] = ({},)
    test: tuple[Part, ...] = ()  #: of a set without test images the check takes some out
    folder: str = ""  #: a folder of its own there, where its files have names that any might have
    downloads: bool = True  #: whether torchvision can fetch it, without an account and without another package
    needs: str = ""  #: a package that reads it, and that Supercycle does not bring along
    class_names: tuple[str, ...] = field(default=())  #: where torchvision has numbers only


def _of_split(*names: str, **more: Any) -> tuple[Part, ...]:  # noqa: ANN401
    return tuple({"split": name, **more} for name in names)


def _emnist(split: str) -> PublishedSet:
    whole: tuple[Part, ...] = ({"split": split, "train": True},)
    return PublishedSet(f"EMNIST-{split}", "EMNIST", "EMNIST/raw/", whole, ({"split": split, "train": False},))


def _naturalist(name: str, train: str, *test: str) -> PublishedSet:
    place = ", ".join(f"{version}/" for version in (train, *test))
    tests: tuple[Part, ...] = tuple({"version": version} for version in test)
    return PublishedSet(f"INaturalist-{name}", "INaturalist", place, ({"version": train},), tests)


_FACES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

_SETS = (
    PublishedSet("CLEVRClassification", "CLEVRClassification", "clevr/", _of_split("train"), _of_split("val")),
    PublishedSet("Caltech101", "Caltech101", "caltech101/"),
    PublishedSet("Caltech256", "Caltech256", "caltech256/"),
    PublishedSet("Country211", "Country211", "country211/", _of_split("train", "valid"), _of_split("test")),
    PublishedSet("DTD", "DTD", "dtd/", _of_split("train", "val"), _of_split("test")),
    *map(_emnist, ("balanced", "byclass", "bymerge", "digits", "letters", "mnist")),
    PublishedSet("EuroSAT", "EuroSAT", "eurosat/"),
    PublishedSet(
        "FER2013",
        "FER2013",
        "fer2013/ (fer2013.csv, icml_face_data.csv or train.csv)",
        _of_split("train"),
        _of_split("test"),
        downloads=False,
        class_names=_FACES,
    ),
    PublishedSet("FGVCAircraft", "FGVCAircraft", "fgvc-aircraft-2013b/", _of_split("trainval"), _of_split("test")),
    PublishedSet("Flowers102", "Flowers102", "flowers-102/", _of_split("train", "val"), _of_split("test")),
    PublishedSet("Food101", "Food101", "food-101/", _of_split("train"), _of_split("test")),
    PublishedSet("GTSRB", "GTSRB", "gtsrb/", _of_split("train"), _of_split("test")),
    _naturalist("2017", "2017"),
    _naturalist("2018", "2018"),
    _naturalist("2019", "2019"),
    _naturalist("2021", "2021_train", "2021_valid"),
    _naturalist("2021-mini", "2021_train_mini", "2021_valid"),
    PublishedSet(
        "ImageNet",
        "ImageNet",
        "imagenet/ (ILSVRC2012_devkit_t12.tar.gz, ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar)",
        _of_split("train"),
        _of_split("val"),
        folder="imagenet",
        downloads=False,
    ),
    PublishedSet("Imagenette", "Imagenette", "imagenette2/", _of_split("train"), _of_split("val")),
    PublishedSet(
        "LFWPeople",
        "LFWPeople",
        "lfw-py/ (lfw-funneled.tgz and the folder that is in it, people.txt and lfw-names.txt)",
        _of_split("10fold"),
        downloads=False,
    ),
    PublishedSet("Omniglot", "Omniglot", "omniglot-py/", ({"background": True}, {"background": False})),
    PublishedSet("OxfordIIITPet", "OxfordIIITPet", "oxford-iiit-pet/", _of_split("trainval"), _of_split("test")),
    PublishedSet(
        "PCAM",
        "PCAM",
        "pcam/ (the six files camelyonpatch_level_2_split_*.h5, unpacked)",
        _of_split("train", "val"),
        _of_split("test"),
        downloads=False,  # from Google Drive, for which torchvision needs one more package
        needs="h5py",
    ),
    PublishedSet(
        "Places365",
        "Places365",
        "data_256_standard/, val_256/, categories_places365.txt and places365_*.txt",
        _of_split("train-standard", small=True),
        _of_split("val", small=True),
    ),
    PublishedSet("QMNIST", "QMNIST", "QMNIST/raw/", ({"what": "train"},), ({"what": "test"},)),
    PublishedSet("RenderedSST2", "RenderedSST2", "rendered-sst2/", _of_split("train", "val"), _of_split("test")),
    PublishedSet("SEMEION", "SEMEION", "semeion.data"),
    PublishedSet("STL10", "STL10", "stl10_binary/", _of_split("train"), _of_split("test")),
    PublishedSet("SUN397", "SUN397", "SUN397/"),
    PublishedSet(
        "StanfordCars",
        "StanfordCars",
        "stanford_cars/ (cars_train/, cars_test/, devkit/ and cars_test_annos_withlabels.mat)",
        _of_split("train"),
        _of_split("test"),
        downloads=False,
    ),
    PublishedSet("USPS", "USPS", "usps.bz2 and usps.t.bz2", ({"train": True},), ({"train": False},)),
)

SETS = {one.name: one for one in _SETS}


def importable() -> list[str]:
    """Every name that a `dataset_import` takes, in the order of names."""
    return sorted({*catalog.datasets(), *SETS}, key=str.lower)
