"""Windows over a series: the last rows are the input, the next values the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import DataError
from pellucid.core.interface import option
from pellucid.data.arrays import Dataset, Encoder, Part, fit_preprocessing
from pellucid.data.columns import decide
from pellucid.data.splits import clear_of, held_out_rows
from pellucid.data.table import Table, Texts, missing_of
from pellucid.data.tables import Missing, TableEncoder, target_values


@dataclass(frozen=True)
class SeriesEncoder(Encoder):
    """Conversion of the rows of a series to windows of their inputs.

    Args:
        table: conversion of one row; the targets' own past is among its inputs.
        window: rows that a prediction sees.
        horizon: steps to predict.
        time: the column of times; None where the rows are in order.
    """

    table: TableEncoder
    window: int
    horizon: int
    time: str | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the inputs at each step."""
        return self.table.features

    @property
    def scaled(self) -> np.ndarray:
        """Mask of the inputs that are numbers and dates."""
        return self.table.scaled

    @property
    def overlap(self) -> int:
        """How many windows on either side of a window predict a value that it predicts too."""
        return self.horizon - 1

    def encode(self, source: Any) -> np.ndarray:
        """The windows ``(rows − window + 1, window, features)``; after the last of them comes the future.

        Raises:
            DataError: a column is missing, or there are fewer rows than a window has.
        """
        return self._windows(self._in_order(source))

    def encode_with_targets(self, source: Any) -> tuple[np.ndarray, np.ndarray]:
        """The windows of a table whose next values it holds, and those values."""
        table = self._in_order(source)
        values, _ = target_values(table, self.table.targets, "regression")
        x = self._windows(table)
        return x[: len(x) - self.horizon], _next_values(values, self.window, self.horizon)

    def last_times(self, source: Any) -> list[str | None]:
        """The time, or the row, after which each window predicts."""
        table = self._in_order(source)
        if self.time is None:
            return [table.row_name(row) for row in range(self.window - 1, table.rows)]
        return table.texts(self.time).to_list()[self.window - 1 :]

    def _in_order(self, source: Any) -> Table:
        table = self.table.read(source)
        return table if self.time is None else in_time(table, table.find(self.time))

    def _windows(self, table: Table) -> np.ndarray:
        if table.rows < self.window:
            raise DataError(f"{table.source} has {table.rows} rows, and a prediction needs the last {self.window}.")
        x, mask, _ = self.table.encode_raw(table)
        if mask is not None:
            x, _ = self.table.fill(x, mask, table)
        return windows_of(x, self.window)


def windows_of(rows: np.ndarray, window: int) -> np.ndarray:
    """All windows of successive rows, ``(rows − window + 1, window, features)``.

    Example:
        >>> windows_of(np.arange(4.0)[:, None], 3)[:, :, 0].tolist()
        [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    """
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(rows, window, axis=0).transpose(0, 2, 1))


def _next_values(values: np.ndarray, window: int, horizon: int) -> np.ndarray:
    """For each window the values of the next steps, ``(windows, horizon · targets)``."""
    columns = values.reshape(len(values), -1)[window:]
    return windows_of(columns, horizon).reshape(len(columns) - horizon + 1, -1)


def in_time(table: Table, name: str) -> Table:
    """The rows in the order of a column of dates or numbers.

    Raises:
        DataError: a column of other values, or a row without a time.
    """
    return table.take(np.argsort(_times(table, name), kind="stable"))


def _times(table: Table, name: str) -> np.ndarray:
    column = decide(table, name)
    values = column.parse(table) if column.kind != "identifier" else replace(column, kind="number").parse(table)
    if isinstance(values, Texts):
        raise DataError(f"the column {name!r} of {table.source} holds {column.reason}: times are dates or numbers.")
    if missing_of(values).any():
        row = int(missing_of(values).argmax())
        raise DataError(f"the column of times {name!r} has no value at {table.row_name(row)}.")
    return values


