"""Tables that arrive piece by piece, as from a pipe: separated values or JSON lines.

The layout is worked out from the first lines. A piece is as many whole lines as have arrived, so that none waits for
the next.
"""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.interface import option
from pellucid.data.delimited import encoding_of, note_of, read_rows, settle_layout, unreadable
from pellucid.data.reading import BINARY, markers_of, read_json_lines
from pellucid.data.table import Table, Texts, missing_of, normal

NAME = "rows"


def is_in_lines(first: bytes) -> bool:
    """True where what begins so is separated values or JSON lines: of other formats the end is needed."""
    return not first.startswith(BINARY) and not first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")


def is_json(first: bytes) -> bool:
    """True where what begins so is JSON lines."""
    return first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def read_pipe(
    blocks: Iterable[bytes],
    source: str,
    *,
    header: bool = True,
    names: Sequence[str] = (),
    na: Sequence[str] | None = None,
    encoding: str | None = None,
    texts: Sequence[str] = (),
) -> Iterator[Table]:
    r"""Read tables of all whole lines that have arrived, one after another.

    Args:
        blocks: bytes as they arrive.
        source: its name, for error messages.
        header: as for `pellucid.data.reading.read_table`, as are the others.
        names: of the columns.
        na: cells that count as missing.
        encoding: of the characters; found out from the first lines if None.
        texts: columns that are read as they are written.

    Raises:
        DataError: lines that are no table; names the line.

    Example:
        >>> tables = read_pipe([b"age,city\n40,Rome\n50,Os", b"lo\n"], "a pipe")
        >>> [table.columns["age"].tolist() for table in tables]
        [[40.0], [50.0]]
    """
    blocks = iter(blocks)
    head = _first(blocks)
    coding = encoding or encoding_of(head[: head.rfind(b"\n") + 1] or head)
    pieces: Iterator[bytes] = chain([head], blocks)
    notes = () if encoding or coding == "utf-8" else (note_of(coding),)
    if coding != "utf-8":
        pieces = _as_utf8(pieces, coding, source)
    markers, verbatim = markers_of(na), frozenset(map(normal, texts))
    if is_json(head):
        tables = _json_lines(_whole_lines(pieces, source), source, verbatim)
    else:
        named = tuple(map(normal, names))
        lines = _whole_lines(pieces, source, 2 if header and not names else 1, quoted=True)
        tables = _separated(lines, source, header, named, markers, verbatim)
    for table in tables:
        yield replace(table, na=markers, notes=(*notes, *table.notes))
        notes = ()


def _first(blocks: Iterator[bytes]) -> bytes:
    head = b""
    for block in blocks:
        head += block
        if b"\n" in block:
            break
    return head


def _as_utf8(blocks: Iterable[bytes], coding: str, source: str) -> Iterator[bytes]:
    try:
        decoder = codecs.getincrementaldecoder(coding)()
        for block in blocks:
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", True).encode()
    except (UnicodeError, LookupError) as error:
        raise unreadable(source, coding, error) from error


class Lines(NamedTuple):
    """Whole lines in UTF-8, the number of lines that came before, and notes."""

    text: bytes
    before: int
    notes: tuple[str, ...] = ()


def _whole_lines(blocks: Iterator[bytes], source: str, first: int = 1, quoted: bool = False) -> Iterator[Lines]:
    """The lines that have arrived, together; at first as many as hold at least ``first`` that are not blank."""
    before, waiting, coding = 0, b"", ""
    for block in chain(blocks, [None]):
        waiting += block or b""
        end = len(waiting) if block is None else waiting.rfind(b"\n") + 1
        while block is not None and quoted and waiting.count(b'"', 0, end) % 2:  # a cell may go over several lines
            end = waiting.rfind(b"\n", 0, waiting.rfind(b'"', 0, end)) + 1
        text, rest = waiting[:end], waiting[end:]
        if block is not None and sum(map(bool, map(bytes.strip, text.split(b"\n")))) < first:
            continue
        if block is None and before and not text.strip():
            return
        lines, coding = _in_utf8(text, before, source, coding)
        yield lines
        before, waiting, first = before + text.count(b"\n"), rest, 1


def _in_utf8(text: bytes, before: int, source: str, coding: str) -> tuple[Lines, str]:
    """Lines in UTF-8, and their encoding, which the first that are not ASCII decide."""
    if text.isascii():
        return Lines(text, before), coding
    own = coding or encoding_of(text)
    try:
        converted = text.decode(own)
    except UnicodeDecodeError as error:
        line = before + text.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"line {line} of {source} is not {own.upper()}, as those before it. If all are of another encoding, say "
            f"{option('encoding', 'cp1252')}."
        ) from error
    notes = () if coding or own == "utf-8" else (note_of(own),)
    return Lines(converted.removeprefix("\ufeff" if not before else "").encode(), before, notes), own


def _separated(
    pieces: Iterable[Lines],
    source: str,
    header: bool,
    names: tuple[str, ...],
    na: frozenset[str] | None,
    texts: frozenset[str],
) -> Iterator[Table]:
    layout = None
    for lines in pieces:
        notes = lines.notes
        if layout is None:
            _, layout, _ = settle_layout(lines.text, source, header, names, "utf-8")
            notes = (*notes, *layout.notes)
        else:
            layout = replace(layout, lines=0, before=lines.before)
        if lines.text.strip():
            table = read_rows(lines.text, layout, NAME, source, texts=texts, na=na)
            empty = np.all([missing_of(values) for values in table.columns.values()], axis=0)
            if empty.any():
                notes = (*notes, "empty rows left out")
                table = table.take(np.flatnonzero(~empty))
            if table.rows:
                yield replace(table, notes=(*notes, *table.notes))


def _json_lines(pieces: Iterable[Lines], source: str, texts: frozenset[str]) -> Iterator[Table]:
    names: dict[str, None] = {}
    for lines in pieces:
        if lines.text.strip():
            table = read_json_lines(lines.text, NAME, source, texts, lines.before)
            names |= dict.fromkeys(table.columns)
            for name in names.keys() - table.columns.keys():  # a name that no line has: missing values, as in a file
                table = table.with_column(name, Texts((), np.full(table.rows, -1, np.int32)))
            yield replace(table, notes=lines.notes)
