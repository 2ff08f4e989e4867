"""Checks a dataset in a process of its own, which has limits and no secrets: `python -m worker.keeper.check`.

A `Request` comes as one line of JSON on standard input, and a verdict leaves as JSON on standard output.
"""

import json
import logging
import os
import resource
import shutil
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from app.disk import is_full
from worker.datasets import archives
from worker.datasets.archives import ArchiveLimits, take_in
from worker.datasets.array_files import ArrayFiles, find_arrays
from worker.datasets.class_folders import ClassFolders, content_version, read_class_folders
from worker.datasets.errors import Caution, Problem, Refused
from worker.datasets.splitting import DEFAULT_SEED, DEFAULT_TEST_FRACTION, MadeSplit
from worker.keeper.asides import put_in_place, remove_abandoned
from worker.keeper.cautions import empty_split, skipped_files, unused_skip, unused_split
from worker.keeper.children import end_with_parent
from worker.keeper.content import Content, marks_of
from worker.keeper.preview import Gallery, preview_of_files
from worker.keeper.survey import Survey, survey_pictures
from worker.keeper.verdicts import Findings, invalid, ready, unusable
from worker.keeper.words import in_words

MEMORY_BYTES = 3 << 30
OnBadFile = Literal["reject", "skip"]
SKIPPED_PERCENT = 1  #: of all pictures; with more that cannot be read something else is wrong


@dataclass(frozen=True, slots=True)
class Request:
    """A folder to check; with `upload`, an archive that is unpacked `aside` first and moved there if it passes.

    What was not asked for is None.
    """

    folder: str
    upload: str | None
    cpu_seconds: int
    test_fraction: float | None = None
    split_seed: int | None = None
    on_bad_file: OnBadFile = "reject"
    room_bytes: int | None = None  #: what an upload may unpack to for its owner's quota
    floor_bytes: int = 0  #: what must stay free on the disk
    preview: str | None = None  #: the file that the picture of a set that passes is written to
    aside: str | None = None  #: this attempt's own, on the same disk

    @property
    def limits(self) -> ArchiveLimits:
        """Of an archive."""
        return ArchiveLimits(room_bytes=self.room_bytes, floor_bytes=self.floor_bytes)

    @property
    def split(self) -> MadeSplit:
        """How test images are taken out of a set that has none."""
        fraction = DEFAULT_TEST_FRACTION if self.test_fraction is None else self.test_fraction
        return MadeSplit(fraction, DEFAULT_SEED if self.split_seed is None else self.split_seed)


def check_dataset(request: Request) -> dict[str, Any]:
    """The verdict: columns of the dataset's row, `ready` or `invalid`, always with a report."""
    folder = Path(request.folder)
    if request.upload is None:
        return _check_folder(folder, request)
    assert request.aside is not None  # noqa: S101 - an upload comes with one
    remove_abandoned(folder)
    aside = Path(request.aside)
    try:
        return _check_upload(Path(request.upload), aside, request)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _check_upload(upload: Path, aside: Path, request: Request) -> dict[str, Any]:
    aside.mkdir(parents=True)
    try:
        take_in(upload, aside, limits=request.limits)
    except Refused as error:
        return invalid([error.problem], found="An archive that was refused.", expected=archives.EXPECTED)
    verdict = _check_folder(aside, request)
    if verdict["state"] == "ready":
        verdict["size"] = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
        os.sync()  # thousands of files: one sync costs less than one for each
        put_in_place(aside, Path(request.folder))
    return verdict


def _check_folder(folder: Path, request: Request) -> dict[str, Any]:
    try:
        arrays = find_arrays(folder)
        return _check_pictures(folder, request) if arrays is None else _check_arrays(arrays, request)
    except Refused as error:
        told = [unused_skip()] if request.on_bad_file == "skip" else []
        return invalid([error.problem], found="Arrays that were refused.", cautions=told)


def _check_arrays(files: ArrayFiles, request: Request) -> dict[str, Any]:
    from worker.datasets.array_sets import judge_arrays  # noqa: PLC0415 - numpy, for arrays alone
    from worker.keeper.array_check import array_content, survey_arrays  # noqa: PLC0415 - likewise

    found = judge_arrays(files)
    content = array_content(found)
    gallery = Gallery.of(content)
    survey = survey_arrays(found, gallery, seed=request.split.seed)
    content = _split(content, survey, request)
    words = in_words(content, survey, request.split)
    if found.binary is not None:
        words += " No value is above 1, so 1 was taken for white."
    if files.unused:
        words += f" Not used: {', '.join(files.unused[:10])}."
    findings = Findings(content, survey, words, _on_split(content, request))
    _write_preview(request, gallery.draw)
    return ready(findings, version=found.version, split=request.split)


