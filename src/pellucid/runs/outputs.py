"""Outputs, losses and metrics of a network for stored rows, batch by batch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from pellucid.functions.losses import Loss
from pellucid.functions.masking import masked_value
from pellucid.network import Network, power_of_two, rows_at_once
from pellucid.network.structure import one_or_several
from pellucid.training import Scaling, Supervised
from pellucid.training.rows import shapes_of

FEWEST = 64
"""Fewest rows of one call for loss and metric, so that they are compiled for few sizes."""


def outputs_of(network: Network, params: Any, state: Any, x: Any, scaling: Scaling, *, like: int | None = None) -> Any:
    """Compute the outputs of a network for stored rows, scaled in the program, batch by batch.

    Args:
        network: the network.
        params: its parameters.
        state: its layers' state.
        x: the rows; a tuple of arrays for several inputs.
        scaling: of the inputs.
        like: take batches of the size that so many rows are predicted in, for which it is compiled already.

    Returns:
        The outputs; a tuple of arrays for several.
    """
    return one_or_several(_by_batches(_predict, network, params, state, x, scaling, like))


def output_mask(network: Network, params: Any, state: Any, x: Any, scaling: Scaling) -> Any:
    """Compute which steps of the outputs are real, bool; None where all are; a tuple of these for several outputs.

    Arguments as for ``outputs_of``.
    """
    return one_or_several(_by_batches(_masks, network, params, state, x, scaling, None))


def _by_batches(
    program: Callable[..., Any], network: Network, params: Any, state: Any, x: Any, scaling: Scaling, like: int | None
) -> tuple[Any, ...]:
    scaling, rows = scaling._replace(targets=None), len(jax.tree.leaves(x)[0])
    size = rows_at_once(network, shapes_of(x), like or rows)
    parts = []
    for i in range(0, max(rows, 1), size):
        batch = jax.tree.map(lambda array, i=i: _filled(array[i : i + size], size), x)
        computed = program(network, params, state, scaling, batch)
        parts.append([None if part is None else np.asarray(part) for part in computed])
    return tuple(None if each[0] is None else np.concatenate(each)[:rows] for each in zip(*parts, strict=True))


def _filled(x: np.ndarray, size: int) -> np.ndarray:
    """The rows of a short batch, filled up with zeros so that nothing is compiled for it."""
    if len(x) == size:
        return x
    return np.concatenate([x, np.zeros((size - len(x), *x.shape[1:]), x.dtype)])


@partial(jax.jit, static_argnums=0)
def _masks(network: Network, params: Any, state: Any, scaling: Scaling, x: Any) -> Any:
    # The compiler leaves out all that the mask does not depend on.
    masks = network.forward(params, state, scaling(x)).masks
    return [masks.get(name) for name in network.outputs]


@partial(jax.jit, static_argnums=0)
def _predict(network: Network, params: Any, state: Any, scaling: Scaling, x: Any) -> Any:
    outputs = network.forward(params, state, scaling(x)).outputs
    return [outputs[end] for end in network.ends]


def loss_and_metric(
    program: Supervised, scaling: Scaling, outputs: np.ndarray, y: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Compute loss and metric of each example, in double precision, so that means do not depend on the batches."""
    # The first row again and again: zeros may be no target.
    indices = np.minimum(np.arange(power_of_two(max(len(y), FEWEST))), len(y)) % len(y)
    real = None if mask is None else mask[indices]
    both = _of_examples(program, scaling, outputs[indices], y[indices], real)
    loss, metric = (np.asarray(one, np.float64)[: len(y)] for one in both)
    return loss, metric


@partial(jax.jit, static_argnums=0)
def _of_examples(program: Supervised, scaling: Scaling, outputs: Any, y: Any, mask: Any) -> Any:
    assert isinstance(program.loss, Loss)
    return masked_value(program.loss, outputs, y, mask), program.metric_of(outputs, y, scaling, mask)
