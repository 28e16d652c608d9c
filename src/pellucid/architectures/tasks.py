"""Tasks: the output layer, loss and metric of each kind of target."""

import math
from typing import NamedTuple

import numpy as np

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.types import Shape, Specification
from pellucid.data import Dataset
from pellucid.data.targets import AS_ROWS, AT_STEPS, NO_LABEL
from pellucid.data.translation import PAD
from pellucid.functions.activations import Activation as ActivationFunction
from pellucid.functions.activations import activations
from pellucid.functions.ctc import CTC
from pellucid.functions.losses import Loss, PerOutput, losses
from pellucid.layers import Activation, Dense
from pellucid.network import Network


class Output(NamedTuple):
    """Output layer, loss and metric of a task."""

    activation: str
    loss: Specification
    metric: Specification
    reason: str
    metrics: tuple[str, ...] = ()
    """Of the whole held-out part, beside that metric."""


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
    "tagging": Output(
        activation="softmax",
        loss={"name": "sparse_categorical_cross_entropy", "ignore": NO_LABEL},
        metric={"name": "accuracy", "ignore": NO_LABEL},
        reason="one softmax neuron a class, at each step",
    ),
    "forecasting": Output(
        activation="linear",
        loss="mean_squared_error",
        metric="mean_absolute_error",
        reason="one linear neuron a number to predict, at each step",
    ),
    "transcription": Output(
        activation="linear",
        loss="ctc",
        metric="sequence_accuracy",
        reason="one linear neuron a class and one for the blank, at each step",
        metrics=("label_error_rate",),
    ),
    "reconstruction": Output(
        activation="linear",
        loss="mean_squared_error",
        metric="mean_absolute_error",
        reason="the inputs again, in their own shape",
    ),
    "translation": Output(
        activation="softmax",
        loss={"name": "sparse_categorical_cross_entropy", "ignore": PAD},
        metric={"name": "accuracy", "ignore": PAD},
        reason="one softmax neuron a word, at each step of the translation",
    ),
}
"""The output layer, loss and metric by task."""


def output_layer(data: Dataset) -> Dense:
    """Build the dense layer that a network for ``data`` ends with.

    Example:
        >>> from pellucid.data import load_dataset
        >>> output_layer(load_dataset("breast-cancer")).units
        1
    """
    end = OUTPUTS[data.task]
    ending = None if end.activation == "linear" else end.activation
    return Dense(data.outputs, ending, weights="glorot_uniform")


def usual_loss(data: Dataset) -> Specification:
    """The loss of a task; of distributions over classes the one that is not of labels.

    Example:
        >>> from pellucid.data import make_dataset
        >>> usual_loss(make_dataset([[0], [1]], [[0.9, 0.1], [0.2, 0.8]], held_out=None))
        'categorical_cross_entropy'
    """
    soft = data.task == "multiclass" and not data.stratifies
    return "categorical_cross_entropy" if soft else OUTPUTS[data.task].loss


def loss_and_network(loss: Loss | Specification | None, network: Network, data: Dataset) -> tuple[Loss, Network]:
    """Choose the loss, by default the task's, and add the output layer that it needs.

    A loss of logits or margins takes the network without its last activation; one of rates takes an exponential.

    Example:
        >>> from pellucid.data import load_dataset
        >>> data = load_dataset("breast-cancer")
        >>> loss_and_network("hinge", Network(Dense(8, "relu"), output_layer(data)), data)[1].names
        ('dense_1', 'relu_1', 'dense_2')
    """
    built = losses.build(usual_loss(data) if loss is None else loss)
    if built.output is not None and data.task not in OF_CLASSES and not isinstance(network.layers[-1], Activation):
        network = Network(*network.layers, Activation(built.output))
    if built.signed and data.task in OF_CLASSES and isinstance(network.layers[-1], Activation):
        network = Network(*network.layers[:-1])
    return built, network


OF_CLASSES = ("binary", "multiclass", "multilabel", "tagging", "transcription")
"""Tasks whose predictions are classes, whatever number stands for them."""


