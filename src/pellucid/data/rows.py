"""Rows of a table made ready to train on: encoded once, then divided, and prepared by the part to learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import DataError
from pellucid.core.interface import option
from pellucid.data.arrays import Dataset, Part, as_weights
from pellucid.data.columns import DECLARED
from pellucid.data.encoding import as_array, plain
from pellucid.data.numerals import number_of
from pellucid.data.preprocessing import Preprocessing
from pellucid.data.splits import held_out_rows
from pellucid.data.table import Table, Texts
from pellucid.data.tables import Missing, TableEncoder, as_typed, check_digits, target_values
from pellucid.data.targets import UNTARGETED, Target, Task, are_distributions, blank_notes, infer_target


class Apart(NamedTuple):
    """What is known of the rows beside inputs and targets."""

    weights: np.ndarray | None = None
    groups: np.ndarray | None = None
    columns: tuple[str, ...] = ()
    time: str | None = None


class Given(NamedTuple):
    """Targets that are given beside the inputs."""

    values: np.ndarray
    names: tuple[str, ...] = ()


class Encoded(NamedTuple):
    """The rows of a table as arrays, not yet divided."""

    name: str
    source: str
    encoder: TableEncoder
    x: np.ndarray
    missing: np.ndarray | None
    y: np.ndarray | None
    """Targets as they came; None without any."""
    rows: np.ndarray
    apart: Apart
    notes: tuple[str, ...]

    def take(self, kept: np.ndarray) -> "Encoded":
        """Only some of the rows."""
        missing, y = (None if values is None else values[kept] for values in (self.missing, self.y))
        return self._replace(x=self.x[kept], missing=missing, y=y, rows=self.rows[kept], apart=_taken(self.apart, kept))


def encode_rows(
    table: Table,
    targets: tuple[str, ...],
    given: Given | None,
    apart: Apart,
    *,
    kinds: Mapping[str, str],
    missing: Missing,
    task: Task | None,
) -> Encoded:
    """Encode the rows of a table; missing inputs are NaN."""
    notes, values = list(table.notes), None if given is None else given.values
    if targets:
        values, blank = target_values(table, targets, task)
        absent = blank.any(axis=1) if missing in ("refuse", "drop") else blank.all(axis=1)
        values = as_typed(values[~absent], table, targets)
        if absent.any():
            if missing == "refuse" or absent.all():
                raise DataError(
                    f"the target {_shown(targets)} has no value at {table.row_name(int(absent.argmax()))}, "
                    f"{int(absent.sum()):,} rows in all. A target is never filled in: correct it, or say "
                    f"{option('missing', 'drop')}."
                )
            kept = np.flatnonzero(~absent)
            table, apart = table.take(kept), _taken(apart, kept)
            notes.append(f"{int(absent.sum()):,} rows without a target left out")
    encoder = TableEncoder.fitted(table, kinds, missing, (*targets, *apart.columns), _shown(targets))
    columns = tuple(c.without_days() if c.name == apart.time else c for c in encoder.columns)
    columns = columns if any(column.features for column in columns) else encoder.columns
    encoder = replace(encoder, columns=columns, targets=targets if given is None else given.names)
    table = encoder.parsed(table)
    x, mask, _ = encoder.encode_raw(table)
    check_digits(encoder, table)
    if mask is not None and missing == "refuse":
        encoder.fill(x, mask, table)  # says where
    rows = Encoded(table.name, table.source, encoder, x, mask, values, table.row_labels(), apart, tuple(notes))
    if mask is None or missing != "drop":
        return rows
    kept = np.flatnonzero(~mask.any(axis=1))
    if not len(kept):
        raise DataError(f"every row of {table.source} has a missing value: dropped, none is left.")
    note = f"{table.rows - len(kept):,} rows with missing values left out"
    return rows.take(kept)._replace(missing=None, notes=(*notes, note))


def divide_rows(
    encoded: Encoded,
    *,
    task: Task | None,
    held_out: Any,
    seed: int,
    classes: Sequence[str] | None = None,
    preprocessing: Preprocessing | str = "auto",
) -> Dataset:
    """Divide encoded rows, and estimate from those to train on what is filled in and how it is scaled."""
    encoder, values, apart, notes = encoded.encoder, encoded.y, encoded.apart, list(encoded.notes)
    if values is None:
        task = task or "reconstruction"
        require(task, OneOf(UNTARGETED), "task", "Any other task needs targets y.")
        target, y = Target(task), encoded.x
    else:
        labels = encoder.targets if len(encoder.targets) > 1 and _of_classes(values) else None
        target = infer_target(values, task=task, classes=classes or labels)
        y = target.encode(values)
    weights = as_weights(apart.weights, len(y))
    whole = Part(encoded.x, y, weights, encoded.rows, codes_of(apart.groups), encoded.missing)
    encoder = replace(encoder, task=target.task, classes=target.classes)
    order: Literal["none", "time", "groups"] = "none"
    if isinstance(held_out, Table):
        train, rest = whole, _held_out_table(held_out, encoder, target, apart, notes)
    elif isinstance(held_out, tuple):
        train, rest = whole, _given_table_part(held_out, encoder, target)
    else:
        train, rest, order, how = divide_part(whole, target, held_out, seed, time=apart.time is not None)
        notes += [f"held out: {how}"] if how else []
        dates = [column.name for column in encoder.inputs if column.kind == "date"]
        if rest is not None and order == "none" and dates:
            notes.append(f"to hold out the last in time instead, say {option('time', dates[0])}")
    fixed = isinstance(preprocessing, Preprocessing)
    data = Dataset(
        encoded.name,
        train,
        rest,
        target.task,
        target.classes,
        encoder.features,
        preprocessing if fixed else Preprocessing(),
        encoder=encoder,
        source=encoded.source.strip("'"),
        targets=encoder.targets,
        scaling=None if fixed else preprocessing,
        order=order,
        notes=(*target_notes(target, encoder.targets), *blank_notes(y), *column_notes(encoder), *notes),
    ).refit(train, rest)
    if encoded.missing is None:
        return data
    assert isinstance(data.encoder, TableEncoder)
    return replace(data, notes=(*data.notes, *data.encoder.fill(encoded.x, encoded.missing)[1]))


def _of_classes(values: np.ndarray) -> bool:
    """True for columns that are classes or labels, each by its name: of 0 and 1, or distributions."""
    if values.dtype.kind not in "biuf":
        return False
    return are_distributions(values) or bool((np.isin(values, (0, 1)) | np.isnan(values)).all())


def _shown(targets: Sequence[str]) -> str:
    return " and ".join(map(repr, targets)) or "the targets"


def target_notes(target: Target, names: Sequence[str] = ()) -> tuple[str, ...]:
    """The task that was inferred, and how to choose another, in words; nothing where it was given."""
    return (f"{f'target {_shown(names)}' if names else 'target'}: {target.reason}",) if target.reason else ()


def column_notes(encoder: TableEncoder) -> tuple[str, ...]:
    """Columns that are left out, and those that are read as something that is not plain to see."""
    left_out = [f"{c.name} ({c.kind}: {c.reason})" for c in encoder.columns if not c.features and c.reason != DECLARED]
    read = [f"{c.name} ({c.reason})" for c in encoder.inputs if c.reason.startswith(("numbers,", "dates,", "digits"))]
    notes = [f"left out: {', '.join(left_out)}"] if left_out else []
    return (*notes, *([f"read: {', '.join(read)}"] if read else []))


def _taken(apart: Apart, rows: np.ndarray) -> Apart:
    weights, groups = (None if values is None else values[rows] for values in (apart.weights, apart.groups))
    return apart._replace(weights=weights, groups=groups)


def divide_part(
    whole: Part, target: Target, held_out: Any, seed: int, time: bool
) -> tuple[Part, Part | None, Literal["none", "time", "groups"], str]:
    """Divide a part: what to learn from, what is held out, what the division respects, and how it was made."""
    stratify = target.task == "binary" or (target.task == "multiclass" and whole.y.ndim == 1)
    options: dict[str, Any] = {"seed": seed, "stratify": stratify, "classes": target.classes}
    train, drawn, how = held_out_rows(held_out, whole.y, time=time, groups=whole.groups, **options)
    order = "groups" if whole.groups is not None else "time" if time or held_out == "last" else "none"
    return whole.take(train), None if drawn is None else whole.take(drawn), order, how


def _held_out_table(table: Table, encoder: TableEncoder, target: Target, apart: Apart, notes: list[str]) -> Part:
    values, blank = target_values(table, encoder.targets, encoder.task)
    absent = blank.all(axis=1)
    if absent.any():
        table, values = table.take(np.flatnonzero(~absent)), values[~absent]
        notes.append(f"{int(absent.sum()):,} held-out rows without a target left out")
    x, mask, strange = encoder.encode_raw(table, unknown=True)
    if strange:
        rows = int(np.any(list(strange.values()), axis=0).sum())
        notes.append(f"{rows:,} held-out rows have a category that the training rows do not: {', '.join(strange)}")
    weights = weights_of(table, apart.columns[0]) if apart.weights is not None else None
    return Part(x, target.encode(values), as_weights(weights, len(x)), table.row_labels(), None, mask)


def _given_table_part(held_out: tuple[Any, ...], encoder: TableEncoder, target: Target) -> Part:
    x, y, *weights = held_out
    table = encoder.read(x)
    encoded, mask, _ = encoder.encode_raw(table)
    weighed = as_weights(weights[0] if weights else None, len(encoded))
    return Part(encoded, target.encode(as_array(y, "y")), weighed, table.row_labels(), None, mask)


def codes_of(groups: np.ndarray | None) -> np.ndarray | None:
    """The number of each row's group."""
    return None if groups is None else np.unique([str(group) for group in groups], return_inverse=True)[1]


def weights_of(table: Table, name: str) -> np.ndarray:
    """A column of weights.

    Raises:
        DataError: a weight that is none; names its row.
    """
    column = table.columns[name]
    if isinstance(column, Texts):
        numbers = [number_of(text) if text else None for text in column.to_list()]
        values = np.array([np.nan if number is None else number for number in numbers])
    else:
        values = column
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        value = "no value" if table.missing(name)[row] else repr(plain(table.texts(name).to_list()[row]))
        raise DataError(
            f"the column of weights {name!r} holds {value} at {table.row_name(row)}: a weight is a number of at least "
            "0, and 0 leaves a row out. A weight is never filled in: correct it, or take its row out."
        )
    return values
