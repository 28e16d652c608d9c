"""Datasets from arrays: checked, split, with task and preprocessing.

A `Dataset` keeps its inputs in their stored type (pixels stay uint8: a quarter of the memory, faster to gather); its
`Preprocessing` states how the program scales them for the network. Means and standard deviations for that are computed
from the training part alone.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, Self

import msgspec
import numpy as np

from pellucid.core.constraints import Interval, OneOf, WholeNumber, require
from pellucid.core.errors import DataError, ShapeError
from pellucid.core.padding import keep_padding
from pellucid.data.encoding import UNTARGETED, Target, Task, as_array, as_float32, as_inputs, infer_target

FRACTION = Interval(0, 1, closed="neither")


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Scaling of every batch before the network: ``x' = (x − shift) · scale``.

    Args:
        shift: float32, one number or an array over the trailing axes of an example.
        scale: the same; never 0.
        padding: features of a padded step of a sequence, which stays as it is; None where there is no padding.

    Raises:
        DataError: a shift or scale that is not finite, or a scale of 0.

    Example:
        >>> Preprocessing(scale=1 / 255).apply_numpy(np.array([0, 255], np.uint8))
        array([0., 1.], dtype=float32)
    """

    shift: Any = 0.0
    scale: Any = 1.0
    padding: Any = None

    def __post_init__(self) -> None:
        if self.padding is not None:
            object.__setattr__(self, "padding", np.asarray(self.padding, np.float32))
        for name in ("shift", "scale"):
            value = np.asarray(getattr(self, name), np.float32)
            if not np.isfinite(value).all() or (name == "scale" and (value == 0).any()):
                limit = "finite and not 0" if name == "scale" else "finite"
                raise DataError(f"the {name} of a Preprocessing must be {limit}. Received: {getattr(self, name)}.")
            object.__setattr__(self, name, value)

    def apply_numpy(self, x: np.ndarray) -> np.ndarray:
        """Scale ``x`` to the float32 array that the network reads."""
        x = np.asarray(x, np.float32)
        scaled = (x - self.shift) * self.scale
        return scaled if self.padding is None else keep_padding(np, x, scaled, self.padding)

    def invert_numpy(self, x: np.ndarray) -> np.ndarray:
        """Undo the scaling."""
        return x / self.scale + self.shift

    @property
    def is_identity(self) -> bool:
        """True if the scaling changes nothing."""
        return bool((self.shift == 0).all() and (self.scale == 1).all())

    def to_dict(self) -> dict[str, np.ndarray]:
        """The arrays by name, as a run saves them."""
        plain = {"shift": self.shift, "scale": self.scale}
        return plain if self.padding is None else plain | {"padding": self.padding}

    @classmethod
    def from_dict(cls, arrays: Mapping[str, Any]) -> "Preprocessing":
        """Rebuild the preprocessing that `to_dict` wrote."""
        return cls(shift=arrays["shift"], scale=arrays["scale"], padding=arrays.get("padding"))

    def __str__(self) -> str:
        if self.shift.ndim or self.scale.ndim:
            return "x' = (x − shift) · scale, feature by feature"
        return f"x' = (x − {self.shift:g}) · {self.scale:g}"


