"""Tables in folders, on disk or in an object store, read some rows at a time."""

import gzip
import hashlib
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.core.errors import DataError, MissingExtra
from pellucid.data.delimited import read_delimited
from pellucid.data.layout import layout_of
from pellucid.data.objects import of_arrow
from pellucid.data.reading import MAGIC, require_file
from pellucid.data.table import Table, Texts, normal

PARQUET = (".parquet", ".pq")
DELIMITED = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
PIECE_ROWS = 2**14
"""Rows that are decoded at a time: their numbers stay in the cache of a core while they are turned into rows."""
BLOCK_BYTES = 2**23
"""Bytes of a block of separated values, up to the end of a line."""
BUFFER_BYTES = 2**18
"""Bytes that are read at a time of each column of a row group …"""
PAGE_BYTES = 2**20
"""… and those that a page of it usually takes once it is unpacked."""
PARSED = 8
"""Bytes in memory for each byte of separated values, about."""


# ---- Where files are ----


@dataclass(frozen=True)
class Files:
    """The files of a folder, or one file, on disk or in an object store.

    Args:
        location: as it was given.
        paths: of the files, in order.
        system: a file system of fsspec; None for the disk.
        left_out: names of other files in the folder.
    """

    location: str
    paths: tuple[str, ...]
    system: Any = None
    left_out: tuple[str, ...] = ()

    def open(self, number: int) -> BinaryIO:
        """Open a file for reading.

        Raises:
            DataError: it cannot be read.
        """
        path = self.paths[number]
        try:
            return open(path, "rb") if self.system is None else self.system.open(path, "rb")
        except OSError as error:
            raise DataError(f"cannot read {path!r}: {error.strerror or error}.") from error

    def size(self, number: int) -> int:
        """Bytes of a file."""
        path = self.paths[number]
        return os.path.getsize(path) if self.system is None else int(self.system.size(path))

    def name(self, number: int) -> str:
        """The name of a file, for messages."""
        return repr(self.paths[number].rsplit("/", 1)[-1] if len(self.paths) > 1 else self.location)


def is_address(source: Any) -> bool:
    """True for an address of an object store: ``s3://bucket/folder``."""
    return isinstance(source, str) and "://" in source


def files_of(source: str | os.PathLike[str]) -> Files:
    """The tables of a folder and its subfolders, of one kind; or one file.

    Raises:
        DataError: nothing is there, no table, or tables of several kinds.
        MissingExtra: an address without the package that reads it.
    """
    location = os.fspath(source)
    if is_address(location):
        system, root = _remote(location)
        try:
            found = sorted(system.find(root))
        except OSError as error:
            raise DataError(f"cannot read {location!r}: {error}.") from error
    else:
        system, root = None, location
        require_file(Path(location))
        found = sorted(map(str, Path(location).rglob("*"))) if os.path.isdir(location) else [location]
        found = [path for path in found if os.path.isfile(path)]
    if not found:
        raise DataError(f"there is no file in {location!r}.")
    inside = [path.removeprefix(root).strip("/") for path in found]
    shown = [
        (path, name)
        for path, name in zip(found, inside, strict=True)
        if not any(part[:1] in "._" and part for part in name.split("/"))
    ]
    kinds = {
        path: PARQUET if path.lower().endswith(PARQUET) else DELIMITED
        for path, _ in shown
        if path.lower().endswith((*PARQUET, *DELIMITED))
    }
    if not kinds:
        names = ", ".join(sorted({name for _, name in shown})[:5])
        raise DataError(
            f"{location!r} holds no table that can be read some rows at a time ({names}). These can: "
            f"{', '.join((*PARQUET, *DELIMITED))}."
        )
    if len(set(kinds.values())) > 1:
        raise DataError(f"{location!r} holds Parquet files and separated values. Give a folder of one kind.")
    partitions = sorted(
        {
            part.partition("=")[0]
            for path, name in shown
            if path in kinds
            for part in name.split("/")[:-1]
            if "=" in part
        }
    )
    if partitions:
        raise DataError(
            f"the folders in {location!r} hold values of the columns {', '.join(map(repr, partitions))} in their names "
            "(column=value), which are not in the files. Write them into the files."
        )
    left_out = tuple(name for path, name in shown if path not in kinds)
    return Files(location, tuple(kinds), system, left_out)


