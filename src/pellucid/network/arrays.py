"""The arrays of a network by the names of its layers."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from pellucid.core.errors import InvalidValue
from pellucid.core.types import Params, PyTree, Shapes, State
from pellucid.network.network import Network

ByLayer: TypeAlias = dict[str, dict[str, Any]]
"""Arrays, parameters and state alike, by layer and by their path in it, such as ``forward/weights``."""


def arrays_by_layer(network: Network, params: tuple[Params, ...], state: tuple[State, ...]) -> ByLayer:
    """Collect the arrays of each layer that has any, by name; a frozen layer's as those of the layer itself.

    Raises:
        InvalidValue: a layer whose parameters and state have a name in common.

    Example:
        >>> from pellucid.layers import BatchNorm
        >>> network = Network(BatchNorm())
        >>> params, state, _ = network.init(jax.random.key(0), (2,))
        >>> sorted(arrays_by_layer(network, params, state)["batch_norm_1"])
        ['mean', 'scale', 'shift', 'variance']
    """
    arrays: ByLayer = {}
    for name, layer, *own in zip(network.names, network.layers, params, state, strict=True):
        trained, carried = map(_by_path, layer.unpack(*own))
        if trained.keys() & carried.keys():
            both = ", ".join(sorted(trained.keys() & carried.keys()))
            raise InvalidValue(f"the layer {name} has {both} among its parameters and in its state: rename one.")
        if trained or carried:
            arrays[name] = trained | carried
    return arrays


def with_arrays(
    network: Network, params: tuple[Params, ...], state: tuple[State, ...], given: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[Params, ...], tuple[State, ...]]:
    """Replace the arrays that are ``given``; the others stay."""
    placed = []
    for name, layer, *own in zip(network.names, network.layers, params, state, strict=True):
        new = given.get(name, {})
        placed.append(layer.pack(*(_replaced(tree, new) for tree in layer.unpack(*own))) if new else tuple(own))
    return tuple(own[0] for own in placed), tuple(own[1] for own in placed)


def shapes_by_layer(network: Network, input_shape: Shapes) -> ByLayer:
    """The shapes of the arrays of a network, by layer; nothing is computed."""
    single = network.in_precision("float32")  # double precision is not always enabled here
    params, state = jax.eval_shape(lambda key: single.init(key, input_shape)[:2], jax.random.key(0))
    return arrays_by_layer(network, params, state)


def _by_path(tree: PyTree) -> dict[str, Any]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in flat}


def _replaced(tree: PyTree, new: Mapping[str, Any]) -> PyTree:
    def chosen(path: Any, leaf: Any) -> Any:
        given = new.get(jax.tree_util.keystr(path, simple=True, separator="/"))
        return leaf if given is None else jnp.asarray(given, leaf.dtype)

    return jax.tree_util.tree_map_with_path(chosen, tree)
