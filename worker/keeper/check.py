"""Checks a dataset in a process of its own, which has limits and no secrets: `python -m worker.keeper.check`.

A `Request` comes as one line of JSON on standard input, and a verdict leaves as JSON on standard output.
"""

import hashlib
import json
import os
import resource
import shutil
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from errno import EDQUOT, ENOSPC
from pathlib import Path
from statistics import median
from typing import Any

from worker.datasets import archives, array_files, class_folders
from worker.datasets.archives import ArchiveLimits, extract_images
from worker.datasets.array_files import NPZ_NAME, ArrayFiles, find_arrays, is_npz
from worker.datasets.class_folders import ClassFolders, content_version, read_class_folders
from worker.datasets.decoding import as_mode, is_grey, reading
from worker.datasets.errors import Problem, Refused

MEMORY_BYTES = 3 << 30
THREADS = min(os.cpu_count() or 1, 4)  # each may hold a picture of 50 million pixels in a few forms
SHOWN_PROBLEMS = 100
EXPECTED = f"{class_folders.EXPECTED} {array_files.EXPECTED}"
_ADD_AGAIN = "Correct it and add the dataset again."


Counts = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Request:
    """A folder to check; with `upload`, an archive that is unpacked beside it first and moved there if it passes."""

    folder: str
    upload: str | None
    cpu_seconds: int


@dataclass(slots=True)
class Survey:
    """What the pictures turn out to be, added up one by one."""

    digests: dict[str, str] = field(default_factory=dict)
    grey_levels: list[int] = field(default_factory=lambda: [0] * 256)
    colour_levels: list[int] = field(default_factory=lambda: [0] * 768)
    widths: Counter[int] = field(default_factory=Counter)
    heights: Counter[int] = field(default_factory=Counter)
    shorter_sides: Counter[int] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @property
    def mode(self) -> str:
        """Colour as soon as one training picture has it."""
        return "RGB" if any(self.colour_levels) else "L"


@dataclass(frozen=True, slots=True)
class Picture:
    """What one file holds."""

    sha256: str
    width: int
    height: int
    levels: list[int]  #: how many pixels have each value: 256 for grey, 3 × 256 for colour


