"""Layers in front of a network given by name or units, which turn recordings and tokens into what it reads."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import jax
import numpy as np

from pellucid.data import Dataset
from pellucid.layers import layers as registry
from pellucid.network import Network

Reads = Literal["vectors", "sequences", "images"]
"""What a network reads: padded steps are passed over but in images, and sequences are made vectors."""


def with_front(build: Callable[[Dataset], Network], data: Dataset, reads: Reads) -> Network:
    """Build a network behind the layers that the examples of a dataset ask for.

    Args:
        build: makes the network for a dataset.
        data: the dataset, whose encoder says what its examples are.
        reads: what the network reads.

    Example:
        >>> from pellucid.data import load_dataset
        >>> from pellucid.architectures.feedforward import feedforward
        >>> with_front(feedforward, load_dataset("iris"), "vectors").names
        ('dense_1', 'relu_1', 'dense_2', 'softmax_1')
    """
    if data.encoder is None or not data.encoder.front:
        return build(data)
    first, *others = data.encoder.front
    masks: dict[str, Any] = {} if reads == "images" else {"mask_zero": True}
    specifications = [{**first, **masks}, *others, *([data.encoder.to_vector] if reads == "vectors" else [])]
    front = [registry.build(specification) for specification in specifications]
    shape = data.input_shape
    for layer in front:
        _, _, shape = layer.init(jax.random.key(0), shape)
    # The network is built for examples of the shape that the front gives; their values are not needed.
    x = np.broadcast_to(np.float32(0), (len(data.train), *shape))
    network = build(replace(data, train=replace(data.train, x=x), encoder=None))
    return Network(*front, *network.layers)
