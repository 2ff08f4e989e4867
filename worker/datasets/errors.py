"""What can go wrong with a data set, each with the stable code the user will see.

EngineError
├── DatasetUnavailable   neither on this machine nor to be downloaded
└── DatasetInvalid       there, but not what it should be
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