def _remote(location: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtra("fsspec", "remote", f"reading {location!r}") from error
    try:
        system, root = fsspec.core.url_to_fs(location)
    except ImportError as error:
        raise DataError(f"reading {location!r}: {error}.") from error
    except ValueError as error:
        raise DataError(f"{location!r} is no address that fsspec knows: {error}.") from error
    return system, root


# ---- Some rows of a file ----


class Piece(ABC):
    """Some neighbouring rows of a file."""

    rows: int

    @abstractmethod
    def numbers(self, name: str) -> np.ndarray | None:
        """A column that is of numbers by its type, NaN where a value is missing; None for any other."""

    @abstractmethod
    def table(self, names: Sequence[str]) -> Table:
        """Some columns as a table."""

    @abstractmethod
    def take(self, rows: np.ndarray) -> "Piece":
        """Some of the rows."""


@dataclass(frozen=True)
class ArrowPiece(Piece):
    """Rows as Arrow holds them."""

    content: Any
    source: str
    start: int
    texts: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.content.num_rows

    def numbers(self, name: str) -> np.ndarray | None:
        from pyarrow import types

        column = self.content.column(name)
        if not (types.is_floating(column.type) or types.is_integer(column.type)):
            return None
        return column.to_numpy()

    def table(self, names: Sequence[str]) -> Table:
        table = of_arrow(self.content.select(list(names)), "table", self.source, self.texts)
        return replace(table, numbers=table.numbers + self.start)

    def take(self, rows: np.ndarray) -> "ArrowPiece":
        return replace(self, content=self.content.take(rows))


@dataclass(frozen=True)
class TablePiece(Piece):
    """Rows as a table holds them."""

    content: Table

    @property
    def rows(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.content.rows

    def numbers(self, name: str) -> np.ndarray | None:
        values = self.content.columns[name]
        return None if isinstance(values, Texts) or values.dtype.kind == "M" else values

    def table(self, names: Sequence[str]) -> Table:
        return self.content.select(names)

    def take(self, rows: np.ndarray) -> "TablePiece":
        return TablePiece(self.content.take(rows))


class Shards(ABC):
    """Files of one kind as blocks of rows.

    Attributes:
        files: the files.
        columns: names of the columns, those of the first file.
        block_rows: rows of each block; −1 for one that has not been read.
        block_bytes: memory that an open block takes, about.
        about: number of rows, about, where none has been read.
        whole: columns that are of whole numbers by their type.
    """

    files: Files
    columns: tuple[str, ...]
    block_rows: np.ndarray
    block_bytes: int
    about: int
    fingerprint: str

    @abstractmethod
    def pieces(self, block: int, start: int = 0, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """Yield the rows of a block from one on, some at a time: some columns, or all."""

    @abstractmethod
    def joined(self, pieces: list[Piece]) -> list[Piece]:
        """Pieces put together as far as that saves time."""

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self.block_rows)

    def to_dict(self) -> dict[str, Any]:
        """What was found out by reading, JSON-like."""
        return {"block_rows": self.block_rows.tolist()}

    def _check_columns(self, names: Sequence[str], number: int) -> None:
        if set(names) != set(self.columns):
            lacking, more = (
                sorted(set(one) - set(other)) for one, other in ((self.columns, names), (names, self.columns))
            )
            what = f"lacks {', '.join(map(repr, lacking))}" if lacking else f"has also {', '.join(map(repr, more))}"
            raise DataError(
                f"{self.files.name(number)} {what}: all files of {self.files.location!r} have the columns of the first, "
                f"{self.files.name(0)}."
            )


def open_shards(files: Files, kept: Mapping[str, Any] | None = None, **reading: Any) -> Shards:
    """The blocks of files; ``kept`` is what ``to_dict`` gave, and ``reading`` options of `read_table`."""
    if files.paths[0].lower().endswith(PARQUET):
        return ParquetShards(files, frozenset(reading.get("texts", ())))
    return DelimitedShards(files, kept, **reading)


# ---- Parquet ----


class ParquetShards(Shards):
    """The row groups of Parquet files.

    Args:
        files: the files.
        texts: columns that are read as texts whatever they hold.
    """

    def __init__(self, files: Files, texts: frozenset[str] = frozenset()) -> None:
        self.files, self.texts = files, texts
        groups, rows, digest, largest = [], [], hashlib.sha256(), 0
        for number in range(len(files.paths)):
            metadata, footer = self._footer(number)
            names = metadata.schema.to_arrow_schema().names
            if number == 0:
                self.columns = tuple(names)
            self._check_columns(names, number)
            digest.update(f"{files.name(number)} {files.size(number)} ".encode() + footer)
            for group in range(metadata.num_row_groups):
                one = metadata.row_group(group)
                groups.append((number, group))
                rows.append(one.num_rows)
                largest = max(largest, one.total_byte_size)
        self.groups = groups
        self.block_rows, self.about = np.array(rows, np.int64), sum(rows)
        if not self.about:
            raise DataError(f"{files.location!r} holds no rows.")
        self.block_bytes = min(largest, len(self.columns) * (BUFFER_BYTES + PAGE_BYTES))
        self.fingerprint = digest.hexdigest()

    def _footer(self, number: int) -> tuple[Any, bytes]:
        import pyarrow
        import pyarrow.parquet

        with self.files.open(number) as file:
            try:
                metadata = pyarrow.parquet.read_metadata(file)
                file.seek(-8, os.SEEK_END)
                size = int.from_bytes(file.read(4), "little")
                file.seek(-8 - size, os.SEEK_END)
                return metadata, file.read(size)
            except (pyarrow.ArrowException, OSError) as error:
                raise DataError(f"{self.files.name(number)} is not a Parquet file: {error}.") from error

    def pieces(self, block: int, start: int = 0, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        import pyarrow
        import pyarrow.parquet

        number, group = self.groups[block]
        before = int(self.block_rows[block - group : block].sum())  # of the groups of this file before it
        source = self.files.name(number)
        native = self.files.system is None
        with self.files.open(number) as file:
            opened: Any = self.files.paths[number] if native else file
            try:
                parquet = pyarrow.parquet.ParquetFile(opened, buffer_size=BUFFER_BYTES, pre_buffer=False)
                position = 0
                options: dict[str, Any] = {"columns": None if columns is None else list(columns)}
                for batch in parquet.iter_batches(PIECE_ROWS, row_groups=[group], **options):
                    skipped = min(max(start - position, 0), batch.num_rows)
                    position += batch.num_rows
                    if skipped < batch.num_rows:
                        table = pyarrow.Table.from_batches([batch.slice(skipped)])
                        first = before + position - table.num_rows
                        yield ArrowPiece(table, source, first, self.texts)
            except (pyarrow.ArrowException, OSError) as error:
                raise DataError(f"row group {group} of {source} cannot be read: {error}.") from error

    def joined(self, pieces: list[Piece]) -> list[Piece]:
        import pyarrow

        tables = [piece.content for piece in pieces if isinstance(piece, ArrowPiece)]
        if not tables:
            return []
        return [
            ArrowPiece(
                pyarrow.concat_tables(tables, promote_options="permissive"), repr(self.files.location), 0, self.texts
            )
        ]


# ---- Separated values ----


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
