"""Backpropagation: the chain rule from the loss to every weight, layer by layer (subject 3.4).

∂L/∂W = ∂L/∂a · ∂a/∂z · ∂z/∂W
"""

from typing import NamedTuple

from pellucid.core.types import Array, Float, Key, Params, Scalar, State
from pellucid.functions.losses import Loss, fuse
from pellucid.layers import Activation
from pellucid.network.sequential import Network


class Backpropagation(NamedTuple):
    """Everything that one forward and one backward pass compute.

    The compiler drops what nobody reads, so keeping it all here costs nothing.
    """

    loss: Scalar
    """The reduced loss L of the batch."""
    outputs: tuple[Array, ...]
    """Forward: z of every affine map, a of every activation."""
    deltas: tuple[Array | None, ...]
    """Backward: ∂L/∂output for each layer; None for an output that a fused loss steps over."""
    grads: tuple[Params, ...]
    """∂L/∂params for each layer."""
    state: tuple[State, ...]


def backpropagate(
    network: Network,
    loss: Loss,
    params: tuple[Params, ...],
    state: tuple[State, ...],
    x: Array,
    target: Array,
    weights: Float[Array, " batch"],
    *,
    key: Key[Array, ""] | None = None,
    training: bool = True,
) -> Backpropagation:
    """Forward through the layers, the loss's slope, then the layers in reverse.

    Where the last activation and the loss pair up (softmax with a cross-entropy, sigmoid with binary
    cross-entropy) their product is taken in one stable step, from the logits.

    Args:
        network: the network.
        loss: its loss; with ``reduction`` "mean" L = Σ wᵢ lᵢ / Σ wᵢ, with "sum" L = Σ wᵢ lᵢ.
        params: from ``network.init``.
        state: from ``network.init`` or the last step.
        x: a batch of inputs, shape (batch, …).
        target: its targets, as the loss takes them.
        weights: one weight an example, shape (batch,); 0 leaves an example out.
        key: random key for layers that draw.
        training: training or prediction mode of the layers.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pellucid.functions.losses import MeanSquaredError
        >>> from pellucid.layers import Dense
        >>> network = Network(Dense(1, weights="ones"))
        >>> params, state, _ = network.init(jax.random.key(0), (2,))
        >>> x, y = jnp.array([[1.0, 2.0]]), jnp.array([[1.0]])
        >>> result = backpropagate(network, MeanSquaredError(), params, state, x, y, jnp.ones(1))
        >>> float(result.loss), result.grads[0]["weights"].ravel().tolist()  # (3 − 1)², 2·(3 − 1)·x
        (4.0, [4.0, 8.0])
    """
    forward = network.forward(params, state, x, key=key, training=training, counted=weights > 0)
    last = len(network.layers) - 1
    activation = network.layers[last]
    fused = fuse(activation.function, loss) if isinstance(activation, Activation) and last else None  # pyright: ignore[reportArgumentType]
    if fused is not None:
        last -= 1
    criterion, output = fused or loss, forward.outputs[last]

    share = loss.shares(weights)
    value = (criterion.value(output, target) * share).sum()
    slope = criterion.slope(output, target)
    delta = slope * share.reshape(share.shape + (1,) * (slope.ndim - 1))
    _, deltas, grads = network.backward(params, forward.caches, {last: delta})
    return Backpropagation(value, forward.outputs, deltas, grads, forward.state)
