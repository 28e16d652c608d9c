"""Sequences of labels without their places in time, of any length, as arrays."""

from typing import Any

import numpy as np

from pellucid.core.errors import DataError, ShapeError
from pellucid.data.encoding import as_array, kind_of

NO_LABEL = -1
"""Class number, and label, of a step that has none, and of what fills a sequence of labels up."""


def is_ragged(y: Any) -> bool:
    """True for sequences of labels that differ in length; texts are labels themselves.

    Example:
        >>> is_ragged([[3, 1], [4]]), is_ragged([[3, 1], [4, 1]]), is_ragged(["31", "4"])
        (True, False, False)
    """
    if isinstance(y, np.ndarray):
        y = y.tolist() if y.dtype == object and y.ndim == 1 else ()
    rows = y if isinstance(y, (list, tuple)) else ()
    if not all(isinstance(row, (list, tuple, np.ndarray)) for row in rows) or len(set(map(len, rows))) < 2:
        return False
    return all(np.ndim(label) == 0 for row in rows for label in row)


def as_sequences(y: Any) -> np.ndarray:
    """Sequences of labels as an array (rows, longest), filled up with −1, or None behind labels that are no numbers.

    Args:
        y: such an array; or a sequence of labels for each row, a text being one of characters.

    Raises:
        DataError: a row that is no sequence.

    Example:
        >>> as_sequences([[3, 1], [4]]).tolist(), as_sequences(["on", "off"]).tolist()
        ([[3, 1], [4, -1]], [['o', 'n', None], ['o', 'f', 'f']])
    """
    if not is_ragged(y):
        array = as_array(y, "y")
        if array.ndim == 2:
            return array
        if array.ndim != 1:
            raise ShapeError(f"y must have the shape (rows, longest) for transcription. Received: {array.shape}.")
        y = array.tolist()
    rows = [list(row) if isinstance(row, (str, list, tuple, np.ndarray)) else row for row in y]
    for number, row in enumerate(rows):
        if not isinstance(row, list):
            raise DataError(
                f"y holds {kind_of(row)} at row {number}, and a transcription is a sequence of labels for each row: "
                "a list of them, or a text, whose characters are the labels."
            )
    flat = [label for row in rows for label in row]
    labels = as_array(flat, "y") if flat else np.zeros(0, object)
    lengths = np.array([len(row) for row in rows])
    blank, dtype = (NO_LABEL, labels.dtype) if labels.dtype.kind in "if" else (None, object)
    array = np.full((len(rows), max(lengths.max(initial=0), 1)), blank, dtype)
    array[np.arange(array.shape[1]) < lengths[:, None]] = labels
    return array


def packed(numbers: np.ndarray) -> np.ndarray:
    """Class numbers with all −1 behind them, no wider than the longest sequence.

    Example:
        >>> packed(np.array([[-1, 3, 1], [4, -1, -1]])).tolist()
        [[3, 1], [4, -1]]
    """
    known = numbers != NO_LABEL
    first = np.take_along_axis(numbers, np.argsort(~known, axis=1, stable=True), axis=1)
    return first[:, : max(known.sum(axis=1).max(), 1)]


def steps_needed(numbers: np.ndarray) -> np.ndarray:
    """Fewest steps that can say each sequence: one a label, and a blank between two of the same.

    Example:
        >>> steps_needed(np.array([[3, 3, 1], [4, 1, -1]])).tolist()
        [4, 2]
    """
    again = (numbers[:, 1:] == numbers[:, :-1]) & (numbers[:, 1:] != NO_LABEL)
    return (numbers != NO_LABEL).sum(axis=1) + again.sum(axis=1)


def widened(numbers: np.ndarray, width: int) -> np.ndarray:
    """The same class numbers with more −1 behind them."""
    return np.pad(numbers, ((0, 0), (0, width - numbers.shape[1])), constant_values=NO_LABEL)
