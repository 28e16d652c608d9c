"""The followed weight: its address, and every path from it to the loss."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import InvalidValue, UnknownName, did_you_mean
from pellucid.core.types import Array
from pellucid.explanations.explanation import Chosen, Coupled, RecurrentNumbers, Summand, Term, Update
from pellucid.explanations.trace import Trace, activation_after, arrays_of, leaf, number_at
from pellucid.functions.activations import Elementwise, activations
from pellucid.layers import Activation
from pellucid.network import Network

MAX_COUPLED = 64
"""Most classes whose Jacobian is shown."""


class Address(NamedTuple):
    """A weight in a network: layer number, path of its array, index there."""

    layer: int
    parameter: str
    at: tuple[int, ...]


def address_of(trace: Trace, neuron: str | None, weight: str | None) -> Address:
    """Find the weight asked for, or the one with the largest gradient.

    Args:
        trace: the example forward and backward.
        neuron: ``"LAYER:UNIT"`` or None; where its gradients are 0, the weight that moves its z most is followed.
        weight: ``"LAYER:i,j"``, ``"LAYER:ARRAY:i,j"`` or None.

    Raises:
        InvalidValue: both, or an index out of range.
        UnknownName: no such layer or array.
    """
    if neuron is not None and weight is not None:
        raise InvalidValue("give a neuron or a weight, not both: a weight belongs to one neuron already.")
    if weight is not None:
        return _asked_weight(trace, weight)
    if neuron is not None:
        return _strongest_of(trace, neuron)
    arrays = [arrays_of(grads) for grads in trace.grads]
    weighted = [i for i, own in enumerate(arrays) if own]
    if not weighted:
        raise InvalidValue("the network has no weights, so there is no gradient to follow.")
    layer = next((i for i in reversed(weighted) if "weights" in arrays[i]), weighted[-1])
    name = _main_array(arrays[layer])
    return Address(layer, name, _largest(abs(arrays[layer][name])))


def _main_array(arrays: dict[str, np.ndarray]) -> str:
    return "weights" if "weights" in arrays else next(iter(arrays))


def _strongest_of(trace: Trace, neuron: str) -> Address:
    name, _, text = neuron.rpartition(":")
    layer = _weighted_layer(trace, name, neuron, "LAYER:UNIT, for example dense_1:3")
    units = trace.outputs[layer].shape[-1]
    (unit,) = checked_index(parsed_index(text, neuron), (units,), f"the layer {trace.network.names[layer]!r}")
    arrays = arrays_of(trace.grads[layer])
    array = _main_array(arrays)
    own = np.arange(arrays[array].shape[-1]) % units == unit
    sizes = np.where(own, abs(arrays[array]), -1.0)
    if sizes.max() == 0:
        toward = np.zeros_like(trace.outputs[layer])
        toward[..., unit] = 1.0
        reached = trace.reached_by(layer, toward)
        sizes = np.where(own, abs(arrays_of(reached)[array]), -1.0)
    return Address(layer, array, _largest(sizes))


def _asked_weight(trace: Trace, weight: str) -> Address:
    form = "LAYER:i,j, for example dense_1:3,4, or LAYER:biases:4"
    name, _, text = weight.rpartition(":")
    parameter = "weights"
    if name not in trace.network.names and ":" in name:
        name, _, parameter = name.rpartition(":")
    layer = _weighted_layer(trace, name, weight, form)
    arrays, name = arrays_of(trace.grads[layer]), trace.network.names[layer]
    check_array(parameter, arrays, name, f"; write {form}")
    what = f"{parameter} of {name!r}"
    return Address(layer, parameter, checked_index(parsed_index(text, weight), arrays[parameter].shape, what))


def _weighted_layer(trace: Trace, name: str, given: str, form: str) -> int:
    """Find a layer with parameters by name; an activation stands for the layer before it."""
    network = trace.network
    if not name:
        raise InvalidValue(f"write {form}. Received: {given!r}.")
    if name not in network.names:
        raise UnknownName(
            f"no layer is named {name!r}.{did_you_mean(name, network.names)} Layers: {', '.join(network.names)}."
        )
    layer = network.owner(network.names.index(name))
    while (
        not arrays_of(trace.grads[layer])
        and isinstance(network.layers[layer], Activation)
        and network.reads[layer][0] in network.names
    ):
        layer = network.owner(network.names.index(network.reads[layer][0]))
    if not arrays_of(trace.grads[layer]):
        weighted = [other for other, grads in zip(network.names, trace.grads, strict=True) if arrays_of(grads)]
        raise InvalidValue(f"the layer {name!r} has no weights. Those that have: {', '.join(weighted)}.")
    return layer


def check_array(parameter: str, arrays: Any, layer: str, advice: str = "") -> None:
    """Raise `UnknownName` unless a layer has an array of that name."""
    if parameter not in arrays:
        raise UnknownName(f"the layer {layer!r} has no array {parameter!r}. It has: {', '.join(arrays)}{advice}.")


def parsed_index(text: str, given: str) -> tuple[int, ...]:
    """An index from text.

    Raises:
        InvalidValue: no whole numbers with commas between.
    """
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise InvalidValue(f"an index is whole numbers with commas between, as in 3,4. Received: {given!r}.") from None


def checked_index(index: tuple[int, ...], shape: tuple[int, ...], what: str) -> tuple[int, ...]:
    """Check an index in an array of that shape; negative numbers count from the end.

    Raises:
        InvalidValue: out of range.
    """
    if len(index) != len(shape) or any(not -n <= i < n for i, n in zip(index, shape, strict=True)):
        raise InvalidValue(
            f"{what} has the shape {'×'.join(map(str, shape))}: give {len(shape)} number{'s' * (len(shape) != 1)}, "
            f"at most {','.join(str(n - 1) for n in shape)}. Received: {','.join(map(str, index))}."
        )
    return tuple(i % n for i, n in zip(index, shape, strict=True))


def _largest(array: np.ndarray) -> tuple[int, ...]:
    return _ints(np.unravel_index(int(array.argmax()), array.shape))


def _ints(index: Any) -> tuple[int, ...]:
    return tuple(int(i) for i in index)


def follow(trace: Trace, address: Address, update: Update) -> Chosen:
    """A weight with every path to the loss, and the sum that its neuron computes.

    Args:
        trace: the example forward and backward.
        address: the weight.
        update: the optimiser's next update of it.
    """
    name = trace.network.names[address.layer]
    uses = [trace.network.names[use] for use in trace.uses(address.layer)]
    in_time = [trace.recurrent[use] for use in uses if use in trace.recurrent]
    if in_time:
        return _follow_in_time(trace, address, in_time, update)
    network, own = trace.network, trace.params[address.layer]
    direction = jax.tree.map(lambda array: np.zeros(array.shape, array.dtype), own)
    leaf(direction, address.parameter)[address.at] = 1.0
    z = trace.outputs[address.layer]
    after = activation_after(network, address.layer)
    terms: list[Term] = []
    for use in trace.uses(address.layer):
        found = _terms(trace, use, activation_after(network, use), trace.output_moved_by(use, direction))
        terms += found if use == address.layer else [replace(term, layer=network.names[use]) for term in found]
    output_index = next((term.index for term in terms if not term.layer), (0,) * z.ndim)
    terms.sort(key=lambda term: -abs(term.product))
    summands, bias = _summands(trace, address, output_index)
    return Chosen(
        name, None if after is None else network.names[after], _function(network, after), address.parameter,
        address.at, output_index, number_at(own, address.parameter, address.at), tuple(summands), bias,
        float(z[output_index]), tuple(terms), _gradient(trace, address), update,
    )  # fmt: skip


def _gradient(trace: Trace, address: Address) -> float:
    return number_at(trace.grads[address.layer], address.parameter, address.at)


def _function(network: Network, layer: int | None) -> Any:
    return None if layer is None else network.layers[layer].function  # pyright: ignore[reportAttributeAccessIssue]


def _terms(trace: Trace, layer: int, after: int | None, dz_dw: np.ndarray) -> list[Term]:
    """The paths through each output that the weight moves, largest first."""
    z, dL_dz, function = trace.outputs[layer], trace.gradients[layer], _function(trace.network, after)
    if dL_dz is None:
        dL_dz = np.zeros_like(z)
    dL_da = None if after is None else trace.gradients[after]
    derivatives = None
    if after is not None and dL_da is not None and isinstance(function, Elementwise):
        derivatives = np.asarray(_derivative(function, z, trace.outputs[after]))
    terms = []
    for index in map(_ints, np.argwhere(dz_dw != 0)):
        factors: dict[str, Any] = {}
        if after is not None and dL_da is not None and derivatives is not None:
            a = trace.outputs[after][index]
            factors = {"a": float(a), "dL_da": float(dL_da[index]), "da_dz": float(derivatives[index])}
        terms.append(Term(index, float(z[index]), float(dL_dz[index]), float(dz_dw[index]), **factors))
    return sorted(terms, key=lambda term: -abs(term.product))


@partial(jax.jit, static_argnums=0)
def _derivative(function: Elementwise, z: Array, a: Array) -> Array:
    return function.derivative(z, a)


def _summands(trace: Trace, address: Address, output_index: tuple[int, ...]) -> tuple[list[Summand], float]:
    """Summands w · ∂z/∂w of one z, largest first, and the bias; empty where z is no such sum."""
    own = trace.params[address.layer]
    if not set(own) <= {"weights", "biases"} or "weights" not in own:
        return [], 0.0
    z = trace.outputs[address.layer]
    toward = np.zeros_like(z)
    toward[output_index] = 1.0
    parts = trace.reached_by(address.layer, toward)
    weights, values = np.asarray(own["weights"]), parts["weights"]
    bias = float((np.asarray(own["biases"]) * parts["biases"]).sum()) if "biases" in own else 0.0
    if not np.isclose((weights * values).sum() + bias, float(z[output_index]), rtol=1e-9, atol=1e-12):
        return [], 0.0
    summands = [
        Summand("w", index, float(weights[index]), float(values[index])) for index in map(_ints, np.argwhere(values))
    ]
    return sorted(summands, key=lambda summand: (summand.index != address.at, -abs(summand.product))), bias


def _follow_in_time(trace: Trace, address: Address, uses: list[RecurrentNumbers], update: Update) -> Chosen:
    """The paths of a recurrent layer's weight to the loss, one for each time, of each use of the layer."""
    layer, name = uses[0], trace.network.names[address.layer]
    own, column, units = trace.params[address.layer], address.at[-1], layer.state.shape[1]
    terms = [
        replace(term, layer="" if use.layer == name else use.layer)
        for use in uses
        for term in _terms_in_time(address, use)
    ]
    terms.sort(key=lambda term: -abs(term.product))
    time = next((term.index[0] for term in terms if term.layer in ("", layer.layer)), 0)
    gate, unit = layer.gates[column // units], column % units
    summands = [
        Summand(letter, (i, column), number_at(own, array, (i, column)), float(values[time, i]))
        for letter, array, values in (("w", "weights", layer.x), ("r", "recurrent", layer.previous))
        for i in range(values.shape[1])
    ]
    summands.sort(key=lambda summand: -abs(summand.product))
    z = float(gate.z[time, unit])
    bias = z - sum(summand.product for summand in summands)
    return Chosen(
        name, None, activations.build(gate.activation), address.parameter, address.at, (time, column),
        number_at(own, address.parameter, address.at), tuple(summands), bias, z, tuple(terms),
        _gradient(trace, address), update,
    )  # fmt: skip


def _terms_in_time(address: Address, layer: RecurrentNumbers) -> list[Term]:
    column, units = address.at[-1], layer.state.shape[1]
    gate, unit = layer.gates[column // units], column % units
    if address.parameter in ("weights", "recurrent"):
        factor = (layer.x if address.parameter == "weights" else layer.previous)[:, address.at[0]]
    else:
        factor = np.ones(len(layer.x))
    if layer.kind == "gru" and gate.name == "candidate" and address.parameter.startswith("recurrent"):
        factor = factor * layer.gates[0].a[:, unit]  # the reset gate stands between
    return [
        Term(
            (int(t), column), float(gate.z[t, unit]), float(gate.gradient[t, unit]), float(factor[t]),
            float(gate.a[t, unit]), None, float(gate.derivative[t, unit]),
        )
        for t in np.flatnonzero(layer.mask)
    ]  # fmt: skip


def coupled_at(trace: Trace) -> Coupled | None:
    """Both factors of the backward step through a final softmax, of several the first; None for other networks.

    In a sequence of softmaxes, the one with the largest gradient.
    """
    network = trace.network
    for end, loss_gradient in zip(network.ends, trace.loss_gradients, strict=True):
        if (coupled := _coupled(trace, end, loss_gradient)) is not None:
            return coupled
    return None


def _coupled(trace: Trace, end: int, loss_gradient: np.ndarray) -> Coupled | None:
    network = trace.network
    layer, read = network.layers[end], network.reads[end][0]
    if not isinstance(layer, Activation) or _function(network, end).name != "softmax" or read in network.inputs:
        return None
    before = network.names.index(read)
    fused, size = trace.deltas[before], trace.outputs[end].shape[-1]
    if fused is None or size > MAX_COUPLED:
        return None
    row = int(abs(fused).reshape(-1, size).max(axis=1).argmax())
    z, a, delta, dL_da = (
        array.reshape(-1, size)[row] for array in (trace.outputs[before], trace.outputs[end], fused, loss_gradient)
    )
    jacobian = np.asarray(_jacobian(_function(network, end), z, a))
    return Coupled(network.names[end], row, z, a, dL_da, jacobian, dL_da @ jacobian, delta, trace.fuses(end))


@partial(jax.jit, static_argnums=0)
def _jacobian(function: Any, z: Array, a: Array) -> Array:
    size = len(z)
    return function.backward(jnp.broadcast_to(z, (size, size)), jnp.broadcast_to(a, (size, size)), jnp.eye(size))
