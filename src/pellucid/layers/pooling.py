"""Pooling over sequences and images, by window or global."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from pellucid import kernels
from pellucid.core.constraints import OneOf, constrained
from pellucid.core.errors import ShapeError
from pellucid.core.precision import wide
from pellucid.core.types import Array, Bool, Cache, Float, Params, Shape, State
from pellucid.layers.layer import AnyKey, Layer, Mask, Units, layers
from pellucid.layers.patches import (
    Windows,
    all_of_window,
    as_images,
    check_rank,
    geometry,
    image_shape,
    lengths,
    scatter,
    slide,
    views,
)
from pellucid.layers.sequences import broadcast_mask

Images: TypeAlias = Float[Array, "batch *spatial channels"]
Pooled: TypeAlias = Float[Array, "batch *positions channels"]


@dataclass(frozen=True)
class Pooling(Layer):
    """The base of the poolings over windows; `MaxPool2D` explains the fields."""

    size: int | Shape | list[int] = 2
    stride: int | Shape | list[int] | None = None
    padding: str = constrained("valid", OneOf(("valid", "same")), "treatment of the edges")

    input_axes: ClassVar[int]  # pyright: ignore[reportIncompatibleVariableOverride]

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return self.input_axes - 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("size", "stride"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, lengths(given, self.rank, f"{type(self).__name__}.{name}"))
        if self.stride == self.size:
            object.__setattr__(self, "stride", None)

    def init(self, key: AnyKey, input_shape: Shape) -> tuple[Params, State, Shape]:
        return {}, {}, (*self.windows(input_shape).outputs, input_shape[-1])

    @property
    def masks(self) -> Literal["passes"] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Over time, unless windows reach beyond the ends."""
        return "passes" if self.rank == 1 and self.padding == "valid" else None

    def output_mask(self, x: Images, mask: Bool[Array, "batch time"]) -> Bool[Array, "batch outputs"]:
        """Mask of the windows that see only real steps."""
        return all_of_window(mask, self.windows(x.shape[1:]))

    def windows(self, shape: Shape) -> Windows:
        """Windows over examples of that shape."""
        check_rank(type(self).__name__, shape, self.rank)
        return slide(type(self).__name__, shape[:-1], self.size, self.stride or self.size, self.padding)  # pyright: ignore[reportArgumentType]


class MaxPooling(Pooling):
    """The forward and backward pass of max pooling over any number of spatial axes."""

    formula = "max over windows"

    def forward(
        self, params: Params, state: State, x: Images, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Pooled, State, Cache]:
        windows = self.windows(x.shape[1:])
        if kernels.covers(x) and x.size and math.prod(windows.size) < NO_OFFSET:
            y, offsets = kernels.differentiable(
                partial(_pool_natively, windows=windows), lambda x: (_largest(x, windows), _offsets(x, windows))
            )(x)
            return y, state, (x, offsets)
        y = _largest(x, windows)
        return y, state, (x, y)

    def backward(self, params: Params, cache: Cache, dy: Pooled) -> tuple[Images, Params]:
        x, y = cache
        windows = self.windows(x.shape[1:])
        if y.dtype == jnp.uint8:
            return kernels.differentiable(
                partial(_scatter_natively, windows=windows), partial(_scatter_by_offsets, windows=windows)
            )(dy, y), {}
        pieces: list[Array] = []
        for view in views(x, windows, fill=-math.inf):
            here = view == y
            pieces.append(jnp.where(here, dy, jnp.zeros_like(dy)))
            dy = jnp.where(here, jnp.zeros_like(dy), dy)
        return scatter(pieces, windows), {}


NO_OFFSET = 255
"""Instead of the maximum's offset in its window where NaN is the maximum, which no input equals."""


def _largest(x: Images, windows: Windows) -> Pooled:
    # The maximum of `views` takes half as long, but the compiler then computes it again for everyone who reads y:
    # the step of a small network with two convolutions takes 4.2 ms with this, 4.6 with that, at batch 32.
    return lax.reduce_window(
        x, -jnp.inf, lax.max, (1, *windows.size, 1), (1, *windows.stride, 1), ((0, 0), *windows.padding, (0, 0))
    )


