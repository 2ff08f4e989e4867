"""Requests, workers and losses in any order, on the real tables: after each step these are as a model says."""

from contextlib import suppress
from datetime import timedelta

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from sqlalchemy import delete, event, select, text

from app.artifacts.store import ArtifactStore
from app.callers import administrator
from app.db.tables import FaultTable, JobEventTable, JobTable
from app.db.types import now_seconds
from app.domain.lifecycle import JobState, Verb
from app.errors import ServiceError
from app.jobs import service
from app.jobs.claims import Claimant, Lease, LeaseLost
from app.jobs.schemas import TrainingSubmission

MOST_OPEN_JOBS, MOST_JOBS = 4, 12  #: few, so that much happens to each
ERROR = {"code": "worker_lost", "title": "Lost", "detail": "It fell silent.", "hint": "Look.", "retryable": True}
LOG = ("log", {"level": "info", "message": "It goes on."})
PHASES = [hypothesis.Phase.generate, hypothesis.Phase.shrink]  # to explain a failure would be to trace every line
# What a worker may ask for under a lease.
ASKED = {name: {} for name in ("renew", "look", "held", "give_back")} | {
    "write": {"events": [], "change": lambda job: setattr(job, "name", "zombie")},
    "finish": {"to": JobState.SUCCEEDED},
    "pause": {"reason": "The time is up."},
    "lose": {"error": ERROR},
    "reclaim": {"error": ERROR},
}

some_job = st.runner().flatmap(lambda self: st.sampled_from(self.model.ids()))
live = st.runner().flatmap(lambda self: st.sampled_from(self.model.live()))
stale = st.runner().flatmap(lambda self: st.sampled_from(self.model.stale()))
when_live = precondition(lambda self: self.model.live())
has_room = precondition(lambda self: self.model.open() < MOST_OPEN_JOBS and len(self.model.jobs) < MOST_JOBS)


class Jobs(RuleBasedStateMachine):
    """Leases last for an hour and pauses longer; both end only where a rule moves them back."""

    def __init__(self, model, hand, store):
        super().__init__()
        self.model, self.hand, self.store, self.database = model, hand, store, hand.database
        self.hand.lease_time = timedelta(hours=1)
        with self.database.transaction() as session:
            for table in (JobTable, FaultTable):
                session.execute(delete(table))

    def sql(self, statement, **values):
        self.does(lambda session: session.execute(text(statement), values))

    def everything(self):
        """The rows, the history, the counters of faults."""
        with self.database.reading() as session:
            rows = session.execute(select(*JobTable.__table__.columns).order_by(JobTable.id)).mappings().all()
            columns = [getattr(JobEventTable, name) for name in ("job_id", "seq", "type", "data", "attempt")]
            events = session.execute(select(*columns).order_by(*columns[:2])).all()
            return rows, events, session.execute(select(FaultTable.code, FaultTable.count)).all()

    def refused(self, kind, call, *arguments, **options):
        """It raises, and changes nothing; returns what it raised."""
        before = self.everything()
        with pytest.raises(kind) as caught:
            call(*arguments, **options)
        assert self.everything() == before
        return caught.value

    def does(self, call, *arguments, **options):
        """What `call` of the service returns, in a transaction of its own."""
        with self.database.transaction() as session:
            return call(session, *arguments, **options)

    def adopt(self, row, owner):
        """Note a new job."""
        assert row.owner == owner
        self.model.add(row, owner)


