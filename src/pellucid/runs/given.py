"""Make the dataset from what the user gives: arrays with targets, or inputs alone."""

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.architectures.by_name import ARCHITECTURES, find_architecture
from pellucid.architectures.gan import GAN
from pellucid.core.errors import InvalidValue
from pellucid.data import Dataset, make_dataset
from pellucid.data.arrays import as_weights
from pellucid.data.build import is_table
from pellucid.data.encoding import as_array, kind_of
from pellucid.data.several import by_name, several_dataset
from pellucid.data.stream import refuse_stream
from pellucid.data.targets import Task
from pellucid.data.transcription import is_ragged
from pellucid.functions.losses import Loss, losses
from pellucid.layers import Dense
from pellucid.network import Network, check_tokens


def dataset_of(
    data: Any, network: Any, loss: Any, seed: int, weights: Any = None, *, held_out: float | None = 0.2
) -> Dataset:
    """A dataset as it is, or one made of arrays or of a table.

    Args:
        data: a dataset; inputs and targets ``(x, y)``, as `make_dataset` takes them; or for an autoencoder or a GAN the
            inputs alone: ``x`` or ``(x, None)``.
        network: the network as it was given: object, name, table or units.
        loss: the loss as it was given.
        seed: of the split.
        weights: of the rows: of arrays one for each, which stays with its row when rows are held out; of a dataset one
            for each training row, see `with_weights`.
        held_out: fraction of the rows of arrays to hold out, or None.

    Raises:
        InvalidValue: none of these, or inputs alone for a network that needs targets.

    Example:
        >>> import numpy as np
        >>> dataset_of(np.eye(10), "autoencoder", None, seed=0).task
        'reconstruction'
        >>> dataset_of((np.eye(10), np.array([-1.0, 1.0] * 5)), (4,), None, seed=0).classes
        ('-1', '1')
    """
    if isinstance(data, Dataset):
        return with_weights(data, weights)
    if not isinstance(data, (tuple, list)) and (hasattr(data, "__array__") or is_table(data)):
        data = (data, None)
        if _learns(network) == "targets":
            raise InvalidValue(_needs_targets("x alone"))
    if not isinstance(data, tuple) or len(data) != 2:
        received = repr(data) if isinstance(data, (str, PathLike)) else kind_of(data)
        if isinstance(data, (tuple, list)):
            received += f" of {len(data)}"
        raise InvalidValue(
            f"data must be a Dataset or a pair of arrays (x, y). Received: {received}. A dataset by name: "
            "load_dataset(name); a table, in a file or a data frame: load_table(table, target=column), or (frame, "
            "column); arrays with weights or a held-out part: make_dataset(x, y, …)."
        )
    x, y = data
    if isinstance(network, Network) and (len(network.inputs) > 1 or len(network.outputs) > 1):
        return _of_several(x, y, network, weights, held_out, seed)
    if _learns(network) == "examples":
        return make_dataset(x, task="generation", held_out=None, weights=weights)
    if y is None and _learns(network) == "targets" and not isinstance(network, Network):
        raise InvalidValue(_needs_targets("(x, None)"))
    if isinstance(network, Network):  # here rows still have the numbers that they were given with
        check_tokens(network, as_array(x, "x"), "the training data x")
    task = _task_of(x, y, network, loss)
    return make_dataset(x, y, weights=weights, held_out=held_out, seed=seed, task=task)


def _of_several(x: Any, y: Any, network: Network, weights: Any, held_out: Any, seed: int) -> Dataset:
    """The dataset of arrays by the names of a network's inputs and outputs."""
    inputs, outputs = network.inputs, list(network.output_names)
    x = by_name(x, inputs, "x") if len(inputs) > 1 or isinstance(x, Mapping) else x
    y = by_name(y, outputs, "y") if len(outputs) > 1 or isinstance(y, Mapping) else y
    named = x if isinstance(x, dict) else dict.fromkeys(inputs, x)
    for name, array in named.items():
        check_tokens(network, as_array(array, "x"), f"the training data {name}", name)
    task = _step_tasks(network, x, y)
    if len(outputs) == 1:
        task = task.get(outputs[0]) or _task_of(None, y, network, None)
    return several_dataset(x, y, weights=weights, held_out=held_out, seed=seed, task=task)


