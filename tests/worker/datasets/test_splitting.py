"""Which images become test images: by content alone, a share of each class, and copies never apart."""

import hashlib
import random

import pytest

from worker.datasets.splitting import MadeSplit, alike, rank_of


def digest(name):
    return hashlib.sha256(str(name).encode()).digest()


def chosen(images, split):
    """The contents that are for testing, of `(content, label)`."""
    marks = split.marks(split.ranks(digest(content) for content, _ in images), [label for _, label in images])
    return {content for (content, _), mark in zip(images, marks, strict=True) if mark}


THREE_CLASSES = [(f"{label}-{number}", label) for label, size in enumerate((40, 25, 3)) for number in range(size)]


class TestMarks:
    @pytest.mark.parametrize(
        ("share", "expected"),
        [
            (0.2, [8, 5, 1]),  # 8.0, 5.0, 0.6
            (0.1, [4, 2, 0]),  # 4.0, 2.5 rounded to even, 0.3
            (0.5, [20, 12, 2]),  # 20.0, 12.5, 1.5
            (0.99, [39, 24, 2]),  # 39.6 and 24.75 and 2.97, of which one is left to train on
            (0.0, [0, 0, 0]),
        ],
    )
    def test_each_class_gives_its_share(self, share, expected):
        found = chosen(THREE_CLASSES, MadeSplit(share))
        assert [sum(content.startswith(f"{label}-") for content in found) for label in range(3)] == expected

    def test_the_order_does_not_matter(self):
        shuffled = random.Random(0).sample(THREE_CLASSES, len(THREE_CLASSES))
        assert chosen(shuffled, MadeSplit(0.2)) == chosen(THREE_CLASSES, MadeSplit(0.2))

    def test_the_seed_does(self):
        drawn = [chosen(THREE_CLASSES, MadeSplit(0.2, seed)) for seed in (0, 0, 1, 2**32 - 1)]
        assert drawn[0] == drawn[1]
        assert len(set(map(frozenset, drawn))) == 3

    def test_they_are_those_of_the_lowest_sums(self):
        one_class = [(number, 0) for number in range(20)]
        sums = {number: hashlib.sha256(b"7\0" + digest(number)).hexdigest() for number in range(20)}
        assert chosen(one_class, MadeSplit(0.25, 7)) == set(sorted(sums, key=sums.get)[:5])

    def test_an_image_more_moves_at_most_one_other(self):
        one_class = [(number, 0) for number in range(50)]
        before, after = (chosen(one_class[:count], MadeSplit(0.2)) for count in (49, 50))
        assert len(before - after) <= 1


class TestCopies:
    @pytest.mark.parametrize("seed", range(20))
    def test_are_never_apart(self, seed):
        images = [(number // 2, 0) for number in range(40)]  # each content twice
        split = MadeSplit(0.3, seed)
        marks = split.marks(split.ranks(digest(content) for content, _ in images), [0] * 40)
        assert [marks[place] for place in range(0, 40, 2)] == [marks[place] for place in range(1, 40, 2)]
        assert sum(marks) == 12

    @pytest.mark.parametrize("seed", range(20))
    def test_too_many_for_the_class_are_for_training_and_others_are_tested_instead(self, seed):
        images = [("black", 0)] * 10 + [(number, 0) for number in range(10)]
        found = chosen(images, MadeSplit(0.2, seed))
        assert "black" not in found
        assert len(found) == 4

    @pytest.mark.parametrize("seed", range(20))
    def test_under_two_classes_are_for_training(self, seed):
        images = [*((number, 0) for number in range(10)), *((number, 1) for number in range(5, 15))]
        found = chosen(images, MadeSplit(0.4, seed))
        assert found.isdisjoint(range(5, 10))
        assert len(found) == 8

    def test_one_image_over_and_over_is_all_for_training(self):
        assert chosen([("black", 0)] * 10, MadeSplit(0.5)) == set()


class TestAlike:
    def test_groups_by_rank_in_its_order(self):
        assert list(alike([5, 3, 5, 9, 3])) == [[1, 4], [0, 2], [3]]

    def test_a_rank_is_of_seed_and_content(self):
        one = rank_of(digest("a"), seed=0)
        assert one == rank_of(digest("a"), seed=0) < 2**64
        assert len({one, rank_of(digest("b"), seed=0), rank_of(digest("a"), seed=1)}) == 3


class TestVersion:
    def test_is_of_content_share_and_seed(self):
        version = MadeSplit(0.2, 0).version("sha256:1")
        assert version == MadeSplit().version("sha256:1")
        others = [MadeSplit(0.2, 1).version("sha256:1"), MadeSplit(0.1, 0).version("sha256:1")]
        assert len({version, "sha256:1", MadeSplit().version("sha256:2"), *others}) == 5
