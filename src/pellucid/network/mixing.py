"""Mixed examples: a layer that mixes the examples of a batch has its targets mixed by the loss."""

from collections.abc import Callable
from typing import Any

from pellucid.core.errors import InvalidValue
from pellucid.core.types import Array
from pellucid.functions.losses import Loss
from pellucid.layers.augmentation import blend
from pellucid.network.structure import Structure, layer_key

Mixture = tuple[Array, Array]
"""The partner of each example, and the fraction kept of itself."""


def check_mixing(network: Structure) -> None:
    """Refuse a layer that mixes examples where a prediction also depends on examples as they are.

    Raises:
        InvalidValue: two such layers, or a way from an input to an output around it.
    """
    mixing = [name for name, layer in zip(network.names, network.layers, strict=True) if layer.mixes]
    if len(mixing) > 1:
        raise InvalidValue(f"a network mixes its examples once. Received: {', '.join(mixing)}.")
    reads = dict(zip(network.names, network.reads, strict=True))
    waiting = list(network.outputs) if mixing else []
    while waiting:
        name = waiting.pop()
        if name in network.inputs:
            raise InvalidValue(
                f"{mixing[0]!r} mixes examples and targets, but the input {name!r} also reaches an output around it, "
                "unmixed: put it where all of the network reads it."
            )
        waiting += reads[name] if name not in mixing else ()


def mixture_of(network: Structure, key: Any, rows: int) -> Mixture | None:
    """The mixture that a network's forward pass in training draws from the same key; None where it mixes nothing."""
    for i, layer in enumerate(network.layers):
        if layer.mixes:
            return layer.mixture(layer_key(key, i), rows)  # pyright: ignore[reportAttributeAccessIssue]
    return None


def for_both_targets(
    measure: Callable[..., Array], criterion: Loss, output: Array, target: Array, mask: Any, mixture: Mixture | None
) -> Array:
    """A loss or its gradient for each example: of mixed ones ``λ`` of that for the own target, the rest the other's."""
    own = measure(criterion, output, target, mask)
    if mixture is None:
        return own
    partners, kept = mixture
    return blend(own, measure(criterion, output, target[partners], mask), kept)
