"""Weights written by hand: one example through a network that was never trained."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from pellucid.core.errors import DataError, InvalidValue, ShapeError, did_you_mean
from pellucid.data import Dataset, Part
from pellucid.data.targets import Task
from pellucid.explanations.update import double
from pellucid.functions.activations import activations
from pellucid.functions.losses import Loss, losses
from pellucid.layers import Activation
from pellucid.network import Network, build_network, shapes_by_layer, summarize, with_arrays
from pellucid.runs.fit import begin
from pellucid.runs.folder import read_toml
from pellucid.runs.plan import settle
from pellucid.runs.starting import as_arrays
from pellucid.runs.trained import Trained


class Exercise(NamedTuple):
    """A network with its weights, and an example in the form of its loss."""

    run: Trained
    """A record of a training that made no step; its parameters in float64, as they were written."""
    x: np.ndarray
    """A batch of one, float64."""
    target: np.ndarray
    """Its stored target."""


def exercise(
    network: Network, x: Any, y: Any, params: Mapping[str, Any] | None, loss: Any = None, optimizer: Any = None
) -> Exercise:
    """Check and arrange network, weights and example of an exercise.

    Raises:
        InvalidValue: weights that are missing, that no layer has, or of another shape; a loss that does not fit.
        DataError: a target that is none of the classes.
        ShapeError: a target of another shape than the output.
    """
    if params is None:
        raise InvalidValue(
            "explain needs the weights of a network that was not trained: "
            'params={"dense_1": {"weights": [[…]], "biases": […]}}.'
        )
    x = np.asarray(x, np.float64)[None]
    network = network.accepting(x.shape[1:])
    arrays = _complete(network, x.shape[1:], as_arrays(params, "params", np.float64))
    last = network.layers[network.ends[0]]
    ends_in_softmax = isinstance(last, Activation) and activations.build(last.function).name == "softmax"
    usual = "sparse_categorical_cross_entropy" if ends_in_softmax else "mean_squared_error"
    built = losses.build(usual if loss is None else loss)
    task, classes, target = _target(built, y, summarize(network, x.shape[1:]).rows[network.ends[0]].output_shape)
    data = Dataset("weights written by hand", Part(x.astype(np.float32), target), None, task, classes)
    settings = {"loss": built, "optimizer": "sgd" if optimizer is None else optimizer, "epochs": 0, "batch_size": 1}
    run = begin(settle(network, data, {**settings, "scale_inputs": "none", "scale_targets": "none", "record_every": 0}))
    assert run.training is not None
    with jax.enable_x64(True):
        params, state = map(double, with_arrays(network, double(run.params), double(run.layer_state), arrays))
    run.training.state = run.training.state._replace(params=params, layer_state=state)
    return Exercise(replace(run, params=params, layer_state=state), x, target)


def _complete(network: Network, input_shape: Any, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> Any:
    """The arrays, which must be those of the network, no fewer and no others."""
    own = shapes_by_layer(network, input_shape)
    for layer, given in arrays.items():
        if layer not in own:
            raise InvalidValue(
                f"params: {layer!r} is no layer with weights.{did_you_mean(layer, own)} Layers with weights: "
                f"{', '.join(own) or 'none'}."
            )
        for name, array in given.items():
            if name not in own[layer]:
                known = ", ".join(own[layer])
                raise InvalidValue(f"params: {layer} has no {name!r}.{did_you_mean(name, own[layer])} It has: {known}.")
            if array.shape != own[layer][name].shape:
                raise InvalidValue(
                    f"params: the {name} of {layer} have the shape {own[layer][name].shape}"
                    f"{', inputs × units' if name == 'weights' and array.ndim == 2 else ''}. Received: {array.shape}."
                )
    missing = [f"{layer}/{name}" for layer in own for name in own[layer] if name not in arrays.get(layer, {})]
    if missing:
        raise InvalidValue(f"params lack {', '.join(missing)}: write down every array of the network.")
    return arrays


def _target(loss: Loss, y: Any, output_shape: tuple[int, ...]) -> tuple[Task, tuple[str, ...], np.ndarray]:
    """Task, class names and the stored target of an example, as the loss reads it."""
    given, outputs = np.asarray(y, np.float64), output_shape[-1]
    if len(output_shape) != 1:
        raise ShapeError(f"an exercise ends in a vector of outputs; this network's output is {output_shape}.")
    if loss.target_kind != "numbers" or (loss.reads == "margins" and outputs > 1):
        number = float(given.argmax() if given.size == outputs > 1 else given.reshape(-1)[0])
        one_hot = given.size == outputs > 1 and sorted(set(given.tolist())) == [0.0, 1.0] and given.sum() == 1
        if not (one_hot or (given.size == 1 and number in range(outputs))):
            raise DataError(
                f"the target of {loss.name} is the number of a class, 0 to {outputs - 1}, or its one-hot row. "
                f"Received: {y!r}."
            )
        return "multiclass", tuple(map(str, range(outputs))), np.array([number], np.int32)
    if given.size != outputs:
        raise ShapeError(f"the target has one number for each of {outputs} outputs. Received: {given.size}.")
    row = given.reshape(1, -1)
    if loss.of_difference or loss.reads == "numbers":
        return "regression", (), row
    names = ("0", "1") if outputs == 1 else tuple(f"output {k}" for k in range(1, outputs + 1))
    return "binary" if outputs == 1 else "multilabel", names, row


FIELDS = ("x", "y", "loss", "optimizer", "weights", "layers", "inputs", "nodes", "outputs")
"""What the TOML file of an exercise may hold."""


def read_exercise(path: Path) -> Exercise:
    """Read an exercise from a TOML file: ``x``, ``y``, ``[[layers]]``, ``[weights.NAME]``, ``loss``, ``optimizer``.

    Raises:
        InvalidValue: a field that is missing or that there is none of.
        StorageError: no TOML there.
    """
    table = read_toml(path)
    for name in table:
        if name not in FIELDS:
            raise InvalidValue(f"{path}: no field {name!r}.{did_you_mean(name, FIELDS)} Fields: {', '.join(FIELDS)}.")
    for name in ("x", "y", "weights"):
        if name not in table:
            raise InvalidValue(f"{path} lacks {name}. An exercise has x, y, [[layers]] and [weights.NAME] tables.")
    network = build_network({name: table[name] for name in FIELDS[-4:] if name in table})
    return exercise(network, table["x"], table["y"], table["weights"], table.get("loss"), table.get("optimizer"))