class Users(Jobs):
    """What users ask for."""

    @has_room
    @rule(
        priority=st.integers(0, 2),
        owner=st.sampled_from(["ann", "ben"]),
        device=st.sampled_from(["any", "any", "cpu", "cuda"]),
        devices=st.integers(1, 2),
        max_attempts=st.integers(1, 3),
    )
    def submit(self, owner, **needs):
        spec = {"kind": "training", "dataset": "digits", "architecture": "mlp"}
        self.adopt(self.does(service.submit, TrainingSubmission(**spec, **needs), administrator(owner)), owner)

    @rule(id=some_job, verb=st.sampled_from(["pause", "resume", "cancel"]))
    def ask(self, id, verb):
        job = self.model.jobs.get(id)
        code = job.conflict(verb) if job else "unknown_job"
        asked = service.ask, id, Verb(verb), administrator()
        if code:
            assert self.refused(ServiceError, self.does, *asked).code == code
            return
        self.does(*asked)
        job.obey(verb)

    @when_live
    @rule(lease=live, verb=st.sampled_from(["pause", "cancel"]))
    def interrupt(self, lease, verb):
        self.ask(lease.job_id, verb)

    @has_room
    @rule(id=some_job, verb=st.sampled_from(["retry", "clone"]))
    def again(self, id, verb):
        job = self.model.jobs.get(id)
        if job and (verb == "clone" or job.state in ("failed", "cancelled")):
            self.adopt(self.does(service.again, id, administrator(), verb=verb), job.owner)
        else:
            refused = self.refused(ServiceError, self.does, service.again, id, administrator(), verb=verb)
            assert refused.code == ("cannot_retry" if job else "unknown_job")

    @precondition(lambda self: any(job.has_ended for job in self.model.jobs.values()))
    @rule(id=some_job)
    def delete(self, id):
        job = self.model.jobs.get(id)
        if job and job.has_ended:
            service.delete(self.database, self.store, id, administrator())
            self.model.deleted.append(id)
            del self.model.jobs[id]
        else:
            refused = self.refused(ServiceError, service.delete, self.database, self.store, id, administrator())
            assert refused.code == ("job_not_ended" if job else "unknown_job")


class Workers(Users):
    """What workers do."""

    @precondition(lambda self: self.model.queued())
    @rule(kind=st.sampled_from(["cpu", "cuda"]), devices=st.integers(1, 2), most=st.sampled_from([None, 1, 2]))
    def claim(self, kind, devices, most):
        best = self.model.best(kind, devices, most)
        job = self.hand.do("claim", Claimant("host:0", kind, devices), most_per_owner=most)
        assert (job.id if job else None) == best
        if job:
            self.model.jobs[best].fence += 1
            self.model.jobs[best].move("running")
            self.model.leases.append(Lease(job.id, job.fence))

    @when_live
    @rule(lease=live)
    def heartbeat(self, lease):
        assert {self.hand.do(name, lease) for name in ("look", "renew")} == {self.model.of(lease).state}
        self.model.of(lease).note(events=0)

    @when_live
    @rule(lease=live, events=st.integers(0, 3), is_checkpoint=st.booleans())
    def write(self, lease, events, is_checkpoint):
        """What happened; with a new checkpoint the crashes before it do not count."""
        job = self.model.of(lease)
        columns = {"phase": "training"} | ({"crashes": 0} if is_checkpoint else {})
        change = lambda row: [setattr(row, *column) for column in columns.items()]  # noqa: E731
        assert self.hand.write(lease, *[LOG] * events, change=change) == job.state
        job.note(events)
        job.crashes = columns.get("crashes", job.crashes)

    @when_live
    @rule(lease=live, to=st.sampled_from([JobState.SUCCEEDED, JobState.FAILED]))
    def finish(self, lease, to):
        self.hand.do("finish", lease, to, error=ERROR if to == "failed" else None)
        job = self.model.of(lease)
        job.move("cancelled" if job.state == "cancelling" else to.value)

    @when_live
    @rule(lease=live)
    def reach_the_time_limit(self, lease):
        self.hand.do("pause", lease, reason="The time is up.")
        job = self.model.of(lease)
        if job.state == "running":
            job.move("pausing")
            job.events += 1
        self.give_back(lease)

    @when_live
    @rule(lease=live)
    def give_back(self, lease):
        self.hand.do("give_back", lease)
        job = self.model.of(lease)
        job.move({"running": "queued", "pausing": "paused", "cancelling": "cancelled"}[job.state])

    @when_live
    @rule(lease=live, name=st.sampled_from(["lose", "reclaim"]))
    def crash(self, lease, name):
        job = self.model.of(lease)
        if name == "reclaim" and not job.is_silent:
            self.refused(LeaseLost, self.hand.do, name, lease, error=ERROR)
            return
        assert self.hand.do(name, lease, error=ERROR) == job.lose()
        if job.state == "queued":
            with self.database.reading() as session:
                pause = session.get(JobTable, lease.job_id).not_before.timestamp() - now_seconds(session)
            assert -5 < pause <= {1: 0.501, 2: 5.001}[job.crashes]  # floats are rounded; less on a busy machine
            self.sql("UPDATE jobs SET not_before = not_before + 7200 WHERE id = :id", id=lease.job_id)

    @precondition(lambda self: self.model.stale() and self.model.open())
    @rule(lease=stale, name=st.sampled_from(sorted(ASKED)))
    def a_stale_lease_is_refused(self, lease, name):
        self.refused(LeaseLost, self.hand.do, name, lease, **ASKED[name])


