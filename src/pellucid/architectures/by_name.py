"""Networks by name: ``train("cnn", data)``, ``pellucid train mnist --network lstm``."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from pellucid.architectures.autoencoder import autoencoder, convolutional_autoencoder
from pellucid.architectures.convolutional import convolutional
from pellucid.architectures.recurrent import recurrent
from pellucid.architectures.spiking import spiking
from pellucid.core.errors import InvalidValue, UnknownName, did_you_mean
from pellucid.core.types import Specification
from pellucid.data import Dataset, reconstruction
from pellucid.network import Network


class Model(NamedTuple):
    """One row of the table."""

    build: Callable[..., Network]
    """Takes the dataset, then fields by keyword."""
    to_itself: bool = False
    """Whether it learns its own inputs instead of the targets."""


MODELS = {
    "autoencoder": Model(autoencoder, to_itself=True),
    "cnn": Model(convolutional),
    "convolutional_autoencoder": Model(convolutional_autoencoder, to_itself=True),
    "gru": Model(partial(recurrent, kind="gru")),
    "lstm": Model(partial(recurrent, kind="lstm")),
    "rnn": Model(partial(recurrent, kind="rnn")),
    "spiking": Model(spiking),
}
"""Every network by name; adding one adds a row."""


def build_model(specification: Specification, data: Dataset) -> tuple[Network, Dataset]:
    """The network of a name and its fields, and the data as it takes them.

    Args:
        specification: a name, or a table of name and fields, such as ``{"name": "cnn", "filters": [16, 32]}``.
        data: the dataset, which decides input and output.

    Returns:
        The network; and the dataset, with the inputs as targets for an autoencoder.

    Raises:
        UnknownName: no network of that name, with the nearest names.
        InvalidValue: a field that it lacks.

    Example:
        >>> from pellucid.data import load_dataset
        >>> network, data = build_model({"name": "autoencoder", "code": 8}, load_dataset("iris"))
        >>> network.names[2:4], data.task
        (('relu_1', 'dense_2'), 'reconstruction')
    """
    fields = {"name": specification} if isinstance(specification, str) else dict(specification)
    name = str(fields.pop("name", None))
    if name not in MODELS:
        raise UnknownName(f"unknown network {name!r}.{did_you_mean(name, MODELS)} Known: {', '.join(MODELS)}.")
    model = MODELS[name]
    known = [field for field in inspect.signature(model.build).parameters if field not in ("data", "kind")]
    for field in fields:
        if field not in known:
            raise InvalidValue(f"the network {name!r} has no field {field!r}. Fields: {', '.join(known)}.")
    return model.build(data, **fields), reconstruction(data) if model.to_itself else data
