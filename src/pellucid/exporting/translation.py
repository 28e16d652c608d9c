"""From the program that JAX traces to a graph of ONNX operators, primitive by primitive.

A layer's ``forward`` is what defines it; traced, it is a list of some fifty primitives, which `RULES` translates. So a
new layer, a user's own too, is exported without a word about ONNX in its class.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.exporting.graph import Graph, Value, is_whole

Rule: TypeAlias = Callable[..., Any]
RULES: dict[str, Rule] = {}
"""The translation of each primitive by name: from the graph, its equation and its operands to its results."""
BODIES = ("jaxpr", "call_jaxpr", "fun_jaxpr")
"""Names under which a primitive that only calls keeps what it calls."""

_DERIVED = re.compile(r"jvp\((.*?)\)")
"""What JAX writes around the layer's name while it derives its backward pass."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the translation of primitives."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def translate(graph: Graph, jaxpr: Any, constants: Sequence[Any], operands: Sequence[Value]) -> list[Value]:
    """Add the operators of a traced program to a graph.

    Args:
        graph: to add to.
        jaxpr: the program, open: what it reads are its constants and its operands.
        constants: the values of the former.
        operands: the values of the latter.

    Returns:
        The results.

    Raises:
        InvalidValue: a primitive that `RULES` has no translation for.
    """
    known: dict[Any, Value] = dict(zip(jaxpr.invars, operands, strict=True))
    known |= {
        variable: value if isinstance(value, Value) else graph.constant(np.asarray(value))
        for variable, value in zip(jaxpr.constvars, constants, strict=True)
    }

    def read(atom: Any) -> Value:
        return graph.constant(np.asarray(atom.val, atom.aval.dtype)) if hasattr(atom, "val") else known[atom]

    for equation in jaxpr.eqns:
        with graph.within(_DERIVED.sub(r"\1", str(equation.source_info.name_stack)).strip("/")):
            results = _results(graph, equation, [read(atom) for atom in equation.invars])
        known.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _results(graph: Graph, equation: Any, operands: list[Value]) -> Sequence[Value]:
    name = equation.primitive.name
    body = next((equation.params[key] for key in BODIES if key in equation.params), None)
    if name not in RULES and body is not None:
        return translate(graph, *opened(body), operands)
    if name not in RULES:
        raise InvalidValue(
            f"{graph.root.scope or 'the network'} computes with {name!r} of JAX, which has no translation to ONNX. "
            "StableHLO holds all that JAX computes: export to a file that ends in .stablehlo."
        )
    if name not in LAZY and (values := _folded(equation, operands)) is not None:
        return [graph.constant(value) for value in values]
    results = RULES[name](graph, equation, *operands)
    return [results] if isinstance(results, Value) else results


def _folded(equation: Any, operands: Sequence[Value]) -> list[np.ndarray] | None:
    """The results of what reads constants alone."""
    if any(operand.array is None for operand in operands) or not all(
        is_whole(size) for result in equation.outvars for size in result.aval.shape
    ):
        return None
    arrays = [jnp.asarray(operand.array) for operand in operands]
    results = equation.primitive.bind(*arrays, **equation.params)
    return list(map(np.asarray, results if equation.primitive.multiple_results else [results]))


LAZY = {"broadcast_in_dim", "scan", "while", "cond", "platform_index", "dim_as_value", "copy", "stop_gradient"}
"""Primitives that are not computed even where all they read is constant: they repeat, or contain others."""


def opened(body: Any) -> tuple[Any, Sequence[Any]]:
    """A program and its constants."""
    return (body.jaxpr, body.consts) if hasattr(body, "consts") else (body, ())


def result(equation: Any) -> dict[str, Any]:
    """Shape and dtype of the only result, as `Graph.op` takes them."""
    aval = equation.outvars[0].aval
    return {"shape": aval.shape, "dtype": aval.dtype}


def results_of(equation: Any) -> list[tuple[Sequence[Any], Any]]:
    """Shape and dtype of each result, as `Graph.several` takes them."""
    return [(variable.aval.shape, variable.aval.dtype) for variable in equation.outvars]


def broadcast(shape: Sequence[Any], *operands: Value) -> list[Value]:
    """Operands of an operator that repeats axes of length 1 by itself: narrow as long as one has the full shape."""
    whole = any(operand.narrow is None and operand.shape == tuple(shape) for operand in operands)
    read = []
    for operand in operands:
        read.append(operand.narrow if whole and operand.narrow is not None else operand)
        whole = whole or operand.shape == tuple(shape)
    return read


