"""A loss of one's own, checked before the first step: training follows its slope, whether or not that is one."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.checks import InvalidValue, ShapeError
from pellucid.functions.losses import Loss
from pellucid.training import Training
from pellucid.training.epoch import take

ROWS = 16
"""Rows that the slope is checked on."""
STEP = 1e-4
"""Of the difference quotient, in double precision: small beside outputs of size 1."""
ERROR = 0.02
"""Largest relative error that rounding may leave, where a loss computes in single precision all the same."""


def check_own_loss(training: Training) -> None:
    """Compare the slope of a loss that is not pellucid's with differences of its value, at the outputs before training.

    Raises:
        ShapeError: not one value for each example, or a slope of another shape than the prediction.
        InvalidValue: a slope that is none, with the numbers.
    """
    program: Any = training.program
    loss, network = program.loss, program.network
    if type(loss).__module__.partition(".")[0] == "pellucid":
        return
    rows, state = training.train, training.state
    chosen = jnp.arange(min(ROWS, rows.rows))
    x = training.scaling(take(rows.x, chosen))
    prediction = np.asarray(network.forward(state.params, state.layer_state, x).outputs[-1])
    target = np.asarray(x if rows.y is None else take(rows.y, chosen))
    check_slope(loss, prediction, target)


def check_slope(loss: Loss, prediction: np.ndarray, target: np.ndarray) -> None:
    """Compare the slope of a loss with differences of its value along a direction drawn for each example.

    Formula:
        Σ_j slope_j d_j against (l(ŷ + h d) − l(ŷ)) / h and (l(ŷ) − l(ŷ − h d)) / h: between both, where a kink lies

    Raises:
        ShapeError: not one value for each example, or a slope of another shape than the prediction.
        InvalidValue: a slope that is none, with the numbers.
    """
    with jax.enable_x64(True):
        y_hat = jnp.asarray(prediction, jnp.float64)
        y = jnp.asarray(target, jnp.float64 if target.dtype.kind == "f" else target.dtype)
        direction = np.random.default_rng(0).normal(size=prediction.shape)
        values = [
            np.asarray(loss.value(y_hat + step * jnp.asarray(direction), y)) for step in (-STEP, 0.0, STEP)
        ]
        slope = np.asarray(loss.slope(y_hat, y))
    name = type(loss).__name__
    if values[1].shape != prediction.shape[:1] or slope.shape != prediction.shape:
        raise ShapeError(
            f"the loss {name} must give one value for each of the {len(prediction)} examples and a slope of the shape "
            f"of the prediction, {prediction.shape}. Received: value {values[1].shape}, slope {slope.shape}."
        )
    behind, ahead = np.diff(values, axis=0) / STEP
    along = (slope * direction).reshape(len(slope), -1).sum(axis=1)
    size = np.maximum(np.maximum(abs(behind), abs(ahead)), abs(along))
    room = ERROR * size + 1e-6
    wrong = (along < np.minimum(behind, ahead) - room) | (along > np.maximum(behind, ahead) + room)
    if wrong.any():
        row = int(wrong.argmax())
        measured = (behind[row] + ahead[row]) / 2
        raise InvalidValue(
            f"the slope of the loss {name} is not the derivative of its value: along a direction, example {row} of "
            f"{len(prediction)} has slope {along[row]:.6g}, but the value changes by {measured:.6g} "
            f"({wrong.sum()} examples differ). Correct slope(), or derive it: jax.vjp of value."
        )
