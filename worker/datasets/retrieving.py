"""Has torchvision download through us: bytes are counted, waits are bounded, and a file that is cut off is an error."""

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from lzma import LZMAError
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from app.disk import is_full
from worker.datasets.errors import DownloadCorrupt, DownloadFailed, reason_of

SILENCE_SECONDS = 15.0  #: torchvision sets no limit, and a silent host would hold the job for ever
_CHUNK_BYTES = 256 << 10
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError)

OnBytes = Callable[[str, int, int | None], None]  #: a file's name, how much of it has come, and how much there is


class _Broken(RuntimeError):
    """One file did not come. Not an OSError: after one, torchvision would ask again without encryption."""


class Downloads:
    """What was downloaded, and what went wrong with it last."""

    def __init__(self, on_bytes: OnBytes) -> None:
        self._on_bytes = on_bytes
        self._file = "A file"
        self._failure: str | None = None

    @contextmanager
    def counted(self) -> Iterator[None]:
        """While this lasts; raises DownloadFailed and DownloadCorrupt."""
        from torchvision.datasets import utils  # noqa: PLC0415 - takes seconds

        before = utils._urlretrieve, utils._get_redirect_url
        utils._urlretrieve, utils._get_redirect_url = self._retrieve, _same
        try:
            yield
        except (OSError, RuntimeError, *_DAMAGED) as error:
            if isinstance(error, OSError) and is_full(error):
                raise
            raise self._explained(error) from error
        finally:
            utils._urlretrieve, utils._get_redirect_url = before

    def _retrieve(self, url: str, filename: str | Path, *_: Any) -> None:  # noqa: ANN401
        """In the place of torchvision's own."""
        self._file, self._failure = Path(filename).name, None
        Path(filename).unlink(missing_ok=True)  # it may be a link to a file of the operator's own
        try:
            self._copy(url, Path(filename))
        except (OSError, HTTPException) as error:
            if isinstance(error, OSError) and is_full(error):
                raise
            if isinstance(error, HTTPError):
                error.close()
            reason = error.reason if isinstance(error, URLError) and not hasattr(error, "code") else error
            self._failure = f"{self._file} did not come from {urlsplit(url).hostname}: {reason_of(_as_error(reason))}."
            raise _Broken(self._failure) from error

    def _copy(self, url: str, target: Path) -> None:
        request = Request(url, headers={"User-Agent": "pytorch/vision"})  # noqa: S310 - torchvision's own addresses
        with urlopen(request, timeout=SILENCE_SECONDS) as response, target.open("wb") as file:  # noqa: S310
            done, total = 0, response.length
            self._on_bytes(target.name, done, total)
            while chunk := response.read(_CHUNK_BYTES):
                done += file.write(chunk)
                self._on_bytes(target.name, done, total)
        if total is not None and done < total:
            raise ConnectionError(f"it was cut off after {done:,} bytes")

    def _explained(self, error: Exception) -> DownloadFailed | DownloadCorrupt:
        if self._failure is not None:
            return DownloadFailed(self._failure)
        if isinstance(error, _DAMAGED):
            return DownloadCorrupt(f"{self._file} cannot be unpacked: {reason_of(error)}.")
        if "corrupted" in str(error):
            return DownloadCorrupt(f"{self._file} does not have the checksum that was published.")
        return DownloadFailed(f"{reason_of(error)}.")


def _same(url: str, **_: Any) -> str:  # noqa: ANN401
    """The address itself: redirections are followed while a file is fetched."""
    return url


def _as_error(reason: object) -> Exception:
    return reason if isinstance(reason, Exception) else Exception(str(reason))
