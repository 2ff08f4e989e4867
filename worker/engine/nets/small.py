"""The papers' shallow networks: LeNet, Caffe's three-layer CIFAR net, and a perceptron. None has batch norm."""

from torch import nn

from worker.engine.errors import ImageSizeUnfit


def lenet(*, classes: int, channels: int, image_size: int) -> nn.Module:
    """Caffe's LeNet, 20-50-500, the net of Smith's MNIST figures: no nonlinearity after its convolutions."""
    side = ((image_size - 4) // 2 - 4) // 2
    if side < 1:
        raise ImageSizeUnfit(f"LeNet's two 5x5 kernels need images of 16 px or more, not {image_size}")
    return nn.Sequential(
        nn.Conv2d(channels, 20, 5),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(50 * side * side, 500),
        nn.ReLU(inplace=True),
        nn.Linear(500, classes),
    )


def cnn3(*, classes: int, channels: int, image_size: int) -> nn.Module:
    """Caffe's three-layer CIFAR net without its response normalisation."""
    side = -(-image_size // 8)  # three poolings, each rounding up
    return nn.Sequential(
        nn.Conv2d(channels, 32, 5, padding=2),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 32, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.AvgPool2d(3, stride=2, padding=1),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.AvgPool2d(3, stride=2, padding=1),
        nn.Flatten(),
        nn.Linear(64 * side * side, classes),
    )


def mlp(*, classes: int, channels: int, image_size: int, width: int = 512) -> nn.Module:
    """Two hidden layers of `width` units."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * image_size**2, width),
        nn.ReLU(inplace=True),
        nn.Linear(width, width),
        nn.ReLU(inplace=True),
        nn.Linear(width, classes),
    )