def _check_pictures(folder: Path, request: Request) -> dict[str, Any]:
    listed = read_class_folders(folder)
    survey = Survey() if listed.problems else survey_pictures(listed, seed=request.split.seed)
    used = listed.without(survey.bad.keys())
    problems = listed.problems or _on_bad_files(survey, listed.images, request) or used.problems
    content = _content(used)
    if problems:
        could_skip = _are_few(survey, listed.images) and request.on_bad_file == "reject"
        on_bad = "; on_bad_file 'skip' would leave out so few" if could_skip else ""
        words = in_words(content, survey, request.split, ignored=used.ignored, on_bad=on_bad)
        return unusable(Findings(content, survey, words, []), problems)
    content = _split(content, survey, request)
    words = in_words(content, survey, request.split, ignored=used.ignored, on_bad=", left out")
    findings = Findings(content, survey, words, [*skipped_files(survey.bad), *_on_split(content, request)])
    _write_preview(request, partial(preview_of_files, used.root, content))
    return ready(findings, version=content_version(survey.digests), split=request.split)


def _write_preview(request: Request, draw: Callable[[], bytes]) -> None:
    if request.preview is not None:
        Path(request.preview).write_bytes(draw())


def _content(found: ClassFolders) -> Content:
    paths, labels = [*found.train.paths, *found.test.paths], [*found.train.labels, *found.test.labels]
    marks = marks_of(training=len(found.train.paths), test=len(found.test.paths))
    return Content(found.classes, labels, marks, "folders" if found.test.paths else "none", paths.__getitem__)


def _split(content: Content, survey: Survey, request: Request) -> Content:
    """Take test images out, where there are none."""
    if content.origin != "none":
        return content
    marks = request.split.marks(survey.ranks, content.labels)
    return replace(content, marks=marks, origin="made") if any(marks) else content


def _on_split(content: Content, request: Request) -> list[Caution]:
    """Said where what was asked for cannot be had."""
    asked = {"test_fraction": request.test_fraction, "split_seed": request.split_seed}
    given = [name for name, value in asked.items() if value is not None]
    if content.origin in ("folders", "arrays") and given:
        return [unused_split(given)]
    fraction = request.split.test_fraction
    return [empty_split(fraction)] if content.origin == "none" and fraction > 0 else []


def _on_bad_files(survey: Survey, images: int, request: Request) -> list[Problem]:
    """The files that cannot be read, unless they are to be left out and few enough for that."""
    bad = list(survey.bad.values())
    if request.on_bad_file == "reject" or not bad:
        return bad
    if _are_few(survey, images):
        return []
    share = f"{len(bad):,} of {images:,} pictures ({100 * len(bad) / images:.3g} %) cannot be read"
    detail = f"{share}; on_bad_file 'skip' leaves out at most {SKIPPED_PERCENT} %."
    return [Problem("too_many_bad_files", None, detail, "Replace or remove the files that are named."), *bad]


def _are_few(survey: Survey, images: int) -> bool:
    return 100 * len(survey.bad) <= SKIPPED_PERCENT * images


def _limit(request: Request) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (request.cpu_seconds, request.cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _verdict(request: Request) -> dict[str, Any]:
    try:
        return check_dataset(request)
    except MemoryError:
        detail = f"The check needed more than {MEMORY_BYTES >> 30} GiB of memory."
        problem = Problem("check_out_of_memory", None, detail, "Scale down the largest images and add it again.")
    except OSError as error:
        if not is_full(error):
            raise
        problem = Problem("storage_full", None, "The server has no room to unpack it.", "Free some and add it again.")
    return invalid([problem], found="The check could not be finished.")


def main() -> None:
    """Check what standard input asks for."""
    request = Request(**json.loads(sys.stdin.readline()))
    threading.Thread(target=end_with_parent, daemon=True).start()
    # Pillow's, on odd metadata: what matters is refused, and said in the report.
    warnings.simplefilter("ignore")
    logging.disable()
    _limit(request)
    json.dump(_verdict(request), sys.stdout)


if __name__ == "__main__":
    main()
