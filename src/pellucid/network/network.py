"""Networks: layers in a chain or a graph, their forward and backward pass."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pellucid.core.display import html_table
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.precision import cast
from pellucid.core.registry import describe
from pellucid.core.types import Array, Bool, Cache, Key, Params, PyTree, Shapes, State
from pellucid.layers import Activation, Flatten, Layer, Reshape
from pellucid.network.masks import Masks, check_masks
from pellucid.network.mixing import check_mixing
from pellucid.network.remat import Segment, recompute, segments_of
from pellucid.network.structure import SHARED, Names, Structure, chain, graph, layer_key, numbered, one_or_several

MOST_NAMES = 8
"""Names of layers in the representation of a chain."""


class ForwardPass(NamedTuple):
    """The result of forward propagation, one entry for each layer."""

    outputs: tuple[Array, ...]
    """z of every affine map, a of every activation, in order; the last is the prediction."""
    state: tuple[State, ...]
    caches: tuple[Cache, ...]
    masks: Mapping[str, Bool[Array, "batch *steps"]]
    """True at real steps: the mask of each input and each layer's output that has padding, by name."""


class BackwardPass(NamedTuple):
    """The result of the chain rule, one entry for each layer."""

    dx: PyTree
    """∂L/∂x, the gradient for the network's input; a tuple for several, None where no gradient reaches it."""
    deltas: tuple[Array | None, ...]
    """∂L/∂output of each layer; None for a layer that no gradient reaches."""
    grads: tuple[Params, ...]
    """∂L/∂params of each layer."""


