"""Attribution: gradient × input and integrated gradients."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.formula import element
from pellucid.core.types import Array, PyTree
from pellucid.explanations.explanation import Attribution
from pellucid.explanations.trace import Trace
from pellucid.layers import Activation
from pellucid.network import Network, rows_that_fit
from pellucid.network.memory import SINGLE_PASS

CHUNK = 64
"""Points of one forward and backward pass."""
MAX_POINTS = 1024
"""Points of the finest integral."""
COMPLETE = 1e-3
"""Relative completeness error at which the integral is fine enough."""


def attribute(trace: Trace, task: str) -> Attribution | None:
    """Gradient × input and integrated gradients of the answer for every input.

    Formula:
        gradient × input: x_i · ∂f/∂x_i; integrated gradients: IG_i = (x_i − x₀_i) · ∫₀¹ ∂f/∂x_i (x₀ + t (x − x₀)) dt,
        which sum to f(x) − f(x₀)

    The baseline x₀ is 0 as the network reads it: a black image, or the mean of a standardised column. f is the
    pre-activation of the predicted class, or the predicted number. The integral is computed by the midpoint rule, with
    twice the points until it is complete to a thousandth.

    Args:
        trace: the example forward and backward.
        task: as of a dataset.

    Returns:
        None where the inputs are whole numbers (words), which have no gradient, where there are several, or where the
        input itself is the target.

    Source: Sundararajan, Taly, Yan, Axiomatic attribution for deep networks, 2017; Shrikumar et al., Learning important
    features through propagating activation differences, 2017.
    """
    if len(trace.x) != 1 or trace.reads_tokens(0) or task == "reconstruction":
        return None
    network, x, end = trace.network, np.asarray(trace.x[0]), trace.end
    output = trace.outputs[end]
    at = int(np.argmax(output if task != "regression" else abs(output)))
    layer, answer = network.layers[end], "the output"
    if isinstance(layer, Activation) and layer.function.name in ("softmax", "sigmoid"):  # pyright: ignore[reportAttributeAccessIssue]
        end, answer = network.names.index(network.reads[end][0]), "z"
    words = f"{answer} of {element(network.names[end], np.unravel_index(at, output.shape))}"

    def along(t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # The ends of the path are in each batch, so that one program is compiled.
        path = np.concatenate([[0.0, 1.0], t]).reshape(-1, *[1] * (x.ndim - 1)) * x
        values, grads = map(np.asarray, _gradients(network, end, at, trace.params, trace.state, path))
        return values[:2], grads[1], grads[2:].sum(axis=0)

    points, batch = CHUNK, min(CHUNK, rows_that_fit(network, x.shape[1:], SINGLE_PASS))
    while True:
        middles = (np.arange(points) + 0.5) / points
        passes = [along(middles[start : start + batch]) for start in range(0, points, batch)]
        (baseline, value), gradient, _ = passes[0]
        integrated = x[0] * sum(total for *_, total in passes) / points
        attribution = Attribution(words, float(value), float(baseline), x[0] * gradient, integrated, points)
        if attribution.completeness_error <= COMPLETE or points >= MAX_POINTS:
            return attribution
        points *= 2


@partial(jax.jit, static_argnums=(0, 1, 2))
def _gradients(network: Network, end: int, at: int, params: PyTree, state: PyTree, x: Array) -> tuple[Any, Any]:
    """Compute the answers of a batch and their gradients for the input, by the layers' backward."""
    forward = network.forward(params, state, x)
    output = forward.outputs[end]
    flat = output.reshape(len(x), -1)
    one_hot = jnp.zeros_like(flat).at[:, at].set(1.0).reshape(output.shape)
    return flat[:, at], network.backward(params, forward.caches, {end: one_hot}).dx
