"""The recorder: what a step computed anyway, measured inside the program.

Pure functions of the activations, gradients and updates of one step. They run inside the compiled epoch, so
nothing calls back to Python, and come out with the loss.
"""

import math

import jax
import jax.numpy as jnp

from pellucid.core.types import Array, Float
from pellucid.functions.activations import activations
from pellucid.layers import Activation
from pellucid.layers.layer import weights_of
from pellucid.network import AnyNetwork, Backpropagation

MEASURES = (
    "gradient_norm",
    "update_ratio",
    "activation_mean",
    "activation_spread",
    "share_zero",
    "share_saturated",
    "finite",
)
"""What is measured of each layer; NaN where it does not apply.

- ``gradient_norm``: ‖∂L/∂W‖₂ of the layer's weights.
- ``update_ratio``: ‖ΔW‖₂ / ‖W‖₂, the size of the update against the weights it moves.
- ``activation_mean``, ``activation_spread``: mean and standard deviation of the layer's output over the batch.
- ``share_zero``: share of outputs that are exactly zero.
- ``share_saturated``: share of outputs within 1 % of the width of a bounded activation's range from its ends.
- ``finite``: 1 where outputs and gradients are all finite numbers, else 0.
"""


def measure_layers(
    network: AnyNetwork, params: tuple, new_params: tuple, pass_: Backpropagation
) -> Float[Array, "layers measures"]:
    """All measures of all layers for one step."""
    rows = [
        jnp.stack(_measure(layer, params[i], new_params[i], pass_.outputs[i], pass_.grads[i]))
        for i, layer in enumerate(network.layers)
    ]
    return jnp.stack(rows).astype(jnp.float32)


def _measure(layer: object, params: dict, new_params: dict, output: Array, grads: dict) -> list[Array]:
    nothing = jnp.asarray(jnp.nan, output.dtype)
    gradient_norm = update_ratio = nothing
    weights = weights_of(params)
    if weights:
        gradient_norm = _norm(weights_of(grads))
        update = [new - old for new, old in zip(weights_of(new_params), weights, strict=True)]
        update_ratio = _norm(update) / jnp.maximum(_norm(weights), jnp.finfo(output.dtype).tiny)
    mean = output.mean()
    spread = jnp.sqrt(jnp.maximum((output * output).mean() - mean * mean, 0))
    zero = (output == 0).mean(dtype=output.dtype)
    sound = jnp.isfinite(_norm(jax.tree.leaves(grads)) + mean)
    return [
        gradient_norm,
        update_ratio,
        mean,
        spread,
        zero,
        _saturated(layer, output),
        sound.astype(output.dtype),
    ]


def _norm(arrays: list[Array]) -> Array:
    return jnp.sqrt(sum([(array * array).sum() for array in arrays]))


def _saturated(layer: object, output: Array) -> Array:
    if isinstance(layer, Activation):
        low, high = activations.build(layer.function).range
        if math.isfinite(low) and math.isfinite(high):
            margin = 0.01 * (high - low)
            return ((output < low + margin) | (output > high - margin)).mean(dtype=output.dtype)
    return jnp.asarray(jnp.nan, output.dtype)
