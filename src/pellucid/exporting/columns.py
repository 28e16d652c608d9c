"""Columns of a table as inputs of a graph, and their encoding by its operators."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.data.columns import Column
from pellucid.data.dates import PARTS
from pellucid.data.groups import GroupsEncoder
from pellucid.data.tables import TableEncoder
from pellucid.exporting.graph import Graph, Value
from pellucid.exporting.rules import translate
from pellucid.exporting.translation import opened

DAY = 24 * 3600
MISSING_TIME = np.iinfo(np.int64).min
"""A missing time: NumPy's NaT as a whole number."""
EPOCH = 10957
"""Days from 1970-01-01 to 2000-01-01, from which the days of a date are counted."""


def network_inputs(graph: Graph, encoder: TableEncoder | GroupsEncoder, batch: Any) -> list[Value]:
    """Add an input for each column, shape (batch, 1), and encode them as the arrays that the network reads.

    A missing value is NaN, an empty text, or of times ``MISSING_TIME``; it is filled in as in the training. Where that
    is refused, and for a category that the training did not see, the encoded numbers are NaN.

    Raises:
        InvalidValue: a column of texts, whose words no operator of ONNX divides as pellucid does.
    """
    groups = encoder.groups.values() if isinstance(encoder, GroupsEncoder) else (encoder,)
    known: dict[str, Value] = {}
    arrays = []
    for group in groups:
        parts = []
        for column in group.inputs:
            if column.name not in known:
                known[column.name] = graph.input(column.name, (batch, 1), dtype_of(column))
            with graph.within(column.name):
                parts.append(_encoded(graph, column, known[column.name]))
        shape = (batch, len(group.features))
        arrays.append(
            parts[0] if len(parts) == 1 else graph.op("Concat", *parts, shape=shape, dtype=np.float32, axis=1)
        )
    return arrays


def dtype_of(column: Column) -> np.dtype:
    """The type of a column as an input.

    Raises:
        InvalidValue: a column of texts.
    """
    if column.kind == "text":
        raise InvalidValue(
            f"column {column.name!r} is text, whose words no operator of ONNX divides as pellucid does. Export the "
            "network alone (preprocessing=False), and encode rows by run.as_inputs(rows) before it."
        )
    return np.dtype({"number": np.float32, "category": np.str_, "date": np.int64}[column.kind])


def _encoded(graph: Graph, column: Column, x: Value) -> Value:
    if column.kind == "category":
        return _category(graph, column, x)
    if column.kind == "date":
        features = _traced(graph, lambda times: calendar(times, column.categories), x)
        missing = _equal(graph, x, np.full((1, 1), MISSING_TIME))
        fill = np.full((1, len(column.features)), np.nan) if column.fill is None else np.array([column.fill])
        fill = graph.constant(fill.astype(np.float32))
        return graph.op("Where", missing, fill, features, shape=features.shape, dtype=np.float32)
    if column.fill is None:
        return x
    missing = graph.op("IsNaN", x, shape=x.shape, dtype=bool)
    return graph.op(
        "Where", missing, graph.constant(np.array([[column.fill]], np.float32)), x, shape=x.shape, dtype=np.float32
    )


def _category(graph: Graph, column: Column, x: Value) -> Value:
    shape = (x.shape[0], len(column.categories))
    hot = _equal(graph, x, np.array([column.categories], object))
    numbers = graph.cast(hot, np.float32)
    if column.fill is not None:
        usual = np.array([[category == column.fill for category in column.categories]], np.float32)
        missing = _equal(graph, x, np.array([[""]], object))
        numbers = graph.op("Where", missing, graph.constant(usual), numbers, shape=shape, dtype=np.float32)
    axes = graph.constant(np.array([1], np.int64))
    seen = graph.op("ReduceMax", numbers, axes, shape=x.shape, dtype=np.float32, keepdims=1)
    seen = graph.cast(seen, bool)
    nothing = graph.constant(np.array([[np.nan]], np.float32))
    return graph.op("Where", seen, numbers, nothing, shape=shape, dtype=np.float32)


def _equal(graph: Graph, x: Value, values: np.ndarray) -> Value:
    return graph.op("Equal", x, graph.constant(values), shape=(x.shape[0], values.shape[1]), dtype=bool)


def _traced(graph: Graph, function: Any, x: Value) -> Value:
    with jax.enable_x64(True):
        traced = jax.make_jaxpr(function)(jax.ShapeDtypeStruct(x.shape, x.dtype))
        return translate(graph, *opened(traced), [x])[0]


def calendar(times: Any, parts: tuple[str, ...]) -> Any:
    """The calendar features of seconds since 1970-01-01, as `pellucid.data.dates.calendar` computes them.

    Args:
        times: (rows, 1), int64.
        parts: of `PARTS`.
    """
    assert set(parts) <= set(PARTS)
    days, seconds = jnp.floor_divide(times, DAY), jnp.mod(times, DAY)
    day = seconds.astype(jnp.float64) / DAY
    turns = {
        "day of year": _day_of_year(days).astype(jnp.float64) / 365.25,
        "weekday": jnp.mod(days + 3, 7).astype(jnp.float64) / 7,  # 1970-01-01 was a Thursday
        "hour": day,
    }
    features = []
    for part in parts:
        if part == "days":
            features.append((days - EPOCH).astype(jnp.float64) + day)
        else:
            angle = 2 * np.pi * turns[part]
            features += [jnp.sin(angle), jnp.cos(angle)]
    return jnp.concatenate(features, axis=1).astype(jnp.float32)


def _day_of_year(days: Any) -> Any:
    # Days of the Gregorian calendar in cycles of 400 years that begin on the 1st of March of the year 0 (Howard
    # Hinnant, chrono-compatible low-level date algorithms, 2013).
    shifted = days + 719468
    cycle = jnp.floor_divide(shifted, 146097)
    of_cycle = shifted - 146097 * cycle
    year = (of_cycle - of_cycle // 1460 + of_cycle // 36524 - of_cycle // 146096) // 365
    since_march = of_cycle - (365 * year + year // 4 - year // 100)
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    # January and February are the end of the year that began in the March before.
    after = since_march >= 306
    return jnp.where(after, since_march - 306, since_march + 59 + leap.astype(since_march.dtype))
