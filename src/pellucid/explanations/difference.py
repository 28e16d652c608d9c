"""Derivatives by central differences, to check the chain rule against.

One compiled program computes the loss, and any other output of the network, at a point where a single number (a
weight, an input, an output of a layer) is moved by a step. From the values at ``± h`` for several steps h come the
central differences, extrapolated to h → 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from pellucid.core.types import Array, PyTree
from pellucid.functions.losses import Loss
from pellucid.functions.masking import masked_value
from pellucid.network import AnyNetwork, differentiated_loss, mask_arguments

STEPS = tuple(2.0**-k for k in range(5, 18, 2))
"""Steps h, each a quarter of the one before; times the size of the number where that is above 1. All are exact."""
ULPS = 4
"""Units in the last place that a loss, the end of a long sum, is taken to be exact to."""
KINK = 1e-4
"""Where the gradients on the two sides of a number differ by this share of them for h → 0, the number lies at a kink."""

Status = Literal["checked", "kink", "surrogate"]


@dataclass(frozen=True)
class Check:
    """One derivative by the chain rule and by central differences.

    Attributes:
        of: which derivative, for example ``"∂L/∂dense_1.weights[3, 4]"``.
        part: the array that it belongs to, for example ``"dense_1.weights"``.
        exact: by the chain rule.
        difference: by central differences.
        error: the relative error, ``|exact − difference| / max(|exact|, |difference|, resolution)``.
        resolution: the least gradient that differences of these values can tell to six digits in float64.
        status: ``"checked"``; or why it is left out: ``"kink"``, the function has no derivative there, or
            ``"surrogate"``, the layer's gradient is by design not the derivative (spiking neurons).
    """

    of: str
    part: str
    exact: float
    difference: float
    error: float
    resolution: float
    status: Status = "checked"


class Request(NamedTuple):
    """A derivative to be checked."""

    of: str
    part: str
    leaf: str
    """Which array the number that moves is in: a path of ``Point``."""
    place: int
    """Its place there, sample_mask in C order."""
    watched: int
    """What is differentiated: 0 the loss by way of the fused loss, 1 the loss of the prediction, 2 … the outputs asked
    for."""
    exact: float
    surrogate: bool = False


class Point(NamedTuple):
    """All numbers that may move: what goes in, the parameters, and what is added to the output of each layer."""

    x: Array
    params: PyTree
    outputs: tuple[Array, ...]


def leaf_paths(point: Point) -> list[str]:
    """The name of every array of a point: ``x``, ``params/0/weights``, ``outputs/1`` …"""
    flat, _ = jax.tree_util.tree_flatten_with_path(point)
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in flat]


def run_checks(
    network: AnyNetwork,
    loss: Loss,
    state: PyTree,
    point: Point,
    target: Array,
    masks: Mapping[str, Array],
    watched: list[tuple[int, int]],
    requests: list[Request],
) -> list[Check]:
    """Compare every requested derivative with central differences, in the dtype of ``point``.

    Args:
        network: the network, run in prediction mode.
        loss: its loss.
        state: its layers' state.
        point: where the derivatives are taken; ``outputs`` all 0.
        target: what is true.
        masks: the real steps of inputs and outputs with padding, by name; they stay while numbers are moved.
        watched: layer and place of each output that is differentiated beside the loss.
        requests: the derivatives.
    """
    names, leaves = leaf_paths(point), [np.asarray(leaf).reshape(-1) for leaf in jax.tree.leaves(point)]
    first = dict(zip(names, np.cumsum([0] + [leaf.size for leaf in leaves]), strict=False))
    every = np.concatenate(leaves)
    moved = sorted({int(first[request.leaf]) + request.place for request in requests})
    scale = 2.0 ** np.ceil(np.log2(np.maximum(abs(every[moved]), 1.0)))
    h = scale[:, None] * np.array(STEPS)
    steps = np.stack([h, -h], axis=-1)
    places = np.repeat(moved, steps[0].size)
    # The point itself is the first: nothing is moved there.
    values = np.asarray(
        _values(
            network,
            loss,
            state,
            point,
            target,
            tuple(watched),
            masks,
            jnp.asarray([0, *places]),
            jnp.asarray([0.0, *steps.reshape(-1)]),
        )
    )
    at_point, around = values[0], values[1:].reshape(len(moved), len(STEPS), 2, -1)
    row_of = {place: row for row, place in enumerate(moved)}
    checks = []
    for request in requests:
        row = row_of[int(first[request.leaf]) + request.place]
        pair = around[row, :, :, request.watched]
        checks.append(_compare(request, h[row], pair, float(at_point[request.watched])))
    return checks


def _compare(request: Request, h: np.ndarray, pair: np.ndarray, middle: float) -> Check:
    """The check of one derivative from the values ``pair`` at ± h and ``middle`` at the point itself."""
    size = max(1.0, abs(middle))
    rounding = ULPS * np.finfo(np.float64).eps * size / h
    difference, noise = extrapolated((pair[:, 0] - pair[:, 1]) / (2 * h), rounding)
    resolution = noise / 1e-6
    scale = max(abs(request.exact), abs(difference), resolution)
    error = abs(request.exact - difference) / scale
    # The gradient on the right less that on the left is h·f″ + O(h³) where f is smooth, and does not shrink at a kink.
    sides = (pair[:, 0] - 2 * middle + pair[:, 1]) / h
    jump = abs((4 * sides[1:] - sides[:-1]) / 3)[-3:]
    status: Status = "checked"
    if request.surrogate:
        status = "surrogate"
    elif jump.min() > max(KINK * scale, 2 * rounding[-1]):
        status = "kink"
    return Check(request.of, request.part, request.exact, difference, error, resolution, status)


def extrapolated(differences: np.ndarray, rounding: np.ndarray) -> tuple[float, float]:
    """The limit of central differences for h → 0, and the rounding error it carries.

    Formula:
        D(k, 0) = (f(x + h_k) − f(x − h_k)) / 2h_k, h_{k+1} = h_k / 4;
        D(k, j) = (16^j D(k, j−1) − D(k−1, j−1)) / (16^j − 1), whose error is O(h^{2j+2})

    The entry is taken that agrees best with those it is made of, which knows nothing of the value it is compared with.

    Args:
        differences: D(k, 0), from the largest h to the least.
        rounding: the rounding error of each.

    Returns:
        The limit, and the rounding error of the entry taken.

    Example:
        >>> h = np.array([0.5, 0.125, 0.03125])
        >>> value, _ = extrapolated((np.exp(h) - np.exp(-h)) / (2 * h), 1e-16 / h)
        >>> abs(value - 1) < 1e-9
        True

    Source: Ridders, Accurate computation of F′(x) and F′(x)F″(x), 1982.
    """
    best = (float("inf"), float(differences[-1]), float(rounding[-1]))
    column = list(differences)
    for j in range(1, len(differences)):
        factor = 16.0**j
        previous, column = column, []
        for k in range(1, len(previous)):
            entry = (factor * previous[k] - previous[k - 1]) / (factor - 1)
            noise = float(rounding[k + j - 1])
            doubt = max(abs(entry - previous[k]), abs(entry - previous[k - 1])) + noise
            if doubt < best[0]:
                best = (float(doubt), float(entry), noise)
            column.append(entry)
    return best[1], best[2]


@partial(jax.jit, static_argnums=(0, 1, 5))
def _values(
    network: AnyNetwork,
    loss: Loss,
    state: PyTree,
    point: Point,
    target: Array,
    watched: tuple[tuple[int, int], ...],
    masks: Mapping[str, Array],
    places: Array,
    steps: Array,
) -> Array:
    """Loss and watched outputs with the number at one place moved by a step: one row a step."""
    # All numbers in one row, so that one place in it is moved: with a scatter into every array the program takes twice
    # as long to compile.
    row, as_point = ravel_pytree(point)
    fused, number = differentiated_loss(network, loss, network.ends[0])

    def at(moved: tuple[Array, Array]) -> Array:
        place, step = moved
        there = jax.lax.dynamic_slice(row, (place,), (1,)) + step
        there = as_point(jax.lax.dynamic_update_slice(row, there, (place,)))
        outputs = outputs_with(network, state, there, masks)
        real = masks.get(network.names[network.ends[0]])
        losses = [
            masked_value(part, outputs[end], target, real)[0]
            for part, end in ((fused, number), (loss, network.ends[0]))
        ]
        return jnp.stack(losses + [outputs[layer].reshape(-1)[place] for layer, place in watched])

    return jax.lax.map(at, (places, steps))


def outputs_with(network: AnyNetwork, state: PyTree, point: Point, masks: Mapping[str, Array]) -> list[Array]:
    """The output of every layer, with what the point adds to it passed on."""
    values: dict[str, Array] = {network.inputs[0]: point.x}
    for i, layer in enumerate(network.layers):
        given = tuple(values[read] for read in network.reads[i])
        x = given[0] if layer.inputs == 1 else given
        real = mask_arguments(layer, tuple(masks.get(read) for read in network.reads[i]))
        y = layer.forward(point.params[i], state[i], x, key=None, training=False, **real)[0]
        values[network.names[i]] = y + point.outputs[i]
    return [values[name] for name in network.names]
