"""Conversion of table rows to inputs and targets."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from pellucid.core.errors import DataError, ShapeError
from pellucid.core.interface import kind_option, option
from pellucid.data.arrays import Encoder, Part
from pellucid.data.columns import Column, decide, with_words
from pellucid.data.encoding import refuse_lost_digits
from pellucid.data.reading import read_table
from pellucid.data.records import PlainRows
from pellucid.data.table import Table, Texts, missing_of, normal
from pellucid.data.targets import Task

Missing: TypeAlias = Literal["refuse", "drop", "mean", "median", "most_frequent"]
MISSING: tuple[str, ...] = get_args(Missing)


@dataclass(frozen=True)
class TableEncoder(Encoder):
    """Conversion of table rows to inputs, fitted to the training rows.

    Args:
        columns: all columns of the table but targets, weights and the like, in order; those that are inputs and those
            that are left out.
        targets: the columns to predict.
        task: of the targets.
        classes: names of the target's classes; empty for a regression.
        missing: what is done with a missing value.
        na: cells that count as missing, in lower case; None for the usual ones.
        positions: all columns of the table in order, where its file did not name them: nor do files of new rows.

    Example:
        >>> encoder = TableEncoder(
        ...     columns=(Column("age", "number"), Column("city", "category", categories=("Paris", "Rome"))),
        ...     targets=("ill",),
        ... )
        >>> encoder.encode([{"age": 40, "city": "Rome"}])
        array([[40.,  0.,  1.]], dtype=float32)
        >>> TableEncoder.from_dict(encoder.to_dict()) == encoder
        True

    Where other libraries differ: scikit-learn's ``OneHotEncoder(handle_unknown="ignore")`` turns an unknown category
    into zeros, which a network answers with confidence; here that is an error, or by option flagged row by row.
    """

    columns: tuple[Column, ...]
    targets: tuple[str, ...] = ()
    task: Task = "regression"
    classes: tuple[str, ...] = ()
    missing: Missing = "refuse"
    na: tuple[str, ...] | None = None
    positions: tuple[str, ...] = ()

    @cached_property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that are inputs."""
        return tuple(column for column in self.columns if column.features)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(name for column in self.columns for name in column.features)

    @cached_property
    def _plain_rows(self) -> PlainRows:
        return PlainRows.of(self.spans(), self.na)

    def spans(self) -> Iterator[tuple[Column, slice]]:
        """Each column that is an input, and where its inputs are."""
        start = 0
        for column in self.inputs:
            stop = start + len(column.features)
            yield column, slice(start, stop)
            start = stop

    @property
    def scaled(self) -> np.ndarray:
        """Mask of the inputs that are numbers and dates; the others stay 0 and 1."""
        return np.array([column.kind in ("number", "date") for column in self.columns for _ in column.features], bool)

    def read(self, source: Any, **options: Any) -> Table:
        """The columns of new rows that the inputs are made of, matched by name; of an array, by position.

        Args:
            source: as for ``encode``.
            options: of `pellucid.data.reading.read_table`, where they are not those of the training.

        Raises:
            DataError: a column is missing.
            ShapeError: an array that has another number of columns than the inputs are made of.
        """
        if isinstance(source, Table):
            return source
        names = [column.name for column in self.inputs]
        plain = (
            hasattr(source, "toarray")
            or (isinstance(source, np.ndarray) and source.dtype.names is None)
            or (isinstance(source, (list, tuple)) and len(source) > 0 and not isinstance(source[0], Mapping))
        )
        if not plain:
            is_file = isinstance(source, (str, PathLike))
            count = (lambda: len(read_table(source, header=False).columns)) if is_file else None
            return read_table(source, **self.reading_options(count, **options))
        array: Any = source if hasattr(source, "shape") else np.asarray(source, object)
        if len(array.shape) != 2 or array.shape[1] != len(names):
            raise ShapeError(
                f"an array of new rows has one column for each of the {len(names)} that the inputs are made of: "
                f"{', '.join(names[:20])}. Received shape {tuple(array.shape)}."
            )
        return read_table(array, names=names)

    def reading_options(self, count: Callable[[], int] | None = None, **options: Any) -> dict[str, Any]:
        """The options of `pellucid.data.reading.read_table` that new rows are read by.

        Args:
            count: counts the columns of a file; None for rows that are in memory.
            options: those that are not of the training.
        """
        named = {} if count is None or not self.positions else self._positions(count())
        return {"na": self.na, **named, **options, "texts": (*options.get("texts", ()), *self._texts())}

    def _positions(self, count: int) -> dict[str, Any]:
        """The options for a file without names: its columns are those of the training, perhaps without targets."""
        kept = [column.name for column in self.columns if column.name not in self.targets]
        names = next((names for names in (self.positions, kept) if len(names) == count), ())
        return {"header": False, "names": names}

    @property
    def reading(self) -> dict[str, Any]:
        """The options of reading files of the same columns, as those of the training were read."""
        return {"header": not self.positions, "names": self.positions, "na": self.na, "texts": self._texts()}

    def _texts(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.kind in ("category", "text"))

    def parsed(self, table: Table) -> Table:
        """A table with the texts of its number and date columns parsed."""
        parsed = {column.name: column.parse(table) for column in self.inputs if column.kind in ("number", "date")}
        return replace(table, columns={**table.columns, **parsed})

    def encode(self, source: Any) -> np.ndarray:
        """The inputs ``(rows, features)`` in float32, not yet standardised by the preprocessing.

        Args:
            source: a path, a data frame, a dictionary of columns, a list of ``{column: value}``, whose columns are
                matched by name and of which others are ignored; or an array of the same columns in the same order.

        Raises:
            DataError: a column is missing, or holds a category that the training did not see.
        """
        return self.encode_flagged(source, unknown=False)[0]

    def encode_flagged(self, source: Any, unknown: bool = True) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """The inputs of rows, and what had to be made up for them.

        Args:
            source: as for ``encode``.
            unknown: take categories that are not known as none of those that are, instead of refusing them.

        Returns:
            The inputs; for each row the columns whose category is not known or whose value was missing, as text; and
            notes on missing values that were filled in.
        """
        if (rows := self._plain_rows.encode(source)) is not None:
            return rows, np.full(len(rows), "", object), []
        table = self.read(source)
        x, missing, strange = self.encode_raw(table, unknown)
        flags = np.full(table.rows, "", object)
        for column, rows in strange.items():
            values = table.texts(column)
            for row in np.flatnonzero(rows):
                flags[row] += f"{'; ' * bool(flags[row])}{column} {values.values[values.codes[row]]!r} is unknown"
        notes: list[str] = []
        if missing is not None:
            x, notes = self.fill(x, missing, table)
        return x, flags, notes

    def encode_raw(
        self, table: Table, unknown: bool = False
    ) -> tuple[np.ndarray, np.ndarray | None, dict[str, np.ndarray]]:
        """The inputs with NaN for missing values, their mask, and the rows of unknown categories by column."""
        strange: dict[str, np.ndarray] = {}
        x = np.empty((table.rows, len(self.features)), np.float32)
        for column, span in self.spans():
            table.find(column.name)
            rows = column.encode(table, x[:, span], unknown)
            if rows.any():
                strange[column.name] = rows
        missing = np.isnan(x)
        return x, missing if missing.any() else None, strange

    def fill(self, x: np.ndarray, missing: np.ndarray, table: Table | None = None) -> tuple[np.ndarray, list[str]]:
        """The inputs with missing values filled in, and notes on them.

        Raises:
            DataError: a missing value where none is filled in.
        """
        x, notes = x.copy(), []
        for column, span in self.spans():
            gaps = missing[:, span.start]
            if gaps.any():
                if column.fill is None:
                    row = int(gaps.argmax())
                    place = "" if table is None else f" at {table.row_name(row)}"
                    raise DataError(
                        f"column {column.name!r} has no value{place}, {int(gaps.sum()):,} rows in all. Fill it in, or "
                        f"train with {option('missing', *MISSING[1:])}."
                    )
                x[gaps, span] = _filled(column)
                notes.append(f"{column.name}: {int(gaps.sum()):,} missing, taken as {_short(column.fill)}")
        return x, notes

    def refit(self, train: Part, held_out: Part | None) -> tuple["TableEncoder", Part, Part | None]:
        """The encoder with the values to fill in of other training rows, and the parts filled with those."""
        if self.missing in ("refuse", "drop"):
            return self, train, held_out
        columns = {}
        for column, span in self.spans():
            gaps = None if train.missing is None else train.missing[:, span.start]
            known = train.x[:, span] if gaps is None or not gaps.any() else train.x[~gaps, span]
            columns[column.name] = replace(column, fill=fill_of(column, known, self.missing))
        encoder = replace(self, columns=tuple(columns.get(column.name, column) for column in self.columns))
        parts = [
            part if part is None or part.missing is None else replace(part, x=encoder.fill(part.x, part.missing)[0])
            for part in (train, held_out)
        ]
        assert parts[0] is not None
        return encoder, parts[0], parts[1]

    def encode_with_targets(self, source: Any) -> tuple[np.ndarray, np.ndarray]:
        """The inputs and the targets of a table that holds both.

        Raises:
            DataError: a target column is missing.
        """
        table = self.read(source)
        values = self.targets_of(table)
        return self.encode_flagged(table)[0], values

    def targets_of(self, table: Table) -> np.ndarray:
        """The targets of a table.

        Raises:
            DataError: a target column is missing, or has no value in a row.
        """
        values, absent = target_values(table, self.targets, self.task)
        absent = absent.all(axis=1)
        if absent.any():
            place = table.row_name(int(absent.argmax()))
            raise DataError(f"the target {' or '.join(map(repr, self.targets))} has no value at {place}.")
        return values

    @staticmethod
    def fitted(
        table: Table, kinds: Mapping[str, str], missing: Missing, apart: Sequence[str] = (), what: str = "the targets"
    ) -> "TableEncoder":
        """The encoder of a table: the kind of every column is decided, all of its categories are known.

        Args:
            table: all rows.
            kinds: kinds of columns that are declared.
            missing: what is done with missing values.
            apart: columns that are no inputs: targets, weights, groups.
            what: they are there for, for messages.

        Raises:
            DataError: no column is left as input.
        """
        for name in kinds:
            table.find(name)
        declared = {normal(name): kind for name, kind in kinds.items()}
        columns = [decide(table, name, declared.get(name)) for name in table.columns if name not in apart]
        if not any(column.features for column in columns):
            texts = [column for column in columns if column.kind == "text" and column.name not in declared]
            if not texts:
                reasons = "; ".join(f"{column.name!r} is {column.kind} ({column.reason})" for column in columns)
                reasons = (
                    f"{reasons}. Declare one, such as {kind_option(columns[0].name, 'category')}"
                    if columns
                    else ("It has no others")
                )
                raise DataError(f"{table.source} has no column left to predict {what} from. {reasons}.")
            columns = [
                with_words(column, _texts_of(column, table)) if column in texts else column for column in columns
            ]
        return TableEncoder(
            tuple(columns),
            missing=missing,
            na=None if table.na is None else tuple(sorted(table.na)),
            positions=() if table.named else tuple(table.columns),
        )


