"""Datasets made from arrays and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Literal

import numpy as np

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import DataError, ShapeError
from pellucid.data.arrays import Dataset, Encoder, Part, as_weights, fit_preprocessing
from pellucid.data.columns import verbatim
from pellucid.data.encoding import as_array, as_inputs, dense
from pellucid.data.groups import grouped_dataset
from pellucid.data.preprocessing import Preprocessing
from pellucid.data.reading import read_table
from pellucid.data.rows import Apart, Given, codes_of, divide_part, divide_rows, encode_rows, target_notes, weights_of
from pellucid.data.several import is_several, several_dataset
from pellucid.data.stream import Kept
from pellucid.data.table import Table, normal
from pellucid.data.table_source import is_streamed
from pellucid.data.table_stream import stream_table
from pellucid.data.tables import MISSING, Missing, target_values
from pellucid.data.targets import UNTARGETED, Target, Task, blank_notes, infer_target, step_task
from pellucid.data.transcription import as_sequences, is_ragged, widened

SCALING_NAMES = ("auto", "standardise", "min_max", "none")


def make_dataset(
    x: Any,
    y: Any = None,
    *,
    name: str | None = None,
    task: Task | Mapping[str, Task] | None = None,
    classes: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
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
            bits, other numbers become float32. A sparse matrix becomes an array. A dictionary of arrays, one of them
            with more than one axis, has one array for each input of a network with several.
        y: targets ``(rows,)`` or ``(rows, outputs)``; at each step of sequences a label ``(rows, steps)``, which is −1,
            ``""`` or None where there is none, or numbers ``(rows, steps, k)``; with ``task="transcription"`` labels
            without their places in time: a list of them, or a text of characters, for each row, or ``(rows, longest)``,
            filled up with −1; the name of a column of ``x``, or several; None where a network learns from the inputs
            alone: a reconstruction, by an autoencoder, or with ``task="generation"`` new examples, by a GAN. A
            dictionary, one target for each output of a network with several, where ``x`` is one too or ``task`` names
            them.
        name: a short name for messages and run folders.
        task: overrides the inference; of several targets a dictionary by name.
        classes: class names in order; ``y`` then holds these names, or numbers from 0 to C − 1. Of several targets a
            dictionary by name.
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
    if isinstance(task, Mapping) or isinstance(classes, Mapping) or is_several(x, y):
        if columns or missing or features or encoder:
            raise DataError("columns, missing, features and encoder are of one table; arrays by name have none.")
        options = {"task": task, "classes": classes, "weights": weights, "groups": groups, "held_out": held_out}
        return several_dataset(x, y, name=name, seed=seed, preprocessing=preprocessing, source=source, **options)  # pyright: ignore[reportArgumentType]
    if hasattr(x, "toarray"):
        x = dense(x, "x")
    named = isinstance(y, str) or (isinstance(y, (list, tuple)) and len(y) > 0 and all(isinstance(n, str) for n in y))
    if is_table(x) or (missing is not None and np.ndim(x) == 2):
        table = read_table(x)
        if named and not all(normal(n) in table.columns for n in ([y] if isinstance(y, str) else y)):
            named = isinstance(y, str)  # texts of as many rows are labels, not names of columns
        apart = Apart(_of_rows(weights, "weights"), _of_rows(groups, "groups"))
        targets = _names(y) if named else ()
        given = None if named or y is None else _given(y, task)
        table = table if name is None else replace(table, name=name)
        filled: Missing = missing or "median"
        encoded = encode_rows(table, targets, given, apart, kinds=columns or {}, missing=filled, task=task)
        options: dict[str, Any] = {"task": task, "classes": classes, "held_out": held_out, "seed": seed}
        return divide_rows(encoded, preprocessing=preprocessing, **options)
    x = as_inputs(x)
    if y is None:
        task = task or "reconstruction"
        require(task, OneOf(UNTARGETED), "task", "Any other task needs targets y.")
        target, names = Target(task), ()
    else:
        ragged = task is None and x.ndim > 2 and is_ragged(y)
        y, names = _given(y, "transcription" if ragged else task)
        found, reason = step_task(x, y) if task is None else (task, "")
        if ragged:
            found, reason = "transcription", f"sequences of at most {y.shape[1]} labels, of different lengths"
        target = infer_target(y, task=found, classes=classes)
        target = replace(target, reason=reason) if reason else target
    whole = _part(target, x, y, weights, groups)
    if features and x.shape[1:] != (len(features),):
        raise ShapeError(f"{len(features)} feature names for inputs of shape {x.shape[1:]}; give one per column.")
    if isinstance(held_out, tuple):
        (train, rest), order = _given_parts(held_out, whole, target), "none"
    else:
        train, rest, order, _ = divide_part(whole, target, held_out, seed, time=False)
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
        notes=(*target_notes(target), *blank_notes(whole.y)),
    )


def load_table(
    source: Any,
    target: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    *,
    inputs: Mapping[str, Sequence[str]] | None = None,
    task: Task | Mapping[str, Task] | None = None,
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
    stream: bool = False,
    kept: Kept | None = None,
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
            dictionary of columns; a structured or masked array; a list of ``{column: value}``. A folder of Parquet
            files or of files of separated values, or an address such as ``s3://bucket/folder``, is streamed.
        target: the column to predict; several are numbers to predict together, or labels of 0 and 1; None where a
            network learns from the inputs alone. A dictionary has one or several for each output of a network.
        inputs: the columns of each input of a network with several, by its name; None for one, of all columns.
        task: overrides the inference of `make_dataset` from the target; of several a dictionary.
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
        stream: read the rows of a file while they are trained on, instead of holding them in memory: what is needed of
            all rows is found in one pass, and held-out rows are drawn by chance. The dataset holds a sample of the
            rows in ``train`` and ``held_out``.
        kept: what that pass found before, as a run folder keeps it.

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
    texts = verbatim(kinds)
    reading: dict[str, Any] = {"header": header, "names": names, "na": na, "encoding": encoding, "texts": texts}
    if stream or is_streamed(source):
        refused = {"inputs": inputs, "time": time, "group": group, "window": window}
        refused |= {name: one for name, one in (("target", target), ("task", task)) if isinstance(one, Mapping)}
        return stream_table(
            source,
            () if target is None else _names(target),  # pyright: ignore[reportArgumentType]
            task=task,  # pyright: ignore[reportArgumentType]
            kinds=kinds,
            weights=weights,
            missing=missing,
            held_out=held_out,
            seed=seed,
            reading=reading,
            refused=[name for name, value in refused.items() if value is not None],
            kept=kept,
        )
    table = read_table(source, **reading)
    by_output = {name: _names(columns) for name, columns in target.items()} if isinstance(target, Mapping) else None
    named = () if target is None else sum(by_output.values(), ()) if by_output is not None else _names(target)  # pyright: ignore[reportArgumentType]
    targets = tuple(table.find(name) for name in named)
    if len(set(targets)) < len(targets):
        raise DataError(f"a target is named twice: {', '.join(map(repr, targets))}.")
    if time is not None:
        time = table.find(time)
        from pellucid.data.series import in_time

        table = in_time(table, time)
    if window is not None:
        _refuse_groups(by_output, inputs, "windows of a series")
        from pellucid.data.series import series_dataset

        if group is not None or weights is not None:
            raise DataError("windows of a series take neither groups nor weights: leave them out.")
        return series_dataset(table, targets, time, window, horizon, kinds=kinds, missing=missing, held_out=held_out)
    special = {"column of weights": weights, "column of groups": group}
    for what, column in special.items():
        if column is not None and table.find(column) in targets:
            raise DataError(f"the target {column!r} cannot be the {what} too.")
    apart = Apart(
        None if weights is None else weights_of(table, table.find(weights)),
        None if group is None else np.array(table.texts(table.find(group)).to_list(), object),
        tuple(table.find(column) for column in special.values() if column is not None),
        time,
    )
    if by_output is not None or inputs is not None or isinstance(task, Mapping):
        if not targets:
            raise DataError("a network with several inputs learns targets: name the columns to predict.")
        if not isinstance(held_out, (int, float, str)) and held_out is not None:
            raise DataError(
                "held_out of a table with several inputs or targets is a fraction, a number of rows or 'last'."
            )
        columns_of = (
            {"": targets} if by_output is None else {n: tuple(map(table.find, of)) for n, of in by_output.items()}
        )
        return grouped_dataset(
            table, inputs, columns_of, apart, kinds=kinds, missing=missing, task=task, held_out=held_out, seed=seed
        )
    if isinstance(held_out, (PathLike, Mapping, Table)) or (isinstance(held_out, str) and held_out != "last"):
        held_out = read_table(held_out, **reading)
    elif hasattr(held_out, "columns"):
        held_out = read_table(held_out)
    encoded = encode_rows(table, targets, None, apart, kinds=kinds, missing=missing, task=task)
    del table  # the rows are held twice now, and once more below
    return divide_rows(encoded, task=task, held_out=held_out, seed=seed)


def _refuse_groups(targets: Any, inputs: Any, what: str) -> None:
    if targets is not None or inputs is not None:
        raise DataError(f"{what} have one input and one target: name the columns to predict in a list.")


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


def _names(target: str | Sequence[str]) -> tuple[str, ...]:
    names = (target,) if isinstance(target, str) else tuple(target)
    if not names:
        raise DataError("no target is named: give the column to predict.")
    return tuple(map(normal, names))


def _given(y: Any, task: Task | None) -> Given:
    """Targets that are given beside the inputs, with the names that they have."""
    if is_table(y):
        table = read_table(y)
        values, blank = target_values(table, tuple(table.columns), task)
        absent = blank.all(axis=1)
        if absent.any():
            raise DataError(f"y has no value at {table.row_name(int(absent.argmax()))}: a target is never filled in.")
        return Given(values, tuple(table.columns))
    name = getattr(y, "name", None)
    if task == "transcription":
        return Given(as_sequences(y), ())
    return Given(as_array(y, "y"), (normal(name),) if isinstance(name, str) and name else ())


def _of_rows(values: Any, name: str) -> np.ndarray | None:
    return None if values is None else as_array(values, name)


def _part(target: Target, x: Any, y: Any, weights: Any = None, groups: Any = None) -> Part:
    x = as_inputs(x)
    encoded = x if target.task in UNTARGETED else target.encode(y)
    codes = codes_of(_of_rows(groups, "groups"))
    if codes is not None and len(codes) != len(x):
        raise ShapeError(f"{len(x)} rows need as many groups, one for each. Received: {len(codes)}.")
    return Part(x, encoded, as_weights(weights, len(x)), np.arange(len(x)), codes)


def _distributions(y: Any, target: Target) -> Any:
    """Class labels as distributions, where those of training are; anything else as it is."""
    array = as_array(y, "y")
    if array.ndim != 1:
        return y
    labels = tuple(range(len(target.classes))) if array.dtype.kind in "iuf" else target.classes
    return _one_hot(replace(target, labels=labels).encode(array), target)


def _one_hot(numbers: np.ndarray, target: Target) -> np.ndarray:
    return np.eye(len(target.classes), dtype=np.float32)[numbers]


def _given_parts(held_out: tuple[Any, ...], train: Part, target: Target) -> tuple[Part, Part]:
    """The part to learn from and the one that is held out, of arrays that are alike."""
    if len(held_out) not in (2, 3):
        raise ShapeError(f"held_out is a pair (x, y), or (x, y, weights). Received: {len(held_out)} values.")
    x, y, *weights = held_out
    soft = target.task == "multiclass" and train.y.ndim == 2
    part = _part(target, x, _distributions(y, target) if soft else y, *weights)
    if soft and part.y.ndim == 1:  # rows of 0 and 1 alone
        part = replace(part, y=_one_hot(part.y, target))
    if target.task == "transcription":
        width = max(part.y.shape[1], train.y.shape[1])
        part, train = (replace(one, y=widened(one.y, width)) for one in (part, train))
    for name, array, trained in (("examples", part.x, train.x), ("targets", part.y, train.y)):
        if array.shape[1:] != trained.shape[1:] or array.dtype != trained.dtype:
            raise ShapeError(
                f"held-out {name} are {array.dtype} of shape {array.shape[1:]}, training {name} {trained.dtype} of "
                f"shape {trained.shape[1:]}. Both must be alike."
            )
    return train, part
