"""What a person gives in the place of a pair of inputs and targets."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.core.checks import InvalidValue
from pellucid.data import Dataset
from pellucid.data.encoding import Task, as_array
from pellucid.functions.losses import losses
from pellucid.models.named import MODELS
from pellucid.network import AnyNetwork


def with_targets(data: Any, network: Any) -> Any:
    """The data as they are, but inputs alone as ``(x, None)``, where the network learns its inputs.

    Args:
        data: what was given: a dataset, ``(x, y)``, ``(x, None)``, or ``x``.
        network: the network as it was given: object, name, table or units.

    Raises:
        InvalidValue: inputs alone for a network that needs targets.

    Example:
        >>> with_targets(np.eye(2), "autoencoder")[1] is None
        True
    """
    alone = not isinstance(data, (Dataset, tuple)) and isinstance(getattr(data, "dtype", None), np.dtype)
    if not alone and not (isinstance(data, tuple) and len(data) == 2 and data[1] is None):
        return data
    if _learns_inputs(network) or (isinstance(network, AnyNetwork) and not alone):
        return (data, None) if alone else data
    names = ", ".join(f'"{name}"' for name, model in MODELS.items() if model.to_itself)
    raise InvalidValue(
        f"data must be a Dataset or a pair of arrays (x, y): this network learns targets. Received: an array x alone. "
        f"That is enough for an autoencoder: {names}; or, with a Network of your own, as (x, None)."
    )


def _learns_inputs(network: Any) -> bool:
    name = network.get("name") if isinstance(network, Mapping) else network
    return isinstance(name, str) and name in MODELS and MODELS[name].to_itself


def task_of(y: Any, loss: Any) -> Task | None:
    """``"binary"`` where a loss of logits or margins is given two whole numbers as floats; None: by the targets alone.

    Example:
        >>> task_of(np.array([-1.0, 1.0, 1.0]), "hinge"), task_of(np.array([-1.0, 1.0, 1.0]), "huber")
        ('binary', None)
    """
    if y is None or loss is None or losses.build(loss).reads not in ("logits", "margins"):
        return None
    array = as_array(y, "y")
    if array.dtype.kind != "f" or array.ndim == 0 or array.size != len(array):
        return None
    values = np.unique(array[np.isfinite(array)])
    return "binary" if len(values) == 2 and (values == np.round(values)).all() else None