def reversed_axes(graph: Graph, x: Value, axes: Sequence[int]) -> Value:
    """The array with some axes backwards."""
    if x.array is not None:
        return graph.constant(np.ascontiguousarray(np.flip(x.array, tuple(axes))))
    last = np.iinfo(np.int64)
    vectors = [np.full(len(axes), bound, np.int64) for bound in (-1, last.min, 0, -1)]
    vectors[2] = np.array(axes, np.int64)
    return graph.op("Slice", x, *map(graph.constant, vectors), shape=x.shape, dtype=x.dtype)


# ---- Element by element ----

_NAMES = (
    "add sub mul div max min pow and or xor not neg abs sign exp log tanh sqrt erf sin cos tan asin acos atan sinh cosh"
)
SAME = {name: name.capitalize() for name in (*_NAMES.split(), "floor", "ceil")} | {
    "add_any": "Add",
    "logistic": "Sigmoid",
    "eq": "Equal",
    "lt": "Less",
    "le": "LessOrEqual",
    "gt": "Greater",
    "ge": "GreaterOrEqual",
}
"""Primitives that are one operator of ONNX."""


@rule(*SAME)
def _same(graph: Graph, equation: Any, *operands: Value) -> Value:
    out = result(equation)
    kind = SAME[equation.primitive.name]
    if kind in ("And", "Or", "Xor", "Not") and operands[0].dtype != bool:
        kind = f"Bitwise{kind}"
    if kind == "Max" and (zero := _zero_beside(operands)) is not None:
        return graph.op("Relu", zero, **out)
    return graph.op(kind, *broadcast(out["shape"], *operands), **out)


def _zero_beside(operands: Sequence[Value]) -> Value | None:
    """The operand that is compared with 0, of two."""
    for zero, other in (operands, operands[::-1]):
        array = (zero.narrow or zero).array
        if (
            array is not None
            and array.dtype.kind == "f"
            and array.size == 1
            and not array.any()
            and other.array is None
        ):
            return other
    return None


