"""Arrow streams in and out. What comes in is not trusted: it is checked before its values are touched."""

import struct
from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.data.table import arrow_functions
from pellucid.serving.limits import Limits, Refused

STREAM = "application/vnd.apache.arrow.stream"
LARGER = 8
"""A column may take so many times the bytes of a body once its dictionary is written out."""


def is_arrow(given: Any) -> bool:
    """True for an Arrow table."""
    import pyarrow as pa

    return isinstance(given, pa.Table)


def read_stream(body: bytes, limits: Limits) -> Any:
    """Read the table of an Arrow IPC stream.

    Args:
        body: the stream.
        limits: of the server.

    Raises:
        Refused: no such stream, compressed buffers, more rows than the limit, or a type that may be larger in memory
            than it is in the body.
    """
    import pyarrow as pa

    try:
        for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(body)):
            if message.type in ("record batch", "dictionary") and _is_compressed(message.metadata.to_pybytes()):
                raise Refused(415, "the Arrow stream is compressed. Write it without compression.")
        batches, rows = [], 0
        with pa.ipc.open_stream(pa.BufferReader(body)) as stream:
            _check_types(stream.schema)
            for batch in stream:
                rows += batch.num_rows
                limits.check_rows(rows)
                batch.validate(full=True)
                _check_dictionaries(batch, limits)
                batches.append(batch)
            return pa.Table.from_batches(batches, stream.schema)
    except (pa.ArrowException, OSError, EOFError, struct.error) as error:
        raise Refused(400, f"the body is not an Arrow stream: {str(error).splitlines()[0]}") from error


def _check_types(schema: Any) -> None:
    from pyarrow import types

    def plain(kind: Any) -> bool:
        if types.is_dictionary(kind):
            return types.is_string(kind.value_type) or types.is_large_string(kind.value_type)
        if types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind):
            return plain(kind.value_type) and not types.is_dictionary(kind.value_type)
        return (
            types.is_null(kind)
            or types.is_boolean(kind)
            or types.is_integer(kind)
            or types.is_floating(kind)
            or types.is_decimal(kind)
            or types.is_string(kind)
            or types.is_large_string(kind)
            or types.is_temporal(kind)
        )

    for field in schema:
        kind = getattr(field.type, "storage_type", field.type)
        if not plain(kind):
            raise DataError(
                f"column {field.name!r} of the request is of type {field.type}: cast it to numbers or texts."
            )


def _check_dictionaries(batch: Any, limits: Limits) -> None:
    """Refuse a dictionary of long texts that many rows refer to."""
    import pyarrow as pa

    compute = arrow_functions()
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_dictionary(column.type) and len(column.dictionary):
            longest = compute.max(compute.binary_length(column.dictionary)).as_py() or 0
            if longest * len(column) > LARGER * limits.max_bytes:
                raise Refused(413, f"column {name!r} would be too large with its dictionary written out.")


def _is_compressed(metadata: bytes) -> bool:
    """Whether a record batch, or that of a dictionary, says that its buffers are compressed (Arrow's Message.fbs)."""

    def field(table: int, number: int) -> int | None:
        """Where a field of a table is stored; None where it is left out."""
        vtable = table - struct.unpack_from("<i", metadata, table)[0]
        (size,) = struct.unpack_from("<H", metadata, vtable)
        if 4 + 2 * number >= size:
            return None
        (offset,) = struct.unpack_from("<H", metadata, vtable + 4 + 2 * number)
        return table + offset if offset else None

    def table_at(place: int | None) -> int:
        if place is None:
            raise struct.error("a message without a header")
        return place + struct.unpack_from("<I", metadata, place)[0]

    message = table_at(0)
    kind, header = field(message, 1), table_at(field(message, 2))
    if kind is not None and metadata[kind] == 2:  # DictionaryBatch: its data is a RecordBatch
        header = table_at(field(header, 1))
    return field(header, 3) is not None


def array_of(table: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The examples of a table: of one column of lists, or of one column for each number.

    Args:
        table: an Arrow table.
        shape: of one example.

    Raises:
        DataError: columns of anything but numbers, or lists of another length.
    """
    import pyarrow as pa

    columns = [column.combine_chunks() for column in table.columns]
    columns = [getattr(column, "storage", column) for column in columns]
    if len(columns) == 1 and not _is_number(columns[0].type):
        (values,) = columns
        while (
            pa.types.is_fixed_size_list(values.type)
            or pa.types.is_list(values.type)
            or pa.types.is_large_list(values.type)
        ):
            values = values.flatten()
        columns = [values]
    for name, column in zip(table.column_names, columns, strict=True):
        if not _is_number(column.type):
            raise DataError(f"column {name!r} of the request holds {column.type}, where numbers are needed.")
    arrays = [column.to_numpy(zero_copy_only=False) for column in columns]
    numbers = arrays[0] if len(arrays) == 1 else np.column_stack(arrays) if arrays else np.zeros(0)
    size = table.num_rows * int(np.prod(shape))
    if numbers.size != size:
        raise DataError(
            f"the request holds {numbers.size:,} numbers in {table.num_rows:,} rows, where an example is of shape "
            f"({', '.join(map(str, shape))})."
        )
    return numbers.reshape(table.num_rows, *shape)


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)


def write_stream(columns: dict[str, Any]) -> bytes:
    """The Arrow IPC stream of columns of one row each; arrays of several axes become lists."""
    import pyarrow as pa

    table = pa.table({name: _column(values) for name, values in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _column(values: Any) -> Any:
    import pyarrow as pa

    if not isinstance(values, np.ndarray) or values.dtype.kind == "O":
        return pa.array(list(values))
    column = pa.array(values.reshape(-1).tolist() if values.dtype.kind == "U" else values.reshape(-1))
    for size in reversed(values.shape[1:]):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return column
