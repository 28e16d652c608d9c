"""The structure of a network: named layers, and what each of them reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import jax

from pellucid.core.errors import InvalidValue, UnknownName, did_you_mean
from pellucid.core.registry import name_of
from pellucid.layers import Activation, Frozen, Layer, layers

Names: TypeAlias = str | Sequence[str]
"""One name, or several."""
SHARED = "shared"
"""In place of a layer's name: the layer of another node is used once more, with its weights."""
Nodes: TypeAlias = dict[str, tuple[Layer, tuple[str, ...]]]
"""Layers by name, each with the names that it reads."""


@dataclass(frozen=True)
class Structure:
    """Layers in an order in which each comes after what it reads."""

    inputs: tuple[str, ...]
    """The names of the inputs."""
    names: tuple[str, ...]
    """A name for each layer."""
    layers: tuple[Layer, ...]
    reads: tuple[tuple[str, ...], ...]
    """Inputs of each layer: names of inputs or of layers before it."""
    outputs: tuple[str, ...]
    """The names of the layers whose outputs are the predictions."""
    precision: str = "float32"
    """Of the computation: ``"float64"`` has parameters in float64 too, ``"bfloat16"`` has them in float32."""
    remat: bool = False
    """True where the backward pass computes the activations again instead of keeping them."""
    shares: tuple[tuple[int, int], ...] = ()
    """Index of each layer that uses the parameters of another, and of that one."""

    def owner(self, i: int) -> int:
        """The index of the layer whose parameters and state layer ``i`` uses: its own, unless it shares."""
        return dict(self.shares).get(i, i)


def chain(specifications: Sequence[Any]) -> Structure:
    """Layers one after another, named by their kind and their number among its like."""
    if not specifications:
        raise InvalidValue("a network needs at least one layer, for example Dense(10, 'softmax').")
    parts = tuple(part for given in specifications for part in split_activation(layers.build(given)))
    for layer in parts:
        if layer.inputs != 1:
            raise InvalidValue(f"{layer.name!r} reads several layers; describe the network by Network.graph.")
    names = numbered(parts)
    return Structure(("input",), names, parts, tuple((name,) for name in ("input", *names[:-1])), names[-1:])


def numbered(parts: Sequence[Layer]) -> tuple[str, ...]:
    """The names of the layers of a chain: ``dense_1``, ``relu_1``, ``dense_2``; a frozen layer keeps its own."""
    counts: dict[str, int] = {}
    names: list[str] = []
    for layer in parts:
        while isinstance(layer, Frozen):
            layer = layers.build(layer.layer)
        kind = name_of(layer.function if isinstance(layer, Activation) else layer)
        counts[kind] = counts.get(kind, 0) + 1
        names.append(f"{kind}_{counts[kind]}")
    return tuple(names)


def graph(inputs: Names, nodes: Mapping[str, Any], outputs: Names) -> Structure:
    """Named layers, each with what it reads; `Network.graph` says how they are given."""
    given = {name: _node(name, node, nodes) for name, node in nodes.items()}
    shared = _shared(nodes)
    parts: Nodes = {}
    end_of: dict[str, str] = {}
    for name, (layer, reads) in given.items():
        whole, *activation = split_activation(layer)
        parts[name], end_of[name] = (whole, reads), name
        for part in activation:
            end_of[name] = f"{name}.{part.function.name}"  # pyright: ignore[reportAttributeAccessIssue]
            if end_of[name] in given:
                raise InvalidValue(f"the graph has a node {end_of[name]!r}: the name of the activation of {name!r}.")
            parts[end_of[name]] = part, (name,)
    inputs, outputs = several(inputs), several(outputs)
    _check_names(inputs, parts, outputs)
    for name, (_, reads) in given.items():
        parts[name] = parts[name][0], tuple(end_of.get(read, read) for read in reads)
    outputs = tuple(end_of.get(name, name) for name in outputs)
    names = _in_order(inputs, parts)
    _check_used(inputs, parts, outputs)
    return Structure(
        inputs,
        names,
        tuple(parts[name][0] for name in names),
        tuple(parts[name][1] for name in names),
        outputs,
        shares=tuple((names.index(name), names.index(owner)) for name, owner in shared.items()),
    )


def split_activation(layer: Layer) -> tuple[Layer, ...]:
    """Split a layer into the layer without activation and the activation, if it has one."""
    function = getattr(layer, "activation", None)
    if function is None or layer.activation_inside:
        return (layer,)
    return replace(layer, activation=None), Activation(function)  # pyright: ignore[reportArgumentType]


def layer_key(key: Any, i: int) -> Any:
    """The random key of a network's layer in one forward pass."""
    return None if key is None else jax.random.fold_in(key, i)


def several(names: Names) -> tuple[str, ...]:
    """A tuple of names."""
    return (names,) if isinstance(names, str) else tuple(names)


def one_or_several(items: tuple[Any, ...]) -> Any:
    """The only item, or the tuple of them."""
    return items[0] if len(items) == 1 else items


