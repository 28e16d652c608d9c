"""Convolution and its transpose, over sequences and images."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import jax.numpy as jnp
import numpy as np

from pellucid.core.constraints import OneOf, WholeNumber, constrained
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.types import Array, Bool, Cache, Float, Key, Params, Shape, Specification, State
from pellucid.functions.activations import Activation, activations
from pellucid.functions.initializers import Initializer, initializers
from pellucid.layers.layer import AnyKey, Layer, Mask, layers, specified
from pellucid.layers.patches import (
    Windows,
    all_of_window,
    check_rank,
    convolve,
    gradient_of_input,
    gradients_of_parameters,
    lengths,
    slide,
    slide_back,
)
from pellucid.layers.peers import Carried, Peer, Peers, Setting, moved, same

Images: TypeAlias = Float[Array, "batch *spatial channels"]
Maps: TypeAlias = Float[Array, "batch *positions filters"]


def _as_each(value: int | Shape | list[int]) -> Callable[[Any], bool]:
    # The test of a peer's attribute, which has a number for each axis.
    return lambda given: _is_each(given, value)


def _is_each(given: Any, value: int | Shape | list[int]) -> bool:
    if isinstance(given, str) or given is None:
        return False
    each = tuple(given) if isinstance(given, tuple | list) else (given,)
    wanted = tuple(value) if isinstance(value, tuple | list) else (value,)
    width = max(len(each), len(wanted))
    return each * (width // len(each)) == wanted * (width // len(wanted))


@dataclass(frozen=True)
class Convolutional(Layer):
    """The base of all convolutions: fields, which `Conv2D` explains, weights and biases."""

    filters: int = constrained(dataclasses.MISSING, WholeNumber(1), "number of filters")
    kernel: int | Shape | list[int] = dataclasses.field(default=dataclasses.MISSING)  # pyright: ignore[reportAssignmentType]
    activation: Activation | Specification | None = specified(None, activations)
    stride: int | Shape | list[int] = 1
    padding: str = constrained("valid", OneOf(("valid", "same")), "treatment of the edges")
    dilation: int | Shape | list[int] = 1
    groups: int = constrained(1, WholeNumber(1), "groups that channels and filters fall into")
    weights: Initializer | Specification = specified("he_normal", initializers)
    biases: Initializer | Specification = specified("zeros", initializers)
    use_biases: bool = True

    linear = True
    output_range = (-math.inf, math.inf)
    input_axes: ClassVar[int]  # pyright: ignore[reportIncompatibleVariableOverride]

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return self.input_axes - 1

    def _agreeing(self, stride: str, dilation: str) -> tuple[Setting, ...]:
        # What a peer must have in common, by its names.
        return (
            Setting(stride, _as_each(self.stride), "stride"),
            Setting(dilation, _as_each(self.dilation), "dilation"),
            Setting("groups", self.groups, "groups"),
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        kind = type(self).__name__
        for name in ("kernel", "stride", "dilation"):
            object.__setattr__(self, name, lengths(getattr(self, name), self.rank, f"{kind}.{name}"))
        if self.filters % self.groups:
            raise InvalidValue(f"{kind}: {self.filters} filters do not fall into {self.groups} equal groups.")

    def _draw(self, key: Key[Array, ""], input_shape: Shape) -> Params:
        check_rank(type(self).__name__, input_shape, self.rank)
        channels = input_shape[-1]
        if channels % self.groups:
            raise ShapeError(
                f"{type(self).__name__} cannot split {channels} channels into {self.groups} equal groups. "
                f"Received: examples of shape {input_shape}; groups must divide the channels."
            )
        kernel = (self.kernel,) * self.rank if isinstance(self.kernel, int) else tuple(self.kernel)
        shape = (*kernel, channels // self.groups, self.filters)
        params = {"weights": initializers.build(self.weights)(key, shape)}
        if self.use_biases:
            params["biases"] = initializers.build(self.biases)(key, (self.filters,))
        return params

    def _check_input(self, params: Params, x: Array) -> None:
        check_rank(type(self).__name__, x.shape[1:], self.rank)
        channels = params["weights"].shape[-2] * self.groups
        if x.shape[-1] != channels:
            raise ShapeError(
                f"{type(self).__name__}({self.filters}) was made for {channels} channels. "
                f"Received: {x.shape[-1]}, in x of shape {x.shape}."
            )

    def _gradients(self, weights: Array, biases: Array) -> Params:
        return {"weights": weights} | ({"biases": biases} if self.use_biases else {})


class Convolution(Convolutional):
    """The forward and backward pass of a convolution over any number of spatial axes."""

    takes_mask = True
    formula = "z = x ⋆ W + b"

    @property
    def masks(self) -> Literal["passes"] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """True over time, unless "same" would align the windows by the length, padding included."""
        return "passes" if self.rank == 1 and (self.padding == "valid" or self.stride == 1) else None

    def output_mask(self, x: Images, mask: Bool[Array, "batch time"]) -> Bool[Array, "batch outputs"]:
        """Mask the outputs: with "valid" those that see only real steps, with "same" those of real steps."""
        return mask if self.padding == "same" else all_of_window(mask, self.windows(x.shape[1:-1]))

    @property
    def peers(self) -> Peers:  # pyright: ignore[reportIncompatibleVariableOverride]
        """PyTorch pads both sides alike, which agrees where this padding does."""

        def torch_padding(shape: Shape) -> list[Setting]:
            windows = self.windows(shape[:-1])
            before = tuple(first for first, _ in windows.padding)
            spans = (d * (k - 1) + 1 for k, d in zip(windows.size, windows.dilation, strict=True))
            each = zip(windows.inputs, before, spans, windows.stride, strict=True)
            outputs = tuple((n + 2 * p - span) // s + 1 for n, p, span, s in each)
            fitting = before if outputs == windows.outputs else None

            def agrees(padding: object) -> bool:
                return padding == self.padding or (fitting is not None and _is_each(padding, fitting))

            return [Setting("padding", agrees, "padding")]

        order = (self.rank + 1, self.rank, *range(self.rank))
        last = Setting("data_format", "channels_last", "")
        return {
            "torch": Peer(
                (f"Conv{self.rank}d",),
                (moved("weights", "weight", order), same("biases", "bias")),
                (*self._agreeing("stride", "dilation"), Setting("padding_mode", "zeros", "")),
                channels_first=True,
                at=torch_padding,
            ),
            "keras": Peer(
                (f"Conv{self.rank}D",),
                (same("weights", "kernel"), same("biases", "bias")),
                (*self._agreeing("strides", "dilation_rate"), Setting("padding", self.padding, "padding"), last),
            ),
        }

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        params = self._draw(key, input_shape)
        return params, {}, (*self.windows(input_shape[:-1]).outputs, self.filters)

    def windows(self, spatial: Shape) -> Windows:
        """Windows of the kernel over an input of that extent."""
        return slide(type(self).__name__, spatial, self.kernel, self.stride, self.padding, self.dilation)  # pyright: ignore[reportArgumentType]

    def forward(
        self, params: Params, state: State, x: Images, *, key: AnyKey = None, training: bool = False, mask: Mask = None
    ) -> tuple[Maps, State, Cache]:
        """z = x ⋆ W + b; padded steps are 0, like what lies beyond the ends of a sequence."""
        self._check_input(params, x)
        if mask is not None:
            x = jnp.where(mask[..., None], x, jnp.zeros((), x.dtype))
        z = convolve(x, params["weights"], self.windows(x.shape[1:-1]), self.groups, params.get("biases"))
        return z, state, (x, mask)

    def backward(self, params: Params, cache: Cache, dy: Maps) -> tuple[Images, Params]:
        x, mask = cache
        windows = self.windows(x.shape[1:-1])
        dx = gradient_of_input(dy, params["weights"], windows, self.groups)
        if mask is not None:
            dx = jnp.where(mask[..., None], dx, jnp.zeros((), dx.dtype))
        return dx, self._gradients(*gradients_of_parameters(x, dy, windows, self.groups))


class TransposedConvolution(Convolutional):
    """The forward and backward pass of a transposed convolution: those of a convolution, exchanged."""

    formula = "z = x ⋆ᵀ W + b"

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        params = self._draw(key, input_shape)
        return params, {}, (*self.windows(input_shape[:-1]).inputs, self.filters)

    def windows(self, spatial: Shape) -> Windows:
        """Windows of the kernel over the *output*, from an input of that extent."""
        return slide_back(spatial, self.kernel, self.stride, self.padding, self.dilation)  # pyright: ignore[reportArgumentType]

    @property
    def peers(self) -> Peers:  # pyright: ignore[reportIncompatibleVariableOverride]
        """PyTorch's padding takes as much off both ends; Keras has no groups."""

        def torch_padding(shape: Shape) -> list[Setting]:
            windows = self.windows(shape[:-1])
            before = tuple(first for first, _ in windows.padding)
            spans = tuple(d * (k - 1) + 1 for k, d in zip(windows.size, windows.dilation, strict=True))
            each = zip(windows.inputs, windows.outputs, windows.stride, before, spans, strict=True)
            more = tuple(n - ((m - 1) * s - 2 * p + span) for n, m, s, p, span in each)
            return [
                Setting("padding", lambda p: _is_each(p, before), "padding"),
                Setting("output_padding", lambda p: _is_each(p, more), "padding"),
            ]

        axes = tuple(range(self.rank))

        def there(weights: np.ndarray) -> tuple[np.ndarray]:
            return (np.asarray(self.exchange(jnp.asarray(weights))).transpose(self.rank + 1, self.rank, *axes),)

        def back(weights: np.ndarray) -> tuple[np.ndarray]:
            channels, filters, *kernel = weights.shape
            split = weights.transpose(*(axis + 2 for axis in axes), 1, 0)
            split = split.reshape(*kernel, filters, self.groups, channels // self.groups).swapaxes(-1, -3)
            return (split.reshape(*kernel, channels // self.groups, self.groups * filters),)

        last = Setting("data_format", "channels_last", "")
        return {
            "torch": Peer(
                (f"ConvTranspose{self.rank}d",),
                (Carried(("weights",), ("weight",), there, back), same("biases", "bias")),
                (*self._agreeing("stride", "dilation"), Setting("padding_mode", "zeros", "")),
                channels_first=True,
                at=torch_padding,
            ),
            "keras": Peer(
                (f"Conv{self.rank}DTranspose",),
                (moved("weights", "kernel", (*axes, self.rank + 1, self.rank)), same("biases", "bias")),
                (
                    *self._agreeing("strides", "dilation_rate")[:2],
                    Setting("groups", None if self.groups == 1 else self.groups, "groups"),
                    Setting("padding", self.padding, "padding"),
                    Setting("output_padding", None, ""),
                    last,
                ),
            ),
        }

    def exchange(self, weights: Array) -> Array:
        """From (kernel…, channels / groups, filters) to (kernel…, filters / groups, channels), group by group."""
        *kernel, channels, filters = weights.shape
        split = weights.reshape(*kernel, channels, self.groups, filters // self.groups)
        return split.swapaxes(-1, -3).reshape(*kernel, filters // self.groups, self.groups * channels)

    def forward(
        self, params: Params, state: State, x: Images, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Maps, State, Cache]:
        self._check_input(params, x)
        windows = self.windows(x.shape[1:-1])
        weights = self.exchange(params["weights"])
        return gradient_of_input(x, weights, windows, self.groups, params.get("biases")), state, x

    def backward(self, params: Params, cache: Cache, dy: Maps) -> tuple[Images, Params]:
        windows = self.windows(cache.shape[1:-1])
        dx = convolve(dy, self.exchange(params["weights"]), windows, self.groups)
        dW, _ = gradients_of_parameters(dy, cache, windows, self.groups)
        *kernel, _, channels = dW.shape
        split = dW.reshape(*kernel, -1, self.groups, channels // self.groups).swapaxes(-1, -3)
        return dx, self._gradients(split.reshape(params["weights"].shape), dy.sum(range(dy.ndim - 1)))


@layers.register("conv2d")
class Conv2D(Convolution):
    """Filters that slide over an image: the same few weights at every position.

    Formula:
        z[h, w, f] = Σ_i,j,c x[h·s + i·d, w·s + j·d, c] · W[i, j, c, f] + b[f], with stride s and dilation d;
        backward ∂L/∂W[i, j, c, f] = Σ_batch,h,w x[h·s + i·d, w·s + j·d, c] · dz[h, w, f], ∂L/∂b = Σ_batch,h,w dz,
        ∂L/∂x: every dz[h, w, f] · W[i, j, c, f] is added at the index it came from

    Images have the shape (batch, height, width, channels). To a network ``Conv2D(32, 3, "relu")`` is two layers,
    as with `Dense`.

    Args:
        filters: number of filters, the channels of the output, at least 1.
        kernel: height and width of the filters; one number for both.
        activation: name or object of the activation that follows; None for none.
        stride: how far a filter moves from one output to the next; one number, or one an axis.
        padding: "valid", only where the filter lies inside the image; "same", zeros around it, so that stride 1 keeps
            the size.
        dilation: distance between the inputs a filter sees; 1 for neighbours.
        groups: filters fall into so many groups, each of which sees its own channels; as many as there
            are channels for a depthwise convolution.
        weights: how the weights, shape (*kernel, channels / groups, filters), are initialised.
        biases: how the biases, shape (filters,), are initialised.
        use_biases: False leaves the biases out.

    Raises:
        InvalidValue: filters that do not fall into equal groups.
        ShapeError: at ``init``, examples without three axes, channels that do not fall into equal groups, or a filter
            larger than the image with "valid"; in ``forward``, other channels than the weights were made for.

    Example:
        >>> import jax
        >>> params, state, shape = Conv2D(32, 3).init(jax.random.key(0), (28, 28, 1))
        >>> params["weights"].shape, shape
        ((3, 3, 1, 32), (26, 26, 32))
        >>> Conv2D(32, 3, stride=2, padding="same").init(jax.random.key(0), (28, 28, 1))[2]
        (14, 14, 32)

    It is the cross-correlation that all libraries call convolution: filters are not flipped. "same" pads as Keras does,
    an odd zero below and on the right.

    Source: LeCun et al., Gradient-based learning applied to document recognition, 1998; dilation: Yu & Koltun,
    Multi-scale context aggregation by dilated convolutions, 2016.
    """

    input_axes = 3
    example = {"filters": 4, "kernel": 3}, (5, 6, 2)


@layers.register("conv1d")
class Conv1D(Convolution):
    """Filters that slide over a sequence: the same few weights at every time.

    Formula:
        z[t, f] = Σ_i,c x[t·s + i·d, c] · W[i, c, f] + b[f], with stride s and dilation d; backward as in `Conv2D`

    Sequences have the shape (batch, time, features). Padded steps count as 0; with "valid" only outputs that see real
    steps alone are steps for the layers after it, with "same" those of the real steps (stride 1 only).

    Args:
        filters: number of filters, the features of the output, at least 1.
        kernel: how many times a filter sees.
        activation: name or object of the activation that follows; None for none.
        stride: how far a filter moves from one output to the next.
        padding: "valid" or "same", as in `Conv2D`.
        dilation: distance between the times a filter sees.
        groups: groups that features and filters fall into, as in `Conv2D`.
        weights: how the weights, shape (kernel, features / groups, filters), are initialised.
        biases: how the biases, shape (filters,), are initialised.
        use_biases: False leaves the biases out.

    Raises:
        InvalidValue: as in `Conv2D`.
        ShapeError: as in `Conv2D`.

    Example:
        >>> import jax
        >>> params, state, shape = Conv1D(8, 5).init(jax.random.key(0), (100, 3))
        >>> params["weights"].shape, shape
        ((5, 3, 8), (96, 8))

    Source: as for `Conv2D`.
    """

    input_axes = 2
    example = {"filters": 4, "kernel": 3}, (8, 2)


@layers.register("conv2d_transpose")
class ConvTranspose2D(TransposedConvolution):
    """Transposed convolution over images: adds each pixel times a filter to the output.

    Formula:
        z[h·s + i·d, w·s + j·d, f] += x[h, w, c] · W[i, j, c, f], then + b[f]: what a convolution does to its gradients
        on the way back; backward ∂L/∂x is therefore a convolution of dz, ∂L/∂W that of `Conv2D` with x and dz exchanged

    Args:
        filters: number of filters, the channels of the output, at least 1.
        kernel: height and width of the filters; one number for both.
        activation: name or object of the activation that follows; None for none.
        stride: how far apart in the output two neighbours of the input lie; one number, or one an axis.
        padding: "valid", an output of size · stride + max(kernel − stride, 0); "same", of size · stride.
        dilation: distance between the outputs a filter reaches.
        groups: groups that channels and filters fall into, as in `Conv2D`.
        weights: how the weights, shape (*kernel, channels / groups, filters), are initialised.
        biases: how the biases, shape (filters,), are initialised.
        use_biases: False leaves the biases out.

    Raises:
        InvalidValue: filters that do not fall into equal groups.
        ShapeError: at ``init``, examples without three axes, or channels that do not fall into equal groups; in
            ``forward``, other channels than the weights were made for.

    Example:
        >>> import jax
        >>> params, state, shape = ConvTranspose2D(8, 4, stride=2, padding="same").init(jax.random.key(0), (7, 7, 16))
        >>> params["weights"].shape, shape
        ((4, 4, 16, 8), (14, 14, 8))

    Keras and PyTorch keep the weights with filters before channels. Output sizes are those of Keras; PyTorch's
    "valid" is smaller where the stride is larger than the kernel.

    Source: Zeiler et al., Deconvolutional networks, 2010; Dumoulin & Visin, A guide to convolution arithmetic for deep
    learning, 2016.
    """

    input_axes = 3
    example = {"filters": 4, "kernel": 3}, (5, 6, 2)


@layers.register("conv1d_transpose")
class ConvTranspose1D(TransposedConvolution):
    """Transposed convolution over sequences: adds each step times a filter to the output.

    Formula:
        z[t·s + i·d, f] += x[t, c] · W[i, c, f], then + b[f]; backward as in `ConvTranspose2D`

    Args:
        filters: number of filters, the features of the output, at least 1.
        kernel: how many times a filter reaches.
        activation: name or object of the activation that follows; None for none.
        stride: how far apart in the output two neighbours of the input lie.
        padding: "valid" or "same", as in `ConvTranspose2D`.
        dilation: distance between the times a filter reaches.
        groups: groups that features and filters fall into, as in `Conv2D`.
        weights: how the weights, shape (kernel, features / groups, filters), are initialised.
        biases: how the biases, shape (filters,), are initialised.
        use_biases: False leaves the biases out.

    Raises:
        InvalidValue: as in `ConvTranspose2D`.
        ShapeError: as in `ConvTranspose2D`.

    Example:
        >>> import jax
        >>> ConvTranspose1D(8, 3, stride=2).init(jax.random.key(0), (10, 4))[2]
        (21, 8)

    Source: as for `ConvTranspose2D`.
    """

    input_axes = 2
    example = {"filters": 4, "kernel": 3}, (8, 2)
