"""The graph network: layers that branch and merge, with several inputs and outputs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from pellucid.core.errors import InvalidValue, ShapeError, UnknownName, did_you_mean
from pellucid.core.registry import describe
from pellucid.core.types import Array, Bool, Cache, Key, Params, PyTree, Shapes, State
from pellucid.layers import Layer, layers
from pellucid.network.masks import Masks, check_masks
from pellucid.network.sequential import BackwardPass, ForwardPass, Network, split_activation

Names: TypeAlias = str | Sequence[str]
"""One name, or several."""


@dataclass(frozen=True, init=False)
class Graph:
    """Named layers, each reading inputs or other layers: branches, merges, shortcuts (subject 1.1, 8.3).

    Formula:
        backward: δ(node) = Σ over its readers r of ∂L/∂x of r for that node, readers before what they read

    A node ``a`` with an activation counts as two, the map ``a`` and the activation, ``a.relu`` for example; whoever
    reads ``a`` reads the activation. The nodes may be given in any order; the layers stand so that each comes after
    what it reads, else in the order given. Otherwise it is used like a `Network`; with several inputs ``x``, the
    shapes given to ``init`` and the gradient for the input are tuples.

    Args:
        inputs: the name of the input, or of several.
        nodes: by name, a layer (object, name or table) and what it reads, a name or several:
            ``{"sum": ("add", ("a", "b"))}``; or, as TOML has it, the layer's table with ``reads`` among its fields.
        outputs: the name of the node that is the prediction, or of several.

    Raises:
        InvalidValue: nodes in a circle, nodes or inputs that no output depends on, a layer that reads too many or
            too few, a name given twice, a layer that cannot keep the padding apart that another makes.
        UnknownName: a node that reads, or an output that is, nothing of the graph.

    Example:
        >>> graph = Graph(
        ...     inputs="x",
        ...     nodes={
        ...         "a": ({"name": "dense", "units": 4, "activation": "relu"}, "x"),
        ...         "b": ({"name": "dense", "units": 4}, "x"),
        ...         "sum": ("add", ("a", "b")),
        ...     },
        ...     outputs="sum",
        ... )
        >>> graph.names
        ('a', 'a.relu', 'b', 'sum')
        >>> graph.reads[-1]
        ('a.relu', 'b')
        >>> params, state, shape = graph.init(jax.random.key(0), (3,))
        >>> graph.forward(params, state, jnp.ones((5, 3))).outputs[-1].shape
        (5, 4)

    Source: Werbos, Applications of advances in nonlinear sensitivity analysis, 1982.
    """

    inputs: tuple[str, ...]
    names: tuple[str, ...]
    """A name for each layer."""
    layers: tuple[Layer, ...]
    reads: tuple[tuple[str, ...], ...]
    """What each layer reads: names of inputs or of layers before it."""
    outputs: tuple[str, ...]

    def __init__(self, *, inputs: Names, nodes: Mapping[str, Any], outputs: Names) -> None:
        given = {name: _node(name, node) for name, node in nodes.items()}
        split: dict[str, tuple[Layer, tuple[str, ...]]] = {}
        end_of: dict[str, str] = {}
        for name, (layer, reads) in given.items():
            whole, *activation = split_activation(layer)
            split[name] = whole, reads
            end_of[name] = name
            for part in activation:
                end_of[name] = f"{name}.{part.function.name}"  # pyright: ignore[reportAttributeAccessIssue]
                if end_of[name] in given:
                    raise InvalidValue(
                        f"the graph has a node {end_of[name]!r}: the name of the activation of {name!r}."
                    )
                split[end_of[name]] = part, (name,)
        inputs, outputs = _several(inputs), _several(outputs)
        _check_names(inputs, split, outputs)
        for name, (_, reads) in given.items():
            split[name] = split[name][0], tuple(end_of.get(read, read) for read in reads)
        outputs = tuple(end_of.get(name, name) for name in outputs)
        names = _in_order(inputs, split)
        _check_used(inputs, split, outputs)
        for field, value in (
            ("inputs", inputs),
            ("names", names),
            ("layers", tuple(split[name][0] for name in names)),
            ("reads", tuple(split[name][1] for name in names)),
            ("outputs", outputs),
        ):
            object.__setattr__(self, field, value)
        check_masks(self)

    @property
    def ends(self) -> tuple[int, ...]:
        """The numbers of the layers whose outputs are the predictions."""
        return tuple(self.names.index(name) for name in self.outputs)

    def init(self, key: Key[Array, ""], input_shape: Shapes) -> tuple[tuple[Params, ...], tuple[State, ...], Shapes]:
        """Draw all parameters for examples of ``input_shape``; say the shape of the prediction, or of each."""
        shapes: dict[str, Any] = dict(zip(self.inputs, self.each_input(input_shape), strict=True))
        params: list[Params] = []
        state: list[State] = []
        for i, (name, layer, shape) in enumerate(self._walk(shapes)):
            layer_params, layer_state, shapes[name] = layer.init(jax.random.fold_in(key, i), shape)
            params.append(layer_params)
            state.append(layer_state)
        check_masks(self, shapes)
        predicted = tuple(shapes[name] for name in self.outputs)
        return tuple(params), tuple(state), _one_or_several(predicted)

    def forward(
        self,
        params: tuple[Params, ...],
        state: tuple[State, ...],
        x: PyTree,
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
        sample_mask: Bool[Array, " batch"] | None = None,
    ) -> ForwardPass:
        """Forward propagation, keeping every output and every cache.

        Args:
            params: from ``init``.
            state: from ``init`` or the last step.
            x: a batch, shape (batch, *input_shape); one array an input where there are several.
            key: random key for layers that draw (dropout); needed in training only.
            training: training or prediction mode.
            sample_mask: False for rows that only fill up a short batch.
        """
        values: dict[str, Any] = dict(zip(self.inputs, self.each_input(x), strict=True))
        new_state: list[State] = []
        caches: list[Cache] = []
        masks = Masks(self, values)
        for i, (name, layer, given) in enumerate(self._walk(values)):
            layer_key = None if key is None else jax.random.fold_in(key, i)
            more = {"sample_mask": sample_mask} if layer.depends_on_batch else {}
            values[name], layer_state, cache = layer.forward(
                params[i], state[i], given, key=layer_key, training=training, **more, **masks.arguments(i)
            )
            masks.add(i, given, values[name])
            new_state.append(layer_state)
            caches.append(cache)
        outputs = tuple(values[name] for name in self.names)
        return ForwardPass(outputs, tuple(new_state), tuple(caches), masks.of)

    def backward(
        self, params: tuple[Params, ...], caches: tuple[Cache, ...], gradients: Mapping[int, Array]
    ) -> BackwardPass:
        """The layers in reverse; the gradients that come back to one layer from several readers add up.

        Args:
            params: those of the forward pass.
            caches: what the forward pass left.
            gradients: ∂L/∂output by the number of the layer it belongs to. Layers that none of these depend on are
                passed by; their gradients are 0.
        """
        deltas: dict[str, Array] = {self.names[i]: gradient for i, gradient in gradients.items()}
        grads: list[Params] = [{} for _ in self.layers]
        for i in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[i]
            if self.names[i] not in deltas:
                grads[i] = jax.tree.map(jnp.zeros_like, params[i])
                continue
            dx, grads[i] = layer.backward(params[i], caches[i], deltas[self.names[i]])
            for read, part in zip(self.reads[i], (dx,) if layer.inputs == 1 else dx, strict=True):
                deltas[read] = deltas[read] + part if read in deltas else part
        return BackwardPass(
            _one_or_several(tuple(deltas.get(name) for name in self.inputs)),
            tuple(deltas.get(name) for name in self.names),
            tuple(grads),
        )

    def accepting(self, input_shape: Shapes) -> "Graph":
        """This graph: where it flattens it says itself."""
        return self

    def check_input(self, x: Any, input_shape: Shapes) -> None:
        """Raise `ShapeError` unless ``x`` is a batch of examples of ``input_shape``."""
        for name, array, shape in zip(self.inputs, self.each_input(x), self.each_input(input_shape), strict=True):
            if tuple(array.shape[1:]) != tuple(shape):
                raise ShapeError(
                    f"the graph takes batches of shape (batch, {', '.join(map(str, shape))}) as {name!r}. "
                    f"Received: {tuple(array.shape)}."
                    + (" For one example, put it in a batch of one: x[None]." if array.shape == shape else "")
                )

    def describe(self) -> dict[str, Any]:
        """The graph as tables, to be written down; ``Graph(**description)`` builds it again."""
        nodes = {}
        for name, layer, reads in zip(self.names, self.layers, self.reads, strict=True):
            described = describe(layer)
            table = {"name": described} if isinstance(described, str) else described
            nodes[name] = table | {"reads": describe(_one_or_several(reads))}
        return {
            "inputs": describe(_one_or_several(self.inputs)),
            "outputs": describe(_one_or_several(self.outputs)),
            "nodes": nodes,
        }

    def each_input(self, given: Any) -> tuple[Any, ...]:
        """What was given for the inputs (arrays or shapes), one for each.

        Raises:
            ShapeError: not as many as there are inputs.
        """
        if len(self.inputs) == 1:
            return (given,)
        several = isinstance(given, tuple | list) and not isinstance(given[0], int)
        if not several or len(given) != len(self.inputs):
            raise ShapeError(
                f"the graph has {len(self.inputs)} inputs ({', '.join(self.inputs)}); give a tuple of as many. "
                f"Received: {f'a tuple of {len(given)}' if several else 'one'}."
            )
        return tuple(given)

    def _walk(self, values: dict[str, Any]) -> Iterator[tuple[str, Layer, Any]]:
        """Name, layer and what it reads of ``values``, which the caller fills as the walk goes on."""
        for name, layer, reads in zip(self.names, self.layers, self.reads, strict=True):
            given = tuple(values[read] for read in reads)
            yield name, layer, given[0] if layer.inputs == 1 else given


AnyNetwork: TypeAlias = Network | Graph
"""What can be trained: layers one after another, or a graph of them."""


def build_network(description: Any) -> AnyNetwork:
    """The network that a description says: a list of layers, or tables of them as TOML holds them.

    Args:
        description: what ``describe()`` gave; or a table with ``layers`` alone, or with ``inputs``, ``nodes`` and
            ``outputs``.

    Raises:
        InvalidValue: something else.

    Example:
        >>> build_network([{"name": "dense", "units": 3}]).names
        ('dense_1',)
        >>> build_network({"inputs": "x", "outputs": "a", "nodes": {"a": {"name": "flatten", "reads": "x"}}}).names
        ('a',)
    """
    listed = description
    if isinstance(description, Mapping) and description.keys() == {"layers"}:
        listed = description["layers"]
    if isinstance(listed, list):
        return Network(*listed)
    if isinstance(description, Mapping) and description.keys() == {"inputs", "nodes", "outputs"}:
        return Graph(**description)
    keys = description if isinstance(description, Mapping) else ()
    raise InvalidValue(
        "a network lists its layers as [[layers]] tables and nothing else; a graph has inputs, outputs and a table "
        f"[nodes.NAME] for each node. Received: {', '.join(keys) or 'neither'}."
    )


def _several(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _one_or_several(items: tuple[Any, ...]) -> Any:
    return items[0] if len(items) == 1 else items


def _node(name: str, given: Any) -> tuple[Layer, tuple[str, ...]]:
    """The layer of a node, and the names that it reads."""
    if isinstance(given, Mapping) and "reads" in given:
        given = ({key: value for key, value in given.items() if key != "reads"}, given["reads"])
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != 2:
        raise InvalidValue(
            f"the node {name!r} needs a layer and what it reads: (Dense(4), 'x'), or a table with reads = 'x'. "
            f"Received: {given!r:.80}."
        )
    layer, reads = layers.build(given[0]), _several(given[1])
    if layer.inputs != len(reads) and (layer.inputs is not None or not reads):
        wanted = "at least 1" if layer.inputs is None else layer.inputs
        advice = " Add() or Concatenate() merges several into one." if layer.inputs == 1 else ""
        raise InvalidValue(
            f"the node {name!r} ({layer.name}) reads {wanted} input{'s' * (wanted != 1)}. "
            f"Received: {len(reads)} ({', '.join(reads)}).{advice}"
        )
    return layer, reads


def _check_names(
    inputs: tuple[str, ...], nodes: dict[str, tuple[Layer, tuple[str, ...]]], outputs: tuple[str, ...]
) -> None:
    known = (*inputs, *nodes)
    twice = {name for name in known if known.count(name) > 1} | {o for o in outputs if outputs.count(o) > 1}
    if twice:
        raise InvalidValue(f"each name of a graph is given once. Twice: {', '.join(sorted(twice))}.")
    if not inputs or not outputs:
        raise InvalidValue("a graph needs at least one input and one output.")
    readers = [(f"the node {name!r} reads", read, known) for name, (_, reads) in nodes.items() for read in reads]
    for says, name, allowed in readers + [("the output is", name, tuple(nodes)) for name in outputs]:
        if name not in allowed:
            raise UnknownName(
                f"{says} {name!r}, which the graph does not have.{did_you_mean(name, allowed)} "
                f"Known: {', '.join(allowed)}."
            )


def _in_order(inputs: tuple[str, ...], nodes: dict[str, tuple[Layer, tuple[str, ...]]]) -> tuple[str, ...]:
    """The nodes so that each comes after what it reads, else as given."""
    waiting, made = dict(nodes), list(inputs)
    while waiting:
        ready = next((name for name, (_, reads) in waiting.items() if set(reads) <= set(made)), None)
        if ready is None:
            raise InvalidValue(f"the graph runs in a circle: {' reads '.join(_circle(waiting))}.")
        made.append(ready)
        del waiting[ready]
    return tuple(made[len(inputs) :])


def _circle(waiting: dict[str, tuple[Layer, tuple[str, ...]]]) -> list[str]:
    """Nodes that wait for each other, the first again at the end."""
    path = [next(iter(waiting))]
    while path.count(path[-1]) == 1:
        path.append(next(read for read in waiting[path[-1]][1] if read in waiting))
    return path[path.index(path[-1]) :]


def _check_used(
    inputs: tuple[str, ...], nodes: dict[str, tuple[Layer, tuple[str, ...]]], outputs: tuple[str, ...]
) -> None:
    used, waiting = set(), list(outputs)
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += nodes[name][1] if name in nodes else ()
    idle = [name for name in (*inputs, *nodes) if name not in used]
    if idle:
        raise InvalidValue(f"no output depends on {', '.join(map(repr, idle))}: read it, or leave it out.")
