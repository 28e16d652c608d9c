"""Conversion of raw inputs and targets to arrays that training accepts.

Nothing is broadcast, filled in or guessed from a single odd value: an error names the row, column and value, from 0.
"""

import datetime
import decimal
import numbers
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import DataError, ShapeError

Task: TypeAlias = Literal[
    "binary", "multiclass", "multilabel", "regression", "reconstruction", "generation", "translation"
]
"""Learning tasks: reconstruction learns the inputs, generation new inputs, translation a sentence."""
UNTARGETED: tuple[Task, ...] = ("reconstruction", "generation")
"""Tasks that need no targets."""
SEVERAL_AS_ONE = (
    "Numbers can be predicted all together: y.reshape(len(y), -1), and a network that ends in a dense layer of as many "
    "units."
)
"""Advice for a target at each step."""
TASKS: tuple[Task, ...] = ("binary", "multiclass", "multilabel", "regression")


def as_inputs(x: Any) -> np.ndarray:
    """Convert ``x`` to uint8 (from uint8 and bool) or float32.

    Raises:
        DataError: no rows, a value that is not a finite number, or a column whose differences float32 would lose; names
            the row and column.
        ShapeError: fewer than two axes, or rows of different lengths.

    Example:
        >>> as_inputs([[1, 2.5]])
        array([[1. , 2.5]], dtype=float32)
    """
    array = as_array(x, "x")
    if array.ndim < 2:
        raise ShapeError(
            f"x must have one row per example and at least one column. Received shape {array.shape}. For a single "
            "feature use x.reshape(-1, 1), for a single example x.reshape(1, -1)."
        )
    if array.size == 0:
        raise DataError(f"x is empty: shape {array.shape}. At least one row and one column are needed.")
    if array.dtype in (np.bool_, np.uint8):
        return array.astype(np.uint8, copy=False)
    converted = as_float32(array, "x")
    if array.ndim == 2 and array.dtype.itemsize > 4:
        for column in range(array.shape[1]):
            refuse_lost_digits(array[:, column].astype(np.float64), f"column {column} of x")
    return converted


def refuse_lost_digits(values: np.ndarray, name: str) -> None:
    """Raise `DataError` where float32 would lose a column's differences."""
    low, high = values.min(), values.max()
    if high > low and np.finfo(np.float32).eps * np.abs(values).max() > 0.01 * values.std():
        raise DataError(
            f"{name} runs from {low:.15g} to {high:.15g}: float32 keeps about 7 digits and would lose the differences. "
            f"Subtract a constant such as {low:.15g} from the column first."
        )


def as_array(values: Any, name: str) -> np.ndarray:
    """Convert ``values`` to a NumPy array of at least one axis.

    Example:
        >>> as_array({1.0, 2.0}, "x")
        Traceback (most recent call last):
        ...
        pellucid.core.errors.DataError: x is a set, which has no order. Give an array, or a list of rows.
    """
    if (problem := _not_an_array(values, name)) is not None:
        raise DataError(f"{name} is {problem}")
    try:
        array = np.asarray(values)
    except ValueError as error:  # NumPy: "inhomogeneous shape"
        raise ShapeError(f"the rows of {name} differ in length or shape: {error}") from error
    except (RuntimeError, TypeError) as error:  # a tensor that records gradients, or is on another device
        raise DataError(
            f"{name} is {kind_of(values)} that gives no array: {error} For a tensor of PyTorch: "
            f"{name}.detach().cpu().numpy()."
        ) from error
    if array.ndim == 0 and array.dtype == object:
        raise DataError(f"{name} is {kind_of(values)}, which is no array. {_GIVE}")
    if array.ndim == 0:
        raise ShapeError(f"{name} is the single value {plain(array[()])!r}. {_GIVE}")
    if array.dtype.names:
        raise DataError(
            f"{name} is an array of records ({', '.join(array.dtype.names)}). Give a plain array, "
            f"numpy.lib.recfunctions.structured_to_unstructured({name})."
        )
    return array


_GIVE = "Give an array, or a list of rows."


def _not_an_array(values: Any, name: str) -> str | None:
    # What values is instead of an array, and what to give; None where it may be one.
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        return (
            f"a masked array, whose masked values would be used as they are. Fill them, {name}.filled(…), or leave the "
            "rows out."
        )
    if values is None:
        return f"None. {_GIVE}"
    if isinstance(values, (str, bytes, os.PathLike)):
        shown = f"the text {values!r:.80}" if isinstance(values, (str, bytes)) else f"the path {str(values)!r}"
        return (
            f"{shown}, not an array. Read a file first: np.load(path), np.loadtxt(path, delimiter=','), or "
            "load_table(path, target=column) for a table of named columns."
        )
    if hasattr(values, "toarray"):
        return f"a sparse matrix ({type(values).__name__}). Give {name}.toarray()."
    if isinstance(values, Mapping):
        return (
            f"a table of columns ({type(values).__name__}). Give np.column_stack(list({name}.values())), or "
            "load_table(pandas.DataFrame(…), target=column)."
        )
    if isinstance(values, Set):
        return f"{kind_of(values)}, which has no order. {_GIVE}"
    if isinstance(values, Iterator):
        return f"{kind_of(values)}, which can be read once only. Give list({name})."
    return None


