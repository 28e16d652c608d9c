"""Tables from files, data frames, dictionaries, arrays and lists of rows."""

import bz2
import gzip
import io
import json
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.errors import DataError, MissingExtra, ShapeError
from pellucid.data.delimited import read_delimited
from pellucid.data.encoding import kind_of
from pellucid.data.table import Table, Texts, Values, normal, text_of

MAGIC: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
    b"\x28\xb5\x2f\xfd": lambda content: _arrow_decompress(content, "zstd"),
    b"\x04\x22\x4d\x18": lambda content: _arrow_decompress(content, "lz4"),
}
"""First bytes of compressed files, and how they are unpacked."""
DAMAGED = (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""Errors of unpacking; a RuntimeError is an archive that needs a password."""
LARGEST_WHOLE = 2**53
"""Largest whole number of a column of numbers: beyond it, neighbours would be the same."""
LARGEST_DENSE = 1 << 31
"""Most bytes of a sparse matrix once it is dense."""


def read_table(
    source: Any,
    *,
    header: bool = True,
    names: Sequence[str] = (),
    na: Sequence[str] | None = None,
    encoding: str | None = None,
    texts: Sequence[str] = (),
) -> Table:
    """Read a table from whatever holds one.

    Args:
        source: the path of a file: separated values (compressed or not), JSON lines, Parquet, Arrow, ``.npy``, Excel; a
            data frame (pandas, Polars, PyArrow, …); a dictionary of columns; a list of ``{column: value}``; a
            structured, masked, sparse or plain array of two axes, whose columns are named "0", "1", ….
        header: True if the first line of separated values holds the names of the columns.
        names: of the columns, where the source has none.
        na: cells that count as missing, besides empty ones; None for the usual ones.
        encoding: of the characters of a file; found out if None.
        texts: columns that are read as they are written, digits or not.

    Raises:
        DataError: a source that is no table; names the line.
        MissingExtra: an Excel file without the package that reads it.
    """
    if isinstance(source, Table):
        return source
    markers = None if na is None else frozenset({"", *(str(text).strip().lower() for text in na)})
    if isinstance(source, (str, os.PathLike)):
        table = _read_file(Path(source), header, names, markers, encoding, frozenset(map(normal, texts)))
    else:
        table = _read_object(source)
        if names:
            table = _renamed(table, names)
    return replace(table, na=markers)


def _renamed(table: Table, names: Sequence[str]) -> Table:
    if len(names) != len(table.columns):
        raise DataError(f"{len(names)} names for the {len(table.columns)} columns of {table.source}.")
    return replace(table, columns=dict(zip(map(normal, names), table.columns.values(), strict=True)))


# ---- Files ----


def _read_file(
    path: Path,
    header: bool,
    names: Sequence[str],
    na: frozenset[str] | None,
    encoding: str | None,
    texts: frozenset[str],
) -> Table:
    source = repr(str(path))
    try:
        with open(path, "rb") as file:
            start = file.read(8)
        content: bytes | Path = path
        if unpack := next((unpack for magic, unpack in MAGIC.items() if start.startswith(magic)), None):
            content = unpack(path.read_bytes())
            start = content[:8]
        elif start.startswith(b"PK\x03\x04") and not _is_excel(path):
            content = _only_member(path)
            start = content[:8]
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {source}: {reason}.") from error
    name = path.name.split(".")[0] or path.name
    if start.startswith(b"PAR1"):
        return _read_parquet(content, name, source)
    if start.startswith(b"ARROW1"):
        return _read_arrow(content, name, source)
    if start.startswith(b"\x93NUMPY"):
        return _read_npy(content, name, source)
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return _read_excel(path, name, source, header, names)
    first = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"{" or (first == b"[" and path.suffixes and ".json" in "".join(path.suffixes)):
        return _read_json(content, name, source, first == b"[")
    options: dict[str, Any] = {"header": header, "names": names, "na": na, "encoding": encoding, "texts": texts}
    return read_delimited(content, name, source, **options)


def _arrow_decompress(content: bytes, codec: str) -> bytes:
    import pyarrow

    return pyarrow.CompressedInputStream(pyarrow.BufferReader(content), codec).read()


def _only_member(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(members) != 1:
            raise DataError(
                f"{str(path)!r} is an archive of {len(members)} files ({', '.join(members[:5])}). Unpack it, and give "
                "one of them."
            )
        return archive.read(members[0])


def _is_excel(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _as_stream(content: bytes | Path) -> Any:
    import pyarrow

    return str(content) if isinstance(content, Path) else pyarrow.BufferReader(content)


def _read_parquet(content: bytes | Path, name: str, source: str) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        return _of_arrow(pyarrow.parquet.read_table(_as_stream(content)), name, source)
    except pyarrow.ArrowException as error:
        raise DataError(f"{source} is not a Parquet file: {error}.") from error


def _read_arrow(content: bytes | Path, name: str, source: str) -> Table:
    import pyarrow
    import pyarrow.feather

    try:
        return _of_arrow(pyarrow.feather.read_table(_as_stream(content)), name, source)
    except pyarrow.ArrowException as error:
        raise DataError(f"{source} is not an Arrow file: {error}.") from error


def _read_npy(content: bytes | Path, name: str, source: str) -> Table:
    try:
        array = np.load(content if isinstance(content, Path) else io.BytesIO(content), allow_pickle=False)
    except ValueError as error:
        raise DataError(f"{source} cannot be read: {error}.") from error
    return replace(_of_array(array), name=name, source=source)


def _read_excel(path: Path, name: str, source: str, header: bool, names: Sequence[str]) -> Table:
    try:
        import fastexcel
    except ImportError as error:
        raise MissingExtra("fastexcel", "excel", "Reading Excel files") from error
    try:
        book = fastexcel.read_excel(path)
        options: dict[str, Any] = {} if header and not names else {"header_row": None}
        sheet = book.load_sheet(0, **options).to_arrow()
    except fastexcel.FastExcelError as error:
        raise DataError(f"{source} is not an Excel file that can be read: {error}.") from error
    table = _of_arrow(sheet, name, source)
    if names or not header:
        table = _renamed(table, names or [f"column_{i + 1}" for i in range(len(table.columns))])
    others = book.sheet_names[1:]
    note = f"the first sheet, {book.sheet_names[0]!r}, is read, not {', '.join(map(repr, others))}"
    named = header and not names
    return replace(table, notes=(note,) if others else (), line_of=lambda row: row + 1 + named, named=named)


def _read_json(content: bytes | Path, name: str, source: str, whole: bool) -> Table:
    import pyarrow
    import pyarrow.json

    text = content.read_bytes() if isinstance(content, Path) else content
    try:
        if whole or b"\n" not in text.strip():
            rows = json.loads(text)
            rows = rows if isinstance(rows, list) else [rows]
            return replace(_of_rows(rows, source), name=name, source=source)
        options = pyarrow.json.ParseOptions(explicit_schema=None, newlines_in_values=False)
        table = pyarrow.json.read_json(pyarrow.BufferReader(text), parse_options=options)
    except (pyarrow.ArrowException, json.JSONDecodeError, UnicodeDecodeError) as error:
        rows = []
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except (json.JSONDecodeError, UnicodeDecodeError) as wrong:
                    if number == 1:
                        raise DataError(f"{source} is not JSON: {wrong}.") from error
                    raise DataError(f"line {number} of {source} is not JSON: {wrong}.") from error
        return replace(_of_rows(rows, source), name=name, source=source)  # values of several kinds in a column
    starts = [number for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    return replace(_of_arrow(table, name, source), line_of=lambda row: starts[row])


# ---- Objects ----


def _read_object(source: Any) -> Table:
    if isinstance(source, Mapping):
        return _of_columns({normal(name): values for name, values in source.items()}, "the dictionary")
    if isinstance(source, np.ndarray):
        return _of_array(source)
    if hasattr(source, "toarray"):
        return _of_array(dense(source, "the table"))
    if isinstance(source, (list, tuple)):
        if source and all(isinstance(row, Mapping) for row in source):
            return _of_rows(source, "the list of rows")
        raise DataError(f"a list of rows must hold at least one {{column: value}} table. Received: {source!r:.80}.")
    return _of_frame(source)


def dense(matrix: Any, name: str) -> np.ndarray:
    """A sparse matrix as an array.

    Raises:
        DataError: a matrix that would take more than `LARGEST_DENSE` bytes.
    """
    rows, columns = matrix.shape
    if rows * columns * 8 > LARGEST_DENSE:
        raise DataError(
            f"{name} is a sparse matrix ({type(matrix).__name__}) of {rows:,} × {columns:,}, which would take "
            f"{rows * columns * 8 / 2**30:.1f} GiB as an array. Reduce its columns first, such as by "
            "sklearn.decomposition.TruncatedSVD."
        )
    return np.asarray(matrix.toarray())


def _of_columns(columns: Mapping[str, Any], source: str) -> Table:
    if not columns:
        raise DataError(f"{source} has no columns.")
    _check_distinct(list(columns), source)
    read = {name: _values(values, name, source) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in read.items()}
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"the columns of {source} differ in length: {lengths}.")
    rows = next(iter(lengths.values()))
    if not rows:
        raise DataError(f"{source} has no rows.")
    return Table("table", source, read, np.arange(rows))


def _of_rows(rows: Sequence[Any], source: str) -> Table:
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        raise DataError(f"{source} must hold rows of named values. Received: {rows!r:.80}.")
    header = [normal(name) for name in rows[0]]
    for number, row in enumerate(rows):
        if {normal(name) for name in row} != set(header):
            raise DataError(f"row {number} has the columns {', '.join(map(str, row))}; row 0 has {', '.join(header)}.")
    named = [{normal(name): value for name, value in row.items()} for row in rows]
    return _of_columns({name: [row[name] for row in named] for name in header}, source)


def _of_array(array: np.ndarray) -> Table:
    source = "the array"
    if array.dtype.names:
        return _of_columns({normal(name): array[name] for name in array.dtype.names}, "the structured array")
    if array.ndim != 2:
        raise ShapeError(f"a table is an array of two axes, rows × columns. Received shape {array.shape}.")
    return _of_columns({str(i): array[:, i] for i in range(array.shape[1])}, source)


def _of_frame(frame: Any) -> Table:
    import narwhals as nw

    source = "the data frame"
    try:
        data = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise DataError(
            "a table is a file, a data frame (pandas, Polars, PyArrow), a dictionary of columns, an array of two axes or "
            f"a list of rows. Received: {kind_of(frame)}."
        ) from error
    except nw.exceptions.NarwhalsError as error:
        raise DataError(f"{source} cannot be read: {error}") from error
    names = [normal(column) for column in data.columns]
    _check_distinct(names, source)
    columns = dict(zip(names, data.iter_columns(), strict=True))
    table = _of_columns({name: _arrow_or_list(series) for name, series in columns.items()}, source)
    index = nw.maybe_get_index(data)
    if index is None or (getattr(index, "dtype", None) == np.int64 and (np.asarray(index) == table.numbers).all()):
        return table
    return replace(table, labels=list(index))


def _arrow_or_list(series: Any) -> Any:
    import pyarrow

    try:
        return series.to_arrow()
    except (pyarrow.ArrowException, TypeError, OverflowError):
        return series.to_list()


def _of_arrow(table: Any, name: str, source: str) -> Table:
    columns = {normal(column): table.column(i) for i, column in enumerate(table.column_names)}
    if len(columns) != len(table.column_names):
        _check_distinct([normal(column) for column in table.column_names], source)
    return replace(_of_columns(columns, source), name=name)


def _check_distinct(names: Sequence[str], source: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            first = list(names).index(name)
            raise DataError(
                f"{source} has two columns named {name!r} (columns {first + 1} and {index + 1}). Rename one of them."
            )


def _values(values: Any, name: str, source: str) -> Values:
    """A column of whatever kind as numbers, times or texts."""
    import pyarrow as pa
    from pyarrow import types

    if isinstance(values, np.ma.MaskedArray):
        return _values(pa.array(values.data, mask=np.ma.getmaskarray(values)), name, source)
    if not isinstance(values, (pa.Array, pa.ChunkedArray)):
        array = values if isinstance(values, np.ndarray) else None
        if array is not None and array.ndim > 1:
            raise ShapeError(f"column {name!r} of {source} is an array of shape {array.shape}: one value a row is needed.")
        if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
            raise DataError(f"column {name!r} of {source} is {kind_of(values)}, not a list or array of values.")
        try:
            values = pa.array(values, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return _of_mixed([None if _is_missing(value) else value for value in values])
    kind = values.type
    if types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if types.is_null(kind):
        return Texts((), np.full(len(values), -1, np.int32))
    if types.is_boolean(kind) or types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return _texts(values.cast(pa.string()) if not types.is_boolean(kind) else values)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return _numbers(values)
    if types.is_timestamp(kind) or types.is_date(kind):
        plain = values.cast(pa.timestamp("s"), safe=False) if not getattr(kind, "tz", None) else _local(values)
        return plain.to_numpy(zero_copy_only=False) if isinstance(plain, pa.Array) else plain.to_numpy()
    if types.is_duration(kind):
        seconds = values.cast(pa.duration("ns"), safe=False).cast(pa.int64())
        return _numbers(seconds) / 1e9
    if types.is_time(kind):
        return _texts(values.cast(pa.string()))
    raise DataError(
        f"column {name!r} of {source} holds {kind}: one number, text or time in each row is needed. Leave it out, or "
        "spread it over several columns."
    )


def _of_mixed(values: Sequence[Any]) -> Values:
    """Values of several types: numbers where all are, True and False among them as 1 and 0; else texts."""
    present = [value for value in values if value is not None]
    exact = all(not isinstance(value, int) or abs(value) <= LARGEST_WHOLE for value in present)
    if exact and all(isinstance(value, (Real, Decimal, np.bool_)) for value in present):
        return np.array([np.nan if value is None else float(value) for value in values])
    return Texts.of(None if value is None else text_of(value) for value in values)


def _local(values: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    return compute.local_timestamp(values).cast(pa.timestamp("s"), safe=False)


def _numbers(values: Any) -> Values:
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_integer(values.type):
        largest = compute.max(compute.abs(values.cast(pa.float64(), safe=False))).as_py()
        if largest is not None and largest > LARGEST_WHOLE:
            return Texts.of(None if value is None else str(value) for value in values.to_pylist())
    numbers = values.cast(pa.float64(), safe=False)
    return numbers.to_numpy(zero_copy_only=False) if isinstance(numbers, pa.Array) else numbers.to_numpy()


def _texts(values: Any) -> Texts:
    import pyarrow as pa

    whole = values.dictionary_encode()
    whole = whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
    whole = whole.unify_dictionaries().chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    codes = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    distinct = [text_of(value).strip() for value in whole.dictionary.to_pylist()]
    if len(set(distinct)) < len(distinct):  # blanks around them were all that they differed by
        return Texts.of(None if code < 0 else distinct[code] for code in codes.tolist())
    return Texts(tuple(distinct), codes).missing_where({""})


def _is_missing(value: Any) -> bool:
    return value is None or value != value or str(value) in ("NaT", "<NA>")


# ---- Pairs of texts ----


def read_pairs(path: str | os.PathLike[str] | None, default: str, form: str, origin: str) -> list[tuple[str, str]]:
    """Read lines of two texts with a TAB between them.

    Of a zip file the first member is read. ``form`` and ``origin`` are for error messages.
    """
    path = pairs_path(path, default)
    try:
        content = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content = archive.read(next(name for name in archive.namelist() if name[0] != "_"))
        lines = content.decode("utf-8").removesuffix("\n").split("\n")  # a text may hold Unicode's other line ends
    except (OSError, StopIteration, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"cannot read {str(path)!r}: {error}. Download {origin}, and give its path, or put it at {default} in the "
            "folder that the environment variable PELLUCID_DATA names."
        ) from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        left, tab, right = line.partition("\t")
        if not tab or not left:
            raise DataError(f"line {number} of {str(path)!r} is not '{form}': {line[:60]!r}.")
        pairs.append((left, right))
    return pairs


def pairs_path(path: str | os.PathLike[str] | None, default: str) -> Path:
    """The given path, else ``default`` in the folder that ``PELLUCID_DATA`` names."""
    return Path(os.environ.get("PELLUCID_DATA", "."), default) if path is None else Path(path)
