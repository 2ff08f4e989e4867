"""Published weights files: taken from a folder, or downloaded into it once."""

import hashlib
import os
import re
import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from worker.engine.errors import WeightsUnavailable

TIMEOUT_SECONDS = 15.0  # of one read, so that an unreachable network is an error and no hang
_CHUNK_BYTES = 1 << 20


def fetch(url: str, folder: Path) -> Path:
    """The path of the file in `folder`, downloading it if need be."""
    name = url.rpartition("/")[2]
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _download(url, path)
    return path


def _download(url: str, path: Path) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            digest = _copy(url, file)
            file.flush()
            os.fsync(file.fileno())
        _verify(path.name, digest)
        Path(temporary).replace(path)
    except (OSError, HTTPException) as error:
        raise WeightsUnavailable(f"{path.name} is not in {path.parent} and could not be downloaded: {error}") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def _copy(url: str, target: BinaryIO) -> str:
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - torchvision's own address
        while chunk := response.read(_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


def _verify(name: str, digest: str) -> None:
    """torchvision names its files `resnet18-f37072fd.pth`: the digest's first digits."""
    match = re.search(r"-([0-9a-f]{8,})\.", name)
    if match and not digest.startswith(match[1]):
        raise WeightsUnavailable(f"{name} was damaged on its way: its SHA-256 begins with {digest[:8]}")
