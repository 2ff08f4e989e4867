"""How many images the built-in sets have of each class, as they were published."""

from app.datasets.facts import DatasetFacts

# Sets that are not listed have as many of each class.
_UNEVEN = {
    "digits": {"train": [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]},
    "MNIST": {
        "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    },
    "SVHN": {
        "train": [4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659],
        "test": [1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595],
    },
}


def class_counts(facts: DatasetFacts) -> dict[str, dict[str, int]]:
    """Images per split and class, e.g. `{"train": {"cat": 5000}, "test": {"cat": 1000}}`."""
    return {split: _split(facts, split, images) for split, images in facts.counts.items()}


def _split(facts: DatasetFacts, split: str, images: int) -> dict[str, int]:
    if images == 0:
        return {}
    even = [images // len(facts.classes)] * len(facts.classes)
    return dict(zip(facts.classes, _UNEVEN.get(facts.name, {}).get(split, even), strict=True))
