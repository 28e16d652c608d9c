"""Recurrent networks, for sequences: plain, LSTM and GRU."""

from collections.abc import Sequence
from typing import Literal

from pellucid.architectures.tasks import output_layer
from pellucid.core.constraints import OneOf, WholeNumber, require
from pellucid.core.errors import ShapeError
from pellucid.data import Dataset
from pellucid.data.targets import AT_STEPS
from pellucid.layers import GRU, LSTM, RNN, Bidirectional, Dropout, Layer, Reshape
from pellucid.network import Network

KINDS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def recurrent(
    data: Dataset,
    units: Sequence[int] = (128,),
    *,
    kind: Literal["rnn", "lstm", "gru"] = "lstm",
    bidirectional: bool = False,
    mask_value: float | None = None,
    dropout: float = 0.0,
) -> Network:
    """Build a recurrent network: stacked recurrent layers, output layer after the last time step, or at each.

    The output layer stands at each step where the targets do, and for sequences of labels.

    Args:
        data: sequences, examples of shape (time, features); (time,) is taken as one feature. An image is read row by
            row.
        units: of each recurrent layer.
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        bidirectional: a second layer beside each reads the sequence backwards.
        mask_value: time steps whose features all have this value are padding and are passed over.
        dropout: fraction of neurons dropped after each layer, 0 ≤ p < 1; 0 for no dropout.

    Raises:
        ShapeError: examples that are no sequences.
        InvalidValue: an unknown kind, a layer without units, or a dropout of 1 or more.

    Example:
        >>> from pellucid.data import load_dataset
        >>> recurrent(load_dataset("mnist-5k"), (64, 32), kind="gru").names
        ('gru_1', 'gru_2', 'dense_1', 'softmax_1')

    Source: Elman, Finding structure in time, 1990; Hochreiter, Schmidhuber, Long short-term memory, 1997; Cho et al.,
    Learning phrase representations using RNN encoder–decoder, 2014.
    """
    require(kind, OneOf(tuple(KINDS)), "kind")
    shape = data.input_shape
    if len(shape) not in (1, 2):
        raise ShapeError(
            f"a recurrent network takes sequences, examples of shape (time, features). Those of {data.name!r} have "
            f"shape {shape}: bring them into that shape first."
        )
    layers: list[Layer] = [Reshape((*shape, 1))] if len(shape) == 1 else []
    for number, count in enumerate(units):
        require(count, WholeNumber(1), "units of a recurrent layer")
        to_end = number == len(units) - 1 and data.task not in AT_STEPS
        layer = KINDS[kind](count, return_sequences=not to_end, mask_value=mask_value)
        layers.append(Bidirectional(layer) if bidirectional else layer)
        if dropout:
            layers.append(Dropout(dropout))
    return Network(*layers, output_layer(data))