@dataclass(frozen=True, init=False, repr=False)
class Network(Structure):
    """A chain of layers from input to prediction; `Network.graph` makes branches and merges.

    A layer with an ``activation`` counts as two, the map and the activation, so that z and a are
    both visible. A network holds structure only: its parameters are a tuple with one dict for each layer.

    Args:
        layers: `Layer` objects, or their names or tables (``{"name": "dense", "units": 10}``).

    Raises:
        InvalidValue: no layers, something that is not a layer, a layer that reads several, or one that cannot keep
            the padding apart that a layer before it makes.

    Example:
        >>> from pellucid.layers import Dense
        >>> network = Network(Dense(4, "relu"), Dense(3, "softmax"))
        >>> network
        Network(input → dense_1 → relu_1 → dense_2 → softmax_1)
        >>> params, state, shape = network.init(jax.random.key(0), (2,))
        >>> network.forward(params, state, jnp.ones((5, 2))).outputs[-1].shape
        (5, 3)
    """

    def __init__(self, *layers: Layer | str | Mapping[str, Any]) -> None:
        self.__dict__.update(chain(layers).__dict__)
        check_masks(self)
        check_mixing(self)

    @classmethod
    def graph(cls, *, inputs: Names, nodes: Mapping[str, Any], outputs: Names) -> "Network":
        """Named layers, each reading inputs or other layers: branches, merges, shortcuts.

        Formula:
            backward: δ(node) = Σ over its readers r of ∂L/∂x of r for that node, readers before what they read

        A node ``a`` with an activation counts as two, the map ``a`` and the activation, ``a.relu`` for example; a
        node that reads ``a`` reads the activation. Nodes with the same layer object share its weights, as in Keras; in
        a table ``{"name": "shared", "layer": "a"}`` is the layer of ``a`` once more. Equal layers are two.
        The nodes may be given in any order; the layers stand so that each comes after what it reads, else in the order
        given. With several inputs ``x``, the shapes given to ``init`` and
        the gradient for the input are tuples.

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
            >>> from pellucid.layers import Dense
            >>> network = Network.graph(
            ...     inputs="x",
            ...     nodes={
            ...         "a": (Dense(4, "relu"), "x"),
            ...         "b": (Dense(4), "x"),
            ...         "sum": ("add", ("a", "b")),
            ...     },
            ...     outputs="sum",
            ... )
            >>> network.names, network.reads[-1]
            (('a', 'a.relu', 'b', 'sum'), ('a.relu', 'b'))
            >>> params, state, shape = network.init(jax.random.key(0), (3,))
            >>> network.forward(params, state, jnp.ones((5, 3))).outputs[-1].shape
            (5, 4)

        Source: Werbos, Applications of advances in nonlinear sensitivity analysis, 1982.
        """
        network = cls.__new__(cls)
        network.__dict__.update(graph(inputs, nodes, outputs).__dict__)
        check_masks(network)
        check_mixing(network)
        return network

    def with_layers(self, layers: Sequence[Layer]) -> "Network":
        """The same structure and names with other layers, one for each."""
        network = copy.copy(self)
        network.__dict__["layers"] = tuple(layers)
        return network

    def in_precision(self, precision: str) -> "Network":
        """The same network, computed in another precision."""
        return self._with(precision=precision)

    def recomputing(self, remat: bool = True) -> "Network":
        """The same network, whose backward pass in training computes the activations again instead of keeping them.

        √n of n layers at a time are computed again, from what they read; the gradients are the same.

        Source: Chen, Xu, Zhang, Guestrin, Training deep nets with sublinear memory cost, 2016.
        """
        return self._with(remat=remat)

    def _with(self, **how: Any) -> "Network":
        network = copy.copy(self)
        network.__dict__.update(how)
        return network

    @property
    def dtype(self) -> Any:
        """Of parameters, states, and all outputs."""
        return jnp.dtype("float64" if self.precision == "float64" else "float32")

    @property
    def is_chain(self) -> bool:
        """True for layers in a row under the names that ``Network(*layers)`` gives them."""
        in_a_row = self.reads == tuple((name,) for name in (*self.inputs, *self.names[:-1]))
        return (
            in_a_row
            and (self.inputs, self.outputs) == (("input",), self.names[-1:])
            and self.names == numbered(self.layers)
        )

    @property
    def ends(self) -> tuple[int, ...]:
        """The indices of the layers whose outputs are the predictions."""
        return tuple(self.names.index(name) for name in self.outputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """A name for each output: that of its node, without the activation that ends it.

        Example:
            >>> from pellucid.layers import Dense
            >>> nodes = {"digit": (Dense(10, "softmax"), "x"), "angle": (Dense(1), "x")}
            >>> Network.graph(inputs="x", nodes=nodes, outputs=("digit", "angle")).output_names
            ('digit', 'angle')
        """
        names = []
        for name, end in zip(self.outputs, self.ends, strict=True):
            layer, read = self.layers[end], self.reads[end][0]
            is_part = isinstance(layer, Activation) and name == f"{read}.{getattr(layer.function, 'name', '')}"
            names.append(read if is_part and read not in self.outputs else name)
        return tuple(names)

    def ending_in(self, name: str) -> "Network":
        """The same layers with one of the outputs alone, by its name in ``output_names``."""
        network = copy.copy(self)
        network.__dict__["outputs"] = (self.outputs[self.output_names.index(name)],)
        return network

    def init(self, key: Key[Array, ""], input_shape: Shapes) -> tuple[tuple[Params, ...], tuple[State, ...], Shapes]:
        """Initialise all parameters for examples of ``input_shape``.

        Returns:
            Parameters and state of each layer, and the shape of one prediction, or of each output's.

        Raises:
            InvalidValue: a layer that cannot keep padded steps apart from real ones.
        """
        shapes: dict[str, Any] = dict(zip(self.inputs, self.each_input(input_shape), strict=True))
        params: list[Params] = [{} for _ in self.layers]
        state: list[State] = [{} for _ in self.layers]
        made: set[int] = set()
        for i, (name, layer, shape) in enumerate(self._walk(shapes)):
            owner = self.owner(i)
            layer_params, layer_state, shapes[name] = layer.init(jax.random.fold_in(key, owner), shape)
            if owner in made:
                self._check_shared(i, params[owner], layer_params, shape)
            else:
                params[owner], state[owner] = cast(layer_params, self.dtype), cast(layer_state, self.dtype)
                made.add(owner)
        check_masks(self, shapes)
        return tuple(params), tuple(state), one_or_several(tuple(shapes[name] for name in self.outputs))

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
            x: a batch, shape (batch, *input_shape); a tuple of arrays for several inputs.
            key: random key for layers that draw (dropout); needed in training only.
            training: training or prediction mode.
            sample_mask: False for rows that only fill up a short batch: a layer that depends on the batch leaves them
                out. None: all count.
        """
        values: dict[str, Any] = dict(zip(self.inputs, self.each_input(x), strict=True))
        new_state = list(state)
        used: list[State] = []
        caches: list[Cache] = []
        arguments: list[dict[str, Any]] = []
        masks = Masks(self, values)
        for i, (name, layer, read) in enumerate(self._walk(values)):
            more = {"sample_mask": sample_mask} if layer.depends_on_batch else {}
            owner = self.owner(i)
            used.append(new_state[owner])
            arguments.append({"key": layer_key(key, i), "training": training, **more, **masks.arguments(i)})
            with jax.named_scope(name):  # what profiles and exported graphs call its operations
                values[name], new_state[owner], cache = self.forward_layer(
                    i, params[owner], used[i], read, arguments[i]
                )
            masks.add(i, read, values[name])
            caches.append(cache)
        outputs = tuple(values[name] for name in self.names)
        kept = segments_of(self, values, tuple(used), arguments) if self.remat and training else tuple(caches)
        return ForwardPass(outputs, tuple(new_state), kept, masks.of)

    def forward_layer(
        self, i: int, params: Params, state: State, x: PyTree, arguments: Mapping[str, Any]
    ) -> tuple[Array, State, Cache]:
        """The forward pass of layer ``i`` in the network's precision; ``arguments`` are the others that it takes."""
        own, inside = self._inside(self.layers[i], (params, x))
        y, new_state, cache = self.layers[i].forward(own, state, inside, **arguments)
        return *self._outside((y, new_state)), cache

    def backward(
        self, params: tuple[Params, ...], caches: tuple[Cache, ...], gradients: Mapping[int, Array]
    ) -> BackwardPass:
        """Run the layers in reverse; gradients from several readers of a layer, or several uses, add up.

        Args:
            params: those of the forward pass.
            caches: those of the forward pass.
            gradients: ∂L/∂output by the index of the layer. Layers that none of these depend on are passed by; their
                gradients are 0.
        """
        deltas: dict[str, Array] = {self.names[i]: gradient for i, gradient in gradients.items()}
        grads: dict[int, Params] = {}
        kept = list(caches)
        for i in range(len(self.layers) - 1, -1, -1):
            layer, owner = self.layers[i], self.owner(i)
            if isinstance(segment := kept[i], Segment):
                kept[segment.start : i + 1] = recompute(self, params, segment, deltas)
            if self.names[i] not in deltas:
                continue
            own, delta = self._inside(layer, (params[owner], deltas[self.names[i]]))
            dx, of_use = self._outside(layer.backward(own, kept[i], delta))
            grads[owner] = jax.tree.map(jnp.add, grads[owner], of_use) if owner in grads else of_use
            for read, part in zip(self.reads[i], (dx,) if layer.inputs == 1 else dx, strict=True):
                deltas[read] = deltas[read] + part if read in deltas else part
        return BackwardPass(
            one_or_several(tuple(deltas.get(name) for name in self.inputs)),
            tuple(deltas.get(name) for name in self.names),
            tuple(
                grads[i] if i in grads else jax.tree.map(jnp.zeros_like, of_layer) for i, of_layer in enumerate(params)
            ),
        )

    def _check_shared(self, i: int, owned: Params, own: Params, shape: Any) -> None:
        before, here = (jax.tree.map(lambda array: array.shape, tree) for tree in (owned, own))
        if before != here:
            together = [name for k, name in enumerate(self.names) if self.owner(k) == self.owner(i)]
            raise ShapeError(
                f"{' and '.join(together)} share their weights, which do not fit the input of {self.names[i]!r}, of "
                f"shape {shape}: {before}, needed {here}. Give it a layer of its own."
            )

    def accepting(self, input_shape: Shapes) -> "Network":
        """Prepend a `Flatten` or `Reshape` where the first layer needs another shape of example.

        A `Flatten` before a dense layer; a `Reshape` that adds the axis of channels before a convolution or pooling.
        A graph stays as it is.

        Example:
            >>> from pellucid.layers import Dense
            >>> Network(Dense(10)).accepting((28, 28)).names
            ('flatten_1', 'dense_1')
        """
        axes, how = self.layers[0].input_axes, {"precision": self.precision, "remat": self.remat}
        if axes is None or axes == len(input_shape) or not self.is_chain:
            return self
        if axes == 1:
            return Network(Flatten(), *self.layers)._with(**how)
        if axes != len(input_shape) + 1:
            return self
        return Network(Reshape((*input_shape, 1)), *self.layers)._with(**how)  # pyright: ignore[reportArgumentType]

    def check_input(self, x: Any, input_shape: Shapes) -> None:
        """Raise `ShapeError` unless ``x`` is a batch of examples of ``input_shape``."""
        for name, array, shape in zip(self.inputs, self.each_input(x), self.each_input(input_shape), strict=True):
            if tuple(array.shape[1:]) != tuple(shape):
                raise ShapeError(
                    f"the network takes batches of shape (batch, {', '.join(map(str, shape))})"
                    f"{f' as {name!r}' if len(self.inputs) > 1 else ''}. Received: {tuple(array.shape)}."
                    + (" For one example, put it in a batch of one: x[None]." if array.shape == shape else "")
                )

    def describe(self) -> Any:
        """The network as plain data, from which `build_network` builds it again.

        Returns:
            A list of layers for a chain; inputs, outputs and a table of nodes for a graph.
        """
        described = [
            describe(layer) if self.owner(i) == i else {"name": SHARED, "layer": self.names[self.owner(i)]}
            for i, layer in enumerate(self.layers)
        ]
        if self.is_chain:
            return described
        nodes = {
            name: ({"name": layer} if isinstance(layer, str) else layer) | {"reads": describe(one_or_several(reads))}
            for name, layer, reads in zip(self.names, described, self.reads, strict=True)
        }
        return {
            "inputs": describe(one_or_several(self.inputs)),
            "outputs": describe(one_or_several(self.outputs)),
            "nodes": nodes,
        }

    def each_input(self, given: Any) -> tuple[Any, ...]:
        """The arrays or shapes of the inputs, one for each.

        Raises:
            ShapeError: not as many as there are inputs.
        """
        if len(self.inputs) == 1:
            return (given,)
        is_several = isinstance(given, tuple | list) and not isinstance(given[0], int)
        if not is_several or len(given) != len(self.inputs):
            raise ShapeError(
                f"the network has {len(self.inputs)} inputs ({', '.join(self.inputs)}); give a tuple of as many. "
                f"Received: {f'a tuple of {len(given)}' if is_several else 'one'}."
            )
        return tuple(given)

    def _inside(self, layer: Layer, arrays: PyTree) -> PyTree:
        """Arrays as a layer computes with them; between layers they are in ``dtype``."""
        reduced = self.precision == "bfloat16" and not (layer.precise or layer.rearranges)
        return cast(arrays, jnp.bfloat16) if reduced else arrays

    def _outside(self, arrays: PyTree) -> PyTree:
        # The compiler removes conversions to float32 and back.
        return cast(arrays, self.dtype) if self.precision == "bfloat16" else arrays

    def _walk(self, values: dict[str, Any]) -> Iterator[tuple[str, Layer, Any]]:
        """Yield name, layer and inputs from ``values``, which the caller fills meanwhile."""
        for name, layer, reads in zip(self.names, self.layers, self.reads, strict=True):
            read = tuple(values[source] for source in reads)
            yield name, layer, read[0] if layer.inputs == 1 else read

    def __repr__(self) -> str:
        if not self.is_chain:
            layers = f"{len(self.layers)} layer{'s' * (len(self.layers) != 1)}"
            return f"Network({', '.join(self.inputs)} → {layers} → {', '.join(self.outputs)})"
        names = self.names
        if len(names) > MOST_NAMES:
            names = (*names[: MOST_NAMES // 2], f"{len(names) - MOST_NAMES} more", *names[-MOST_NAMES // 2 :])
        return f"Network({' → '.join(self.inputs + names)})"

    def _repr_html_(self) -> str:
        rows = [
            (name, ", ".join(reads), _written(describe(layer)))
            for name, layer, reads in zip(self.names, self.layers, self.reads, strict=True)
        ]
        return html_table(("layer", "reads", "specification"), rows)


def _written(described: Any) -> str:
    """A layer's description as the command line takes it: ``conv2d:filters=8,kernel=3``."""
    if isinstance(described, str):
        return described
    return f"{described['name']}:" + ",".join(f"{key}={value}" for key, value in described.items() if key != "name")


def build_network(description: Any) -> Network:
    """Build a network from its description: a list of layers, or tables from TOML.

    Args:
        description: from ``describe()``; or a table with ``layers`` alone, or with ``inputs``, ``nodes`` and
            ``outputs``.

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
        return Network.graph(**description)
    keys = description if isinstance(description, Mapping) else ()
    raise InvalidValue(
        "a network lists its layers as [[layers]] tables and nothing else; a graph has inputs, outputs and a table "
        f"[nodes.NAME] for each node. Received: {', '.join(keys) or 'neither'}."
    )
