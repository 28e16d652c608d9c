"""The layout of a file of separated values, worked out from its first lines."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.interface import on_command_line
from pellucid.data.numerals import decimal_of, is_written_number, number_of
from pellucid.data.table import check_distinct, normal

csv.field_size_limit(1 << 30)  # a cell may be a document
DELIMITERS = "\t;|,"
"""Separators that are looked for; the first that fits wins, since decimal commas look like separators too."""
SEEN_LINES, SEEN_ROWS = 300, 20


@dataclass(frozen=True)
class Layout:
    """The way that a file writes its table.

    Args:
        names: of the columns.
        delimiter: between two cells; a blank stands for any number of blanks.
        lines: lines before the first row.
        decimal: the decimal separator, where it is plain to see.
        notes: choices, in words.
        quoted: True where quotes enclose cells, False where they are part of texts.
        before: lines that came before these, of a table that is read piece by piece.
    """

    names: tuple[str, ...]
    delimiter: str
    lines: int
    decimal: str | None = None
    notes: tuple[str, ...] = ()
    quoted: bool = True
    before: int = 0


def layout_of(text: str, cut: bool, source: str, header: bool, names: tuple[str, ...]) -> Layout:
    """The layout of a file.

    Args:
        text: its first characters.
        cut: True where there are more.
        source: for error messages.
        header: True if the first line holds the names of the columns.
        names: of the columns; empty where the file has them.

    Raises:
        DataError: no rows, names that are numbers or not distinct, or another number of names.
    """
    lines = list(io.StringIO(text, newline=""))
    if cut and len(lines) > 1:
        lines = lines[:-1]
    lines = lines[:SEEN_LINES]
    separator_line = re.match(r"sep=(.)\r?\n?$", lines[0])
    delimiter = separator_line[1] if separator_line else _delimiter_of(lines)
    rows = [(start, cells) for start, cells in _parsed(lines, delimiter, source) if any(cells)]
    if separator_line:
        rows = rows[1:]
    if not rows:
        raise DataError(f"{source} is empty.")
    notes: list[str] = []
    rows, left_out = without_preamble(rows)
    if left_out:
        notes.append(
            f"the first {left_out} lines left out: no table yet" if left_out > 1 else "the first line left out"
        )
    start, first = rows[0]
    if not header or names:
        if names and len(names) != len(first):
            raise DataError(
                f"{len(names)} names for {len(first)} columns: line {start} of {source} holds "
                f"{', '.join(map(repr, first[:10]))}."
            )
        columns = names or tuple(f"column_{i + 1}" for i in range(len(first)))
        before = start - 1
    else:
        columns = names_of(start, rows, source, notes)
        before = rows[1][0] - 1 if len(rows) > 1 else text.count("\n") + 1
        rows = rows[1:]
        if not rows:
            raise DataError(f"{source} has a header and no rows.")
    check_distinct(columns, source)
    by_column = zip(*(cells for _, cells in rows if len(cells) == len(columns)), strict=False)
    return Layout(columns, delimiter, before, decimal_of(by_column, delimiter), tuple(notes))


def _parsed(lines: Sequence[str], delimiter: str, source: str) -> list[tuple[int, list[str]]]:
    # Each row with the line that it begins in, from 1.
    if delimiter == " ":
        return [(number, line.split()) for number, line in enumerate(lines, start=1)]
    rows, start = [], 1
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for cells in reader:
            rows.append((start, [cell.strip() for cell in cells]))
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"line {start} of {source} is not separated values: {error}.") from error
    return rows


def _delimiter_of(lines: Sequence[str]) -> str:
    best, highest = ",", 0.0
    for delimiter in DELIMITERS:
        try:
            rows = [cells for cells in csv.reader(lines, delimiter=delimiter) if cells]
        except csv.Error:
            continue
        usual, times = max(Counter(map(len, rows)).items(), key=lambda pair: (pair[1], pair[0]), default=(1, 0))
        if usual > 1 and (score := times / len(rows) + _uncut(rows)) > highest + 1e-9:
            best, highest = delimiter, score
    blanks = Counter(len(line.split()) for line in lines if line.strip())
    if not highest and len(blanks) == 1 and next(iter(blanks)) > 1:
        numbers = [is_written_number(cell) for line in lines[1:] for cell in line.split()]
        if numbers and np.mean(numbers) > 0.5:
            return " "
    return best


def _uncut(rows: list[list[str]]) -> float:
    """Fraction of cells without another separator, but for those of a number: a wrong one leaves the right one in."""
    cells = [cell for row in rows[:SEEN_ROWS] for cell in row]
    return np.mean([not set(cell) & set(DELIMITERS) or is_written_number(cell) for cell in cells]).item()


def without_preamble(rows: list[tuple[int, list[str]]]) -> tuple[list[tuple[int, list[str]]], int]:
    """The rows from the header on, and the number of lines before it."""
    usual = Counter(len(cells) for _, cells in rows).most_common(1)[0][0]
    first = next(i for i, (_, cells) in enumerate(rows) if len(cells) == usual)
    header = rows[first][1]
    as_header = all(header) and len(set(header)) == usual and not any(number_of(cell) is not None for cell in header)

    def is_preamble(cells: list[str]) -> bool:
        written = sum(map(bool, cells))
        return cells[0].startswith("#") or (written <= 1 < usual) or (len(cells) < usual - 1 and as_header)

    if first and all(is_preamble(cells) for _, cells in rows[:first]):
        return rows[first:], rows[first][0] - 1
    return rows, 0


def names_of(start: int, rows: list[tuple[int, list[str]]], source: str, notes: list[str]) -> tuple[str, ...]:
    """The names of the columns that the first row holds.

    Args:
        start: its line.
        rows: the rows from there on.
        source: for error messages.
        notes: choices, to which columns without a name are added.

    Raises:
        DataError: numbers, which are rather a row.
    """
    cells = [normal(cell) for cell in rows[0][1]]
    if len(rows) > 1 and all(len(others) == len(cells) + 1 for _, others in rows[1:]):
        cells.insert(0, "")  # R writes no name above the names of the rows
    numbers = [number_of(cell) for cell in cells]
    values = [number for number in numbers if number is not None]
    steps = np.diff(values)
    counted = len(values) > 1 and len(set(steps)) == 1 and steps[0] > 0
    a_year = len(values) == 1 and len(cells) > 1 and 1800 <= values[0] <= 2200
    if values and (len(values) == len(cells) or not (counted or a_year)):
        shown = ", ".join(cells[:6])
        raise DataError(
            f"line {start} of {source} should hold the names of the columns, and holds numbers: {shown}. If it is a "
            f"row, say {'--no-header' if on_command_line() else 'header=False'}, or give the names: {_names_example()}."
        )
    unnamed = [i for i, cell in enumerate(cells) if not cell]
    if unnamed:
        notes.append(
            f"{'column' if len(unnamed) == 1 else 'columns'} {', '.join(str(i + 1) for i in unnamed)} without a name"
        )
    return tuple(cell or f"column_{i + 1}" for i, cell in enumerate(cells))


def _names_example() -> str:
    return "--names a,b,c" if on_command_line() else "names=['a', 'b', 'c']"
