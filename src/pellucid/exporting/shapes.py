"""Translations of the primitives that move numbers: shapes, parts, lookups."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.exporting.graph import Graph, Value
from pellucid.exporting.translation import result, results_of, reversed_axes, rule


@rule("broadcast_in_dim")
def _broadcast(graph: Graph, equation: Any, x: Value, *sizes: Value) -> Value:
    shape, axes = tuple(equation.params["shape"]), equation.params["broadcast_dimensions"]
    source = x if x.narrow is None else x.narrow
    own = [1] * len(shape)
    for axis, size in zip(axes[len(axes) - len(source.shape) :], source.shape, strict=True):
        own[axis] = size
    if tuple(own) == shape:
        return graph.reshape(source, shape)
    while len(own) > len(source.shape) and str(own[0]) == "1":
        own.pop(0)  # operators align axes from the last
    return Value(graph, "", shape, x.dtype, narrow=graph.reshape(source, own))


@rule("reshape", "squeeze", "expand_dims")
def _reshape(graph: Graph, equation: Any, x: Value) -> Value:
    return graph.reshape(x, result(equation)["shape"])


@rule("transpose")
def _transpose(graph: Graph, equation: Any, x: Value) -> Value:
    return graph.transpose(x, equation.params["permutation"])


@rule("rev")
def _reverse(graph: Graph, equation: Any, x: Value) -> Value:
    return reversed_axes(graph, x, equation.params["dimensions"])


@rule("concatenate")
def _concatenate(graph: Graph, equation: Any, *parts: Value) -> Value:
    return graph.op("Concat", *parts, **result(equation), axis=equation.params["dimension"])


@rule("stack")
def _stack(graph: Graph, equation: Any, *parts: Value) -> Value:
    axis = equation.params["axis"]
    apart = [graph.reshape(part, (*part.shape[:axis], 1, *part.shape[axis:])) for part in parts]
    return graph.op("Concat", *apart, **result(equation), axis=axis)


@rule("split")
def _split(graph: Graph, equation: Any, x: Value) -> list[Value]:
    sizes, axis = graph.sizes(equation.params["sizes"]), equation.params["axis"]
    return graph.several("Split", x, sizes, results=results_of(equation), axis=axis)


@rule("slice")
def _slice(graph: Graph, equation: Any, x: Value) -> Value:
    starts, ends = equation.params["start_indices"], equation.params["limit_indices"]
    return graph.slice(x, starts, ends, equation.params["strides"] or (1,) * len(starts), result(equation)["shape"])


@rule("pad")
def _pad(graph: Graph, equation: Any, x: Value, value: Value) -> Value:
    before, after, between = zip(*equation.params["padding_config"], strict=True)
    if any(size != 0 for size in between):
        raise InvalidValue("padding between the numbers of an array has no translation to ONNX.")
    return graph.op("Pad", x, graph.sizes((*before, *after)), value, **result(equation), mode="constant")


@rule("iota")
def _count(graph: Graph, equation: Any, *sizes: Value) -> Value:
    out = result(equation)
    shape, axis = out["shape"], equation.params["dimension"]
    limit = graph.reshape(graph.size(shape[axis]), ())
    zero, one = (graph.constant(np.array(number, np.int64)) for number in (0, 1))
    numbers = graph.root.op("Range", zero, limit, one, shape=(shape[axis],), dtype=np.int64)
    narrow = graph.reshape(
        graph.cast(numbers, out["dtype"]), [shape[axis] if i == axis else 1 for i in range(len(shape))]
    )
    return narrow if len(shape) == 1 else Value(graph, "", tuple(shape), np.dtype(out["dtype"]), narrow=narrow)


@rule("dim_as_value")
def _dimension(graph: Graph, equation: Any) -> Value:
    return graph.cast(graph.reshape(graph.size(equation.params["dim"]), ()), result(equation)["dtype"])


@rule("dynamic_slice")
def _moving_slice(graph: Graph, equation: Any, x: Value, *starts: Value) -> Value:
    out = result(equation)
    begin, sizes = _starts(graph, x, starts, equation.params["slice_sizes"]), graph.sizes(out["shape"])
    end = graph.op("Add", begin, sizes, shape=begin.shape, dtype=np.int64)
    return graph.op("Slice", x, begin, end, **out)


@rule("dynamic_update_slice")
def _moving_update(graph: Graph, equation: Any, x: Value, update: Value, *starts: Value) -> Value:
    begin = _starts(graph, x, starts, update.shape)
    changed = [axis for axis, size in enumerate(update.shape) if str(size) != str(x.shape[axis])]
    if len(changed) != 1:
        raise InvalidValue("replacing a block along several axes at a computed index has no translation to ONNX.")
    (axis,) = changed
    # The rows along the axis are replaced by their numbers.
    order = (axis, *(i for i in range(len(x.shape)) if i != axis))
    own = graph.slice(begin, (axis,), (axis + 1,), (1,), (1,))
    size = graph.reshape(graph.size(update.shape[axis]), ())
    zero, one = (graph.constant(np.array(number, np.int64)) for number in (0, 1))
    offsets = graph.op("Range", zero, size, one, shape=(update.shape[axis],), dtype=np.int64)
    rows = graph.op("Add", offsets, own, shape=(update.shape[axis],), dtype=np.int64)
    moved = graph.transpose(x, order)
    rows = graph.reshape(rows, (update.shape[axis], 1))
    replaced = graph.op("ScatterND", moved, rows, graph.transpose(update, order), shape=moved.shape, dtype=x.dtype)
    return graph.transpose(replaced, np.argsort(order))


def _starts(graph: Graph, x: Value, starts: Sequence[Value], sizes: Sequence[Any]) -> Value:
    """The begin of a block as a vector, moved so that the block lies inside, as JAX does."""
    vectors = [graph.reshape(graph.cast(start, np.int64), (1,)) for start in starts]
    shape = (len(vectors),)
    begin = vectors[0] if len(vectors) == 1 else graph.op("Concat", *vectors, shape=shape, dtype=np.int64, axis=0)
    room = graph.sizes([size - own for size, own in zip(x.shape, sizes, strict=True)])
    zero = graph.constant(np.zeros(1, np.int64))
    begin = graph.op("Max", begin, zero, shape=shape, dtype=np.int64)
    return graph.op("Min", begin, room, shape=shape, dtype=np.int64)


@rule("gather")
def _gather(graph: Graph, equation: Any, x: Value, indices: Value) -> Value:
    """One block, or looking up along some axes, of which each index takes one place."""
    numbers, sizes, out = equation.params["dimension_numbers"], equation.params["slice_sizes"], result(equation)
    axes = numbers.start_index_map
    if len(indices.shape) == 1 and not numbers.operand_batching_dims:
        return _block(graph, x, graph.cast(indices, np.int64), axes, sizes, out["shape"])
    whole = all((size == 1 if axis in axes else str(size) == str(x.shape[axis])) for axis, size in enumerate(sizes))
    if numbers.operand_batching_dims or not whole or set(numbers.collapsed_slice_dims) != set(axes):
        raise InvalidValue("this kind of lookup (gather) has no translation to ONNX. Take jnp.take along one axis.")
    indices = graph.cast(indices, np.int64)
    rest = [axis for axis in range(len(x.shape)) if axis not in axes]
    places = [("place", axis) for axis in range(len(indices.shape) - 1)]
    if len(axes) == 1:
        (axis,) = axes
        of_places = graph.reshape(indices, indices.shape[:-1])
        shape = (*x.shape[:axis], *of_places.shape, *x.shape[axis + 1 :])
        values = graph.op("Gather", x, of_places, shape=shape, dtype=x.dtype, axis=axis)
        before, after = ([("own", one) for one in rest if (one > axis) == later] for later in (False, True))
        laid = [*before, *places, *after]
    else:
        moved = graph.transpose(x, (*axes, *rest))
        shape = (*indices.shape[:-1], *(x.shape[axis] for axis in rest))
        values = graph.op("GatherND", moved, indices, shape=shape, dtype=x.dtype)
        laid = [*places, *(("own", axis) for axis in rest)]
    own, place = iter(rest), iter(places)
    wanted = [("own", next(own)) if at in numbers.offset_dims else next(place) for at in range(len(out["shape"]))]
    return graph.transpose(values, [laid.index(one) for one in wanted])


def _block(graph: Graph, x: Value, indices: Value, axes: Any, sizes: Sequence[Any], shape: Sequence[Any]) -> Value:
    """The block of ``sizes`` that begins at one index along ``axes``, without the axes that the shape lacks."""
    if indices.array is not None:
        starts: list[Any] = [0] * len(sizes)
        for axis, start in zip(axes, indices.array.tolist(), strict=True):
            starts[axis] = start
        ends = [start + size for start, size in zip(starts, sizes, strict=True)]
        return graph.reshape(graph.slice(x, starts, ends, (1,) * len(sizes), sizes), shape)
    of_axes = graph.constant(np.array(axes, np.int64))
    extent = graph.sizes([sizes[axis] for axis in axes])
    end = graph.op("Add", indices, extent, shape=indices.shape, dtype=np.int64)
    return graph.reshape(graph.op("Slice", x, indices, end, of_axes, shape=sizes, dtype=x.dtype), shape)


@rule("scatter")
def _scatter(graph: Graph, equation: Any, x: Value, indices: Value, updates: Value) -> Value:
    """Replacing along some axes, of which each index names one place."""
    numbers = equation.params["dimension_numbers"]
    axes, window = numbers.scatter_dims_to_operand_dims, numbers.update_window_dims
    rest = [axis for axis in range(len(x.shape)) if axis not in axes]
    whole = all(str(updates.shape[at]) == str(x.shape[axis]) for at, axis in zip(window, rest, strict=False))
    if numbers.operand_batching_dims or set(numbers.inserted_window_dims) != set(axes) or not whole:
        raise InvalidValue("this kind of replacement (scatter) has no translation to ONNX.")
    order = (*axes, *rest)
    moved = graph.transpose(x, order)
    indices = graph.cast(indices, np.int64)
    free = [axis for axis in range(len(updates.shape)) if axis not in window]
    new = graph.transpose(updates, (*free, *window))
    replaced = graph.op("ScatterND", moved, indices, new, shape=moved.shape, dtype=x.dtype)
    return graph.transpose(replaced, np.argsort(order))
