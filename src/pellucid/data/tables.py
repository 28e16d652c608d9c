"""Tables of mixed columns: ``load_table("patients.csv", target="outcome")``.

Columns of numbers stay numbers, standardised by the training rows; columns of text become one-hot columns of
0 and 1. What was learnt for that (kinds, categories, values to fill in) is kept in a `TableEncoder`, which
turns a new file into the same inputs at prediction.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import DataError
from pellucid.data.arrays import Dataset, Encoder, Part, Preprocessing, as_weights, split_rows, standardise
from pellucid.data.encoding import Task, infer_target, refuse_lost_digits
from pellucid.data.reading import Table, Texts, did_you_mean, number_of, read_table

Kind: TypeAlias = Literal["numeric", "categorical"]
Missing: TypeAlias = Literal["refuse", "drop", "mean", "median", "most_frequent"]

MOST_CATEGORIES = 100
"""More distinct texts than this, or (past ten) than half the rows, count as identifiers or prose."""

MOSTLY_NUMBERS = 0.9
"""From this share of numbers on, a text in a column is taken for an error and not for a category."""


@dataclass(frozen=True)
class Column:
    """How one column of a table becomes inputs.

    Args:
        name: its header.
        kind: ``"numeric"`` becomes one input, ``"categorical"`` one input of 0 or 1 for each category.
        categories: in alphabetical order; empty if numeric.
        fill: what stands for a missing value; None refuses it.
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
        """The inputs ``(rows, 1 or categories)`` in float32.

        Raises:
            DataError: a missing value without a fill, a text among numbers, an unknown category; each with
                row, column and value.
        """
        if self.kind == "numeric":
            return self._encode_numbers(table)
        texts = table.texts(self.name)
        known = {value: number for number, value in enumerate(self.categories)}
        numbers = np.empty(table.rows, np.int64)
        for row, text in enumerate(texts):
            value = self._fill_in(table, row) if text is None else text
            if value not in known:
                raise DataError(
                    f"column {self.name!r} holds {value!r} at {table.place(row)}, a category that training "
                    "never saw. Known: "
                    f"{', '.join(map(repr, self.categories))}.{did_you_mean(str(value), self.categories)}"
                )
            numbers[row] = known[value]
        return np.eye(len(self.categories), dtype=np.float32)[numbers]

    def _encode_numbers(self, table: Table) -> np.ndarray:
        values = table.numbers(self.name)
        missing = np.isnan(values)
        if missing.any():
            values = np.where(missing, self._fill_in(table, int(missing.argmax())), values)
        beyond = np.abs(values) > np.finfo(np.float32).max
        if beyond.any():
            row = int(beyond.argmax())
            raise DataError(
                f"column {self.name!r} holds {values[row]} at {table.place(row)}, which is beyond float32. "
                "Correct the value or rescale the column."
            )
        return values.astype(np.float32)[:, None]

    def _fill_in(self, table: Table, row: int) -> Any:
        if self.fill is None:
            raise DataError(
                f"column {self.name!r} has no value at {table.place(row)}. Fill it in, or train with "
                "missing='drop', 'mean', 'median' or 'most_frequent'."
            )
        return self.fill


