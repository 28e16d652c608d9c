"""The weight that is followed: which it is, and every way from it to the loss."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import InvalidValue, UnknownName
from pellucid.core.types import Array, PyTree
from pellucid.explanations.gates import Through
from pellucid.explanations.numbers import Chosen, Input, Term
from pellucid.explanations.update import Update
from pellucid.functions import Elementwise
from pellucid.layers import Activation
from pellucid.network import AnyNetwork, mask_arguments

INPUTS = 8
"""Summands of z that are shown one by one."""
TERMS = 8
"""Ways to the loss that are shown one by one."""


class Aim(NamedTuple):
    """The weight that is followed."""

    layer: int
    parameter: str
    index: tuple[int, ...]  # pyright: ignore[reportIncompatibleMethodOverride]


def aim_at(
    network: AnyNetwork,
    grads: tuple[PyTree, ...],
    outputs: list[np.ndarray],
    neuron: str | None,
    weight: str | None,
    reached: Callable[[int, int], PyTree],
) -> Aim:
    """The weight that was asked for, or the one with the largest gradient.

    Args:
        network: the network.
        grads: the gradients of every layer.
        outputs: what every layer gave.
        neuron: ``"LAYER:UNIT"`` or None.
        weight: ``"LAYER:i,j"``, ``"LAYER:ARRAY:i,j"`` or None.
        reached: ∂z/∂ the parameters of a layer for one of its units; where nothing comes back to a neuron, the weight
            that moves its z most is followed.

    Raises:
        InvalidValue: both, or a place that is not there.
        UnknownName: a layer or array that is not there.
    """
    if neuron is not None and weight is not None:
        raise InvalidValue("give a neuron or a weight, not both: a weight belongs to one neuron already.")
    if weight is not None:
        return _weight(network, grads, weight)
    if neuron is None:
        weighted = [i for i, one in enumerate(grads) if _arrays(one)]
        if not weighted:
            raise InvalidValue("the network has no weights, so there is no gradient to follow.")
        layer = next((i for i in reversed(weighted) if "weights" in _arrays(grads[i])), weighted[-1])
        arrays = _arrays(grads[layer])
        name = "weights" if "weights" in arrays else next(iter(arrays))
        return Aim(layer, name, _largest(abs(arrays[name])))
    name, _, text = neuron.rpartition(":")
    layer = _layer(network, grads, name, neuron, "LAYER:UNIT, for example dense_1:3")
    units = outputs[layer].shape[-1]
    (unit,) = check_place(_numbers(text, neuron), (units,), f"the layer {network.names[layer]!r}")
    arrays = _arrays(grads[layer])
    array = "weights" if "weights" in arrays else next(iter(arrays))
    own = np.arange(arrays[array].shape[-1]) % units == unit
    sizes = np.where(own, abs(arrays[array]), -1.0)
    if sizes.max() == 0:
        sizes = np.where(own, abs(_arrays(reached(layer, unit))[array]), -1.0)
    return Aim(layer, array, _largest(sizes))


def _weight(network: AnyNetwork, grads: tuple[PyTree, ...], weight: str) -> Aim:
    form = "LAYER:i,j, for example dense_1:3,4, or LAYER:biases:4"
    name, _, text = weight.rpartition(":")
    parameter = "weights"
    if name not in network.names and ":" in name:
        name, _, parameter = name.rpartition(":")
    layer = _layer(network, grads, name, weight, form)
    arrays = _arrays(grads[layer])
    if parameter not in arrays:
        raise UnknownName(
            f"the layer {network.names[layer]!r} has no array {parameter!r}. It has: {', '.join(arrays)}; write {form}."
        )
    what = f"{parameter} of {network.names[layer]!r}"
    return Aim(layer, parameter, check_place(_numbers(text, weight), arrays[parameter].shape, what))


def _layer(network: AnyNetwork, grads: tuple[PyTree, ...], name: str, given: str, form: str) -> int:
    """The number of the layer with parameters that is meant; an activation stands for the layer that it follows."""
    if not name:
        raise InvalidValue(f"write {form}. Received: {given!r}.")
    if name not in network.names:
        near = difflib.get_close_matches(name, network.names, n=2)
        advice = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise UnknownName(f"no layer is named {name!r}.{advice} Layers: {', '.join(network.names)}.")
    layer = network.names.index(name)
    while (
        not _arrays(grads[layer])
        and isinstance(network.layers[layer], Activation)
        and network.reads[layer][0] in network.names
    ):
        layer = network.names.index(network.reads[layer][0])
    if not _arrays(grads[layer]):
        having = [one for one, its in zip(network.names, grads, strict=True) if _arrays(its)]
        raise InvalidValue(f"the layer {name!r} has no weights. Those that have: {', '.join(having)}.")
    return layer


def _arrays(grads: PyTree) -> dict[str, np.ndarray]:
    flat, _ = jax.tree_util.tree_flatten_with_path(grads)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in flat}


def _numbers(text: str, given: str) -> tuple[int, ...]:
    try:
        return tuple(int(one) for one in text.split(","))
    except ValueError:
        raise InvalidValue(f"a place is whole numbers with commas between, as in 3,4. Received: {given!r}.") from None


def check_place(index: tuple[int, ...], shape: tuple[int, ...], what: str) -> tuple[int, ...]:
    """The place ``index`` in an array of that shape; numbers below 0 count from the end.

    Raises:
        InvalidValue: no such place.
    """
    if len(index) != len(shape) or any(not -n <= i < n for i, n in zip(index, shape, strict=True)):
        raise InvalidValue(
            f"{what} has the shape {'×'.join(map(str, shape))}: give {len(shape)} number{'s' * (len(shape) != 1)}, "
            f"at most {','.join(str(n - 1) for n in shape)}. Received: {','.join(map(str, index))}."
        )
    return tuple(i % n for i, n in zip(index, shape, strict=True))


def _largest(array: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(array.argmax()), array.shape))


def describe_weight(
    network: AnyNetwork,
    params: PyTree,
    state: PyTree,
    x: Array,
    outputs: list[np.ndarray],
    masks: Mapping[str, Array],
    slopes: list[np.ndarray | None],
    aim: Aim,
    through: Through | None,
    update: Update,
    gradient: float,
) -> Chosen:
    """The weight with every way to the loss, and the sum that its neuron is made of.

    Args:
        network: the network.
        params: its parameters.
        state: its layers' state.
        x: a batch of one.
        outputs: what every layer gave, without the batch axis.
        masks: the real steps of inputs and outputs with padding, by name.
        slopes: ∂L/∂ each of them, that which a fused loss steps over included.
        aim: the weight.
        through: its layer through time, where it is recurrent.
        update: what the optimiser makes of it.
        gradient: ∂L/∂w as backpropagation gives it.
    """
    if through is not None:
        return _through_time(network.names[aim.layer], params[aim.layer], aim, through, update, gradient)
    layer, own = network.layers[aim.layer], params[aim.layer]
    given = [
        jnp.asarray(outputs[network.names.index(name)])[None] if name in network.names else x
        for name in network.reads[aim.layer]
    ]
    read = given[0] if layer.inputs == 1 else tuple(given)
    real = mask_arguments(layer, tuple(masks.get(name) for name in network.reads[aim.layer]))

    def output(own: PyTree) -> Array:
        return layer.forward(own, state[aim.layer], read, key=None, training=False, **real)[0]

    z = outputs[aim.layer]
    direction = jax.tree.map(jnp.zeros_like, own)
    direction = _put(direction, aim.parameter, _get(direction, aim.parameter).at[aim.index].set(1.0))
    dz_dw = np.asarray(jax.jvp(output, (own,), (direction,))[1])[0]
    dL_dz = slopes[aim.layer]
    if dL_dz is None:
        dL_dz = np.zeros_like(z)

    after = _activation_after(network, aim.layer)
    terms = []
    places = np.argwhere(dz_dw != 0)
    weights = [abs(dL_dz[tuple(place)] * dz_dw[tuple(place)]) for place in places]
    function = None if after is None else network.layers[after].function  # pyright: ignore[reportAttributeAccessIssue]
    for k in np.argsort(-np.array(weights), kind="stable") if len(places) else ():
        place = tuple(int(i) for i in places[k])
        whole: dict[str, float | None] = {"a": None, "dL_da": None, "da_dz": None}
        back = None if after is None else slopes[after]
        if after is not None and isinstance(function, Elementwise) and back is not None:
            a = outputs[after]
            one = jnp.asarray(z[place])[None]
            slope = function.derivative(one, jnp.asarray(a[place])[None])
            whole = {"a": float(a[place]), "dL_da": float(back[place]), "da_dz": float(slope[0])}
        terms.append(
            Term(place=place, z=float(z[place]), dL_dz=float(dL_dz[place]), dz_dw=float(dz_dw[place]), **whole)
        )
    place = terms[0].place if terms else (0,) * z.ndim
    inputs, bias = _summands(layer, own, output, place, z.shape, aim)
    return Chosen(
        network.names[aim.layer],
        None if after is None else network.names[after],
        None if function is None else function.name,
        aim.parameter,
        aim.index,
        place,
        float(_get(own, aim.parameter)[aim.index]),
        tuple(inputs),
        bias,
        float(z[place]),
        tuple(terms),
        gradient,
        update,
    )


def _summands(
    layer: Any, own: PyTree, output: Any, place: tuple[int, ...], shape: tuple[int, ...], aim: Aim
) -> tuple[list[Input], float]:
    """The summands w·∂z/∂w of one z, largest first, and the bias: empty where z is no such sum of its weights."""
    if not set(own) <= {"weights", "biases"} or "weights" not in own:
        return [], 0.0
    one = jnp.zeros((1, *shape)).at[(0, *place)].set(1.0)
    z, pull_back = jax.vjp(output, own)
    (parts,) = pull_back(one)
    weights, values = np.asarray(own["weights"]), np.asarray(parts["weights"])
    bias = float((own["biases"] * parts["biases"]).sum()) if "biases" in own else 0.0
    if not np.isclose((weights * values).sum() + bias, float(z[(0, *place)]), rtol=1e-9, atol=1e-12):
        return [], 0.0
    found = [
        Input("w", tuple(int(i) for i in index), float(weights[tuple(index)]), float(values[tuple(index)]))
        for index in np.argwhere(values != 0)
    ]
    return sorted(found, key=lambda one: (one.index != aim.index, -abs(one.weight * one.value))), bias


def _through_time(name: str, own: PyTree, aim: Aim, through: Through, update: Update, gradient: float) -> Chosen:
    """The ways of a recurrent layer's weight to the loss, one for each time."""
    column, units = aim.index[-1], through.state.shape[1]
    gate, unit = through.gates[column // units], column % units
    if aim.parameter == "weights":
        factor = through.x[:, aim.index[0]]
    elif aim.parameter == "recurrent":
        factor = through.before[:, aim.index[0]]
    else:
        factor = np.ones(len(through.x))
    if through.kind == "gru" and gate.name == "candidate" and aim.parameter.startswith("recurrent"):
        factor = factor * through.gates[0].a[:, unit]  # the reset gate stands between
    terms = [
        Term(
            (t, column),
            float(gate.z[t, unit]),
            float(gate.a[t, unit]),
            None,
            float(gate.derivative[t, unit]),
            float(gate.gradient[t, unit]),
            float(factor[t]),
        )
        for t in range(len(factor))
        if through.real[t]
    ]
    terms.sort(key=lambda term: -abs(term.product))
    time = terms[0].place[0] if terms else 0
    features = through.x.shape[1]
    inputs = [
        Input("w", (i, column), float(own["weights"][i, column]), float(through.x[time, i])) for i in range(features)
    ] + [
        Input("r", (i, column), float(own["recurrent"][i, column]), float(through.before[time, i]))
        for i in range(units)
    ]
    inputs.sort(key=lambda one: -abs(one.weight * one.value))
    z = float(gate.z[time, unit])
    return Chosen(
        name,
        None,
        gate.activation,
        aim.parameter,
        aim.index,
        (time, column),
        float(own[aim.parameter][aim.index]),
        tuple(inputs),
        z - sum(one.weight * one.value for one in inputs),
        z,
        tuple(terms),
        gradient,
        update,
    )


def _activation_after(network: AnyNetwork, layer: int) -> int | None:
    """The activation that reads a layer; None where there is none, or something else reads it too."""
    readers = [k for k, reads in enumerate(network.reads) if network.names[layer] in reads]
    if len(readers) == 1 and isinstance(network.layers[readers[0]], Activation):
        return readers[0]
    return None


def _get(tree: PyTree, path: str) -> Any:
    for key in path.split("/"):
        tree = tree[key]
    return tree


def _put(tree: PyTree, path: str, value: Any) -> PyTree:
    head, _, rest = path.partition("/")
    return tree | {head: _put(tree[head], rest, value) if rest else value}