def _step_tasks(network: Network, x: Any, y: Any) -> dict[str, Task]:
    """The tasks of the outputs that have steps, where their targets have as many."""
    arrays = [np.asarray(one) for one in (x.values() if isinstance(x, Mapping) else (x,))]
    shapes = tuple(array.shape[1:] or (1,) for array in arrays)
    shape: Any = shapes if isinstance(x, Mapping) else shapes[0]
    ends: Any = jax.eval_shape(
        lambda key: [jnp.zeros(end) for end in _shapes_of(network, key, shape)], jax.random.key(0)
    )
    targets = y.values() if isinstance(y, Mapping) else (y,)
    tasks: dict[str, Task] = {}
    for name, end, target in zip(network.output_names, ends, targets, strict=True):
        if len(end.shape) == 2 and np.ndim(target) in (2, 3) and np.shape(target)[1] == end.shape[0] > 1:
            numbers = np.asarray(target).dtype.kind == "f" or np.ndim(target) == 3
            tasks[name] = "forecasting" if numbers else "tagging"
    return tasks


def _shapes_of(network: Network, key: Any, shape: Any) -> tuple[Any, ...]:
    outputs = network.accepting(shape).init(key, shape)[2]
    return outputs if len(network.outputs) > 1 else (outputs,)


def with_weights(data: Dataset, weights: Any) -> Dataset:
    """Return the dataset with these weights for its training rows; unchanged for None.

    Raises:
        InvalidValue: its rows have weights already, or there is a weight for each held-out row too.
        ShapeError: not one for each training row.
    """
    if weights is None:
        return data
    refuse_stream(data, "sample_weights")
    rows, held_out = len(data.train), 0 if data.held_out is None else len(data.held_out)
    if data.train.weights is not None:
        raise InvalidValue(f"the rows of {data.name!r} have weights already: leave sample_weights out.")
    given = as_array(weights, "sample_weights")
    if held_out and given.shape == (rows + held_out,):
        raise InvalidValue(
            f"sample_weights has one number for each of all {rows + held_out} rows, but {held_out} of them are held "
            "out, and which weight belongs to which row is not known here. Give the weights where the rows are split: "
            "make_dataset(x, y, weights=…), or load_table(path, target, weights=column)."
        )
    return replace(data, train=replace(data.train, weights=as_weights(given, rows)))


def _learns(network: Any) -> str:
    architecture = find_architecture(network)
    if isinstance(network, GAN):
        return "examples"
    return "targets" if architecture is None else architecture.learns


def _needs_targets(given: str) -> str:
    names = ", ".join(f'"{name}"' for name, built in ARCHITECTURES.items() if built.learns != "targets")
    return (
        f"data must be a Dataset or a pair of arrays (x, y): this network learns targets. Received: {given}. That is "
        f"enough for an autoencoder or a GAN: {names}; or, with a Network of your own, as (x, None)."
    )


def _task_of(x: Any, y: Any, network: Any, loss: Any) -> Task | None:
    """A task that the network or the loss tells: a target at each step where its output has steps.

    A regression where few whole numbers with a point could be classes, and the network ends as one for numbers.
    """
    if isinstance(loss, (str, Mapping, Loss)) and losses.build(loss).of_sequences:
        return "transcription"
    if is_ragged(y):
        return None
    if hasattr(x, "shape") and np.ndim(y) in (2, 3) and np.shape(y)[:2] == x.shape[:2]:
        numbers = np.asarray(y).dtype.kind == "f" or np.ndim(y) == 3
        if isinstance(network, Network) and len(network.inputs) == len(network.outputs) == 1:
            if tasks := _step_tasks(network, x, y):
                return tasks[network.output_names[0]]
        elif find_architecture(network) in [ARCHITECTURES[name] for name in ("rnn", "lstm", "gru")] and not numbers:
            return "tagging"
    if not isinstance(network, Network) or not hasattr(y, "dtype") or (loss is not None and losses.build(loss).signed):
        return None
    last = network.layers[network.ends[0]]
    y = as_array(y, "y")
    numbers = y.dtype.kind == "f" and y.size == len(y)
    return "regression" if numbers and isinstance(last, Dense) and last.units == 1 else None
