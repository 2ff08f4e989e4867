"""What torchvision's families of networks are good for, and the papers they come from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A sentence on a family of networks, and its paper's number on arXiv."""

    description: str
    paper: str


# By the beginning of a model's name; the longest that fits is meant.
_FAMILIES = {
    "alexnet": Family("It began it all in 2012; large for its accuracy, and without batch norm.", "1404.5997"),
    "convnext": Family("Convolutions drawn with the transformers' lessons; accurate, and heavy.", "2201.03545"),
    "densenet": Family("Each layer sees all before it: few parameters, but much memory in training.", "1608.06993"),
    "efficientnet": Family("Depth, width and image size scaled together: accurate for its arithmetic.", "1905.11946"),
    "efficientnet_v2": Family("EfficientNet redrawn to train faster.", "2104.00298"),
    "googlenet": Family("The first Inception network: small; here without its auxiliary outputs.", "1409.4842"),
    "inception_v3": Family("Factorised convolutions; here without its auxiliary output.", "1512.00567"),
    "maxvit": Family("Attention within blocks and across a grid, with convolutions between.", "2204.01697"),
    "mnasnet": Family("Found by a search for speed on telephones.", "1807.11626"),
    "mobilenet_v2": Family("Inverted residuals: small, quick, and a good start for transfer learning.", "1801.04381"),
    "mobilenet_v3": Family("MobileNetV2 refined by a search for speed on telephones.", "1905.02244"),
    "regnet": Family("Widths that follow a simple rule, from small to very large.", "2003.13678"),
    "resnet": Family("The residual networks of ImageNet: the safe first choice for photographs.", "1512.03385"),
    "resnext": Family("ResNets with grouped convolutions: more accurate for the same arithmetic.", "1611.05431"),
    "shufflenet_v2": Family("Drawn for speed on small processors.", "1807.11164"),
    "squeezenet": Family("AlexNet's accuracy with a fiftieth of its parameters.", "1602.07360"),
    "swin": Family("A transformer with shifted windows; wants much data, or published weights.", "2103.14030"),
    "swin_v2": Family("Swin made stable for larger models and images.", "2111.09883"),
    "vgg": Family("Plain stacks of 3×3 convolutions: simple, heavy, good features; _bn has batch norm.", "1409.1556"),
    "vit": Family("The vision transformer; wants very much data, or published weights.", "2010.11929"),
    "wide_resnet": Family("ResNets with twice the channels inside each block.", "1605.07146"),
}


def family_of(name: str) -> Family:
    """The family that a model of torchvision belongs to; KeyError for one that nobody has described yet."""
    fitting = [prefix for prefix in _FAMILIES if name.startswith(prefix)]
    if not fitting:
        raise KeyError(f"describe the family of {name} in {__name__}")
    return _FAMILIES[max(fitting, key=len)]
