"""Datasets: examples and targets in arrays, split, with task and preprocessing.

A `Dataset` keeps its inputs in their stored type (pixels stay uint8: a quarter of the memory, faster to gather); its
`Preprocessing` states how the program scales them for the network. Means and standard deviations for that, and values
to fill in, are computed from the training part alone.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import msgspec
import numpy as np

from pellucid.core.display import html_table
from pellucid.core.errors import DataError, ShapeError
from pellucid.data.encoding import as_array, as_float32
from pellucid.data.moments import Moments
from pellucid.data.preprocessing import SCALINGS, Preprocessing, Preprocessings, usual_preprocessing
from pellucid.data.targets import UNTARGETED, Head, Task

if TYPE_CHECKING:
    from pellucid.data.stream import Stream

SHOWN_ROWS, SHOWN_COLUMNS = 5, 12
"""Of a dataset that a notebook shows."""


@dataclass(frozen=True, eq=False)
class Part:
    """Examples and their targets, one per row.

    Args:
        x: inputs ``(rows, …)``; a tuple of such arrays for a network with several inputs.
        y: targets: multiclass int32 ``(rows,)`` of class numbers, or float32 ``(rows, classes)`` of distributions over
            them; binary float32 ``(rows, 1)`` of 0 and 1; multilabel float32 ``(rows, labels)`` of 0 and 1; regression
            float32 ``(rows, outputs)``, both NaN where one of several is not known; translation int32
            ``(rows, steps)`` of word numbers; tagging int32 ``(rows, steps)`` of class numbers, −1 where there is no
            label; forecasting float32 ``(rows, steps, numbers)``; transcription int32 ``(rows, longest)`` of class
            numbers, −1 behind them; reconstruction and generation ``x`` itself. A tuple
            of such arrays for a network with several outputs.
        weights: weight of each row, float32 ``(rows,)``, at least 0; None where all weigh the same.
        rows: the identity of each row in its source: index of a frame, or its number from 0; None if unknown.
        groups: the number of each row's group, which is never divided; None where there are no groups.
        missing: masks of the inputs that were missing and filled in, bool as ``x``; None where none was.

    Raises:
        ShapeError: ``x``, ``y``, ``weights`` and ``groups`` differ in rows.
    """

    x: Any
    y: Any
    weights: np.ndarray | None = None
    rows: np.ndarray | None = None
    groups: np.ndarray | None = None
    missing: Any = None

    def __post_init__(self) -> None:
        for x in self.inputs:
            for y in self.targets:
                if len(x) != len(y):
                    raise ShapeError(
                        f"x has {len(x)} rows and y has {len(y)}: each example needs exactly one target. Shapes "
                        f"received: x {x.shape}, y {y.shape}."
                    )
        if self.weights is not None:
            _check_weights(self.weights, len(self))
        if self.groups is not None and self.groups.shape != (len(self),):
            raise ShapeError(f"{len(self)} rows need a group each. Received: groups of shape {self.groups.shape}.")

    def __len__(self) -> int:
        return len(self.targets[0])

    @property
    def inputs(self) -> tuple[np.ndarray, ...]:
        """The arrays of ``x``, one for each input of the network."""
        return self.x if isinstance(self.x, tuple) else (self.x,)

    @property
    def labels(self) -> np.ndarray:
        """The class of each row, of one target of classes; of a distribution the likeliest."""
        if self.y.ndim == 2 and self.y.shape[1] > 1:
            return self.y.argmax(axis=1)
        return self.y.reshape(len(self)).astype(int)

    @property
    def targets(self) -> tuple[np.ndarray, ...]:
        """The arrays of ``y``, one for each output of the network."""
        return self.y if isinstance(self.y, tuple) else (self.y,)

    def take(self, rows: Any) -> Self:
        """Select rows, in this order."""

        def taken(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(map(taken, value))
            return None if value is None else aligned_rows(value, rows)

        return replace(self, **{field.name: taken(getattr(self, field.name)) for field in fields(self)})


def aligned_rows(array: np.ndarray, rows: Any) -> np.ndarray:
    """A copy of some rows of an array, read-only and beginning on 64 bytes where they are numbers.

    JAX shares such memory on a CPU, and copies what begins elsewhere, as arrays of NumPy do: so a training holds its
    rows once.

    Example:
        >>> aligned_rows(np.arange(6).reshape(3, 2), [2, 0])
        array([[4, 5],
               [0, 1]])
    """
    if array.dtype.kind not in "biuf":
        return array[rows]
    rows = np.arange(len(array))[rows]
    out = aligned_empty((len(rows), *array.shape[1:]), array.dtype)
    np.take(array, rows, axis=0, out=out, mode="clip")  # "raise" would copy once more, and no row is outside
    out.flags.writeable = False
    return out


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array to be written that begins on 64 bytes."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


class Encoder(ABC):
    """Conversion of raw input, such as table rows, to network inputs.

    Subclasses are frozen dataclasses; their fields are what a run folder stores.
    """

    front: tuple[dict[str, Any], ...] = ()
    """Layers, as tables, that turn the encoded examples into numbers that a network learns from; none for numbers. The
    first has a field ``mask_zero``."""
    to_vector: ClassVar[str] = "flatten"
    """The layer that makes a vector of what comes out of them."""
    sample_rate: int | None = None
    """Samples a second of recordings."""
    of_texts: ClassVar[bool] = False
    """True where the source is a list of texts."""

    @property
    def parts(self) -> "tuple[Encoder, ...]":
        """The conversion of each of several inputs."""
        return (self,)

    @property
    def scaled(self) -> np.ndarray | None:
        """Mask of the inputs that a scaling changes, bool ``(features,)``; None for all."""
        return None

    @property
    def overlap(self) -> int:
        """How many rows on either side of a row have targets in common with it, such as windows of a series."""
        return 0

    def names_of(self, x: np.ndarray) -> tuple[str, ...]:
        """The names of the inputs of one encoded example; empty where they have none."""
        return tuple(getattr(self, "features", ()))

    @abstractmethod
    def encode(self, source: Any) -> np.ndarray:
        """The array ``x`` for ``source``."""

    def encode_with_targets(self, source: Any) -> tuple[np.ndarray, Any]:
        """The inputs and the targets of a source that holds both.

        Raises:
            DataError: the source holds inputs alone.
        """
        raise DataError("evaluate needs the targets y of the examples x.")

    def refit(self, train: Part, held_out: Part | None) -> tuple["Encoder", Part, Part | None]:
        """The encoder and the parts with what is estimated from training rows estimated from these."""
        return self, train, held_out

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
        for kind in _subclasses(Encoder):
            names = {field.name for field in fields(kind)}
            younger = {field.name for field in fields(kind) if field.default is not MISSING}
            if set(plain) == names or (set(plain) | younger == names and not set(plain) <= younger):
                return kind.from_dict(plain)
        raise DataError(
            f"no Encoder has the fields {', '.join(plain)}. Import the module that defines its class first."
        )


def _subclasses(kind: type[Encoder]) -> Iterator[Any]:
    """The dataclasses below a class."""
    for below in kind.__subclasses__():
        if is_dataclass(below):
            yield below
        yield from _subclasses(below)


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
        targets: names of the columns to predict; empty where they have none.
        scaling: how the preprocessing is fitted to other training rows: a name of `SCALINGS`, or ``"auto"``; None where
            it was given and stays.
        order: what a part of the rows must respect when it is set apart: ``"none"``, ``"time"`` (rows are in the order
            of time) or ``"groups"``.
        notes: choices made in preparing the data, in words.
        naive: predictions of the held-out rows without any learning, such as a series' last value, by name.
        inputs: the names of several inputs, in the order of ``x``; empty for one.
        heads: what each of several outputs predicts, by name, in the order of ``y``; empty for one.
        stream: where the rows are read while they are trained on: ``train`` and ``held_out`` are then samples of them,
            for what looks at some rows; None where these are all rows.
    """

    name: str
    train: Part
    held_out: Part | None
    task: Task
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    preprocessing: Preprocessing | Preprocessings = Preprocessing()
    target_preprocessing: Preprocessing | Preprocessings = Preprocessing()
    encoder: Encoder | None = None
    source: str = "arrays in memory"
    targets: tuple[str, ...] = ()
    scaling: str | None = None
    order: Literal["none", "time", "groups"] = "none"
    notes: tuple[str, ...] = ()
    naive: Mapping[str, np.ndarray] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    heads: Mapping[str, Head] = field(default_factory=dict)
    stream: "Stream | None" = None

    @property
    def rows(self) -> int:
        """Number of rows to learn from."""
        return len(self.train) if self.stream is None else self.stream.rows(self.stream.training)

    @property
    def held_out_rows(self) -> int:
        """Number of rows held out."""
        if self.stream is not None:
            return self.stream.held_out_rows
        return 0 if self.held_out is None else len(self.held_out)

    def sample(self) -> Self:
        """The rows that are in memory as a dataset of their own: all of them, or a sample of a stream.

        Example:
            >>> from pellucid.data import load_dataset
            >>> load_dataset("iris").sample().rows
            120
        """
        return self if self.stream is None else replace(self, stream=None)

    def of_output(self, name: str) -> Self:
        """The dataset with one of several targets alone; nothing is copied.

        Args:
            name: of the output.
        """
        i, head = list(self.heads).index(name), self.heads[name]
        scalings = self.target_preprocessing.parts
        parts = [None if part is None else replace(part, y=part.y[i]) for part in (self.train, self.held_out)]
        return replace(
            self,
            name=f"{self.name}: {name}",
            train=parts[0],
            held_out=parts[1],
            task=head.task,
            classes=head.classes,
            targets=head.targets,
            target_preprocessing=scalings[i if len(scalings) > 1 else 0],
            naive={},
            heads={},
        )

    def __post_init__(self) -> None:
        y = self.train.y
        if self.task not in ("regression", "multilabel") or not isinstance(y, np.ndarray) or y.ndim != 2:
            return
        empty = np.isnan(y).all(axis=0)
        if len(y) and empty.any():
            column, names = int(empty.argmax()), self.targets or self.classes
            what = names[column] if names else f"target {column + 1}"
            raise DataError(
                f"no training row of {self.name!r} has a value of {what}, so there is nothing to learn it from. Leave "
                "it out."
            )

    def refit(self, train: Part, held_out: Part | None) -> Self:
        """The same dataset with its rows divided in another way; what was estimated from rows is estimated anew.

        Args:
            train: the rows to learn from, of this dataset.
            held_out: the rows to measure generalisation on; or None.
        """
        encoder = self.encoder
        if encoder is not None:
            encoder, train, held_out = encoder.refit(train, held_out)
        changed = replace(self, train=train, held_out=held_out, encoder=encoder, naive={})
        if self.scaling is None:
            return changed
        return replace(changed, preprocessing=fit_preprocessing(train.x, self.scaling, encoder))

    def fitted(self, scaling: str) -> "Preprocessing | Preprocessings":
        """A scaling fitted to the rows to learn from.

        Args:
            scaling: a name of `SCALINGS`.
        """
        of_all = None if self.stream is None else self.stream.inputs
        return fit_preprocessing(self.train.x if of_all is None else of_all, scaling, self.encoder)

    @property
    def input_shape(self) -> tuple[Any, ...]:
        """Shape of one example; a tuple of shapes for several inputs."""
        shapes = tuple(x.shape[1:] for x in self.train.inputs)
        return shapes if isinstance(self.train.x, tuple) else shapes[0]

    @property
    def overlap(self) -> int:
        """How many rows on either side of a row have targets in common with it."""
        return 0 if self.encoder is None else self.encoder.overlap

    @property
    def stratifies(self) -> bool:
        """True where each row has one class, by which rows are divided."""
        return self.task == "binary" or (self.task == "multiclass" and self.train.y.ndim == 1)

    @property
    def outputs(self) -> int:
        """Number of output neurons: 1, or the classes, labels or numbers."""
        if self.task in UNTARGETED:
            return math.prod(self.input_shape)
        if self.heads:
            return sum(head.outputs for head in self.heads.values())
        if self.task == "transcription":
            return len(self.classes) + 1  # and the blank
        of_classes = self.task in ("multiclass", "tagging", "translation")
        return len(self.classes) if of_classes else self.train.y.shape[-1]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all arrays and class names; equal data have equal fingerprints."""
        digest = hashlib.sha256(repr((self.task, self.classes)).encode())
        if self.stream is not None:
            digest.update(f"{self.stream.fingerprint} {self.encoder!r}".encode())
            return digest.hexdigest()
        digest.update(repr((self.inputs, *self.heads.items())).encode() if self.inputs or self.heads else b"")
        for part in (self.train, self.held_out):
            for array in (*part.inputs, *part.targets) if part else ():
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def _facts(self) -> list[tuple[str, str]]:
        held_out = "none" if self.held_out is None else f"{self.held_out_rows:,} examples"
        names = ", ".join(self.classes[:10]) + (" …" if len(self.classes) > 10 else "")
        shapes = " and ".join(str(x.shape[1:]) for x in self.train.inputs)
        told = f"{len(self.classes)}: {names}" if names else f"{self.outputs} to predict"
        if self.heads:
            told = ", ".join(f"{name}: {head.task}, {head.outputs}" for name, head in self.heads.items())
        lines = {
            "task": f"{self.task} ({told})",
            "train": f"{self.rows:,} examples of shape {shapes}, {self.train.inputs[0].dtype}",
            "held out": held_out,
            "weights": "" if self.train.weights is None else "one for each row",
            "input": "; ".join(
                f"{name}: {part}" if name else str(part)
                for name, part in zip(self.inputs or ("",), self.preprocessing.parts, strict=True)
            ),
            "source": self.source if self.stream is None else f"{self.source}, read while it is trained on",
        }
        return [(key, str(line)) for key, line in lines.items() if line] + [("note", note) for note in self.notes]

    def __repr__(self) -> str:
        return f"Dataset {self.name!r}" + "".join(f"\n  {key:10}{line}" for key, line in self._facts())

    def _repr_html_(self) -> str:
        facts = f"<p><b>Dataset {escape(self.name)}</b></p>{html_table((), self._facts())}"
        names = self.features
        if self.inputs or len(self.input_shape) != 1 or len(names) != self.input_shape[0]:
            return facts
        rows = [[f"{value:.6g}" for value in row[:SHOWN_COLUMNS]] for row in self.train.x[:SHOWN_ROWS].tolist()]
        more = [" …"] * (len(names) > SHOWN_COLUMNS)
        head = [*map(str, names[:SHOWN_COLUMNS]), *more]
        return f"{facts}<p>First training rows</p>{html_table(head, [row + more for row in rows])}"


def reconstruction(data: Dataset) -> Dataset:
    """Make each example its own target, for an autoencoder; nothing is copied.

    Args:
        data: any dataset; its targets are left out.

    Example:
        >>> from pellucid.data import make_dataset
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
        >>> from pellucid.data import make_dataset
        >>> generation(make_dataset(np.eye(4), [0, 1, 0, 1], held_out=None)).task
        'generation'
    """
    return _without_targets(data, "generation")


def _without_targets(data: Dataset, task: Task) -> Dataset:
    if data.task == task:
        return data
    parts = [None if part is None else replace(part, y=part.x) for part in (data.train, data.held_out)]
    return replace(data, train=parts[0], held_out=parts[1], task=task, classes=(), targets=(), naive={})


def fit_preprocessing(x: Any, scaling: str, encoder: Encoder | None = None) -> Any:
    """Fit a scaling to training inputs; to each of several by itself.

    Args:
        x: the inputs, or the moments of a table's.
        scaling: a name of `SCALINGS`, or ``"auto"`` for what their shape asks for.
        encoder: of a table, which knows which of its inputs are scaled.
    """
    if isinstance(x, tuple):
        encoders = (None,) * len(x) if encoder is None else encoder.parts
        parts = zip(x, encoders, strict=True)
        return Preprocessings(tuple(fit_preprocessing(array, scaling, of_input) for array, of_input in parts))
    if encoder is not None:
        (encoder,) = encoder.parts
    if isinstance(x, Moments):
        fitted = x.fit(scaling)
    else:
        fitted = (usual_preprocessing if scaling == "auto" else SCALINGS[scaling])(x)
    if encoder is None or encoder.scaled is None or fitted.is_identity:
        return fitted
    return Preprocessing(np.where(encoder.scaled, fitted.shift, 0), np.where(encoder.scaled, fitted.scale, 1))


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