def check_dataset(request: Request) -> dict[str, Any]:
    """The verdict: columns of the dataset's row, `ready` or `invalid`, always with a report."""
    folder = Path(request.folder)
    if request.upload is None:
        return _check_folder(folder)
    aside = aside_of(folder)
    shutil.rmtree(aside, ignore_errors=True)  # of a check that was killed
    try:
        return _check_upload(Path(request.upload), aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def aside_of(folder: Path) -> Path:
    """Where an upload is unpacked until it has passed."""
    return folder.with_name(f".{folder.name}")


def _check_upload(upload: Path, aside: Path, folder: Path) -> dict[str, Any]:
    aside.mkdir(parents=True)
    try:
        _unpack(upload, aside)
    except Refused as error:
        return invalid([error.problem], found="An archive that was refused.", expected=archives.EXPECTED)
    verdict = _check_folder(aside)
    if verdict["state"] == "ready":
        os.sync()  # thousands of files: one sync costs less than one for each
        shutil.rmtree(folder, ignore_errors=True)  # of a check that was killed before it could tell
        aside.rename(folder)
    return verdict


def _unpack(upload: Path, aside: Path) -> None:
    """An npz is a zip too, but stays whole: its arrays are read where they are."""
    if is_npz(upload):
        shutil.copyfile(upload, aside / NPZ_NAME)
    else:
        extract_images(upload, aside, limits=ArchiveLimits())


def _check_folder(folder: Path) -> dict[str, Any]:
    try:
        arrays = find_arrays(folder)
        return _check_pictures(folder) if arrays is None else _check_arrays(arrays)
    except Refused as error:
        return invalid([error.problem], found="Arrays that were refused.")


def _check_arrays(files: ArrayFiles) -> dict[str, Any]:
    from worker.keeper.array_check import survey_arrays  # noqa: PLC0415 - brings numpy, which pictures do without

    found, survey = survey_arrays(files, Survey())
    words = _in_words(found.classes, found.counts(), survey)
    if found.binary is not None:
        words += " No value is above 1, so 1 was taken for white."
    if files.unused:
        words += f" Not used: {', '.join(files.unused[:10])}."
    return _ready(found.classes, found.counts(), survey, version=found.version, words=words)


def _check_pictures(folder: Path) -> dict[str, Any]:
    found = read_class_folders(folder)
    survey = _survey(found) if not found.problems else Survey()
    problems = [*found.problems, *survey.problems]
    words = _in_words(found.classes, found.counts(), survey, ignored=found.ignored)
    if problems:
        return invalid(problems, found=words)
    return _ready(found.classes, found.counts(), survey, version=content_version(survey.digests), words=words)


def _ready(classes: list[str], counts: Counts, survey: Survey, *, version: str, words: str) -> dict[str, Any]:
    mean, std = _statistics(survey)
    return {
        "state": "ready",
        "version": version,
        "classes": classes,
        "counts": counts,
        "image": {
            "mode": survey.mode,
            "min": [min(survey.widths), min(survey.heights)],
            "max": [max(survey.widths), max(survey.heights)],
            "side": int(median(survey.shorter_sides.elements())),
        },
        "channel_mean": mean,
        "channel_std": std,
        "report": {"expected": EXPECTED, "found": words, "problems": []},
    }


def invalid(problems: list[Problem], *, found: str, expected: str = EXPECTED) -> dict[str, Any]:
    """The verdict on a dataset that cannot be used."""
    shown = [problem.as_dict() for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        detail = f"{len(problems) - SHOWN_PROBLEMS} more problems are not listed."
        shown.append(Problem("more_problems", None, detail, _ADD_AGAIN).as_dict())
    expected = expected[0].upper() + expected[1:]
    return {"state": "invalid", "report": {"expected": expected, "found": found, "problems": shown}}


def _survey(found: ClassFolders) -> Survey:
    survey = Survey()
    paths = [(path, True) for path in found.train.paths] + [(path, False) for path in found.test.paths]
    with ThreadPoolExecutor(THREADS) as executor:
        # In blocks, so that only so many results wait to be added up.
        for start in range(0, len(paths), 1024):
            block = paths[start : start + 1024]
            pictures = executor.map(lambda entry: _look(found.root, entry[0]), block)
            for (path, is_train), picture in zip(block, pictures, strict=True):
                _add(survey, path, picture, is_train=is_train)
    return survey


def _look(root: Path, path: str) -> Picture | Problem:
    """Decode a picture in full: half a JPEG has a good header."""
    data = (root / path).read_bytes()
    try:
        with reading(data, path) as image:
            decoded = as_mode(image, "L" if is_grey(image) else "RGB")
            return Picture(hashlib.sha256(data).hexdigest(), image.width, image.height, decoded.histogram())
    except Refused as error:
        return error.problem


def _add(survey: Survey, path: str, picture: Picture | Problem, *, is_train: bool) -> None:
    if isinstance(picture, Problem):
        survey.problems.append(picture)
        return
    survey.digests[path] = picture.sha256
    survey.widths[picture.width] += 1
    survey.heights[picture.height] += 1
    survey.shorter_sides[min(picture.width, picture.height)] += 1
    if is_train:
        levels = survey.grey_levels if len(picture.levels) == 256 else survey.colour_levels
        levels[:] = map(int.__add__, levels, picture.levels)


def _statistics(survey: Survey) -> tuple[list[float], list[float]]:
    """Mean and deviation of the training pixels / 255 per channel; a grey picture counts in all three."""
    channels = [survey.grey_levels]
    if survey.mode == "RGB":
        blocks = [survey.colour_levels[start : start + 256] for start in (0, 256, 512)]
        channels = [list(map(int.__add__, block, survey.grey_levels)) for block in blocks]
    means = [_mean(levels, power=1) for levels in channels]
    squares = [_mean(levels, power=2) for levels in channels]
    return means, [max(square - mean**2, 0.0) ** 0.5 for mean, square in zip(means, squares, strict=True)]


def _mean(levels: Iterable[int], *, power: int) -> float:
    levels = list(levels)
    return sum(count * (value / 255) ** power for value, count in enumerate(levels)) / sum(levels)


def _in_words(classes: list[str], counts: Counts, survey: Survey, *, ignored: int = 0) -> str:
    train, test = (sum(counts[split].values()) for split in ("train", "test"))
    words = [f"{_counted(len(classes), 'class', many='classes')}, {train:,} training and {test:,} test images"]
    if survey.widths:
        smallest, largest = (f"{pick(survey.widths)} × {pick(survey.heights)}" for pick in (min, max))
        colour = "grey" if survey.mode == "L" else "colour"
        words.append(f"{smallest} to {largest} pixels, {colour}" if smallest != largest else f"{smallest}, {colour}")
    if survey.problems:
        words.append(f"{_counted(len(survey.problems), 'file', many='files')} that cannot be read")
    if ignored:
        words.append(f"{_counted(ignored, 'file that is no image', many='files that are no images')}, ignored")
    return "; ".join(words) + "."


def _counted(number: int, one: str, *, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _limit(request: Request) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (request.cpu_seconds, request.cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    """The keeper holds the other end of standard input; when it is gone, so is this process."""
    while os.read(0, 1):  # unbuffered: sys.stdin would hold a lock that the interpreter wants at its end
        pass
    os._exit(75)


def _verdict(request: Request) -> dict[str, Any]:
    try:
        return check_dataset(request)
    except MemoryError:
        detail = f"The check needed more than {MEMORY_BYTES >> 30} GiB of memory."
        problem = Problem("check_out_of_memory", None, detail, "Scale down the largest images and add it again.")
    except OSError as error:
        if error.errno not in (ENOSPC, EDQUOT):
            raise
        problem = Problem("storage_full", None, "The server has no room to unpack it.", "Free some and add it again.")
    return invalid([problem], found="The check could not be finished.")


def main() -> None:
    """Check what standard input asks for."""
    request = Request(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")  # Pillow's, on odd metadata: what matters is refused, and said in the report
    _limit(request)
    json.dump(_verdict(request), sys.stdout)


if __name__ == "__main__":
    main()
