"""Files of separated values: their layout is worked out from the first lines, their cells are read by pyarrow.

Numbers are converted block by block, so that a file of 200,000 lines needs little more memory than its numbers take. A
line that pyarrow refuses is looked up again here, to say which it is and what is wrong with it.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.interface import on_command_line, option
from pellucid.data.layout import Layout, layout_of
from pellucid.data.numerals import MARKERS
from pellucid.data.table import Table, Texts, Values, arrow_functions, normal

SEEN_BYTES = 1 << 18
"""Bytes that the layout is worked out from; more where they hold no two lines."""
BLOCK, BLOCK_OF_COLUMN = 1 << 16, 1 << 12
"""Bytes that are converted at a time, in all and at least for each column: enough for speed, and few for memory."""
_WITH_COMMA = r"^[+-]?([0-9]+,?[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?$"
_NOT_PLAIN = r"^[+-]?(0[0-9]|[0-9]{16})"
"""Digits that are no number to compute with: a code such as 007, or more digits than a number keeps."""


def read_delimited(
    content: bytes | Path,
    name: str,
    source: str,
    *,
    header: bool = True,
    names: Sequence[str] = (),
    texts: frozenset[str] = frozenset(),
    na: frozenset[str] | None = None,
    encoding: str | None = None,
) -> Table:
    """Read separated values from a file, or from its content.

    Args:
        content: the path of a file, or what it holds.
        name: of the table.
        source: for error messages.
        header: True if the first line holds the names of the columns.
        names: of the columns, for a file without them.
        texts: columns that are read as they are written, digits or not.
        na: cells that count as missing, in lower case; None for the usual ones.
        encoding: of the characters; found out if None.

    Raises:
        DataError: a file that holds no table; names the line.
    """
    content, layout, notes = settle_layout(content, source, header, tuple(map(normal, names)), encoding)
    notes = (*notes, *layout.notes)
    table = read_rows(content, layout, name, source, texts=texts, na=na)
    return replace(table, notes=(*notes, *table.notes), named=header and not names).without_empty_rows()


def settle_layout(
    content: bytes | Path, source: str, header: bool, names: tuple[str, ...], encoding: str | None
) -> tuple[bytes | Path, Layout, list[str]]:
    """Find the encoding and the layout of a file by its first lines.

    Args:
        content: as for `read_delimited`.
        source: as for `read_delimited`.
        header: as for `read_delimited`.
        names: as for `read_delimited`, in composed Unicode.
        encoding: as for `read_delimited`.

    Returns:
        The content in UTF-8, its layout, and a note where the encoding was guessed.
    """
    notes: list[str] = []
    head = _head(content)
    coding = encoding or encoding_of(head)
    if coding != "utf-8":
        content, notes = _as_utf8(content, coding, source, encoding is None)
        head = _head(content)
    if not head.strip():
        raise DataError(f"{source} is empty.")
    cut = len(head) >= SEEN_BYTES
    try:
        text = head.decode("utf-8", "ignore" if cut else "strict").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return settle_layout(content, source, header, names, _single_byte(content))
    return content, layout_of(text, cut, source, header, names), notes


def read_rows(
    content: bytes | Path,
    layout: Layout,
    name: str,
    source: str,
    *,
    texts: frozenset[str] = frozenset(),
    na: frozenset[str] | None = None,
) -> Table:
    """Read the rows of a file whose layout is known; arguments as for `read_delimited`, the content in UTF-8."""
    if layout.delimiter == " ":
        whole = content.read_bytes() if isinstance(content, Path) else content
        content = re.sub(rb"[ \t]+", b"\t", re.sub(rb"(?m)^[ \t]+|[ \t]+$", b"", whole))
        layout = replace(layout, delimiter="\t")
    reader = _Reader(content, layout, source, texts, na)
    columns = reader.read()
    return Table(
        name,
        source,
        columns,
        np.arange(len(next(iter(columns.values())))),
        line_of=_line_finder(content, reader.layout),
        notes=reader.notes,
        decimal=layout.decimal,
        whole=frozenset(n for n, v in columns.items() if not isinstance(v, Texts) and n not in reader.pointed),
    )


def _head(content: bytes | Path) -> bytes:
    blocks, lines = [], 0
    with _opened(content) as file:
        while lines < 2 and (block := file.read(SEEN_BYTES)):
            blocks.append(block)
            lines += block.count(b"\n") + block.count(b"\r")
    return b"".join(blocks)


def encoding_of(head: bytes) -> str:
    """The encoding of a file by its first bytes: UTF-8 where they are, else UTF-16 or one of a byte a character."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    even, odd = head[:1000:2].count(0), head[1:1000:2].count(0)
    if max(even, odd) > len(head[:1000]) / 8:
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4 or len(head) < SEEN_BYTES:
            return _single_byte(head)
    return "utf-8"


def _single_byte(content: bytes | Path) -> str:
    content = content.read_bytes() if isinstance(content, Path) else content
    return "latin-1" if any(byte in content for byte in b"\x81\x8d\x8f\x90\x9d") else "cp1252"