def _layer_of(node: Any) -> Any:
    """The layer of a node as it was given."""
    if isinstance(node, Mapping) and "reads" in node:
        return {key: value for key, value in node.items() if key != "reads"}
    return node[0] if isinstance(node, Sequence) and not isinstance(node, str) and node else None


def _shared(nodes: Mapping[str, Any]) -> dict[str, str]:
    """By the name of a node that uses the parameters of another, that one's: the same object, or told by name."""
    first: dict[int, str] = {}
    shared: dict[str, str] = {}
    for name, node in nodes.items():
        given = _layer_of(node)
        if owner := _owner(given):
            while owner in nodes and (further := _owner(_layer_of(nodes[owner]))):
                owner = further
            shared[name] = owner
        elif isinstance(given, Layer) and type(given).init is not Layer.init:
            owner = first.setdefault(id(given), name)
            if owner != name:
                shared[name] = owner
    return {name: shared.get(owner, owner) for name, owner in shared.items()}


def _owner(given: Any) -> str | None:
    """The node whose layer is shared, of a table that says so."""
    return given.get("layer") if isinstance(given, Mapping) and given.get("name") == SHARED else None


def _shared_layer(name: str, given: Mapping[str, Any], nodes: Mapping[str, Any]) -> Any:
    """The layer that a node shares, as it was given."""
    passed = [name]
    layer: Any = given
    while isinstance(layer, Mapping) and layer.get("name") == SHARED:
        owner = str(layer.get("layer"))
        if set(layer) != {"name", "layer"} or owner not in nodes:
            close = did_you_mean(owner, nodes)
            raise InvalidValue(
                f'the node {name!r} shares a layer by {{name = "{SHARED}", layer = "…"}}, the name of another node.'
                f"{close} Received: {dict(layer)!r}."
            )
        if owner in passed:
            raise InvalidValue(
                f"the node {name!r} shares a layer that is its own: {' shares '.join([*passed, owner])}."
            )
        passed.append(owner)
        layer = _layer_of(nodes[owner])
    return layer


def _node(name: str, given: Any, nodes: Mapping[str, Any]) -> tuple[Layer, tuple[str, ...]]:
    if isinstance(given, Mapping) and "reads" in given:
        given = (_layer_of(given), given["reads"])
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != 2:
        raise InvalidValue(
            f"the node {name!r} needs a layer and what it reads: (Dense(4), 'x'), or a table with reads = 'x'. "
            f"Received: {given!r:.80}."
        )
    whole, reads = given[0], several(given[1])
    if isinstance(whole, Mapping) and whole.get("name") == SHARED:
        whole = _shared_layer(name, whole, nodes)
    layer = layers.build(whole)
    if layer.inputs != len(reads) and (layer.inputs is not None or not reads):
        expected = "at least 1" if layer.inputs is None else layer.inputs
        advice = " Add() or Concatenate() merges several into one." if layer.inputs == 1 else ""
        raise InvalidValue(
            f"the node {name!r} ({layer.name}) reads {expected} input{'s' * (expected != 1)}. "
            f"Received: {len(reads)} ({', '.join(reads)}).{advice}"
        )
    return layer, reads


def _check_names(inputs: tuple[str, ...], nodes: Nodes, outputs: tuple[str, ...]) -> None:
    known = (*inputs, *nodes)
    twice = {name for name in known if known.count(name) > 1} | {o for o in outputs if outputs.count(o) > 1}
    if twice:
        raise InvalidValue(f"each name of a graph is given once. Twice: {', '.join(sorted(twice))}.")
    if not inputs or not outputs:
        raise InvalidValue("a graph needs at least one input and one output.")
    uses = [(f"the node {name!r} reads", read, known) for name, (_, reads) in nodes.items() for read in reads]
    for says, name, allowed in uses + [("the output is", name, tuple(nodes)) for name in outputs]:
        if name not in allowed:
            raise UnknownName(
                f"{says} {name!r}, which the graph does not have.{did_you_mean(name, allowed)} "
                f"Known: {', '.join(allowed)}."
            )


def _in_order(inputs: tuple[str, ...], nodes: Nodes) -> tuple[str, ...]:
    waiting, ordered = dict(nodes), list(inputs)
    while waiting:
        ready = next((name for name, (_, reads) in waiting.items() if set(reads) <= set(ordered)), None)
        if ready is None:
            path = [next(iter(waiting))]
            while path.count(path[-1]) == 1:
                path.append(next(read for read in waiting[path[-1]][1] if read in waiting))
            raise InvalidValue(f"the graph runs in a circle: {' reads '.join(path[path.index(path[-1]) :])}.")
        ordered.append(ready)
        del waiting[ready]
    return tuple(ordered[len(inputs) :])


def _check_used(inputs: tuple[str, ...], nodes: Nodes, outputs: tuple[str, ...]) -> None:
    used, waiting = set(), list(outputs)
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += nodes[name][1] if name in nodes else ()
    idle = [name for name in (*inputs, *nodes) if name not in used]
    if idle:
        raise InvalidValue(f"no output depends on {', '.join(map(repr, idle))}: read it, or leave it out.")
