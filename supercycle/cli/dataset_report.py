"""A data set in words: what it is, how many images each class has, and what its check found."""

from collections.abc import Iterator
from typing import Any

from supercycle.cli.output import cell_text, file_size, print_aligned, print_facts, printable, say
from supercycle.cli.report import tidy
from supercycle.transport import Json

SHOWN_CLASSES = 20
ORIGINS = {
    "made": "test images taken out of each class",
    "folders": "as its folders have it",
    "arrays": "as its arrays have it",
    "published": "as it was published",
    "none": "none, all images are for training",
}


def images(dataset: Json) -> int:
    """How many images it has, over all splits and classes."""
    return sum(sum(classes.values()) for classes in dataset["counts"].values())


def print_dataset(dataset: Json) -> None:
    """All of it; long lists of classes are cut."""
    report = dataset.get("report") or {}
    print_facts(list(_facts(dataset, report)))
    for name in ("problems", "warnings"):
        _print_lines(name, report.get(name) or [])
    _print_classes(dataset["counts"])
    if report.get("statistics"):
        say("\nfigures")
        print_aligned([[f"  {name}", words] for name, words in _figures(report["statistics"])])


def _facts(dataset: Json, report: Json) -> Iterator[tuple[str, object]]:
    for name in ("name", "id", "kind", "state", "version"):
        yield name, dataset.get(name)
    yield "created_at", tidy(dataset.get("created_at"))
    if not report:  # of a built-in set
        yield "images", images(dataset) or None
        yield "image", _image(dataset.get("image"))
    yield "split", _split(dataset.get("split"))
    if report.get("problems"):
        yield "expected", report.get("expected")
    yield "found", report.get("found")


def _image(image: Json | None) -> str | None:
    return None if image is None else f"{_size(image['max'])}, {'grey' if image['mode'] == 'L' else 'colour'}"


def _split(split: Json | None) -> str | None:
    if split is None:
        return None
    words = ORIGINS.get(split["origin"], split["origin"])
    made = split["origin"] == "made"
    return f"{words}: share {cell_text(split['test_fraction'])}, seed {split['seed']}" if made else words


def _print_lines(name: str, lines: list[Json]) -> None:
    """Problems or warnings: which, where, what, and what to do."""
    if lines:
        say(f"\n{name}")
        print_aligned([[f"  {line['code']}", printable(_told(line))] for line in lines])


def _told(line: Json) -> str:
    words = f"{line['detail']} {line['hint']}"
    return f"{line['path']}: {words}" if line.get("path") else words


def _print_classes(counts: dict[str, dict[str, int]]) -> None:
    splits = [split for split, classes in counts.items() if classes]
    names = list(dict.fromkeys(name for split in splits for name in counts[split]))
    if not names:
        return
    rows = [[name, *(counts[split].get(name, 0) for split in splits)] for name in names[:SHOWN_CLASSES]]
    if len(names) > SHOWN_CLASSES:
        rows.append([f"… {len(names) - SHOWN_CLASSES} more, see --json"])
    rows.append(["all", *(sum(counts[split].values()) for split in splits)])
    say("")
    print_aligned([["class", *splits], *(_row(row, len(splits) + 1) for row in rows)])


def _row(cells: list[Any], width: int) -> list[str]:
    return [
        *(f"{cell:,}" if isinstance(cell, int) else printable(cell) for cell in cells),
        *[""] * (width - len(cells)),
    ]


def _figures(found: Json) -> Iterator[tuple[str, str]]:
    sizes = found["sizes"]
    yield "images", f"{found['images']:,} in {file_size(found['bytes'])}"
    yield "width × height", ", ".join(f"{name} {_size(sizes[name])}" for name in ("min", "median", "max"))
    yield "shorter side", ", ".join(f"{_between(one)}: {one['images']:,}" for one in sizes["shorter_sides"])
    yield "modes", ", ".join(f"{printable(mode)}: {count:,}" for mode, count in found["modes"].items())
    yield "training images of a class", _spread(found["per_class"])
    yield "copies", _copies(found["duplicates"])


def _size(size: list[int]) -> str:
    return f"{size[0]} × {size[1]}"


def _between(bounds: Json) -> str:
    return "1" if bounds["at_most"] == 1 else f"{bounds['at_least']} to {bounds['at_most']}"


def _spread(per_class: Json) -> str:
    smallest, largest = (f"{per_class[end]['images']:,} ({per_class[end]['name']})" for end in ("smallest", "largest"))
    return printable(f"min {smallest}, median {cell_text(per_class['median'])}, max {largest}")


def _copies(duplicates: Json) -> str:
    return ", ".join(f"{copies['images']:,} {where.replace('_', ' ')}" for where, copies in duplicates.items())
