"""Codes of an autoencoder: from examples to codes and back."""

from typing import Any

import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.data import Preprocessing
from pellucid.layers import Code
from pellucid.network import Network
from pellucid.runs.outputs import outputs_of
from pellucid.runs.scaling import scaling_of
from pellucid.runs.trained import Trained


def encode(trained: Trained, x: Any) -> np.ndarray:
    """Compute the codes of examples.

    Args:
        trained: an autoencoder.
        x: examples in their own units, shape (rows, *input_shape).

    Returns:
        Codes, shape (rows, code).

    Raises:
        InvalidValue: the network has no `Code` layer.
    """
    return _half(trained, slice(None, _split(trained)), trained.as_inputs(x), trained.facts.preprocessing)


def decode(trained: Trained, codes: Any) -> np.ndarray:
    """Compute the examples that codes stand for, in the units of the data.

    Args:
        trained: an autoencoder.
        codes: shape (rows, code).

    Raises:
        InvalidValue: the network has no `Code` layer.
    """
    decoder = slice(_split(trained), None)
    decoded = _half(trained, decoder, np.asarray(codes, np.float32), Preprocessing())
    return trained.facts.preprocessing.invert_numpy(decoded)


def reconstruction_errors(trained: Trained, x: Any) -> np.ndarray:
    """Compute the mean squared error of each example, scaled as the network sees it: high for unusual ones.

    Args:
        trained: an autoencoder.
        x: examples in their own units, shape (rows, *input_shape).

    Returns:
        Shape (rows,).
    """
    x = trained.as_inputs(x)
    difference = trained.outputs(x) - trained.facts.preprocessing.apply_numpy(x)
    return np.square(difference).reshape(len(x), -1).mean(axis=1)


def _split(trained: Trained) -> int:
    layers = trained.network.layers
    index = next((i for i, layer in enumerate(layers) if isinstance(layer, Code)), None)
    if index is None:
        raise InvalidValue(
            'the network of this run has no Code layer, so it is no autoencoder. Train one: train("autoencoder", data).'
        )
    return index + 1


def _half(trained: Trained, part: slice, x: np.ndarray, preprocessing: Any) -> np.ndarray:
    network = Network(*trained.network.layers[part]).in_precision(trained.experiment.precision)
    return outputs_of(
        network, trained.params[part], trained.layer_state[part], x, scaling_of(preprocessing, dtype=network.dtype)
    )
