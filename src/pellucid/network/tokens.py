"""Inputs that are tokens: numbers of a vocabulary, which an `Embedding` looks up."""

from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.layers.layer import Wrapper
from pellucid.network.network import Network


def token_layer(network: Network, name: str | None = None) -> Any:
    """Find the layer that looks up an input, by default any, with the smallest vocabulary if several.

    Example:
        >>> from pellucid.layers import LSTM, Embedding
        >>> token_layer(Network(Embedding(50, 8), LSTM(4))).vocabulary
        50
    """
    unchanged, embeddings = set(network.inputs if name is None else (name,)), []
    for node, layer, reads in zip(network.names, network.layers, network.reads, strict=True):
        if not unchanged.intersection(reads):
            continue
        if layer.rearranges:
            unchanged.add(node)
        if layer.vocabulary is not None:
            embeddings.append(layer.layer if isinstance(layer, Wrapper) else layer)
    return min(embeddings, key=lambda layer: layer.vocabulary, default=None)


def check_tokens(network: Network, x: Any, part: str = "x", name: str | None = None) -> None:
    """Refuse a number that the network's embedding has no vector for.

    Without an `Embedding` on the input anything passes; ``part`` is the name of ``x`` in the message, ``name`` that of
    the input where there are several.

    Raises:
        DataError: naming row, column, number, vocabulary and what to type.
    """
    layer = token_layer(network, name)
    x = np.asarray(x)
    if layer is None or x.dtype.kind not in "biuf":
        return
    whole = x == np.floor(x) if x.dtype.kind == "f" else np.ones(x.shape, bool)
    known = whole & (x >= 0) & (x < layer.vocabulary)
    if known.all():
        return
    row, *others = (int(i) for i in np.argwhere(~known)[0])
    position = f"row {row}" + (f", column {others[0] if len(others) == 1 else tuple(others)}" if others else "")
    if not whole.all():
        advice = "Tokens are whole numbers; numbers that are measured need no embedding: take it out."
    elif (x[whole] < 0).any():
        advice = "Number the tokens from 0."
    elif part == "x":
        advice = "Give it tokens of the vocabulary that it was trained with."
    else:
        larger = replace(layer, vocabulary=int(x[whole].max()) + 1)
        advice = f"Write {_text(larger)}, or number the tokens from 0 without gaps."
    raise DataError(
        f"{part} holds the token {x[(row, *others)]:g} at {position}; {_text(layer)} knows the whole numbers from 0 to "
        f"{layer.vocabulary - 1}. {advice}"
    )


def _text(layer: Any) -> str:
    return f"{type(layer).__name__}({layer.vocabulary}, {layer.units})"
