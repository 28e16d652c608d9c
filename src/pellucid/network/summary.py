"""A network as a table: layer, output shape, parameters, memory, multiply-adds."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import jaxprs_in_params

from pellucid.core.types import Shape, Shapes
from pellucid.network.graph import AnyNetwork, Graph


@dataclass(frozen=True)
class Row:
    """One layer of the table."""

    layer: str
    output_shape: Shape
    parameters: int
    memory: int
    """Bytes of its parameters and of one example's output, in float32."""
    multiply_adds: int
    """Of one example's forward pass: the products of its matrix multiplications and convolutions."""
    reads: tuple[str, ...] = ()
    """What a node of a graph reads; empty in a sequential network."""


@dataclass(frozen=True)
class Summary:
    """The table of a network for examples of one shape; printing it draws it."""

    inputs: dict[str, Any]
    """The shape of one example by the name of the input."""
    rows: tuple[Row, ...]

    @property
    def parameters(self) -> int:
        """All trainable numbers."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Products of one example's forward pass."""
        return sum(row.multiply_adds for row in self.rows)

    def __str__(self) -> str:
        cells = [("layer", "reads", "output", "parameters", "memory", "multiply-adds")]
        cells += [(name, "", _shape(shape), "", "", "") for name, shape in self.inputs.items()]
        for row in self.rows:
            numbers = (row.parameters, row.multiply_adds)
            parameters, products = (f"{number:,}" if number else "–" for number in numbers)
            reads, output = ", ".join(row.reads), _shape(row.output_shape)
            cells.append((row.layer, reads, output, parameters, _memory(row.memory), products))
        memory = _memory(sum(row.memory for row in self.rows))
        cells.append(("total", "", "", f"{self.parameters:,}", memory, f"{self.multiply_adds:,}"))
        columns = [0, *([1] if any(row.reads for row in self.rows) else []), 2, 3, 4, 5]
        widths = {column: max(len(line[column]) for line in cells) for column in columns}
        lines = [
            "  ".join(
                line[column].ljust(width) if column < 3 else line[column].rjust(width)
                for column, width in widths.items()
            ).rstrip()
            for line in cells
        ]
        rule = "─" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def summarize(network: AnyNetwork, input_shape: Shapes) -> Summary:
    """The table of ``network`` for examples of ``input_shape``. Nothing is computed: shapes only.

    Args:
        network: a `Network`, or a `Graph`, whose table also shows what each node reads.
        input_shape: the shape of one example; one for each input of a graph with several.

    Example:
        >>> from pellucid.layers import Dense
        >>> from pellucid.network.sequential import Network
        >>> print(summarize(Network(Dense(128, "relu"), Dense(10, "softmax")), (784,)))
        layer      output  parameters     memory  multiply-adds
        ───────────────────────────────────────────────────────
        input      784
        dense_1    128        100,480  393.0 KiB        100,352
        relu_1     128              –      512 B              –
        dense_2    10           1,290    5.1 KiB          1,280
        softmax_1  10               –       40 B              –
        ───────────────────────────────────────────────────────
        total                 101,770  398.6 KiB        101,632
    """
    graph = isinstance(network, Graph)
    inputs = dict(zip(network.inputs, network.each_input(input_shape) if graph else (input_shape,), strict=True))
    shapes: dict[str, Any] = dict(inputs)
    rows: list[Row] = []
    for name, layer, reads in zip(network.names, network.layers, network.reads, strict=True):
        given = tuple(shapes[read] for read in reads)
        shape = given[0] if layer.inputs == 1 else given

        def init(key: Any, name: str = name, layer: Any = layer, shape: Any = shape) -> Any:
            params, state, shapes[name] = layer.init(key, shape)
            return params, state

        params, state = jax.eval_shape(init, jax.random.key(0))
        arrays = tuple(jax.ShapeDtypeStruct((1, *one), jnp.float32) for one in given)

        def forward(params: Any, state: Any, x: Any, layer: Any = layer) -> Any:
            return layer.forward(params, state, x, key=None, training=False)[0]

        x = arrays[0] if layer.inputs == 1 else arrays
        products = count_products(jax.make_jaxpr(forward)(params, state, x).jaxpr)
        count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
        memory = 4 * (count + math.prod(shapes[name]))
        rows.append(Row(name, shapes[name], count, memory, products, reads if graph else ()))
    return Summary(inputs, tuple(rows))


def count_products(jaxpr: Any) -> int:
    """Multiply-adds of the matrix products and convolutions of a traced program (a ``jaxpr``)."""
    total = 0
    for equation in jaxpr.eqns:
        name, output = equation.primitive.name, math.prod(equation.outvars[0].aval.shape)
        inner = [count_products(one) for one in jaxprs_in_params(equation.params)]
        if name == "dot_general":
            ((contracted, _), _) = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            total += output * math.prod(left[axis] for axis in contracted)
        elif name == "conv_general_dilated":
            weights = equation.invars[1].aval.shape
            total += output * math.prod(weights[:-1])
        elif name == "cond":  # one way for each platform: the first that has products
            total += next(filter(None, inner), 0)
        elif name == "scan":
            total += equation.params["length"] * sum(inner)
        else:
            total += sum(inner)
    return total


def _shape(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "1"


def _memory(size: int) -> str:
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:.1f} KiB" if size < 1024**2 else f"{size / 1024**2:.1f} MiB"
