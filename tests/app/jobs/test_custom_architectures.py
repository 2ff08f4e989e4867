"""Custom architectures over HTTP: the layer at fault is named before anything is queued."""

import pytest

HEAD = {"type": "linear", "features": "classes"}
POOL = {"type": "max_pool", "kernel_size": 2}
CONV = {"type": "conv", "channels": 4, "kernel_size": 3}


def nested(depth):
    """A ReLU inside so many residual layers."""
    layer = "relu"
    for _ in range(depth):
        layer = {"type": "residual", "layers": [layer]}
    return layer


@pytest.fixture
def refusals(shared_client, minimal):
    """Submit layers that are refused; each error's pointer, code and detail."""

    def submit(layers, **changes):
        body = minimal | {"architecture": {"name": "custom", "layers": layers}} | changes
        response = shared_client.post("/v1/jobs", json=body)
        assert response.status_code == 422
        problem = response.json()
        assert problem["hint"]
        return [(error["pointer"], error["code"], error["detail"]) for error in problem["errors"]]

    return submit


class TestForm:
    @pytest.mark.parametrize(
        ("layers", "pointer", "code", "says"),
        [
            ([], "", "too_short", "must not be empty"),
            ("relu", "", "wrong_type", "must be a list"),
            ([3, HEAD], "/0", "wrong_type", "must be an object, not 3"),
            (["rely", HEAD], "/0", "unknown_option", "did you mean 'relu'?"),
            ([{"channels": 3}, HEAD], "/0/type", "missing_field", "conv, batch_norm, group_norm"),
            ([{"type": "conv", "kernel_size": 3}, HEAD], "/0/channels", "missing_field", "channels is missing"),
            ([CONV | {"dilation": 2}, HEAD], "/0/dilation", "unknown_field", "There are type, channels, kernel_size"),
            ([CONV | {"stride": 0}, HEAD], "/0/stride", "out_of_range", "at least 1"),
            ([CONV | {"bias": "no"}, HEAD], "/0/bias", "wrong_type", "true or false"),
            ([POOL | {"padding": 2}, HEAD], "/0/padding", "invalid_value", "more than half of kernel_size 2"),
            ([{"type": "dropout", "p": 1}, HEAD], "/0/p", "out_of_range", "at most 0.99"),
            ([{"type": "dropout", "p": True}, HEAD], "/0/p", "wrong_type", "must be a number"),
            ([{"type": "linear", "features": "class"}], "/0/features", "unknown_option", "did you mean 'classes'?"),
            ([{"type": "residual", "layers": []}, HEAD], "/0/layers", "too_short", "must not be empty"),
            ([{"type": "residual", "layers": ["relu", {"type": "x"}]}], "/0/layers/1/type", "unknown_option", "x"),
            (["relu"] * 201, "", "invalid_value", "at most 200 layers"),
            ([{"type": "residual", "layers": ["relu"] * 100}] * 2, "", "invalid_value", "at most 200 layers"),
            ([nested(9), HEAD], "", "invalid_value", "more than 8 deep"),
            ([nested(200), HEAD], "", "invalid_value", "more than 8 deep"),
        ],
    )
    def test_what_is_wrong_is_pointed_at(self, refusals, layers, pointer, code, says):
        [(found_pointer, found_code, detail)] = refusals(layers)
        assert (found_pointer, found_code) == (f"#/architecture/layers{pointer}", code)
        assert says in detail

    @pytest.mark.parametrize("architecture", ["custom", {"name": "custom"}])
    def test_layers_must_be_given(self, shared_client, minimal, architecture):
        problem = shared_client.post("/v1/jobs", json=minimal | {"architecture": architecture}).json()
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [
            ("#/architecture/layers", "missing_field")
        ]

    def test_nothing_else_stands_beside_them(self, shared_client, minimal):
        architecture = {"name": "custom", "layers": ["flatten", HEAD], "width": 3}
        problem = shared_client.post("/v1/jobs", json=minimal | {"architecture": architecture}).json()
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [
            ("#/architecture/width", "unknown_field")
        ]


class TestFit:
    """digits: grey images of 8 px in 10 classes; CIFAR10: colour, 32 px."""

    @pytest.mark.parametrize(
        ("layers", "pointer", "says"),
        [
            ([POOL, POOL, POOL, POOL, "flatten", HEAD], "/3", "layer 4 (max_pool 2) gets 1 channel of 1×1 pixels"),
            (["relu", {"type": "residual", "layers": [CONV]}, HEAD], "/1", "layer 2 (residual) cannot add"),
            ([{"type": "residual", "layers": ["relu", HEAD]}, HEAD], "/0/layers/1", "layer 2 of layer 1 (linear"),
            (["flatten", HEAD, "relu"], "/2", 'end with {"type": "linear", "features": "classes"}'),
            (["flatten", {"type": "linear", "features": 9}], "/1", "gives 9 numbers for 10 classes"),
        ],
    )
    def test_the_layer_that_does_not_is_named(self, refusals, layers, pointer, says):
        [(found, code, detail)] = refusals(layers)
        assert (found, code) == (f"#/architecture/layers{pointer}", "layer_unfit")
        assert says in detail

    def test_too_large_has_a_code_of_its_own(self, refusals):
        wide = {"type": "linear", "features": 8192}
        [(pointer, code, _)] = refusals(["flatten", wide, wide, wide, wide, HEAD])
        assert (pointer, code) == ("#/architecture/layers/4", "architecture_too_large")

    @pytest.mark.parametrize("changes", [{"image_size": 16}, {"dataset": "CIFAR10"}])
    def test_follows_the_size_of_the_images(self, submit, changes):
        layers = [POOL, POOL, POOL, POOL, "flatten", HEAD]  # too many for digits as they are: see above
        submit(architecture={"name": "custom", "layers": layers}, **changes)

    @pytest.mark.parametrize(("dataset", "fits"), [("digits", False), ("CIFAR10", True)])
    def test_follows_the_channels_of_the_images(self, shared_client, minimal, dataset, fits):
        layers = [{"type": "group_norm", "groups": 3}, "flatten", {"type": "linear", "features": 9}]
        body = minimal | {"dataset": dataset, "architecture": {"name": "custom", "layers": layers}}
        [error] = shared_client.post("/v1/jobs", json=body).json()["errors"]
        assert (
            error["pointer"] == f"#/architecture/layers/{2 if fits else 0}"
        )  # the second fault: only the first is told

    def test_no_weights_are_published_for_it(self, refusals):
        assert [code for _, code, _ in refusals(["flatten", HEAD], pretrained=True)] == ["unknown_weights"]

    def test_the_stored_spec_is_whole(self, client, submit):
        job = submit(architecture={"name": "custom", "layers": [POOL, "flatten", HEAD]})
        assert client.get(job["links"]["self"]).json()["spec"]["architecture"] == {
            "name": "custom",
            "layers": [
                {"type": "max_pool", "kernel_size": 2, "stride": None, "padding": 0},
                {"type": "flatten"},
                {"type": "linear", "features": "classes", "bias": True},
            ],
        }
