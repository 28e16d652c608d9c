"""A loss that is not finite: where it began, and what to look at."""

import jax
import jax.numpy as jnp

from pellucid.core.types import Array, Params, PyTree
from pellucid.functions.losses import Loss
from pellucid.network import Backpropagation, Network


def explain_divergence(
    network: Network, loss: Loss, params: tuple[Params, ...], x: PyTree, pass_: Backpropagation, step: int, epoch: int
) -> str:
    """Name the first thing in a step that is not finite.

    Args:
        network: the network.
        loss: its loss.
        params: the parameters before the step.
        x: its inputs.
        pass_: its forward and backward pass.
        step: its number, from 0.
        epoch: the number of its epoch, from 1.
    """
    where = f"The loss is not finite at step {step} (epoch {epoch}). "
    kept = " A run folder keeps the state before this step."
    if not _finite(x):
        return where + "The inputs of its batch already hold NaN or infinity: look at the data." + kept
    found = first_affected(network, params, pass_.outputs)
    if found is not None:
        return where + found + kept
    return (
        f"{where}All layers' outputs are finite; the loss {loss.name!r} itself overflows or is undefined "
        "on them: look at the targets, the scale of the predictions and the match of output activation and loss." + kept
    )


def first_affected(network: Network, params: tuple[Params, ...], outputs: tuple[Array, ...]) -> str | None:
    """Name the first layer whose parameters or outputs are not finite, and what to do; None where all are.

    Args:
        network: the network.
        params: its parameters.
        outputs: what its layers gave with them.
    """
    for name, of_layer, output in zip(network.names, params, outputs, strict=True):
        for key, array in of_layer.items():
            if not _finite(array):
                return (
                    f"First affected: the {key} of layer {name}. The update before it overflowed: "
                    "lower the learning rate, or clip the gradient (clip_norm=1)."
                )
        if not _finite(output):
            size = max((float(jnp.abs(w).max()) for w in jax.tree.leaves(of_layer)), default=0.0)
            return (
                f"First affected: the output of layer {name}, whose largest weight is {size:.3g}. "
                "The weights have grown too large: lower the learning rate, clip the gradient (clip_norm=1), "
                "or standardise the inputs."
            )
    return None


def _finite(tree: PyTree) -> bool:
    return all(bool(jnp.isfinite(array).all()) for array in jax.tree.leaves(tree))
