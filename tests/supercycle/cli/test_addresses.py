import pytest

from app.jobs.checks import _HINTS
from supercycle.cli.addresses import with_commands


class TestAddresses:
    @pytest.mark.parametrize(
        ("advice", "command"),
        [
            ("Cancel it first: POST …/cancel.", "Cancel it first: `supercycle cancel JOB`."),
            ("POST …/retry makes a new job of it.", "`supercycle retry JOB` makes a new job of it."),
            (
                'Import it once: POST /v1/jobs {"kind": "dataset_import", "dataset": "cifar10"}.',
                "Import it once: `supercycle datasets import cifar10`.",
            ),
            ("Wait; GET /v1/datasets/{id} shows it.", "Wait; `supercycle datasets show DATASET` shows it."),
            ("See the options at GET /v1/architectures.", "See the options at `supercycle architectures`."),
            (
                "GET /v1/architectures/custom explains every layer.",  # not the command for those that begin alike
                "`supercycle architectures custom` explains every layer.",
            ),
            ("GET /v1/jobs?parent_id= lists them.", "`supercycle jobs --parent JOB` lists them."),
        ],
    )
    def test_become_commands(self, advice, command):
        assert with_commands(advice) == command

    @pytest.mark.parametrize("advice", ["", "Lower batch_size.", "GET /v1/jobs/job_1/artifacts lists them."])
    def test_the_rest_stays(self, advice):
        assert with_commands(advice) == advice

    def test_all_that_a_spec_is_refused_with_have_one(self):
        assert [hint for hint in _HINTS.values() if "/v1/" in with_commands(hint)] == []