def _offsets(x: Images, windows: Windows) -> Array:
    seen = jnp.stack(views(x, windows, fill=-math.inf))
    return jnp.where(jnp.isnan(seen).any(axis=0), NO_OFFSET, seen.argmax(axis=0)).astype(jnp.uint8)


def _scatter_by_offsets(dy: Pooled, offsets: Array, windows: Windows) -> Images:
    zeros = jnp.zeros_like(dy)
    return scatter([jnp.where(offsets == k, dy, zeros) for k in range(math.prod(windows.size))], windows)


def _pool_natively(x: Images, windows: Windows) -> tuple[Pooled, Array]:
    shape = (x.shape[0], *windows.outputs, x.shape[-1])
    image = image_shape(shape, windows)
    results = kernels.floats(*image), jax.ShapeDtypeStruct(image, jnp.uint8)
    y, offsets = kernels.call("max_pool_forward", results, as_images(x, windows), **_attributes(windows))
    return y.reshape(shape), offsets.reshape(shape)


def _scatter_natively(dy: Pooled, offsets: Array, windows: Windows) -> Images:
    shape = (dy.shape[0], *windows.inputs, dy.shape[-1])
    dy, offsets = as_images(dy, windows), as_images(offsets, windows)
    dx = kernels.floats(*image_shape(shape, windows))
    return kernels.call("max_pool_backward", dx, dy, offsets, **_attributes(windows)).reshape(shape)


def _attributes(windows: Windows) -> dict[str, Any]:
    attributes = geometry(windows)
    del attributes["dilations"]
    return attributes


class AveragePooling(Pooling):
    """The forward and backward pass of average pooling over any number of spatial axes."""

    linear = True
    formula = "mean over windows"

    def forward(
        self, params: Params, state: State, x: Images, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Pooled, State, Cache]:
        windows = self.windows(x.shape[1:])
        y = sum(map(wide, views(x, windows))) / _sizes(windows, x)
        return y.astype(x.dtype), state, x

    def backward(self, params: Params, cache: Cache, dy: Pooled) -> tuple[Images, Params]:
        windows = self.windows(cache.shape[1:])
        part = (wide(dy) / _sizes(windows, cache)).astype(dy.dtype)
        return scatter([part] * math.prod(windows.size), windows), {}


def _sizes(windows: Windows, x: Array) -> Array:
    # The number of inputs in each window, in the shape of y; the compiler makes it a constant.
    y = sum(views(wide(jnp.ones((1, *x.shape[1:-1], 1), x.dtype)), windows))
    return jnp.broadcast_to(y, (x.shape[0], *windows.outputs, x.shape[-1]))


class MeanPooling(Layer):
    """The mean over some axes, padded steps left out."""

    masks = "ends"
    takes_mask = True
    linear = True

    @abstractmethod
    def axes(self, shape: Shape) -> tuple[int, ...]:
        """The axes of a batch of this shape that the mean is taken over."""

    def forward(
        self, params: Params, state: State, x: Units, *, key: AnyKey = None, training: bool = False, mask: Mask = None
    ) -> tuple[Float[Array, "batch *left"], State, Cache]:
        axes = self.axes(x.shape)
        if mask is None:
            return x.mean(axis=axes), state, (x, None)
        real = broadcast_mask(mask, x.shape).astype(x.dtype)
        fractions = real / jnp.maximum(real.sum(axis=axes, keepdims=True), 1)
        return (x * fractions).sum(axis=axes), state, (x, fractions)

    def backward(self, params: Params, cache: Cache, dy: Float[Array, "batch *left"]) -> tuple[Units, Params]:
        x, fractions = cache
        axes = self.axes(x.shape)
        dy = jnp.expand_dims(dy, axes)
        if fractions is None:
            return jnp.broadcast_to(dy / math.prod(x.shape[axis] for axis in axes), x.shape), {}
        return jnp.broadcast_to(dy, x.shape) * fractions, {}


