"""The layers of a network that follow the statistics of what they normalise, and those statistics."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def tracking_layers(network: nn.Module) -> list[_BatchNorm]:
    """Every batch-norm layer with running statistics, in the network's order."""
    return [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]


def has_statistics(network: nn.Module) -> bool:
    """Whether there is a layer whose statistics could be recomputed."""
    return bool(tracking_layers(network))


def statistics_of(network: nn.Module) -> list[Tensor]:
    """Running mean and variance of each of these layers: the tensors themselves, no copies."""
    found = [(layer.running_mean, layer.running_var) for layer in tracking_layers(network)]
    return [tensor for pair in found for tensor in pair if tensor is not None]
