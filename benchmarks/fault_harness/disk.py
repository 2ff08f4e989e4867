"""A disk of its own for the data folder, that can be made full at once and have room again."""

import os
import subprocess
import time
from pathlib import Path

SIZE_BYTES = 4 << 30


class SmallDisk:
    """A file system in memory, mounted on a folder; it is full when it is made no larger than what it holds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        options = ["-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "none"]
        done = subprocess.run(["mount", *options, str(folder)], check=False, capture_output=True, text=True)
        self.refusal = done.stderr.strip() if done.returncode else None  #: why there is no such disk, if so

    def fill(self) -> bool:
        """Leave no room; False if writers were always faster."""
        for _ in range(50):
            if not self._resize(self._used_bytes()):
                return True
            time.sleep(0.01)
        return False

    def make_room(self) -> None:
        """As much as at first."""
        refusal = self._resize(SIZE_BYTES)
        assert not refusal, f"{self._folder} cannot be made larger: {refusal}"

    def remove(self) -> None:
        """Unmount it, even if somebody still looks into it."""
        if self.refusal is None:
            subprocess.run(["umount", "--lazy", str(self._folder)], check=True)

    def _used_bytes(self) -> int:
        facts = os.statvfs(self._folder)
        return max(1, facts.f_blocks - facts.f_bfree) * facts.f_frsize  # a size of 0 would be no limit at all

    def _resize(self, size_bytes: int) -> str:
        """Why that cannot be done; nothing if it was."""
        command = ["mount", "-o", f"remount,size={size_bytes}", str(self._folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return f"{done.returncode} {done.stderr}" if done.returncode else ""
