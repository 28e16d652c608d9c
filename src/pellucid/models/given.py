"""The dataset of what a person gives: arrays with targets, or inputs alone for a network that learns those."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.core.checks import InvalidValue
from pellucid.data import Dataset, make_dataset
from pellucid.data.encoding import Task, as_array
from pellucid.functions.losses import Loss, losses
from pellucid.models.named import MODELS
from pellucid.network import AnyNetwork


def dataset_of(data: Any, network: Any, loss: Any, seed: int) -> Dataset:
    """A dataset as it is, or one made of arrays.

    Args:
        data: a dataset, arrays ``(x, y)``, or for an autoencoder the inputs alone: ``x`` or ``(x, None)``.
        network: the network as it was given: object, name, table or units.
        loss: the loss as it was given. One that tells classes apart takes two whole numbers for two classes, as −1.0
            and 1.0, which would else be numbers to predict.
        seed: of the split.

    Raises:
        InvalidValue: none of these, or inputs alone for a network that needs targets.

    Example:
        >>> dataset_of(np.eye(10), "autoencoder", None, seed=0).task
        'reconstruction'
        >>> dataset_of((np.eye(10), np.array([-1.0, 1.0] * 5)), (4,), "hinge", seed=0).classes
        ('-1', '1')
    """
    if isinstance(data, Dataset):
        return data
    if not isinstance(data, tuple) and hasattr(data, "__array__"):
        data = (data, None)
        if not _learns_inputs(network):
            raise InvalidValue(_needs_targets("x alone"))
    if not isinstance(data, tuple) or len(data) != 2:
        raise InvalidValue(
            f"data must be a Dataset or a pair of arrays (x, y). Received: {data!r:.60}. "
            "A dataset by name: load_dataset(name); a table: load_table(path, target=column)."
        )
    x, y = data
    if y is None and not (_learns_inputs(network) or isinstance(network, AnyNetwork)):
        raise InvalidValue(_needs_targets("(x, None)"))
    return make_dataset(x, y, seed=seed, task=None if y is None else _task_of(y, loss))


def _learns_inputs(network: Any) -> bool:
    name = network.get("name") if isinstance(network, Mapping) else network
    return isinstance(name, str) and name in MODELS and MODELS[name].to_itself


def _needs_targets(given: str) -> str:
    names = ", ".join(f'"{name}"' for name, model in MODELS.items() if model.to_itself)
    return (
        f"this network learns targets: give (x, y). Received: {given}. Inputs alone are enough for an autoencoder: "
        f"{names}; or, with a Network of your own, (x, None)."
    )


def _task_of(y: Any, loss: Any) -> Task | None:
    """``"binary"`` where a loss that tells classes apart is given two whole numbers as floats."""
    if loss is None or not tells_classes_apart(losses.build(loss)):
        return None
    array = as_array(y, "y")
    if array.dtype.kind != "f" or array.size != len(array):
        return None
    values = np.unique(array[np.isfinite(array)])
    return "binary" if len(values) == 2 and (values == np.round(values)).all() else None


def tells_classes_apart(loss: Loss) -> bool:
    """Whether a loss reads its predictions as classes or labels."""
    return loss.reads in ("logits", "margins")
