"""Tables of mixed columns: ``load_table("patients.csv", target="outcome")``.

Columns of numbers stay numbers, standardised by the training rows; columns of text become one-hot columns of 0 and 1.
The kinds, categories and values to fill in are kept in a `TableEncoder`, which converts a new file to the same inputs.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import DataError, did_you_mean
from pellucid.data.arrays import Dataset, Encoder, Part, Preprocessing, as_weights, split_rows, standardise
from pellucid.data.encoding import Task, infer_target, plain, refuse_lost_digits
from pellucid.data.reading import Table, number_of, read_table

Kind: TypeAlias = Literal["numeric", "categorical"]
Missing: TypeAlias = Literal["refuse", "drop", "mean", "median", "most_frequent"]

MOST_CATEGORIES = 100
"""Most distinct texts of a category; more, or (past ten) more than half the rows, are identifiers or prose."""

MOSTLY_NUMBERS = 0.9
"""Fraction of numbers in a column from which a text is an error, not a category."""


@dataclass(frozen=True)
class Column:
    """Conversion of one column of a table to inputs.

    Args:
        name: its header.
        kind: ``"numeric"`` becomes one input, ``"categorical"`` one input of 0 or 1 for each category.
        categories: in alphabetical order; empty if numeric.
        fill: replaces a missing value; None refuses it.
    """

    name: str
    kind: Kind
    categories: tuple[str, ...] = ()
    fill: float | str | None = None

    @property
    def features(self) -> list[str]:
        """Names of the inputs: ``age``, or ``city=Paris``, ``city=Rome``."""
        return [f"{self.name}={value}" for value in self.categories] or [self.name]

    def encode(self, table: Table) -> np.ndarray:
        """The inputs ``(rows, 1 or categories)`` in float32."""
        numeric = self.kind == "numeric"
        values = np.array(table.numbers(self.name) if numeric else table.texts(self.name), float if numeric else object)
        missing = table.missing(self.name)
        if missing.any():
            if self.fill is None:
                raise DataError(
                    f"column {self.name!r} has no value at {table.row_name(int(missing.argmax()))}. Fill it in, or "
                    "train with missing='drop', 'mean', 'median' or 'most_frequent'."
                )
            values[missing] = self.fill
        if numeric:
            beyond = np.abs(values) > np.finfo(np.float32).max
            if beyond.any():
                row = int(beyond.argmax())
                advice = ", which is beyond float32. Correct the value or rescale the column."
                table.refuse(self.name, row, values[row], advice)
            return values.astype(np.float32)[:, None]
        index = {category: i for i, category in enumerate(self.categories)}
        for row, value in enumerate(values):
            if value not in index:
                known = f"Known: {', '.join(map(repr, self.categories))}."
                advice = f", an unseen category. {known}{did_you_mean(value, self.categories)}"
                table.refuse(self.name, row, repr(value), advice)
        return np.eye(len(index), dtype=np.float32)[[index[value] for value in values]]


@dataclass(frozen=True)
class TableEncoder(Encoder):
    """Conversion of table rows to inputs, fitted to the training rows.

    Args:
        columns: the columns used, in order.
        target: header of the column to predict.
        task: of the target.
        classes: names of the target's classes; empty for a regression.

    Example:
        >>> encoder = TableEncoder(
        ...     columns=(Column("age", "numeric"), Column("city", "categorical", ("Paris", "Rome"))),
        ...     target="ill",
        ... )
        >>> encoder.encode([{"age": 40, "city": "Rome"}])
        array([[40.,  0.,  1.]], dtype=float32)
        >>> TableEncoder.from_dict(encoder.to_dict()) == encoder
        True

    Where other libraries differ: scikit-learn's ``OneHotEncoder(handle_unknown="ignore")`` turns an unknown category
    into zeros, which a network answers with confidence; here it is an error that names the value.
    """

    columns: tuple[Column, ...]
    target: str
    task: Task = "regression"
    classes: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(name for column in self.columns for name in column.features)

    def encode(self, source: Any) -> np.ndarray:
        """The inputs ``(rows, features)`` in float32, not yet standardised by the preprocessing.

        Args:
            source: a path to a CSV or Parquet file, a data frame, or a list of ``{column: value}``. Further columns,
                the target among them, are ignored.

        Raises:
            DataError: a column is missing, or holds an unseen category.
        """
        table = read_table(source)
        return np.concatenate([column.encode(table) for column in self.columns], axis=1)

    def target_values(self, source: Any) -> Any:
        """The values of a table's target column."""
        table = read_table(source)
        table.require_column(self.target)
        return _target_values(table, self.target, self.task)


