"""Translations of convolutions and of reductions over windows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.exporting.graph import Graph, Value, is_whole
from pellucid.exporting.translation import result, reversed_axes, rule


@rule("conv_general_dilated")
def _convolution(graph: Graph, equation: Any, x: Value, weights: Value) -> Value:
    given, numbers, out = equation.params, equation.params["dimension_numbers"], result(equation)
    if given["batch_group_count"] != 1:
        raise InvalidValue("a convolution that groups its batch has no translation to ONNX.")
    x = graph.transpose(x, numbers.lhs_spec)
    weights = graph.transpose(weights, numbers.rhs_spec)
    shape = tuple(out["shape"][axis] for axis in numbers.out_spec)
    more = {
        "dilations": tuple(given["rhs_dilation"]),
        "group": given["feature_group_count"],
        "kernel_shape": tuple(weights.shape[2:]),
    }
    if all(step == 1 for step in given["lhs_dilation"]):
        x, padding = _padded(graph, x, given["padding"])
        z = graph.op(
            "Conv", x, weights, shape=shape, dtype=x.dtype, strides=tuple(given["window_strides"]), pads=padding, **more
        )
    else:
        z = _transposed(graph, x, weights, shape, given, more)
    return graph.transpose(z, np.argsort(numbers.out_spec))


def _padded(graph: Graph, x: Value, padding: Sequence[tuple[Any, Any]], value: float = 0.0) -> tuple[Value, Any]:
    """Padding as an operator's attribute; by an operator of its own where it is negative or symbolic."""
    before, after = zip(*padding, strict=True)
    if all(is_whole(size) and size >= 0 for size in (*before, *after)):
        return x, (*before, *after)
    shape = (*x.shape[:2], *(a + size + b for size, a, b in zip(x.shape[2:], before, after, strict=True)))
    sizes = graph.sizes((0, 0, *before, 0, 0, *after))
    padded = graph.op(
        "Pad", x, sizes, graph.constant(np.array(value, x.dtype)), shape=shape, dtype=x.dtype, mode="constant"
    )
    return padded, (0,) * (2 * len(before))


def _transposed(graph: Graph, x: Value, weights: Value, shape: Any, given: Any, more: dict[str, Any]) -> Value:
    """A convolution over an input with zeros between its numbers."""
    if any(step != 1 for step in given["window_strides"]):
        raise InvalidValue("a convolution with stride over a stretched input has no translation to ONNX.")
    spatial, groups = weights.shape[2:], more["group"]
    out, own = weights.shape[0] // groups, weights.shape[1]
    flipped = reversed_axes(graph, weights, range(2, len(weights.shape)))
    apart = graph.reshape(flipped, (groups, out, own, *spatial))
    swapped = graph.transpose(apart, (0, 2, 1, *range(3, 3 + len(spatial))))
    weights = graph.reshape(swapped, (groups * own, out, *spatial))
    spans = [dilation * (size - 1) for dilation, size in zip(more["dilations"], spatial, strict=True)]
    # ONNX adds everything that a number reaches; JAX's padding says how much of that border is kept.
    border = [(low - span, high - span) for (low, high), span in zip(given["padding"], spans, strict=True)]
    full = [
        (size - 1) * stretch + span + 1
        for size, stretch, span in zip(x.shape[2:], given["lhs_dilation"], spans, strict=True)
    ]
    strides = tuple(given["lhs_dilation"])
    z = graph.op("ConvTranspose", x, weights, shape=(*shape[:2], *full), dtype=x.dtype, strides=strides, **more)
    if all(one == (0, 0) for one in border):
        return z
    before, after = zip(*border, strict=True)
    sizes = graph.sizes((0, 0, *before, 0, 0, *after))
    return graph.op("Pad", z, sizes, graph.constant(np.array(0, x.dtype)), shape=shape, dtype=x.dtype, mode="constant")


@rule("reduce_window_sum", "reduce_window_max")
def _window(graph: Graph, equation: Any, x: Value) -> Value:
    given, out = equation.params, result(equation)
    if any(step != 1 for step in given["base_dilation"]):
        raise InvalidValue("a window over a stretched input has no translation to ONNX.")
    size = given["window_dimensions"]
    still = [axis for axis, length in enumerate(size) if length == 1 and given["window_strides"][axis] == 1]
    if len(still) < 2:
        raise InvalidValue("a window over all axes has no translation to ONNX.")
    first, last = still[0], still[-1]
    order = (first, last, *(axis for axis in range(len(size)) if axis not in (first, last)))
    spatial = order[2:]
    largest = equation.primitive.name == "reduce_window_max"
    x = graph.transpose(x, order)
    fill = -np.inf if largest else 0.0
    x, padding = _padded(graph, x, [given["padding"][axis] for axis in spatial], fill)
    shape = tuple(out["shape"][axis] for axis in order)
    more = {
        "kernel_shape": tuple(size[axis] for axis in spatial),
        "strides": tuple(given["window_strides"][axis] for axis in spatial),
        "dilations": tuple(given["window_dilation"][axis] for axis in spatial),
        "pads": padding,
    }
    if largest:
        y = graph.op("MaxPool", x, shape=shape, dtype=x.dtype, **more)
    else:
        mean = graph.op("AveragePool", x, shape=shape, dtype=x.dtype, count_include_pad=1, **more)
        count = graph.constant(np.array(np.prod(more["kernel_shape"]), x.dtype))
        y = graph.op("Mul", mean, count, shape=shape, dtype=x.dtype)
    return graph.transpose(y, np.argsort(order))
