"""The page on data sets says what the check takes."""

from pathlib import Path

import pytest

from app.domain import catalog
from worker.datasets import array_content as arrays
from worker.datasets import (
    array_files,
    class_folders,
    decoding,
    layouts,
    member_paths,
    splitting,
    tar_members,
    unpacking,
)
from worker.datasets.archives import ArchiveLimits
from worker.keeper import check, duplicates, imports

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "datasets.md").read_text("utf-8")


class TestFacts:
    def test_every_suffix_and_array_name_stands_there(self):
        pairs = [name for pairs in array_files._PAIRS.values() for pair in pairs for name in pair]
        names = [*decoding.SUFFIXES, *pairs, *array_files._CLASS_NAMES]
        assert [name for name in names if f"`{name}`" not in PAGE] == []

    @pytest.mark.parametrize(
        "words",
        [
            f"files and folders in an archive | {ArchiveLimits().members:,}, "
            f"paths of {member_paths._LONGEST_BYTES} bytes and {member_paths._DEEPEST} folders |",
            f"| {unpacking.WINDOW_BYTES >> 20} MiB of xz or zstd",
            f"headers of {tar_members.HEADER_BYTES >> 10} KiB",
            f"{ArchiveLimits().total_bytes >> 30} GiB, and above {ArchiveLimits().ratio_free_bytes >> 20} MiB in all, "
            f"{ArchiveLimits().ratio} times",
            f"{decoding.MAX_PIXELS // 10**6} million pixels; in an archive, {ArchiveLimits().member_bytes >> 20} MiB",
            f"{arrays.MAX_IMAGES:,} images, {arrays.MAX_BYTES >> 30} GiB, {arrays.MAX_ITEM_BYTES >> 20} MiB for one "
            f"image; above {arrays.RATIO_FREE_BYTES >> 30} GiB, {arrays.MAX_RATIO} times",
            f"| classes | {class_folders.MAX_CLASSES:,} |",
            f"{imports.WALL_TIME.seconds // 60} minutes, and {check.MEMORY_BYTES >> 30} GiB of memory",
            f"first {duplicates.EXAMPLES} pairs",
            f"by default {splitting.DEFAULT_TEST_FRACTION}; 0 keeps all",
            f"which images those are; by default {splitting.DEFAULT_SEED}.".capitalize(),
            f"if they are {check.SKIPPED_PERCENT} % of all or fewer",
        ],
    )
    def test_limits_are_the_checks(self, words):
        assert words in PAGE

    @pytest.mark.parametrize("fact", catalog.datasets().values(), ids=lambda fact: fact.name)
    def test_built_in_sets_are_the_catalogs(self, fact):
        (row,) = [line for line in PAGE.splitlines() if line.startswith("| `") and f"`{fact.name}`" in line]
        counts = " + ".join(f"{count:,}" for _, count in sorted(fact.counts.items(), reverse=True))
        colour = "grey" if fact.mode == "L" else "colour"
        assert f"| {counts} | {len(fact.classes)} | {fact.size} × {fact.size} {colour} |" in row
        folders = {path.relative_to("/data").parts[0] for choices in places(fact.name) for path in choices}
        assert all(f"`{folder.replace(fact.name, '<name>')}" in row for folder in folders)


def places(name):
    """Where a worker looks for each file of a built-in set."""
    return layouts.LAYOUTS[name].places(Path("/data"))
