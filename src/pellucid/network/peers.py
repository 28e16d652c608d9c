"""Weights of PyTorch and Keras models: their layers paired with those of a network, arrays in the form of each."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.types import Shapes
from pellucid.layers import Layer
from pellucid.layers.peers import Carried, Peer, Setting
from pellucid.network.arrays import ByLayer, shapes_by_layer
from pellucid.network.network import Network

NAMES = {"torch": "PyTorch", "keras": "Keras"}
FIELDS = {"biases": "use_biases", "scale": "scale", "shift": "shift"}
"""The field of a layer that leaves an array out."""
RECURRENT = re.compile(r"(weight|bias)_(ih|hh|hr)_l(\d+)(_reverse)?")
"""An array of a recurrent layer of PyTorch, which may hold several, one on top of the other."""


@dataclass
class Unit:
    """A layer of another library that has weights.

    Attributes:
        name: as the model calls it.
        arrays: its arrays by their names in the layer.
        assign: replaces an array of that name; None where the arrays alone were given.
        layer: the layer itself; None where the arrays alone were given.
        in_order: whether it stands where the model has it; a table of arrays, as safetensors reads one, tells no order.
    """

    name: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    assign: dict[str, Callable[[np.ndarray], Any]] = field(default_factory=dict)
    layer: Any = None
    in_order: bool = True


def from_units(library: str, units: Sequence[Unit], network: Network, input_shape: Shapes) -> ByLayer:
    """Convert the weights of another library's layers to arrays by layer.

    Raises:
        InvalidValue: layers that do not pair up, or differ in what cannot be carried over.
    """
    return {place.name: _back(library, unit, place) for unit, place in _paired(library, units, network, input_shape)}


def into_units(
    library: str, arrays: Mapping[str, Mapping[str, Any]], units: Sequence[Unit], network: Network, input_shape: Shapes
) -> None:
    """Put the arrays of a network into another library's layers.

    Raises:
        InvalidValue: layers that do not pair up, or differ in what cannot be carried over.
        ShapeError: an array of another shape than the peer's.
    """
    pairs = _paired(library, units, network, input_shape)
    converted = [(unit, _there(library, unit, place, arrays[place.name])) for unit, place in pairs]
    for unit, own in converted:
        for name, array in own.items():
            if array.shape != unit.arrays[name].shape:
                raise ShapeError(
                    f"{NAMES[library]}'s {unit.name} has {name} of shape {unit.arrays[name].shape}. Received: "
                    f"{array.shape}."
                )
    for unit, own in converted:
        for name, array in own.items():
            unit.assign[name](array)


# ------------------------------------------------------------------------------------------- their models


def units_of(given: Any, library: str | None = None) -> tuple[str, list[Unit]] | None:
    """The layers of a model with weights, and its library; None of what is neither PyTorch's nor Keras's.

    Args:
        given: a module or state dict of PyTorch, a model or layer of Keras.
        library: which of them it is said to be: a table of NumPy arrays is then a state dict by any names.
    """
    # Keras first: on PyTorch its models are modules too.
    if hasattr(given, "trainable_weights") and hasattr(given, "get_weights"):
        return "keras", list(_of_keras(given))
    if callable(getattr(given, "state_dict", None)):
        return "torch", _of_state(given.state_dict(), dict(given.named_modules()))
    if isinstance(given, Mapping) and given:
        tensors = all(hasattr(value, "detach") for value in given.values())
        arrays = all(isinstance(value, np.ndarray) for value in given.values())
        dotted = all("." in str(name) and "/" not in str(name) for name in given)
        if tensors or (arrays and (dotted or library == "torch")):
            return "torch", _of_state(given, {})
    return None


def _of_state(state: Mapping[str, Any], modules: Mapping[str, Any]) -> list[Unit]:
    units: dict[str, Unit] = {}
    for key, value in state.items():
        prefix, _, name = key.rpartition(".")
        if name == "num_batches_tracked":
            continue
        unit, matched = prefix, RECURRENT.fullmatch(name)
        if matched is not None:
            kind, of, number, reverse = matched.groups()
            name, unit = f"{kind}_{of}{reverse or ''}", f"{prefix} (layer {number})" if number != "0" else prefix
        one = units.setdefault(unit, Unit(unit or "the module", layer=modules.get(prefix)))
        one.arrays[name] = _as_numpy(value)
        if hasattr(value, "copy_"):
            one.assign[name] = lambda array, tensor=value: tensor.copy_(tensor.new_tensor(np.ascontiguousarray(array)))
    listed = list(units.values())
    if modules or hasattr(state, "_metadata") or len(listed) == 1:
        return listed
    # The numbers of a Sequential say the order.
    alike = len({re.sub(r"\d+", "0", name) for name in units}) == 1
    for one in listed:
        one.in_order = alike
    return [units[name] for name in sorted(units, key=lambda n: [int(i) for i in re.findall(r"\d+", n)])]


def _as_numpy(value: Any) -> np.ndarray:
    return value.detach().cpu().float().numpy() if hasattr(value, "detach") else np.asarray(value)


def _of_keras(layer: Any) -> Iterator[Unit]:
    inner = getattr(layer, "layers", None)
    if inner is not None:
        for one in inner:
            yield from _of_keras(one)
        return
    ways = {"forward": "forward_layer", "backward": "backward_layer"}
    if all(hasattr(layer, attribute) for attribute in ways.values()):
        weights = {f"{way}/{w.name}": w for way, attribute in ways.items() for w in getattr(layer, attribute).weights}
    else:
        weights = {w.name: w for w in layer.weights}
    if weights:
        arrays = {name: _as_numpy(w.value) for name, w in weights.items()}
        yield Unit(layer.name, arrays, {name: w.assign for name, w in weights.items()}, layer)


# --------------------------------------------------------------------------------------------- the layers


class Place(NamedTuple):
    """A layer with weights, and where it stands."""

    name: str
    layer: Layer
    shapes: Mapping[str, Any]
    """Of its arrays."""
    input_shape: tuple[int, ...]
    order: np.ndarray | None
    """Of numbers that were flattened before it, the index of each in a library that has channels first."""


class Value(NamedTuple):
    """What is known of an array between layers."""

    shape: Any
    channels_first: bool
    order: np.ndarray | None = None
    unflattened: str = ""
    """The layer that made channels of a vector, whose numbers a library with channels first orders otherwise."""


def _places(library: str, network: Network, input_shape: Shapes) -> list[Place]:
    shapes, places = shapes_by_layer(network, input_shape), []
    first = library == "torch"
    each = network.each_input(input_shape)
    values = {n: Value(s, first and len(s) == 3) for n, s in zip(network.inputs, each, strict=True)}
    for name, layer, reads in zip(network.names, network.layers, network.reads, strict=True):
        read = [values[source] for source in reads]
        before, peer = read[0], layer.peers.get(library)
        shape = tuple(one.shape for one in read) if layer.inputs != 1 else before.shape
        if name in shapes:
            places.append(Place(name, layer, shapes[name], before.shape, before.order))
        if before.unflattened and peer is not None and peer.channels_first:
            raise InvalidValue(
                f"{before.unflattened} makes channels of a vector, whose numbers {NAMES[library]} orders otherwise: "
                "weights around it cannot be carried over."
            )
        values[name] = _after(layer, read, _output_shape(layer, shape), peer, first)
    return places


def _after(layer: Layer, read: list[Value], shape: tuple[int, ...], peer: Peer | None, first: bool) -> Value:
    before = read[0]
    if not first:
        return Value(shape, False)
    if layer.rearranges:
        if len(shape) == 1 and len(before.shape) > 1:
            return Value(shape, False, _flattened(before.shape) if before.channels_first else None)
        makes_channels = len(before.shape) == 1 and shape[-1] > 1 and math.prod(shape[:-1]) > 1
        return Value(shape, False, None, layer.name if makes_channels else "")
    if peer is not None and peer.channels_first is not None:
        return Value(shape, peer.channels_first)
    if len(read) > 1 and any(one.order is not None for one in read):
        raise InvalidValue(f"{layer.name} merges flattened images, whose weights cannot be carried over.")
    if len(shape) == 1:
        return Value(shape, False, before.order if len(before.shape) == 1 else None)
    return Value(shape, before.channels_first or layer.input_axes in (2, 3), None, before.unflattened)


def _flattened(shape: tuple[int, ...]) -> np.ndarray | None:
    *spatial, channels = shape
    if channels == 1 or math.prod(spatial) == 1:
        return None
    return np.moveaxis(np.arange(math.prod(shape)).reshape(channels, *spatial), 0, -1).reshape(-1)


def _output_shape(layer: Layer, shape: Any) -> Any:
    output: Any = None

    def init(key: Any) -> Any:
        nonlocal output
        *arrays, output = layer.init(key, shape)
        return arrays

    jax.eval_shape(init, jax.random.key(0))
    return output


def _paired(library: str, units: Sequence[Unit], network: Network, input_shape: Shapes) -> list[tuple[Unit, Place]]:
    """Each layer of the model with that of the network: by name where all names agree, else in their order."""
    places = _places(library, network, input_shape)
    by_name = {unit.name: unit for unit in units}
    if by_name.keys() == {place.name for place in places}:
        pairs = [(by_name[place.name], place) for place in places]
    elif not all(unit.in_order for unit in units):
        raise InvalidValue(
            f"a table of arrays does not tell the order of its layers ({', '.join(sorted(by_name))}). Give the module "
            "or its state_dict(); or name the layers of the network so, by Network.graph."
        )
    elif len(units) == len(places):
        pairs = list(zip(units, places, strict=True))
    else:
        raise InvalidValue(
            f"the {NAMES[library]} model has {len(units)} layers with weights "
            f"({', '.join(unit.name for unit in units)}), the network {len(places)} "
            f"({', '.join(place.name for place in places)}). They are paired in their order, or by name where all "
            "names agree: make the network as the model is."
        )
    for unit, place in pairs:
        _check(library, unit, place)
    return pairs


def _check(library: str, unit: Unit, place: Place) -> None:
    peer = place.layer.peers.get(library)
    if peer is None:
        raise InvalidValue(f"{place.name}: a layer {place.layer.name!r} has no peer in {NAMES[library]}.")
    if unit.layer is None:
        return
    kinds = [kind.__name__ for kind in type(unit.layer).__mro__]
    if not set(kinds) & set(peer.kinds):
        raise InvalidValue(
            f"{NAMES[library]}'s {unit.name} is a {kinds[0]}, and {place.name} in its place does what a "
            f"{' or '.join(peer.kinds)} does. Layers are paired in their order, or by name where all names agree."
        )
    for setting in (*peer.settings, *peer.at(place.input_shape)):
        _check_setting(f"{NAMES[library]}'s {unit.name}", unit.layer, place, setting)


def _check_setting(unit: str, layer: Any, place: Place, setting: Setting) -> None:
    value: Any = layer
    for attribute in setting.peer.split("."):
        value = getattr(value, attribute, None)
    if callable(setting.value):
        agrees = setting.value(value)
    elif isinstance(setting.value, float):
        agrees = value is not None and math.isclose(value, setting.value, rel_tol=1e-6)
    else:
        agrees = value == setting.value
    if not agrees:
        shown = getattr(value, "__name__", value)
        advice = f"Set {setting.own} of the layer so." if setting.own else "No layer here computes that."
        raise InvalidValue(f"{unit} has {setting.peer} = {shown!r}, which {place.name} does not. {advice}")


def _entries(library: str, unit: Unit, place: Place) -> Iterator[tuple[Carried, bool]]:
    """What is carried over, and whether the peer has it.

    Raises:
        InvalidValue: one of the two has an array that the other lacks.
    """
    peer, whose = place.layer.peers[library], f"{NAMES[library]}'s {unit.name}"
    used: set[str] = set()
    for one in peer.arrays:
        here, there = all(path in place.shapes for path in one.own), all(name in unit.arrays for name in one.peer)
        used.update(one.peer if here else ())
        if here and (there or one.or_zeros):
            yield one, there
        elif here:
            option = FIELDS.get(one.own[0].rpartition("/")[2])
            advice = f" Leave them out here: {option}=False." if option and hasattr(place.layer, option) else ""
            raise InvalidValue(f"{whose} has no {', '.join(one.peer)}, and {place.name} has {one.own[0]}.{advice}")
    others = [name for name in unit.arrays if name not in used]
    if others:
        known = ", ".join(place.shapes)
        raise InvalidValue(f"{whose} has {', '.join(others)}, for which {place.name} has no array: it has {known}.")


def _back(library: str, unit: Unit, place: Place) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for one, there in _entries(library, unit, place):
        if there:
            own = one.back(*(unit.arrays[name] for name in one.peer))
        else:
            own = tuple(np.zeros(place.shapes[path].shape, np.float32) for path in one.own)
        arrays |= zip(one.own, own, strict=True)
    return {path: _ordered(array, place, place.order) for path, array in arrays.items()}


def _there(library: str, unit: Unit, place: Place, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    order = None if place.order is None else np.argsort(place.order)
    converted: dict[str, np.ndarray] = {}
    for one, there in _entries(library, unit, place):
        own = [_ordered(np.asarray(arrays[path]), place, order) for path in one.own]
        if there:
            converted |= zip(one.peer, one.there(*own), strict=True)
        elif any(array.any() for array in own):
            raise InvalidValue(
                f"{NAMES[library]}'s {unit.name} has no {', '.join(one.peer)}, and {one.own[0]} of {place.name} are "
                "not 0."
            )
    return converted


def _ordered(array: np.ndarray, place: Place, order: np.ndarray | None) -> np.ndarray:
    """The array with what belongs to flattened numbers in another order: rows of a matrix, or a number of each."""
    of_inputs = array.ndim == 2 or "biases" not in place.shapes
    return array[order] if order is not None and of_inputs and len(array) == len(order) else array
