import pytest
import torch
from torchvision import models

from worker.engine import nets
from worker.engine.errors import ArchitectureUnavailable, ImageSizeUnfit, WeightsUnavailable
from worker.engine.nets import published
from worker.engine.nets.designs import DESIGNS
from worker.engine.nets.weights import fetch


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


class TestOwnNetworks:
    @pytest.mark.parametrize("name", sorted(DESIGNS))
    @pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (3, 17)])
    def test_shapes(self, name, channels, side):
        network = nets.build(name, classes=7, channels=channels, image_size=side)
        assert network(torch.zeros(2, channels, side, side)).shape == (2, 7)

    @pytest.mark.parametrize(
        ("name", "channels", "side", "expected"),
        [
            ("lenet", 1, 28, 431_080),  # 520 + 25,050 + 400,500 + 5,010: Caffe's
            ("resnet20", 3, 32, 269_722),  # He et al.: 0.27 M
            ("resnet32", 3, 32, 464_154),  # 0.46 M
            ("resnet44", 3, 32, 658_586),  # 0.66 M
            ("resnet56", 3, 32, 853_018),  # 0.85 M
            ("resnet110", 3, 32, 1_727_962),  # 1.7 M
            ("cnn3", 3, 32, 89_578),  # 2,432 + 25,632 + 51,264 + 10,250
        ],
    )
    def test_parameters(self, name, channels, side, expected):
        assert parameters(nets.build(name, classes=10, channels=channels, image_size=side)) == expected

    def test_page_width(self):
        network = nets.build("resnet9", classes=10, channels=3, image_size=32, options={"width": 64})
        assert parameters(network) == 6_573_120  # Page's 6.6 M

    @pytest.mark.parametrize(
        ("depth", "width", "expected"),
        [(16, 4, 2_748_890), (40, 4, 8_949_210), (22, 8, 17_158_106), (28, 10, 36_479_194)],
    )  # Zagoruyko and Komodakis, tables 1 and 4: 2.75 M, 8.9 M, 17.2 M, 36.5 M
    def test_wide_resnets(self, depth, width, expected):
        with torch.device("meta"):
            options = {"depth": depth, "width": width}
            network = nets.build("wrn", classes=10, channels=3, image_size=32, options=options)
        assert parameters(network) == expected
        convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
        assert sum(module.kernel_size == (3, 3) for module in convolutions) == depth - 3  # beside 3 shortcuts

    @pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
    def test_depth_counts_layers_with_weights(self, depth):
        network = nets.build(f"resnet{depth}", classes=10, channels=3, image_size=32)
        assert sum(isinstance(module, torch.nn.Conv2d | torch.nn.Linear) for module in network.modules()) == depth

    def test_too_small_an_image_is_said(self):
        with pytest.raises(ImageSizeUnfit, match="16 px or more, not 8"):
            nets.build("lenet", classes=10, channels=1, image_size=8)

    def test_unknown(self):
        with pytest.raises(ArchitectureUnavailable, match="no architecture resnet19"):
            nets.build("resnet19", classes=10, channels=1, image_size=8)


class TestPublishedNetworks:
    @pytest.mark.parametrize("name", ["mobilenet_v3_small", "squeezenet1_1", "googlenet"])
    def test_any_number_of_classes(self, name):
        network = nets.build(name, classes=4, channels=3, image_size=64)
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 4)  # googlenet without its auxiliary outputs, too


class TestHead:
    @pytest.mark.parametrize("name", [*sorted(DESIGNS), "mobilenet_v3_small", "squeezenet1_1"])
    def test_gives_one_number_per_class(self, name):
        network = nets.build(name, classes=7, channels=3, image_size=32)
        head = nets.head_of(network)
        given = []
        head.register_forward_hook(lambda module, inputs, output: given.append(output))
        logits = network.eval()(torch.randn(1, 3, 32, 32))
        assert given[0].shape[1] == logits.shape[1] == 7
        assert sum(head is module for module in network.modules()) == 1

    def test_of_a_custom_network_is_its_last_layer(self):
        hidden, head = ({"type": "linear", "features": features} for features in (9, "classes"))
        layers = ["global_avg_pool", hidden, "relu", head]
        network = nets.build("custom", classes=4, channels=1, image_size=8, options={"layers": layers})
        assert nets.head_of(network) is list(network)[-1]


