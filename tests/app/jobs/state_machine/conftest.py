"""What a job's row and history must be after whatever has happened to it: a model beside the real tables."""

import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

LIVE, ENDED = {"running", "pausing", "cancelling"}, {"succeeded", "failed", "cancelled"}
# The states in which a verb is no conflict, and where it leads.
ANSWERS = {
    "cancel": {
        **dict.fromkeys(("queued", "paused", "cancelled"), "cancelled"),
        **dict.fromkeys(("running", "pausing", "cancelling"), "cancelling"),
    },
    "pause": dict.fromkeys(("queued", "paused"), "paused") | dict.fromkeys(("running", "pausing"), "pausing"),
    "resume": {"paused": "queued"},
}
AFTER_LOSS = {"running": "queued", "pausing": "paused", "cancelling": "cancelled"}


@dataclass
class Expected:
    """One job."""

    number: int  #: in the order of submission
    priority: int
    owner: str
    device: str
    devices: int
    max_attempts: int
    state: str = "queued"
    fence: int = 0
    crashes: int = 0
    events: int = 1
    is_due: bool = True  #: no pause after a crash keeps it in the queue
    is_silent: bool = False  #: its lease has run out
    held_seconds: float = 0.0  #: at least, since the claim and while under its lease
    ran_seconds: float = 0.0  #: at least, in the claims that ended
    row_at_end: dict | None = None

    @property
    def is_live(self):
        return self.state in LIVE

    @property
    def has_ended(self):
        return self.state in ENDED

    def move(self, to):
        """Into another state, with its event."""
        if self.is_live and to not in LIVE:
            self.ran_seconds += self.held_seconds
            self.held_seconds, self.is_silent = 0.0, False
        self.state, self.events = to, self.events + 1

    def note(self, events):
        """So many events more. A silent worker whom nobody has replaced keeps its job; its silence counts as work."""
        self.events += events
        self.held_seconds += 10 if self.is_silent else 0
        self.is_silent = False

    def lose(self):
        """Its worker broke off or fell silent; returns where that leads."""
        self.crashes += 1
        to = AFTER_LOSS[self.state]
        if to == "queued" and self.crashes == self.max_attempts:
            to = "failed"
        self.move(to)
        self.events += to in ("queued", "paused")  # what went wrong, for a job that goes on
        self.is_due = to != "queued"
        return to

    def conflict(self, verb):
        """The code with which a verb is refused now, or None."""
        if self.state in ANSWERS[verb]:
            return None
        return "job_ended" if self.has_ended else "job_not_paused" if verb == "resume" else "job_stopping"

    def obey(self, verb):
        """A verb that is no conflict; twice is once."""
        to = ANSWERS[verb][self.state]
        if to != self.state:
            self.move(to)
        if verb == "resume":
            self.ran_seconds, self.crashes, self.is_due = 0.0, 0, True

    def check(self, row, *, elapsed_seconds):
        """The row says so too."""
        facts = {"state": self.state, "fence": self.fence, "attempts": self.fence, "crashes": self.crashes}
        assert {name: row[name] for name in facts} == facts
        assert row["crashes"] <= row["max_attempts"]
        assert row["last_seq"] == self.events
        assert (row["lease_until"] is not None, row["claimed_at"] is not None) == (self.is_live, self.is_live)
        assert row["phase"] is None or self.is_live
        assert (row["finished_at"] is not None) == self.has_ended
        assert (row["error"] is not None) == (self.state in ("failed", "cancelled"))
        assert self.ran_seconds - 0.1 <= row["ran_seconds"] <= self.ran_seconds + elapsed_seconds + 0.1
        self.row_at_end = self.row_at_end or (row if self.has_ended else None)
        assert self.row_at_end in (None, row)  # nothing about an ended job ever changes


@dataclass
class Model:
    """All jobs, and every lease there ever was."""

    jobs: dict = field(default_factory=dict)
    deleted: list = field(default_factory=list)
    leases: list = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def add(self, row, owner):
        """A job that was submitted just now."""
        needs = {name: getattr(row, name) for name in ("priority", "device", "devices", "max_attempts")}
        self.jobs[row.id] = Expected(len(self.jobs) + len(self.deleted), owner=owner, **needs)

    def of(self, lease):
        """The job of a lease."""
        return self.jobs[lease.job_id]

    def holds(self, lease):
        """Whether a lease is still good."""
        job = self.jobs.get(lease.job_id)
        return job is not None and job.is_live and job.fence == lease.fence

    def live(self):
        """The leases that are good."""
        return [lease for lease in self.leases if self.holds(lease)]

    def stale(self):
        """Those that were; while there are any, those that a newer one has replaced."""
        stale = [lease for lease in self.leases if not self.holds(lease)]
        replaced = {lease.job_id for lease in self.live()}
        return [lease for lease in stale if lease.job_id in replaced] or stale

    def ids(self):
        """Of all jobs there ever were; the present ones come more often."""
        return [*self.deleted, *list(self.jobs) * 3]

    def open(self):
        """How many jobs have not ended."""
        return sum(not job.has_ended for job in self.jobs.values())

    def queued(self):
        """The ids of the jobs that wait for a worker."""
        return [id for id, job in self.jobs.items() if job.state == "queued"]

    def best(self, kind, devices, most_per_owner):
        """Of the queued jobs that such a worker can run, by priority, then by age."""
        busy = Counter(job.owner for job in self.jobs.values() if job.is_live)
        fit = [
            job
            for job in map(self.jobs.__getitem__, self.queued())
            if job.is_due and job.device in ("any", kind) and job.devices <= devices
            if most_per_owner is None or busy[job.owner] < most_per_owner
        ]
        best = max(fit, key=lambda job: (job.priority, -job.number), default=None)
        return next((id for id, job in self.jobs.items() if job is best), None)

    def check(self, rows, events):
        """The tables say so too, and each history is whole."""
        histories = {id: [event for event in events if event.job_id == id] for id in self.jobs}
        assert [row["id"] for row in rows] == sorted(self.jobs)
        assert sum(map(len, histories.values())) == len(events)  # a deleted job leaves none
        for row in rows:
            self.jobs[row["id"]].check(row, elapsed_seconds=time.monotonic() - self.began)
            check_history(row, histories[row["id"]])


def check_history(row, events):
    """Numbered without gaps; each state follows from the one before; the last one is the row's."""
    assert [event.seq for event in events] == list(range(1, row["last_seq"] + 1))
    states = [event.data for event in events if event.type == "state"]
    assert [data["previous"] for data in states] == [None, *[data["state"] for data in states[:-1]]]
    assert states[-1]["state"] == row["state"]
    attempts = [event.attempt for event in events]
    assert attempts == sorted(attempts)
    assert attempts[-1] <= row["attempts"]


@pytest.fixture
def new_model():
    """A model of no jobs."""
    return Model
