"""The sequential network: layers one after another."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.registry import describe, name_of
from pellucid.core.types import Array, Bool, Cache, Key, Params, PyTree, Shape, State
from pellucid.layers import Activation, Dense, Flatten, Layer, Reshape, layers
from pellucid.network.masks import Masks, check_masks


class ForwardPass(NamedTuple):
    """What forward propagation leaves, one entry a layer."""

    outputs: tuple[Array, ...]
    """z of every affine map, a of every activation, in order; the last is the prediction."""
    state: tuple[State, ...]
    caches: tuple[Cache, ...]
    masks: Mapping[str, Bool[Array, "batch *places"]]
    """True at real steps: the mask of each input and each layer's output that has padding, by name."""


class BackwardPass(NamedTuple):
    """What the chain rule gives on its way back, one entry a layer."""

    dx: PyTree
    """∂L/∂x, the gradient of the loss for the network's input; a tuple for several, None where nothing came through."""
    deltas: tuple[Array | None, ...]
    """∂L/∂output of each layer; None for a layer that the gradients came in before or passed by."""
    grads: tuple[Params, ...]
    """∂L/∂params of each layer."""


@dataclass(frozen=True, init=False)
class Network:
    """Layers one after another, from the input to the prediction (subject 1.2, 1.3).

    A layer with an ``activation`` counts as two, the map and the activation, so that z and a are
    both visible. A network holds structure only: its parameters are a tuple with one dict a layer.

    Args:
        layers: `Layer` objects, or their names or tables (``{"name": "dense", "units": 10}``).

    Raises:
        InvalidValue: no layers, something that is not a layer, a layer that reads several, or one that cannot keep
            the padding apart that a layer before it makes.

    Example:
        >>> network = Network(Dense(4, "relu"), Dense(3, "softmax"))
        >>> network.names
        ('dense_1', 'relu_1', 'dense_2', 'softmax_1')
        >>> params, state, shape = network.init(jax.random.key(0), (2,))
        >>> network.forward(params, state, jax.numpy.ones((5, 2))).outputs[-1].shape
        (5, 3)
    """

    layers: tuple[Layer, ...]

    def __init__(self, *specifications: Layer | str | Mapping[str, Any]) -> None:
        if not specifications:
            raise InvalidValue("a network needs at least one layer, for example Dense(10, 'softmax').")
        split = tuple(part for given in specifications for part in split_activation(layers.build(given)))
        for layer in split:
            if layer.inputs != 1:
                raise InvalidValue(f"{layer.name!r} reads several layers; describe the network as a Graph.")
        object.__setattr__(self, "layers", split)
        check_masks(self)

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each layer: what it is and its number among its like."""
        counts: dict[str, int] = {}
        names: list[str] = []
        for layer in self.layers:
            kind = name_of(layer.function if isinstance(layer, Activation) else layer)
            counts[kind] = counts.get(kind, 0) + 1
            names.append(f"{kind}_{counts[kind]}")
        return tuple(names)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The name of its input, as ``reads`` gives it."""
        return ("input",)

    @property
    def reads(self) -> tuple[tuple[str, ...], ...]:
        """What each layer reads: the layer before it."""
        return tuple((name,) for name in self.inputs + self.names[:-1])

    @property
    def ends(self) -> tuple[int, ...]:
        """The number of the layer whose output is the prediction: the last."""
        return (len(self.layers) - 1,)

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[tuple[Params, ...], tuple[State, ...], Shape]:
        """Draw all parameters for examples of ``input_shape``; say the shape of one prediction.

        Raises:
            InvalidValue: a layer that cannot keep padded steps apart from real ones.
        """
        params: list[Params] = []
        state: list[State] = []
        shapes = [input_shape]
        for i, layer in enumerate(self.layers):
            layer_params, layer_state, shape = layer.init(jax.random.fold_in(key, i), shapes[-1])
            params.append(layer_params)
            state.append(layer_state)
            shapes.append(shape)
        check_masks(self, dict(zip(self.inputs + self.names, shapes, strict=True)))
        return tuple(params), tuple(state), shapes[-1]

    def forward(
        self,
        params: tuple[Params, ...],
        state: tuple[State, ...],
        x: Array,
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
        sample_mask: Bool[Array, " batch"] | None = None,
    ) -> ForwardPass:
        """Forward propagation, keeping every output and every cache.

        Args:
            params: from ``init``.
            state: from ``init`` or the last step.
            x: a batch, shape (batch, *input_shape).
            key: random key for layers that draw (dropout); needed in training only.
            training: training or prediction mode.
            sample_mask: False for rows that only fill up a short batch: a layer that mixes the examples of a batch leaves
                them out. None: all count.
        """
        outputs: list[Array] = []
        new_state: list[State] = []
        caches: list[Cache] = []
        masks = Masks(self, {"input": x})
        for i, layer in enumerate(self.layers):
            layer_key = None if key is None else jax.random.fold_in(key, i)
            more = {"sample_mask": sample_mask} if layer.depends_on_batch else {}
            y, layer_state, cache = layer.forward(
                params[i], state[i], x, key=layer_key, training=training, **more, **masks.arguments(i)
            )
            masks.add(i, x, y)
            outputs.append(y)
            new_state.append(layer_state)
            caches.append(cache)
            x = y
        return ForwardPass(tuple(outputs), tuple(new_state), tuple(caches), masks.of)

    def backward(
        self, params: tuple[Params, ...], caches: tuple[Cache, ...], gradients: Mapping[int, Array]
    ) -> BackwardPass:
        """The layers in reverse, each turning the gradient of its output into that of its input.

        Args:
            params: those of the forward pass.
            caches: what the forward pass left.
            gradients: ∂L/∂output by the number of the layer it belongs to; from the last of them on backwards all
                layers are passed, and the gradients of others are added where they belong.
        """
        deltas: list[Array | None] = [None] * len(self.layers)
        grads: list[Params] = [{} for _ in self.layers]
        last = max(gradients)
        delta = gradients[last]
        for i in range(last, -1, -1):
            if i in gradients and i != last:
                delta = delta + gradients[i]
            deltas[i] = delta
            delta, grads[i] = self.layers[i].backward(params[i], caches[i], delta)
        return BackwardPass(delta, tuple(deltas), tuple(grads))

    def accepting(self, input_shape: Shape) -> "Network":
        """This network, with a layer in front that brings examples into the shape that the first layer takes.

        A `Flatten` before a dense layer; a `Reshape` that adds the axis of channels before a convolution or pooling.

        Example:
            >>> Network(Dense(10)).accepting((28, 28)).names
            ('flatten_1', 'dense_1')
        """
        first, axes = self.layers[0], len(input_shape)
        if isinstance(first, Dense) and axes != 1:
            return Network(Flatten(), *self.layers)
        if getattr(first, "rank", None) == axes:
            return Network(Reshape((*input_shape, 1)), *self.layers)
        return self

    def check_input(self, x: Any, input_shape: Shape) -> None:
        """Raise `ShapeError` unless ``x`` is a batch of examples of ``input_shape``."""
        if tuple(x.shape[1:]) != tuple(input_shape):
            raise ShapeError(
                f"the network takes batches of shape (batch, {', '.join(map(str, input_shape))}). "
                f"Received: {tuple(x.shape)}."
                + (" For one example, put it in a batch of one: x[None]." if x.shape == input_shape else "")
            )

    def describe(self) -> list[Any]:
        """The layers as specifications, to be written down; ``Network(*description)`` builds it again."""
        return [describe(layer) for layer in self.layers]


def split_activation(layer: Layer) -> tuple[Layer, ...]:
    """The layer without its activation, and the activation; or the layer alone, where it has none outside."""
    function = getattr(layer, "activation", None)
    if function is None or layer.activation_inside:
        return (layer,)
    return replace(layer, activation=None), Activation(function)  # pyright: ignore[reportArgumentType]
