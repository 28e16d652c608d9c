"""Recurrent layers through time, by the kernels of ``lstm.cpp``, ``gru.cpp`` and ``rnn.cpp``."""

from typing import Any

import jax.numpy as jnp

from pellucid.core.types import Array, Cache, Float, Params
from pellucid.kernels import call, floats

PARAMETERS = ("weights", "recurrent", "biases", "recurrent_biases")
"""The parameters in the order of the kernels' arguments; not every layer has the last."""
ACTIVATIONS = {"tanh": 0, "relu": 1}
"""Activations of the plain recurrent layer, by their number in ``rnn.cpp``."""


def forward(
    layer: str,
    cached: tuple[str, ...],
    params: Params,
    xs: Float[Array, "time batch features"],
    real: Array | None,
    **attributes: Any,
) -> dict[str, Array]:
    """Every array that the layer caches, at every time, by name."""
    units = params["recurrent"].shape[0]
    arrays = [params[name] for name in PARAMETERS if name in params]
    results = call(
        f"{layer}_forward", (floats(*xs.shape[:2], units),) * len(cached), xs, *arrays, _mask(real), **attributes
    )
    return dict(zip(cached, results, strict=True))


def backward(
    layer: str,
    cached: tuple[str, ...],
    params: Params,
    cache: Cache,
    dy: Float[Array, "batch *time units"],
    **attributes: Any,
) -> tuple[Float[Array, "time batch width"], Params]:
    """∂L/∂(x·W + b) at every time, and the gradients of the parameters.

    ``dy`` is ∂L/∂h at every step or, (batch, units), at the last alone.
    """
    xs, names = cache["x"], [name for name in PARAMETERS if name in params]
    results = (floats(*xs.shape[:2], params["weights"].shape[1]), *(floats(*params[name].shape) for name in names))
    dz, *grads = call(
        f"{layer}_backward",
        results,
        dy if dy.ndim == 3 else dy[:, None],
        xs,
        params["recurrent"],
        _mask(cache["real"]),
        *(cache[name] for name in cached),
        **attributes,
    )
    return dz, dict(zip(names, grads, strict=True))


def _mask(real: Array | None) -> Array:
    # (time, batch, 1); empty without padding
    return jnp.zeros((0, 0, 1), bool) if real is None else real
