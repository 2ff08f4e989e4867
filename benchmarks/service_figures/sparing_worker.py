"""A worker that commits the history of some jobs only with their end, for comparison: those that are so named."""

import worker.runner
from worker.attempt import Attempt
from worker.main import main

UNCOMMITTED = "uncommitted"


class SparingAttempt(Attempt):
    """The same in all else: it claims, renews its lease, listens to its child, stores and ends."""

    def _commit_when_due(self) -> None:
        if self._job.name != UNCOMMITTED:
            super()._commit_when_due()


if __name__ == "__main__":
    vars(worker.runner)["Attempt"] = SparingAttempt
    main()
