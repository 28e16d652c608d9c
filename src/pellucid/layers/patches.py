"""Windows that slide over images and sequences, and the convolution built on them.

A window of k offsets is k shifted views of the input (`views`); going backward, k arrays of gradients are shifted back
and added (`scatter`). Convolution is then a matrix product, in one of three ways that give the same numbers:

- *natively*: kernels for the CPU, in float32 (`pellucid.kernels`).
- *by patches*: the views side by side are one wide matrix, multiplied by the weights. For the CPU without kernels, and
  in float64; defines the kernels' results and derivatives.
- *directly*: XLA's convolution and its transposes. For GPU and TPU.

XLA's own gradient for the weights is ruinous on a CPU: the step of a small network with two convolutions takes 100 ms
at batch 32. Measured there, on 2 cores, for a 3×3 convolution of 13×13×32 to 64 channels (ms, batch 32 / 128):
forward by patches 0.80 / 4.1, directly 1.5 / 7.8; gradient of the input by patches 0.78 / 3.3, directly 1.1 / 4.4; the
bare product of the forward pass 0.73 / 3.2. Working on a few examples at a time, to keep the patches in the cache,
takes longer (1.1 / 4.5): small products run on one core.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import max_dim

from pellucid import kernels
from pellucid.core.constraints import WholeNumber
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.precision import wide
from pellucid.core.types import Array, Bool, Float, Shape

Images: TypeAlias = Float[Array, "batch *spatial channels"]
Maps: TypeAlias = Float[Array, "batch *positions filters"]
Weights: TypeAlias = Float[Array, "*kernel inputs filters"]
Lengths: TypeAlias = int | Shape
"""One number for all spatial axes, or one for each."""


def lengths(value: Any, rank: int, name: str) -> Lengths:
    """Check a whole number, or one for each spatial axis; equal ones become one number.

    Example:
        >>> lengths([3, 3], 2, "kernel"), lengths((3, 5), 2, "kernel")
        (3, (3, 5))
    """
    several: Shape = tuple(value) if isinstance(value, tuple | list) else (value,) * rank
    if len(several) != rank or not all(WholeNumber(1).allows(length) for length in several):
        text = f"{name} must be a whole number of at least 1"
        raise InvalidValue(f"{text}{f' or {rank} of them' if rank > 1 else ''}. Received: {value!r}.")
    return several[0] if len(set(several)) == 1 else several


@dataclass(frozen=True)
class Windows:
    """A window that slides over the spatial axes of an array; each field has an entry for each axis."""

    size: Shape
    stride: Shape
    dilation: Shape
    """Distance between the offsets of the window."""
    inputs: Shape
    """Extent of the input."""
    outputs: Shape
    """Number of positions of the window."""
    padding: tuple[tuple[int, int], ...]
    """Zeros added before and after the input."""


def check_rank(layer: str, shape: Shape, rank: int) -> None:
    """Raise `ShapeError` unless examples have ``rank`` spatial axes and one of channels; it advises a `Reshape`.

    Example:
        >>> check_rank("Conv2D", (28, 28), 2)
        Traceback (most recent call last):
        pellucid.core.errors.ShapeError: Conv2D takes examples of shape (height, width, channels). Received: (28, 28). \
