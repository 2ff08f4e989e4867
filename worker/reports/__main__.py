"""Makes the report that standard input asks for: `python -m worker.reports`. The result leaves as a line of JSON."""

import json
import os
import resource
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from app.domain.specs.auto import AUTO
from app.domain.specs.comparison import COMPARISON
from app.domain.specs.tuning import TUNING
from worker.keeper.children import end_with_parent
from worker.reports.auto import report_auto
from worker.reports.comparing import report_comparison
from worker.reports.request import Request
from worker.reports.tuning import report_tuning

MEMORY_BYTES = 4 << 30
REPORTS: dict[str, Callable[[Mapping[str, Any], Path], dict[str, Any]]] = {
    COMPARISON: report_comparison,
    TUNING: report_tuning,
    AUTO: report_auto,
}


def main() -> None:
    """One report."""
    request = Request(**json.loads(sys.stdin.readline()))
    threading.Thread(target=end_with_parent, daemon=True).start()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries may print
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    folder = Path(request.folder)
    plan = json.loads((folder / "request.json").read_text("utf-8"))
    print(json.dumps(REPORTS[plan["spec"]["kind"]](plan, folder)), file=out, flush=True)


if __name__ == "__main__":
    main()
