"""What can be imported is what the torchvision that is installed has, and what the page on data sets says."""

import inspect
from pathlib import Path

import pytest
from torchvision import datasets

from app.domain import catalog
from app.domain.published import SETS, importable

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "datasets.md").read_text("utf-8")
# What torchvision has beside sets of images with one class each, and why it cannot be imported.
NO_CLASSES = {
    "no set of its own": "DatasetFolder FakeData ImageFolder VisionDataset wrap_dataset_for_transforms_v2",
    "many attributes of each face, and no class": "CelebA",
    "pairs of pictures": "LFWPairs PhotoTour",
    "captions": "CocoCaptions Flickr8k Flickr30k SBU",
    "boxes": "CocoDetection Kitti VOCDetection WIDERFace",
    "masks": "Cityscapes SBDataset VOCSegmentation",
    "videos": "HMDB51 Kinetics MovingMNIST UCF101",
    "optical flow": "FlyingChairs FlyingThings3D HD1K KittiFlow Sintel",
    "stereo": "CREStereo CarlaStereo ETH3DStereo FallingThingsStereo InStereo2k Kitti2012Stereo Kitti2015Stereo "
    "Middlebury2014Stereo SceneFlowStereo SintelStereo",
    "databases that another package reads, which torchvision no longer tests": "LSUN LSUNClass",
}


def test_every_set_of_torchvision_can_be_imported_or_has_a_reason():
    known = {one.kind for one in SETS.values()} | set(catalog.datasets())
    left_out = {name for names in NO_CLASSES.values() for name in names.split()}
    assert known & left_out == set()
    assert set(datasets.__all__) - known == left_out
    assert known - {"digits"} <= set(datasets.__all__)


@pytest.mark.parametrize("name", SETS)
def test_its_class_takes_what_it_is_given(name):
    one = SETS[name]
    signature = inspect.signature(getattr(datasets, one.kind))
    for part in (*one.train, *one.test):
        signature.bind("root", **part | ({"download": True} if one.downloads else {}))


def test_names_differ_in_more_than_case():
    names = importable()
    assert len({name.casefold() for name in names}) == len(names)


def test_the_page_has_all_of_them():
    rows = [f"| `{one.name}` | {'yes' if one.downloads else 'no'} | {one.place} |" for one in SETS.values()]
    assert [row for row in rows if row not in PAGE] == []
