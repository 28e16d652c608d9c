"""Outputs, losses and metrics of a network for stored rows, batch by batch."""

from functools import partial
from typing import Any

import jax
import numpy as np

from pellucid.functions.masking import masked_value
from pellucid.network import Network, power_of_two, rows_at_once
from pellucid.training import Scaling, Supervised

FEWEST = 64
"""Fewest rows of one call for loss and metric, so that they are compiled for few sizes."""


def outputs_of(
    network: Network, params: Any, state: Any, x: np.ndarray, scaling: Scaling, *, like: int | None = None
) -> np.ndarray:
    """Compute the outputs of a network for stored rows, scaled in the program, batch by batch.

    Args:
        network: the network.
        params: its parameters.
        state: its layers' state.
        x: the rows.
        scaling: of the inputs.
        like: take batches of the size that so many rows are predicted in, for which it is compiled already.
    """
    scaling = scaling._replace(targets=None)
    size = rows_at_once(network, x.shape[1:], like or len(x))
    starts = range(0, max(len(x), 1), size)
    parts = [_predict(network, params, state, scaling, _filled(x[i : i + size], size)) for i in starts]
    return np.concatenate([np.asarray(part) for part in parts])[: len(x)]


def _filled(x: np.ndarray, size: int) -> np.ndarray:
    """The rows of a short batch, filled up with zeros so that nothing is compiled for it."""
    if len(x) == size:
        return x
    return np.concatenate([x, np.zeros((size - len(x), *x.shape[1:]), x.dtype)])


@partial(jax.jit, static_argnums=0)
def output_mask(network: Network, params: Any, state: Any, scaling: Scaling, x: Any) -> Any:
    """Compute which steps of the outputs are real; None where all are."""
    # The compiler leaves out all that the mask does not depend on.
    return network.forward(params, state, scaling(x)).masks.get(network.names[network.ends[0]])


@partial(jax.jit, static_argnums=0)
def _predict(network: Network, params: Any, state: Any, scaling: Scaling, x: Any) -> Any:
    return network.forward(params, state, scaling(x)).outputs[-1]


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
    return masked_value(program.loss, outputs, y, mask), program.metric_of(outputs, y, scaling, mask)
