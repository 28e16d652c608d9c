"""A layer kept as it is: its parameters are carried, not trained."""

import dataclasses
from typing import Any

from pellucid.core.errors import InvalidValue
from pellucid.core.precision import cast
from pellucid.core.registry import describe
from pellucid.core.types import Array, Cache, Key, Params, Shape, Specification, State
from pellucid.layers.layer import AnyKey, Layer, Units, Wrapper, layers, specified


@layers.register("frozen")
class Frozen(Wrapper):
    """A layer that training leaves alone, while the gradients still pass through it.

    Formula:
        y and ∂L/∂x of the layer itself; no gradients, since its parameters are part of the state

    No optimiser, regulariser or weight decay meets them.

    Args:
        layer: the layer, or its table, without an activation: `Activation` follows as a layer of its own.

    Raises:
        InvalidValue: a layer with an activation after it, one that depends on the batch, or one that reads several
            arrays.

    Example:
        >>> import jax
        >>> params, state, shape = Frozen({"name": "dense", "units": 3}).init(jax.random.key(0), (2,))
        >>> params, state["params"]["weights"].shape, shape
        ({}, (2, 3), (3,))

    Keras sets ``trainable=False`` on a layer, PyTorch ``requires_grad=False`` on its parameters.
    """

    trainable = False
    formula = "the layer itself, not trained"
    example = {"layer": {"name": "dense", "units": 3}}, (4,)

    layer: Layer | Specification = specified(dataclasses.MISSING, layers)

    def __post_init__(self) -> None:
        super().__post_init__()
        layer = layers.build(self.layer)
        outside = getattr(layer, "activation", None) is not None and not layer.activation_inside
        if outside or layer.depends_on_batch or layer.inputs != 1:
            raise InvalidValue(
                "Frozen.layer must read one array, keep the examples of a batch apart and have no activation after it: "
                f"write Frozen(Dense(8)), Activation('relu'). Received: {describe(layer)!r}."
            )

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        params, state, shape = layers.build(self.layer).init(key, input_shape)
        return {}, {"params": params, "state": state}, shape

    def forward(
        self, params: Params, state: State, x: Any, *, key: AnyKey = None, training: bool = False, **mask: Any
    ) -> tuple[Units, State, Cache]:
        own = cast(state["params"], x.dtype)
        y, inner, cache = layers.build(self.layer).forward(own, state["state"], x, key=key, training=training, **mask)
        return y, {"params": state["params"], "state": inner}, (own, cache)

    def backward(self, params: Params, cache: Cache, dy: Units) -> tuple[Any, Params]:
        own, inner = cache
        dx, _ = layers.build(self.layer).backward(own, inner, dy)
        return dx, {}
