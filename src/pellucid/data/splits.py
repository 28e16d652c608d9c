"""Division of rows into a part to learn from and a part to measure on."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.core.constraints import Interval, WholeNumber, require
from pellucid.core.errors import DataError
from pellucid.core.interface import on_command_line, option
from pellucid.data.arrays import Dataset, Part

FRACTION = Interval(0, 1, closed="neither")
USUAL_FRACTION = 0.2
"""Fraction of the rows held out where nothing else is said."""


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


def validation_rows(data: Dataset, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide the training rows of a dataset as its held-out rows were: by time, by groups, or by chance.

    Args:
        data: the dataset.
        fraction: of the training rows, in (0, 1).
        seed: of the draw.

    Returns:
        The numbers of the rows that are trained on, and of those that are watched.
    """
    part, stratify = data.train, data.stratifies
    if data.order == "time":
        train, last = last_rows(len(part), math.ceil(fraction * len(part)))
        return clear_of(last, train, data.overlap), last
    if data.order == "groups" and part.groups is not None:
        return group_rows(part.groups, fraction, seed)
    return split_rows(part.targets[0], fraction, seed, stratify, data.classes)


def held_out_rows(
    held_out: Any,
    y: np.ndarray,
    *,
    seed: int,
    stratify: bool,
    classes: Sequence[str] = (),
    time: bool = False,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Choose the rows to hold out.

    Args:
        held_out: a fraction, a number of rows, ``"last"`` for the last fifth, or None or 0 for none.
        y: the targets of all rows.
        seed: of the draw.
        stratify: keep each class's fraction.
        classes: names of the classes, for messages.
        time: True if the rows are in the order of time, of which the last are held out.
        groups: the group of each row, none of which is divided.

    Returns:
        The rows to learn from; the rows held out, or None; and how they were chosen, in words.
    """
    rows = len(y)
    if held_out is None or (not isinstance(held_out, (str, bool)) and held_out == 0):
        return np.arange(rows), None, ""
    if isinstance(held_out, str) and held_out != "last":
        raise DataError(f"held_out is a fraction, a number of rows, 0 or 'last'. Received: {held_out!r}.")
    last = held_out == "last"
    fraction = USUAL_FRACTION if last else held_out
    if isinstance(fraction, int) and not isinstance(fraction, bool):
        require(fraction, WholeNumber(1), "held_out")
        if fraction >= rows:
            raise DataError(f"{fraction} rows cannot be held out of {rows}. {_fewer()}")
        fraction = fraction / rows
    require(fraction, FRACTION, "held_out", "Say 0 to train on all rows, or a whole number for so many rows.")
    if groups is not None:
        train, drawn = group_rows(groups, fraction, seed)
        count = len(np.unique(groups[drawn]))
        return train, drawn, f"{count:,} of {len(np.unique(groups)):,} groups, drawn whole"
    count = held_out if isinstance(held_out, int) else math.ceil(fraction * rows - 1e-9)
    if time or last:
        train, drawn = last_rows(rows, count)
        return train, drawn, "the last in time" if time else "the last rows"
    train, drawn = split_rows(y, fraction, seed, stratify, classes)
    return train, drawn, "drawn class by class" if stratify else "drawn at random"


def last_rows(rows: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """All rows but the last ``count``, and those."""
    if not 0 < count < rows:
        raise DataError(f"the last {count} of {rows} rows cannot be set apart. {_fewer()}")
    return np.arange(rows - count), np.arange(rows - count, rows)


def clear_of(held_out: np.ndarray, train: np.ndarray, overlap: int) -> np.ndarray:
    """The rows to train on, without those that have a target in common with a row held out.

    Args:
        held_out: the numbers of the rows held out.
        train: those of the others.
        overlap: how many rows on either side of a row have targets in common with it.

    Raises:
        DataError: none is left.

    Example:
        >>> clear_of(np.array([5, 6]), np.arange(5), overlap=2).tolist()
        [0, 1, 2]
    """
    held_out = np.sort(held_out)
    next_one = held_out[np.minimum(np.searchsorted(held_out, train - overlap), len(held_out) - 1)]
    clear = train[np.abs(next_one - train) > overlap]
    if not len(clear):
        raise DataError(
            f"each of the {len(train)} windows to train on predicts a value that is held out too. Hold fewer rows out, "
            f"make fewer folds, or take a shorter {option('horizon', 1)}."
        )
    return clear


def group_rows(groups: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the two parts where a fraction of the groups is drawn."""
    values, numbers = np.unique(groups, return_inverse=True)
    if len(values) < 2:
        raise DataError(f"all rows are of one group, which cannot be divided. {_fewer()}")
    count = math.ceil(fraction * len(values))
    if count >= len(values):
        raise DataError(f"{len(values)} groups cannot be split with a fraction of {fraction:g}. {_fewer()}")
    drawn = np.isin(numbers, np.random.RandomState(seed).permutation(len(values))[:count])
    return np.flatnonzero(~drawn), np.flatnonzero(drawn)


def split_rows(
    y: np.ndarray, fraction: float, seed: int, stratify: bool, classes: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The row numbers of the two parts of `split`."""
    require(fraction, FRACTION, "the fraction to split off")
    require(seed, WholeNumber(0), "seed")
    rows = len(y)
    drawn = math.ceil(fraction * rows - 1e-9)  # as scikit-learn rounds
    if drawn >= rows:
        raise DataError(f"{rows} rows cannot be split with a fraction of {fraction:g}. {_fewer()}")
    if stratify:
        labels = y.reshape(rows)
        values, counts = np.unique(labels, return_counts=True)
        if counts.min() < 2:
            number = int(values[counts.argmin()])
            name = classes[number] if len(classes) else number
            raise DataError(
                f"class {name!r} has only 1 row, so it cannot be in both parts of a split. Add rows, remove or merge "
                f"the class, say {option('task', 'regression')} if the target is a quantity, or split off nothing "
                f"({_nothing()})."
            )
        if min(drawn, rows - drawn) < len(values):
            raise DataError(
                f"{rows} rows of {len(values)} classes cannot be split with a fraction of {fraction:g}: parts of "
                f"{rows - drawn} and {drawn} rows cannot hold every class. {_fewer()}"
            )
        return _class_by_class(labels, drawn, np.random.RandomState(seed))
    order = np.random.RandomState(seed).permutation(rows)
    return order[drawn:], order[:drawn]


def _class_by_class(labels: np.ndarray, drawn: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    # The rows that scikit-learn's train_test_split draws, without the second and a half that its import takes.
    _, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    kept = _apportion(counts, len(labels) - drawn, random)
    taken = _apportion(counts - kept, drawn, random)
    rest, held_out = [], []
    for rows, keep, take in zip(
        np.split(np.argsort(numbers, kind="stable"), counts.cumsum()[:-1]), kept, taken, strict=True
    ):
        shuffled = rows[random.permutation(len(rows))]
        rest.append(shuffled[:keep])
        held_out.append(shuffled[keep : keep + take])
    return random.permutation(np.concatenate(rest)), random.permutation(np.concatenate(held_out))


def _apportion(counts: np.ndarray, total: int, random: np.random.RandomState) -> np.ndarray:
    # `total` rows over the classes in proportion to their counts; the largest remainders round up, ties by lot.
    shares = counts / counts.sum() * total
    whole = np.floor(shares)
    remainders, missing = shares - whole, int(total - whole.sum())
    for remainder in np.unique(remainders)[::-1]:
        if missing == 0:
            break
        tied = np.flatnonzero(remainders == remainder)
        chosen = random.choice(tied, size=min(len(tied), missing), replace=False)
        whole[chosen] += 1
        missing -= len(chosen)
    return whole.astype(int)


def _nothing() -> str:
    return "--held-out 0" if on_command_line() else "held_out=None"


def _fewer() -> str:
    return f"Give more rows, or split off nothing ({_nothing()})."
