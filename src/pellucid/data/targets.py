"""Targets: the task that they ask for, and their conversion to arrays."""

import numbers
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import DataError, ShapeError
from pellucid.core.interface import option
from pellucid.data.encoding import as_array, as_float32, plain, real_numbers, wrong_value
from pellucid.data.transcription import NO_LABEL, as_sequences, packed

Task: TypeAlias = Literal[
    "binary",
    "multiclass",
    "multilabel",
    "regression",
    "tagging",
    "forecasting",
    "transcription",
    "reconstruction",
    "generation",
    "translation",
    "several",
]
"""Learning tasks: tagging learns a class at each step of a sequence, forecasting numbers, transcription a sequence of
labels without their places in time; reconstruction learns the inputs, generation new inputs, translation a sentence;
several has a task for each of several outputs."""
UNTARGETED: tuple[Task, ...] = ("reconstruction", "generation")
"""Tasks that need no targets."""
SEVERAL_AS_ONE = (
    "Numbers can be predicted all together: y.reshape(len(y), -1), and a network that ends in a dense layer of as many "
    "units."
)
"""Advice for a target of several axes."""
AS_ROWS: dict[Task, Task] = {"tagging": "multiclass", "forecasting": "regression"}
"""Tasks with a target at each step, and the task of a single step."""
AT_STEPS: tuple[Task, ...] = (*AS_ROWS, "transcription")
"""Tasks whose networks answer at each step."""
TASKS: tuple[Task, ...] = ("binary", "multiclass", "multilabel", "regression", *AT_STEPS)

FEW_WHOLE_NUMBERS = 20
"""Most distinct whole numbers that are classes; of numbers written with a point, half as many.

Digits, grades and ratings have fewer, ages and counts of anything larger have more.
"""


@dataclass(frozen=True)
class Head:
    """What one of several outputs predicts.

    Args:
        task: its task.
        outputs: its number of neurons: 1, or the classes, labels or numbers.
        classes: names of the classes or labels; empty for a regression.
        targets: names of the columns to predict; empty where they have none.
    """

    task: Task
    outputs: int
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """Conversion of raw targets to arrays.

    Args:
        task: decides their form.
        classes: names of the classes or labels, in order; empty for a regression.
        labels: the raw value of each class; empty where targets are rows of 0 and 1, and for a regression.
        reason: why it is this task, and how to choose another, in words; empty where nothing was guessed.
    """

    task: Task
    classes: tuple[str, ...] = ()
    labels: tuple[int | str, ...] = ()
    reason: str = field(default="", compare=False, repr=False)

    def encode(self, y: Any) -> np.ndarray:
        """Convert ``y`` to the form that `Part` describes.

        Example:
            >>> Target("binary", ("ham", "spam"), ("ham", "spam")).encode(["spam", "ham"])
            array([[1.],
                   [0.]], dtype=float32)
        """
        if self.task in AT_STEPS:
            return self._encode_steps(y)
        array = _checked(y, self.task)
        if self.task == "regression":
            values = _with_blanks(array)
            return values.reshape(len(values), -1)
        if not self.labels:
            if self.task == "multiclass" and are_distributions(array):
                return as_float32(array, "y")
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

    def _encode_steps(self, y: Any) -> np.ndarray:
        array = _of_steps(y, self.task)
        if self.task == "forecasting":
            return as_float32(array, "y")
        known = has_label(array)
        values = np.full(array.shape, NO_LABEL, np.int32)
        if known.any():
            values[known] = replace(self, task="multiclass").encode(array[known])
        if self.task == "transcription":
            return packed(values)
        if not known.any(axis=1).all():
            raise DataError(f"row {int(known.any(axis=1).argmin())} of y has no label at any step: leave it out.")
        return values


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
    if task in AT_STEPS:
        array = _of_steps(y, task)
        if task == "forecasting":
            return Target(task)
        return replace(_infer_labels(_checked(array[has_label(array)], None), "multiclass", classes), task=task)
    array = _checked(y, task)
    reason = ""
    if task is None:
        task, reason = _guess(array, classes)
    if task == "regression":
        return Target(task, reason=reason)
    if array.ndim == 2:
        return Target(task, _names_of_columns(array, task, classes), reason=reason)
    return replace(_infer_labels(array, task, classes), reason=reason)


def is_whole(name: str) -> bool:
    """True for the name of a class that is a whole number: 7, but not 007, which as a number would come back as 7."""
    return name.removeprefix("-").isdecimal() and str(int(name)) == name


def has_label(array: np.ndarray) -> np.ndarray:
    """Mask of the steps that have a label: neither −1, nor an empty text, nor None.

    Example:
        >>> has_label(np.array([["noun", ""], ["verb", "noun"]])).tolist()
        [[True, False], [True, True]]
    """
    if array.dtype.kind in "iuf":
        return array != NO_LABEL
    return np.array([value is not None and value != "" for value in array.flat], bool).reshape(array.shape)


