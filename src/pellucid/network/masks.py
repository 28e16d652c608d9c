"""Masks of padded steps, carried beside the activations.

A mask is True where a step is real, (batch, time). It begins where padding is declared: at an `Embedding` with
``mask_zero``, or at the sequence that a layer with a ``mask_value`` reads, which is followed back to the network's
input, before any layer has changed its values. From there each layer hands it on, reads it, or ends it
(`Layer.masks`), so that what a layer makes of padding never counts as a step.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.core.types import Array
from pellucid.layers import Layer
from pellucid.network.structure import Structure


class Masks:
    """Masks of one forward pass, from the arrays of the network's inputs by name."""

    def __init__(self, network: Structure, inputs: Mapping[str, Any]) -> None:
        self.network = network
        self.values = padding_values(network)
        self.of: dict[str, Array] = {}
        """By the name of the input or layer whose output it belongs to."""
        for name, x in inputs.items():
            self._compare(name, x)

    def arguments(self, i: int) -> dict[str, Any]:
        """The arguments of a layer's ``forward`` beside its inputs."""
        return mask_arguments(self.network.layers[i], self._read(i))

    def add(self, i: int, x: Any, y: Any) -> None:
        """Derive the mask of layer ``i``'s output ``y`` from those of its inputs ``x``, or refuse the layer."""
        layer, name, masks = self.network.layers[i], self.network.names[i], self._read(i)
        if all(mask is None for mask in masks) and layer.masks != "makes":
            self._compare(name, y)
            return
        if layer.masks is None:
            raise _refusal(self.network, i)
        mask = None if layer.masks == "ends" else layer.output_mask(x, masks[0] if layer.inputs == 1 else masks)
        if mask is None:
            return
        if mask.ndim >= y.ndim or mask.shape != y.shape[: mask.ndim]:
            raise _refusal(self.network, i)
        self.of[name] = mask

    def _read(self, i: int) -> tuple[Array | None, ...]:
        return tuple(self.of.get(read) for read in self.network.reads[i])

    def _compare(self, name: str, x: Any) -> None:
        if name in self.values and x.ndim > 2:
            self.of[name] = (x != self.values[name]).any(axis=-1)


def mask_arguments(layer: Layer, masks: tuple[Any, ...]) -> dict[str, Any]:
    """Arguments of a layer's ``forward`` for the masks of its inputs; None without padding."""
    if not layer.takes_mask or all(mask is None for mask in masks):
        return {}
    return {"mask": masks[0] if layer.inputs == 1 else masks}


def declares_padding(network: Structure) -> bool:
    """True where any layer of the network declares what padding is."""
    return bool(padding_values(network)) or any(layer.masks == "makes" for layer in network.layers)


def padding_of_input(network: Structure, input_shape: tuple[int, ...], name: str) -> Any:
    """Features of a padded step of an input, shape (features,); None without padding."""
    for source, value in padding_values(network).items():
        layer = None if source in network.inputs else network.layers[network.names.index(source)]
        if _input_behind(network, source) != name:
            continue
        shape = input_shape if layer is None else layer.init(None, input_shape)[2]
        if len(shape) > 1:
            return np.full(shape[-1], value, np.float32)
    return None


def _input_behind(network: Structure, name: str) -> str:
    while name not in network.inputs:
        name = network.reads[network.names.index(name)][0]
    return name


@lru_cache(maxsize=256)
def padding_values(network: Structure) -> Mapping[str, float]:
    """The inputs whose padding is found by its value, and the value.

    A `Reshape` of an input stands for it, since it keeps the values and may be what makes steps of them.

    Example:
        >>> from pellucid.layers import LSTM, Dense
        >>> from pellucid.network import Network
        >>> padding_values(Network(Dense(4), LSTM(3, mask_value=0.0)))
        {'input': 0.0}
    """
    values: dict[str, float] = {}
    for name, layer, reads in zip(network.names, network.layers, network.reads, strict=True):
        if layer.mask_value is None:
            continue
        for source in _sources(network, reads[layer.padded]):
            if values.setdefault(source, float(layer.mask_value)) != layer.mask_value:
                raise InvalidValue(
                    f"{name!r} takes {layer.mask_value} for padding, a layer before it {values[source]}. "
                    "Give both the same mask_value."
                )
    return values


def _sources(network: Structure, name: str) -> set[str]:
    # The inputs at which the mask of an array begins, if no layer between makes or ends one.
    if _unchanged(network, name):
        return {name}
    i = network.names.index(name)
    layer, reads = network.layers[i], network.reads[i]
    if layer.masks in ("makes", "ends"):
        return set()
    # The mask of a context is that of its query.
    return set().union(*(_sources(network, read) for read in (reads if layer.inputs is None else reads[:1])))


def _unchanged(network: Structure, name: str) -> bool:
    # Holds the values of an input, in steps.
    if name in network.inputs:
        return True
    i = network.names.index(name)
    layer = network.layers[i]
    return layer.rearranges and layer.masks == "passes" and _unchanged(network, network.reads[i][0])


def check_masks(network: Structure, shapes: Mapping[str, tuple[int, ...]] | None = None) -> None:
    """Refuse a network with a layer that cannot keep padding apart from real steps.

    ``shapes`` are those of one example of each input and of each layer's output; without them only padding that an
    `Embedding` makes is followed.
    """
    if not declares_padding(network):
        return
    if shapes is not None:
        arrays = {name: jax.ShapeDtypeStruct((1, *shape), jnp.float32) for name, shape in shapes.items()}

        def masks_of(values: dict[str, Any]) -> Any:
            masks = Masks(network, {name: values[name] for name in network.inputs})
            for i, (name, reads) in enumerate(zip(network.names, network.reads, strict=True)):
                read = tuple(values[source] for source in reads)
                masks.add(i, read[0] if network.layers[i].inputs == 1 else read, values[name])
            return masks.of

        jax.eval_shape(masks_of, arrays)
        return
    masked: set[str] = set()
    for i, (name, layer, reads) in enumerate(zip(network.names, network.layers, network.reads, strict=True)):
        if layer.masks == "makes":
            masked.add(name)
        elif masked.intersection(reads):
            if layer.masks is None:
                raise _refusal(network, i)
            if layer.masks == "passes" and (layer.inputs is None or reads[0] in masked):
                masked.add(name)


def _refusal(network: Structure, i: int) -> InvalidValue:
    layer, name = network.layers[i], network.names[i]
    declared = [
        f"{source} ({'mask_zero=True' if other.mask_value is None else f'mask_value={other.mask_value:g}'})"
        for source, other in zip(network.names, network.layers, strict=True)
        if other.masks == "makes" or other.mask_value is not None
    ]
    if layer.vocabulary is not None:
        advice = "Give it mask_zero=True too; its padding is then the number 0."
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
