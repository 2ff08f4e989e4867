"""What the keeper asks of the process that makes a report."""

from dataclasses import dataclass

MEDIA_TYPES = {
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".csv": "text/csv",
    ".md": "text/markdown",
    ".html": "text/html",
}


@dataclass(frozen=True, slots=True)
class Request:
    """The folder that holds `request.json`, the plan and its jobs, and that the report's files are written to."""

    folder: str
