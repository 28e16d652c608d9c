"""Rows of a table in files, as a source of arrays."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np

from pellucid.data.arrays import Part
from pellucid.data.columns import Column
from pellucid.data.rows import weights_of
from pellucid.data.shards import PARQUET, Files, Piece, Shards, is_address
from pellucid.data.shards_of_parquet import ParquetShards
from pellucid.data.shards_of_text import DelimitedShards
from pellucid.data.stream import Source
from pellucid.data.table import Table, Texts
from pellucid.data.tables import TableEncoder, target_values
from pellucid.data.targets import Target, is_whole


def open_shards(files: Files, kept: Mapping[str, Any] | None = None, **reading: Any) -> Shards:
    """The blocks of files; ``kept`` is what ``to_dict`` gave, and ``reading`` options of `read_table`."""
    if files.paths[0].lower().endswith(PARQUET):
        return ParquetShards(files, frozenset(reading.get("texts", ())))
    return DelimitedShards(files, kept, **reading)


@dataclass
class TableRows:
    """Conversion of pieces of a table to the arrays that are trained on.

    Args:
        encoder: of the inputs, with task and classes of the targets.
        weights: the column of row weights.
    """

    encoder: TableEncoder
    weights: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        others = () if self.weights is None else (self.weights,)
        return tuple(dict.fromkeys((*(c.name for c in self.encoder.inputs), *self.encoder.targets, *others)))

    def inputs(self, piece: Piece, unknown: bool = False) -> np.ndarray:
        """The inputs, NaN where a value is missing."""
        x = np.empty((piece.rows, len(self.encoder.features)), np.float32)
        slow = []
        for column, span in self.encoder.spans():
            values = piece.numbers(column.name) if column.kind == "number" else None
            if values is None:
                slow.append((column, span))
                continue
            with np.errstate(over="ignore"):
                x[:, span.start] = values
            if np.isinf(x[:, span.start]).any():
                column.parse(piece.table([column.name]))  # says where
        if slow:
            table = self.table(piece, [column.name for column, _ in slow])
            for column, span in slow:
                column.encode(table, x[:, span], unknown)
        return x

    def table(self, piece: Piece, names: Sequence[str]) -> Table:
        """Some columns of a piece, with what counts as missing."""
        table = piece.table(names)
        return table if self.encoder.na is None else replace(table, na=frozenset(self.encoder.na))

    def raw_targets(self, piece: Piece) -> tuple[np.ndarray | Texts, np.ndarray]:
        """The targets as they came, and the mask of those that are missing, one column for each."""
        names, task = self.encoder.targets, self.encoder.task
        columns = [piece.numbers(name) for name in names]
        by_number = task in ("regression", "multilabel") or all(map(is_whole, self.encoder.classes))
        if by_number and all(column is not None for column in columns):
            numbers = np.stack(columns, axis=1)  # pyright: ignore[reportArgumentType, reportCallIssue]
            missing = np.isnan(numbers) if numbers.dtype.kind == "f" else np.zeros(numbers.shape, bool)
            return (numbers[:, 0] if len(names) == 1 else numbers), missing
        table = self.table(piece, names)
        if len(names) == 1 and task != "regression":
            texts = Column(names[0], "category").parse(table)
            assert isinstance(texts, Texts)
            return texts, texts.missing[:, None]
        return target_values(table, names, task)

    def targets(self, values: np.ndarray | Texts) -> np.ndarray:
        """Targets as `Part` stores them; of rows without one, anything."""
        task, classes = self.encoder.task, self.encoder.classes
        target = Target(task, classes, classes if len(self.encoder.targets) == 1 else ())
        if isinstance(values, Texts):
            if not values.values:
                return np.zeros((len(values), 1), np.float32) if task == "binary" else np.zeros(len(values), np.int32)
            return target.encode(np.array(values.values, str))[values.codes]
        labels = np.array([int(name) for name in classes] if target.labels else [0])
        if values.dtype.kind == "f":
            blank = np.isnan(values) if values.ndim == 1 else np.isnan(values).all(axis=1)
            blank = blank.reshape(-1, *(1,) * (values.ndim - 1))
            values = np.where(blank, labels[0], values) if blank.any() else values
        if task == "regression":
            return np.ascontiguousarray(values.reshape(len(values), -1), np.float32)
        if not target.labels:
            return target.encode(values)
        numbers = np.searchsorted(labels, values).clip(0, len(labels) - 1).astype(np.int32)
        unknown = labels[numbers] != values
        if unknown.any():
            replace(target, labels=tuple(labels.tolist())).encode(values[unknown])  # says which is no class
        return numbers.astype(np.float32)[:, None] if task == "binary" else numbers

    def weights_of(self, piece: Piece) -> np.ndarray | None:
        """The weights of rows."""
        if self.weights is None:
            return None
        return weights_of(self.table(piece, [self.weights]), self.weights).astype(np.float32)

    def part(self, piece: Piece, unknown: bool = False) -> Part:
        """The rows as they are trained on, missing inputs filled in where they are."""
        x = self.inputs(piece, unknown)
        if np.isnan(x).any() and self.encoder.missing not in ("refuse", "drop"):
            x, _ = self.encoder.fill(x, np.isnan(x))
        if not self.encoder.targets:
            return Part(x, x, self.weights_of(piece))
        return Part(x, self.targets(self.raw_targets(piece)[0]), self.weights_of(piece))

    def checked(self, piece: Piece, unknown: bool = False) -> tuple[Part, int, int]:
        """New rows, none of which is left out, and how many had a missing value or an unknown category.

        Raises:
            DataError: a missing value that is not filled in, or a missing target; names the row.
        """
        x = self.inputs(piece, unknown)
        gaps = np.isnan(x)
        if gaps.any():
            x, _ = self.encoder.fill(x, gaps, piece.table([column.name for column in self.encoder.inputs]))
        strange = np.zeros(piece.rows, bool)
        for column, span in self.encoder.spans() if unknown else ():
            if column.kind == "category":
                strange |= ~x[:, span].any(axis=1)
        y = x
        if self.encoder.targets:
            values, absent = self.raw_targets(piece)
            missing = absent.all(axis=1)
            if missing.any():
                table = piece.table(self.encoder.targets)
                table.refuse(
                    self.encoder.targets[0], int(missing.argmax()), "no value", ", where the target is needed."
                )
            y = self.targets(values)
        return Part(x, y, self.weights_of(piece)), int(gaps.any(axis=1).sum()), int(strange.sum())


class TableSource(Source):
    """The rows of a table in blocks.

    Args:
        shards: its files.
        rows: their conversion.
        left_out: the rows of a block that are not used, packed bits by number of the block.
        unknown: take categories that the training did not see as none of those that it saw.
    """

    def __init__(
        self, shards: Shards, rows: TableRows, left_out: Mapping[int, np.ndarray] | None = None, unknown: bool = False
    ) -> None:
        self.shards, self.conversion, self.left_out, self.unknown = shards, rows, left_out or {}, unknown
        self.location = shards.files.location
        self.name = name_of(self.location)
        self.block_rows, self.block_bytes = shards.block_rows, shards.block_bytes
        self.fingerprint = shards.fingerprint

    def read(self, block: int, start: int = 0) -> Iterator[Part]:
        """Yield the rows of a block, some at a time."""
        for piece in self.shards.pieces(block, start, self.conversion.columns):
            yield self.conversion.part(piece, self.unknown)

    def used(self, block: int) -> np.ndarray | None:
        """Mask of the rows of a block that have all that is needed."""
        packed = self.left_out.get(block)
        return None if packed is None else np.unpackbits(packed, count=int(self.block_rows[block])) == 0


def is_streamed(source: Any) -> bool:
    """True for what is read while it is trained on without being told: a folder, or an address.

    Example:
        >>> is_streamed("s3://bucket/folder"), is_streamed("table.csv")
        (True, False)
    """
    return is_address(source) or (isinstance(source, (str, PathLike)) and os.path.isdir(source))


def name_of(location: str) -> str:
    """A short name for a file or folder."""
    last = location.rstrip("/").rsplit("/", 1)[-1]
    return last.split(".")[0] or last
