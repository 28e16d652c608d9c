"""Tables from CSV, Parquet, data frames and lists of rows.

Reading is strict: a ragged line, a repeated header or an impossible cell is refused with its line or row.
"""

import csv
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np

from pellucid.core.errors import DataError, MissingExtra, did_you_mean

Texts: TypeAlias = list[str | None]
"""A column of text; None where the value is missing."""

MISSING = frozenset({"", "na", "n/a", "nan", "null"})
"""Cells that count as missing, in lower case."""

DELIMITERS = ",;\t|"


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length.

    Args:
        name: a short name.
        source: the file or frame, for error messages.
        columns: by header, float64 (NaN where missing) or texts.
        rows: their number.
        row_numbers: for each row the number that the user knows it by.
        unit: what that number counts: the file's ``"line"``, from 1, or the ``"row"``, from 0.
        whole: headers of the numeric columns that hold whole numbers by type.
    """

    name: str
    source: str
    columns: Mapping[str, np.ndarray | Texts]
    rows: int
    row_numbers: Sequence[int]
    unit: str = "row"
    whole: frozenset[str] = frozenset()

    def row_name(self, row: int) -> str:
        """The row's name: ``line 17`` of a file, else ``row 15``."""
        return f"{self.unit} {self.row_numbers[row]}"

    def refuse(self, name: str, row: int, value: object, advice: str) -> NoReturn:
        """Raise `DataError` for a cell, with advice."""
        raise DataError(f"column {name!r} holds {value} at {self.row_name(row)}{advice}")

    def select(self, names: Iterable[str]) -> "Table":
        """Select columns."""
        return replace(self, columns={name: self.columns[name] for name in names})

    def with_numbers(self, names: Iterable[str]) -> "Table":
        """Replace columns of text by their `numbers`."""
        return replace(self, columns={**self.columns, **{name: self.numbers(name) for name in names}})

    def take(self, rows: np.ndarray) -> "Table":
        """Select rows, in this order."""
        columns = {
            name: column[rows] if isinstance(column, np.ndarray) else [column[row] for row in rows]
            for name, column in self.columns.items()
        }
        return replace(self, columns=columns, rows=len(rows), row_numbers=[self.row_numbers[row] for row in rows])

    def require_column(self, name: str) -> None:
        """Raise `DataError` with advice unless there is a column of that name."""
        if name not in self.columns:
            raise DataError(
                f"{self.source} has no column {name!r}.{did_you_mean(name, self.columns)} Columns: "
                f"{', '.join(map(repr, self.columns))}."
            )

    def missing(self, name: str) -> np.ndarray:
        """Mask of a column's missing values, bool ``(rows,)``."""
        column = self.columns[name]
        return np.isnan(column) if isinstance(column, np.ndarray) else np.array([text is None for text in column])

    def numbers(self, name: str) -> np.ndarray:
        """A column as float64, NaN where missing.

        Raises:
            DataError: a text that is no number, an infinite number, or no such column.
        """
        self.require_column(name)
        column = self.columns[name]
        if isinstance(column, np.ndarray):
            values = column
        else:
            numbers = [np.nan if text is None else number_of(text) for text in column]
            if None in numbers:
                row = numbers.index(None)
                self.refuse(name, row, f"the text {column[row]!r}", ", where a number is needed.")
            values = np.array(numbers, np.float64)
        if np.isinf(values).any():
            row = int(np.isinf(values).argmax())
            self.refuse(name, row, values[row], ". Correct the value, or leave the cell empty if it is missing.")
        return values

    def texts(self, name: str) -> Texts:
        """A column as texts, None where missing; numbers as 3, 2.5."""
        self.require_column(name)
        column = self.columns[name]
        return [_text(value) for value in column.tolist()] if isinstance(column, np.ndarray) else column


def number_of(text: str) -> float | None:
    """Parse a text as a number; None if it is none.

    Example:
        >>> number_of("1e3"), number_of("12 cm"), number_of("1_000")
        (1000.0, None, None)
    """
    try:
        return None if "_" in text else float(text)  # float allows 1_000, no other program does
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)  # so that 3.0 in a frame and 3 in a file are the same category
    return None if value is None else _cell(str(value))


def _cell(text: str) -> str | None:
    text = text.strip()
    return None if len(text) < 5 and text.lower() in MISSING else text


def read_table(source: Any) -> Table:
    """Read a CSV or Parquet file, data frame or list of rows."""
    if isinstance(source, Table):
        return source
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.suffix.lower() not in _READERS:
            raise DataError(
                f"cannot tell what {str(path)!r} is by its ending {path.suffix!r}. Known: {', '.join(_READERS)}."
            )
        try:
            return _READERS[path.suffix.lower()](path)
        except OSError as error:
            raise DataError(f"cannot read {str(path)!r}: {error.strerror or error}.") from error
    if isinstance(source, Sequence):
        return _read_rows(source)
    return _read_frame(source, "table", "the data frame")