def kind_of(value: Any) -> str:
    """The type of a value with its article, for error messages.

    Example:
        >>> kind_of(np.zeros(3)), kind_of([])
        ('an ndarray', 'a list')
    """
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' or name.startswith('nd') else 'a'} {name}"


def as_float32(array: np.ndarray, name: str) -> np.ndarray:
    """Convert ``array`` to float32, every value finite.

    Example:
        >>> as_float32(np.array([1, 2]), "y")
        array([1., 2.], dtype=float32)
    """
    if array.dtype.kind not in "biuf":
        array = _real_numbers(array, name)
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, np.float32)
    finite = np.isfinite(converted)
    if not finite.all():
        advice = "that are not finite in float32. Remove these rows, fill them in, or rescale the column."
        raise _wrong(name, array, ~finite, f", one of {np.count_nonzero(~finite):,} values {advice}")
    return converted


def _real_numbers(array: np.ndarray, name: str) -> np.ndarray:
    for index, value in np.ndenumerate(array):
        if not isinstance(value, (numbers.Real, decimal.Decimal, np.bool_)):
            advice = "Use load_table for a table of mixed columns, or encode the column as numbers."
            if isinstance(value, (datetime.date, np.datetime64, np.timedelta64)):
                advice = "Give times as numbers, such as days since a first one, or as columns of year, month, day."
            elif isinstance(value, numbers.Complex):
                advice = "Give real and imaginary part as two columns."
            shown = f"{plain(value)!r} ({type(value).__name__})"
            raise DataError(f"{name} holds {shown} at {_position(index)}, which is no real number. {advice}")
    return array.astype(np.float64)