def _texts_of(column: Column, table: Table) -> Texts:
    values = column.parse(table)
    assert isinstance(values, Texts)
    return values


def _filled(column: Column) -> Any:
    if column.kind == "category":
        return [float(category == column.fill) for category in column.categories]
    return column.fill


def _short(fill: Any) -> str:
    if isinstance(fill, tuple):
        return "the usual time"
    return f"{fill:.6g}" if isinstance(fill, float) else repr(fill)


def fill_of(column: Column, known: np.ndarray, missing: Missing) -> float | str | tuple[float, ...]:
    """The value of a column to fill in, by the training rows that have one."""
    if not len(known):
        raise DataError(
            f"column {column.name!r} has no value in any of the training rows. Leave it out with "
            f"{kind_option(column.name, 'ignored')}."
        )
    if column.kind == "category":
        return column.categories[int(known.sum(axis=0).argmax())]
    if column.kind == "date":
        return tuple(np.median(known, axis=0).tolist())
    values = known[:, 0].astype(np.float64)
    if missing == "most_frequent":
        return float(Counter(values.tolist()).most_common(1)[0][0])
    return float(np.mean(values) if missing == "mean" else np.median(values))


def check_digits(encoder: TableEncoder, table: Table) -> None:
    """Refuse columns whose differences float32 would lose."""
    for column in encoder.inputs:
        if column.kind == "number":
            values = column.parse(table)
            assert isinstance(values, np.ndarray)
            known = values[np.isfinite(values)]
            if len(known):
                refuse_lost_digits(known, f"column {column.name!r}")


