"""Batches of sequences of similar length, which are cut to the longest of them."""

from typing import Any

import jax
import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.data import Dataset, Part
from pellucid.data.targets import AT_STEPS
from pellucid.network import Network, padding_of_input

FRACTIONS = (0.5, 0.8, 0.95, 0.99)
"""Of the rows that the lengths hold, before that of all: each is a step more to compile."""


def lengths_of(network: Network, part: Part) -> np.ndarray | None:
    """Steps of each sequence up to its last real one, int32; None where the network declares no padding of its input.

    Example:
        >>> from pellucid.layers import LSTM, Embedding
        >>> x = np.array([[3, 0, 2, 0, 0], [1, 1, 1, 1, 1]])
        >>> lengths_of(Network(Embedding(4, 2, mask_zero=True), LSTM(3)), Part(x, x)).tolist()
        [3, 5]
    """
    (name,), x, reach = network.inputs, part.x, 0
    makers = [
        layer
        for layer, reads in zip(network.layers, network.reads, strict=True)
        if reads == (name,) and layer.masks == "makes"
    ]
    padding: Any = padding_of_input(network, x.shape[1:], name)
    if makers:
        padding, reach = 0, max(layer.reach for layer in makers)
    elif padding is None or x.ndim < 3:
        return None
    real = (x.reshape(*x.shape[:2], -1) != padding).any(axis=-1)
    lengths = x.shape[1] - real[:, ::-1].argmax(axis=1)  # of a row without a real step that of all
    return np.minimum(lengths + reach, x.shape[1]).astype(np.int32)


def cuts_of(network: Network, data: Dataset, shuffle: bool) -> tuple[int, ...]:
    """The lengths that batches are cut to, the last one being that of all.

    Raises:
        InvalidValue: sequences without padding that the network passes over, targets at each step, or weights that
            depend on the number of steps.
    """
    problem, lengths = None, None
    if data.stream is not None or len(network.inputs) > 1 or data.heads:
        problem = "rows in memory with one input and one target"
    elif data.task in AT_STEPS or data.task in ("transcription", "translation"):
        problem = "one target a sequence, not one a step"
    elif not shuffle:
        problem = "shuffled rows: leave shuffle=False out"
    else:
        lengths = lengths_of(network, data.train)
    if problem is None and lengths is None:
        problem = "padding that the network passes over: mask_zero=True of an Embedding or a LogMel, or mask_value"
    if problem is not None:
        raise InvalidValue(f"group_by_length needs {problem}.")
    assert lengths is not None
    longest = data.train.x.shape[1]
    inner = np.quantile(lengths, FRACTIONS, method="higher").astype(int).tolist()
    cuts = (*sorted({max(1, cut) for cut in inner if cut < longest}), longest)
    shapes = [_shapes(network, (cut, *data.input_shape[1:])) for cut in cuts]
    if any(shape != shapes[-1] for shape in shapes):
        raise InvalidValue(
            "group_by_length cuts sequences to the longest of a batch, and weights of this network depend on the "
            "number of steps, as those behind a Flatten do. End the steps by a recurrent layer or a global pooling."
        )
    return cuts


def _shapes(network: Network, input_shape: tuple[int, ...]) -> Any:
    shapes: Any = jax.eval_shape(lambda key: network.init(key, input_shape)[:2], jax.random.key(0))
    return jax.tree.map(lambda leaf: leaf.shape, shapes)