SLOW = [pytest.param(name, marks=pytest.mark.verify) for name in ("densenet121", "googlenet", "inception_v3")]


def old_densenet_names(state):
    """As in the published files: `denselayer1.norm.1.weight`."""
    for key in list(state):
        for part in ("norm1", "norm2", "conv1", "conv2"):
            if "denselayer" in key and f".{part}." in key:
                state[key.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.")] = state.pop(key)


class TestPretrained:
    @pytest.mark.parametrize("name", ["squeezenet1_1", "mnasnet0_5", *SLOW])
    def test_body_is_published_and_head_is_fresh(self, name, tmp_path):
        torch.manual_seed(1)
        auxiliary = {"aux_logits": True, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
        state = models.get_model(name, **auxiliary).state_dict()
        expected = {key: value.clone() for key, value in state.items()}
        if name.startswith("densenet"):
            old_densenet_names(state)
        torch.save(state, tmp_path / published.weights_of(name, None).url.rpartition("/")[2])
        weights = nets.weights_name(name, None)
        network = nets.build_pretrained(name, classes=5, image_size=96, weights=weights, folder=tmp_path)
        different = [key for key, value in network.state_dict().items() if value.shape != expected[key].shape]
        assert len(different) in (1, 2)  # weight and bias of the head
        body = [key for key in network.state_dict() if key not in different]
        assert all(torch.equal(network.state_dict()[key], expected[key]) for key in body)

    @pytest.mark.verify
    def test_position_table_is_fitted_to_the_side(self, tmp_path):
        state = models.vit_b_32(image_size=64).state_dict()  # 4 patches and the class token
        torch.save(state, tmp_path / published.weights_of("vit_b_32", None).url.rpartition("/")[2])
        network = nets.build_pretrained("vit_b_32", classes=5, image_size=96, weights="IMAGENET1K_V1", folder=tmp_path)
        assert network.state_dict()["encoder.pos_embedding"].shape == (1, 10, 768)

    def test_unknown_weights_are_listed(self):
        with pytest.raises(WeightsUnavailable, match="IMAGENET1K_V2"):
            nets.weights_name("resnet50", "IMAGENET9")

    @pytest.mark.parametrize("name", ["resnet9", "custom"])
    def test_own_networks_have_none(self, name):
        with pytest.raises(WeightsUnavailable, match="no published weights"):
            nets.weights_name(name, None)


class TestFetch:
    def test_takes_what_is_there(self, tmp_path):
        (tmp_path / "net-0123abcd.pth").write_bytes(b"weights")
        assert fetch("http://127.0.0.1:1/net-0123abcd.pth", tmp_path).read_bytes() == b"weights"

    def test_unreachable_is_an_error_at_once(self, tmp_path):
        with pytest.raises(WeightsUnavailable, match="could not be downloaded"):
            fetch("http://127.0.0.1:1/net-0123abcd.pth", tmp_path / "weights")
        assert list((tmp_path / "weights").iterdir()) == []

    @pytest.mark.parametrize(("name", "good"), [("net-ea8fac7c.pth", False), ("net-ba7816bf.pth", True)])
    def test_digest_in_the_name_is_checked(self, tmp_path, name, good):
        (tmp_path / name).write_bytes(b"abc")  # its SHA-256 is ba7816bf…
        url, folder = (tmp_path / name).as_uri(), tmp_path / "weights"
        if good:
            assert fetch(url, folder).read_bytes() == b"abc"
            return
        with pytest.raises(WeightsUnavailable, match="damaged"):
            fetch(url, folder)
        assert list(folder.iterdir()) == []
