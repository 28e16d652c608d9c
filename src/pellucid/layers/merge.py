"""Layers that merge several branches of a graph into one."""

import math

import jax.numpy as jnp

from pellucid.core.errors import ShapeError
from pellucid.core.types import Array, Cache, Float, Params, Shape, State
from pellucid.layers.layer import AnyKey, Layer, Units, layers

Parts = tuple[Float[Array, "batch ..."], ...]


class Merge(Layer):
    """The base of the layers that merge any number of inputs of one shape."""

    inputs = None
    masks = "passes"
    linear = True
    example = {}, ((2, 3), (2, 3), (2, 3))

    def init(self, key: AnyKey, input_shape: tuple[Shape, ...]) -> tuple[Params, State, Shape]:
        if len(set(input_shape)) != 1:
            raise ShapeError(
                f"{type(self).__name__} needs inputs of one shape; nothing is broadcast. "
                f"Received: {', '.join(map(str, input_shape))}. "
                "A Dense layer on a branch, or a Conv2D, brings it to the shape of the others."
            )
        return {}, {}, input_shape[0]


@layers.register("add")
class Add(Merge):
    """The sum of its inputs, as at the end of a residual block.

    Formula:
        y = Σ_k x_k; backward ∂L/∂x_k = dy

    A step is padding where it is padding in any input.

    Raises:
        ShapeError: inputs of different shapes; nothing is broadcast.

    Example:
        >>> Add().forward({}, {}, (jnp.ones((1, 2)), jnp.ones((1, 2))))[0].tolist()
        [[2.0, 2.0]]

    Source: He et al., Deep residual learning for image recognition, 2015.
    """

    formula = "Σ x"

    def forward(
        self, params: Params, state: State, x: Parts, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Units, State, Cache]:
        return sum(x[1:], start=x[0]), state, x

    def backward(self, params: Params, cache: Cache, dy: Units) -> tuple[Parts, Params]:
        return (dy,) * len(cache), {}


@layers.register("multiply")
class Multiply(Merge):
    """The product of its inputs, element by element: a gate on a branch.

    Formula:
        y = Π_k x_k; backward ∂L/∂x_k = dy · Π_{j≠k} x_j

    A step is padding where it is padding in any input.

    Raises:
        ShapeError: inputs of different shapes; nothing is broadcast.

    Example:
        >>> Multiply().forward({}, {}, (jnp.full((1, 2), 3.0), jnp.full((1, 2), 2.0)))[0].tolist()
        [[6.0, 6.0]]
    """

    formula = "Π x"
    linear = False

    def forward(
        self, params: Params, state: State, x: Parts, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Units, State, Cache]:
        return math.prod(x[1:], start=x[0]), state, x

    def backward(self, params: Params, cache: Cache, dy: Units) -> tuple[Parts, Params]:
        # Multiplied and not divided out, since an x_k may be 0.
        others = (cache[:k] + cache[k + 1 :] for k in range(len(cache)))
        return tuple(math.prod(rest, start=dy) for rest in others), {}


@layers.register("concatenate")
class Concatenate(Merge):
    """Its inputs side by side along the last axis (features, channels).

    Formula:
        y = [x_1, x_2, …]; backward ∂L/∂x_k = the part of dy that came from x_k

    A step is padding where it is padding in any input.

    Raises:
        ShapeError: inputs that differ in an axis before the last.

    Example:
        >>> Concatenate().init(None, ((5, 3), (5, 1)))[2]
        (5, 4)
    """

    formula = "side by side"
    example = {}, ((4, 2), (4, 3))

    def init(self, key: AnyKey, input_shape: tuple[Shape, ...]) -> tuple[Params, State, Shape]:
        if len({shape[:-1] for shape in input_shape}) != 1:
            raise ShapeError(
                "Concatenate joins inputs along their last axis; all axes before it must be alike. "
                f"Received: {', '.join(map(str, input_shape))}."
            )
        return {}, {}, (*input_shape[0][:-1], sum(shape[-1] for shape in input_shape))

    def forward(
        self, params: Params, state: State, x: Parts, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Units, State, Cache]:
        return jnp.concatenate(x, axis=-1), state, x

    def backward(self, params: Params, cache: Cache, dy: Units) -> tuple[Parts, Params]:
        ends, end = [], 0
        for part in cache[:-1]:
            end += part.shape[-1]
            ends.append(end)
        return tuple(jnp.split(dy, ends, axis=-1)), {}


@layers.register("distance")
class Distance(Merge):
    """The Euclidean distance of two inputs, as of the embeddings of a pair.

    Formula:
        y = √(Σ_j (a_j − b_j)² + 10⁻¹²); backward ∂L/∂a = dy · (a − b) / y, ∂L/∂b = −∂L/∂a

    Over the last axis, which becomes one. The small number keeps the gradient finite where both inputs are the same.
    A step is padding where it is padding in any input.

    Raises:
        ShapeError: inputs of different shapes; nothing is broadcast.

    Example:
        >>> Distance().forward({}, {}, (jnp.array([[3.0, 0.0]]), jnp.array([[0.0, 4.0]])))[0].tolist()
        [[5.0]]

    Source: Hadsell, Chopra & LeCun, Dimensionality reduction by learning an invariant mapping, 2006.
    """

    formula = "‖a − b‖"
    inputs = 2
    linear = False
    example = {}, ((2, 3), (2, 3))
    output_range = (0.0, math.inf)

    def init(self, key: AnyKey, input_shape: tuple[Shape, ...]) -> tuple[Params, State, Shape]:
        params, state, shape = super().init(key, input_shape)
        return params, state, (*shape[:-1], 1)

    def forward(
        self, params: Params, state: State, x: Parts, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Units, State, Cache]:
        difference = x[0] - x[1]
        length = jnp.sqrt(jnp.sum(jnp.square(difference), axis=-1, keepdims=True) + 1e-12)
        return length, state, (difference, length)

    def backward(self, params: Params, cache: Cache, dy: Units) -> tuple[Parts, Params]:
        difference, length = cache
        dx = dy * difference / length
        return (dx, -dx), {}
