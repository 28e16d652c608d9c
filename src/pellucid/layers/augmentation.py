"""Augmentation: layers that change every example anew in training, and nothing in prediction."""

from abc import abstractmethod
from dataclasses import MISSING, dataclass
from typing import Any, ClassVar, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates

from pellucid.core.constraints import POSITIVE, Interval, OneOf, WholeNumber, constrained
from pellucid.core.errors import ShapeError
from pellucid.core.types import Array, Bool, Cache, Float, Key, Params, Shape, State
from pellucid.layers.layer import AnyKey, Layer, Units, layers

Batch: TypeAlias = Float[Array, "batch ..."]
Example: TypeAlias = Float[Array, "..."]
FILL = "value of what an image does not cover"


class Augmentation(Layer):
    """Base of layers that draw a change for each example in training.

    A class gives ``augment`` for one example; the derivative is that of the change drawn.
    """

    axes: ClassVar[tuple[str, ...]]
    """Names of an example's axes."""
    precise = True
    linear = True
    in_prediction = "Augmentation is off, as it is in prediction."
    formula = "unchanged in prediction"

    def init(self, key: Any, input_shape: Shape) -> tuple[Params, State, Shape]:
        if len(input_shape) != len(self.axes):
            raise ShapeError(f"{self.name} takes examples of shape ({', '.join(self.axes)}). Received: {input_shape}.")
        return {}, {}, input_shape

    def forward(
        self, params: Params, state: State, x: Batch, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Batch, State, Cache]:
        if not training:
            return self.in_use(x), state, None
        if key is None:
            raise ValueError(f"{self.name} in training needs a random key")
        return jax.vmap(self.augment)(jax.random.split(key, x.shape[0]), x), state, None

    def in_use(self, x: Batch) -> Batch:
        """The examples in prediction, of the shape that they have in training."""
        return x

    @abstractmethod
    def augment(self, key: Key[Array, ""], x: Example) -> Example:
        """Change one example."""


class OfImages(Augmentation):
    """Base of augmentations of images, shape (height, width, channels)."""

    axes = ("height", "width", "channels")
    input_axes = 3


@layers.register("random_flip")
class RandomFlip(OfImages):
    """Images mirrored with probability ½ in training.

    Formula:
        training: y = x or x mirrored, each with probability ½; prediction: y = x

    Args:
        direction: ``"horizontal"`` mirrors left and right, ``"vertical"`` top and bottom, ``"both"`` draws each of the
            two by itself.

    Example:
        >>> x = jnp.arange(3.0).reshape(1, 1, 3, 1) * jnp.ones((8, 1, 1, 1))
        >>> y, _, _ = RandomFlip().forward({}, {}, x, key=jax.random.key(0), training=True)
        >>> sorted({tuple(image.ravel().tolist()) for image in y})
        [(0.0, 1.0, 2.0), (2.0, 1.0, 0.0)]

    Source: Krizhevsky, Sutskever, Hinton, ImageNet classification with deep convolutional neural networks, 2012.
    """

    example = {}, (4, 3, 2)

    direction: str = constrained("horizontal", OneOf(("horizontal", "vertical", "both")), "of the mirror image")

    def augment(self, key: Key[Array, ""], x: Example) -> Example:
        for axis, name in enumerate(("vertical", "horizontal")):
            if self.direction in (name, "both"):
                mirrored = jax.random.bernoulli(jax.random.fold_in(key, axis), np.float32(0.5))
                x = jnp.where(mirrored, jnp.flip(x, axis), x)
        return x


@layers.register("random_shift")
class RandomShift(OfImages):
    """Images shifted by a few whole pixels in training.

    Formula:
        training: y[i, j] = x[i − s, j − t], s and t uniform on −pixels … pixels, ``fill`` outside; prediction: y = x

    Args:
        pixels: largest shift in each direction, at least 1.
        fill: value of what the shifted image does not cover, in the units of the network's scaled input.

    Example:
        >>> x = jnp.zeros((50, 3, 3, 1)).at[:, 1, 1].set(1)
        >>> y, _, _ = RandomShift(1).forward({}, {}, x, key=jax.random.key(0), training=True)
        >>> y.mean(0)[..., 0].round(1).shape, float(y.sum())
        ((3, 3), 50.0)

    Source: Simard, Steinkraus, Platt, Best practices for convolutional neural networks applied to visual document
    analysis, 2003.
    """

    example = {"pixels": 1}, (4, 3, 2)

    pixels: int = constrained(2, WholeNumber(1), "largest shift")
    fill: float = constrained(0.0, Interval(), FILL)

    def augment(self, key: Key[Array, ""], x: Example) -> Example:
        room = (self.pixels, self.pixels)
        wide = jnp.pad(x, (room, room, (0, 0)), constant_values=self.fill)
        return random_window(key, wide, x.shape[:2])


