import json

import pytest

from app.domain import catalog


@pytest.fixture
def facts(service, canned):
    """The service's own catalog, as it answers with it."""
    known = {name: fact.model_dump(mode="json") for name, fact in catalog.architectures().items()}
    service.answers["GET /v1/architectures"] = canned({"items": list(known.values()), "next_cursor": None})
    service.answers.update({f"GET /v1/architectures/{name}": canned(fact) for name, fact in known.items()})
    return known


class TestList:
    def test_columns_for_pipes(self, run, facts):
        lines = run("architectures").stdout.splitlines()
        assert lines[0] == "name\tfamily\tparameters\timage size\tpretrained"
        assert "resnet9\tresnet9\t1.65 M\t32\tno" in lines
        assert "resnet50\tresnet\t25.6 M\t224\tyes" in lines
        assert lines[-1] == "custom\tcustom\t-\t-\tno"
        assert len(lines) == len(facts) + 1

    def test_json(self, run, facts):
        assert json.loads(run("architectures", "--json").stdout) == list(facts.values())


class TestOne:
    def test_with_options(self, run, facts):
        found = run("architectures", "wrn")
        assert found.exit_code == 0, found.output
        assert found.stdout.splitlines() == [
            "name         wrn",
            "family       wrn",
            f"description  {facts['wrn']['description']}",
            "paper        https://arxiv.org/abs/1605.07146",
            "parameters   2.75 M",
            "image size   32 px; takes 1 px and more",
            "",
            "options",
            "  depth  a whole number from 10 to 100 in steps of 6, default 16. Layers, 6n + 4.",
            "  width  a whole number from 1 to 12, default 4. Times the 16, 32 and 64 channels of a ResNet.",
            "",
            "train it with: supercycle train --dataset DATASET --architecture wrn:depth=16,width=4",
        ]

    def test_with_published_weights(self, run, facts):
        lines = run("architectures", "vit_b_32").stdout.splitlines()
        assert "image size   224 px; takes 32 px and more, in steps of 32 px" in lines
        assert "images       colour; grey ones are repeated over three channels" in lines
        assert "weights      IMAGENET1K_V1" in lines
        assert lines[-2:] == [
            "train it with: supercycle train --dataset DATASET --architecture vit_b_32",
            "start from its published weights with: --pretrained",
        ]

    def test_without_a_paper(self, run, facts):
        assert "paper" not in run("architectures", "mlp").stdout

    def test_json(self, run, facts):
        assert json.loads(run("architectures", "custom", "--json").stdout) == facts["custom"]

    @pytest.mark.parametrize("name", catalog.architectures())
    def test_every_one_can_be_shown(self, run, facts, name):
        found = run("architectures", name)
        assert found.exit_code == 0, found.output
        assert found.stdout.startswith(f"name         {name}\n")

    def test_unknown(self, run, service, canned):
        problem = {"title": "Not found", "code": "unknown_architecture", "detail": "No nope.", "hint": "GET them."}
        service.answers["GET /v1/architectures/nope"] = canned(problem, 404)
        found = run("architectures", "nope")
        assert found.exit_code == 3
        assert found.stderr.splitlines()[-1] == "See what there is with: supercycle architectures"


class TestCustom:
    def test_shows_limits_layers_and_their_fields(self, run, facts):
        lines = run("architectures", "custom").stdout.splitlines()
        assert "  parameters             200 M" in lines
        assert lines[lines.index("layers") + 1 :][:2] == [
            "  conv             A convolution with square kernels.",
            "    channels       a whole number from 1 to 8192, must be given. Channels it gives.",
        ]
        assert lines[-1] == "write its layers into a spec and train it with: supercycle train --spec FILE.json"

    @pytest.mark.parametrize(
        "text",
        [
            "true or false, default true. ",
            "a number from 0 to 0.99, default 0.5. ",
            "a whole number from 1 to 64, may be left out. ",
            "a list of layers, may be left out. ",
            '"classes" or a whole number from 1 to 8192, must be given. ',
        ],
    )
    def test_says_what_a_field_takes(self, run, facts, text):
        assert f"  {text}" in run("architectures", "custom").stdout

    def test_has_no_parameters_of_its_own(self, run, facts):
        assert "\nparameters" not in run("architectures", "custom").stdout
