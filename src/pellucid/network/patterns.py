"""Layers of a network by pattern: freezing them, factors of their learning rate."""

from collections.abc import Mapping, Sequence
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
    owners = [network.names[network.owner(i)] for i in range(len(network.names))]  # of a shared layer all uses
    weighted, owner_of = shapes_by_layer(network, input_shape), dict(zip(network.names, owners, strict=True))
    known = [name for name, owner in owner_of.items() if owner in weighted]
    chosen = {owner_of[name] for pattern in patterns for name in matching(pattern, known, "freeze")}
    each = zip(owners, network.layers, strict=True)
    return network.with_layers([Frozen(layer) if name in chosen and layer.trainable else layer for name, layer in each])


def thawed(network: Network) -> Network:
    """Return the network with no layer frozen."""
    return network.with_layers([layers.build(at.layer) if isinstance(at, Frozen) else at for at in network.layers])


def trained_layers(network: Network, input_shape: Shapes) -> list[str]:
    """The names of the layers with weights that are trained."""
    trained = {name for name, layer in zip(network.names, network.layers, strict=True) if layer.trainable}
    return [name for name in shapes_by_layer(network, input_shape) if name in trained]


def rate_factors(network: Network, factors: Mapping[str, float]) -> tuple[float, ...]:
    """The factor of each layer, by pattern: of several that match it the last, of none 1.

    Example:
        >>> network = Network({"name": "dense", "units": 2}, {"name": "dense", "units": 3})
        >>> rate_factors(network, {"*": 0.1, "dense_2": 1.0})
        (0.1, 1.0)
    """
    each = ([factor for pattern, factor in factors.items() if fnmatchcase(name, pattern)] for name in network.names)
    return tuple(float(matched[-1]) if matched else 1.0 for matched in each)


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
