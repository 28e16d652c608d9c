"""Datasets made from arrays and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Literal, NamedTuple

import numpy as np

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import DataError, ShapeError
from pellucid.core.interface import option
from pellucid.data.arrays import Dataset, Encoder, Part, as_weights, fit_preprocessing
from pellucid.data.columns import DECLARED
from pellucid.data.encoding import as_array, as_inputs, plain
from pellucid.data.numerals import number_of
from pellucid.data.objects import dense
from pellucid.data.preprocessing import SCALINGS, Preprocessing
from pellucid.data.reading import read_table
from pellucid.data.splits import held_out_rows
from pellucid.data.table import Table, Texts, normal
from pellucid.data.tables import MISSING, Missing, TableEncoder, check_digits, target_values, whole_numbers
from pellucid.data.targets import UNTARGETED, Target, Task, infer_target

SCALING_NAMES = ("auto", "standardise", "min_max", "none")


def make_dataset(
    x: Any,
    y: Any = None,
    *,
    name: str | None = None,
    task: Task | None = None,
    classes: Sequence[str] | None = None,
    weights: Any = None,
    groups: Any = None,
    held_out: Any = 0.2,
    seed: int = 0,
    preprocessing: Preprocessing | Literal["auto", "standardise", "min_max", "none"] = "auto",
    columns: Mapping[str, str] | None = None,
    missing: Missing | None = None,
    features: Sequence[str] = (),
    encoder: Encoder | None = None,
    source: str = "arrays in memory",
) -> Dataset:
    """Make a checked `Dataset` from inputs and targets.

    The task is inferred from ``y`` unless given. Text and booleans are classes. Whole numbers, written with a point or
    not, are classes where they are few, else a regression; other numbers are a regression; rows of 0 and 1 are one-hot
    classes where each sums to 1, else labels. What was inferred is in ``notes``.

    Args:
        x: inputs ``(rows, …)``: an array; or a table of one row per example: a data frame, a dictionary of columns, a
            structured or masked array, whose columns keep their names (see `load_table`). uint8 and bool are kept in 8
            bits, other numbers become float32. A sparse matrix becomes an array.
        y: targets ``(rows,)`` or ``(rows, outputs)``; the name of a column of ``x``, or several; None where a network
            learns from the inputs alone: a reconstruction, by an autoencoder, or with ``task="generation"`` new
            examples, by a GAN.
        name: a short name for messages and run folders.
        task: overrides the inference.
        classes: class names in order; ``y`` then holds these names, or numbers from 0 to C − 1.
        weights: a weight for each row, at least 0; it stays with its row when rows are held out.
        groups: the group of each row (a patient, a house): a group is held out whole or not at all.
        held_out: fraction of the rows to hold out, in (0, 1), drawn class by class; a number of rows; ``"last"`` for
            the last fifth of the rows, as of a series in time; a pair ``(x, y)``, or ``(x, y, weights)``; None or 0.
        seed: of the draw.
        preprocessing: ``"standardise"`` gives mean 0 and standard deviation 1 over the training part (each feature of
            a table or sequence, all values of an image together; constants are only shifted), ``"min_max"`` the range
            0 … 1. ``"auto"`` standardises tables and sequences and scales pixels by their range, see
            `pellucid.data.preprocessing.usual_preprocessing`.
        columns: of a table, the kind of columns that should not be guessed, see `load_table`.
        missing: what to do with missing values, see `load_table`; by default they are filled in in a table, and
            refused in an array, where NaN is rather a mistake.
        features: names of the inputs.
        encoder: kept in the dataset.
        source: kept in the dataset.

    Raises:
        DataError: no rows, a value that is not a finite number, one class only, a label outside ``classes``, a class
            too small to split; names the row and column, from 0.
        ShapeError: ``x`` and ``y``, or training and held-out part, do not fit together.

    Example:
        >>> data = make_dataset([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], name="xor", held_out=None)
        >>> data
        Dataset 'xor'
          task      binary (2: 0, 1)
          train     4 examples of shape (2,), float32
          held out  none
          input     x' = (x − shift) · scale, feature by feature
          source    arrays in memory
          note      target: 2 distinct whole numbers; to predict them as a quantity, say task='regression'

    Where other libraries differ: scikit-learn leaves scaling to a pipeline and Keras to a layer; here it is part of the
    data, so that prediction on new data repeats it exactly.
    """
    if not isinstance(preprocessing, Preprocessing):
        require(preprocessing, OneOf(SCALING_NAMES), "preprocessing")
    if hasattr(x, "toarray"):
        x = dense(x, "x")
    named = isinstance(y, str) or (isinstance(y, (list, tuple)) and len(y) > 0 and all(isinstance(n, str) for n in y))
    if is_table(x) or (missing is not None and np.ndim(x) == 2):
        table = read_table(x)
        if named and not all(normal(n) in table.columns for n in ([y] if isinstance(y, str) else y)):
            named = isinstance(y, str)  # texts of as many rows are labels, not names of columns
        apart = _Apart(_of_rows(weights, "weights"), _of_rows(groups, "groups"))
        targets = _names(y) if named else ()
        given = None if named or y is None else _given(y, task)
        table = table if name is None else replace(table, name=name)
        filled: Missing = missing or "median"
        encoded = _encoded(table, targets, given, apart, kinds=columns or {}, missing=filled, task=task)
        options: dict[str, Any] = {"task": task, "classes": classes, "held_out": held_out, "seed": seed}
        return _divided_dataset(encoded, preprocessing=preprocessing, **options)
    x = as_inputs(x)
    if y is None:
        task = task or "reconstruction"
        require(task, OneOf(UNTARGETED), "task", "Any other task needs targets y.")
        target, names = Target(task), ()
    else:
        y, names = _given(y, task)
        target = infer_target(y, task=task, classes=classes)
    whole = _part(target, x, y, weights, groups)
    if features and x.shape[1:] != (len(features),):
        raise ShapeError(f"{len(features)} feature names for inputs of shape {x.shape[1:]}; give one per column.")
    if isinstance(held_out, tuple):
        train, rest, order = whole, _given_part(held_out, whole, target), "none"
    else:
        train, rest, order, _ = _divided(whole, target, held_out, seed, time=False)
    fixed = isinstance(preprocessing, Preprocessing)
    return Dataset(
        name or "arrays",
        train,
        rest,
        target.task,
        target.classes,
        features=tuple(features),
        preprocessing=preprocessing if fixed else fit_preprocessing(train.x, preprocessing),
        encoder=encoder,
        source=source,
        targets=names,
        scaling=None if fixed else preprocessing,
        order=order,
        notes=_target_notes(target),
    )


def load_table(
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    task: Task | None = None,
    columns: Mapping[str, str] | None = None,
    weights: str | None = None,
    time: str | None = None,
    group: str | None = None,
    missing: Missing = "median",
    na: Sequence[str] | None = None,
    header: bool = True,
    names: Sequence[str] = (),
    encoding: str | None = None,
    held_out: Any = 0.2,
    window: int | None = None,
    horizon: int = 1,
    seed: int = 0,
) -> Dataset:
    """Make a `Dataset` from a table and its target columns.

    Each column is one of these kinds, decided by its values and stated with the reason in the dataset's ``encoder``:
    a *number*, standardised over the training rows; a *category*, one input of 0 or 1 for each; a *date*, calendar
    features; a *text*, left out unless it is declared (then its most frequent words are inputs) or all there is; an
    *identifier* of the row, or *ignored*, both left out. Numbers are read as people write them: "1,163.74", "$1,500",
    "12%", "1.163,74"; digits such as 007 stay text.

    Args:
        source: a path to a file of separated values (any separator, encoding and compression, with or without lines
            before the header), JSON lines, Parquet, Arrow, ``.npy`` or Excel; a pandas, Polars or PyArrow frame; a
            dictionary of columns; a structured or masked array; a list of ``{column: value}``.
        target: the column to predict; several are numbers to predict together, or labels of 0 and 1; None where a
            network learns from the inputs alone.
        task: overrides the inference of `make_dataset` from the target.
        columns: kinds of columns by name, where the guess is wrong: ``{"zip": "category", "id": "ignored"}``.
        weights: the column of row weights, numbers of at least 0; it is no input and never filled in.
        time: the column of times. Rows are taken in their order, and the last are held out instead of drawn ones.
        group: the column of groups (a patient, a house): a group is held out whole or not at all. It is no input.
        missing: fill missing values in by the training rows' ``"median"``, ``"mean"`` or ``"most_frequent"`` value
            (categories always by the most frequent); ``"drop"`` such rows; or ``"refuse"`` them. Rows without a target
            are left out, unless refused.
        na: cells that count as missing, besides empty ones; by default NA, N/A, NaN, null and ?, and among numbers also
            -, None and the like.
        header: True if the first line of a file of separated values names the columns.
        names: of the columns, where the source has none.
        encoding: of a text file; found out if None.
        held_out: fraction of the rows to hold out, in (0, 1), drawn class by class; a number of rows; ``"last"``; None
            or 0; or the path or frame of another table, whose rows are held out.
        window: rows that one prediction of a series sees: inputs are then sequences of all numbers, the target's own
            past among them, see `pellucid.data.series`.
        horizon: steps to predict ahead of a window.
        seed: of the draw.

    Raises:
        DataError: a file or table that cannot be trained on; names line or row, column and value.
        MissingExtra: an Excel file without the package that reads it.

    Example:
        >>> data = load_table(
        ...     [{"age": 40, "city": "Rome", "ill": "no"}, {"age": 60, "city": "Oslo", "ill": "yes"}],
        ...     target="ill",
        ...     held_out=None,
        ... )
        >>> data.features, data.task, data.classes
        (('age', 'city=Oslo', 'city=Rome'), 'binary', ('no', 'yes'))
        >>> data.preprocessing.apply_numpy(data.train.x)
        array([[-1.,  0.,  1.],
               [ 1.,  1.,  0.]], dtype=float32)
    """
    require(missing, OneOf(MISSING), "missing")
    kinds = {normal(name): kind for name, kind in (columns or {}).items()}
    verbatim = [name for name, kind in kinds.items() if kind not in ("number", "date")]
    reading: dict[str, Any] = {"header": header, "names": names, "na": na, "encoding": encoding}
    table = read_table(source, texts=verbatim, **reading)
    targets = () if target is None else tuple(table.find(name) for name in _names(target))
    if len(set(targets)) < len(targets):
        raise DataError(f"a target is named twice: {', '.join(map(repr, targets))}.")
    if time is not None:
        time = table.find(time)
        from pellucid.data.series import in_time

        table = in_time(table, time)
    if window is not None:
        from pellucid.data.series import series_dataset

        if group is not None or weights is not None:
            raise DataError("windows of a series take neither groups nor weights: leave them out.")
        return series_dataset(table, targets, time, window, horizon, kinds=kinds, missing=missing, held_out=held_out)
    special = {"column of weights": weights, "column of groups": group}
    for what, column in special.items():
        if column is not None and table.find(column) in targets:
            raise DataError(f"the target {column!r} cannot be the {what} too.")
    apart = _Apart(
        None if weights is None else _weights(table, table.find(weights)),
        None if group is None else np.array(table.texts(table.find(group)).to_list(), object),
        tuple(table.find(column) for column in special.values() if column is not None),
        time,
    )
    if isinstance(held_out, (PathLike, Mapping, Table)) or (isinstance(held_out, str) and held_out != "last"):
        held_out = read_table(held_out, texts=verbatim, **reading)
    elif hasattr(held_out, "columns"):
        held_out = read_table(held_out)
    encoded = _encoded(table, targets, None, apart, kinds=kinds, missing=missing, task=task)
    del table  # the rows are held twice now, and once more below
    return _divided_dataset(encoded, task=task, held_out=held_out, seed=seed)


class _Apart(NamedTuple):
    """What is known of the rows beside inputs and targets."""

    weights: np.ndarray | None = None
    groups: np.ndarray | None = None
    columns: tuple[str, ...] = ()
    time: str | None = None


class _Given(NamedTuple):
    """Targets that are given beside the inputs."""

    values: np.ndarray
    names: tuple[str, ...] = ()


def is_table(x: Any) -> bool:
    """True for what has named columns, or values behind a mask.

    Example:
        >>> is_table({"a": [1, 2]}), is_table(np.zeros((2, 2)))
        (True, False)
    """
    if isinstance(x, np.ma.MaskedArray):
        return x.ndim == 2 and np.ma.is_masked(x)
    if isinstance(x, np.ndarray):
        return x.dtype.names is not None
    if isinstance(x, (list, tuple)):
        return len(x) > 0 and isinstance(x[0], Mapping)
    return isinstance(x, (Mapping, Table)) or hasattr(x, "columns") or hasattr(x, "column_names")


class _Encoded(NamedTuple):
    """The rows of a table as arrays, not yet divided."""

    name: str
    source: str
    encoder: TableEncoder
    x: np.ndarray
    missing: np.ndarray | None
    y: np.ndarray | None
    """Targets as they came; None without any."""
    rows: np.ndarray
    apart: _Apart
    notes: tuple[str, ...]

    def take(self, kept: np.ndarray) -> "_Encoded":
        """Only some of the rows."""
        missing, y = (None if values is None else values[kept] for values in (self.missing, self.y))
        return self._replace(x=self.x[kept], missing=missing, y=y, rows=self.rows[kept], apart=_taken(self.apart, kept))


def _encoded(
    table: Table,
    targets: tuple[str, ...],
    given: _Given | None,
    apart: _Apart,
    *,
    kinds: Mapping[str, str],
    missing: Missing,
    task: Task | None,
) -> _Encoded:
    """Encode the rows of a table; missing inputs are NaN."""
    notes, values = list(table.notes), None if given is None else given.values
    if targets:
        values, absent = target_values(table, targets, task)
        values = whole_numbers(values[~absent])
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
    rows = _Encoded(table.name, table.source, encoder, x, mask, values, table.row_labels(), apart, tuple(notes))
    if mask is None or missing != "drop":
        return rows
    kept = np.flatnonzero(~mask.any(axis=1))
    if not len(kept):
        raise DataError(f"every row of {table.source} has a missing value: dropped, none is left.")
    note = f"{table.rows - len(kept):,} rows with missing values left out"
    return rows.take(kept)._replace(missing=None, notes=(*notes, note))


def _divided_dataset(
    encoded: _Encoded,
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
        labels = encoder.targets if len(encoder.targets) > 1 and np.isin(values, (0, 1)).all() else None
        target = infer_target(values, task=task, classes=classes or labels)
        y = target.encode(values)
    weights = as_weights(apart.weights, len(y))
    whole = Part(encoded.x, y, weights, encoded.rows, _codes(apart.groups), encoded.missing)
    encoder = replace(encoder, task=target.task, classes=target.classes)
    order: Literal["none", "time", "groups"] = "none"
    if isinstance(held_out, Table):
        train, rest = whole, _held_out_table(held_out, encoder, target, apart, notes)
    elif isinstance(held_out, tuple):
        train, rest = whole, _given_table_part(held_out, encoder, target)
    else:
        train, rest, order, how = _divided(whole, target, held_out, seed, time=apart.time is not None)
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
        notes=(*_target_notes(target, encoder.targets), *_column_notes(encoder), *notes),
    ).refit(train, rest)
    if encoded.missing is None:
        return data
    assert isinstance(data.encoder, TableEncoder)
    return replace(data, notes=(*data.notes, *data.encoder.fill(encoded.x, encoded.missing)[1]))


def _shown(targets: Sequence[str]) -> str:
    return " and ".join(map(repr, targets)) or "the targets"


def _target_notes(target: Target, names: Sequence[str] = ()) -> tuple[str, ...]:
    return (f"{f'target {_shown(names)}' if names else 'target'}: {target.reason}",) if target.reason else ()


def _column_notes(encoder: TableEncoder) -> tuple[str, ...]:
    """Columns that are left out, and those that are read as something that is not plain to see."""
    left_out = [f"{c.name} ({c.kind}: {c.reason})" for c in encoder.columns if not c.features and c.reason != DECLARED]
    read = [f"{c.name} ({c.reason})" for c in encoder.inputs if c.reason.startswith(("numbers,", "dates,", "digits"))]
    notes = [f"left out: {', '.join(left_out)}"] if left_out else []
    return (*notes, *([f"read: {', '.join(read)}"] if read else []))


def _taken(apart: _Apart, rows: np.ndarray) -> _Apart:
    weights, groups = (None if values is None else values[rows] for values in (apart.weights, apart.groups))
    return apart._replace(weights=weights, groups=groups)


def _divided(
    whole: Part, target: Target, held_out: Any, seed: int, time: bool
) -> tuple[Part, Part | None, Literal["none", "time", "groups"], str]:
    stratify = target.task in ("binary", "multiclass")
    options: dict[str, Any] = {"seed": seed, "stratify": stratify, "classes": target.classes}
    train, drawn, how = held_out_rows(held_out, whole.y, time=time, groups=whole.groups, **options)
    order = "groups" if whole.groups is not None else "time" if time or held_out == "last" else "none"
    return whole.take(train), None if drawn is None else whole.take(drawn), order, how


def _held_out_table(table: Table, encoder: TableEncoder, target: Target, apart: _Apart, notes: list[str]) -> Part:
    values, absent = target_values(table, encoder.targets, encoder.task)
    if absent.any():
        table, values = table.take(np.flatnonzero(~absent)), values[~absent]
        notes.append(f"{int(absent.sum()):,} held-out rows without a target left out")
    x, mask, strange = encoder.encode_raw(table, unknown=True)
    if strange:
        rows = int(np.any(list(strange.values()), axis=0).sum())
        notes.append(f"{rows:,} held-out rows have a category that the training rows do not: {', '.join(strange)}")
    weights = _weights(table, apart.columns[0]) if apart.weights is not None else None
    return Part(x, target.encode(values), as_weights(weights, len(x)), table.row_labels(), None, mask)


def _given_table_part(held_out: tuple[Any, ...], encoder: TableEncoder, target: Target) -> Part:
    x, y, *weights = held_out
    table = encoder.read(x)
    encoded, mask, _ = encoder.encode_raw(table)
    weighed = as_weights(weights[0] if weights else None, len(encoded))
    return Part(encoded, target.encode(as_array(y, "y")), weighed, table.row_labels(), None, mask)


def _names(target: str | Sequence[str]) -> tuple[str, ...]:
    names = (target,) if isinstance(target, str) else tuple(target)
    if not names:
        raise DataError("no target is named: give the column to predict.")
    return tuple(map(normal, names))


def _given(y: Any, task: Task | None) -> _Given:
    """Targets that are given beside the inputs, with the names that they have."""
    if is_table(y):
        table = read_table(y)
        values, absent = target_values(table, tuple(table.columns), task)
        if absent.any():
            raise DataError(f"y has no value at {table.row_name(int(absent.argmax()))}: a target is never filled in.")
        return _Given(values, tuple(table.columns))
    name = getattr(y, "name", None)
    return _Given(as_array(y, "y"), (normal(name),) if isinstance(name, str) and name else ())


def _of_rows(values: Any, name: str) -> np.ndarray | None:
    return None if values is None else as_array(values, name)


def _codes(groups: np.ndarray | None) -> np.ndarray | None:
    return None if groups is None else np.unique([str(group) for group in groups], return_inverse=True)[1]


def _weights(table: Table, name: str) -> np.ndarray:
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


def _part(target: Target, x: Any, y: Any, weights: Any = None, groups: Any = None) -> Part:
    x = as_inputs(x)
    encoded = x if target.task in UNTARGETED else target.encode(y)
    codes = _codes(_of_rows(groups, "groups"))
    if codes is not None and len(codes) != len(x):
        raise ShapeError(f"{len(x)} rows need as many groups, one for each. Received: {len(codes)}.")
    return Part(x, encoded, as_weights(weights, len(x)), np.arange(len(x)), codes)


def _given_part(held_out: tuple[Any, ...], train: Part, target: Target) -> Part:
    if len(held_out) not in (2, 3):
        raise ShapeError(f"held_out is a pair (x, y), or (x, y, weights). Received: {len(held_out)} values.")
    part = _part(target, *held_out)
    for name, array, trained in (("examples", part.x, train.x), ("targets", part.y, train.y)):
        if array.shape[1:] != trained.shape[1:] or array.dtype != trained.dtype:
            raise ShapeError(
                f"held-out {name} are {array.dtype} of shape {array.shape[1:]}, training {name} {trained.dtype} of "
                f"shape {trained.shape[1:]}. Both must be alike."
            )
    return part


__all__ = ["SCALINGS", "is_table", "load_table", "make_dataset"]
