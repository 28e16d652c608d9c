"""Tables from data frames, dictionaries, arrays and lists of rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from pellucid.core.errors import DataError, ShapeError
from pellucid.core.interface import kind_option
from pellucid.data.encoding import dense, kind_of
from pellucid.data.table import Table, Texts, Values, arrow_functions, check_distinct, normal, text_of

NUMBERS = (Real, Decimal, np.bool_)
LARGEST_WHOLE = 2**53
"""Largest whole number of a column of numbers: beyond it, neighbours would be the same."""


def read_object(source: Any, texts: frozenset[str] = frozenset()) -> Table:
    """Read a table that is in memory.

    Args:
        source: a data frame, a dictionary of columns, a list of rows or an array.
        texts: columns that are read as texts whatever they hold.

    Raises:
        DataError: a source that is no table.
        ShapeError: columns of unlike length, or an array of other than two axes.
    """
    if isinstance(source, Mapping) and source and all(map(np.isscalar, source.values())):
        source = [source]  # one row
    if isinstance(source, Mapping):
        return of_columns(source.keys(), source.values(), "the dictionary", texts)
    if isinstance(source, np.ndarray):
        return of_array(source, texts)
    if hasattr(source, "toarray"):
        return of_array(dense(source, "the table"))
    if isinstance(source, (list, tuple)):
        if source and all(isinstance(row, Mapping) for row in source):
            return of_rows(source, "the list of rows", texts)
        raise DataError(f"a list of rows must hold at least one {{column: value}} table. Received: {source!r:.80}.")
    return _of_frame(source, texts)


def of_columns(names: Iterable[Any], columns: Iterable[Any], source: str, texts: frozenset[str] = frozenset()) -> Table:
    """The table of these columns; see `read_object`."""
    header = [normal(name) for name in names]
    if not header:
        raise DataError(f"{source} has no columns.")
    check_distinct(header, source)
    given = dict(zip(header, columns, strict=True))
    read = {name: _values(values, name, source, texts) for name, values in given.items()}
    lengths = {name: len(values) for name, values in read.items()}
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"the columns of {source} differ in length: {lengths}.")
    rows = next(iter(lengths.values()))
    if not rows:
        raise DataError(f"{source} has no rows.")
    whole = frozenset(name for name, values in given.items() if _are_whole(values))
    return Table("table", source, read, np.arange(rows), whole=whole)


def _are_whole(values: Any) -> bool:
    """True for integers, by the type of an array or of each value of a list."""
    import pyarrow as pa

    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return pa.types.is_integer(values.type)
    dtype = getattr(values, "dtype", None)
    if dtype is not None:
        return getattr(dtype, "kind", "") in ("i", "u")
    return all(value is None or (isinstance(value, Integral) and not isinstance(value, bool)) for value in values)


def of_rows(rows: Sequence[Any], source: str, texts: frozenset[str] = frozenset()) -> Table:
    """The table of rows ``{column: value}``; see `read_object`."""
    header = list(rows[0])
    for number, row in enumerate(rows):
        if set(row) != set(header):
            shown = (", ".join(map(str, names)) for names in (row, header))
            raise DataError("row {} has the columns {}; row 0 has {}.".format(number, *shown))
    return of_columns(header, ([row[name] for row in rows] for name in header), source, texts)


def of_array(array: np.ndarray, texts: frozenset[str] = frozenset()) -> Table:
    """The table of a structured array, or of one of two axes, whose columns are named "0", "1", …."""
    names = array.dtype.names
    if names:
        return of_columns(names, (array[name] for name in names), "the structured array", texts)
    if array.ndim != 2:
        raise ShapeError(f"a table is an array of two axes, rows × columns. Received shape {array.shape}.")
    return of_columns(
        range(array.shape[1]),
        array.T if isinstance(array, np.ma.MaskedArray) else np.asarray(array).T,
        "the array",
        texts,
    )


def of_arrow(table: Any, name: str, source: str, texts: frozenset[str] = frozenset()) -> Table:
    """The table of an Arrow table."""
    return replace(of_columns(table.column_names, table.columns, source, texts), name=name)


def _of_frame(frame: Any, texts: frozenset[str]) -> Table:
    import narwhals as nw

    source = "the data frame"
    try:
        data = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise DataError(
            "a table is a file, a data frame (pandas, Polars, PyArrow), a dictionary of columns, an array of two axes "
            f"or a list of rows. Received: {kind_of(frame)}."
        ) from error
    except nw.exceptions.NarwhalsError as error:
        raise DataError(f"{source} cannot be read: {error}") from error
    table = of_columns(data.columns, map(_arrow_or_list, data.iter_columns()), source, texts)
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


def _values(values: Any, name: str, source: str, texts: frozenset[str]) -> Values:
    """A column of whatever kind as numbers, times or texts."""
    import pyarrow as pa
    from pyarrow import types

    if isinstance(values, np.ma.MaskedArray):
        return _values(pa.array(values.data, mask=np.ma.getmaskarray(values)), name, source, texts)
    if not isinstance(values, (pa.Array, pa.ChunkedArray)):
        if isinstance(values, np.ndarray):
            values = _plain_array(values, name, source)
        elif hasattr(values, "to_arrow"):  # a Polars series
            return _values(values.to_arrow(), name, source, texts)
        if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
            raise DataError(f"column {name!r} of {source} is {kind_of(values)}, not a list or array of values.")
        try:
            values = pa.array(values, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return _of_mixed([None if _is_missing(value) else value for value in values], name, source)
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
        numbers: Any = _numbers(seconds)
        return numbers / 1e9
    if types.is_time(kind):
        return _texts(values.cast(pa.string()))
    if name in texts:
        return Texts.of(None if value is None else str(value) for value in values.to_pylist())
    held = (
        "a list" if types.is_list(kind) or types.is_large_list(kind) else "a table" if types.is_struct(kind) else kind
    )
    raise DataError(
        f"column {name!r} of {source} holds {held} in each row, where one number, text or time is needed. Spread it "
        f"over several columns, or leave it out with {kind_option(name, 'ignored')}."
    )


def _plain_array(array: np.ndarray, name: str, source: str) -> np.ndarray:
    """An array of one axis and of a type that PyArrow knows."""
    if array.ndim > 1:
        raise ShapeError(f"column {name!r} of {source} is an array of shape {array.shape}: one value a row is needed.")
    if array.dtype.kind in "mM":
        return array.astype(f"{array.dtype.kind}8[s]")
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "replace")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _of_mixed(values: Sequence[Any], name: str, source: str) -> Values:
    """Values of several types: numbers where all are, True and False among them as 1 and 0; else texts."""
    present = [value for value in values if value is not None]
    exact = all(not isinstance(value, Integral) or abs(int(value)) <= LARGEST_WHOLE for value in present)
    if exact and all(isinstance(value, NUMBERS) for value in present):
        return np.array([np.nan if value is None else float(value) for value in values])
    for row, value in enumerate(values):
        if value is not None and not isinstance(value, (*NUMBERS, str, date, time, timedelta)):
            raise DataError(
                f"column {name!r} of {source} holds {kind_of(value)} at row {row}, where one number, text or time is "
                f"needed: {value!r:.60}."
            )
    return Texts.of(None if value is None else text_of(value) for value in values)


def _local(values: Any) -> Any:
    import pyarrow as pa

    compute = arrow_functions()
    return compute.local_timestamp(values).cast(pa.timestamp("s"), safe=False)


def _numbers(values: Any) -> Values:
    import pyarrow as pa

    compute = arrow_functions()
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
    if isinstance(value, (float, Decimal, np.floating)):
        return bool(value != value)
    return value is None or type(value).__name__ in ("NaTType", "NAType")
