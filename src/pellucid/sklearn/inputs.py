"""Rows as scikit-learn's users give them: arrays, sparse matrices, data frames with categories."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_X_y, validate_data

from pellucid.core.errors import DataError, ShapeError
from pellucid.data import Encoder, make_dataset
from pellucid.data.arrays import aligned_rows
from pellucid.data.encoding import as_float32, as_inputs
from pellucid.data.objects import dense

NO_TARGETS = "no_validation"
"""scikit-learn's word for rows without targets."""


def dtype_like(x: Any) -> Any:
    """The dtype of predictions for rows: float32 for rows in float32, else float64."""
    return np.float32 if getattr(x, "dtype", None) == np.float32 else np.float64


def has_categories(x: Any) -> bool:
    """True for a data frame with a column that is not of numbers."""
    return (
        hasattr(x, "columns")
        and hasattr(x, "dtypes")
        and not all(_is_number(dtype) or getattr(dtype, "kind", "") == "b" for dtype in x.dtypes)
    )


def _is_number(dtype: Any) -> bool:
    # pandas' dtypes have a kind, Polars' say themselves what they are.
    numeric = getattr(dtype, "is_numeric", None)
    return bool(numeric()) if callable(numeric) else getattr(dtype, "kind", "O") in "iuf"


def encoder_of(frame: Any) -> Encoder:
    """The conversion of a data frame: numbers as they are, one column of 0 and 1 for each category.

    Raises:
        DataError: a missing value.
    """
    kinds = {
        str(name): "number" if _is_number(dtype) else "category"
        for name, dtype in zip(frame.columns, frame.dtypes, strict=True)
    }
    encoder = make_dataset(frame, held_out=None, columns=kinds, missing="refuse").encoder
    assert encoder is not None
    return encoder


def as_rows(
    estimator: Any, x: Any, y: Any, encoder: Encoder | None, *, reset: bool, axes: tuple[int, ...] = (2,), **of_y: Any
) -> tuple[np.ndarray, Any]:
    """Check rows and targets as scikit-learn does, and convert the rows to uint8 or float32.

    Args:
        estimator: which keeps number and names of the features.
        x: the rows.
        y: their targets; `NO_TARGETS` for none.
        encoder: of a data frame with categories; None for numbers.
        reset: keep number and names of the features; else they must be those of before.
        axes: numbers of axes that the estimator takes.
        of_y: options of scikit-learn's check of ``y``.

    Raises:
        ValueError: rows or targets that scikit-learn refuses.
        DataError: a value that float32 cannot hold, or a category that is not known.
        ShapeError: another number of axes.
    """
    if encoder is not None:
        validate_data(estimator, x, reset=reset, skip_check_array=True)
        rows = encoder.encode(x)
        if isinstance(y, str):
            return rows, None
        # What scikit-learn says of y does not depend on the columns.
        return rows, check_X_y(np.zeros((len(rows), 1)), y, **of_y)[1]
    if not reset and has_categories(x):
        raise DataError(
            "the data frame has columns that are no numbers, and the estimator was fitted on numbers. Give the columns "
            "of the training."
        )
    options: dict[str, Any] = {"dtype": "numeric", "accept_sparse": ["csr", "csc"], "allow_nd": max(axes) > 2}
    if isinstance(y, str):
        checked: Any = validate_data(estimator, x, reset=reset, **options)
    else:
        checked, y = validate_data(estimator, x, y, reset=reset, **options, **of_y)
    checked = dense(checked, "X") if hasattr(checked, "toarray") else checked
    if checked.ndim not in axes:
        raise ShapeError(
            f"{type(estimator).__name__} takes arrays of {' or '.join(map(str, axes))} axes, the first for the rows. "
            f"Received: X of shape {checked.shape}."
        )
    if checked.dtype in (np.uint8, np.bool_):
        rows = aligned_rows(checked.astype(np.uint8), slice(None))  # never memory that the user may write to
    else:
        rows = as_inputs(checked) if reset else as_float32(checked, "X")
    return (rows, None) if isinstance(y, str) else (rows, y)