TASKS_OF = {
    "scores": (),
    "log_rates": (),
    "rates": ("regression", "reconstruction"),
    "directions": ("regression", "reconstruction"),
    "distances": ("binary",),
}
"""The tasks of losses whose predictions not every target can have, by what they read."""


def fits(loss: Loss | type[Loss], task: str) -> bool:
    """True if a loss fits the targets of a task; multiclass margins count as such.

    Example:
        >>> [task for task in OUTPUTS if fits(losses.find("hinge"), task)]
        ['binary', 'multiclass', 'multilabel']
    """
    if loss.of_sequences or task == "transcription":
        return task == "transcription" and issubclass(loss if isinstance(loss, type) else type(loss), CTC)
    if task not in TASKS_OF.get(loss.reads, (task,)):
        return False
    if task == "tagging":
        return loss.target_kind == "classes"
    if task == "multiclass":
        return loss.target_kind != "numbers" or loss.reads == "margins"
    return loss.target_kind == "numbers" and (task in OF_CLASSES or not loss.signed)


def check_output(network: Network, output_shape: Shape, loss: Loss, data: Dataset) -> None:
    """Refuse a network whose output does not fit the target of ``data``, or its loss.

    Raises:
        ShapeError: naming the output, the target and the layer that would fit.
    """
    expected = data.input_shape if data.task == "reconstruction" else (data.outputs,)
    if data.task in AS_ROWS:
        expected = (data.train.y.shape[1], data.outputs)
    if data.task == "transcription":
        expected = (*(output_shape[:1] if len(output_shape) == 2 else data.input_shape[:1]), data.outputs)
    if output_shape != expected:
        raise ShapeError(
            f"the network's output has shape {output_shape}, the target of {data.name!r} needs {expected} "
            f"({data.task}: {OUTPUTS[data.task].reason}). {_ending(output_shape, loss, data)}"
        )
    if not fits(loss, data.task):
        fitting = [name for name in losses if fits(losses.find(name), data.task)]
        raise ShapeError(
            f"the loss {loss.name!r} does not fit the target of {data.name!r} ({data.task})."
            f"{_why_not(loss, data.task)} Fitting losses: {', '.join(fitting)}."
        )


def _why_not(loss: Loss, task: str) -> str:
    if loss.reads == "scores":
        return " Its value has no least one: it is a critic's, for a GAN."
    if loss.of_sequences:
        return ' It takes sequences of labels, of any length: make_dataset(x, y, task="transcription").'
    if loss.reads == "log_rates":
        assert loss.of_probabilities is not None
        return (
            f" Its predictions are logarithms: take {loss.of_probabilities.name!r} with an exponential output, which "
            "together are computed as exactly."
        )
    if loss.reads in TASKS_OF:
        return f" Its predictions are {loss.reads}."
    if task in OF_CLASSES or loss.target_kind != "numbers":
        return ""
    classes = ' If the targets are two classes, say so: make_dataset(x, y, task="binary").' * (task == "regression")
    if loss.reads == "margins":
        return f" It separates classes.{classes}"
    instead = "binary_cross_entropy" if loss.of_probabilities is None else loss.of_probabilities.name
    return (
        f" Its predictions are logits, not numbers: for targets between 0 and 1 end the network with sigmoid and take "
        f"{instead!r}, together they are computed as exactly.{classes}"
    )


def _ending(output_shape: Shape, loss: Loss, data: Dataset) -> str:
    """Advice on the output layer for a network that does not fit the target of ``data``."""
    activation = "linear" if loss.signed else OUTPUTS[data.task].activation
    advice = f'End the network with Dense({data.outputs}, "{activation}").'
    if data.task in AT_STEPS:
        return f"{advice} A recurrent layer keeps the steps with return_sequences=True."
    if data.task == "reconstruction" or len(output_shape) < 2:
        return advice
    steps, *units = output_shape
    if data.task == "regression" and data.outputs == steps > 1:
        if units == [1]:
            return (
                f'A number at each of {steps} steps: say make_dataset(x, y, task="forecasting"), which also leaves '
                "padding out; or put Flatten() behind the last layer."
            )
        return (
            f"The network gives {units[-1]} numbers at each of {steps} steps. If y is a class at each step, say so: "
            'make_dataset(x, y, task="tagging"); a number at each step is task="forecasting". One class for a whole '
            "sequence is y of shape (rows,), and a last recurrent layer without return_sequences."
        )
    return (
        f"The network gives {units[-1]} numbers at each of {steps} steps or positions: leave out return_sequences=True "
        f"of the last recurrent layer, or put Flatten() or GlobalAveragePool() before the last dense layer. {advice}"
    )


