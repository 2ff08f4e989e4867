"""Where a forked training begins. Light to import: the worker itself never loads torch, only its forkserver does."""

from multiprocessing.connection import Connection

from worker.messages import Assignment

PRELOADED = "worker.child"  #: what the forkserver imports once, and every training finds loaded
LOST_OTHERS = 76  #: exit code of a rank when another one is gone


def run_child(pipe: Connection, assignment: Assignment) -> None:
    """Work on one assignment."""
    from worker.child import work_on  # noqa: PLC0415 - in the child it is loaded already

    work_on(pipe, assignment)


def count_gpus(pipe: Connection) -> None:
    """Say how many GPUs there are; in a child, so that CUDA is never touched where trainings are forked from."""
    import torch  # noqa: PLC0415 - as above

    pipe.send(torch.cuda.device_count())
