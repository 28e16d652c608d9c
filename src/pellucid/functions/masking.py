"""Losses and metrics of sequences with padded steps.

Each step is taken for an example of its own. The loss of an example is then put together from its real steps alone:
their mean, or their sum for a loss that sums over the outputs. So padding costs nothing, and a short sequence weighs as
much as a long one; a sequence without a real step has loss 0. A loss that takes all steps together gets the mask.
"""

from typing import Any

import jax.numpy as jnp

from pellucid.core.types import Array, Bool, Float
from pellucid.functions.losses import Anything, Loss, PerExample, Prediction
from pellucid.functions.metrics import Metric

Mask = Bool[Array, "batch *steps"]


def masked_value(measure: Loss | Metric, prediction: Prediction, target: Anything, mask: Mask | None) -> PerExample:
    """Compute the loss or metric of each example over its real steps.

    Example:
        >>> from pellucid.functions.losses import MeanSquaredError
        >>> prediction, target = jnp.array([[[1.0], [9.0]]]), jnp.zeros((1, 2, 1))
        >>> masked_value(MeanSquaredError(), prediction, target, jnp.array([[True, False]])).tolist()
        [1.0]
    """
    if mask is None:
        return measure.value(prediction, target)
    if measure.of_sequences:
        return measure.value(prediction, target, mask)  # pyright: ignore[reportCallIssue]
    each = measure.value(_steps(prediction, mask), _steps(target, mask)).reshape(mask.shape)
    fractions = _fractions(measure, target, mask, each.dtype)
    return (jnp.where(mask, each, jnp.zeros((), each.dtype)) * fractions).sum(axis=tuple(range(1, mask.ndim)))


def masked_gradient(loss: Loss, prediction: Prediction, target: Anything, mask: Mask | None) -> Prediction:
    """Compute the gradient of `masked_value` with respect to the prediction; 0 at padding."""
    if mask is None:
        return loss.gradient(prediction, target)
    if loss.of_sequences:
        return loss.gradient(prediction, target, mask)  # pyright: ignore[reportCallIssue]
    each = loss.gradient(_steps(prediction, mask), _steps(target, mask)).reshape(prediction.shape)
    fractions = _fractions(loss, target, mask, each.dtype)
    shape = (*mask.shape, *(1,) * (each.ndim - mask.ndim))
    return jnp.where(mask.reshape(shape), each, jnp.zeros((), each.dtype)) * fractions.reshape(shape)


def _steps(array: Any, mask: Mask) -> Any:
    return array.reshape(-1, *array.shape[mask.ndim :])


def _fractions(measure: Loss | Metric, target: Any, mask: Mask, dtype: Any) -> Float[Array, "batch *steps"]:
    """The factor of each step: 1/n of the n real steps of its example, 0 at padding; 1 for a sum."""
    scored = mask.astype(dtype)
    if getattr(measure, "over_outputs", "mean") == "sum":
        return scored
    ignored = getattr(measure, "ignore", None)
    if ignored is not None and target.shape == mask.shape:
        scored = jnp.where(target == ignored, 0, scored)
    n = scored.sum(axis=tuple(range(1, mask.ndim)), keepdims=True)
    return scored / jnp.maximum(n, 1)
