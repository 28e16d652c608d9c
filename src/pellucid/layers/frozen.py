"""A layer kept as it is: its parameters are carried, not trained."""

import dataclasses
from typing import Any

import jax

from pellucid.core.errors import InvalidValue
from pellucid.core.precision import cast
from pellucid.core.registry import describe
from pellucid.core.types import Array, Cache, Key, Params, Shape, Specification, State
from pellucid.layers.layer import AnyKey, Layer, Units, Wrapper, layers, specified
from pellucid.layers.peers import Peers


@layers.register("frozen")
class Frozen(Wrapper):
    """A layer that training leaves alone, while the gradients still pass through it.

    Formula:
        y and ∂L/∂x of the layer itself in prediction mode; no gradients, since its parameters are part of the state

    No optimiser, regulariser or weight decay meets them, and running statistics stay as they are. The setting
    ``freeze`` of a training wraps the layers that it names.

    Args:
        layer: the layer, or its table, without an activation: `Activation` follows as a layer of its own.

    Raises:
        InvalidValue: a layer with an activation after it.

    Example:
        >>> import jax
        >>> params, state, shape = Frozen({"name": "dense", "units": 3}).init(jax.random.key(0), (2,))
        >>> params, state["params"]["weights"].shape, shape
        ({}, (2, 3), (3,))

    Keras sets ``trainable=False`` on a layer, which keeps the statistics of its batch normalisation too; PyTorch
    ``requires_grad=False`` on parameters, which does not: there the layer is also put into ``eval`` mode.
    """

    trainable = False
    formula = "the layer itself, not trained"
    example = {"layer": {"name": "dense", "units": 3}}, (4,)

    layer: Layer | Specification = specified(dataclasses.MISSING, layers)

    def __post_init__(self) -> None:
        super().__post_init__()
        layer = layers.build(self.layer)
        if getattr(layer, "activation", None) is not None and not layer.activation_inside:
            raise InvalidValue(
                "Frozen.layer must have no activation after it: write Frozen(Dense(8)), Activation('relu'). "
                f"Received: {describe(layer)!r}."
            )

    @property
    def peers(self) -> Peers:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Those of the layer."""
        return layers.build(self.layer).peers

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        params, state, shape = layers.build(self.layer).init(key, input_shape)
        return {}, {"params": params, "state": state}, shape

    def unpack(self, params: Params, state: State) -> tuple[Params, State]:
        return layers.build(self.layer).unpack(state["params"], state["state"])

    def pack(self, params: Params, state: State) -> tuple[Params, State]:
        own, inner = layers.build(self.layer).pack(params, state)
        return {}, {"params": own, "state": inner}

    def forward(
        self, params: Params, state: State, x: Any, *, key: AnyKey = None, training: bool = False, **mask: Any
    ) -> tuple[Units, State, Cache]:
        own = cast(state["params"], jax.tree.leaves(x)[0].dtype)
        y, _, cache = layers.build(self.layer).forward(own, state["state"], x, key=key, training=False, **mask)
        return y, state, (own, cache)

    def backward(self, params: Params, cache: Cache, dy: Units) -> tuple[Any, Params]:
        own, inner = cache
        dx, _ = layers.build(self.layer).backward(own, inner, dy)
        return dx, {}
