"""Parts of files of separated values."""

import gzip
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.data.delimited import read_delimited
from pellucid.data.layout import layout_of
from pellucid.data.reading import MAGIC
from pellucid.data.shards import PIECE_ROWS, Files, Piece, Shards, TablePiece
from pellucid.data.table import normal

BLOCK_BYTES = 2**23
"""Bytes of a block of separated values, up to the end of a line."""
PARSED = 8
"""Bytes in memory for each byte of separated values, about."""


@dataclass
class _Cut:
    """A part of a file of separated values, from the beginning of a line to the end of one."""

    file: int
    start: int
    size: int


@dataclass
class _Head:
    """The lines of a file before its rows."""

    content: bytes
    names: tuple[str, ...]
    quoted: bool
    unpack: Any = None


class DelimitedShards(Shards):
    """Parts of files of separated values; a compressed file is one part.

    Args:
        files: the files.
        kept: what ``to_dict`` gave, so that nothing is read to find it out again.
        header: as for `read_table`, as the others.
    """

    def __init__(
        self,
        files: Files,
        kept: Mapping[str, Any] | None = None,
        *,
        header: bool = True,
        names: Sequence[str] = (),
        na: Sequence[str] | None = None,
        encoding: str | None = None,
        texts: Sequence[str] = (),
    ) -> None:
        self.files, self.header, self.encoding = files, header, encoding
        self.names, self.texts = tuple(map(normal, names)), frozenset(map(normal, texts))
        self.na = None if na is None else frozenset({"", *(str(text).strip().lower() for text in na)})
        self.columns = self._head(0).names
        if kept is None:
            self.cuts, lines = [], 0
            for number in range(len(files.paths)):
                self._check_columns(self._head(number).names, number)
                cuts, count = self._cut(number)
                self.cuts, lines = [*self.cuts, *cuts], lines + count
            self.block_rows, self.about = np.full(len(self.cuts), -1, np.int64), max(lines, 1)
        else:
            self.cuts = [_Cut(*cut) for cut in kept["cuts"]]
            self.block_rows = np.array(kept["block_rows"], np.int64)
            self.about = int(self.block_rows.sum())
        self.fingerprint = self._fingerprint()
        self.block_bytes = PARSED * max(cut.size for cut in self.cuts)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"cuts": [[cut.file, cut.start, cut.size] for cut in self.cuts]}

    def _fingerprint(self) -> str:
        """Names, sizes, and the bytes at the beginning and end of each block."""
        digest = hashlib.sha256()
        for number in range(len(self.files.paths)):
            digest.update(f"{self.files.name(number)} {self.files.size(number)} ".encode())
        for cut in self.cuts:
            with self.files.open(cut.file) as file:
                for start in (cut.start, max(cut.start, cut.start + cut.size - 4096)):
                    file.seek(start)
                    digest.update(file.read(min(4096, cut.size)))
        return digest.hexdigest()

    @cached_property
    def _heads(self) -> dict[int, _Head]:
        return {}

    def _head(self, number: int) -> _Head:
        if number not in self._heads:
            with self.files.open(number) as file:
                start = file.read(1 << 18)
            unpack = next((unpack for magic, unpack in MAGIC.items() if start.startswith(magic)), None)
            if unpack is gzip.decompress:
                with self.files.open(number) as file, gzip.open(file) as unpacked:
                    start = unpacked.read(1 << 18)
            elif unpack is not None:
                with self.files.open(number) as file:
                    start = unpack(file.read())[: 1 << 18]
            if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise DataError(f"{self.files.name(number)} is in UTF-16. Convert it to UTF-8.")
            if not start.strip():
                raise DataError(f"{self.files.name(number)} is empty.")
            text = start.decode(self.encoding or "utf-8", "replace").removeprefix("\ufeff")
            layout = layout_of(text, True, self.files.name(number), self.header, self.names)
            head = b"".join(io.BytesIO(start).readlines()[: layout.lines])
            self._heads[number] = _Head(head, layout.names, layout.quoted, unpack)
        return self._heads[number]

    def _cut(self, number: int) -> tuple[list[_Cut], int]:
        """The parts of a file and its number of lines; a line within quotes does not end."""
        head, size = self._head(number), self.files.size(number)
        if head.unpack is not None:
            return [_Cut(number, 0, size)], size // 10
        cuts, lines = [], 0
        with self.files.open(number) as file:
            start = len(head.content)
            file.seek(start)
            rest = b""
            while True:
                read = file.read(BLOCK_BYTES)
                block = rest + read
                end = len(block) if not read else _end_of_line(block, head.quoted)
                if end:
                    cuts.append(_Cut(number, start, end))
                    lines += block.count(b"\n", 0, end)
                    start += end
                rest = block[end:]
                if not read:
                    break
        return [cut for cut in cuts if cut.size > 1], lines

    def pieces(self, block: int, start: int = 0, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        cut = self.cuts[block]
        head = self._head(cut.file)
        with self.files.open(cut.file) as file:
            file.seek(cut.start)
            content = file.read(cut.size)
        source = self.files.name(cut.file)
        if head.unpack is not None:
            content = head.unpack(content)
        else:
            content = head.content + content
            source += f" (from byte {cut.start:,} on)" if cut.start > len(head.content) else ""
        options: dict[str, Any] = {"header": self.header, "names": self.names, "texts": self.texts, "na": self.na}
        table = read_delimited(content, "table", source, encoding=self.encoding, **options)
        self._check_columns(tuple(table.columns), cut.file)
        if self.block_rows[block] < 0:
            self.block_rows[block] = table.rows
        table = replace(table, na=self.na)
        table = table if columns is None else table.select(columns)
        for low in range(start, table.rows, PIECE_ROWS):
            yield TablePiece(table.take(np.arange(low, min(low + PIECE_ROWS, table.rows))))

    def joined(self, pieces: list[Piece]) -> list[Piece]:
        return pieces


def _end_of_line(block: bytes, quoted: bool) -> int:
    """Where the last line that ends in a block ends; 0 where none does. It begins outside of quotes."""
    end = len(block)
    if not quoted:
        return block.rfind(b"\n") + 1
    quotes = block.count(b'"')
    while (end := block.rfind(b"\n", 0, end)) >= 0:
        if (quotes - block.count(b'"', end)) % 2 == 0:
            return end + 1
    return 0