def _guess(data: Dataset) -> str:
    """The note on the target, where its task was guessed."""
    return "".join(f" ({note[:1].upper()}{note[1:]}.)" for note in data.notes if note.startswith("target"))


def check_loss(network: Network, loss: Loss, data: Dataset) -> None:
    """Refuse a loss that does not fit the last activation or the targets.

    Raises:
        InvalidValue: a loss of logits, margins or probabilities on an output that gives none, or probabilities as
            targets that are none.
    """
    last = network.layers[network.ends[0]]
    # A custom layer may end a network as it likes.
    function = last.function if isinstance(last, Activation) else None
    if function is None and isinstance(last, Dense):
        function = activations.build("linear")
    if isinstance(function, ActivationFunction):
        if loss.reads == "probabilities" and not (function.range[0] >= 0 and function.range[1] <= 1):
            raise InvalidValue(
                f"the loss {loss.name!r} takes probabilities, but the network ends in {function.name}, whose range "
                f"is {function.range}. End it with sigmoid or softmax, or take another loss.{_guess(data)}"
            )
        if loss.reads in ("rates", "distances") and function.range[0] < 0:
            raise InvalidValue(
                f"the loss {loss.name!r} takes {loss.reads}, which are not below 0, but the network ends in "
                f"{function.name}, whose range is {function.range}. End it with "
                f'Dense({data.outputs}, "{loss.output or "softplus"}").{_guess(data)}'
            )
        if loss.signed and function.range[0] >= 0:
            other = "" if loss.of_probabilities is None else f", or take {loss.of_probabilities.name!r}"
            raise InvalidValue(
                f"the loss {loss.name!r} takes {loss.reads}, of any sign, but the network ends in {function.name}, "
                f'whose range is {function.range}. End it with Dense({data.outputs}, "linear"){other}.'
            )
    if (
        loss.reads == "directions"
        and math.prod(data.input_shape if data.task == "reconstruction" else (data.outputs,)) < 2
    ):
        raise InvalidValue(
            f"the loss {loss.name!r} compares directions, and one number has only a sign. The usual loss here "
            f"({data.task}) is {OUTPUTS[data.task].loss!r}."
        )
    if loss.target_kind == "classes" and data.task == "multiclass" and not data.stratifies:
        raise InvalidValue(
            f"the loss {loss.name!r} takes one class a row, and the targets of {data.name!r} are distributions over "
            f"classes. The usual loss here is {usual_loss(data)!r}; others are kl_divergence and categorical_focal."
        )
    if isinstance(loss, CTC) and loss.blank >= data.outputs:
        raise InvalidValue(
            f"the blank of the loss {loss.name!r} is one of the {data.outputs} outputs, 0 to {data.outputs - 1}. "
            f"Received: blank={loss.blank}."
        )
    blank = np.isnan(data.train.y) if data.task in ("regression", "multilabel") else np.zeros(1, bool)
    if blank.any() and not isinstance(loss, PerOutput):
        raise InvalidValue(
            f"the loss {loss.name!r} takes all outputs of a row together, and some targets of {data.name!r} are not "
            f"known. The usual loss here is {OUTPUTS[data.task].loss!r}, which leaves those out; or leave out the rows."
        )
    if loss.target_kind == "numbers" and data.task != "multiclass":  # class numbers become one-hot
        low, high = loss.target_range
        y = data.train.y
        if data.task == "reconstruction":
            y = data.preprocessing.apply_numpy(y)
        least, most = np.nanmin(y), np.nanmax(y)
        if least < low or most > high:
            raise InvalidValue(
                f"the loss {loss.name!r} takes targets from {low:g} to {high:g}; those of {data.name!r} run from "
                f"{least:g} to {most:g}. The usual loss here ({data.task}) is {OUTPUTS[data.task].loss!r}."
            )