def _as_utf8(content: bytes | Path, coding: str, source: str, guessed: bool) -> tuple[bytes, list[str]]:
    whole = content.read_bytes() if isinstance(content, Path) else content
    try:
        converted = whole.decode(coding).removeprefix("\ufeff").encode()
    except (UnicodeDecodeError, LookupError) as error:
        raise unreadable(source, coding, error) from error
    return converted, [note_of(coding)] if guessed else []


def unreadable(source: str, coding: str, error: Exception) -> DataError:
    """The error for characters that are not of an encoding."""
    without = "leave --encoding out" if on_command_line() else "leave encoding out"
    advice = f"Say another, such as {option('encoding', 'cp1252')}, or {without} to have it found out."
    return DataError(f"{source} cannot be read as {coding}: {error}. {advice}")


def note_of(coding: str) -> str:
    """The note on an encoding that was found out."""
    shown = {"cp1252": "Windows-1252 (Latin-1)", "latin-1": "Latin-1"}.get(coding, coding.upper())
    return f"characters read as {shown}"


# ---- The cells ----


class _Reader:
    """Converts the cells of a file, block by block, into columns that are allocated once."""

    def __init__(
        self, content: bytes | Path, layout: Layout, source: str, texts: frozenset[str], na: frozenset[str] | None
    ) -> None:
        self.content, self.layout, self.source, self.na = content, layout, source, na
        self.texts = {name for name in layout.names if name in texts}
        self.block = max(BLOCK, BLOCK_OF_COLUMN * len(layout.names))
        self.lines = 0
        self.notes: tuple[str, ...] = ()
        self.pointed: set[str] = set()
        """Columns of which some number is written with a point."""

    def read(self) -> dict[str, Values]:
        """The columns."""
        import pyarrow

        self._survey()
        columns, late = self._convert(self.layout.names)
        if late:  # read as numbers at first, but not all of them are
            self.texts |= late
            columns |= self._convert(tuple(late))[0]
        pyarrow.system_memory_pool().release_unused()
        return {name: columns[name] for name in self.layout.names}

    def _convert(self, names: Sequence[str]) -> tuple[dict[str, Values], set[str]]:
        import pyarrow as pa

        numbers = {name: np.empty(self.lines) for name in names if name not in self.texts}
        texts = {name: _Texts(self.lines) for name in names if name in self.texts}
        late: set[str] = set()
        start = 0
        try:
            for batch in self._batches(names):
                for name, cells in zip(names, batch.columns, strict=True):
                    if name in texts:
                        texts[name].write(_stripped(cells), start)
                    elif name in numbers:
                        converted = _as_numbers(cells, self.layout.decimal, self.na)
                        if converted is not None:
                            if name not in self.pointed and _have_points(cells):
                                self.pointed.add(name)
                            numbers[name][start : start + len(converted)] = converted
                            continue
                        del numbers[name]
                        if start:
                            late.add(name)
                        else:
                            texts[name] = _Texts(self.lines)
                            texts[name].write(_stripped(cells), start)
                start += batch.num_rows
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            if "straddl" in str(error) and self.block < 1 << 30:
                self.block <<= 6
                return self._convert(names)
            self._explain(str(error))
        if not start:
            raise DataError(f"{self.source} has a header and no rows.")
        read = {name: values[:start] for name, values in numbers.items()}
        return read | {name: column.first(start) for name, column in texts.items()}, late

    def _batches(self, names: Sequence[str]) -> Iterator[Any]:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        layout, content = self.layout, self.content
        return arrow_csv.open_csv(
            content if isinstance(content, Path) else pa.BufferReader(content),
            arrow_csv.ReadOptions(
                use_threads=False, block_size=self.block, skip_rows=layout.lines, column_names=list(layout.names)
            ),
            arrow_csv.ParseOptions(
                delimiter=layout.delimiter, quote_char='"' if layout.quoted else False, newlines_in_values=layout.quoted
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(layout.names, pa.string()),
                include_columns=list(names),
                null_values=[""],
                strings_can_be_null=True,
            ),
            memory_pool=pa.system_memory_pool(),
        )

    def _survey(self) -> None:
        """Count the lines, and refuse quotes that are not closed and bytes of no text."""
        quotes = newlines = returns = 0
        for block in _blocks(self.content):
            if b"\0" in block:
                self._explain_nul()
            quotes += block.count(b'"')
            newlines, returns = newlines + block.count(b"\n"), returns + block.count(b"\r")
        self.lines = newlines + returns + 1  # at most: a page that nothing is written to takes no memory
        if quotes and not self._encloses_cells():
            if self._are_part_of_texts():
                self.layout = replace(self.layout, quoted=False)
                self.notes = ('quotes (") are part of the texts',)
            elif quotes % 2:
                self._explain_quotes()

    def _encloses_cells(self) -> bool:
        """True where every quote opens or closes a cell, or is written twice within one."""
        try:
            for _ in _rows(self.content, self.layout, strict=True):
                pass
        except csv.Error:
            return False
        return True

    def _are_part_of_texts(self) -> bool:
        """True where every line has all cells without them, none of which begins with one; in a file of TABs it may."""
        expected, tabs = len(self.layout.names), self.layout.delimiter == "\t"
        rows = (cells for _, cells in _rows(self.content, replace(self.layout, quoted=False)) if cells)
        return all(
            len(cells) == expected and (tabs or not any(cell.startswith('"') for cell in cells)) for cells in rows
        )

    def _explain_nul(self) -> None:
        line = next(number for number, line in self._numbered() if "\0" in line)
        raise DataError(
            f"line {line} of {self.source} holds a NUL byte, which no text does: the file is damaged, or no table."
        )

    def _numbered(self) -> Iterator[tuple[int, str]]:
        return enumerate(_lines(self.content), start=self.layout.before + 1)

    def _explain_quotes(self) -> None:
        quotes = opened = 0
        for number, line in self._numbered():
            odd = line.count('"') % 2
            if odd and not quotes:
                opened = number
            quotes = (quotes + odd) % 2
        raise DataError(
            f'{self.source} has an odd number of quotes ("): one that is opened is not closed. Look at line {opened} '
            "first."
        )

    def _explain(self, error: str) -> None:
        expected = len(self.layout.names)
        for start, cells in _rows(self.content, self.layout):
            if cells and len(cells) != expected:
                raise DataError(
                    f"line {start} of {self.source} has {len(cells)} cells where {expected} are expected "
                    f"({', '.join(self.layout.names)}). Received: {cells[:20]}. A cell that holds a separator must be "
                    "quoted."
                )
        raise DataError(f"{self.source} cannot be read: {error}.")


