"""Inputs that are tokens: numbers of a vocabulary, which an `Embedding` looks up."""

from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.layers import Embedding, Flatten, Frozen, Reshape
from pellucid.network.graph import AnyNetwork


def token_layer(network: AnyNetwork) -> Embedding | None:
    """The embedding that looks up the network's input; of several the one of the smallest vocabulary; None for none.

    Example:
        >>> from pellucid.layers import LSTM
        >>> from pellucid.network.sequential import Network
        >>> token_layer(Network(Embedding(50, 8), LSTM(4))).vocabulary
        50
    """
    unchanged, found = set(network.inputs), []
    for name, layer, reads in zip(network.names, network.layers, network.reads, strict=True):
        if not unchanged.intersection(reads):
            continue
        if isinstance(layer, Reshape | Flatten):
            unchanged.add(name)
        inner = layer.layer if isinstance(layer, Frozen) else layer
        if isinstance(inner, Embedding):
            found.append(inner)
    return min(found, key=lambda layer: layer.vocabulary, default=None)


def check_tokens(network: AnyNetwork, x: Any, part: str = "x") -> None:
    """Refuse a number that the network's embedding has no vector for.

    Args:
        network: the network; without an `Embedding` on its input anything passes.
        x: examples, rows first.
        part: what ``x`` is called in the message.

    Raises:
        DataError: naming row, column, number, vocabulary and what to type.
    """
    layer = token_layer(network)
    x = np.asarray(x)
    if layer is None or x.dtype.kind not in "biuf":
        return
    whole = x == np.floor(x) if x.dtype.kind == "f" else np.ones(x.shape, bool)
    known = whole & (x >= 0) & (x < layer.vocabulary)
    if known.all():
        return
    row, *others = (int(i) for i in np.argwhere(~known)[0])
    place = f"row {row}" + (f", column {others[0] if len(others) == 1 else tuple(others)}" if others else "")
    value = x[(row, *others)]
    highest = x[whole].max(initial=0)
    if not whole.all():
        advice = "Tokens are whole numbers; numbers that are measured need no embedding: take it out."
    elif (x[whole] < 0).any():
        advice = "Number the tokens from 0."
    elif part == "x":
        advice = "Give it tokens of the vocabulary that it was trained with."
    else:
        advice = f"Write Embedding({int(highest) + 1}, {layer.units}), or number the tokens from 0 without gaps."
    raise DataError(
        f"{part} holds the token {value:g} at {place}; Embedding({layer.vocabulary}, {layer.units}) knows the whole "
        f"numbers from 0 to {layer.vocabulary - 1}. {advice}"
    )
