"""Translations of loops and choices."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.exporting.graph import Graph, Value
from pellucid.exporting.translation import opened, results_of, reversed_axes, rule, translate


def _inputs(body: Graph, variables: Sequence[Any], name: str = "carried") -> list[Value]:
    """Inputs of a body, by the variables that they stand for."""
    return [body.input(name, variable.aval.shape, variable.aval.dtype) for variable in variables]


def _own(body: Graph, values: Sequence[Value]) -> list[Value]:
    """Results of a body under names that no other value has."""
    return [body.op("Identity", value, shape=value.shape, dtype=value.dtype) for value in values]


@rule("scan")
def _scan(graph: Graph, equation: Any, *operands: Value) -> Sequence[Value]:
    given = equation.params
    jaxpr, constants = opened(given["jaxpr"])
    fixed, carried = given["num_consts"], given["num_carry"]
    body = Graph(outer=graph)
    if fixed + carried == len(operands):
        return _counted_loop(graph, equation, body, jaxpr, constants, operands)
    inputs = _inputs(body, jaxpr.invars[fixed : fixed + carried])
    inputs += _inputs(body, jaxpr.invars[fixed + carried :], "scanned")
    body.outputs = _own(body, translate(body, jaxpr, constants, [*operands[:fixed], *inputs]))
    scanned, collected = len(operands) - fixed - carried, len(equation.outvars) - carried
    direction = int(given["reverse"])
    return graph.several(
        "Scan",
        *operands[fixed:],
        results=results_of(equation),
        carried=carried,
        body=body,
        num_scan_inputs=scanned,
        scan_input_directions=(direction,) * scanned,
        scan_output_directions=(direction,) * collected,
    )


def _counted_loop(
    graph: Graph, equation: Any, body: Graph, jaxpr: Any, constants: Sequence[Any], operands: Sequence[Value]
) -> Sequence[Value]:
    """A scan over nothing but the number of its steps."""
    given = equation.params
    fixed, carried = given["num_consts"], given["num_carry"]
    body.input("step", (), np.int64)
    going_on = body.input("condition", (), bool)
    inputs = _inputs(body, jaxpr.invars[fixed:])
    results = translate(body, jaxpr, constants, [*operands[:fixed], *inputs])
    body.outputs = _own(body, [going_on, *results])
    count = graph.reshape(graph.size(given["length"]), ())
    outs = graph.several(
        "Loop", count, None, *operands[fixed:], results=results_of(equation), carried=carried, body=body
    )
    return [reversed_axes(graph, out, (0,)) if given["reverse"] and i >= carried else out for i, out in enumerate(outs)]


@rule("while")
def _while(graph: Graph, equation: Any, *operands: Value) -> Sequence[Value]:
    given = equation.params
    of_condition, of_body = given["cond_nconsts"], given["body_nconsts"]
    for_condition, for_body = operands[:of_condition], operands[of_condition : of_condition + of_body]
    carried = operands[of_condition + of_body :]
    condition, constants = opened(given["cond_jaxpr"])
    (begins,) = translate(graph, condition, constants, [*for_condition, *carried])
    body = Graph(outer=graph)
    body.input("step", (), np.int64)
    body.input("condition", (), bool)
    jaxpr, own = opened(given["body_jaxpr"])
    inputs = _inputs(body, jaxpr.invars[of_body:])
    results = translate(body, jaxpr, own, [*for_body, *inputs])
    (goes_on,) = translate(body, condition, constants, [*for_condition, *results])
    body.outputs = _own(body, [goes_on, *results])
    return graph.several("Loop", None, begins, *carried, results=results_of(equation), carried=len(carried), body=body)


@rule("platform_index")
def _platform(graph: Graph, equation: Any) -> Value:
    """The way that a layer takes on no platform in particular: XLA's own operators, which ONNX has too."""
    platforms = equation.params["platforms"]
    return graph.constant(np.array(platforms.index(None) if None in platforms else len(platforms) - 1, np.int32))


@rule("cond")
def _choice(graph: Graph, equation: Any, index: Value, *operands: Value) -> Sequence[Value]:
    branches = [opened(branch) for branch in equation.params["branches"]]
    if index.array is not None:
        chosen = branches[min(max(int(index.array), 0), len(branches) - 1)]
        return translate(graph, *chosen, operands)
    if len(branches) != 2:
        raise InvalidValue("a choice among more than two programs has no translation to ONNX. Take several lax.cond.")

    def branch(jaxpr: Any, constants: Sequence[Any]) -> Graph:
        body = Graph(outer=graph)
        body.outputs = _own(body, translate(body, jaxpr, constants, operands))
        return body

    no, yes = (branch(*one) for one in branches)
    return graph.several(
        "If",
        graph.cast(index, bool),
        results=results_of(equation),
        carried=len(equation.outvars),
        then_branch=yes,
        else_branch=no,
    )
