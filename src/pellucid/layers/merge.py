"""Layers that merge several branches of a graph into one."""

import math
from dataclasses import dataclass

import jax.numpy as jnp

from pellucid.core.errors import ShapeError
from pellucid.core.types import Array, Cache, Float, Key, Params, Shape, State
from pellucid.layers.layer import Layer, layers


@layers.register("add")
@dataclass(frozen=True)
class Add(Layer):
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

    inputs = None
    masks = "passes"

    def init(self, key: Key[Array, ""] | None, input_shape: tuple[Shape, ...]) -> tuple[Params, State, Shape]:
        """No parameters; the shape that all inputs have."""
        return {}, {}, _one_shape("Add", input_shape)

    def forward(
        self,
        params: Params,
        state: State,
        x: tuple[Float[Array, "batch *units"], ...],
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
    ) -> tuple[Float[Array, "batch *units"], State, Cache]:
        """y = Σ x_k."""
        return sum(x[1:], start=x[0]), state, x

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *units"]
    ) -> tuple[tuple[Float[Array, "batch *units"], ...], Params]:
        """Each branch gets dy."""
        return (dy,) * len(cache), {}


@layers.register("multiply")
@dataclass(frozen=True)
class Multiply(Layer):
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

    inputs = None
    masks = "passes"

    def init(self, key: Key[Array, ""] | None, input_shape: tuple[Shape, ...]) -> tuple[Params, State, Shape]:
        """No parameters; the shape that all inputs have."""
        return {}, {}, _one_shape("Multiply", input_shape)

    def forward(
        self,
        params: Params,
        state: State,
        x: tuple[Float[Array, "batch *units"], ...],
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
    ) -> tuple[Float[Array, "batch *units"], State, Cache]:
        """y = Π x_k."""
        return math.prod(x[1:], start=x[0]), state, x

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *units"]
    ) -> tuple[tuple[Float[Array, "batch *units"], ...], Params]:
        """Dx_k = dy · Π_{j≠k} x_j, multiplied and not divided out, since an x_k may be 0."""
        others = (cache[:k] + cache[k + 1 :] for k in range(len(cache)))
        return tuple(math.prod(rest, start=dy) for rest in others), {}


@layers.register("concatenate")
@dataclass(frozen=True)
class Concatenate(Layer):
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

    inputs = None
    masks = "passes"

    def init(self, key: Key[Array, ""] | None, input_shape: tuple[Shape, ...]) -> tuple[Params, State, Shape]:
        """No parameters; the last axes add up."""
        if len({shape[:-1] for shape in input_shape}) != 1:
            raise ShapeError(
                "Concatenate joins inputs along their last axis; all axes before it must be alike. "
                f"Received: {', '.join(map(str, input_shape))}."
            )
        return {}, {}, (*input_shape[0][:-1], sum(shape[-1] for shape in input_shape))

    def forward(
        self,
        params: Params,
        state: State,
        x: tuple[Float[Array, "batch ..."], ...],
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
    ) -> tuple[Float[Array, "batch ..."], State, Cache]:
        """y = [x_1, x_2, …]."""
        return jnp.concatenate(x, axis=-1), state, x

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch ..."]
    ) -> tuple[tuple[Float[Array, "batch ..."], ...], Params]:
        """Dy cut where the inputs were joined."""
        ends, end = [], 0
        for part in cache[:-1]:
            end += part.shape[-1]
            ends.append(end)
        return tuple(jnp.split(dy, ends, axis=-1)), {}


def _one_shape(layer: str, shapes: tuple[Shape, ...]) -> Shape:
    if len(set(shapes)) != 1:
        raise ShapeError(
            f"{layer} needs inputs of one shape; nothing is broadcast. Received: {', '.join(map(str, shapes))}. "
            "A Dense layer on a branch, or a Conv2D, brings it to the shape of the others."
        )
    return shapes[0]