@layers.register("random_crop")
class RandomCrop(OfImages):
    """A random window of each image in training, the middle one in prediction.

    Formula:
        y[i, j] = x[i + s, j + t]; training: s and t uniform over all windows inside; prediction: the middle window

    Args:
        height: of the window, in pixels.
        width: of the window, in pixels.

    Raises:
        ShapeError: in ``init``, images smaller than the window.

    Example:
        >>> x = jnp.arange(25.0).reshape(1, 5, 5, 1)
        >>> y, _, _ = RandomCrop(3, 3).forward({}, {}, x, key=None, training=False)
        >>> y[0, :, :, 0].tolist()
        [[6.0, 7.0, 8.0], [11.0, 12.0, 13.0], [16.0, 17.0, 18.0]]

    Source: Krizhevsky, Sutskever, Hinton, ImageNet classification with deep convolutional neural networks, 2012.
    """

    in_prediction = "The middle window is taken, as it is in prediction."
    formula = "the middle window in prediction"
    example = {"height": 3, "width": 2}, (4, 3, 2)

    height: int = constrained(MISSING, WholeNumber(1), "of the window")
    width: int = constrained(MISSING, WholeNumber(1), "of the window")

    def init(self, key: Any, input_shape: Shape) -> tuple[Params, State, Shape]:
        super().init(key, input_shape)
        height, width, channels = input_shape
        if self.height > height or self.width > width:
            raise ShapeError(
                f"{self.name} takes windows of {self.height} × {self.width} pixels. "
                f"Received: images of {height} × {width}. Choose a smaller window."
            )
        return {}, {}, (self.height, self.width, channels)

    def in_use(self, x: Batch) -> Batch:
        top, left = (x.shape[1] - self.height) // 2, (x.shape[2] - self.width) // 2
        return x[:, top : top + self.height, left : left + self.width]

    def augment(self, key: Key[Array, ""], x: Example) -> Example:
        return random_window(key, x, (self.height, self.width))


def random_window(key: Key[Array, ""], image: Example, sides: tuple[int, ...]) -> Example:
    """A window of an image, uniform over all that lie inside."""
    room = jnp.asarray([have - take + 1 for have, take in zip(image.shape, sides, strict=False)], jnp.int32)
    top, left = jax.random.randint(key, (2,), 0, room, jnp.int32)
    return jax.lax.dynamic_slice(image, (top, left, jnp.zeros_like(top)), (*sides, image.shape[2]))


@layers.register("random_rotation")
class RandomRotation(OfImages):
    """Images turned about their middle by a random angle in training.

    Formula:
        training: y(p) = x(R p), R the rotation by an angle uniform on −degrees … degrees, pixels interpolated linearly,
        ``fill`` outside; prediction: y = x

    Args:
        degrees: largest angle, above 0 and at most 180.
        fill: value of what the turned image does not cover, in the units of the network's scaled input.

    Example:
        >>> x = jnp.ones((2, 8, 8, 1))
        >>> y, _, _ = RandomRotation(45).forward({}, {}, x, key=jax.random.key(0), training=True)
        >>> bool((y[:, 3:5, 3:5] == 1).all()), bool((y[:, 0, 0] < 1).all())
        (True, True)

    Source: Simard, Steinkraus, Platt, Best practices for convolutional neural networks applied to visual document
    analysis, 2003.
    """

    example = {"degrees": 30.0}, (4, 3, 2)

    degrees: float = constrained(10.0, Interval(0, 180, closed="right"), "largest angle")
    fill: float = constrained(0.0, Interval(), FILL)

    def augment(self, key: Key[Array, ""], x: Example) -> Example:
        drawn = jax.random.uniform(key, (), jnp.float32, -1, 1).astype(x.dtype)
        angle = drawn * jnp.asarray(jnp.deg2rad(self.degrees), x.dtype)
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        middle = [(side - 1) / 2 for side in x.shape[:2]]
        down, right = (jax.lax.broadcasted_iota(x.dtype, x.shape[:2], i) - middle[i] for i in (0, 1))
        source = [cos * down - sin * right + middle[0], sin * down + cos * right + middle[1]]

        def turned(channel: Array) -> Array:
            return map_coordinates(channel, source, order=1, mode="constant", cval=self.fill)

        return jax.vmap(turned, in_axes=2, out_axes=2)(x)