def series_dataset(
    table: Table,
    targets: Sequence[str],
    time: str | None,
    window: int,
    horizon: int,
    *,
    kinds: Mapping[str, str],
    missing: Missing,
    held_out: Any,
) -> Dataset:
    """Make a dataset of windows over a series.

    The last windows are held out, and so many between the parts left out that no value is predicted in both.

    Args:
        table: the series, its rows in order.
        targets: the columns to predict; their own past is among the inputs.
        time: the column of times, of which the place in year, week and day are inputs; None without one.
        window: rows that a prediction sees.
        horizon: steps to predict.
        kinds: kinds of columns that are declared.
        missing: what is done with missing values.
        held_out: fraction or number of the windows held out.

    Raises:
        DataError: fewer rows than a window and its horizon need, or a target of anything but numbers.
    """
    require(window, WholeNumber(1), "window")
    require(horizon, WholeNumber(1), "horizon")
    if isinstance(held_out, (Table, PathLike)) or (isinstance(held_out, str) and held_out != "last"):
        raise DataError(f"of a series the last windows are held out, not another file: say {option('held_out', 0.2)}.")
    values, blank = target_values(table, targets, "regression")
    absent = blank.any(axis=1)
    if absent.any():
        raise DataError(
            f"the target {' or '.join(map(repr, targets))} has no value at {table.row_name(int(absent.argmax()))}, "
            f"{int(absent.sum()):,} rows in all: a series has no gaps. Fill them in first."
        )
    count = table.rows - window - horizon + 1
    if count < 2:
        raise DataError(
            f"{table.rows} rows give {max(count, 0)} windows of {window} with {horizon} next. Take a shorter one, "
            f"{option('window', max(1, table.rows // 4))}."
        )
    rows = TableEncoder.fitted(table, dict(kinds), "median" if missing == "drop" else missing)
    rows = replace(rows, columns=tuple(column.without_days() for column in rows.columns))
    x, mask, _ = rows.encode_raw(table)
    train, drawn, _ = held_out_rows(held_out, np.zeros(count), seed=0, stratify=False, time=True)
    known = len(train) + window if drawn is not None else table.rows
    part = Part(x[:known], x[:known], missing=None if mask is None else mask[:known])
    rows = replace(rows.refit(part, None)[0], targets=tuple(targets))
    if mask is not None:
        x, _ = rows.fill(x, mask, table)
    encoder = SeriesEncoder(rows, window, horizon, time)
    y = _next_values(values, window, horizon).astype(np.float32)
    whole = Part(windows_of(x, window)[:count], y, rows=table.row_labels()[window : window + count])
    if drawn is not None:
        train = clear_of(drawn, train, encoder.overlap)
    first, rest = whole.take(train), None if drawn is None else whole.take(drawn)
    steps = [f" +{step + 1}" for step in range(horizon)] if horizon > 1 else [""]
    names = tuple(f"{target}{step}" for step in steps for target in targets)
    data = Dataset(
        table.name,
        first,
        rest,
        "regression",
        features=rows.features,
        preprocessing=fit_preprocessing(first.x, "standardise", encoder),
        encoder=encoder,
        source=table.source.strip("'"),
        targets=names,
        scaling="standardise",
        order="time",
        notes=(
            f"windows of {window} rows, the next {'value' if horizon == 1 else f'{horizon} values'} to predict",
            f"held out: the last {'in time' if time else 'rows'}",
            *_uneven(table, time),
            *table.notes,
        ),
    )
    if drawn is None:
        return data
    return replace(data, naive=_naive(values.reshape(len(values), -1), drawn, window, horizon))


def _uneven(table: Table, time: str | None) -> tuple[str, ...]:
    """Notes on gaps and on times that occur twice, over which windows run all the same."""
    if time is None:
        return ()
    steps = np.diff(_times(table, time)).astype(float)
    gaps, twice = int((steps > 1.5 * np.median(steps)).sum()), int((steps == 0).sum())
    notes = {
        f"gaps in {time!r}, over which windows run: {gaps:,}": gaps,
        f"times in {time!r} that repeat: {twice:,}": twice,
    }
    return tuple(note for note, count in notes.items() if count)


def _naive(values: np.ndarray, windows: np.ndarray, window: int, horizon: int) -> dict[str, np.ndarray]:
    """Forecasts that anyone could make: the last value, and the value one window before."""
    last = np.tile(values[windows + window - 1], (1, horizon))
    forecasts = {"last value": last}
    if window > 1 and horizon <= window:
        earlier = np.concatenate([values[windows + step] for step in range(horizon)], axis=1)
        forecasts[f"value {window} rows before"] = earlier
    return {name: forecast.astype(np.float32) for name, forecast in forecasts.items()}
