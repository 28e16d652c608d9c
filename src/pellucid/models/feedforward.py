"""The feed-forward network, with the output layer and the loss that the target asks for (subject 1.3, 3.1)."""

from collections.abc import Sequence
from typing import NamedTuple

from pellucid.core.checks import ShapeError, WholeNumber, require
from pellucid.core.types import Shape
from pellucid.data import Dataset
from pellucid.functions.activations import Activation
from pellucid.functions.losses import Loss, losses
from pellucid.layers import Dense, Dropout, Layer
from pellucid.network import Network


class Output(NamedTuple):
    """What a task asks of the end of a network."""

    activation: str
    loss: str
    metric: str
    reason: str


OUTPUTS = {
    "binary": Output(
        "sigmoid", "binary_cross_entropy", "binary_accuracy", "two classes: one sigmoid neuron, the probability of the second"
    ),
    "multiclass": Output(
        "softmax", "sparse_categorical_cross_entropy", "accuracy", "one softmax neuron a class, probabilities that sum to 1"
    ),
    "multilabel": Output(
        "sigmoid", "binary_cross_entropy", "binary_accuracy", "one sigmoid neuron a label, each a probability of its own"
    ),
    "regression": Output(
        "linear", "mean_squared_error", "mean_absolute_error", "one linear neuron a number to predict"
    ),
}  # fmt: skip
"""The output layer, loss and metric by task: the defaults of subject 3.1."""


def feedforward(
    hidden: Sequence[int],
    data: Dataset,
    *,
    activation: Activation | str = "relu",
    dropout: float = 0.0,
    weights: str = "he_normal",
) -> Network:
    """Dense hidden layers, then the output layer that the target of ``data`` asks for.

    Args:
        hidden: units of each hidden layer; empty for none.
        data: the dataset whose task decides the output layer.
        activation: of the hidden layers.
        dropout: share of neurons dropped after each hidden layer, 0 ≤ p < 1; 0 for no dropout.
        weights: initialiser of the hidden layers' weights; the output layer takes Glorot's uniform.

    Raises:
        InvalidValue: a layer without units, or a dropout of 1 or more.

    Example:
        >>> from pellucid.data import load_dataset
        >>> feedforward((128, 128), load_dataset("mnist-5k")).names
        ('dense_1', 'relu_1', 'dense_2', 'relu_2', 'dense_3', 'softmax_1')
    """
    layers: list[Layer] = []
    for units in hidden:
        require(units, WholeNumber(1), "units of a hidden layer")
        layers.append(Dense(units, activation, weights=weights))
        if dropout:
            layers.append(Dropout(dropout))
    end = OUTPUTS[data.task]
    ending = None if end.activation == "linear" else end.activation
    return Network(*layers, Dense(data.outputs, ending, weights="glorot_uniform"))


def check_output(network: Network, output_shape: Shape, loss: Loss, data: Dataset) -> None:
    """Refuse a network whose output does not fit the target of ``data``, or its loss.

    Raises:
        ShapeError: naming the output, the target and the layer that would fit.
    """
    if output_shape != (data.outputs,):
        end = OUTPUTS[data.task]
        advice = f'Dense({data.outputs}, "{end.activation}")'
        raise ShapeError(
            f"the network's output has shape {output_shape}, the target of {data.name!r} needs ({data.outputs},) "
            f"({data.task}: {end.reason}). End the network with {advice}."
        )
    kinds = {"multiclass": ("classes", "one_hot"), "binary": ("numbers",), "multilabel": ("numbers",)}
    allowed = kinds.get(data.task, ("numbers",))
    if loss.target_kind not in allowed:
        fitting = [name for name in losses if losses.find(name).target_kind in allowed]
        raise ShapeError(
            f"the loss {loss.name!r} does not fit the target of {data.name!r} ({data.task}). "
            f"Fitting losses: {', '.join(fitting)}."
        )