def plain(value: Any) -> Any:
    """A NumPy number as Python's; any other value as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _position(index: tuple[int, ...]) -> str:
    row, *others = index
    if not others:
        return f"row {row}"
    return f"row {row}, column {others[0]}" if len(others) == 1 else f"row {row}, position {tuple(others)}"


def _wrong(name: str, array: np.ndarray, wrong: np.ndarray, advice: str) -> DataError:
    # The error for the first wrong value of an array.
    index = tuple(np.argwhere(wrong)[0].tolist())
    value = array[index]
    return DataError(f"{name} holds {repr(value) if isinstance(value, str) else value} at {_position(index)}{advice}")


@dataclass(frozen=True)
class Target:
    """Conversion of raw targets to arrays.

    Args:
        task: decides their form.
        classes: names of the classes or labels, in order; empty for a regression.
        labels: the raw value of each class; empty where targets are rows of 0 and 1, and for a regression.
    """

    task: Task
    classes: tuple[str, ...] = ()
    labels: tuple[int | str, ...] = ()

    def encode(self, y: Any) -> np.ndarray:
        """Convert ``y`` to the form that `Part` describes.

        Example:
            >>> Target("binary", ("ham", "spam"), ("ham", "spam")).encode(["spam", "ham"])
            array([[1.],
                   [0.]], dtype=float32)
        """
        array = _checked(y, self.task)
        if self.task == "regression":
            values = as_float32(array, "y")
            return values.reshape(len(values), -1)
        if not self.labels:
            rows = _indicators(array, self.task)
            return rows.argmax(axis=1).astype(np.int32) if self.task == "multiclass" else rows
        known = {label: number for number, label in enumerate(self.labels)}
        distinct, inverse = np.unique(_labels(array), return_inverse=True)
        values = np.array([known.get(value, -1) for value in distinct.tolist()], np.int32)[inverse]
        if (values < 0).any():
            row = int(np.argmax(values < 0))
            raise DataError(
                f"y holds the label {plain(array[row])!r} at row {row}, which is no known class. Allowed: "
                f"{_listed(self.labels)}. Correct the label, or name all classes with classes=[…]."
            )
        return values.astype(np.float32)[:, None] if self.task == "binary" else values


def infer_target(y: Any, *, task: Task | None = None, classes: Sequence[str] | None = None) -> Target:
    """Infer task and classes of ``y``, as `make_dataset` describes it.

    Example:
        >>> infer_target([3, 7, 7, 3])
        Target(task='binary', classes=('3', '7'), labels=(3, 7))
        >>> infer_target([[0, 1, 1], [1, 0, 0]]).task
        'multilabel'
        >>> infer_target([0.5, 1.5, 2.0]).task
        'regression'
    """
    if task is not None:
        require(task, OneOf(TASKS), "task")
    array = _checked(y, task)
    task = task or _guess(array, classes)
    if task == "regression":
        return Target(task)
    if array.ndim == 2:
        return Target(task, _names_of_columns(array, task, classes))
    return _infer_labels(array, task, classes)


def _checked(y: Any, task: Task | None) -> np.ndarray:
    # With the axes that the task needs, and free of NaN.
    array = as_array(y, "y")
    if array.ndim > 2:
        raise ShapeError(
            f"y has shape {array.shape}: a target at each time step, or at each pixel, is not supported by train yet. "
            f"A target is one number or class per example, (rows,), or several, (rows, outputs). {SEVERAL_AS_ONE}"
        )
    if array.ndim == 1 and task == "multilabel":
        raise ShapeError(f"y must have shape (rows, labels) if multilabel. Received shape {array.shape}.")
    if array.size == 0:
        raise DataError(f"y is empty: shape {array.shape}. At least one row is needed.")
    if array.ndim == 2 and array.shape[1] == 1 and task != "multilabel":
        array = array[:, 0]
    if array.dtype == object:
        kinds = {type(value) for value in array.flat}
        if kinds <= {bool, np.bool_}:
            array = array.astype(bool)
        elif not any(issubclass(kind, str) for kind in kinds):
            array = _real_numbers(array, "y")
            whole = all(issubclass(kind, numbers.Integral) for kind in kinds)
            array = array.astype(np.int64) if whole else array
    if array.dtype.kind == "f":
        as_float32(array, "y")  # NaN must be refused here, before it could pass for a class
    return array


def _guess(array: np.ndarray, classes: Sequence[str] | None) -> Task:
    if array.ndim == 2:
        if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
            return "multilabel" if classes else "regression"
        return "multiclass" if (array.sum(axis=1) == 1).all() else "multilabel"
    if array.dtype.kind == "f" and not classes:
        return "regression"
    distinct = len(classes) if classes else len(np.unique(_labels(array)))
    if distinct == 2:
        return "binary"
    few = min(max(20, len(array) ** 0.5), len(array) / 2)
    return "regression" if array.dtype.kind in "iu" and distinct > few and not classes else "multiclass"


def _infer_labels(array: np.ndarray, task: Task, classes: Sequence[str] | None) -> Target:
    distinct = np.unique(_labels(array)).tolist()
    if len(distinct) < 2:
        raise DataError(
            f"y holds one class only, {distinct[0]!r}. Give examples of at least two classes, or pass "
            "task='regression' if the target is a quantity."
        )
    names = tuple(map(str, distinct) if classes is None else classes)
    labels = tuple(distinct)
    if classes is not None:
        labels = names if isinstance(distinct[0], str) else tuple(range(len(names)))
    if len(set(names)) != len(names):
        raise DataError(f"two classes have the same name. Received: {_listed(names)}.")
    if task == "binary" and len(names) != 2:
        received = f"Received {len(names)}: {_listed(labels)}"
        raise DataError(
            f"a binary target has exactly two classes. {received}. Pass task='multiclass', or correct the labels."
        )
    return Target(task, names, labels)


def _labels(array: np.ndarray) -> np.ndarray:
    # A column of labels as text or int64.
    allowed = "class labels are text, booleans or whole numbers"
    if array.dtype == object:
        for row, value in enumerate(array):
            if not isinstance(value, str):
                problem = f"{value!r} ({type(value).__name__}) at row {row} among labels that are text"
                raise DataError(f"y holds {problem}. Fill in the label or remove the row.")
    if array.dtype.kind in "USbO":
        return array.astype(str)
    if array.dtype.kind not in "iuf":
        raise DataError(f"y holds {array.dtype} values: {allowed}.")
    fractions = as_float32(array, "y") != np.round(array) if array.dtype.kind == "f" else np.zeros(1, bool)
    if fractions.any():
        raise _wrong("y", array, fractions, f": {allowed}. Pass task='regression' to predict a quantity.")
    return array.astype(np.int64)


def _names_of_columns(array: np.ndarray, task: Task, classes: Sequence[str] | None) -> tuple[str, ...]:
    if task == "binary":
        raise ShapeError(f"a binary target is one column. Received shape {array.shape}.")
    rows = _indicators(array, task)
    if task == "multiclass" and np.count_nonzero(rows.any(axis=0)) < 2:
        column = int(rows[0].argmax())
        raise DataError(f"y holds one class only, column {column}. Give examples of at least two classes.")
    if classes is not None and len(classes) != array.shape[1]:
        raise DataError(f"{len(classes)} class names for {array.shape[1]} columns of y. Give one per column.")
    return tuple(classes) if classes else tuple(map(str, range(array.shape[1])))


def _indicators(array: np.ndarray, task: Task) -> np.ndarray:
    # Rows of 0 and 1 in float32; exactly one 1 per row if multiclass.
    rows = as_float32(array, "y")
    wrong = ~np.isin(rows, (0, 1))
    if wrong.any():
        advice = (
            f": a {task} target of several columns is rows of 0 and 1. Give one label per row, of shape (rows,); a "
            "label at each time step is not supported by train yet."
        )
        raise _wrong("y", array, wrong, advice)
    ones = rows.sum(axis=1)
    if task == "multiclass" and (ones != 1).any():
        row = int(np.argmax(ones != 1))
        raise DataError(
            f"row {row} of y has {ones[row]:g} ones: a one-hot row has exactly one. Pass task='multilabel' where "
            "several labels may apply."
        )
    return rows


def _listed(labels: Sequence[Any]) -> str:
    return ", ".join(map(repr, labels[:20])) + (f" … ({len(labels)} in all)" if len(labels) > 20 else "")