def step_task(x: np.ndarray, y: Any) -> tuple[Task | None, str]:
    """The task of targets at each step of sequences, and why; None where they are no such targets.

    Args:
        x: sequences, (rows, steps, features); beside text also tokens, (rows, steps).
        y: text or whole numbers (rows, steps), or numbers (rows, steps, k). Rows of 0 and 1 are labels of the row.

    Example:
        >>> step_task(np.zeros((4, 5, 2)), np.array([["a", "b", "a", "b", "b"]] * 4))[0]
        'tagging'
    """
    if isinstance(y, str) or np.ndim(y) < 2:
        return None, ""
    array = as_array(y, "y")
    texts = array.dtype.kind in "OUS"
    if x.ndim not in ((2, 3) if texts else (3,)) or array.shape[:2] != x.shape[:2] or array.shape[1] == 1:
        return None, ""
    if array.ndim == 3:
        return "forecasting", f"numbers at each of {array.shape[1]} steps"
    if texts or (array.dtype.kind in "iu" and not np.isin(array, (0, 1)).all()):
        reason = f"a label at each of the {array.shape[1]} steps of x"
        return "tagging", reason + (
            "" if array.dtype.kind in "OUS" else f"; if it is a row of numbers, say {_say('regression')}"
        )
    return None, ""


def _of_steps(y: Any, task: Task | None) -> np.ndarray:
    # (rows, steps) for labels, (rows, steps, numbers) for numbers.
    array = as_sequences(y) if task == "transcription" else as_array(y, "y")
    if task == "forecasting" and array.ndim == 2:
        array = array[:, :, None]
    if task == "tagging" and array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    axes, needed = (3, "(rows, steps) or (rows, steps, numbers)") if task == "forecasting" else (2, "(rows, steps)")
    if array.ndim != axes or array.size == 0:
        raise ShapeError(f"y must have the shape {needed} for {task}. Received: {array.shape}.")
    return array


