"""The page on events names what is really written: every type, every field, and what its value is."""

import ast
import json
import re
from pathlib import Path

import pytest

from app.artifacts.store import ArtifactStore
from app.domain.lifecycle import ENDED, JobState
from app.jobs.claims import Claims
from app.jobs.repository import CANCELLED
from app.jobs.schemas import EventOut
from app.jobs.stream import KEEPALIVE_SECONDS
from app.webhooks.events import EVENT_TYPES, OF_STATES, facts_of_job
from worker.engine import cycles, range_test, training
from worker.engine import events as engine
from worker.engine.events import CheckpointSaved, EpochDone, Logged, PhaseStarted, Rewound, StepsDone, Warned
from worker.keeper.coordinator import Known, tell_of_children
from worker.messages import FileMade, Happened
from worker.reporter import Reporter

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "events.md").read_text("utf-8")
TYPES = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE))
KINDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    dict: "object",
    list: "list of numbers",
    type(None): "null",
}
CALLS = [
    node
    for room in ("app", "worker")
    for path in (ROOT / room).rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text("utf-8")))
    if isinstance(node, ast.Call)
]
BAR_ONLY = {"progress", "resized"}  #: move the progress bar and leave no history


def table(text):
    """Field → what it takes, and whether it may be missing."""
    return {name: (takes, bool(mark)) for name, mark, takes in re.findall(r"^\| `(\w+)`(\??) \| (.+?) \|", text, re.M)}


def kinds(takes):
    return {takes.removesuffix(" or null")} | ({"null"} if takes.endswith(" or null") else set())


def first_arguments(name):
    """Of all calls of this name."""
    return [call.args[0] for call in CALLS if call.args and ast.unparse(call.func) == name]


def literals(nodes):
    return {node.value for node in nodes if isinstance(node, ast.Constant)}


@pytest.fixture
def history(database, settings, claimed, read, tmp_path):
    """The events of a job to which everything happens, as the service shows them."""
    lease = claimed()
    reporter = Reporter(database=database, store=ArtifactStore(settings.storage), settings=settings, lease=lease)
    picture = tmp_path / "loss.png"
    picture.write_bytes(b"a picture")
    checkpoint = settings.data_dir.absolute() / "checkpoint"
    for event in (
        PhaseStarted("training", steps=10, epochs=1),
        StepsDone("range_test", 0, [0.1], [0.9], [2.0], [2.1]),
        StepsDone("training", 0, [0.1], [0.9], [2.0]),
        EpochDone(1, 1.0, 0.5, 1.1, 0.4, 2.0, None),
        EpochDone(2, 1.0, 0.5, 1.1, 0.4, 2.0, 300.0),
        CheckpointSaved(10, best=True, path=checkpoint, sha256="0" * 64),
        Rewound(0, "It diverged."),
        Warned("no_descent", "It never fell."),
        Logged("info", "hello"),
    ):
        reporter.take(Happened(event))
    reporter.take(FileMade(picture.name, picture, 9, "0" * 64, "image/png"))
    with database.transaction() as session:
        jobs = Claims(session, lease=settings.lease).jobs
        tell_of_children(jobs, jobs.lock(lease.job_id), Known(), {"one_cycle/0": ("job_x", JobState.QUEUED, 0.0)})
    reporter.commit_with(lambda claims: claims.finish(lease, JobState.FAILED, error=CANCELLED | {"attempt": 1}))
    return [EventOut.of(row).model_dump() for row in read(lease.job_id)[1]]


class TestTypes:
    def test_they_are_those_that_are_written(self, history):
        assert TYPES.keys() == {event["type"] for event in history}

    def test_the_history_above_leaves_out_none(self):
        classes = [one for one in vars(engine).values() if isinstance(one, type) and issubclass(one, engine.Event)]
        of_the_engine = {one.type for one in classes if one is not engine.Event}
        new = first_arguments("NewEvent")
        named = [ast.unparse(name) for name in new if not isinstance(name, ast.Constant)]
        assert named == ["event.type"]  # the engine's
        assert TYPES.keys() == (of_the_engine - BAR_ONLY) | literals(new)

    def test_every_field_is_there_and_what_it_says(self, history):
        seen = {name: [event["data"] for event in history if event["type"] == name] for name in TYPES}
        for name, section in TYPES.items():
            fields = table(section)
            assert fields.keys() == {field for data in seen[name] for field in data}, name
            for field, (takes, may_be_missing) in fields.items():
                values = [data[field] for data in seen[name] if field in data]
                assert may_be_missing == (len(values) < len(seen[name])), (name, field)
                assert {KINDS[type(value)] for value in values} == kinds(takes), (name, field)


class TestExamples:
    @pytest.mark.parametrize("name", TYPES)
    def test_each_type_has_one_with_its_fields(self, name):
        example = json.loads(re.search(r"```json\n(.*?)```", TYPES[name], re.DOTALL)[1])
        event = EventOut.model_validate(example)
        needed = {field for field, (_, may_be_missing) in table(TYPES[name]).items() if not may_be_missing}
        assert event.type == name
        assert needed <= event.data.keys() <= table(TYPES[name]).keys()

    def test_the_envelope_is_whole(self, history):
        section = PAGE.split("## An event\n")[1].split("\n## ")[0]
        assert table(section).keys() == history[0].keys() == EventOut.model_fields.keys()


class TestWords:
    def test_states_and_errors_are_all_named(self):
        named = set(re.findall(r"`(\w+)`", TYPES["state"]))
        assert named >= set(JobState) | CANCELLED.keys() | {"attempt"}
        assert [f"`{state}`" for state in ENDED if f"`{state}`" not in TYPES["state"].split("```")[-1]] == []

    def test_phases_are_those_that_begin(self):
        constants = {module._PHASE for module in (range_test, training)} | {cycles.PHASE}
        constants |= {"downloading", "checking"}  # of the keeper's imports
        constants |= {"reporting"}  # of plans
        row = re.search(r"^\| `phase` \| text \| (.+) \|$", TYPES["phase"], re.MULTILINE)[1]
        assert set(re.findall(r"`(\w+)`", row)) == literals(first_arguments("PhaseStarted")) | constants

    def test_the_heartbeat_is_the_streams(self):
        assert f"every {KEEPALIVE_SECONDS:.0f} seconds" in PAGE


class TestWebhooks:
    def test_their_events_are_all_there(self):
        rows = dict(re.findall(r"^\| `((?:job|dataset)\.\w+)` \| (.+) \|$", PAGE, re.MULTILINE))
        assert tuple(rows) == EVENT_TYPES
        assert {event: state for state, event in OF_STATES.items()} == {
            event: re.search(r"`state` event with `(\w+)`", when)[1]
            for event, when in rows.items() if event.startswith("job.")
        }  # fmt: skip

    def test_their_fields_are_all_there(self, database, settings, claimed, read):
        lease = claimed()
        with database.reading() as session:
            facts = facts_of_job(Claims(session, lease=settings.lease).jobs.get(lease.job_id))
        last = PAGE.split("The `data` of a webhook")[1]
        assert set(re.findall(r"`(\w+)`", last.partition(".")[0])) == facts.keys()
