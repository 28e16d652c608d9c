"""Examples of two classes, read as the perceptron and its proofs need them: in their own type, unscaled.

`pellucid.data` stores inputs in float32 or uint8; a rule and a proof that are exact need the numbers as given.
"""

from typing import Any

import numpy as np

import pellucid as pel


def as_table(x: Any) -> np.ndarray:
    """The examples as an array of shape (rows, inputs) of finite numbers, in the type they came in.

    Example:
        >>> as_table([[0, 1], [1, 1]]).shape
        (2, 2)
    """
    x = np.asarray(x)
    if x.ndim != 2 or 0 in x.shape:
        raise pel.ShapeError(
            f"x must have shape (rows, inputs), with at least one of each. Received: shape {x.shape}. "
            "Write one example as [[…]], one input as a column."
        )
    if x.dtype.kind not in "biuf":
        raise pel.DataError(f"x must hold numbers. Received: an array of {x.dtype}. Encode names as numbers first.")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0].tolist()
        raise pel.DataError(f"x must be finite. Received: {x[row, column]} at row {row}, column {column}.")
    return x


def as_two_classes(y: Any, rows: int) -> tuple[tuple[Any, Any], np.ndarray]:
    """The two values of y in order, and y as 0 and 1.

    Example:
        >>> as_two_classes(["spam", "ham", "spam"], 3)
        (('ham', 'spam'), array([1, 0, 1]))
    """
    y = np.asarray(y)
    if y.dtype.kind == "O" and all(isinstance(value, str) for value in y.flat):
        y = y.astype(str)
    if y.shape != (rows,):
        raise pel.ShapeError(f"y must hold one class for each row of x, shape ({rows},). Received: shape {y.shape}.")
    if y.dtype.kind not in "biufU" or (y.dtype.kind == "f" and not np.isfinite(y).all()):
        kind = "numbers that are not finite" if y.dtype.kind == "f" else f"an array of {y.dtype}"
        raise pel.DataError(f"y must be 0 and 1, False and True, or two names. Received: {kind}.")
    classes, y = np.unique(y, return_inverse=True)
    if len(classes) != 2:
        raise pel.DataError(
            f"a perceptron distinguishes two classes. Received: y with {len(classes)} of them, "
            f"{', '.join(map(repr, classes[:5].tolist()))}{', …' if len(classes) > 5 else ''}."
        )
    first, second = classes.tolist()
    return (first, second), y