# ---- Targets ----


def target_values(table: Table, targets: Sequence[str], task: Task | None) -> tuple[np.ndarray, np.ndarray]:
    """The targets of a table as `pellucid.data.targets.infer_target` takes them, and the mask of blanks, by column.

    Raises:
        DataError: a target of neither numbers nor labels, or several of which one is text.
    """
    names = [table.find(name) for name in targets]
    values, missing = zip(*(_target(table, name, task, len(names) > 1) for name in names), strict=True)
    return (values[0] if len(values) == 1 else np.stack(values, axis=1)), np.stack(missing, axis=1)


def as_typed(values: np.ndarray, table: Table, targets: Sequence[str]) -> np.ndarray:
    """Targets as integers where the table's columns are whole."""
    whole = all(table.find(name) in table.whole for name in targets)
    return values.astype(np.int64) if whole and values.dtype.kind == "f" and not np.isnan(values).any() else values


def _target(table: Table, name: str, task: Task | None, several: bool) -> tuple[np.ndarray, np.ndarray]:
    column = decide(table, name, "number" if task == "regression" else None)
    if column.kind == "ignored":
        raise DataError(f"the target {name!r} has no value in any row of {table.source}.")
    if column.kind == "date":
        raise DataError(
            f"the target {name!r} holds {column.reason}, which no network predicts. Predict a number instead, such as "
            "the days until then."
        )
    values = table.columns[name]
    if column.kind == "number" or not isinstance(values, Texts):
        numbers = (column if column.kind == "number" else replace(column, kind="number")).parse(table)
        return np.asarray(numbers), np.isnan(numbers)  # pyright: ignore[reportArgumentType, reportCallIssue]
    if several:
        raise DataError(
            f"the target {name!r} holds texts ({column.reason}). Several targets are numbers, or labels of 0 and 1: "
            "give one target alone, or turn the texts into one column of 0 and 1 for each."
        )
    texts = replace(column, kind="category").parse(table)
    assert isinstance(texts, Texts)
    return np.array(["" if text is None else text for text in texts.to_list()], str), missing_of(texts)