@dataclass(frozen=True, eq=False)
class Part:
    """Examples and their targets, one per row.

    Args:
        x: inputs ``(rows, …)``; a tuple of such arrays for a network with several inputs.
        y: targets: multiclass int32 ``(rows,)`` of class numbers; binary float32 ``(rows, 1)`` of 0 and 1;
            multilabel float32 ``(rows, labels)`` of 0 and 1; regression float32 ``(rows, outputs)``; translation int32
            ``(rows, steps)`` of word numbers; reconstruction and generation ``x`` itself.
        weights: weight of each row, float32 ``(rows,)``, at least 0; None where all weigh the same.
        groups: number of each row's group, whose rows stay in one fold of a cross-validation, int ``(rows,)``; None
            where each row is by itself.

    Raises:
        ShapeError: ``x``, ``y``, ``weights`` and ``groups`` differ in rows.
    """

    x: Any
    y: np.ndarray
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        for x in self.inputs:
            if len(x) != len(self.y):
                raise ShapeError(
                    f"x has {len(x)} rows and y has {len(self.y)}: each example needs exactly one target. Shapes "
                    f"received: x {x.shape}, y {self.y.shape}."
                )
        if self.weights is not None:
            _check_weights(self.weights, len(self))
        if self.groups is not None and self.groups.shape != (len(self),):
            raise ShapeError(f"{len(self)} rows need a group each. Received: groups of shape {self.groups.shape}.")

    def __len__(self) -> int:
        return len(self.y)

    @property
    def inputs(self) -> tuple[np.ndarray, ...]:
        """The arrays of ``x``, one for each input of the network."""
        return self.x if isinstance(self.x, tuple) else (self.x,)

    def take(self, rows: Any) -> Self:
        """Select rows, in this order."""

        def taken(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(array[rows] for array in value)
            return None if value is None else value[rows]

        return replace(self, **{field.name: taken(getattr(self, field.name)) for field in fields(self)})


class Encoder(ABC):
    """Conversion of raw input, such as table rows, to network inputs.

    Subclasses are frozen dataclasses; their fields are what a run folder stores.
    """

    @abstractmethod
    def encode(self, source: Any) -> np.ndarray:
        """The array ``x`` for ``source``."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON can hold."""
        return asdict(self)  # pyright: ignore[reportArgumentType]

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Rebuild the encoder that `to_dict` wrote."""
        return msgspec.convert(plain, cls)

    @staticmethod
    def restore(plain: Mapping[str, Any]) -> "Encoder":
        """Rebuild an encoder of any class, recognised by its fields.

        Raises:
            DataError: no imported class has these fields.
        """
        kinds: Any = Encoder.__subclasses__()
        for kind in kinds:
            if {field.name for field in fields(kind)} == set(plain):
                return kind.from_dict(plain)
        raise DataError(
            f"no Encoder has the fields {', '.join(plain)}. Import the module that defines its class first."
        )


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training data, held-out data, and their description.

    Args:
        name: a short name for messages and run folders.
        train: the examples to learn from.
        held_out: unseen examples to measure generalisation on; or None.
        task: decides the output layer and the loss.
        classes: names of the classes, labels or words, in the order of their numbers; empty for a regression.
        features: names of the inputs of a table; may be empty.
        preprocessing: scaling of a batch of ``x``.
        target_preprocessing: the same for the targets of a regression: ``y' = (y − shift) · scale``. Predictions are
            returned in the units of ``y``.
        encoder: converts new raw input to ``x``; None where the input is an array already.
        source: origin of the data.
    """

    name: str
    train: Part
    held_out: Part | None
    task: Task
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    preprocessing: Preprocessing = Preprocessing()
    target_preprocessing: Preprocessing = Preprocessing()
    encoder: Encoder | None = None
    source: str = "arrays in memory"

    @property
    def input_shape(self) -> tuple[Any, ...]:
        """Shape of one example; a tuple of shapes for several inputs."""
        shapes = tuple(x.shape[1:] for x in self.train.inputs)
        return shapes if isinstance(self.train.x, tuple) else shapes[0]

    @property
    def outputs(self) -> int:
        """Number of output neurons: 1, or the classes, labels or numbers."""
        if self.task in UNTARGETED:
            return math.prod(self.input_shape)
        return len(self.classes) if self.task in ("multiclass", "translation") else self.train.y.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all arrays and class names; equal data have equal fingerprints."""
        digest = hashlib.sha256(repr((self.task, self.classes)).encode())
        for part in (self.train, self.held_out):
            for array in (*part.inputs, part.y) if part else ():
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def __repr__(self) -> str:
        held_out = "none" if self.held_out is None else f"{len(self.held_out):,} examples"
        names = ", ".join(self.classes[:10]) + (" …" if len(self.classes) > 10 else "")
        shapes = " and ".join(str(x.shape[1:]) for x in self.train.inputs)
        lines = {
            "task": f"{self.task} ({f'{len(self.classes)}: {names}' if names else f'{self.outputs} to predict'})",
            "train": f"{len(self.train):,} examples of shape {shapes}, {self.train.inputs[0].dtype}",
            "held out": held_out,
            "weights": "" if self.train.weights is None else "one for each row",
            "input": self.preprocessing,
            "source": self.source,
        }
        return f"Dataset {self.name!r}" + "".join(f"\n  {key:10}{line}" for key, line in lines.items() if line)


def make_dataset(
    x: Any,
    y: Any = None,
    *,
    name: str = "arrays",
    task: Task | None = None,
    classes: Sequence[str] | None = None,
    weights: Any = None,
    held_out: float | tuple[Any, ...] | None = 0.2,
    seed: int = 0,
    preprocessing: Preprocessing | Literal["auto", "standardise", "min_max", "none"] = "auto",
    features: Sequence[str] = (),
    encoder: Encoder | None = None,
    source: str = "arrays in memory",
) -> Dataset:
    """Make a checked `Dataset` from two arrays.

    The task is inferred from ``y`` unless given: text or booleans are classes; whole numbers are classes where they
    repeat (two values, or at most max(20, √rows) and at most half the rows), else a regression; other numbers are a
    regression; 2-D rows of 0 and 1 are one-hot classes where each sums to 1, else labels.

    Args:
        x: inputs ``(rows, …)``. uint8 and bool are kept in 8 bits, other numbers become float32.
        y: targets ``(rows,)`` or ``(rows, outputs)``; None where a network learns from the inputs alone: a
            reconstruction, by an autoencoder, or with ``task="generation"`` new examples, by a GAN.
        name: a short name for messages and run folders.
        task: overrides the inference.
        classes: class names in order; ``y`` then holds these names, or numbers from 0 to C − 1.
        weights: a weight for each row, at least 0; it stays with its row when rows are held out.
        held_out: fraction of the rows to hold out, in (0, 1), drawn class by class; a pair ``(x, y)``, or ``(x, y,
            weights)``; or None.
        seed: of the draw.
        preprocessing: ``"standardise"`` gives mean 0 and standard deviation 1 over the training part (each feature of a
            table, all values of an image or sequence together; constants are only shifted), ``"min_max"`` the range
            0 … 1. ``"auto"`` standardises float tables, scales uint8 by 1/255 unless it is all 0 and 1, and leaves the
            rest.
        features: names of the inputs.
        encoder: kept in the dataset.
        source: kept in the dataset.

    Raises:
        DataError: no rows, a value that is not a finite number, one class only, a label outside ``classes``, a class
            too small to split; names the row and column, from 0.
        ShapeError: ``x`` and ``y``, or training and held-out part, do not fit together.

    Example:
        >>> data = make_dataset([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], name="xor", held_out=None)
        >>> data
        Dataset 'xor'
          task      binary (2: 0, 1)
          train     4 examples of shape (2,), float32
          held out  none
          input     x' = (x − shift) · scale, feature by feature
          source    arrays in memory

    Where other libraries differ: scikit-learn leaves scaling to a pipeline and Keras to a layer; here it is part of the
    data, so that prediction on new data repeats it exactly.
    """
    x = as_inputs(x)
    if y is None:
        task = task or "reconstruction"
        require(task, OneOf(UNTARGETED), "task", "Any other task needs targets y.")
        target = Target(task)
    else:
        target = infer_target(y, task=task, classes=classes)
    whole = _part(target, x, y, weights)
    if features and x.shape[1:] != (len(features),):
        raise ShapeError(f"{len(features)} feature names for inputs of shape {x.shape[1:]}; give one per column.")
    if held_out is None:
        train, rest = whole, None
    elif isinstance(held_out, tuple):
        train, rest = whole, _given_part(held_out, whole, target)
    else:
        require(held_out, FRACTION, "held_out", "Use held_out=None to train on all rows.")
        stratify = target.task in ("binary", "multiclass")
        train, rest = map(whole.take, split_rows(whole.y, held_out, seed, stratify, target.classes))
    if not isinstance(preprocessing, Preprocessing):
        require(preprocessing, OneOf(("auto", *SCALINGS)), "preprocessing")
        preprocessing = _choose_preprocessing(train.x, preprocessing)
    facts: dict[str, Any] = {"features": tuple(features), "preprocessing": preprocessing}
    return Dataset(name, train, rest, target.task, target.classes, **facts, encoder=encoder, source=source)


def reconstruction(data: Dataset) -> Dataset:
    """Make each example its own target, for an autoencoder; nothing is copied.

    Args:
        data: any dataset; its targets are left out.

    Example:
        >>> whole = reconstruction(make_dataset(np.eye(10), list("abcdefghij"), task="multiclass", held_out=None))
        >>> whole.task, whole.outputs
        ('reconstruction', 10)
    """
    return _without_targets(data, "reconstruction")


def generation(data: Dataset) -> Dataset:
    """Leave the targets out, for a GAN; nothing is copied.

    Args:
        data: any dataset; its targets are left out.

    Example:
        >>> generation(make_dataset(np.eye(4), [0, 1, 0, 1], held_out=None)).task
        'generation'
    """
    return _without_targets(data, "generation")


def _without_targets(data: Dataset, task: Task) -> Dataset:
    if data.task == task:
        return data
    parts = [None if part is None else replace(part, y=part.x) for part in (data.train, data.held_out)]
    return replace(data, train=parts[0], held_out=parts[1], task=task, classes=())


def as_weights(weights: Any, rows: int) -> np.ndarray | None:
    """Weights as `Part` stores them; None where there are none.

    Example:
        >>> as_weights([1, 0, 2.5], 3)
        array([1. , 0. , 2.5], dtype=float32)
    """
    if weights is None:
        return None
    array = as_array(weights, "weights")
    if array.shape in ((rows, 1), (1, rows)):
        array = array.reshape(rows)
    _check_weights(array, rows)
    array = as_float32(array, "weights")
    if (array < 0).any():
        row = int(np.argmax(array < 0))
        raise DataError(f"weights holds {array[row]:g} at row {row}: a weight is at least 0; 0 leaves a row out.")
    if not array.any():
        raise DataError("all weights are 0: there is no row left to learn from.")
    return array


def _check_weights(weights: np.ndarray, rows: int) -> None:
    if weights.shape != (rows,):
        received = f"{len(weights):,} weights" if weights.ndim == 1 else f"an array of shape {weights.shape}"
        raise ShapeError(f"{rows} rows need as many weights, one for each. Received: {received}.")


def _part(target: Target, x: Any, y: Any, weights: Any = None) -> Part:
    x = as_inputs(x)
    return Part(x, x if target.task in UNTARGETED else target.encode(y), as_weights(weights, len(x)))


def _given_part(held_out: tuple[Any, ...], train: Part, target: Target) -> Part:
    if len(held_out) not in (2, 3):
        raise ShapeError(f"held_out is a pair (x, y), or (x, y, weights). Received: {len(held_out)} values.")
    part = _part(target, *held_out)
    for name, array, trained in (("examples", part.x, train.x), ("targets", part.y, train.y)):
        if array.shape[1:] != trained.shape[1:] or array.dtype != trained.dtype:
            raise ShapeError(
                f"held-out {name} are {array.dtype} of shape {array.shape[1:]}, training {name} {trained.dtype} of "
                f"shape {trained.shape[1:]}. Both must be alike."
            )
    return part


def standardise(x: np.ndarray) -> Preprocessing:
    """Scale ``x`` to mean 0 and standard deviation 1: ``x' = (x − mean) · 1 / standard deviation``.

    Args:
        x: training inputs. A table ``(rows, features)`` is standardised feature by feature, an array of more axes by
            one mean and one standard deviation. Constants get scale 1.

    Example:
        >>> standardise(np.array([[1.0, 7.0], [3.0, 7.0]])).apply_numpy(np.array([[1.0, 7.0], [3.0, 7.0]]))
        array([[-1.,  0.],
               [ 1.,  0.]], dtype=float32)
    """
    axes = 0 if x.ndim == 2 else None
    std = np.std(x, axis=axes, dtype=np.float64)
    # Rounding can give a constant column a standard deviation of 1e-17, so constancy is tested directly.
    constant = (x.max(axis=axes) == x.min(axis=axes)) | (std < np.finfo(np.float32).tiny)
    return Preprocessing(np.mean(x, axis=axes, dtype=np.float64), 1 / np.where(constant, 1, std))


def min_max(x: np.ndarray) -> Preprocessing:
    """Scale ``x`` to the range 0 … 1: ``x' = (x − min) · 1 / (max − min)``.

    Args:
        x: training inputs; by feature or as a whole as in `standardise`. Constants get scale 1.

    Example:
        >>> min_max(np.array([[1.0, 7.0], [3.0, 7.0]])).apply_numpy(np.array([[1.0, 7.0], [3.0, 7.0]]))
        array([[0., 0.],
               [1., 0.]], dtype=float32)
    """
    axes = 0 if x.ndim == 2 else None
    low, high = x.min(axis=axes).astype(np.float64), x.max(axis=axes).astype(np.float64)
    return Preprocessing(low, 1 / np.where(high > low, high - low, 1))


SCALINGS: dict[str, Callable[[np.ndarray], Preprocessing]] = {
    "standardise": standardise,
    "min_max": min_max,
    "none": lambda x: Preprocessing(),
}
"""Scalings of inputs, or of the targets of a regression, by name; each is fitted to the training rows."""


def _choose_preprocessing(x: np.ndarray, choice: str) -> Preprocessing:
    if choice in SCALINGS:
        return SCALINGS[choice](x)
    if x.dtype == np.uint8:
        return Preprocessing(scale=1 / 255) if x.max() > 1 else Preprocessing()
    return standardise(x) if x.ndim == 2 else Preprocessing()


def split(part: Part, fraction: float, seed: int, stratify: bool) -> tuple[Part, Part]:
    """Split a random fraction of the rows off.

    Args:
        part: the rows.
        fraction: in (0, 1).
        seed: of the draw; the same seed gives the same parts.
        stratify: keep each class's fraction in both parts; ``y`` then holds one class number per row.

    Returns:
        The remaining part and the drawn part, both shuffled.

    Raises:
        DataError: too few rows, or a class too small for both parts.

    Example:
        >>> part = Part(np.arange(10)[:, None], np.array([0, 1] * 5))
        >>> rest, drawn = split(part, 0.2, seed=0, stratify=True)
        >>> len(rest), sorted(drawn.y.tolist())
        (8, [0, 1])
    """
    rest, drawn = map(part.take, split_rows(part.y, fraction, seed, stratify))
    return rest, drawn


def split_rows(
    y: np.ndarray, fraction: float, seed: int, stratify: bool, classes: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The row numbers of the two parts of `split`."""
    require(fraction, FRACTION, "the fraction to split off")
    require(seed, WholeNumber(0), "seed")
    rows = len(y)
    drawn = math.ceil(fraction * rows)  # as scikit-learn rounds
    advice = "Give more rows, or split off nothing (held_out=None)."
    if drawn >= rows:
        raise DataError(f"{rows} rows cannot be split with a fraction of {fraction:g}. {advice}")
    if stratify:
        labels = y.reshape(rows)
        values, counts = np.unique(labels, return_counts=True)
        if counts.min() < 2:
            number = int(values[counts.argmin()])
            name = classes[number] if classes else number
            raise DataError(
                f"class {name!r} has only 1 row, so it cannot be in both parts of a split. Add rows, remove or merge "
                "the class, pass task='regression' if the target is a quantity, or split off nothing (held_out=None)."
            )
        if min(drawn, rows - drawn) < len(values):
            raise DataError(
                f"{rows} rows of {len(values)} classes cannot be split with a fraction of {fraction:g}: parts of "
                f"{rows - drawn} and {drawn} rows cannot hold every class. {advice}"
            )
    from sklearn.model_selection import train_test_split  # lazily: it takes a second to import

    rest, drawn_rows = train_test_split(
        np.arange(rows), test_size=drawn, random_state=seed, stratify=y.reshape(rows) if stratify else None
    )
    return np.asarray(rest), np.asarray(drawn_rows)