def load_table(
    source: Any,
    target: str,
    *,
    task: Task | None = None,
    weights: str | None = None,
    missing: Missing = "refuse",
    held_out: float | None = 0.2,
    seed: int = 0,
    ignore: Sequence[str] = (),
    categorical: Sequence[str] = (),
) -> Dataset:
    """Make a `Dataset` from a table and its target column.

    Columns of numbers are standardised, ``x' = (x − mean) / standard deviation`` over the training rows; columns of
    text become one-hot columns. Empty cells, NA, N/A, NaN and null count as missing.

    Args:
        source: a path to a CSV file (UTF-8; separated by comma, semicolon, TAB or |; headers in the first line) or a
            Parquet file; or a pandas, Polars or PyArrow frame; or a list of ``{column: value}``.
        target: header of the column to predict.
        task: overrides the inference of `make_dataset` from the target.
        weights: header of the column of row weights, numbers of at least 0; it is no input and never filled in.
        missing: ``"refuse"``; ``"drop"`` the rows; or fill in the training rows' ``"mean"``, ``"median"`` or
            ``"most_frequent"`` value (text columns always get the most frequent). A missing target is never filled in.
        held_out: fraction of the rows to hold out, in (0, 1), drawn class by class; or None.
        seed: of the draw.
        ignore: headers of columns to leave out.
        categorical: headers of columns whose numbers are names (postcodes, codes), or whose many values are wanted.

    Raises:
        DataError: a file or table that cannot be trained on; names line or row, column and value.
        MissingExtra: Parquet without pyarrow.

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
    require(missing, OneOf(("refuse", "drop", "mean", "median", "most_frequent")), "missing")
    table = read_table(source)
    set_apart = [target] if weights is None else [target, weights]
    for name in (*set_apart, *ignore, *categorical):
        table.require_column(name)
    if weights == target:
        raise DataError(f"the target {target!r} cannot be the column of weights too.")
    inputs = [name for name in table.columns if name not in set_apart and name not in ignore]
    if not inputs:
        raise DataError(f"{table.source} has no column left to predict {target!r} from.")
    table = table.select([*inputs, *set_apart])
    kinds: dict[str, Kind] = {name: _kind(table, name, categorical) for name in inputs}
    table = table.with_numbers(name for name, kind in kinds.items() if kind == "numeric")
    if missing == "drop":
        keep = ~np.any([table.missing(name) for name in table.columns], axis=0)
        if not keep.any():
            raise DataError(f"every row of {table.source} has a missing value; missing='drop' leaves nothing.")
        table = table.take(np.flatnonzero(keep))

    values = _target_values(table, target, task)
    inferred = infer_target(values, task=task)
    y = inferred.encode(values)
    rows, drawn = np.arange(table.rows), None
    if held_out is not None:
        rows, drawn = split_rows(y, held_out, seed, inferred.task in ("binary", "multiclass"), inferred.classes)
    training = table.take(rows)
    columns = tuple(_fit_column(table, training, name, kinds[name], missing) for name in inputs)
    encoder = TableEncoder(columns, target, inferred.task, inferred.classes)
    whole = Part(encoder.encode(table), y, None if weights is None else _weights(table, weights))
    fitted = standardise(whole.x[rows])
    numeric = np.array([column.kind == "numeric" for column in columns for _ in column.features])
    return Dataset(
        table.name,
        whole.take(rows),
        None if drawn is None else whole.take(drawn),
        inferred.task,
        inferred.classes,
        encoder.features,
        Preprocessing(np.where(numeric, fitted.shift, 0), np.where(numeric, fitted.scale, 1)),
        encoder=encoder,
        source=table.source,
    )


def _kind(table: Table, name: str, categorical: Sequence[str]) -> Kind:
    # Decided by all values of a column; an error where that is doubtful.
    column = table.columns[name]
    if name in categorical:
        return "categorical"
    if isinstance(column, np.ndarray) or _all_numbers(table, name):
        return "numeric"
    texts = [text for text in column if text is not None]
    if all(number_of(text.replace(",", ".")) is not None for text in texts):
        raise DataError(
            f"column {name!r} writes its numbers with a decimal comma, such as {texts[0]!r}. Write them with a point, "
            f"or, if these are categories, pass categorical=[{name!r}]."
        )
    distinct = len(set(texts))
    if distinct > MOST_CATEGORIES or (distinct > 10 and distinct > len(texts) / 2):
        raise DataError(
            f"column {name!r} holds text with {distinct:,} distinct values in {len(texts):,} rows, such as "
            f"{texts[0][:40]!r}: each would become a separate input. Leave it out with ignore=[{name!r}], or, if these "
            f"are categories all the same, pass categorical=[{name!r}]."
        )
    return "categorical"


def _all_numbers(table: Table, name: str) -> bool:
    # Whether a column of text holds numbers alone; an error where all but a few are numbers.
    column = table.columns[name]
    texts = [row for row, text in enumerate(column) if text is not None]
    others = [row for row in texts if number_of(str(column[row])) is None]
    count = len(texts) - len(others)
    if others and count and count >= MOSTLY_NUMBERS * len(texts):
        advice = (
            f", where {count:,} of {len(texts):,} values are numbers. Correct it (a missing value is an empty cell), "
            f"or declare the column with categorical=[{name!r}]."
        )
        table.refuse(name, others[0], f"the text {column[others[0]]!r}", advice)
    return not others


def _target_values(table: Table, target: str, task: Task | None) -> Any:
    column, missing = table.columns[target], table.missing(target)
    if missing.any():
        raise DataError(
            f"the target {target!r} has no value at {table.row_name(int(missing.argmax()))}; "
            f"{np.count_nonzero(missing):,} rows in all. A target cannot be filled in: pass missing='drop'."
        )
    if isinstance(column, np.ndarray):
        return column.astype(np.int64) if target in table.whole else column
    numbers = [number_of(str(text)) for text in column]
    if not _all_numbers(table, target):
        if task == "regression":
            row = numbers.index(None)
            raise DataError(
                f"the target {target!r} holds the text {column[row]!r} at {table.row_name(row)}: a regression predicts "
                "numbers."
            )
        return column
    whole = all(str(text).lstrip("+-").isdecimal() for text in column)
    return np.array(numbers, np.float64).astype(np.int64 if whole else np.float64)


def _weights(table: Table, name: str) -> np.ndarray | None:
    column = table.columns[name]
    numbers = column if isinstance(column, np.ndarray) else [number_of(text or "") for text in column]
    values = np.array([np.nan if number is None else number for number in numbers], np.float64)
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        value = "no value" if table.missing(name)[row] else repr(plain(column[row]))
        raise DataError(
            f"the column of weights {name!r} holds {value} at {table.row_name(row)}: a weight is a number of at least "
            "0, and 0 leaves a row out. A weight cannot be filled in: correct it, or drop its row with missing='drop'."
        )
    return as_weights(values, table.rows)


def _fit_column(table: Table, training: Table, name: str, kind: Kind, missing: Missing) -> Column:
    # Categories from all rows, values to fill in from the training rows alone.
    present = training.take(np.flatnonzero(~training.missing(name)))
    if not present.rows:
        raise DataError(
            f"column {name!r} has no value in any of the {training.rows:,} training rows. Leave it out with "
            f"ignore=[{name!r}]."
        )
    fills = missing not in ("refuse", "drop")
    if kind == "categorical":
        categories = tuple(sorted({text for text in table.texts(name) if text is not None}))
        return Column(name, kind, categories, Counter(present.texts(name)).most_common(1)[0][0] if fills else None)
    values = present.numbers(name)
    refuse_lost_digits(values, f"column {name!r}")
    if not fills:
        return Column(name, kind)
    if missing == "most_frequent":
        return Column(name, kind, fill=float(Counter(values.tolist()).most_common(1)[0][0]))
    return Column(name, kind, fill=float(np.mean(values) if missing == "mean" else np.median(values)))
