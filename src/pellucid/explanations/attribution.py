"""Which inputs moved the answer: gradient × input and integrated gradients."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.types import Array, PyTree
from pellucid.explanations.formula import place as place_of
from pellucid.explanations.numbers import Attribution
from pellucid.layers import Activation, Embedding
from pellucid.network import AnyNetwork, rows_that_fit
from pellucid.network.memory import SINGLE_PASS

CHUNK = 64
"""Points of one forward and backward pass."""
MOST = 1024
"""Points of the finest integral."""
ENOUGH = 1e-3
"""Relative completeness error at which the integral is fine enough."""


def attribute(
    network: AnyNetwork, params: PyTree, state: PyTree, x: Array, outputs: list[np.ndarray], task: str
) -> Attribution | None:
    """Gradient × input and integrated gradients of the answer for every input.

    Formula:
        gradient × input: x_i · ∂f/∂x_i; integrated gradients: IG_i = (x_i − x₀_i) · ∫₀¹ ∂f/∂x_i (x₀ + t (x − x₀)) dt,
        which sum to f(x) − f(x₀)

    The baseline x₀ is 0 as the network sees it: a black image, or the mean of a standardised column. f is the
    pre-activation of the predicted class, or the predicted number. The integral is taken by the midpoint rule, with
    twice the points until it is complete to a thousandth.

    Args:
        network: the network.
        params: its parameters.
        state: its layers' state.
        x: a batch of one.
        outputs: what each layer gave for it.
        task: what is predicted.

    Returns:
        None where the inputs are whole numbers (words), which have no gradient, or where the input itself is the target.

    Source: Sundararajan, Taly, Yan, Axiomatic attribution for deep networks, 2017; Shrikumar et al., Learning important
    features through propagating activation differences, 2017.
    """
    reads_words = any(
        isinstance(layer, Embedding) and reads[0] in network.inputs
        for layer, reads in zip(network.layers, network.reads, strict=True)
    )
    if reads_words or task == "reconstruction":
        return None
    end = network.ends[0]
    place = int(np.argmax(outputs[end] if task != "regression" else abs(outputs[end])))
    layer, answer = network.layers[end], "the output"
    if isinstance(layer, Activation) and layer.function.name in ("softmax", "sigmoid"):  # pyright: ignore[reportAttributeAccessIssue]
        end, answer = network.names.index(network.reads[end][0]), "z"
    index = np.unravel_index(place, outputs[end].shape)
    words = f"{answer} of {place_of(network.names[end], index)}"
    gradients = partial(_gradients, network, end, place, params, state)
    value, gradient = gradients(x)
    baseline = float(gradients(jnp.zeros_like(x))[0][0])
    points, integrated = CHUNK, np.zeros(x.shape[1:])
    together = min(CHUNK, rows_that_fit(network, x.shape[1:], SINGLE_PASS))
    while True:
        middles = (np.arange(points) + 0.5) / points
        total = np.zeros(x.shape[1:])
        for start in range(0, points, together):
            t = middles[start : start + together].reshape(-1, *[1] * (x.ndim - 1))
            total += np.asarray(gradients(jnp.asarray(t * np.asarray(x)))[1]).sum(axis=0)
        integrated = np.asarray(x)[0] * total / points
        found = Attribution(
            words, float(value[0]), baseline, np.asarray(x)[0] * np.asarray(gradient)[0], integrated, points
        )
        if found.completeness_error <= ENOUGH or points >= MOST:
            return found
        points *= 2


@partial(jax.jit, static_argnums=(0, 1, 2))
def _gradients(network: AnyNetwork, end: int, place: int, params: PyTree, state: PyTree, x: Array) -> tuple[Any, Any]:
    """The answer of each example of a batch, and its gradient for the input, by the layers' own backward."""
    forward = network.forward(params, state, x)
    output = forward.outputs[end]
    flat = output.reshape(len(x), -1)
    one = jnp.zeros_like(flat).at[:, place].set(1.0).reshape(output.shape)
    return flat[:, place], network.backward(params, forward.caches, {end: one}).dx
