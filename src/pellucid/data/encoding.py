"""Conversion of raw values to arrays that training accepts.

Nothing is broadcast, filled in or guessed from a single odd value: an error names the row, column and value, from 0.
"""

import datetime
import decimal
import numbers
import os
from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np

from pellucid.core.errors import DataError, ShapeError

LARGEST_DENSE = 1 << 31
"""Most bytes of a sparse matrix once it is dense."""


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
        return np.ascontiguousarray(array, np.uint8)
    converted = as_float32(array, "x")
    if array.ndim == 2 and array.dtype.itemsize > 4:
        for column in _suspects(array.astype(np.float64, copy=False)):
            refuse_lost_digits(array[:, column].astype(np.float64), f"column {column} of x")
    return converted


def _suspects(array: np.ndarray) -> np.ndarray:
    """The columns that float32 may lose digits of: all in a few passes, of which few have to be looked at by itself."""
    largest = np.maximum(np.abs(array.min(axis=0)), np.abs(array.max(axis=0)))
    scaled = np.where(largest > 0, largest, 1)
    mean = array.mean(axis=0) / scaled
    square = np.einsum("ij,ij->j", array, array) / len(array) / scaled / scaled
    # Twice the bound, for what the difference of two numbers near 1 loses.
    return np.flatnonzero((largest > 0) & (square - mean**2 < (2 * 100 * np.finfo(np.float32).eps) ** 2))


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
        array = dense(values, name) if hasattr(values, "toarray") else np.asarray(values)
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


def dense(matrix: Any, name: str) -> np.ndarray:
    """A sparse matrix as an array.

    Raises:
        DataError: a matrix that would take more than `LARGEST_DENSE` bytes.
    """
    rows, columns = matrix.shape
    if rows * columns * 8 > LARGEST_DENSE:
        raise DataError(
            f"{name} is a sparse matrix ({type(matrix).__name__}) of {rows:,} × {columns:,}, which would take "
            f"{rows * columns * 8 / 2**30:.1f} GiB as an array. Reduce its columns first, such as by "
            "sklearn.decomposition.TruncatedSVD."
        )
    return np.asarray(matrix.toarray())


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
        array = real_numbers(array, name)
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, np.float32)
    finite = np.isfinite(converted)
    if not finite.all():
        advice = "that are not finite in float32. Remove these rows, fill them in, or rescale the column."
        raise wrong_value(name, array, ~finite, f", one of {np.count_nonzero(~finite):,} values {advice}")
    return converted


def real_numbers(array: np.ndarray, name: str) -> np.ndarray:
    """An array of objects as float64; an error names the first that is no real number."""
    for index, value in np.ndenumerate(array):
        if not isinstance(value, (numbers.Real, decimal.Decimal, np.bool_)):
            advice = "Use load_table for a table of mixed columns, or encode the column as numbers."
            if isinstance(value, (datetime.date, np.datetime64, np.timedelta64)):
                advice = "Give times as numbers, such as days since a first one, or as columns of year, month, day."
            elif isinstance(value, numbers.Complex):
                advice = "Give real and imaginary part as two columns."
            shown = f"{plain(value)!r} ({type(value).__name__})"
            raise DataError(f"{name} holds {shown} at {_position(index)}, which is no real number. {advice}")
    try:
        return array.astype(np.float64)
    except OverflowError as error:
        raise DataError(f"{name} holds a whole number of more than 308 digits, which no number type has.") from error


def plain(value: Any) -> Any:
    """A NumPy number as Python's; any other value as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _position(index: tuple[int, ...]) -> str:
    row, *others = index
    if not others:
        return f"row {row}"
    return f"row {row}, column {others[0]}" if len(others) == 1 else f"row {row}, position {tuple(others)}"


def wrong_value(name: str, array: np.ndarray, wrong: np.ndarray, advice: str) -> DataError:
    """The error for the first wrong value of an array."""
    index = tuple(np.argwhere(wrong)[0].tolist())
    value = array[index]
    return DataError(f"{name} holds {repr(value) if isinstance(value, str) else value} at {_position(index)}{advice}")
