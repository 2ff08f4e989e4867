"""A network as stages from the stem to the head, for learning rates by depth and for bodies that are frozen."""

from collections.abc import Iterator

from torch import nn

from worker.engine.nets import head_of

_FEWEST = 4


def stages(network: nn.Module) -> list[list[nn.Parameter]]:
    """Every parameter once, grouped from the stem to the head by the coarsest stages of which there are four.

    Networks register their parts in the order of the forward pass. What only wraps others (torchvision's `features`,
    a transformer's encoder) is opened; normalisation belongs to the stage before it, and a parameter outside all
    stages, such as a class token, to the one after it.
    """
    places = {name: place for place, names in enumerate(_named_stages(network)) for name in names}
    grouped: list[list[nn.Parameter]] = [[] for _ in range(max(places.values(), default=0) + 1)]
    place = len(grouped) - 1
    for name, parameter in reversed(list(network.named_parameters())):
        place = next((places[prefix] for prefix in _prefixes(name) if prefix in places), place)
        grouped[place].append(parameter)
    return [group[::-1] for group in grouped]


def freeze_body(network: nn.Module, *, is_frozen: bool) -> None:
    """Put the network into training, or its head alone: then nothing else learns, batch-norm statistics included."""
    head = head_of(network)
    for module in network.modules():
        module.training = not is_frozen or module in (network, head)
    network.requires_grad_(not is_frozen)
    head.requires_grad_(True)


def _named_stages(network: nn.Module) -> list[list[str]]:
    """The names of the modules that make up each stage."""
    parts = _parts(network, "")
    while len(joined := _joined(parts)) < _FEWEST:
        largest = max(parts, key=lambda name: len(_layers(parts[name])))
        inside = _parts(parts[largest], f"{largest}.")
        if not inside:
            return joined
        parts = dict(_replaced(parts, largest, inside))
    return joined


def _parts(module: nn.Module, prefix: str) -> dict[str, nn.Module]:
    children = {f"{prefix}{name}": child for name, child in module.named_children() if _layers(child)}
    return children or ({} if prefix else {"": module})


def _replaced(parts: dict[str, nn.Module], name: str, inside: dict[str, nn.Module]) -> Iterator[tuple[str, nn.Module]]:
    for present, module in parts.items():
        yield from inside.items() if present == name else [(present, module)]


def _joined(parts: dict[str, nn.Module]) -> list[list[str]]:
    """Layers of normalisation alone join what they normalise."""
    joined: list[list[str]] = []
    for name, module in parts.items():
        is_norm = all(parameter.ndim <= 1 for parameter in module.parameters())
        if is_norm and joined:
            joined[-1].append(name)
        else:
            joined.append([name])
    return joined


def _layers(module: nn.Module) -> list[nn.Module]:
    return [layer for layer in module.modules() if any(True for _ in layer.parameters(recurse=False))]


def _prefixes(name: str) -> Iterator[str]:
    """`a.b.weight` → `a.b`, `a`, and the network itself."""
    while name:
        name = name.rpartition(".")[0]
        yield name
