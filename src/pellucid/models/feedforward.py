"""The feed-forward network, with the output layer and the loss that the target asks for (subject 1.3, 3.1)."""

from collections.abc import Sequence
from typing import NamedTuple

from pellucid.core.checks import InvalidValue, ShapeError, WholeNumber, require
from pellucid.core.types import Shape
from pellucid.data import Dataset
from pellucid.data.encoding import kind_of
from pellucid.functions.activations import Activation as ActivationFunction
from pellucid.functions.activations import activations
from pellucid.functions.losses import Loss, losses
from pellucid.layers import Activation, Dense, Dropout, Layer
from pellucid.network import AnyNetwork, Network


class Output(NamedTuple):
    """What a task asks of the end of a network."""

    activation: str
    loss: str
    metric: str
    reason: str


OUTPUTS = {
    "binary": Output(
        activation="sigmoid",
        loss="binary_cross_entropy",
        metric="binary_accuracy",
        reason="two classes: one sigmoid neuron, the probability of the second",
    ),
    "multiclass": Output(
        activation="softmax",
        loss="sparse_categorical_cross_entropy",
        metric="accuracy",
        reason="one softmax neuron a class, probabilities that sum to 1",
    ),
    "multilabel": Output(
        activation="sigmoid",
        loss="binary_cross_entropy",
        metric="binary_accuracy",
        reason="one sigmoid neuron a label, each a probability of its own",
    ),
    "regression": Output(
        activation="linear",
        loss="mean_squared_error",
        metric="mean_absolute_error",
        reason="one linear neuron a number to predict",
    ),
    "reconstruction": Output(
        activation="linear",
        loss="mean_squared_error",
        metric="mean_absolute_error",
        reason="the inputs again, in their own shape",
    ),
}
"""The output layer, loss and metric by task: the defaults of subject 3.1."""


