"""Scaling of inputs and targets, fitted to the training rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.padding import keep_padding

BLOCK = 1 << 16
"""Numbers that are squared at a time when a standard deviation is computed."""
SMALLEST_IMAGE = 8
"""Fewest pixels of a side of an image, where whole numbers could also be a sequence of features."""


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Scaling of every batch before the network: ``x' = (x − shift) · scale``.

    Args:
        shift: float32, one number or an array over the trailing axes of an example.
        scale: the same; never 0.
        padding: features of a padded step of a sequence, which stays as it is; None where there is no padding.
        log: take the logarithm first, ``x' = (log x − shift) · scale``; of targets, all above 0.
        extent: smallest and largest value of the training images, against which new ones are checked; None for what is
            no image.

    Raises:
        DataError: a shift or scale that is not finite, or a scale of 0.

    Example:
        >>> Preprocessing(scale=1 / 255).apply_numpy(np.array([0, 255], np.uint8))
        array([0., 1.], dtype=float32)
    """

    shift: Any = 0.0
    scale: Any = 1.0
    padding: Any = None
    log: bool = False
    extent: Any = None

    def __post_init__(self) -> None:
        for name in ("padding", "extent"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.asarray(getattr(self, name), np.float32))
        for name in ("shift", "scale"):
            value = np.asarray(getattr(self, name), np.float32)
            if not np.isfinite(value).all() or (name == "scale" and (value == 0).any()):
                limit = "finite and not 0" if name == "scale" else "finite"
                raise DataError(f"the {name} of a Preprocessing must be {limit}. Received: {getattr(self, name)}.")
            object.__setattr__(self, name, value)

    def apply_numpy(self, x: Any) -> Any:
        """Scale ``x`` to the float32 array that the network reads."""
        x = np.asarray(x, np.float32)
        if self.log and (x <= 0).any():
            raise DataError(f"{x.min():g} has no logarithm: targets that are scaled by it must be above 0.")
        scaled = ((np.log(x) if self.log else x) - self.shift) * self.scale
        return scaled if self.padding is None else keep_padding(np, x, scaled, self.padding)

    def invert_numpy(self, x: Any) -> Any:
        """Undo the scaling."""
        plain = x / self.scale + self.shift
        return np.exp(plain) if self.log else plain

    def check(self, x: Any) -> None:
        """Refuse images whose pixels have another range than those of the training.

        Raises:
            DataError: pixels from 0 to 1 for a network that learnt 0 to 255, or the reverse.
        """
        if self.extent is None or not x.size:
            return
        low, high = map(float, self.extent)
        largest = float(x.max())
        fractions = x.dtype.kind == "f" and bool((x != np.round(x)).any())
        too_small = high > 1 and largest <= 1 and fractions
        too_large = largest > 2 * max(high, 1) if high <= 1 else largest > 256 * max(high, 1)
        if too_small or too_large:
            raise DataError(
                f"the pixels of x run from {x.min():g} to {largest:g}, those of the training images from {low:g} to "
                f"{high:g}. Give images of the same range: multiply or divide by 255."
            )

    @property
    def is_identity(self) -> bool:
        """True if the scaling changes nothing."""
        return not self.log and bool((self.shift == 0).all() and (self.scale == 1).all())

    def to_dict(self) -> dict[str, np.ndarray]:
        """The arrays by name, as a run saves them."""
        plain = {"shift": self.shift, "scale": self.scale}
        optional = {"padding": self.padding, "extent": self.extent, "log": np.array(True) if self.log else None}
        return plain | {name: array for name, array in optional.items() if array is not None}

    @classmethod
    def from_dict(cls, arrays: Mapping[str, Any]) -> "Preprocessing":
        """Rebuild the preprocessing that `to_dict` wrote."""
        return cls(**{**arrays, "log": bool(arrays.get("log", False))})

    @property
    def parts(self) -> "tuple[Preprocessing, ...]":
        """The one scaling, as `Preprocessings` has several."""
        return (self,)

    def __str__(self) -> str:
        name = "log x" if self.log else "x"
        if self.shift.ndim or self.scale.ndim:
            return f"x' = ({name} − shift) · scale, feature by feature"
        return f"x' = ({name} − {self.shift:g}) · {self.scale:g}"


@dataclass(frozen=True, eq=False)
class Preprocessings:
    """Scaling of several inputs, or of the targets of several outputs: one for each, in their order.

    Its methods are those of `Preprocessing`, of tuples of arrays.

    Example:
        >>> two = Preprocessings((Preprocessing(scale=2.0), Preprocessing()))
        >>> [x.tolist() for x in two.apply_numpy((np.ones(1), np.ones(1)))]
        [[2.0], [1.0]]
    """

    parts: tuple[Preprocessing, ...]

    def apply_numpy(self, x: Any) -> Any:
        """Scale each array; one that no scaling changes, such as class numbers, keeps its type."""
        pairs = zip(self.parts, x, strict=True)
        return tuple(array if part.is_identity else part.apply_numpy(array) for part, array in pairs)

    def invert_numpy(self, x: Any) -> Any:
        """Undo the scaling of each array."""
        return tuple(part.invert_numpy(array) for part, array in zip(self.parts, x, strict=True))

    def check(self, x: Any) -> None:
        """Refuse images whose pixels have another range than those of the training."""
        for part, array in zip(self.parts, x, strict=True):
            part.check(array)

    @property
    def is_identity(self) -> bool:
        """True if no scaling changes anything."""
        return all(part.is_identity for part in self.parts)

    def to_dict(self) -> dict[str, np.ndarray]:
        """The arrays by number and name."""
        return {f"{i}/{name}": array for i, part in enumerate(self.parts) for name, array in part.to_dict().items()}


