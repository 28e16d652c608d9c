"""Networks by name: ``train("cnn", data)``, ``pellucid train mnist --network lstm``."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from pellucid.architectures.autoencoder import autoencoder, convolutional_autoencoder
from pellucid.architectures.convolutional import convolutional
from pellucid.architectures.front import Reads, with_front
from pellucid.architectures.gan import GAN, gan
from pellucid.architectures.recurrent import recurrent
from pellucid.architectures.spiking import spiking
from pellucid.architectures.translator import translator
from pellucid.core.errors import InvalidValue, UnknownName, did_you_mean
from pellucid.core.types import Specification
from pellucid.data import Dataset, reconstruction
from pellucid.network import Network


class Architecture(NamedTuple):
    """A builder of networks, and what the network learns from."""

    build: Callable[..., Network | GAN]
    """Takes the dataset, then fields by keyword."""
    learns: Literal["targets", "inputs", "examples"] = "targets"
    """An autoencoder learns its inputs as targets, a GAN the examples alone."""
    reads: Reads = "vectors"
    settings: Mapping[str, Any] = {}
    """Settings of `train` that are usual for it where they differ from the defaults."""


GAME = {"epochs": 100, "batch_size": 64}

ARCHITECTURES = {
    "autoencoder": Architecture(autoencoder, learns="inputs"),
    "cnn": Architecture(convolutional, reads="images"),
    "convolutional_autoencoder": Architecture(convolutional_autoencoder, learns="inputs"),
    "gan": Architecture(gan, learns="examples", settings={"loss": "gan", **GAME}),
    "gru": Architecture(partial(recurrent, kind="gru"), reads="sequences"),
    "lstm": Architecture(partial(recurrent, kind="lstm"), reads="sequences"),
    "rnn": Architecture(partial(recurrent, kind="rnn"), reads="sequences"),
    "spiking": Architecture(spiking),
    "translator": Architecture(translator, settings={"batch_size": 64}),
    "wgan": Architecture(gan, learns="examples", settings={"loss": "wasserstein", **GAME}),
}
"""Every network by name; adding one adds a row."""


def find_architecture(network: Any) -> Architecture | None:
    """Find the architecture of a name, or of a table with a name; None for anything else.

    Raises:
        UnknownName: no network of that name, with the nearest names.

    Example:
        >>> find_architecture("autoencoder").learns
        'inputs'
    """
    if not isinstance(network, (str, Mapping)):
        return None
    name = network if isinstance(network, str) else str(network.get("name"))
    if name not in ARCHITECTURES:
        raise UnknownName(
            f"unknown network {name!r}.{did_you_mean(name, ARCHITECTURES)} Known: {', '.join(ARCHITECTURES)}."
        )
    return ARCHITECTURES[name]


def fields_of(architecture: Architecture) -> list[str]:
    """Fields that a network by name accepts."""
    return [field for field in inspect.signature(architecture.build).parameters if field not in ("data", "kind")]


def build_by_name(specification: Specification, data: Dataset) -> tuple[Network | GAN, Dataset]:
    """Build the network of a name and its fields.

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
        >>> network, data = build_by_name({"name": "autoencoder", "code": 8}, load_dataset("iris"))
        >>> network.names[2:4], data.task
        (('relu_1', 'dense_2'), 'reconstruction')
    """
    architecture = find_architecture(specification)
    assert architecture is not None
    table = {"name": specification} if isinstance(specification, str) else dict(specification)
    name = table.pop("name")
    known = fields_of(architecture)
    for field in table:
        if field not in known:
            raise InvalidValue(
                f"the network {name!r} has no field {field!r}.{did_you_mean(field, known)} Fields: {', '.join(known)}."
            )
    build: Any = partial(architecture.build, **_with_sequences(architecture, table))
    network = with_front(build, data, architecture.reads) if architecture.learns == "targets" else build(data)
    return network, reconstruction(data) if architecture.learns == "inputs" else data


def _with_sequences(architecture: Architecture, table: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a table, where one item is given for a sequence (``units = 32``) as a sequence of one."""
    parameters = inspect.signature(architecture.build).parameters
    several = {field for field in table if isinstance(parameters[field].default, tuple)}
    single = {field for field in several if isinstance(table[field], str) or not isinstance(table[field], Sequence)}
    return {field: (value,) if field in single else value for field, value in table.items()}
