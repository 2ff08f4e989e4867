from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from supercycle.cli.bars import bars
from supercycle.cli.follow import follow, needs
from supercycle.cli.standing import Standing, note_on
from supercycle.events import Event

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"
JOB = f"/v1/jobs/{JOB_ID}"


@pytest.fixture
def happened():
    """Makes an event."""

    def make(kind, **data):
        return Event(seq=1, type=kind, time=datetime.now(UTC), attempt=1, data=data)

    return make


class TestStanding:
    def test_gathers_what_events_say(self, happened):
        standing = Standing()
        standing.take(happened("state", state="running"))
        standing.take(happened("phase", phase="training"))
        standing.take(happened("steps", first_step=4, learning_rate=[0.1, 0.2], momentum=[], loss=[1.0, 0.5]))
        standing.take(happened("epoch", epoch=1, validation_accuracy=0.75))
        assert (standing.state, standing.step, standing.epoch) == ("running", 6, 1)  # 4 before, 2 in the block
        assert standing.numbers() == "lr 0.2  loss 0.5  val 75.0 %"
        standing.take(happened("rewind", to_step=2, reason="resumed"))
        assert standing.step == 2
        standing.take(happened("phase", phase="exporting"))
        assert (standing.step, standing.numbers()) == (0, "")  # the figures belong to a phase

    @pytest.mark.parametrize("loss", [None, float("nan"), float("inf")])
    def test_a_loss_that_is_no_number_is_not_shown(self, happened, loss):
        standing = Standing()
        standing.take(happened("steps", first_step=0, learning_rate=[10.0], momentum=[], loss=[loss]))
        assert standing.numbers() == "lr 10"


class TestNotes:
    @pytest.mark.parametrize(
        ("kind", "data", "note"),
        [
            ("state", {"state": "queued", "previous": None}, ""),
            ("state", {"state": "cancelling", "previous": "running"}, "cancelling"),
            ("state", {"state": "pausing", "previous": "running"}, "pausing: the worker saves a checkpoint and stops"),
            ("state", {"state": "paused", "previous": "pausing"}, "paused"),
            ("state", {"state": "cancelled", "previous": "paused"}, ""),
            ("log", {"level": "info", "message": "hello"}, ""),
            ("log", {"level": "error", "message": "no room"}, "error: no room"),
            ("checkpoint", {"step": 3, "best": True}, ""),
            ("rewind", {"to_step": 0, "reason": "It diverged."}, "back to step 0: It diverged."),
        ],
    )
    def test_what_deserves_a_line(self, happened, kind, data, note):
        assert note_on(happened(kind, **data)) == note

    def test_a_lost_worker_does(self, happened):
        assert "goes on from its last checkpoint" in note_on(happened("state", state="queued", previous="running"))

    def test_a_resumed_job_has_lost_no_worker(self, happened):
        note = note_on(happened("state", state="queued", previous="paused"))
        assert note == "resumed; the job waits for a worker and goes on from where it was"


class TestWaiting:
    @pytest.mark.parametrize(
        ("terms", "devices", "words"),
        [
            ({}, None, ""),  # of a service that knew no devices
            ({"device": "any"}, 1, ""),
            ({"device": "cuda"}, 1, "a GPU"),
            ({"device": "cuda"}, 2, "2 GPUs"),
            ({"device": "cpu"}, 1, "a CPU device"),
            ({"device": "any"}, 2, "2 devices"),
        ],
    )
    def test_says_for_what(self, job_body, terms, devices, words):
        spec = {} if devices is None else {"devices": devices}
        assert needs(job_body(spec=spec, **terms)) == words

    def test_once_and_only_while_it_waits(self, service, client, canned, job_body, event_stream, capsys):
        end = event_stream((1, "state", {"state": "cancelled", "previous": "queued"}))
        service.answers[f"GET {JOB}/events"] = end
        for state in ("queued", "cancelled"):
            service.answers[f"GET {JOB}"] = canned(job_body(state=state, device="cuda"))
            follow(client.job(JOB_ID), console=Console())
        assert capsys.readouterr().out.count("waits for a worker with a GPU") == 1