class AnyOrder(Workers):
    """What time does, and what holds at all times."""

    @initialize()
    def begin(self):
        for owner in ("ann", "ann", "ben"):
            self.submit(owner)
        self.claim("cpu", 1, None)
        self.claim("cuda", 1, None)

    @when_live
    @rule(lease=live)
    def work_for_a_while(self, lease):
        self.sql("UPDATE jobs SET claimed_at = claimed_at - 100 WHERE id = :id", id=lease.job_id)
        self.model.of(lease).held_seconds += 100

    @when_live
    @rule(lease=live)
    def fall_silent(self, lease):
        """Ten seconds after the last word the lease ran out, and ten more have gone by since."""
        job = self.model.of(lease)
        if not job.is_silent:
            moved = "UPDATE jobs SET claimed_at = claimed_at - 20, lease_until = lease_until - 3610 WHERE id = :id"
            self.sql(moved, id=lease.job_id)
            job.held_seconds, job.is_silent = job.held_seconds + 10, True

    @when_live
    @rule()
    def sweep(self):
        silent = {lease for lease in self.model.live() if self.model.of(lease).is_silent}
        assert set(self.hand.do("lost_leases")) == silent
        for lease in silent:
            self.crash(lease, "reclaim")

    @precondition(lambda self: not all(job.is_due for job in self.model.jobs.values()))
    @rule()
    def pauses_end(self):
        for id in self.model.queued():
            self.sql("UPDATE jobs SET not_before = not_before - 14400 WHERE id = :id", id=id)
            self.model.jobs[id].is_due = True

    @precondition(lambda self: len(self.model.queued()) >= 3)
    @rule()
    def all_that_is_queued_is_claimed_by_somebody(self):
        self.pauses_end()
        while before := len(self.model.queued()):
            self.claim("cpu", 2, None)
            self.claim("cuda", 2, None)
            assert len(self.model.queued()) < before

    @invariant()
    def the_tables_are_as_expected(self):
        rows, events, _ = self.everything()
        self.model.check(rows, events)

    @invariant()
    def only_the_newest_lease_of_a_live_job_is_good(self):
        recent, good = self.model.leases[-6:], []
        for lease in recent:
            with suppress(LeaseLost):
                self.hand.do("look", lease)
                good.append(lease)
        assert good == [lease for lease in recent if self.model.holds(lease)]


@pytest.fixture
def explore(database, hand_of, settings, new_model):
    """Try so many orders of so many steps each. No power fails here, so SQLite need not wait for the disk."""
    if database.is_sqlite:
        event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    parts = hand_of(database), ArtifactStore(settings.storage)

    def run(**effort):
        effort |= {"deadline": None, "database": None, "suppress_health_check": list(hypothesis.HealthCheck)}
        calm = hypothesis.settings(phases=PHASES, **effort)
        run_machine(lambda: AnyOrder(new_model(), *parts), settings=calm)

    return run


class TestAnyOrder:
    def test_a_few(self, explore):
        explore(max_examples=12, stateful_step_count=60, derandomize=True)

    @pytest.mark.verify
    def test_many(self, explore):
        explore(max_examples=300, stateful_step_count=80)