def _checked(y: Any, task: Task | None) -> np.ndarray:
    # With the axes that the task needs, and free of NaN.
    array = as_array(y, "y")
    if array.ndim > 2:
        raise ShapeError(
            f"y has shape {array.shape}. A target is one number or class per example, (rows,), or several, (rows, "
            f"outputs); at each step of sequences a class, (rows, steps) with {_say('tagging')}, or numbers, (rows, "
            f"steps, numbers) with {_say('forecasting')}. {SEVERAL_AS_ONE}"
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
            array = real_numbers(array, "y")
            whole = all(issubclass(kind, numbers.Integral) for kind in kinds)
            array = array.astype(np.int64) if whole else array
    if array.dtype.kind == "f":
        _with_blanks(array)  # NaN must be refused here, before it could pass for a class
    return array


def are_distributions(array: np.ndarray) -> bool:
    """True for rows of several numbers of at least 0 that sum to 1 (up to 10⁻³), not all of them 0 and 1.

    Example:
        >>> are_distributions(np.array([[0.2, 0.8], [1.0, 0.0]])), are_distributions(np.array([[0.0, 1.0]]))
        (True, False)
    """
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind != "f" or np.isnan(array).any():
        return False
    return bool((array >= 0).all() and (abs(array.sum(axis=1) - 1) < 1e-3).all() and not np.isin(array, (0, 1)).all())


def _with_blanks(array: np.ndarray) -> np.ndarray:
    """Targets as float32; of several in a row some may be NaN, not known, but not all."""
    blank = np.isnan(array) if array.dtype.kind == "f" and array.ndim == 2 and array.shape[1] > 1 else None
    if blank is None or not blank.any():
        return as_float32(array, "y")
    empty = blank.all(axis=1)
    if empty.any():
        raise DataError(
            f"row {int(empty.argmax())} of y has no value at all, only NaN ({int(empty.sum()):,} such rows in all). "
            "Some targets of a row may be blank; leave rows without any out."
        )
    values = as_float32(np.where(blank, 0, array), "y")
    values[blank] = np.nan
    return values


def blank_notes(y: np.ndarray) -> tuple[str, ...]:
    """How many targets are not known, in words; nothing where all are."""
    blanks = int(np.isnan(y).sum()) if y.dtype.kind == "f" else 0
    return (f"{blanks:,} of {y.size:,} targets are blank: left out of loss and metrics",) if blanks else ()


def _guess(array: np.ndarray, classes: Sequence[str] | None) -> tuple[Task, str]:
    """The task that targets ask for, and why, where it is a guess."""
    if array.ndim == 2:
        if are_distributions(array):
            reason = (
                f"a distribution over {array.shape[1]} classes a row; metrics of classes take the likeliest of each"
            )
            return "multiclass", f"{reason}; to predict the numbers by themselves, say {_say('regression')}"
        known = array[~np.isnan(array)] if array.dtype.kind == "f" else array
        if array.dtype.kind not in "biuf" or not np.isin(known, (0, 1)).all():
            return ("multilabel" if classes else "regression"), ""
        if (array.sum(axis=1) == 1).all():
            return "multiclass", f"one class a row: a single 1; if others may have several, say {_say('multilabel')}"
        return "multilabel", ""
    if classes or array.dtype.kind not in "iuf":
        return ("binary" if len(classes or np.unique(_labels(array))) == 2 else "multiclass"), ""
    if array.dtype.kind == "f" and (array != np.round(array)).any():
        return "regression", ""
    values, counts = np.unique(array, return_counts=True)
    if _are_classes(values, counts, array.dtype.kind == "f"):
        task: Task = "binary" if len(values) == 2 else "multiclass"
        return task, f"{len(values)} distinct whole numbers; to predict them as a quantity, say {_say('regression')}"
    if len(values) < 2 or len(values) > len(array) / 2:
        return "regression", ""
    return "regression", f"{len(values):,} distinct whole numbers; if they are classes, say {_say('multiclass')}"


def _are_classes(values: np.ndarray, counts: np.ndarray, with_point: bool) -> bool:
    """True for few whole numbers, and for those that count classes from 0 or 1 and are all about as frequent.

    Numbers with a point must count from 0 or 1 in any case, or be −1 and 1.
    """
    rows, distinct = counts.sum(), len(values)
    if distinct < 2 or distinct > rows / 2:
        return distinct == 1 and not with_point
    counted = bool(values[0] in (0, 1) and values[-1] - values[0] + 1 == distinct)
    if distinct <= (FEW_WHOLE_NUMBERS // 2 if with_point else FEW_WHOLE_NUMBERS):
        return not with_point or counted or values.tolist() == [-1, 1]
    return counted and bool(distinct <= rows**0.5 and counts.min() >= counts.mean() / 2)


def _say(task: str) -> str:
    return option("task", task)


def _infer_labels(array: np.ndarray, task: Task, classes: Sequence[str] | None) -> Target:
    distinct = np.unique(_labels(array)).tolist()
    if len(distinct) < 2:
        raise DataError(
            f"y holds one class only, {distinct[0]!r}. Give examples of at least two classes, or say "
            f"{_say('regression')} if the target is a quantity."
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
            f"a binary target has exactly two classes. {received}. Say {_say('multiclass')}, or correct the labels."
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
        raise wrong_value("y", array, fractions, f": {allowed}. Say {_say('regression')} to predict a quantity.")
    return array.astype(np.int64)


def _names_of_columns(array: np.ndarray, task: Task, classes: Sequence[str] | None) -> tuple[str, ...]:
    if task == "binary":
        raise ShapeError(f"a binary target is one column. Received shape {array.shape}.")
    soft = task == "multiclass" and are_distributions(array)
    rows = array if soft else _indicators(array, task)
    if task == "multiclass" and np.count_nonzero(rows.any(axis=0)) < 2:
        column = int(rows[0].argmax())
        raise DataError(f"y holds one class only, column {column}. Give examples of at least two classes.")
    if classes is not None and len(classes) != array.shape[1]:
        raise DataError(f"{len(classes)} class names for {array.shape[1]} columns of y. Give one per column.")
    return tuple(classes) if classes else tuple(map(str, range(array.shape[1])))


def _indicators(array: np.ndarray, task: Task) -> np.ndarray:
    # Rows of 0 and 1 in float32; exactly one 1 per row if multiclass.
    rows = _with_blanks(array) if task == "multilabel" else as_float32(array, "y")
    wrong = ~np.isin(rows, (0, 1)) & ~np.isnan(rows)
    if wrong.any():
        also = ", or distributions, which sum to 1" if task == "multiclass" else ""
        advice = (
            f": a {task} target of several columns is rows of 0 and 1{also}. Give one label per row, of shape (rows,); "
            f"for a label at each step of sequences say {_say('tagging')}."
        )
        raise wrong_value("y", array, wrong, advice)
    ones = rows.sum(axis=1)
    if task == "multiclass" and (ones != 1).any():
        row = int(np.argmax(ones != 1))
        raise DataError(
            f"row {row} of y has {ones[row]:g} ones: a one-hot row has exactly one. Say {_say('multilabel')} where "
            "several labels may apply."
        )
    return rows


def _listed(labels: Sequence[Any]) -> str:
    return ", ".join(map(repr, labels[:20])) + (f" … ({len(labels)} in all)" if len(labels) > 20 else "")