class TestOnATerminal:
    def test_a_bar_per_phase(self, service, client, canned, job_body, event_stream):
        job = job_body()
        service.answers[f"GET /v1/jobs/{job['id']}"] = canned(job)
        steps = {"phase": "training", "first_step": 0, "learning_rate": [0.1] * 8, "momentum": [], "loss": [1.5] * 8}
        service.answers[f"GET /v1/jobs/{job['id']}/events"] = event_stream(
            (1, "phase", {"phase": "preparing"}),
            (2, "phase", {"phase": "training"}),
            (3, "steps", steps),
            (4, "epoch", {"epoch": 2, "validation_accuracy": 0.9}),
            (5, "warning", {"code": "low_confidence", "detail": "Noisy."}),
            (6, "state", {"state": "succeeded", "previous": "running"}),
        )
        screen = StringIO()
        follow(client.job(job["id"]), console=Console(file=screen, force_terminal=True, width=110, color_system=None))
        final = screen.getvalue().rpartition("preparing")[2]  # a terminal draws the bars again and again
        assert final.startswith(f"  {'━' * 30} ")
        assert f"training   {'━' * 30} epoch 2/2 lr 0.1  loss 1.5  val 90.0 % 0:00" in final
        assert "warning: Noisy. (low_confidence)" in screen.getvalue()

    @pytest.mark.parametrize(("state", "is_full"), [("succeeded", True), ("cancelled", False), ("failed", False)])
    def test_only_what_is_done_has_a_full_bar(self, service, client, canned, job_body, event_stream, state, is_full):
        job = job_body()
        service.answers[f"GET /v1/jobs/{job['id']}"] = canned(job)
        steps = {"phase": "training", "first_step": 0, "learning_rate": [0.1] * 4, "momentum": [], "loss": [1.5] * 4}
        service.answers[f"GET /v1/jobs/{job['id']}/events"] = event_stream(
            (1, "phase", {"phase": "training"}),
            (2, "steps", steps),  # 4 of 8
            (3, "state", {"state": state, "previous": "running"}),
        )
        screen = StringIO()
        follow(client.job(job["id"]), console=Console(file=screen, force_terminal=True, width=80, color_system=None))
        final = screen.getvalue().rpartition("training")[2].splitlines()[0]
        assert final.count("━") == (6 if is_full else 3)  # without colours, only the done part is drawn
        assert len(f"training{final}") <= 80

    def test_a_rewind_ends_a_bar_where_it_was_and_begins_another(self, service, client, canned, job_body, event_stream):
        job = job_body()
        service.answers[f"GET /v1/jobs/{job['id']}"] = canned(job)
        steps = {"phase": "training", "first_step": 0, "learning_rate": [0.1] * 4, "momentum": [], "loss": [1.5] * 4}
        service.answers[f"GET /v1/jobs/{job['id']}/events"] = event_stream(
            (1, "phase", {"phase": "training"}),
            (2, "steps", steps),  # 4 of 8
            (3, "rewind", {"to_step": 0, "reason": "It diverged."}),
            (4, "phase", {"phase": "training"}),
            (5, "state", {"state": "succeeded", "previous": "running"}),
        )
        screen = StringIO()
        follow(client.job(job["id"]), console=Console(file=screen, force_terminal=True, width=80, color_system=None))
        bars_drawn = [line for line in screen.getvalue().splitlines() if "training" in line][-2:]
        assert [line.count("━") for line in bars_drawn] == [3, 6]
        assert "back to step 0: It diverged." in screen.getvalue()

    def test_the_longest_line_fits_80_columns(self):
        screen = StringIO()
        console = Console(file=screen, force_terminal=True, width=80, color_system=None)
        with bars(console) as progress:
            task = progress.add_task("range_test", total=100, count="epoch 100/100", numbers="")
            numbers = Standing(learning_rate=5.57e-05, loss=0.00685, accuracy=1.0).numbers()
            progress.update(task, completed=1, numbers=numbers)
        final = screen.getvalue().rpartition("range_test")[2]
        assert "epoch 100/100 lr 5.57e-05  loss 0.00685  val 100.0 %" in final


class TestAnEndedJob:
    def test_is_replayed_with_its_totals(self, service, client, canned, job_body, event_stream, capsys):
        progress = {"step": 0, "steps": None, "epoch": 0, "epochs": None, "fraction": 0.0, "eta_seconds": None}
        job = job_body(state="succeeded", phase=None, progress=progress)
        service.answers[f"GET /v1/jobs/{job['id']}"] = canned(job)
        service.answers[f"GET /v1/jobs/{job['id']}/metrics"] = lambda request: canned(
            {"total_steps": {"range_test": 8, "training": 4}[request.query["phase"][0]]}
        )
        block = {"learning_rate": [0.1] * 4, "momentum": [], "loss": [1.5] * 4}
        service.answers[f"GET /v1/jobs/{job['id']}/events"] = event_stream(
            (1, "phase", {"phase": "range_test"}),
            (2, "steps", {"phase": "range_test", "first_step": 0, **block}),
            (3, "steps", {"phase": "range_test", "first_step": 4, **block}),
            (4, "phase", {"phase": "training"}),
            (5, "steps", {"phase": "training", "first_step": 0, **block}),
            (6, "epoch", {"epoch": 1, "validation_accuracy": 0.9}),
            (7, "state", {"state": "succeeded", "previous": "running"}),
        )
        follow(client.job(job["id"]), console=Console())
        assert capsys.readouterr().out.splitlines() == [
            f"{job['id']} training",
            "range_test",
            "  step 4/8  lr 0.1  loss 1.5",
            "  step 8/8  lr 0.1  loss 1.5",
            "training",
            "  epoch 1/2  lr 0.1  loss 1.5  val 90.0 %",
        ]
        assert len(service.sent("GET", f"/v1/jobs/{job['id']}/metrics")) == 2  # once for each phase
