"""Recurrent layers over time: z, gates, state and ∂L/∂z of every step.

The gradient ∂L/∂z of a single time stays inside the ``backward`` of a recurrent layer. It comes out without new
calculus: the layer also reads one more input for each time, which is 1 at that time alone, with weights of 0. The
gradient of such a weight is ∂L/∂z at that time, and moving it moves z there, so that finite differences can check it.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.types import Array, Cache, Params
from pellucid.explanations.explanation import Gate, RecurrentNumbers
from pellucid.functions.activations import activations
from pellucid.layers import Layer
from pellucid.layers.recurrent import Recurrent


def sums_of(layer: Layer, params: Params, x: Any) -> Array:
    """Make zeros for the pre-activations of a recurrent layer, (time, columns); empty for others.

    Args:
        layer: the layer.
        params: its parameters.
        x: what it reads, (batch, time, features), and the state to begin with where it reads one.
    """
    if not isinstance(layer, Recurrent):
        return jnp.zeros((0, 0))
    x, shape = _sequence(layer, x), (_sequence(layer, x).shape[1], params["weights"].shape[1])
    return jnp.zeros(shape, x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else None)


def with_sums(layer: Any, params: Params, x: Any, sums: Array, masks: dict[str, Any]) -> tuple[Params, Any, dict]:
    """Add ``sums`` to the pre-activations of a layer, by its parameters, input and mask.

    Args:
        layer: the layer; one without sums stays as it is.
        params: its parameters.
        x: what it reads.
        sums: (time, columns), as from `sums_of`.
        masks: the keyword arguments of its mask.
    """
    if not sums.size:
        return params, x, masks
    start, x = x[1:] if layer.initial_state else (), _sequence(layer, x)
    if layer.mask_value is not None and not masks:  # with the inputs below, padding is no longer found by its value
        mask = (x != layer.mask_value).any(axis=2)
        masks = {"mask": (mask, None) if start else mask}
    times = jnp.broadcast_to(jnp.eye(x.shape[1], dtype=x.dtype), (x.shape[0], x.shape[1], x.shape[1]))
    weights = jnp.concatenate([params["weights"], sums])
    longer = jnp.concatenate([x, times], axis=2)
    return params | {"weights": weights}, (longer, *start) if start else longer, masks


def _sequence(layer: Any, x: Any) -> Array:
    return x[0] if layer.initial_state else x


def over_time(name: str, layer: Any, params: Params, cache: Cache, sums_gradient: np.ndarray) -> RecurrentNumbers:
    """The gates of a recurrent layer over time.

    Args:
        name: of the layer.
        layer: the layer.
        params: its parameters.
        cache: of its forward pass on one example.
        sums_gradient: ∂L/∂z, (time, columns).
    """
    units = layer.units
    arrays = {key: np.asarray(value)[:, 0] for key, value in cache.items() if value is not None}
    x, state = arrays["x"], arrays["state"]
    begin = arrays["start"][:, :units] if "start" in arrays else np.zeros_like(state[:1])
    previous = np.concatenate([begin, state[:-1]])
    recalled = previous @ np.asarray(params["recurrent"]) + np.asarray(params.get("recurrent_biases", 0.0))
    if "reset" in arrays:  # of a GRU: the candidate's reset gate acts after the product with R
        recalled[:, 2 * units :] *= arrays["reset"]
    z = x @ np.asarray(params["weights"]) + np.asarray(params["biases"]) + recalled
    gates = []
    for k, (gate, activation) in enumerate(layer.gates):
        columns = slice(k * units, (k + 1) * units)
        function = activations.build(getattr(layer, "activation", None) if activation is None else activation)
        derivative = np.asarray(_derivative(function, z[:, columns], arrays[gate]))
        gates.append(Gate(gate, function.name, z[:, columns], arrays[gate], sums_gradient[:, columns], derivative))
    mask = np.ones(len(x), bool) if "real" not in arrays else arrays["real"][:, 0]
    return RecurrentNumbers(name, layer.name, x, tuple(gates), previous, state, arrays.get("cell"), mask)


@partial(jax.jit, static_argnums=0)
def _derivative(function: Any, z: Array, a: Array) -> Array:
    return function.backward(z, a, jnp.ones_like(a))
