"""Layers that only rearrange: flatten and reshape."""

import math

import jax.numpy as jnp

from pellucid.core.errors import ShapeError
from pellucid.core.types import Array, Cache, Num, Params, Shape, State
from pellucid.layers.layer import AnyKey, Layer, Mask, layers
from pellucid.layers.sequences import broadcast_mask

Batch = Num[Array, "batch ..."]


@layers.register("flatten")
class Flatten(Layer):
    """Each example as one vector, last axis running fastest.

    Padded steps of a sequence become 0, so that they add nothing to what a layer of weights makes of the vector.

    Example:
        >>> Flatten().init(None, (28, 28))[2]
        (784,)
    """

    masks = "ends"
    takes_mask = True
    rearranges = linear = True
    formula = "the same numbers in a row"
    example = {}, (2, 3, 4)

    def init(self, key: AnyKey, input_shape: Shape) -> tuple[Params, State, Shape]:
        return {}, {}, (math.prod(input_shape),)

    def forward(
        self, params: Params, state: State, x: Batch, *, key: AnyKey = None, training: bool = False, mask: Mask = None
    ) -> tuple[Num[Array, "batch units"], State, Cache]:
        real = None if mask is None else broadcast_mask(mask, x.shape)
        y = x if real is None else jnp.where(real, x, jnp.zeros((), x.dtype))
        return y.reshape(x.shape[0], math.prod(x.shape[1:])), state, (x, real)

    def backward(self, params: Params, cache: Cache, dy: Num[Array, "batch units"]) -> tuple[Batch, Params]:
        x, real = cache
        dx = dy.reshape(x.shape)
        return dx if real is None else jnp.where(real, dx, jnp.zeros((), dx.dtype)), {}


@layers.register("reshape")
class Reshape(Layer):
    """Each example in another shape of the same size.

    With padding, the axes of the steps must stay as they are, as from (time, 6) to (time, 2, 3).

    Args:
        shape: the new shape of one example (no batch axis).

    Raises:
        ShapeError: at ``init``, when the sizes differ.

    Example:
        >>> Reshape((28, 28, 1)).init(None, (784,))[2]
        (28, 28, 1)
    """

    masks = "passes"
    rearranges = linear = True
    formula = "the same numbers in another shape"
    example = {"shape": (3, 2)}, (6,)

    shape: Shape | list[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))

    def init(self, key: AnyKey, input_shape: Shape) -> tuple[Params, State, Shape]:
        if math.prod(input_shape) != math.prod(self.shape):
            raise ShapeError(
                f"Reshape cannot turn examples of shape {input_shape} ({math.prod(input_shape)} numbers) "
                f"into {self.shape} ({math.prod(self.shape)} numbers): the sizes must be equal."
            )
        return {}, {}, tuple(self.shape)

    def forward(
        self, params: Params, state: State, x: Batch, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Batch, State, Cache]:
        return x.reshape(x.shape[0], *self.shape), state, x

    def backward(self, params: Params, cache: Cache, dy: Batch) -> tuple[Batch, Params]:
        return dy.reshape(cache.shape), {}
