"""The memory of the machine, as far as this process may use it."""

import os
from pathlib import Path

#: Where a container has its limit, by version of control groups; a number, or "max".
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def host_bytes() -> int:
    """Physical memory, or a container's limit where that is less: whoever exceeds it is killed."""
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_limits()])


def _limits() -> list[int]:
    texts = [path.read_text("ascii").strip() for path in LIMITS if path.exists()]
    return [int(text) for text in texts if text.isdigit()]
