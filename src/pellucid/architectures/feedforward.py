"""The feed-forward network."""

from collections.abc import Sequence

from pellucid.architectures.tasks import output_layer
from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import InvalidValue
from pellucid.data import Dataset
from pellucid.data.encoding import kind_of
from pellucid.functions.activations import Activation
from pellucid.layers import Dense, Dropout, Layer
from pellucid.network import Network


def feedforward(
    data: Dataset,
    hidden: Sequence[int] = (128,),
    *,
    activation: Activation | str = "relu",
    dropout: float = 0.0,
    initializer: str = "he_normal",
) -> Network:
    """Dense hidden layers, then the output layer that the target of ``data`` asks for.

    Args:
        data: the dataset whose task decides the output layer.
        hidden: units of each hidden layer; empty for none.
        activation: of the hidden layers.
        dropout: fraction of neurons dropped after each hidden layer, 0 ≤ p < 1; 0 for no dropout.
        initializer: of the hidden layers' weights; the output layer takes Glorot's uniform.

    Raises:
        InvalidValue: a layer without units, or a dropout of 1 or more.

    Example:
        >>> from pellucid.data import load_dataset
        >>> feedforward(load_dataset("mnist-5k"), (128, 128)).names
        ('dense_1', 'relu_1', 'dense_2', 'relu_2', 'dense_3', 'softmax_1')
    """
    layers: list[Layer] = []
    if not isinstance(hidden, Sequence):
        raise InvalidValue(
            "a network is given as a Network, a name, or the units of its hidden layers, such as (64, 32). "
            f"Received: {hidden!r:.60}."
        )
    for units in hidden:
        if isinstance(units, Layer):
            raise InvalidValue(f"layers are put together by Network(*layers). Received: {kind_of(hidden)} of layers.")
        require(units, WholeNumber(1), "units of a hidden layer")
        layers.append(Dense(units, activation, weights=initializer))
        if dropout:
            layers.append(Dropout(dropout))
    return Network(*layers, output_layer(data))
