"""What can go wrong with a data set, each with the stable code the user will see.

EngineError
├── DatasetUnavailable   neither on this machine nor to be downloaded
├── DatasetInvalid       there, but not what it should be
├── DownloadFailed       an import got no answer, or not all of it
├── DownloadCorrupt      an import got something other than what was published
├── FilesNeeded          an import cannot download the set; its files must be there beforehand
├── PackageMissing       an import needs a package that is not installed
├── ImportBrokeOff       the process that fetched a set was lost
├── ImportTimedOut       an import took longer than any may
└── ImportUnusable       what an import fetched did not pass the check
Refused                  a file or an archive that will not be read; becomes a line of the report
Problem                  such a line; with one of them the set cannot be used
Caution                  a line on what is odd, and keeps nobody from training
"""

from dataclasses import asdict, dataclass

from worker.engine.errors import EngineError

LONGEST_DETAIL = 300


class DatasetUnavailable(EngineError):
    """The files are not below the data folder and could not be downloaded."""

    code = "dataset_unavailable"
    title = "The data set is not available"
    hint = "Connect the worker to the network once, or put the files into its folder of data sets."


class DatasetInvalid(EngineError):
    """The files are there, but damaged, changed, or not a classification set."""

    code = "dataset_invalid"
    title = "The data set cannot be used"
    hint = "Put the original files back, or add the data set again."


class DownloadFailed(EngineError):
    """An import could not reach where the set lies, or was cut off."""

    code = "download_failed"
    title = "The data set could not be downloaded"
    hint = "Connect the keeper's machine to the network, or put the files into its data folder beforehand; then retry."


class DownloadCorrupt(EngineError):
    """What an import downloaded fails its checksum or cannot be unpacked. Nothing of it is kept."""

    code = "download_corrupt"
    title = "What was downloaded is not what was published"
    hint = "Retry the job; if it happens again, put the files into the data folder beforehand."


class FilesNeeded(EngineError):
    """torchvision cannot download this set by itself, and its files are not in the data folder."""

    code = "files_needed"
    title = "The files of the data set must be put into the data folder"
    hint = "Get them from their publisher, put them there and retry the job."


class PackageMissing(EngineError):
    """torchvision reads this set with a package that Supercycle does not bring along."""

    code = "package_missing"
    title = "A package is missing"
    hint = "Install it where the keeper runs, and retry the job."


class ImportBrokeOff(EngineError):
    """The process that fetched a data set was killed or crashed, at every attempt."""

    code = "import_broke_off"
    title = "The import broke off"
    hint = "See the keeper's log, and whether its machine has enough memory; then retry the job."


class ImportTimedOut(EngineError):
    """An import took longer than any may."""

    code = "import_timed_out"
    title = "The import took too long"
    hint = "Put the files into the data folder beforehand, and retry the job."


class ImportUnusable(EngineError):
    """What an import fetched did not pass the check. Nothing of it is kept."""

    code = "import_unusable"
    title = "The data set cannot be used"
    hint = "If its files were in the data folder beforehand, replace them; then retry the job."


@dataclass(frozen=True, slots=True)
class Problem:
    """A line of the report on a data set: what is wrong where, and what to do."""

    code: str
    path: str | None
    detail: str
    hint: str

    def as_dict(self) -> dict[str, str | None]:
        """The shape in `report.problems`."""
        return asdict(self)


class Caution(Problem):
    """A line of the report on something that can be trained on, but is perhaps not what was meant."""

    __slots__ = ()


class Refused(Exception):
    """A file that will not be read, with the reason."""

    def __init__(self, code: str, path: str | None, *, detail: str, hint: str) -> None:
        if len(detail) > LONGEST_DETAIL:  # it may repeat what stands in the file
            detail = f"{detail[: LONGEST_DETAIL - 1]}…"
        super().__init__(f"{path}: {detail}" if path else detail)
        self.problem = Problem(code, path, detail, hint)


def reason_of(error: Exception) -> str:
    """What a library says of a file that it cannot read, fit to be shown: it may repeat what stands in the file."""
    words = "".join(character if character.isprintable() else "?" for character in str(error)[:200])
    return words.rstrip(".") or type(error).__name__
