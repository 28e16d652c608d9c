"""Masks: which steps of a sequence are real and which are padding, carried beside the activations.

A mask is True where a step is real, (batch, time). It begins where padding is declared: at an `Embedding` with
``mask_zero``, or at the sequence that a layer with a ``mask_value`` reads, which is followed back to the network's
input, before any layer has changed its values. From there each layer hands it on, reads it, or ends it
(`Layer.masks`), so that what a layer makes of padding never counts as a step.
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.core.types import Array, Bool
from pellucid.layers import Embedding, Layer, Reshape


@runtime_checkable
class Structure(Protocol):
    """What masks need of a `Network` or a `Graph`."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the layers."""
        ...

    @property
    def reads(self) -> tuple[tuple[str, ...], ...]:
        """What each layer reads."""
        ...

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers."""
        ...


class Masks:
    """The masks of one forward pass, by the input or layer whose output they belong to.

    Args:
        network: the network.
        inputs: the arrays of its inputs, by name.
    """

    def __init__(self, network: Structure, inputs: Mapping[str, Any]) -> None:
        self.network, self.names, self.reads = network, network.names, network.reads
        self.values = padding_values(network)
        self.of: dict[str, Array] = {}
        for name, x in inputs.items():
            self._compare(name, x)

    def arguments(self, i: int) -> dict[str, Any]:
        """What the ``forward`` of a layer takes beside its inputs: the mask of each, where it takes masks."""
        return mask_arguments(self.network.layers[i], self._read(i))

    def add(self, i: int, x: Any, y: Any) -> None:
        """The mask of what a layer made of ``x``.

        Raises:
            InvalidValue: the layer cannot keep padding apart.
        """
        layer, name, masks = self.network.layers[i], self.names[i], self._read(i)
        if any(mask is not None for mask in masks):
            if layer.masks is None:
                raise refusal(self.network, i)
            if layer.masks == "ends":
                return
        elif layer.masks != "makes":
            self._compare(name, y)
            return
        mask = layer.output_mask(x, masks[0] if layer.inputs == 1 else masks)
        if mask is None:
            return
        if mask.ndim >= y.ndim or mask.shape != y.shape[: mask.ndim]:
            raise refusal(self.network, i)
        self.of[name] = mask

    def _read(self, i: int) -> tuple[Bool[Array, "batch *places"] | None, ...]:
        return tuple(self.of.get(read) for read in self.reads[i])

    def _compare(self, name: str, x: Any) -> None:
        """Find the padding of a sequence by its value."""
        if name in self.values and x.ndim > 2:
            self.of[name] = (x != self.values[name]).any(axis=-1)


def declares_padding(network: Structure) -> bool:
    """Whether any layer of a network says what padding is."""
    return bool(padding_values(network)) or any(layer.masks == "makes" for layer in network.layers)


def padding_of_input(network: Structure, input_shape: tuple[int, ...]) -> Any:
    """The features of a padded step of the network's input, shape (features,); None where they say nothing.

    Args:
        network: a network of one input.
        input_shape: of one example.
    """
    for name, value in padding_values(network).items():
        layer = None if name in network.inputs else network.layers[network.names.index(name)]
        shape = input_shape if layer is None else tuple(layer.shape)  # pyright: ignore[reportAttributeAccessIssue]
        if len(shape) > 1:
            return np.full(shape[-1], value, np.float32)
    return None


def mask_arguments(layer: Layer, masks: tuple[Any, ...]) -> dict[str, Any]:
    """What a layer's ``forward`` takes beside its inputs, whose masks are given; None for one without padding."""
    if not layer.takes_mask or all(mask is None for mask in masks):
        return {}
    return {"mask": masks[0] if layer.inputs == 1 else masks}


