"""Folds of a dataset, for cross-validation."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import DataError, InvalidValue
from pellucid.data.arrays import Dataset, Part
from pellucid.data.splits import clear_of
from pellucid.data.stream import refuse_stream


@runtime_checkable
class Splitter(Protocol):
    """A splitter of scikit-learn, such as ``TimeSeriesSplit(5)``."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterable[tuple[Any, Any]]:
        """Yield the rows to train on and the rows to hold out."""
        ...

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of folds."""
        ...


def folds(data: Dataset, count: int | Splitter, seed: int = 0) -> list[tuple[Dataset, np.ndarray]]:
    """Split a dataset into folds, each held out once while the other rows are trained on.

    All rows take part: those of ``data.train`` first, then those of ``data.held_out``, and are numbered in this order.
    Rows of one group stay in one fold (scikit-learn's ``GroupKFold``, which makes folds of similar size and draws
    nothing); rows in the order of time are held out after those trained on (``TimeSeriesSplit``); else classes are
    spread evenly over the folds (``StratifiedKFold``), and other rows are drawn (``KFold``). What is estimated from
    rows, the scaling and the values to fill in, is fitted to the rows that a fold trains on. Windows of a series that
    predict a value which a fold holds out are left out of its training rows, whatever the splitter.

    Args:
        data: the rows; their parts are joined.
        count: of folds, at least 2; or a splitter of scikit-learn, such as ``TimeSeriesSplit(5)`` for rows in the order
            of time.
        seed: of the draw.

    Returns:
        For each fold its dataset, whose ``held_out`` is the fold, and the numbers of the rows held out.

    Raises:
        InvalidValue: fewer than 2 folds, or a splitter that holds a row out twice.
        DataError: fewer rows, groups or rows of a class than the folds need.

    Example:
        >>> from pellucid.data import make_dataset
        >>> data = make_dataset(np.arange(6.0)[:, None], ["no", "yes"] * 3, held_out=None)
        >>> [len(rows) for _, rows in folds(data, 3)]
        [2, 2, 2]
    """
    refuse_stream(data, "cross-validation")
    whole = _joined(data)
    parts = _split_by(count, whole) if isinstance(count, Splitter) else _split(data, whole, count, seed)
    return [
        (data.refit(whole.take(clear_of(rows, train, data.overlap)), whole.take(rows)), rows) for train, rows in parts
    ]


_ABSENT: dict[str, Callable[[Part], np.ndarray]] = {
    "weights": lambda part: np.ones(len(part), np.float32),
    "missing": lambda part: np.zeros(part.x.shape, bool),
}
"""What a part means that does not say it."""


def _joined(data: Dataset) -> Part:
    """All rows of a dataset as one part."""
    parts = [data.train] if data.held_out is None else [data.train, data.held_out]
    if len(parts) == 1:
        return data.train

    def joined(values: list[Any]) -> Any:
        if isinstance(values[0], tuple):
            return tuple(map(joined, map(list, zip(*values, strict=True))))
        return np.concatenate(values)

    columns: dict[str, Any] = {}
    for field in fields(data.train):
        values = [getattr(part, field.name) for part in parts]
        if field.name in _ABSENT and sum(value is None for value in values) == 1:
            absent = _ABSENT[field.name]
            values = [absent(part) if value is None else value for part, value in zip(parts, values, strict=True)]
        columns[field.name] = None if any(value is None for value in values) else joined(values)
    return replace(data.train, **columns)


def _split(data: Dataset, whole: Part, count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import (  # lazily: it takes a second to import
        GroupKFold,
        KFold,
        StratifiedKFold,
        TimeSeriesSplit,
    )

    require(count, WholeNumber(2), "folds", "Each fold is held out once.")
    require(seed, WholeNumber(0), "seed")
    rows = np.arange(len(whole))
    if len(rows) < count:
        raise DataError(f"{len(rows)} rows cannot be split into {count} folds. Take fewer folds.")
    if whole.groups is not None:
        groups = len(np.unique(whole.groups))
        if groups < count:
            raise DataError(
                f"{groups} groups cannot be split into {count} folds: a group stays in one fold. Take fewer folds."
            )
        return list(GroupKFold(count).split(rows, groups=whole.groups))
    if data.order == "time":
        return list(TimeSeriesSplit(count).split(rows))
    if not data.stratifies:
        return list(KFold(count, shuffle=True, random_state=seed).split(rows))
    labels = whole.y.reshape(len(whole)).astype(int)
    counts = np.bincount(labels)
    numbers = np.flatnonzero(counts)
    smallest = numbers[counts[numbers].argmin()]
    if counts[smallest] < 2:
        raise DataError(
            f"class {data.classes[smallest]!r} has only 1 row: where that is held out, none is left to learn from. Add "
            "rows, or remove or merge the class."
        )
    if counts.max() < count:
        raise DataError(f"no class has {count} rows, one for each of {count} folds. Take fewer folds.")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # some folds then hold none out
        return list(StratifiedKFold(count, shuffle=True, random_state=seed).split(rows, labels))


def _split_by(splitter: Splitter, whole: Part) -> list[tuple[np.ndarray, np.ndarray]]:
    y = whole.targets[0]
    labels = y.reshape(len(whole)) if len(whole.targets) == 1 and y.size == len(whole) else None
    parts = [
        (np.asarray(train), np.asarray(rows))
        for train, rows in splitter.split(np.zeros(len(whole)), labels, whole.groups)
    ]
    held_out = np.concatenate([rows for _, rows in parts])
    if len(np.unique(held_out)) < len(held_out):
        raise InvalidValue(
            f"{splitter!r} holds some rows out more than once, which have no single prediction then. Take one that "
            "holds each row out at most once, such as TimeSeriesSplit(5)."
        )
    return parts