def _composed(name: str) -> Callable[[Callable[..., Any]], Any]:
    """Register a primitive that is some other function of jax, which is traced in its place."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        @rule(name)
        def composed(graph: Graph, equation: Any, *operands: Value) -> Any:
            shapes = [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in equation.invars]
            traced = jax.make_jaxpr(lambda *arrays: function(*arrays, **equation.params))(*shapes)
            return translate(graph, *opened(traced), operands)

        return function

    return register


_composed("square")(lambda x: x * x)
_composed("ne")(lambda x, y: ~(x == y))
_composed("rsqrt")(lambda x, **_: 1 / jnp.sqrt(x))
_composed("erfc")(lambda x: 1 - jax.lax.erf(x))
_composed("expm1")(lambda x, **_: jnp.exp(x) - 1)
_composed("log1p")(lambda x, **_: jnp.log(1 + x))
_composed("exp2")(lambda x, **_: jnp.exp(x * np.log(2).astype(x.dtype)))
_composed("clamp")(lambda low, x, high: jnp.minimum(jnp.maximum(x, low), high))
_composed("reduce_or")(lambda x, axes, **_: x.astype(jnp.int32).max(axes) > 0)
_composed("reduce_and")(lambda x, axes, **_: x.astype(jnp.int32).min(axes) > 0)
_composed("is_finite")(lambda x: jnp.abs(x) <= jnp.finfo(x.dtype).max)


@rule("integer_pow")
def _integer_power(graph: Graph, equation: Any, x: Value) -> Value:
    return graph.op("Pow", x, graph.constant(np.array(equation.params["y"], x.dtype)), **result(equation))


@rule("rem")
def _remainder(graph: Graph, equation: Any, x: Value, y: Value) -> Value:
    out = result(equation)
    return graph.op("Mod", *broadcast(out["shape"], x, y), **out, fmod=1)


@rule("round")
def _round(graph: Graph, equation: Any, x: Value) -> Value:
    if equation.params["rounding_method"] != jax.lax.RoundingMethod.TO_NEAREST_EVEN:
        raise InvalidValue("rounding away from zero has no translation to ONNX. Take jnp.round, which rounds to even.")
    return graph.op("Round", x, **result(equation))


@rule("select_n")
def _select(graph: Graph, equation: Any, which: Value, *cases: Value) -> Value:
    out = result(equation)
    if len(cases) == 1:
        return cases[0]
    if which.dtype.kind != "b":
        raise InvalidValue("a choice among more than two arrays has no translation to ONNX. Take several jnp.where.")
    if out["dtype"].kind == "b":
        return _select_booleans(graph, out, which, *cases)
    return graph.op("Where", *broadcast(out["shape"], which, cases[1], cases[0]), **out)


def _select_booleans(graph: Graph, out: dict[str, Any], which: Value, no: Value, yes: Value) -> Value:
    # Runtimes have no Where of booleans.
    one = graph.op("And", *broadcast(out["shape"], which, yes), **out)
    negated = graph.op("Not", which, shape=which.shape, dtype=bool)
    return graph.op("Or", one, graph.op("And", *broadcast(out["shape"], negated, no), **out), **out)


@rule("convert_element_type")
def _convert(graph: Graph, equation: Any, x: Value) -> Value:
    if x.narrow is not None:
        narrow = graph.cast(x.narrow, result(equation)["dtype"])
        return Value(graph, "", x.shape, narrow.dtype, narrow=narrow)
    return graph.cast(x, result(equation)["dtype"])


@rule("copy", "copy_p", "stop_gradient", "optimization_barrier", "reduce_precision", "sharding_constraint")
def _unchanged(graph: Graph, equation: Any, *operands: Value) -> Sequence[Value]:
    return operands


# ---- Reductions ----

REDUCED = {"reduce_sum": "ReduceSum", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin", "reduce_prod": "ReduceProd"}


@rule(*REDUCED)
def _reduce(graph: Graph, equation: Any, x: Value) -> Value:
    axes = graph.constant(np.array(equation.params["axes"], np.int64))
    return graph.op(REDUCED[equation.primitive.name], x, axes, **result(equation), keepdims=0)


@rule("argmax", "argmin")
def _index_of_extreme(graph: Graph, equation: Any, x: Value) -> Value:
    out = result(equation)
    kind = {"argmax": "ArgMax", "argmin": "ArgMin"}[equation.primitive.name]
    (axis,) = equation.params["axes"]
    index = graph.op(kind, x, shape=out["shape"], dtype=np.int64, axis=axis, keepdims=0)
    return graph.cast(index, out["dtype"])


@rule("cumsum")
def _cumulative_sum(graph: Graph, equation: Any, x: Value) -> Value:
    axis = graph.constant(np.array(equation.params["axis"], np.int64))
    return graph.op("CumSum", x, axis, **result(equation), reverse=int(equation.params["reverse"]))


# ---- Products ----


@rule("fft")
def _fourier(graph: Graph, equation: Any, x: Value) -> Value:
    """The transform of real numbers along the last axis."""
    length, out = equation.params["fft_lengths"][-1], result(equation)
    if equation.params["fft_type"] != jax.lax.FftType.RFFT or len(equation.params["fft_lengths"]) > 1:
        raise InvalidValue("this Fourier transform has no translation to ONNX. Take jnp.fft.rfft along one axis.")
    angles = 2 * np.pi * np.outer(np.arange(length), np.arange(length // 2 + 1)) / length
    waves = (graph.constant(wave(angles).astype(x.dtype)) for wave in (np.cos, lambda angle: -np.sin(angle)))
    real, imaginary = (graph.op("MatMul", x, wave, shape=out["shape"], dtype=x.dtype) for wave in waves)
    return Value(graph, "", out["shape"], np.dtype(out["dtype"]), parts=(real, imaginary))


@rule("real", "imag")
def _part(graph: Graph, equation: Any, z: Value) -> Value:
    assert z.parts is not None
    return z.parts[equation.primitive.name == "imag"]


@rule("dot_general")
def _product(graph: Graph, equation: Any, x: Value, y: Value) -> Value:
    (of_x, of_y), (batch_x, batch_y) = equation.params["dimension_numbers"]
    out = result(equation)
    batch, ranks = len(batch_x), (len(x.shape), len(y.shape))
    if len(of_x) == 1 and tuple(batch_x) == tuple(batch_y) == tuple(range(batch)):
        free_y = [axis for axis in range(batch, ranks[1]) if axis != of_y[0]]
        free_x = [axis for axis in range(batch, ranks[0]) if axis != of_x[0]]
        if len(free_y) == 1 and len(free_x) >= 1 and (not batch or len(free_x) == 1):
            left = graph.transpose(x, (*range(batch), *free_x, of_x[0]))
            right = graph.transpose(y, (*range(batch), of_y[0], *free_y))
            return graph.op("MatMul", left, right, **out)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    names_x = [next(letters) for _ in x.shape]
    names_y = [next(letters) for _ in y.shape]
    for i, j in zip((*of_x, *batch_x), (*of_y, *batch_y), strict=True):
        names_y[j] = names_x[i]
    kept = [names_x[i] for i in batch_x]
    kept += [name for i, name in enumerate(names_x) if i not in (*of_x, *batch_x)]
    kept += [name for j, name in enumerate(names_y) if j not in (*of_y, *batch_y)]
    return graph.op("Einsum", x, y, **out, equation=f"{''.join(names_x)},{''.join(names_y)}->{''.join(kept)}")