@layers.register("cutout")
class Cutout(OfImages):
    """A square of each image blanked in training.

    Formula:
        training: y = fill inside a square whose middle is a pixel drawn uniformly, x outside; prediction: y = x

    The part of the square beyond the border is lost, so the blanked area is often smaller than size².

    Args:
        size: side of the square in pixels, at least 1.
        fill: value inside the square, in the units of the network's scaled input.

    Example:
        >>> y, _, _ = Cutout(1).forward({}, {}, jnp.ones((5, 4, 4, 1)), key=jax.random.key(0), training=True)
        >>> y.sum((1, 2, 3)).tolist()
        [15.0, 15.0, 15.0, 15.0, 15.0]

    Source: DeVries, Taylor, Improved regularization of convolutional neural networks with cutout, 2017.
    """

    example = {"size": 2}, (4, 3, 2)

    size: int = constrained(MISSING, WholeNumber(1), "side of the square")
    fill: float = constrained(0.0, Interval(), "value inside the square")

    def augment(self, key: Key[Array, ""], x: Example) -> Example:
        inside = jnp.ones((), bool)
        for axis, side in enumerate(x.shape[:2]):
            first = jax.random.randint(jax.random.fold_in(key, axis), (), 0, side, jnp.int32) - self.size // 2
            inside = inside & _between(first, self.size, x.shape, axis)
        return jnp.where(inside, jnp.asarray(self.fill, x.dtype), x)


@dataclass(frozen=True)
class OfSequences(Augmentation):
    """Base of masks of spectrograms and other sequences, shape (time, features).

    Args:
        width: largest number of steps or features that one mask covers, at least 1.
        count: number of masks.
    """

    axes = ("time", "features")
    masks = "passes"
    masked_axis: ClassVar[int]

    width: int = constrained(MISSING, WholeNumber(1), "most that one mask covers")
    count: int = constrained(1, WholeNumber(1), "masks of an example")

    def init(self, key: Any, input_shape: Shape) -> tuple[Params, State, Shape]:
        super().init(key, input_shape)
        if self.width > input_shape[self.masked_axis]:
            raise ShapeError(
                f"{self.name} covers up to {self.width} {self.axes[self.masked_axis]}, and an example of shape "
                f"{input_shape} has {input_shape[self.masked_axis]}: choose a smaller width."
            )
        return {}, {}, input_shape

    def augment(self, key: Key[Array, ""], x: Example) -> Example:
        for mask in range(self.count):
            how_wide, where = jax.random.split(jax.random.fold_in(key, mask))
            width = jax.random.randint(how_wide, (), 0, self.width + 1, jnp.int32)
            first = jax.random.randint(where, (), 0, x.shape[self.masked_axis] - width + 1, jnp.int32)
            x = jnp.where(_between(first, width, x.shape, self.masked_axis), jnp.zeros((), x.dtype), x)
        return x


@layers.register("time_mask")
class TimeMask(OfSequences):
    """Steps in a row set to 0 in training, those of a spectrogram for example.

    Formula:
        training: y[t] = 0 for t₀ ≤ t < t₀ + w, w uniform on 0 … width, t₀ on all places inside; prediction: y = x

    Args:
        width: most steps of one mask, at least 1.
        count: number of masks.

    Raises:
        ShapeError: in ``init``, fewer steps than a mask may cover.

    Example:
        >>> y, _, _ = TimeMask(3).forward({}, {}, jnp.ones((4, 9, 2)), key=jax.random.key(0), training=True)
        >>> bool(((y == 0).all(2).sum(1) <= 3).all())
        True

    Source: Park and others, SpecAugment: a simple data augmentation method for automatic speech recognition, 2019.
    """

    example = {"width": 2}, (5, 3)
    masked_axis = 0


