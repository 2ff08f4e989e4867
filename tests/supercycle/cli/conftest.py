import pytest
from typer.testing import CliRunner

from supercycle.cli.app import app


@pytest.fixture
def run(service):
    """Runs a command against the service of the test."""

    def invoke(*arguments):
        return CliRunner().invoke(app, ["--url", service.url, *arguments])

    return invoke
