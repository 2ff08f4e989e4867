"""Our own networks for small images: how each is built, what it was drawn for, what it is good for."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from app.domain.catalog import OptionFact
from worker.engine.nets import residual, small


@dataclass(frozen=True)
class Design:
    """One of our own networks and what it was drawn for."""

    build: Callable[..., nn.Module]
    family: str
    image_size: int
    channels: int
    description: str
    paper: str | None = None  #: its number on arXiv
    options: dict[str, OptionFact] = field(default_factory=dict)


def _cifar_resnet(build: Callable[..., nn.Module], description: str) -> Design:
    paper = "1512.03385"
    return Design(build, "resnet_cifar", image_size=32, channels=3, description=description, paper=paper)


DESIGNS: dict[str, Design] = {
    "cnn3": Design(
        small.cnn3,
        family="cnn",
        image_size=32,
        channels=3,
        description="Caffe's three-layer CIFAR net, without batch norm, on which Smith introduced the range test. "
        "Quick, and a control: super-convergence was never seen on a net this shallow.",
        paper="1506.01186",
    ),
    "lenet": Design(
        small.lenet,
        family="lenet",
        image_size=28,
        channels=1,
        description="Caffe's LeNet (20-50-500), after LeCun et al. 1998: the net of Smith's MNIST experiments. "
        "Has no batch norm, so it wants smaller learning rates.",
    ),
    "mlp": Design(
        small.mlp,
        family="mlp",
        image_size=28,
        channels=1,
        description="A perceptron of two hidden layers: the quickest thing that learns, for trying the service out.",
        options={"width": OptionFact(default=512, min=1, max=8192, description="Units in each hidden layer.")},
    ),
    "resnet9": Design(
        residual.resnet9,
        family="resnet9",
        image_size=32,
        channels=3,
        description="David Page's ResNet-9, from his series How to Train Your ResNet: drawn to reach good accuracy on "
        "images of 32 px in little time. Width 64 is his own; 32 is a quarter of the work.",
        options={"width": OptionFact(default=32, min=1, max=512, description="Channels of the first layer.")},
    ),
    "resnet20": _cifar_resnet(residual.resnet20, "The smallest CIFAR ResNet of He et al. (0.27 M parameters)."),
    "resnet32": _cifar_resnet(residual.resnet32, "A CIFAR ResNet of He et al. (0.46 M parameters)."),
    "resnet44": _cifar_resnet(residual.resnet44, "A CIFAR ResNet of He et al. (0.66 M parameters)."),
    "resnet56": _cifar_resnet(
        residual.resnet56,
        "The CIFAR ResNet of He et al. (0.85 M parameters) in which super-convergence was first shown.",
    ),
    "resnet110": _cifar_resnet(
        residual.resnet110,
        "The deepest CIFAR ResNet here (1.7 M parameters); gains little over ResNet-56 for its time.",
    ),
    "wrn": Design(
        residual.wide_resnet,
        family="wrn",
        image_size=32,
        channels=3,
        description="The wide residual networks of Zagoruyko and Komodakis: WRN-16-4 by default, WRN-28-10 with depth "
        "28 and width 10 (36.5 M parameters), where accuracy on small images matters more than time.",
        paper="1605.07146",
        options={
            "depth": OptionFact(default=16, min=10, max=100, step=6, description="Layers, 6n + 4."),
            "width": OptionFact(default=4, min=1, max=12, description="Times the 16, 32 and 64 channels of a ResNet."),
        },
    ),
}