Put Reshape((28, 28, 1)) before it.
    """
    if len(shape) == rank + 1:
        return
    side = round(math.prod(shape) ** (1 / rank))
    fitting = (*shape, 1) if len(shape) == rank else (*(side,) * rank, 1)
    fits = math.prod(fitting) == math.prod(shape) and len(shape) <= rank
    axes = {1: "(time, features)", 2: "(height, width, channels)"}[rank]
    advice = f" Put Reshape({fitting}) before it." if fits else ""
    raise ShapeError(f"{layer} takes examples of shape {axes}. Received: {tuple(shape)}.{advice}")


def slide(
    layer: str, inputs: Shape, size: Lengths, stride: Lengths = 1, padding: str = "valid", dilation: Lengths = 1
) -> Windows:
    """The windows over an input of spatial extent ``inputs``.

    Formula:
        span = dilation · (size − 1) + 1;
        "valid": outputs = ⌊(inputs − span) / stride⌋ + 1, no padding;
        "same": outputs = ⌈inputs / stride⌉, the padding it needs, an odd zero after the input

    Example:
        >>> slide("Conv1D", (5,), 3, 2).outputs, slide("Conv1D", (5,), 3, 2, "same").outputs
        ((2,), (3,))

    The padding is that of Keras and XLA; PyTorch's is the same on both sides.
    """
    rank = len(inputs)
    size, stride, dilation = _each(size, rank), _each(stride, rank), _each(dilation, rank)
    spans = tuple(d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True))
    if padding == "same":
        outputs = tuple(-(-n // s) for n, s in zip(inputs, stride, strict=True))
        places = zip(outputs, stride, spans, inputs, strict=True)
        missing = (max_dim((o - 1) * s + span - n, 0) for o, s, span, n in places)
        return Windows(size, stride, dilation, inputs, outputs, tuple((m // 2, m - m // 2) for m in missing))
    if any(span > n for span, n in zip(spans, inputs, strict=True)):
        text = f"{layer} has a window of {spans}, larger than its input of {tuple(inputs)}"
        raise ShapeError(f'{text}. Take a smaller one, padding="same", or fewer layers that shrink the input.')
    outputs = tuple((n - span) // s + 1 for n, span, s in zip(inputs, spans, stride, strict=True))
    return Windows(size, stride, dilation, inputs, outputs, ((0, 0),) * rank)


def slide_back(inputs: Shape, size: Lengths, stride: Lengths, padding: str, dilation: Lengths) -> Windows:
    """The windows whose *outputs* are ``inputs``: those of a transposed convolution, as in Keras.

    Formula:
        "valid": extent = inputs · stride + max(span − stride, 0); "same": extent = inputs · stride

    Example:
        >>> slide_back((4,), 3, 2, "valid", 1).inputs, slide_back((4,), 3, 2, "same", 1).inputs
        ((9,), (8,))
    """
    rank = len(inputs)
    extents = tuple(
        n * s + (max(d * (k - 1) + 1 - s, 0) if padding == "valid" else 0)
        for n, k, s, d in zip(inputs, _each(size, rank), _each(stride, rank), _each(dilation, rank), strict=True)
    )
    return slide("", extents, size, stride, padding, dilation)


def _each(value: Lengths, rank: int) -> Shape:
    return (value,) * rank if isinstance(value, int) else value


def _offsets(windows: Windows) -> list[Shape]:
    # The offsets of the window, last axis running fastest.
    return list(product(*(range(0, k * d, d) for k, d in zip(windows.size, windows.dilation, strict=True))))


def views(x: Images, windows: Windows, fill: float = 0.0) -> list[Array]:
    """Shifted views of the input, (batch, *outputs, channels) each, one for each offset in the window.

    Example:
        >>> x = jnp.arange(4.0).reshape(1, 4, 1)
        >>> [view.ravel().tolist() for view in views(x, slide("Conv1D", (4,), 2))]
        [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    """
    if any(map(any, windows.padding)):
        x = jnp.pad(x, ((0, 0), *windows.padding, (0, 0)), constant_values=fill)
    batch, channels = x.shape[0], x.shape[-1]
    reach = [(o - 1) * s + 1 for o, s in zip(windows.outputs, windows.stride, strict=True)]
    return [
        lax.slice(
            x,
            (0, *offset, 0),
            (batch, *(at + r for at, r in zip(offset, reach, strict=True)), channels),
            (1, *windows.stride, 1),
        )
        for offset in _offsets(windows)
    ]


def all_of_window(mask: Bool[Array, "batch time"], windows: Windows) -> Bool[Array, "batch outputs"]:
    """Windows over time that are True throughout.

    Example:
        >>> all_of_window(jnp.array([[True, True, False]]), slide("Conv1D", (3,), 2)).tolist()
        [[True, False]]
    """
    return jnp.stack(views(mask[..., None].astype(jnp.float32), windows)).min(axis=0)[..., 0] > 0


def scatter(pieces: Sequence[Array], windows: Windows) -> Images:
    """The transpose of `views`: each piece is added back where its view came from.

    Example:
        >>> pieces = [jnp.ones((1, 3, 1)), jnp.ones((1, 3, 1))]
        >>> scatter(pieces, slide("Conv1D", (4,), 2)).ravel().tolist()
        [1.0, 2.0, 2.0, 1.0]
    """
    zero = jnp.zeros((), pieces[0].dtype)
    if windows.stride == windows.size and set(windows.dilation) == {1}:
        # Pieces that do not overlap are laid side by side: 0.1 instead of 0.4 ms for the gradients of 26×26×32 pooled
        # by 2×2 at batch 32.
        batch, *outputs, channels = pieces[0].shape
        rank = len(outputs)
        between = [axis for i in range(rank) for axis in (1 + i, 1 + rank + i)]
        laid = jnp.stack(pieces, axis=-2).reshape(batch, *outputs, *windows.size, channels)
        extents = [o * k for o, k in zip(outputs, windows.size, strict=True)]
        laid = laid.transpose(0, *between, 1 + 2 * rank).reshape(batch, *extents, channels)
        places = zip(extents, windows.padding, windows.inputs, strict=True)
        edges = [(-before, n - (extent - before), 0) for extent, (before, _), n in places]
        return lax.pad(laid, zero, ((0, 0, 0), *edges, (0, 0, 0)))

    def shifted(piece: Array, offset: Shape) -> Array:
        places = zip(offset, windows.padding, windows.inputs, windows.outputs, windows.stride, strict=True)
        edges = [(at - before, n - (at - before) - ((o - 1) * s + 1), s - 1) for at, (before, _), n, o, s in places]
        return lax.pad(piece, zero, ((0, 0, 0), *edges, (0, 0, 0)))

    total = sum(wide(shifted(piece, offset)) for piece, offset in zip(pieces, _offsets(windows), strict=True))
    return _materialized(total.astype(zero.dtype))  # pyright: ignore[reportAttributeAccessIssue]


def _materialized(x: Array) -> Array:
    # As an array in memory, which the compiler does not compute anew for each of its readers: windows of two offsets,
    # the second always beyond the edge, are summed, a pass that XLA neither removes nor fuses. Without it the sum of
    # nine pieces that the backward pass of a 2×2 pooling reads was computed four times over.
    beyond, ones = x.shape[1], (1,) * (x.ndim - 2)
    padding = ((0, 0), (0, beyond), *((0, 0) for _ in ones))
    zero = np.zeros((), x.dtype)  # a constant, without which the sum is no sum to JAX and has no derivative
    return lax.reduce_window(
        x, zero, lax.add, (1, 2, *ones), (1, 1, *ones), padding, window_dilation=(1, beyond, *ones)
    )


def convolve_by_patches(x: Images, weights: Weights, windows: Windows, groups: int) -> Maps:
    """`convolve` as one product of patches and weights; depthwise, as a sum over the offsets."""
    channels, filters = weights.shape[-2:]
    if channels == 1 and groups > 1:
        places = zip(views(x, windows), weights.reshape(-1, filters), strict=True)
        terms = (_widen(view, filters) * jnp.broadcast_to(w, (*view.shape[:-1], filters)) for view, w in places)
        return sum(map(wide, terms)).astype(x.dtype)  # pyright: ignore[reportAttributeAccessIssue]
    seen = jnp.concatenate(views(x, windows), axis=-1)
    if groups == 1:
        z = seen.reshape(-1, seen.shape[-1]) @ weights.reshape(-1, filters)
    else:
        seen = seen.reshape(-1, math.prod(windows.size), groups, channels)
        W = weights.reshape(-1, channels, groups, filters // groups)
        z = jnp.einsum("mkgc,kcgf->mgf", seen, W)
    return z.reshape(x.shape[0], *windows.outputs, filters)


def gradient_of_input_by_patches(dz: Maps, weights: Weights, windows: Windows, groups: int) -> Images:
    """`gradient_of_input`: one product for each offset, scattered."""
    channels, filters = weights.shape[-2:]
    W = weights.reshape(-1, channels, filters)
    rows = dz.reshape(-1, groups, filters // groups)

    def piece(w: Array) -> Array:
        if groups == 1:
            gradients = rows[:, 0] @ w.T
        elif channels == 1:
            gradients = (rows * jnp.broadcast_to(w.reshape(groups, -1), rows.shape)).sum(axis=-1)
        else:
            gradients = jnp.einsum("mgf,cgf->mgc", rows, w.reshape(channels, groups, -1))
        return gradients.reshape(*dz.shape[:-1], groups * channels)

    return scatter([piece(w) for w in W], windows)


def gradient_of_weights_by_patches(x: Images, dz: Maps, windows: Windows, groups: int) -> Weights:
    """`gradient_of_weights` as one product of patches and gradients."""
    channels, filters = x.shape[-1] // groups, dz.shape[-1]
    shape = (*windows.size, channels, filters)
    if channels == 1 and groups > 1:
        axes = tuple(range(dz.ndim - 1))
        return jnp.stack([(_widen(view, filters) * dz).sum(axes) for view in views(x, windows)]).reshape(shape)
    seen = jnp.concatenate(views(x, windows), axis=-1)
    seen, dz = seen.reshape(-1, seen.shape[-1]), dz.reshape(-1, filters)
    if groups > 1:
        seen = seen.reshape(-1, math.prod(windows.size), groups, channels)
        return jnp.einsum("mkgc,mgf->kcgf", seen, dz.reshape(-1, groups, filters // groups)).reshape(shape)
    # The narrower matrix is the one to transpose: 1.2 instead of 1.4 ms for 288 × 64, 0.2 instead of 0.5 for 9 × 32.
    dW = seen.T @ dz if seen.shape[1] < filters else lax.optimization_barrier(dz.T @ seen).T
    return dW.reshape(shape)


def _widen(view: Array, filters: int) -> Array:
    # Each channel once for every filter that sees it.
    return jnp.repeat(view, filters // view.shape[-1], axis=-1)


def convolve_directly(x: Images, weights: Weights, windows: Windows, groups: int) -> Maps:
    """`convolve` as XLA's own operation."""
    axes, padding = "HW"[: len(windows.size)], windows.padding
    if not all(isinstance(size, int) for sides in padding for size in sides):  # symbols, which it does not take
        x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
        padding = ((0, 0),) * len(padding)
    return lax.conv_general_dilated(
        x,
        weights,
        windows.stride,
        padding,
        rhs_dilation=windows.dilation,
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        feature_group_count=groups,
    )


def gradient_of_input_directly(dz: Maps, weights: Weights, windows: Windows, groups: int) -> Images:
    """`gradient_of_input` as the transpose of XLA's operation, which is linear in x."""
    x = jax.ShapeDtypeStruct((dz.shape[0], *windows.inputs, weights.shape[-2] * groups), dz.dtype)
    return jax.linear_transpose(lambda x: convolve_directly(x, weights, windows, groups), x)(dz)[0]


def gradient_of_weights_directly(x: Images, dz: Maps, windows: Windows, groups: int) -> Weights:
    """`gradient_of_weights` as the transpose of XLA's operation, which is linear in the weights."""
    shape = (*windows.size, x.shape[-1] // groups, dz.shape[-1])
    weights = jax.ShapeDtypeStruct(shape, dz.dtype)
    return jax.linear_transpose(lambda W: convolve_directly(x, W, windows, groups), weights)(dz)[0]


def image_shape(shape: Shape, windows: Windows) -> Shape:
    """The shape of an array of images, which the kernels take: a sequence is an image of height 1.

    Example:
        >>> image_shape((32, 9, 4), slide("Conv1D", (11,), 3))
        (32, 1, 9, 4)
    """
    return (*shape[:-2], 1, *shape[-2:]) if len(windows.size) == 1 else shape


def as_images(x: Array, windows: Windows) -> Array:
    """Sequences as images of height 1."""
    return x.reshape(image_shape(x.shape, windows))


def geometry(windows: Windows) -> dict[str, Any]:
    """Window, strides, dilations and padding before an image, as attributes of a kernel."""
    missing = 2 - len(windows.size)
    before = tuple(before for before, _ in windows.padding)
    return {
        "size": np.array((1,) * missing + windows.size),
        "strides": np.array((1,) * missing + windows.stride),
        "dilations": np.array((1,) * missing + windows.dilation),
        "before": np.array((0,) * missing + before),
    }


def _kernel(name: str, windows: Windows, channels: int, filters: int, groups: int) -> Callable[..., Any]:
    # The kernel of a pass and its attributes: Winograd's for filters of 3×3 and stride 1.
    attributes = geometry(windows)
    del attributes["size"]
    plain = (windows.size, windows.stride, windows.dilation, groups) == ((3, 3), (1, 1), (1, 1), 1)
    if plain and min(channels, filters) >= 8:
        return partial(kernels.call, f"winograd_{name}", before=attributes["before"])
    return partial(kernels.call, f"patches_{name}", **attributes)


def _as_filters(weights: Array, windows: Windows) -> Array:
    return weights[None] if len(windows.size) == 1 else weights


def _biases_of(biases: tuple[Array, ...]) -> Array:
    return biases[0] if biases else jnp.zeros(0, jnp.float32)


def convolve_natively(x: Images, weights: Weights, *biases: Array, windows: Windows, groups: int) -> Maps:
    """`convolve` by a kernel."""
    shape = (x.shape[0], *windows.outputs, weights.shape[-1])
    kernel = _kernel("forward", windows, x.shape[-1], weights.shape[-1], groups)
    result = kernels.floats(*image_shape(shape, windows))
    return kernel(result, as_images(x, windows), _as_filters(weights, windows), _biases_of(biases)).reshape(shape)


def gradient_of_input_natively(dz: Maps, weights: Weights, *biases: Array, windows: Windows, groups: int) -> Images:
    """`gradient_of_input` by a kernel."""
    channels, filters = weights.shape[-2] * groups, weights.shape[-1]
    shape = (dz.shape[0], *windows.inputs, channels)
    kernel = _kernel("gradient_of_input", windows, channels, filters, groups)
    result = kernels.floats(*image_shape(shape, windows))
    return kernel(result, as_images(dz, windows), _as_filters(weights, windows), _biases_of(biases)).reshape(shape)


def gradients_of_parameters_natively(x: Images, dz: Maps, *, windows: Windows, groups: int) -> tuple[Weights, Array]:
    """`gradients_of_parameters` by a kernel."""
    channels, filters = x.shape[-1], dz.shape[-1]
    shape = (*windows.size, channels // groups, filters)
    kernel = _kernel("gradient_of_weights", windows, channels, filters, groups)
    results = kernels.floats(*(1,) * (2 - len(windows.size)), *shape), kernels.floats(filters)
    dW, db = kernel(results, as_images(x, windows), as_images(dz, windows))
    return dW.reshape(shape), db


def _plus_biases(function: Callable[..., Array]) -> Callable[..., Array]:
    def with_biases(first: Array, second: Array, *biases: Array, windows: Windows, groups: int) -> Array:
        z = function(first, second, windows, groups)
        return z + jnp.broadcast_to(biases[0], z.shape) if biases else z

    return with_biases


def _and_of_biases(function: Callable[..., Array]) -> Callable[..., tuple[Array, Array]]:
    def with_biases(x: Array, dz: Array, *, windows: Windows, groups: int) -> tuple[Array, Array]:
        return function(x, dz, windows, groups), dz.sum(range(dz.ndim - 1))

    return with_biases


def _chosen(
    natively: Callable[..., Any],
    by_patches: Callable[..., Any],
    directly: Callable[..., Any],
    seen: Callable[[Array, Array, int], int] = lambda _, weights, groups: weights.shape[-2],
) -> Callable[..., Any]:
    # A kernel where one covers the arrays, whose derivatives are those of the code by patches; `seen`: the number of
    # channels that a filter sees.
    @partial(jax.jit, static_argnums=(0, 1))
    def by_platform(windows: Windows, groups: int, *arrays: Array) -> Any:
        functions = {"cpu": by_patches, "default": directly}
        functions = {name: partial(function, windows=windows, groups=groups) for name, function in functions.items()}
        return lax.platform_dependent(*arrays, **functions)

    def chosen(first: Array, second: Array, windows: Windows, groups: int, biases: Array | None = None) -> Any:
        arrays = (first, second) if biases is None else (first, second, biases)
        if not all(isinstance(size, int) for array in arrays for size in array.shape):
            return directly(*arrays, windows=windows, groups=groups)  # a program to export, for any platform
        # Depthwise, XLA's sums over the offsets take less time than products of a single column.
        depthwise = groups > 1 and seen(first, second, groups) == 1
        if depthwise or not kernels.covers(arrays) or not all(array.size for array in arrays):
            return by_platform(windows, groups, *arrays)
        definition = partial(by_patches, windows=windows, groups=groups)
        return kernels.differentiable(partial(natively, windows=windows, groups=groups), definition)(*arrays)

    return chosen


convolve = _chosen(convolve_natively, _plus_biases(convolve_by_patches), _plus_biases(convolve_directly))
"""z of x, (batch, *windows.inputs, channels), and weights, (*windows.size, channels / groups, filters): at every
position of the window, its values times the weights; plus biases. Filters see the channels of their group alone."""
gradient_of_input = _chosen(
    gradient_of_input_natively, _plus_biases(gradient_of_input_by_patches), _plus_biases(gradient_of_input_directly)
)
"""∂L/∂x of `convolve` from dz = ∂L/∂z and weights; plus biases, the forward pass of a transposed convolution."""
gradients_of_parameters = _chosen(
    gradients_of_parameters_natively,
    _and_of_biases(gradient_of_weights_by_patches),
    _and_of_biases(gradient_of_weights_directly),
    lambda x, _, groups: x.shape[-1] // groups,
)
"""∂L/∂W and ∂L/∂b of `convolve` from x and dz = ∂L/∂z."""
