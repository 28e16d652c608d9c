"""Weights from PyTorch and Keras, and to them."""

from typing import Any

from pellucid.core.errors import InvalidValue
from pellucid.core.types import Shapes
from pellucid.network import ByLayer, Network, from_units, into_units, units_of
from pellucid.runs.trained import Trained


def from_torch(source: Any, network: Network, input_shape: Shapes) -> ByLayer:
    """Convert the weights of a PyTorch model to arrays by layer.

    Layers are paired by name where all names agree, else in the order in which the module has them. Dense layers after
    a flattened image are put in the order of channels last.

    Args:
        source: a module, whose settings are compared too; or its ``state_dict()``. A plain table of arrays, as
            safetensors reads one, tells no order: of a ``Sequential`` the numbers do, else names must agree.
        network: the same model as a network.
        input_shape: the shape of one example as the network reads it, channels last.

    Returns:
        Arrays for the setting ``initial`` of `pellucid.train`, or ``params`` of `pellucid.explain`.

    Raises:
        InvalidValue: layers that do not pair up, or differ in what cannot be carried over: it names what to set.

    Example:
        >>> import numpy as np
        >>> import pellucid as pel
        >>> state = {"0.weight": np.ones((3, 2)), "0.bias": np.zeros(3)}
        >>> from_torch(state, pel.Network(pel.Dense(3)), (2,))["dense_1"]["weights"].shape
        (2, 3)
    """
    return _from("torch", source, network, input_shape)


def from_keras(source: Any, network: Network, input_shape: Shapes) -> ByLayer:
    """Convert the weights of a Keras model to arrays by layer.

    Args:
        source: the model, built.
        network: the same model as a network.
        input_shape: the shape of one example.

    Returns:
        Arrays as of `from_torch`.

    Raises:
        InvalidValue: as `from_torch`.
    """
    return _from("keras", source, network, input_shape)


def to_torch(run: Trained, module: Any) -> Any:
    """Put the weights of a run into a PyTorch module.

    Args:
        run: a run, or one of no epochs: ``train(network, data, initial=arrays, epochs=0)``.
        module: the same network as a module; its parameters and running statistics are replaced.

    Returns:
        The module.

    Raises:
        InvalidValue: as `from_torch`.
        ShapeError: an array of the module has another shape.
    """
    return _to("torch", run, module)


def to_keras(run: Trained, model: Any) -> Any:
    """Put the weights of a run into a Keras model.

    Args:
        run: as for `to_torch`.
        model: the same network as a model, built.

    Returns:
        The model.

    Raises:
        InvalidValue: as `from_torch`.
        ShapeError: an array of the model has another shape.
    """
    return _to("keras", run, model)


WANTED = {"torch": "a PyTorch module or its state_dict()", "keras": "a Keras model"}


def _from(library: str, source: Any, network: Network, input_shape: Shapes) -> ByLayer:
    known = units_of(source, library)
    if known is None or known[0] != library:
        raise InvalidValue(f"from_{library} takes {WANTED[library]}. Received: {type(source).__name__}.")
    return from_units(library, known[1], network, input_shape)


def _to(library: str, run: Trained, model: Any) -> Any:
    known = units_of(model)
    if known is None or known[0] != library or not all(unit.assign for unit in known[1]):
        wanted = WANTED[library].split(" or ")[0]
        raise InvalidValue(f"to_{library} takes {wanted}. Received: {type(model).__name__}.")
    into_units(library, run.weights, known[1], run.network, run.facts.input_shape)
    return model