def restore(arrays: Mapping[str, Any]) -> Preprocessing | Preprocessings:
    """Rebuild the scaling, or the several, that ``to_dict`` wrote."""
    if "shift" in arrays:
        return Preprocessing.from_dict(arrays)
    numbers = sorted({int(name.partition("/")[0]) for name in arrays})
    parts = [
        {name.partition("/")[2]: array for name, array in arrays.items() if name.startswith(f"{i}/")} for i in numbers
    ]
    return Preprocessings(tuple(map(Preprocessing.from_dict, parts)))


def _axes(x: np.ndarray) -> tuple[int, ...] | None:
    # Tables and sequences are scaled feature by feature, arrays of more axes as a whole.
    return tuple(range(x.ndim - 1)) if x.ndim in (2, 3) else None


def standardise(x: np.ndarray) -> Preprocessing:
    """Scale ``x`` to mean 0 and standard deviation 1: ``x' = (x − mean) · 1 / standard deviation``.

    Args:
        x: training inputs. Tables ``(rows, features)`` and sequences ``(rows, steps, features)`` are standardised
            feature by feature, an array of more axes by one mean and one standard deviation. Constants get scale 1.

    Example:
        >>> standardise(np.array([[1.0, 7.0], [3.0, 7.0]])).apply_numpy(np.array([[1.0, 7.0], [3.0, 7.0]]))
        array([[-1.,  0.],
               [ 1.,  0.]], dtype=float32)
    """
    axes = _axes(x)
    mean = np.mean(x, axis=axes, dtype=np.float64)
    squares = sum(np.square(block - mean).sum(axis=axes) for block in _blocks(x))
    std = np.sqrt(squares / (x.size / mean.size))
    # Rounding can give a constant column a standard deviation of 1e-17, so constancy is tested directly.
    constant = (x.max(axis=axes) == x.min(axis=axes)) | (std < np.finfo(np.float32).tiny)
    return Preprocessing(mean, 1 / np.where(constant, 1, std))


def _blocks(x: np.ndarray) -> Iterator[np.ndarray]:
    rows = max(1, BLOCK // max(1, x[0].size))
    for start in range(0, len(x), rows):
        yield x[start : start + rows].astype(np.float64)


def min_max(x: np.ndarray) -> Preprocessing:
    """Scale ``x`` to the range 0 … 1: ``x' = (x − min) · 1 / (max − min)``.

    Args:
        x: training inputs; by feature or as a whole as in `standardise`. Constants get scale 1.

    Example:
        >>> min_max(np.array([[1.0, 7.0], [3.0, 7.0]])).apply_numpy(np.array([[1.0, 7.0], [3.0, 7.0]]))
        array([[0., 0.],
               [1., 0.]], dtype=float32)
    """
    axes = _axes(x)
    low, high = x.min(axis=axes).astype(np.float64), x.max(axis=axes).astype(np.float64)
    return Preprocessing(low, 1 / np.where(high > low, high - low, 1))


def log(y: np.ndarray) -> Preprocessing:
    """Standardise the logarithms of targets: ``y' = (log y − mean) · 1 / standard deviation``.

    Args:
        y: training targets, all above 0.

    Raises:
        DataError: a target of 0 or less, which has no logarithm.

    Example:
        >>> prices = np.array([[10.0], [1000.0]])
        >>> log(prices).apply_numpy(prices).ravel().round(3).tolist()
        [-1.0, 1.0]
    """
    if (y <= 0).any():
        raise DataError(f"the smallest target is {y.min():g}: scaled by their logarithms, targets must be above 0.")
    return replace(standardise(np.log(y.astype(np.float64))), log=True)


SCALINGS: dict[str, Callable[[np.ndarray], Preprocessing]] = {
    "standardise": standardise,
    "min_max": min_max,
    "none": lambda x: Preprocessing(),
    "log": log,
}
"""Scalings of inputs, or of the targets of a regression, by name; each is fitted to the training rows."""


def usual_preprocessing(x: np.ndarray) -> Preprocessing:
    """The scaling that the shape of the inputs asks for.

    Tables and sequences are standardised feature by feature, whatever the type of their numbers, but for bits, which
    stay 0 and 1. Pixels are scaled by their range: 0 … 255 by 1/255, 0 … 1 not at all; images of any other range are
    standardised as a whole.

    Example:
        >>> print(usual_preprocessing(np.full((2, 28, 28), 255, np.int64)))
        x' = (x − 0) · 0.00392157
    """
    low, high = float(x.min()), float(x.max())
    if x.ndim == 2:
        return Preprocessing() if x.dtype == np.uint8 and high <= 1 else standardise(x)
    if not _is_image(x, low, high):
        return standardise(x)
    largest = next((limit for limit in (1, 255, 65535) if high <= limit), None)
    if largest is None or low < -1 or (low < 0 and high > 1):
        return standardise(x)
    return Preprocessing(scale=1 / largest, extent=(low, high))


def _is_image(x: np.ndarray, low: float, high: float) -> bool:
    if x.ndim > 3 or x.dtype == np.uint8:
        return True
    pixels = low >= 0 and (high <= 1 or (high <= 255 and bool((x == np.round(x)).all())))
    return pixels and min(x.shape[1:]) >= SMALLEST_IMAGE