@dataclass(frozen=True)
class TableEncoder(Encoder):
    """How a table's rows become the inputs of a network, as learnt from the training rows.

    Args:
        columns: the columns used, in order.
        target: header of the column to predict.
        task: what is predicted.
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

    Where other libraries differ: scikit-learn's ``OneHotEncoder(handle_unknown="ignore")`` turns an unknown
    category into zeros, which a network answers with confidence; here it is an error that names the value.
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
        """The inputs ``(rows, features)`` in float32, not yet standardised: that is the preprocessing's part.

        Args:
            source: a path to a CSV or Parquet file, a data frame, or a list of ``{column: value}``. Further
                columns, the target among them, are passed over.

        Raises:
            DataError: a column is not there, or holds what training never saw.
        """
        table = read_table(source)
        return np.concatenate([column.encode(table) for column in self.columns], axis=1)

    def target_values(self, source: Any) -> Any:
        """The values of the target column, as they stand in a table that has one.

        Raises:
            DataError: no such column, or a value missing.
        """
        table = read_table(source)
        table.require_column(self.target)
        return _target_values(table, self.target, self.task)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "TableEncoder":
        """Rebuild the encoder that `to_dict` wrote."""
        columns = (Column(**{**column, "categories": tuple(column["categories"])}) for column in plain["columns"])
        return cls(tuple(columns), plain["target"], plain["task"], tuple(plain["classes"]))


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
    """A `Dataset` from a table: every column but the target becomes inputs.

    Columns of numbers are standardised, ``x' = (x − mean) / standard deviation`` over the training rows;
    columns of text become one-hot columns. Empty cells, NA, N/A, NaN and null count as missing.

    Args:
        source: a path to a CSV file (UTF-8; separated by comma, semicolon, TAB or |; headers in the first
            line) or a Parquet file; or a pandas, Polars or PyArrow frame; or a list of ``{column: value}``.
        target: header of the column to predict.
        task: overrides what `make_dataset` infers from the target.
        weights: header of the column of what each row weighs, numbers of at least 0; it is no input. A weight is never
            filled in.
        missing: ``"refuse"``; ``"drop"`` the rows; or fill in the training rows' ``"mean"``, ``"median"`` or
            ``"most_frequent"`` value (text columns always get the most frequent). A missing target is never
            filled in.
        held_out: share of the rows to hold out, in (0, 1), drawn class by class; or None.
        seed: of the draw.
        ignore: headers of columns to leave out.
        categorical: headers of columns whose numbers are names (postcodes, codes), or whose many
            values are wanted.

    Raises:
        DataError: a file or table that cannot be trained on; the text names line or row, column and value.
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
        table = _drop_missing(table)

    values = _target_values(table, target, task)
    what = infer_target(values, task=task)
    y = what.encode(values)
    rows, drawn = np.arange(table.rows), None
    if held_out is not None:
        stratify = what.task in ("binary", "multiclass")
        rows, drawn = split_rows(y, held_out, seed, stratify, what.classes)

    training = table.take(rows)
    columns = tuple(_fit_column(table, training, name, kinds[name], missing) for name in inputs)
    encoder = TableEncoder(columns, target, what.task, what.classes)
    x = np.concatenate([column.encode(table) for column in columns], axis=1)
    whole = Part(x, y, None if weights is None else _weights(table, weights))
    return Dataset(
        name=table.name,
        train=whole.take(rows),
        held_out=None if drawn is None else whole.take(drawn),
        task=what.task,
        classes=what.classes,
        features=encoder.features,
        preprocessing=_standardise_numbers(x[rows], columns),
        encoder=encoder,
        source=table.source,
    )


def _standardise_numbers(x: np.ndarray, columns: Iterable[Column]) -> Preprocessing:
    """Standardised where the column is numeric; 0 and 1 stay what they are."""
    numeric = np.array([column.kind == "numeric" for column in columns for _ in column.features])
    learnt = standardise(x)
    return Preprocessing(np.where(numeric, learnt.shift, 0), np.where(numeric, learnt.scale, 1))


def _kind(table: Table, name: str, categorical: Sequence[str]) -> Kind:
    """What a column holds, by all its values; or an error where that is doubtful."""
    column = table.columns[name]
    if name in categorical:
        return "categorical"
    if isinstance(column, np.ndarray):
        return "numeric"
    texts = [text for text in column if text is not None]
    count = sum(number_of(text) is not None for text in texts)
    if count == len(texts):
        return "numeric"
    _refuse_text_among_numbers(table, name, column, count, len(texts))
    if all(number_of(text.replace(",", ".")) is not None for text in texts):
        raise DataError(
            f"column {name!r} writes its numbers with a decimal comma, such as {texts[0]!r}. Write them "
            f"with a point, or, if these are categories, pass categorical=[{name!r}]."
        )
    distinct = len(set(texts))
    if distinct > MOST_CATEGORIES or (distinct > 10 and distinct > len(texts) / 2):
        raise DataError(
            f"column {name!r} holds text with {distinct:,} distinct values in {len(texts):,} rows, such as "
            f"{texts[0][:40]!r}: each would become an input of its own. Leave it out with "
            f"ignore=[{name!r}], or, if these are categories all the same, pass categorical=[{name!r}]."
        )
    return "categorical"


