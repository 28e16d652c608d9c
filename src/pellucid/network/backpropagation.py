"""Backpropagation: the chain rule from the loss to every weight, layer by layer.

∂L/∂W = ∂L/∂a · ∂a/∂z · ∂z/∂W
"""

from collections.abc import Mapping
from typing import NamedTuple

from pellucid.core.errors import InvalidValue
from pellucid.core.types import Array, Bool, Float, Key, Params, PyTree, Scalar, State
from pellucid.functions.losses import JointLoss, Loss, fuse
from pellucid.functions.masking import masked_gradient, masked_value
from pellucid.layers import Activation
from pellucid.network.mixing import for_both_targets, mixture_of
from pellucid.network.network import Network


class Backpropagation(NamedTuple):
    """The result of one forward and one backward pass; unused parts are compiled away."""

    loss: Scalar
    """The reduced loss L of the batch."""
    outputs: tuple[Array, ...]
    """Forward: z of every affine map, a of every activation."""
    deltas: tuple[Array | None, ...]
    """Backward: ∂L/∂output for each layer; None for an output that a fused loss steps over or that L does not use."""
    grads: tuple[Params, ...]
    """∂L/∂params for each layer."""
    state: tuple[State, ...]
    masks: Mapping[str, Bool[Array, "batch *steps"]]
    """True at real steps, for each output that has padding, by the name of its layer."""


def backpropagate(
    network: Network,
    loss: Loss | JointLoss,
    params: tuple[Params, ...],
    state: tuple[State, ...],
    x: PyTree,
    target: PyTree,
    weights: Float[Array, " batch"],
    total: Scalar | None = None,
    *,
    key: Key[Array, ""] | None = None,
    training: bool = True,
) -> Backpropagation:
    """Forward through the layers, the loss's gradient, then the layers in reverse.

    Where the last activation and the loss pair up (softmax with a cross-entropy, sigmoid with binary
    cross-entropy) their product is taken in one stable step, from the logits. Where the network answers at each step of
    a sequence, padded steps cost nothing. Where a layer mixes examples, their losses are mixed alike.

    Args:
        network: a chain or a graph.
        loss: its loss; with ``reduction`` "mean" L = Σ wᵢ lᵢ / total, with "sum" L = Σ wᵢ lᵢ. A `JointLoss` for a
            graph with several outputs.
        params: from ``network.init``.
        state: from ``network.init`` or the last step.
        x: a batch of inputs, shape (batch, …); one array for each input of a graph with several.
        target: its targets, as the loss takes them; one array for each output of a graph with several.
        weights: one weight an example, shape (batch,); 0 leaves an example out.
        total: the divisor of a mean; Σ wᵢ by default.
        key: random key for layers that draw.
        training: training or prediction mode of the layers.

    Raises:
        InvalidValue: not as many losses as the network has outputs.

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
    parts = loss.parts if isinstance(loss, JointLoss) else ((loss, 1.0),)
    targets = target if isinstance(loss, JointLoss) else (target,)
    if len(parts) != len(network.ends):
        raise InvalidValue(
            f"a network with {len(network.ends)} outputs needs as many losses, joined by JointLoss. "
            f"Received: {len(parts)}."
        )
    forward = network.forward(params, state, x, key=key, training=training, sample_mask=weights > 0)
    mixture = mixture_of(network, key, len(weights)) if training else None
    terms: list[Scalar] = []
    gradients: dict[int, Array] = {}
    for (part, scale), end, y in zip(parts, network.ends, targets, strict=True):
        criterion, i = differentiated_loss(network, part, end)
        output, factors = forward.outputs[i], scale * part.fractions(weights, total)
        mask = forward.masks.get(network.names[end])
        terms.append((for_both_targets(masked_value, criterion, output, y, mask, mixture) * factors).sum())
        gradient = for_both_targets(masked_gradient, criterion, output, y, mask, mixture)
        gradient = gradient * factors.reshape(factors.shape + (1,) * (gradient.ndim - 1))
        gradients[i] = gradients[i] + gradient if i in gradients else gradient
    _, deltas, grads = network.backward(params, forward.caches, gradients)
    value = sum(terms[1:], start=terms[0])
    return Backpropagation(value, forward.outputs, deltas, grads, forward.state, forward.masks)


def differentiated_loss(network: Network, loss: Loss, end: int) -> tuple[Loss, int]:
    """The loss to differentiate, fused with the activation before it where they pair, and the layer it reads."""
    layer, read = network.layers[end], network.reads[end][0]
    if isinstance(layer, Activation) and read not in network.inputs:
        fused = fuse(layer.function, loss)  # pyright: ignore[reportArgumentType]
        if fused is not None:
            return fused, network.names.index(read)
    return loss, end
