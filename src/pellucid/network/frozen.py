"""Layers of a network by pattern, and freezing them."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from pellucid.core.errors import InvalidValue, did_you_mean
from pellucid.core.types import Shapes
from pellucid.layers import Frozen, layers
from pellucid.network.arrays import shapes_by_layer
from pellucid.network.network import Network


def freeze(network: Network, input_shape: Shapes, patterns: Sequence[str]) -> Network:
    """Freeze the layers with weights or a state that a pattern matches.

    Args:
        network: the network.
        input_shape: the shape of one example.
        patterns: names of layers, or patterns of them: ``conv2d_*`` for all that begin so.

    Raises:
        InvalidValue: a pattern that matches no layer with weights.

    Example:
        >>> network = freeze(Network({"name": "dense", "units": 2}, {"name": "dense", "units": 3}), (4,), ["*_1"])
        >>> [layer.trainable for layer in network.layers], network.names
        ([False, True], ('dense_1', 'dense_2'))
    """
    known = list(shapes_by_layer(network, input_shape))
    chosen = {name for pattern in patterns for name in matching(pattern, known, "freeze")}
    each = zip(network.names, network.layers, strict=True)
    return network.with_layers(
        [Frozen(layer) if name in chosen and layer.trainable else layer for name, layer in each]
    )


def thawed(network: Network) -> Network:
    """Return the network with no layer frozen."""
    return network.with_layers([layers.build(at.layer) if isinstance(at, Frozen) else at for at in network.layers])


def matching(pattern: str, names: Sequence[str], setting: str) -> list[str]:
    """The names that a pattern matches.

    Raises:
        InvalidValue: it matches none.
    """
    matched = [name for name in names if fnmatchcase(name, pattern)]
    if not matched:
        raise InvalidValue(
            f"{setting}: {pattern!r} matches no layer with weights.{did_you_mean(pattern, names)} Layers with "
            f"weights: {', '.join(names) or 'none'}."
        )
    return matched