@layers.register("frequency_mask")
class FrequencyMask(OfSequences):
    """Neighbouring features set to 0 at all steps in training: a band of a spectrogram's frequencies.

    Formula:
        training: y[:, f] = 0 for f₀ ≤ f < f₀ + w, w uniform on 0 … width, f₀ on all places inside; prediction: y = x

    Args:
        width: most features of one mask, at least 1.
        count: number of masks.

    Raises:
        ShapeError: in ``init``, fewer features than a mask may cover.

    Example:
        >>> y, _, _ = FrequencyMask(3).forward({}, {}, jnp.ones((4, 2, 9)), key=jax.random.key(0), training=True)
        >>> bool(((y == 0).all(1).sum(1) <= 3).all())
        True

    Source: Park and others, SpecAugment: a simple data augmentation method for automatic speech recognition, 2019.
    """

    example = {"width": 2}, (5, 3)
    masked_axis = 1


def _between(first: Array, width: Any, shape: Shape, axis: int) -> Bool[Array, "..."]:
    """True where the index along an axis lies in ``first … first + width − 1``; broadcasts to the shape."""
    index = jax.lax.broadcasted_iota(jnp.int32, shape, axis)
    return (index >= first) & (index < first + width)


@layers.register("mixup")
class Mixup(Layer):
    """Each example mixed with another one of its batch in training, and its target alike.

    Formula:
        training: y = λ xᵢ + (1 − λ) xⱼ, L = λ l(ŷ, yᵢ) + (1 − λ) l(ŷ, yⱼ), λ ~ Beta(alpha, alpha) for each example, j
        from a random order of the batch; prediction: y = x

    For losses linear in the target (cross-entropies) that is the loss of the mixed target; for the squared error it has
    the same gradient. The training metric is that of the mixed example for its own target yᵢ. A network holds one at
    most, after any layer that keeps the examples of a batch in their order.

    Args:
        alpha: of the Beta distribution, above 0: small values leave most examples nearly as they are.

    Example:
        >>> x = jnp.arange(4.0).reshape(4, 1)
        >>> y, _, _ = Mixup(0.4).forward({}, {}, x, key=jax.random.key(0), training=True)
        >>> bool((y >= 0).all() & (y <= 3).all()), round(float(y.sum()), 3) != 0
        (True, True)

    Source: Zhang, Cisse, Dauphin, Lopez-Paz, mixup: beyond empirical risk minimization, 2018.
    """

    depends_on_batch = True
    mixes = True
    linear = True
    in_prediction = "Examples are not mixed, as in prediction."
    formula = "unchanged in prediction"
    example = {"alpha": 0.4}, (3,)

    alpha: float = constrained(0.2, POSITIVE, "of the Beta distribution")

    def mixture(self, key: Key[Array, ""], rows: int) -> tuple[Array, Array]:
        """The partner of each example, and the fraction λ that it keeps of itself."""
        order, fractions = jax.random.split(key)
        kept = jax.random.beta(fractions, self.alpha, self.alpha, (rows,), jnp.float32)
        return jax.random.permutation(order, rows), kept

    def forward(
        self,
        params: Params,
        state: State,
        x: Units,
        *,
        key: AnyKey = None,
        training: bool = False,
        sample_mask: Bool[Array, " batch"] | None = None,
    ) -> tuple[Units, State, Cache]:
        """The mixed examples; rows that only fill up a short batch are rows of the data too, and may be partners."""
        if not training:
            return x, state, None
        if key is None:
            raise ValueError("mixup in training needs a random key")
        partners, kept = self.mixture(key, x.shape[0])
        return blend(x, x[partners], kept), state, None


def blend(own: Array, other: Array, kept: Array) -> Array:
    """``λ own + (1 − λ) other``, with one λ for each example."""
    kept = kept.astype(own.dtype).reshape(kept.shape + (1,) * (own.ndim - 1))
    return kept * own + (1 - kept) * other
