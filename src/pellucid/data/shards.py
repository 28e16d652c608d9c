"""Files of a table as blocks of rows: where they are, and some neighbouring rows of one."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.core.errors import DataError, MissingExtra
from pellucid.data.objects import of_arrow
from pellucid.data.reading import require_file
from pellucid.data.table import Table, Texts

PARQUET = (".parquet", ".pq")
DELIMITED = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
HIDDEN = (".", "_")
"""Files and folders whose names begin so are none of the data, as ``_SUCCESS``."""
PIECE_ROWS = 2**14
"""Rows that are decoded at a time: their numbers stay in the cache of a core while they are turned into rows."""


@dataclass(frozen=True)
class Files:
    """The files of a folder, or one file, on disk or in an object store.

    Args:
        location: as it was given.
        paths: of the files, in order.
        names: of the files within the folder, for messages.
        system: a file system of fsspec; None for the disk.
        left_out: names of other files in the folder.
    """

    location: str
    paths: tuple[str, ...]
    names: tuple[str, ...]
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
        return repr(self.names[number] or self.location)


def is_address(source: Any) -> bool:
    """True for an address of an object store: ``s3://bucket/folder``."""
    return isinstance(source, str) and "://" in source


def holds_tables(folder: str | os.PathLike[str]) -> bool:
    """True for a folder with a file of a table in it, or in one of its subfolders."""
    return any(_kind(path.name, one=False) for path in Path(folder).rglob("*") if path.name[:1] not in HIDDEN)


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
    named = {path.removeprefix(root).replace(os.sep, "/").strip("/"): path for path in found}
    named = {name: path for name, path in named.items() if not any(part[:1] in HIDDEN for part in name.split("/"))}
    tables = {name: _kind(name or location, one=not name) for name in named}
    chosen = [name for name, kind in tables.items() if kind is not None]
    if not chosen:
        raise DataError(
            f"{location!r} holds no table that can be read some rows at a time ({', '.join(list(named)[:5])}). These "
            f"can: {', '.join((*PARQUET, *DELIMITED))}."
        )
    if len({tables[name] for name in chosen}) > 1:
        raise DataError(f"{location!r} holds Parquet files and separated values. Give a folder of one kind.")
    folders = {part for name in chosen for part in name.split("/")[:-1]}
    partitions = sorted({part.partition("=")[0] for part in folders if "=" in part})
    if partitions:
        raise DataError(
            f"the folders in {location!r} hold values of the columns {', '.join(map(repr, partitions))} in their names "
            "(column=value), which are not in the files. Write them into the files."
        )
    left_out = tuple(name for name in named if name not in chosen)
    return Files(location, tuple(named[name] for name in chosen), tuple(chosen), system, left_out)


def _kind(name: str, one: bool) -> tuple[str, ...] | None:
    """The endings of a file's kind; one that was given itself is read whatever its ending."""
    return next((kind for kind in (PARQUET, DELIMITED) if name.lower().endswith(kind)), DELIMITED if one else None)


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
            lacking, more = sorted(set(self.columns) - set(names)), sorted(set(names) - set(self.columns))
            what = f"lacks {', '.join(map(repr, lacking))}" if lacking else f"has also {', '.join(map(repr, more))}"
            raise DataError(
                f"{self.files.name(number)} {what}: all files of {self.files.location!r} have the columns of "
                f"{self.files.name(0)}."
            )
