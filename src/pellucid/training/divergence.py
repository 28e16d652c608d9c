"""A loss that is not finite: where it began, and what to look at."""

import jax
import jax.numpy as jnp

from pellucid.core.types import Array
from pellucid.network import backpropagate
from pellucid.training.epoch import Program, Rows, Scaling, epoch_order, steps_per_epoch, take_batch
from pellucid.training.state import TrainingState


def explain_divergence(program: Program, state: TrainingState, scaling: Scaling, train: Rows) -> str:
    """Repeat the forward pass of the bad step and name the first thing in it that is not finite.

    Args:
        program: the program.
        state: the state before the bad step.
        scaling: its preprocessing.
        train: the training rows.
    """
    rows = train.x.shape[0]
    per_epoch = steps_per_epoch(rows, program.batch_size)
    step = int(state.step)
    order = epoch_order(state, rows, program.batch_size)
    batch = take_batch(program, state, scaling, train, order)
    pass_ = backpropagate(
        program.network, program.loss, state.params, state.layer_state, *batch,
        key=jax.random.fold_in(state.key, -1 - state.step),
    )  # fmt: skip
    where = f"The loss is not finite at step {step} (epoch {step // per_epoch + 1}). "
    kept = " A run folder keeps the state before this step."
    if not _finite(batch.x):
        return where + "The inputs of its batch already hold NaN or infinity: look at the data." + kept
    for name, params, output in zip(program.network.names, state.params, pass_.outputs, strict=True):
        for key, array in params.items():
            if not _finite(array):
                return (
                    f"{where}First affected: the {key} of layer {name}. The update before it overflowed: "
                    "lower the learning rate, or clip the gradient (clip_norm=1)." + kept
                )
        if not _finite(output):
            size = max((float(jnp.abs(w).max()) for w in params.values()), default=0.0)
            return (
                f"{where}First affected: the output of layer {name}, whose largest weight is {size:.3g}. "
                "The weights have grown too large: lower the learning rate, clip the gradient (clip_norm=1), "
                "or standardise the inputs." + kept
            )
    return (
        f"{where}All layers' outputs are finite; the loss {program.loss.name!r} itself overflows or is undefined "
        "on them: look at the targets, the scale of the predictions and the match of output activation and loss."
        + kept
    )


def _finite(array: Array) -> bool:
    return bool(jnp.isfinite(array).all())
