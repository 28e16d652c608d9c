"""Check a custom loss before the first step: its gradient against central differences."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.functions.losses import Loss, losses_of
from pellucid.training import Training
from pellucid.training.rows import take

ROWS = 16
"""Rows that the gradient is checked on."""
STEP = 1e-4
"""Of the difference quotient, in double precision: small beside outputs of size 1."""
ERROR = 0.02
"""Largest relative error that rounding may leave, where a loss computes in single precision all the same."""


def check_own_loss(training: Training) -> None:
    """Compare the gradient of a custom loss with differences of its value, at the outputs before training.

    Raises:
        ShapeError: not one value for each example, or a gradient of another shape than the prediction.
        InvalidValue: a gradient that is none, with the numbers.
    """
    program: Any = training.program
    network, parts = program.network, losses_of(program.loss)
    if not any(map(is_custom, parts)):
        return
    rows, state = training.train, training.state
    indices = jnp.arange(min(ROWS, rows.rows))
    x = training.scaling(take(rows.x, indices))
    outputs = network.forward(state.params, state.layer_state, x).outputs
    target = x if rows.y is None else take(rows.y, indices)
    targets = (target,) if len(parts) == 1 else target
    for loss, end, y in zip(parts, network.ends, targets, strict=True):
        if is_custom(loss):
            check_gradient(loss, np.asarray(outputs[end]), np.asarray(y))


def is_custom(loss: Loss) -> bool:
    """True for a loss that is not the library's own."""
    return type(loss).__module__.partition(".")[0] != "pellucid"


def check_gradient(loss: Loss, prediction: np.ndarray, target: np.ndarray) -> None:
    """Compare the gradient of a loss with differences of its value along a random direction for each example.

    Formula:
        Σ_j gradient_j d_j against (l(ŷ + h d) − l(ŷ)) / h and (l(ŷ) − l(ŷ − h d)) / h: between both, where a kink lies

    Raises:
        ShapeError: not one value for each example, or a gradient of another shape than the prediction.
        InvalidValue: a gradient that is none, with the numbers.
    """
    with jax.enable_x64(True):
        y_hat = jnp.asarray(prediction, jnp.float64)
        y = jnp.asarray(target, jnp.float64 if target.dtype.kind == "f" else target.dtype)
        direction = np.random.default_rng(0).normal(size=prediction.shape)
        values = [np.asarray(loss.value(y_hat + step * jnp.asarray(direction), y)) for step in (-STEP, 0.0, STEP)]
        gradient = np.asarray(loss.gradient(y_hat, y))
    name = type(loss).__name__
    if values[1].shape != prediction.shape[:1] or gradient.shape != prediction.shape:
        raise ShapeError(
            f"the loss {name} must give one value for each of the {len(prediction)} examples and a gradient of the "
            f"prediction's shape, {prediction.shape}. Received: value {values[1].shape}, gradient {gradient.shape}."
        )
    behind, ahead = np.diff(values, axis=0) / STEP
    along = (gradient * direction).reshape(len(gradient), -1).sum(axis=1)
    size = np.maximum(np.maximum(abs(behind), abs(ahead)), abs(along))
    room = ERROR * size + 1e-6
    wrong = (along < np.minimum(behind, ahead) - room) | (along > np.maximum(behind, ahead) + room)
    if wrong.any():
        row = int(wrong.argmax())
        expected = (behind[row] + ahead[row]) / 2
        raise InvalidValue(
            f"the gradient of the loss {name} is not the derivative of its value: along a direction, example {row} of "
            f"{len(prediction)} has gradient {along[row]:.6g}, but the value changes by {expected:.6g} "
            f"({wrong.sum()} examples differ). Correct gradient(), or derive it: jax.vjp of value."
        )