def _refuse_text_among_numbers(table: Table, name: str, column: Texts, count: int, total: int) -> None:
    if not count or count < MOSTLY_NUMBERS * total:
        return
    row = next(row for row, text in enumerate(column) if text is not None and number_of(text) is None)
    raise DataError(
        f"column {name!r} holds the text {column[row]!r} at {table.place(row)}, where {count:,} of "
        f"{total:,} values are numbers. Correct it (a missing value is an empty cell), or declare the "
        f"column with categorical=[{name!r}]."
    )


def _target_values(table: Table, target: str, task: Task | None) -> Any:
    """The target's numbers or texts, none of them missing."""
    column = table.columns[target]
    missing = np.isnan(column) if isinstance(column, np.ndarray) else np.array([text is None for text in column])
    if missing.any():
        raise DataError(
            f"the target {target!r} has no value at {table.place(int(missing.argmax()))}; "
            f"{np.count_nonzero(missing):,} rows in all. A target cannot be filled in: pass missing='drop'."
        )
    if isinstance(column, np.ndarray):
        return column.astype(np.int64) if target in table.whole else column
    values = [number_of(str(text)) for text in column]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        _refuse_text_among_numbers(table, target, column, len(numbers), len(values))
        if task == "regression":
            row = values.index(None)
            raise DataError(
                f"the target {target!r} holds the text {column[row]!r} at {table.place(row)}: a regression "
                "predicts numbers."
            )
        return column
    whole = all(text is not None and text.lstrip("+-").isdecimal() for text in column)
    return np.array(numbers).astype(np.int64 if whole else np.float64)


def _weights(table: Table, name: str) -> np.ndarray:
    """The column of weights, each a number of at least 0."""
    column = table.columns[name]
    numbers = column if isinstance(column, np.ndarray) else [number_of(text or "") for text in column]
    values = np.array([np.nan if number is None else number for number in numbers], np.float64)
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        held = "no value" if column[row] is None or column[row] != column[row] else repr(_plain(column[row]))
        raise DataError(
            f"the column of weights {name!r} holds {held} at {table.place(row)}: a weight is a number of at least 0, "
            "and 0 leaves a row out. A weight cannot be filled in: correct it, or drop its row with missing='drop'."
        )
    weights = as_weights(values, table.rows)
    assert weights is not None
    return weights


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _drop_missing(table: Table) -> Table:
    keep = np.ones(table.rows, bool)
    for column in table.columns.values():
        keep &= ~np.isnan(column) if isinstance(column, np.ndarray) else [text is not None for text in column]
    if not keep.any():
        raise DataError(f"every row of {table.source} has a missing value; missing='drop' leaves nothing.")
    return table.take(np.flatnonzero(keep))


def _fit_column(table: Table, training: Table, name: str, kind: Kind, missing: Missing) -> Column:
    """How a column is encoded: categories from all rows, values to fill in from the training rows alone."""
    fills = missing not in ("refuse", "drop")
    if kind == "categorical":
        texts = [text for text in training.texts(name) if text is not None]
        _refuse_empty(texts, training, name)
        categories = tuple(sorted({text for text in table.texts(name) if text is not None}))
        return Column(name, kind, categories, Counter(texts).most_common(1)[0][0] if fills else None)
    values = training.numbers(name)
    values = values[~np.isnan(values)]
    _refuse_empty(values, training, name)
    refuse_lost_digits(values, f"column {name!r}")
    if not fills:
        return Column(name, kind)
    if missing == "most_frequent":
        return Column(name, kind, fill=float(Counter(values.tolist()).most_common(1)[0][0]))
    return Column(name, kind, fill=float(np.mean(values) if missing == "mean" else np.median(values)))


def _refuse_empty(values: Sequence[Any] | np.ndarray, training: Table, name: str) -> None:
    if not len(values):
        raise DataError(
            f"column {name!r} has no value in any of the {training.rows:,} training rows. Leave it out "
            f"with ignore=[{name!r}]."
        )


__all__ = ["Column", "Missing", "TableEncoder", "load_table"]