@layers.register("max_pool2d")
class MaxPool2D(MaxPooling):
    """The largest value of each window of an image, channel by channel.

    Formula:
        y[h, w, c] = max_i,j x[h·s + i, w·s + j, c]; backward ∂L/∂x = dy at the index of the maximum, 0 elsewhere,
        summed over the windows that an input belongs to

    Images have the shape (batch, height, width, channels). Where several values of a window are equally large, the
    gradient goes to the first, row by row.

    Args:
        size: height and width of the windows; one number for both.
        stride: how far a window moves from one output to the next; None for ``size``, windows side by side.
        padding: "valid", only where the window lies inside the image, so that rows and columns left over are not seen;
            "same", windows may reach beyond the edges, where nothing is.

    Raises:
        ShapeError: examples without three axes, or a window larger than the image with "valid".

    Example:
        >>> x = jnp.array([[1.0, 5.0], [5.0, 2.0]]).reshape(1, 2, 2, 1)
        >>> y, _, cache = MaxPool2D(2).forward({}, {}, x)
        >>> y.ravel().tolist(), MaxPool2D(2).backward({}, cache, y)[0].ravel().tolist()
        ([5.0], [0.0, 5.0, 0.0, 0.0])

    The first of equals in PyTorch too; differentiating ``jnp.max`` shares the gradient among them.

    Source: Riesenhuber & Poggio, Hierarchical models of object recognition in cortex, 1999; Scherer et al., Evaluation
    of pooling operations in convolutional architectures for object recognition, 2010.
    """

    input_axes = 3
    example = {"size": 2}, (5, 4, 2)


@layers.register("max_pool1d")
class MaxPool1D(MaxPooling):
    """The largest value of each window of a sequence, feature by feature.

    Formula:
        y[t, c] = max_i x[t·s + i, c]; backward as in `MaxPool2D`

    Args:
        size: times of a window.
        stride: how far a window moves from one output to the next; None for ``size``.
        padding: "valid" or "same", as in `MaxPool2D`. Of sequences with padded steps, "valid" alone: windows that see
            a padded step are then none of the outputs.

    Raises:
        ShapeError: as in `MaxPool2D`.

    Example:
        >>> MaxPool1D(2).forward({}, {}, jnp.array([[[1.0], [3.0], [2.0], [0.0]]]))[0].ravel().tolist()
        [3.0, 2.0]

    Source: as for `MaxPool2D`.
    """

    input_axes = 2
    example = {"size": 2}, (6, 3)


@layers.register("average_pool2d")
class AveragePool2D(AveragePooling):
    """The mean of each window of an image, channel by channel.

    Formula:
        y[h, w, c] = Σ_i,j x[h·s + i, w·s + j, c] / n; backward: each position gets dy / n of every window it belongs to

    n is the number of pixels of a window inside the image: with "same", padding is left out of the mean.

    Args:
        size: height and width of the windows; one number for both.
        stride: how far a window moves from one output to the next; None for ``size``, windows side by side.
        padding: "valid" or "same", as in `MaxPool2D`.

    Raises:
        ShapeError: examples without three axes, or a window larger than the image with "valid".

    Example:
        >>> x = jnp.array([[1.0, 5.0], [5.0, 2.0]]).reshape(1, 2, 2, 1)
        >>> AveragePool2D(2).forward({}, {}, x)[0].ravel().tolist()
        [3.25]

    Keras counts as here; PyTorch counts padding too, unless ``count_include_pad=False``.

    Source: LeCun et al., Gradient-based learning applied to document recognition, 1998.
    """

    input_axes = 3
    example = {"size": 2}, (5, 4, 2)


@layers.register("average_pool1d")
class AveragePool1D(AveragePooling):
    """The mean of each window of a sequence, feature by feature.

    Formula:
        y[t, c] = Σ_i x[t·s + i, c] / n; n and backward as in `AveragePool2D`

    Args:
        size: times of a window.
        stride: how far a window moves from one output to the next; None for ``size``.
        padding: "valid" or "same", as in `MaxPool2D`. Of sequences with padded steps, "valid" alone: windows that see
            a padded step are then none of the outputs.

    Raises:
        ShapeError: as in `AveragePool2D`.

    Example:
        >>> AveragePool1D(2).forward({}, {}, jnp.array([[[1.0], [3.0], [2.0], [0.0]]]))[0].ravel().tolist()
        [2.0, 1.0]

    Source: as for `AveragePool2D`.
    """

    input_axes = 2
    example = {"size": 2}, (6, 3)


def _channels(layer: str, shape: Shape) -> Shape:
    if len(shape) < 2:
        raise ShapeError(
            f"{layer} takes examples with at least one axis before the channels, such as (height, width, channels) or "
            f"(time, features). Received: {tuple(shape)}."
        )
    return shape[-1:]


