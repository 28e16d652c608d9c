"""The row groups of Parquet files."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.data.shards import PIECE_ROWS, ArrowPiece, Files, Piece, Shards
from pellucid.data.table import check_distinct, normal

BUFFER_BYTES = 2**18
"""Bytes that are read at a time of each column of a row group …"""
PAGE_BYTES = 2**20
"""… and those that a page of it usually takes once it is unpacked."""


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
            names = [normal(name) for name in metadata.schema.to_arrow_schema().names]
            if number == 0:
                check_distinct(names, files.name(0))
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
                raise DataError(
                    f"{self.files.name(number)} is not a Parquet file: {str(error).rstrip('.')}."
                ) from error

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
                written = {normal(name): name for name in parquet.schema_arrow.names}
                chosen = [written[name] for name in (self.columns if columns is None else columns)]
                for batch in parquet.iter_batches(PIECE_ROWS, row_groups=[group], columns=chosen):
                    skipped = min(max(start - position, 0), batch.num_rows)
                    position += batch.num_rows
                    if skipped < batch.num_rows:
                        table = pyarrow.Table.from_batches([batch.slice(skipped)])
                        table = table.rename_columns(list(map(normal, table.column_names)))
                        first = before + position - table.num_rows
                        yield ArrowPiece(table, source, first, self.texts)
            except (pyarrow.ArrowException, OSError) as error:
                raise DataError(f"row group {group} of {source} cannot be read: {error}.") from error

    def joined(self, pieces: list[Piece]) -> list[Piece]:
        import pyarrow

        tables = [piece.content for piece in pieces if isinstance(piece, ArrowPiece)]
        if not tables:
            return []
        try:
            joined = pyarrow.concat_tables(tables, promote_options="permissive").combine_chunks()
        except pyarrow.ArrowException as error:
            raise DataError(f"the files of {self.files.location!r} hold a column in several types: {error}.") from error
        return [ArrowPiece(joined, repr(self.files.location), 0, self.texts)]
