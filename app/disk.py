"""Disks: waiting until something is on one, and knowing when one is full."""

import os
import shutil
from errno import EDQUOT, ENOSPC
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free_bytes(folder: Path) -> int:
    """How much more may be written on the disk of a folder."""
    return shutil.disk_usage(folder).free


def is_full(error: OSError) -> bool:
    """Whether something could not be written for want of room, on the disk or in a quota."""
    return error.errno in (ENOSPC, EDQUOT)
