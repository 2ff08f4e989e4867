"""Residual networks for small images: Page's ResNet-9, the 6n+2 family of He et al. (2015, section 4.2), wide ones."""

from torch import Tensor, nn
from torch.nn import functional


def _convolution(channels: int, width: int, *, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width)]


def _activated(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(channels, width), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    """Add what two convolutions make of the input to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_activated(width, width), _activated(width, width))

    def forward(self, images: Tensor) -> Tensor:
        added: Tensor = self.body(images)
        return images + added


class _Scale(nn.Module):
    """Page's factor before the loss: small logits keep the first large-rate steps calm."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, logits: Tensor) -> Tensor:
        return logits * self.factor


def resnet9(*, classes: int, channels: int, image_size: int, width: int = 32) -> nn.Module:  # noqa: ARG001
    """Page's DAWNBench network; `width` is that of its first layer, 64 in the original."""
    return nn.Sequential(
        _activated(channels, width),
        _activated(width, 2 * width),
        nn.MaxPool2d(2),
        _Residual(2 * width),
        _activated(2 * width, 4 * width),
        nn.MaxPool2d(2),
        _activated(4 * width, 8 * width),
        nn.MaxPool2d(2),
        _Residual(8 * width),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(8 * width, classes, bias=False),
        _Scale(0.125),
    )


class _Block(nn.Module):
    """Two 3×3 convolutions around a shortcut without parameters (He et al., option A)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.stride = 1 if channels == width else 2
        self.added = width - channels
        self.body = nn.Sequential(
            *_convolution(channels, width, stride=self.stride), nn.ReLU(inplace=True), *_convolution(width, width)
        )

    def forward(self, images: Tensor) -> Tensor:
        return functional.relu(self.body(images) + self._shortcut(images))

    def _shortcut(self, images: Tensor) -> Tensor:
        if not self.added:
            return images
        return functional.pad(images[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))


def resnet_6n2(*, depth: int, classes: int, channels: int) -> nn.Module:
    """ResNet of `depth` = 6n+2 layers and widths 16, 32, 64."""
    blocks, widths = (depth - 2) // 6, (16, 32, 64)
    layers: list[nn.Module] = [_activated(channels, 16)]
    for before, width in zip((16, *widths), widths, strict=False):
        layers += [_Block(before if block == 0 else width, width) for block in range(blocks)]
    return _he_initialised(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes)))


def _he_initialised(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def resnet20(*, classes: int, channels: int, image_size: int) -> nn.Module:  # noqa: ARG001
    """0.27 million parameters."""
    return resnet_6n2(depth=20, classes=classes, channels=channels)


def resnet32(*, classes: int, channels: int, image_size: int) -> nn.Module:  # noqa: ARG001
    """0.46 million parameters."""
    return resnet_6n2(depth=32, classes=classes, channels=channels)


def resnet44(*, classes: int, channels: int, image_size: int) -> nn.Module:  # noqa: ARG001
    """0.66 million parameters."""
    return resnet_6n2(depth=44, classes=classes, channels=channels)


def resnet56(*, classes: int, channels: int, image_size: int) -> nn.Module:  # noqa: ARG001
    """0.85 million parameters; the network of the super-convergence paper."""
    return resnet_6n2(depth=56, classes=classes, channels=channels)


def resnet110(*, classes: int, channels: int, image_size: int) -> nn.Module:  # noqa: ARG001
    """1.7 million parameters."""
    return resnet_6n2(depth=110, classes=classes, channels=channels)


class _WideBlock(nn.Module):
    """Batch norm and ReLU before each convolution; where the width changes, a 1×1 convolution is the shortcut."""

    def __init__(self, channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.activated = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.body = nn.Sequential(
            *_convolution(channels, width, stride=stride),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
        )
        self.shortcut = None if channels == width else nn.Conv2d(channels, width, 1, stride=stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        # A new tensor: batch norm's output, which the ReLU may overwrite, is not what came in.
        activated = self.activated(images)
        added: Tensor = self.body(activated)
        return added + (images if self.shortcut is None else self.shortcut(activated))


def wide_resnet(
    *,
    classes: int,
    channels: int,
    image_size: int,  # noqa: ARG001
    depth: int = 16,
    width: int = 4,
) -> nn.Module:
    """WRN-`depth`-`width` of Zagoruyko and Komodakis (2016): `depth` = 6n+4 layers, widths 16, 32, 64 × `width`."""
    blocks, widths = (depth - 4) // 6, [16 * width, 32 * width, 64 * width]
    layers: list[nn.Module] = [nn.Conv2d(channels, 16, 3, padding=1, bias=False)]
    for before, after, stride in zip([16, *widths], widths, (1, 2, 2), strict=False):
        layers.append(_WideBlock(before, after, stride=stride))
        layers += [_WideBlock(after, after, stride=1) for _ in range(blocks - 1)]
    head = [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return _he_initialised(nn.Sequential(*layers, *head, nn.Linear(widths[-1], classes)))