def read_pairs(path: str | os.PathLike[str] | None, default: str, form: str, origin: str) -> list[tuple[str, str]]:
    """Read lines of two texts with a TAB between them.

    Of a zip file the first member is read. ``form`` and ``origin`` are for error messages.
    """
    path = pairs_path(path, default)
    try:
        content = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content = archive.read(next(name for name in archive.namelist() if name[0] != "_"))
        lines = content.decode("utf-8").removesuffix("\n").split("\n")  # a text may hold Unicode's other line ends
    except (OSError, StopIteration, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"cannot read {str(path)!r}: {error}. Download {origin}, and give its path, or put it at {default} in the "
            "folder that the environment variable PELLUCID_DATA names."
        ) from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        left, tab, right = line.partition("\t")
        if not tab or not left:
            raise DataError(f"line {number} of {str(path)!r} is not '{form}': {line[:60]!r}.")
        pairs.append((left, right))
    return pairs


def pairs_path(path: str | os.PathLike[str] | None, default: str) -> Path:
    """The given path, else ``default`` in the folder that ``PELLUCID_DATA`` names."""
    return Path(os.environ.get("PELLUCID_DATA", "."), default) if path is None else Path(path)


def _read_csv(path: Path) -> Table:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            outside_quotes = "".join(file.readline().split('"')[::2])
            file.seek(0)
            delimiter = max(DELIMITERS, key=outside_quotes.count)
            return _read_lines(csv.reader(file, delimiter=delimiter, strict=True), path)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{str(path)!r} is not UTF-8 (it holds the byte {error.object[error.start]:#x}). Save it as UTF-8 (in a "
            "spreadsheet: 'CSV UTF-8')."
        ) from error


def _read_lines(lines: Any, path: Path) -> Table:
    source = repr(str(path))
    try:
        header = [cell.strip() for cell in next(lines, [])]
        if not any(header):
            raise DataError(f"{source} is empty. The first line must hold the names of the columns.")
        if all(number_of(cell) is not None for cell in header):
            raise DataError(
                f"the first line of {source} holds only numbers ({', '.join(header[:5])}). It must hold the names of "
                "the columns."
            )
        _check_header(header, source)
        columns: list[Texts] = [[] for _ in header]
        starts: list[int] = []
        start = lines.line_num + 1
        for cells in lines:
            if cells:  # not a blank line
                if len(cells) != len(header):
                    raise DataError(
                        f"line {start} of {source} has {len(cells)} cells where {len(header)} are expected "
                        f"({', '.join(header)}). Received: {cells}. A cell that holds a separator must be quoted."
                    )
                starts.append(start)
                for column, cell in zip(columns, cells, strict=True):
                    column.append(_cell(cell))
            start = lines.line_num + 1
    except csv.Error as error:
        raise DataError(f"line {lines.line_num} of {source} is not CSV: {error}.") from error
    if not starts:
        raise DataError(f"{source} has a header and no rows.")
    return Table(path.stem, str(path), dict(zip(header, columns, strict=True)), len(starts), starts, "line")


def _check_header(header: Sequence[str], source: str) -> None:
    for index, name in enumerate(header):
        if not name:
            raise DataError(f"column {index + 1} of {source} has no name in the header: {', '.join(header)}.")
        if name in header[:index]:
            raise DataError(
                f"{source} has two columns named {name!r} (columns {header.index(name) + 1} and {index + 1}). Rename "
                "one of them."
            )


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "data", "Reading Parquet files") from error
    try:
        return _read_frame(pyarrow.parquet.read_table(path), path.stem, str(path))
    except pyarrow.ArrowException as error:
        raise DataError(f"{str(path)!r} is not a Parquet file: {error}.") from error


_READERS = {".csv": _read_csv, ".tsv": _read_csv, ".txt": _read_csv, ".parquet": _read_parquet, ".pq": _read_parquet}


def _read_rows(rows: Sequence[Any]) -> Table:
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        raise DataError(f"a list of rows must hold at least one {{column: value}} table. Received: {rows!r:.80}.")
    header = [str(name) for name in rows[0]]
    for number, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise DataError(f"row {number} has the columns {', '.join(map(str, row))}; row 0 has {', '.join(header)}.")
    columns = {str(name): [_text(row[name]) for row in rows] for name in rows[0]}
    return Table("table", "the list of rows", columns, len(rows), range(len(rows)))


def _read_frame(frame: Any, name: str, source: str) -> Table:
    import narwhals as nw

    try:
        data = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        kind = type(frame).__name__
        advice = {"ndarray": " For arrays: make_dataset(x, y).", "dict": " For columns: pandas.DataFrame(…)."}
        raise DataError(
            "a table is a path, a data frame (pandas, Polars, PyArrow) or a list of rows. Received: "
            f"{kind}.{advice.get(kind, '')}"
        ) from error
    except nw.exceptions.NarwhalsError as error:
        raise DataError(f"{source} cannot be read: {error}") from error
    header = [str(column) for column in data.columns]
    _check_header(header, source)
    if not len(data):
        raise DataError(f"{source} has no rows.")
    columns: dict[str, np.ndarray | Texts] = {}
    whole = set()
    for column, series in zip(header, data.iter_columns(), strict=True):
        if series.dtype.is_numeric():
            columns[column] = series.cast(nw.Float64).to_numpy().astype(np.float64)
            whole |= {column} if series.dtype.is_integer() else set()
        else:
            null = series.is_null().to_list()
            columns[column] = [
                None if empty else _text(value) for value, empty in zip(series.to_list(), null, strict=True)
            ]
    return Table(name, source, columns, len(data), range(len(data)), whole=frozenset(whole))