@layers.register("global_average_pool")
class GlobalAveragePool(MeanPooling):
    """Mean over all positions, one number for each channel, for images of any size.

    Formula:
        y[c] = Σ_i x[i, c] / n; backward ∂L/∂x[i, c] = dy[c] / n

    Padded steps of a sequence are left out of sum and n; the mean of a sequence without a real step is 0.

    Raises:
        ShapeError: examples without a spatial axis.

    Example:
        >>> GlobalAveragePool().forward({}, {}, jnp.arange(8.0).reshape(1, 2, 2, 2))[0].tolist()
        [[3.0, 4.0]]

    Source: Lin, Chen & Yan, Network in network, 2014.
    """

    formula = "mean over all positions"
    example = {}, (3, 4, 2)

    def init(self, key: AnyKey, input_shape: Shape) -> tuple[Params, State, Shape]:
        return {}, {}, _channels("GlobalAveragePool", input_shape)

    def axes(self, shape: Shape) -> tuple[int, ...]:
        _channels("GlobalAveragePool", shape[1:])
        return tuple(range(1, len(shape) - 1))


@layers.register("mean_over_time")
class MeanOverTime(MeanPooling):
    """The mean over the time steps: of spikes, the firing rate per step.

    Formula:
        y = 1/T Σ_t x_t; backward dx_t = dy / T

    Padded steps are left out of sum and T; the mean of a sequence without a real step is 0.

    Example:
        >>> MeanOverTime().forward({}, {}, jnp.array([[[0.0], [1.0], [0.0], [1.0]]]))[0].tolist()
        [[0.5]]
    """

    formula = "mean over time"
    example = {}, (5, 4)

    def init(self, key: AnyKey, input_shape: Shape) -> tuple[Params, State, Shape]:
        return {}, {}, input_shape[1:]

    def axes(self, shape: Shape) -> tuple[int, ...]:
        return (1,)


@layers.register("global_max_pool")
class GlobalMaxPool(Layer):
    """Maximum over all positions, one number for each channel.

    Formula:
        y[c] = max_i x[i, c]; backward ∂L/∂x[i, c] = dy[c] at the maximum, 0 elsewhere

    Where several values are equally large, the gradient goes to the first, as in `MaxPool2D`. Padded steps of a
    sequence are left out; a sequence without a real step gives 0.

    Raises:
        ShapeError: examples without a spatial axis.

    Example:
        >>> GlobalMaxPool().forward({}, {}, jnp.arange(8.0).reshape(1, 2, 2, 2))[0].tolist()
        [[6.0, 7.0]]

    Source: Oquab et al., Is object localization for free?, 2015.
    """

    masks = "ends"
    takes_mask = True
    formula = "max over all positions"
    example = {}, (3, 4, 2)

    def init(self, key: AnyKey, input_shape: Shape) -> tuple[Params, State, Shape]:
        return {}, {}, _channels("GlobalMaxPool", input_shape)

    def forward(
        self, params: Params, state: State, x: Images, *, key: AnyKey = None, training: bool = False, mask: Mask = None
    ) -> tuple[Float[Array, "batch channels"], State, Cache]:
        _channels("GlobalMaxPool", x.shape[1:])
        axes = tuple(range(1, x.ndim - 1))
        if mask is None:
            return x.max(axis=axes), state, (x, None)
        real = broadcast_mask(mask, x.shape)
        y = x.max(axis=axes, where=real, initial=-jnp.inf)
        return jnp.where(real.any(axis=axes), y, jnp.zeros((), x.dtype)), state, (x, real)

    def backward(self, params: Params, cache: Cache, dy: Float[Array, "batch channels"]) -> tuple[Images, Params]:
        x, real = cache
        values = x if real is None else jnp.where(real, x, jnp.asarray(-jnp.inf, x.dtype))
        places = values.reshape(x.shape[0], -1, x.shape[-1])
        indices = jnp.arange(places.shape[1]).reshape(1, -1, 1)
        first = jnp.argmax(places, axis=1, keepdims=True)
        dx = jnp.where(first == indices, dy[:, None], jnp.zeros((), dy.dtype)).reshape(x.shape)
        return dx if real is None else jnp.where(real, dx, jnp.zeros((), dx.dtype)), {}