@lru_cache(maxsize=256)
def padding_values(network: Structure) -> Mapping[str, float]:
    """The inputs whose padding is found by its value, and the value.

    A `Reshape` of an input stands for it, since it keeps the values and may be what makes steps of them.

    Raises:
        InvalidValue: two layers that look for different values in one input.

    Example:
        >>> from pellucid.layers import LSTM, Dense
        >>> from pellucid.network.sequential import Network
        >>> padding_values(Network(Dense(4), LSTM(3, mask_value=0.0)))
        {'input': 0.0}
    """
    place = {name: i for i, name in enumerate(network.names)}
    found: dict[str, float] = {}
    for i, layer in enumerate(network.layers):
        value = getattr(layer, "mask_value", None)
        if value is None:
            continue
        for source in _sources(network, place, network.reads[i][-1]):
            if found.setdefault(source, float(value)) != value:
                raise InvalidValue(
                    f"{network.names[i]!r} takes {value} for padding, a layer before it {found[source]}. "
                    "Give both the same mask_value."
                )
    return found


def _sources(network: Structure, place: Mapping[str, int], name: str) -> set[str]:
    """The inputs that the mask of an array begins at, if no layer between makes or ends one."""
    if _unchanged(network, place, name):
        return {name}
    i = place[name]
    layer = network.layers[i]
    if layer.masks in ("makes", "ends"):
        return set()
    # The mask of a context is that of its query.
    reads = network.reads[i] if layer.inputs is None else network.reads[i][:1]
    return set().union(*(_sources(network, place, read) for read in reads))


def _unchanged(network: Structure, place: Mapping[str, int], name: str) -> bool:
    """Whether an array holds the values of an input."""
    if name in network.inputs:
        return True
    i = place[name]
    return isinstance(network.layers[i], Reshape) and _unchanged(network, place, network.reads[i][0])


def check_masks(network: Structure, shapes: Mapping[str, tuple[int, ...]] | None = None) -> None:
    """Refuse a network with a layer that cannot keep padding apart from real steps.

    Args:
        network: the network.
        shapes: the shape of one example of each input and of each layer's output; None where they are not known
            yet: only padding that an `Embedding` makes is then followed.

    Raises:
        InvalidValue: naming the layer.
    """
    if not declares_padding(network):
        return
    if shapes is not None:
        arrays = {name: jax.ShapeDtypeStruct((1, *shape), jnp.float32) for name, shape in shapes.items()}
        jax.eval_shape(partial(_walk, network), arrays)
        return
    masked: set[str] = set()
    for i, (name, layer, reads) in enumerate(zip(network.names, network.layers, network.reads, strict=True)):
        if layer.masks == "makes":
            masked.add(name)
        elif masked.intersection(reads):
            if layer.masks is None:
                raise refusal(network, i)
            if layer.masks == "passes" and (layer.inputs is None or reads[0] in masked):
                masked.add(name)


def _walk(network: Structure, values: dict[str, Any]) -> Any:
    """The masks of a network whose inputs and outputs are given."""
    masks = Masks(network, {name: values[name] for name in network.inputs})
    for i, (name, reads) in enumerate(zip(network.names, network.reads, strict=True)):
        given = tuple(values[read] for read in reads)
        masks.add(i, given[0] if network.layers[i].inputs == 1 else given, values[name])
    return masks.of


def refusal(network: Structure, i: int) -> InvalidValue:
    """The error that says why a layer cannot follow padding, and what to type."""
    layer, name = network.layers[i], network.names[i]
    declared = [
        f"{name} (mask_zero=True)" if layer.masks == "makes" else f"{name} (mask_value={layer.mask_value:g})"  # pyright: ignore[reportAttributeAccessIssue]
        for name, layer in zip(network.names, network.layers, strict=True)
        if layer.masks == "makes" or getattr(layer, "mask_value", None) is not None
    ]
    if isinstance(layer, Embedding):
        advice = f"Write Embedding({layer.vocabulary}, {layer.units}, mask_zero=True), whose padding is the number 0."
    else:
        advice = (
            f"End the padding before {name!r} with a recurrent layer that gives its last state, GlobalAveragePool or "
            "GlobalMaxPool; or declare none (mask_zero=False, mask_value=None) and let the layers see it. A custom "
            'layer that treats each step by itself says so by masks = "passes" in its class.'
        )
    return InvalidValue(
        f"{name!r} ({layer.name}) cannot keep padded steps apart from real ones, and padding is declared by "
        f"{', '.join(declared)}. {advice}"
    )