def feedforward(
    data: Dataset,
    hidden: Sequence[int] = (128,),
    *,
    activation: ActivationFunction | str = "relu",
    dropout: float = 0.0,
    weights: str = "he_normal",
) -> Network:
    """Dense hidden layers, then the output layer that the target of ``data`` asks for.

    Args:
        data: the dataset whose task decides the output layer.
        hidden: units of each hidden layer; empty for none.
        activation: of the hidden layers.
        dropout: share of neurons dropped after each hidden layer, 0 ≤ p < 1; 0 for no dropout.
        weights: initialiser of the hidden layers' weights; the output layer takes Glorot's uniform.

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
            raise InvalidValue(
                f"layers are put together by Network(*layers). Received: {kind_of(hidden)} of layers."
            )
        require(units, WholeNumber(1), "units of a hidden layer")
        layers.append(Dense(units, activation, weights=weights))
        if dropout:
            layers.append(Dropout(dropout))
    return Network(*layers, output_layer(data))


def output_layer(data: Dataset) -> Dense:
    """The dense layer that a network for ``data`` ends with.

    Example:
        >>> from pellucid.data import load_dataset
        >>> output_layer(load_dataset("breast-cancer")).units
        1
    """
    end = OUTPUTS[data.task]
    ending = None if end.activation == "linear" else end.activation
    return Dense(data.outputs, ending, weights="glorot_uniform")


def check_output(network: AnyNetwork, output_shape: Shape, loss: Loss, data: Dataset) -> None:
    """Refuse a network whose output does not fit the target of ``data``, or its loss.

    Raises:
        ShapeError: naming the output, the target and the layer that would fit.
    """
    expected = data.input_shape if data.task == "reconstruction" else (data.outputs,)
    if output_shape != expected:
        raise ShapeError(
            f"the network's output has shape {output_shape}, the target of {data.name!r} needs {expected} "
            f"({data.task}: {OUTPUTS[data.task].reason}). {_ending(output_shape, data)}"
        )
    kinds = {"multiclass": ("classes", "one_hot"), "binary": ("numbers",), "multilabel": ("numbers",)}
    allowed = kinds.get(data.task, ("numbers",))
    if loss.target_kind not in allowed:
        fitting = [name for name in losses if losses.find(name).target_kind in allowed]
        raise ShapeError(
            f"the loss {loss.name!r} does not fit the target of {data.name!r} ({data.task}). "
            f"Fitting losses: {', '.join(fitting)}."
        )


def _ending(output_shape: Shape, data: Dataset) -> str:
    """How to end a network whose output, of ``output_shape``, does not fit the target of ``data``."""
    end = OUTPUTS[data.task]
    advice = f'End the network with Dense({data.outputs}, "{end.activation}").'
    if data.task == "reconstruction" or len(output_shape) < 2:
        return advice
    steps, *units = output_shape
    if data.task == "regression" and data.outputs == steps > 1:
        if units == [1]:
            return f"A number at each of {steps} steps: put Flatten() behind the last layer."
        return (
            f"The network gives {units[-1]} numbers at each of {steps} steps. Class labels at each time step are not "
            "supported by train yet; numbers are: end the network with Dense(1) and Flatten(). One class for a whole "
            "sequence is supported too: y of shape (rows,), and a last recurrent layer without return_sequences."
        )
    return (
        f"The network gives {units[-1]} numbers at each of {steps} steps or places: leave out return_sequences=True "
        f"of the last recurrent layer, or put Flatten() or GlobalAveragePool() before the last dense layer. {advice}"
    )


LOGITS = {
    "sigmoid_binary_cross_entropy": "binary_cross_entropy",
    "softmax_cross_entropy": "categorical_cross_entropy",
    "sparse_softmax_cross_entropy": "sparse_categorical_cross_entropy",
}
"""Losses of logits, each with the one of probabilities that the network turns into it."""

PROBABILITIES = (*LOGITS.values(), "kl_divergence")
"""Losses of probabilities."""

BETWEEN = {
    "binary_cross_entropy": (0, 1),
    "hinge": (-1, 1),
    "squared_hinge": (-1, 1),
    "wasserstein": (-1, 1),
}
"""The least and greatest target that a loss is made for; where the least is −1 nothing lies between."""


def check_loss(network: AnyNetwork, loss: Loss, data: Dataset) -> None:
    """Refuse a loss that would train in silence on what it is not made for.

    Raises:
        InvalidValue: a loss of logits, a loss of probabilities on an output that gives none, or targets outside
            the loss's range.
    """
    if loss.name in LOGITS:
        raise InvalidValue(
            f"the loss {loss.name!r} takes logits, but a run predicts by probabilities. End the network with "
            f"{OUTPUTS[data.task].activation} and take {LOGITS[loss.name]!r}: together they are computed as exactly."
        )
    last = network.layers[-1]
    # A custom layer may end a network as it likes.
    function = last.function if isinstance(last, Activation) else None
    if function is None and isinstance(last, Dense):
        function = activations.build("linear")
    if isinstance(function, ActivationFunction):
        bounded = function.range[0] >= 0 and function.range[1] <= 1
        if loss.name in PROBABILITIES and not bounded:
            raise InvalidValue(
                f"the loss {loss.name!r} takes probabilities, but the network ends in {function.name}, whose range "
                f"is {function.range}. End it with sigmoid or softmax, or take another loss."
            )
    if loss.name in BETWEEN:
        low, high = BETWEEN[loss.name]
        y = data.train.y
        if data.task == "reconstruction":
            y = data.preprocessing.apply_numpy(y)
        if y.min() < low or y.max() > high or (low < 0 and (abs(y) != 1).any()):
            raise InvalidValue(
                f"the loss {loss.name!r} takes targets {'of −1 and 1' if low < 0 else 'from 0 to 1'}; those of "
                f"{data.name!r} run from {y.min():g} to {y.max():g}. "
                f"The usual loss here ({data.task}) is {OUTPUTS[data.task].loss!r}."
            )
