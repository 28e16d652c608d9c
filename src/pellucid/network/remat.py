"""Recomputed activations: less memory for a deep network, for one more forward pass."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from pellucid.core.types import Array, Cache, Params, State

if TYPE_CHECKING:
    from pellucid.network.network import Network


class Segment(NamedTuple):
    """What some layers in a row are computed again from, in place of their caches."""

    start: int
    values: Mapping[str, Any]
    """What they read of the layers before them, by name."""
    states: tuple[State, ...]
    arguments: tuple[dict[str, Any], ...]
    """Of each layer's ``forward`` beside parameters, state and inputs: key, masks, mode."""


def segment_size(layers: int) -> int:
    """The number of layers that are computed again together: the root of all, which needs least memory.

    Of n layers then n / √n inputs of segments are kept, and √n caches of one.

    Example:
        >>> segment_size(64), segment_size(10)
        (8, 4)
    """
    return math.ceil(math.sqrt(layers))


def segments_of(
    network: "Network", values: Mapping[str, Any], states: tuple[State, ...], arguments: list[dict[str, Any]]
) -> tuple[Segment | None, ...]:
    """The caches of a network whose activations are recomputed: a `Segment` at the last layer of each, else None.

    Source: Chen, Xu, Zhang, Guestrin, Training deep nets with sublinear memory cost, 2016.
    """
    count = len(network.layers)
    size = segment_size(count)
    caches: list[Segment | None] = [None] * count
    for start in range(0, count, size):
        end = min(start + size, count)
        own = set(network.names[start:end])
        read = {name for reads in network.reads[start:end] for name in reads} - own
        caches[end - 1] = Segment(
            start, {name: values[name] for name in sorted(read)}, states[start:end], tuple(arguments[start:end])
        )
    return tuple(caches)


def recompute(
    network: "Network", params: tuple[Params, ...], segment: Segment, deltas: Mapping[str, Array]
) -> list[Cache]:
    """The caches of a segment's layers, computed again once the gradient for their outputs is among ``deltas``."""
    names = network.names[segment.start : segment.start + len(segment.states)]
    reached = [deltas[name] for name in names if name in deltas]
    values = _after(reached[-1], segment.values) if reached else dict(segment.values)
    caches: list[Cache] = []
    for i, (state, arguments) in enumerate(zip(segment.states, segment.arguments, strict=True), segment.start):
        read = tuple(values[name] for name in network.reads[i])
        read = read[0] if network.layers[i].inputs == 1 else read
        values[network.names[i]], _, cache = network.forward_layer(i, params[network.owner(i)], state, read, arguments)
        caches.append(cache)
    return caches


def _after(delta: Array, values: Mapping[str, Any]) -> dict[str, Any]:
    # The values, for the compiler others than those of the forward pass, and known after delta: what is computed of
    # them is not taken for what was computed before, which would have to be kept. XLA removes barriers on a CPU; that
    # 0·δ is 0 it cannot assume, for δ might be NaN, and then the gradients are NaN in any case.
    nothing = delta.reshape(-1)[0] * 0

    def same(x: Array) -> Array:
        floating = jnp.issubdtype(x.dtype, jnp.floating)
        return x + jnp.broadcast_to(nothing.astype(x.dtype), x.shape) if floating else x

    return jax.tree.map(same, dict(values))
