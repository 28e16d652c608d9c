"""A table: named columns of numbers, texts or times, and the identity of its rows."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Self, TypeAlias

import numpy as np

from pellucid.core.errors import DataError, did_you_mean


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts, each distinct one stored once.

    Args:
        values: the distinct texts, without blanks around them.
        codes: for each row the index of its text, int32; −1 where the value is missing.
    """

    values: tuple[str, ...]
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> "Texts":
        return Texts(self.values, self.codes[rows])

    @staticmethod
    def of(texts: Iterable[str | None]) -> "Texts":
        """The column of these texts.

        Example:
            >>> Texts.of(["b", None, "a", "b"]).values
            ('b', 'a')
        """
        index: dict[str, int] = {}
        codes = [-1 if text is None else index.setdefault(text.strip(), len(index)) for text in texts]
        return Texts(tuple(index), np.array(codes, np.int32)).missing_where({""})

    def missing_where(self, markers: Iterable[str]) -> "Texts":
        """The column with these texts as missing values, and without texts that no row has."""
        unwanted = set(markers)
        used = np.zeros(len(self.values) + 1, bool)
        used[self.codes] = True
        kept = [i for i, value in enumerate(self.values) if used[i] and value not in unwanted]
        new = np.full(len(self.values) + 1, -1, np.int32)
        new[kept] = np.arange(len(kept), dtype=np.int32)
        return Texts(tuple(self.values[i] for i in kept), new[self.codes])

    def used(self) -> "Texts":
        """The column without texts that no row has."""
        return self.missing_where(())

    @property
    def missing(self) -> np.ndarray:
        """Mask of the missing values."""
        return self.codes < 0

    def counts(self) -> np.ndarray:
        """How often each text occurs."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    def to_list(self) -> list[str | None]:
        """One text a row, None where it is missing."""
        texts = np.array([*self.values, None], object)
        return texts[self.codes].tolist()


Values: TypeAlias = np.ndarray | Texts
"""A column: float64 (NaN where missing), datetime64[s] (NaT where missing), or texts."""


def arrow_functions() -> Any:
    """The functions of PyArrow on columns."""
    from pyarrow import compute  # lazily: it takes a tenth of a second to import

    return compute


def missing_of(values: Values) -> np.ndarray:
    """Mask of a column's missing values, bool ``(rows,)``."""
    if isinstance(values, Texts):
        return values.missing
    return np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)


def text_of(value: Any) -> str:
    """A number or time as text: 3, 2.5, 2024-01-31.

    Example:
        >>> text_of(3.0), text_of(2.5), text_of(np.datetime64("2024-01-31T00:00:00"))
        ('3', '2.5', '2024-01-31')
    """
    if isinstance(value, np.datetime64):
        return str(value).removesuffix("T00:00:00").replace("T", " ")
    if isinstance(value, (float, np.floating)):
        return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else str(float(value))
    return str(value)


def normal(name: Any) -> str:
    """A column's name in composed Unicode, without blanks around it."""
    return unicodedata.normalize("NFC", str(name)).strip()


def check_distinct(names: Sequence[str], source: str) -> None:
    """Refuse two columns of one name.

    Raises:
        DataError: names both.
    """
    for index, name in enumerate(names):
        if name in names[:index]:
            raise DataError(
                f"{source} has two columns named {name!r} (columns {names.index(name) + 1} and {index + 1}). Rename "
                "one of them."
            )


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length.

    Args:
        name: a short name.
        source: the file or frame, for error messages.
        columns: by name.
        numbers: for each row its number in the source, from 0.
        labels: the names of all rows of the source, such as the index of a data frame; None where they have none.
        line_of: the line in the file of a row of the source; None for what is no file of lines.
        notes: choices made in reading it, in words.
        decimal: the decimal separator that its texts were found to use.
        na: texts that count as missing, in lower case; None for the usual ones.
        named: True if its source names the columns.
        whole: columns of numbers that are whole by their type, or written without a point.
    """

    name: str
    source: str
    columns: Mapping[str, Values]
    numbers: np.ndarray
    labels: Sequence[Any] | None = None
    line_of: Callable[[int], int] | None = None
    notes: tuple[str, ...] = ()
    decimal: str | None = None
    na: frozenset[str] | None = None
    named: bool = True
    whole: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.numbers)

    def row_name(self, row: int) -> str:
        """The row's name: ``line 17`` of a file, else ``row 15``, or ``row 'Anna'`` where rows have names."""
        number = int(self.numbers[row])
        if self.line_of is not None:
            return f"line {self.line_of(number)}"
        return f"row {number if self.labels is None else self.labels[number]!r}"

    def row_labels(self) -> np.ndarray:
        """The identity of each row: the index of a frame, or the number of the row in its source, from 0."""
        if self.labels is None:
            return self.numbers
        return np.array([self.labels[number] for number in self.numbers], object)

    def refuse(self, name: str, row: int, value: object, advice: str) -> NoReturn:
        """Raise `DataError` for a cell, with advice."""
        raise DataError(f"column {name!r} of {self.source} holds {value} at {self.row_name(row)}{advice}")

    def select(self, names: Iterable[str]) -> Self:
        """Select columns."""
        return replace(self, columns={name: self.columns[name] for name in names})

    def take(self, rows: np.ndarray) -> Self:
        """Select rows, in this order."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, columns=columns, numbers=self.numbers[rows])

    def without_empty_rows(self) -> Self:
        """Leave out rows of missing values alone, with a note.

        Raises:
            DataError: there are no others.
        """
        empty = np.all([missing_of(values) for values in self.columns.values()], axis=0)
        if empty.all():
            raise DataError(f"{self.source} has a header and no rows.")
        if not empty.any():
            return self
        count = int(empty.sum())
        note = f"{count} empty row{'s' * (count > 1)} left out"
        return replace(self.take(np.flatnonzero(~empty)), notes=(*self.notes, note))

    def with_column(self, name: str, values: Values) -> Self:
        """Replace a column, or add one."""
        return replace(self, columns={**self.columns, name: values})

    def find(self, name: str) -> str:
        """The column of that name, whatever its Unicode form.

        Raises:
            DataError: no such column, with the nearest names.
        """
        wanted = normal(name)
        if wanted not in self.columns:
            raise DataError(
                f"{self.source} has no column {wanted!r}.{did_you_mean(wanted, self.columns)} Columns: "
                f"{', '.join(map(repr, self.columns))}."
            )
        return wanted

    def missing(self, name: str) -> np.ndarray:
        """Mask of a column's missing values, bool ``(rows,)``."""
        return missing_of(self.columns[name])

    def texts(self, name: str) -> Texts:
        """A column as texts."""
        values = self.columns[name]
        if isinstance(values, Texts):
            return values
        distinct, codes = np.unique(values, return_inverse=True)
        codes = np.where(missing_of(values), -1, codes).astype(np.int32)
        return Texts(tuple(text_of(value) for value in distinct), codes).used()
