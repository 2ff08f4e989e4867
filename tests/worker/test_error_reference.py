"""The page of error codes lists every code that the source can give, and no other."""

import ast
import re
from pathlib import Path

import pytest

from app import errors, wording
from app.openapi.examples import recorded
from worker import error_reference
from worker.error_reference import engine_errors, problems
from worker.error_words import ANSWERS, JOBS, REPORTS, WARNINGS
from worker.keeper import cautions, verdicts

ROOT = Path(error_reference.__file__).parents[1]
PAGE = error_reference.PATH.read_text("utf-8")

REQUESTS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.ServiceError)
}
# Where a code is no word in the call: what stands there instead, and the codes that it may be beside a field's.
COMPUTED = {
    "code": set(),
    "errors[0].code": set(),
    "f'unknown_{kind}'": {"unknown_artifact", "unknown_plot"},
}


def calls(*rooms):
    """Every call in the source of these rooms: the file, what is called, the call."""
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    yield path.relative_to(ROOT), ast.unparse(node.func), node


def argument(call, place, name="code"):
    """An argument, however it is given."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return named[0] if named else call.args[place] if len(call.args) > place else None


def words(node):
    """The constants in an expression: one, or those of `a if … else b`; None where it is computed."""
    parts = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]
    return {part.value for part in parts} if all(isinstance(part, ast.Constant) for part in parts) else None


def assigned(path, name="code"):
    """What a name is given in a file, alone or in a pair."""
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Assign):
            targets, values = (getattr(part, "elts", [part]) for part in (node.targets[0], node.value))
            yield from (value for one, value in zip(targets, values, strict=False) if ast.unparse(one) == name)


def of_requests():
    """Codes of ServiceErrors and of fields, by the file that raises them."""
    found = wording_codes() | {
        code: "app/jobs/checks.py" for node in assigned("app/jobs/checks.py") for code in words(node)
    }
    for path, called, call in calls("app"):
        place = {"FieldError": 1, "refused": 1}.get(called, 0 if called in REQUESTS else None)
        if called == "not_found":
            found |= {f"unknown_{word}": path for word in words(call.args[0])}
        elif place is not None and "domain" not in path.parts and (node := argument(call, place)) is not None:
            assert words(node) or ast.unparse(node) in COMPUTED, f"{path}: {ast.unparse(call)}"
            found |= dict.fromkeys(words(node) or COMPUTED[ast.unparse(node)], path)
    return found


def wording_codes():
    """What becomes of pydantic's findings, and of the framework's refusals."""
    lengths = [code for code, _ in wording._LENGTHS.values()]
    table = next(assigned("app/problems.py", "_FRAMEWORK"))
    codes = [*wording._HINTS, *lengths, *wording._OTHER_CODES.values(), "invalid_request"]
    codes += [value.elts[0].value for value in table.values]
    return dict.fromkeys(codes, "app/wording.py")


class TestRequests:
    def test_every_code_is_raised_and_every_code_stands_there(self):
        assert set(ANSWERS) == set(of_requests())

    def test_every_code_was_heard_from_the_service(self):
        assert {code for _, code in problems()} == set(ANSWERS)

    def test_every_field_is_told_by_a_code_of_the_list(self):
        values = [problem["value"] for problem in recorded()["problems"].values()]
        assert {error["code"] for value in values for error in value["errors"]} <= set(ANSWERS)

    @pytest.mark.parametrize(
        ("source", "codes"),
        [("Conflict('a', 'b', 'c')", {"a"}), ("refused('#', code='a', detail='')", {"a"}), ("Conflict(x, 'b')", None),
         ("FieldError('a', 'b' if x else 'c')", {"b", "c"})],
    )  # fmt: skip
    def test_a_code_is_seen_however_it_is_given(self, source, codes):
        call = ast.parse(source).body[0].value
        place = 1 if ast.unparse(call.func) in ("FieldError", "refused") else 0
        assert words(argument(call, place)) == codes


def of_jobs():
    """Codes of errors that are no classes: dictionaries with a title, and messages of the training process."""
    found = set()
    for room in ("app", "worker"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Dict):
                    parts = dict(zip(map(ast.unparse, filter(None, node.keys)), node.values, strict=False))
                    if {"'code'", "'title'", "'hint'"} <= parts.keys():
                        found |= words(parts["'code'"]) or {value for one in assigned(path) for value in words(one)}
    for _, called, call in calls("worker"):
        if called == "Failed":
            found |= words(call.args[0]) or set()
    return found


class TestJobs:
    def test_every_code_is_given_and_every_code_stands_there(self):
        classes = {kind.code for kind in engine_errors()}
        assert {"lr_diverged", "dataset_invalid"} < classes
        assert set(JOBS) | classes == of_jobs() | classes
        assert set(JOBS).isdisjoint(classes)

    def test_every_class_of_the_source_is_one_of_them(self):
        names = {
            node.name
            for path in (ROOT / "worker").rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.ClassDef) and "EngineError" in map(ast.unparse, node.bases)
        }
        assert {kind.__name__ for kind in engine_errors()} == names


def of_reports():
    """First arguments of what makes a problem; where that is a variable, what `code` is given or is by default."""
    made = list(calls("worker/datasets", "worker/keeper"))
    first = [call.args[0] for _, called, call in made if called in ("Problem", "Refused", "_failed")]
    assert {ast.unparse(node) for node in first if words(node) is None} == {"code"}
    given = [keyword.value for _, _, call in made for keyword in call.keywords if keyword.arg == "code"]
    sources = [path.read_text("utf-8") for path in (ROOT / "worker/datasets").glob("*.py")]
    defaults = re.findall(r'code: str = "(\w+)"', "".join(sources))
    return {code for node in [*first, *given] for code in words(node) or ()} | set(defaults)


class TestReports:
    def test_every_code_is_given_and_every_code_stands_there(self):
        assert set(REPORTS) == of_reports()
        assert {"wrong_shape", "bad_label", "out_of_range", "check_timed_out"} < set(REPORTS)

    def test_every_warning_is_given_and_every_warning_stands_there(self):
        given = [call.args[0] for _, called, call in calls("worker") if called == "Caution"]
        assert set(WARNINGS) == {code for node in given for code in words(node)}

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            ("more_problems", f"beyond the first {verdicts.SHOWN_PROBLEMS} are"),
            ("more_skipped_files", f"after the first {cautions.SHOWN_SKIPPED} files"),
            ("class_imbalance", f"at least {cautions.IMBALANCE} times as many"),
            ("few_images", f"fewer than {cautions.FEW_IMAGES} training images"),
        ],
    )
    def test_numbers_are_the_checks(self, code, said):
        assert said in (REPORTS | WARNINGS)[code]


class TestPage:
    def test_is_the_generators(self):
        assert error_reference.render() == PAGE

    @pytest.mark.parametrize(
        ("heading", "codes"),
        [
            ("## Problems", set(ANSWERS)),
            ("## Errors of jobs", set(JOBS) | {kind.code for kind in engine_errors()}),
            ("## Reports on data sets", set(REPORTS)),
            ("## Warnings on data sets", set(WARNINGS)),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_lists_every_code_under_its_heading(self, heading, codes):
        section = re.split(r"^## ", PAGE.split(f"\n{heading}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
        assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == codes
