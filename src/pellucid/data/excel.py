"""Tables from Excel files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pellucid.core.errors import DataError, MissingExtra
from pellucid.data.layout import names_of, without_preamble
from pellucid.data.objects import of_columns
from pellucid.data.table import Table, normal

SEEN_ROWS = 100


def read_excel(
    path: Path, name: str, source: str, header: bool, names: Sequence[str], texts: frozenset[str] = frozenset()
) -> Table:
    """Read the first sheet of an Excel file.

    Args:
        path: of the file.
        name: of the table.
        source: for error messages.
        header: True if the first row of the table holds the names of the columns.
        names: of the columns, for a sheet without them.
        texts: columns that are read as texts whatever they hold.

    Raises:
        DataError: a file that is damaged, or a sheet that holds no table.
        MissingExtra: fastexcel is not installed.
    """
    try:
        import fastexcel
    except ImportError as error:
        raise MissingExtra("fastexcel", "excel", "Reading Excel files") from error
    notes: list[str] = []
    try:
        book = fastexcel.read_excel(path)
        options: dict[str, Any] = {"header_row": None, "skip_rows": 0}
        first = book.load_sheet(0, n_rows=SEEN_ROWS, dtypes="string", **options).to_arrow().to_pylist()
        rows = [(i, [(cell or "").strip() for cell in row.values()]) for i, row in enumerate(first, start=1)]
        rows = [(line, cells) for line, cells in rows if any(cells)]
        if not rows:
            raise DataError(f"{source} is empty.")
        table_rows, left_out = without_preamble([(line, _without_end(cells)) for line, cells in rows])
        rows = rows[-len(table_rows) :]
        named = header and not names
        start = rows[0][0]
        columns = names_of(start, rows, source, notes) if named else tuple(map(normal, names))
        sheet = book.load_sheet(0, header_row=None, skip_rows=start - 1 + named).to_arrow()
    except fastexcel.FastExcelError as error:
        raise DataError(f"{source} is not an Excel file that can be read: {error}.") from error
    columns = columns or tuple(f"column_{i + 1}" for i in range(sheet.num_columns))
    if len(columns) != sheet.num_columns:
        raise DataError(f"{len(columns)} names for the {sheet.num_columns} columns of {source}.")
    if left_out:
        notes.append(f"the first {left_out} rows left out: no table yet")
    if len(book.sheet_names) > 1:
        others = ", ".join(map(repr, book.sheet_names[1:]))
        notes.append(f"the first sheet, {book.sheet_names[0]!r}, is read, not {others}")
    table = of_columns(columns, sheet.columns, source, texts)
    line_of = (start + named).__add__
    return replace(table, name=name, notes=tuple(notes), line_of=line_of, named=named).without_empty_rows()


def _without_end(cells: list[str]) -> list[str]:
    """The cells up to the last that is not empty."""
    return cells[: max(i for i, cell in enumerate(cells, start=1) if cell)]