def _as_numbers(cells: Any, decimal: str | None, na: frozenset[str] | None) -> np.ndarray | None:
    """A block of cells as numbers; None if a cell is none, or is written in another way."""
    import pyarrow as pa

    compute = arrow_functions()
    cells = _stripped(cells)
    for markers in ((), MARKERS) if na is None else (na,):
        if markers:
            known = compute.is_in(compute.utf8_lower(cells), pa.array(sorted(markers)))
            cells = compute.if_else(known, pa.scalar(None, pa.string()), cells)
        plain = cells
        if decimal == ",":
            if not compute.all(compute.match_substring_regex(cells, _WITH_COMMA), min_count=0).as_py():
                continue
            plain = compute.replace_substring(cells, ",", ".")
        try:
            values = compute.cast(plain, pa.float64())
        except pa.ArrowInvalid:
            continue
        if compute.any(compute.match_substring_regex(cells, _NOT_PLAIN)).as_py():
            return None
        # A block of missing values alone may yet turn out to be of texts: it is one or the other to both.
        return values.to_numpy(zero_copy_only=False)
    return None


def _have_points(cells: Any) -> bool:
    compute = arrow_functions()
    return bool(compute.any(compute.match_substring_regex(cells, "[0-9][.,eE]|[.,][0-9]"), min_count=0).as_py())


def _stripped(cells: Any) -> Any:
    import pyarrow as pa

    compute = arrow_functions()
    cells = compute.utf8_trim_whitespace(cells)
    return compute.if_else(compute.equal(cells, ""), pa.scalar(None, pa.string()), cells)


class _Texts:
    """A column of texts that is written block by block."""

    def __init__(self, rows: int) -> None:
        self.codes = np.empty(rows, np.int32)
        self.index: dict[str, int] = {}

    def write(self, cells: Any, start: int) -> None:
        """Write a block from a row on."""
        block = cells.dictionary_encode()
        codes = [self.index.setdefault(text, len(self.index)) for text in block.dictionary.to_pylist()]
        indices = block.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        self.codes[start : start + len(indices)] = np.array([*codes, -1], np.int32)[indices]

    def first(self, rows: int) -> Texts:
        """The column of the first rows."""
        return Texts(tuple(self.index), self.codes[:rows])


# ---- Lines again, to say where a fault is ----


def _line_finder(content: bytes | Path, layout: Layout) -> Callable[[int], int]:
    @cache
    def starts() -> np.ndarray:
        return np.fromiter((start for start, cells in _rows(content, layout) if cells), np.int64)

    return lambda row: int(starts()[row])


def _rows(content: bytes | Path, layout: Layout, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    lines = iter(_lines(content))
    for _ in range(layout.lines):
        next(lines, None)
    quoting = csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE
    reader = csv.reader(lines, delimiter=layout.delimiter, quoting=quoting, strict=strict)
    first = start = layout.before + layout.lines + 1
    for cells in reader:
        yield start, cells
        start = first + reader.line_num


def _lines(content: bytes | Path) -> Iterator[str]:
    with io.TextIOWrapper(_opened(content), "utf-8", errors="replace", newline="") as text:
        yield from text


def _opened(content: bytes | Path) -> Any:
    return open(content, "rb") if isinstance(content, Path) else io.BytesIO(content)


def _blocks(content: bytes | Path) -> Iterator[bytes]:
    with _opened(content) as file:
        while block := file.read(1 << 20):
            yield block
