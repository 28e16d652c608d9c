"""A network as a table: layer, output shape, parameters, memory, multiply-adds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import jaxprs_in_params

from pellucid import kernels
from pellucid.core.display import html_table
from pellucid.core.types import Shape, Shapes
from pellucid.network.network import Network


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
    """Inputs and layers read by a node of a graph; empty in a chain."""


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        layers = f"{len(self.rows)} layer{'s' * (len(self.rows) != 1)}"
        return f"Summary({layers}, {self.parameters:,} parameters, {self.multiply_adds:,} multiply-adds)"

    def _cells(self) -> list[tuple[str, ...]]:
        cells: list[tuple[str, ...]] = [("layer", "reads", "output", "parameters", "memory", "multiply-adds")]
        cells += [(name, "", _shape(shape), "", "", "") for name, shape in self.inputs.items()]
        for row in self.rows:
            parameters, products = (f"{number:,}" if number else "–" for number in (row.parameters, row.multiply_adds))
            shape = _shape(row.output_shape)
            cells.append((row.layer, ", ".join(row.reads), shape, parameters, _memory(row.memory), products))
        memory = _memory(sum(row.memory for row in self.rows))
        cells.append(("total", "", "", f"{self.parameters:,}", memory, f"{self.multiply_adds:,}"))
        return cells if any(row.reads for row in self.rows) else [(line[0], *line[2:]) for line in cells]

    def __str__(self) -> str:
        cells = self._cells()
        texts = len(cells[0]) - 3  # the other columns are numbers, right-aligned
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if i < texts else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        ]
        rule = "─" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def _repr_html_(self) -> str:
        head, *rows = self._cells()
        return html_table(head[:-2], [row[:-2] for row in rows])


def summarize(network: Network, input_shape: Shapes) -> Summary:
    """The table of ``network`` for examples of ``input_shape``. Nothing is computed: shapes only.

    Args:
        network: a chain; or a graph, whose table also shows what each node reads.
        input_shape: the shape of one example; one for each input of a graph with several.

    Example:
        >>> from pellucid.layers import Dense
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
    inputs = dict(zip(network.inputs, network.each_input(input_shape), strict=True))
    shapes: dict[str, Any] = dict(inputs)
    rows: list[Row] = []
    is_chain = network.is_chain
    for i, (name, layer, reads) in enumerate(zip(network.names, network.layers, network.reads, strict=True)):
        params, products, shapes[name] = _measure(layer, [shapes[read] for read in reads])
        params *= network.owner(i) == i  # shared ones are counted once
        memory = 4 * (params + math.prod(shapes[name]))
        rows.append(Row(name, shapes[name], params, memory, products, () if is_chain else reads))
    return Summary(inputs, tuple(rows))


def _measure(layer: Any, input_shapes: Sequence[Shape]) -> tuple[int, int, Shape]:
    shape = input_shapes[0] if layer.inputs == 1 else tuple(input_shapes)
    output_shape: Any = None

    def init(key: Any) -> Any:
        nonlocal output_shape
        params, state, output_shape = layer.init(key, shape)
        return params, state

    params, state = jax.eval_shape(init, jax.random.key(0))
    arrays = tuple(jax.ShapeDtypeStruct((1, *shape), jnp.float32) for shape in input_shapes)

    def forward(params: Any, state: Any, x: Any) -> Any:
        return layer.forward(params, state, x, key=None, training=False)[0]

    with kernels.definitions():  # whose products can be counted
        traced = jax.make_jaxpr(forward)(params, state, arrays[0] if layer.inputs == 1 else arrays)
    numbers = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    return numbers, count_products(traced.jaxpr), output_shape


def count_products(jaxpr: Any) -> int:
    """Multiply-adds of the matrix products and convolutions of a traced program (a ``jaxpr``)."""
    total = 0
    for equation in jaxpr.eqns:
        name, output = equation.primitive.name, math.prod(equation.outvars[0].aval.shape)
        inner = [count_products(program) for program in jaxprs_in_params(equation.params)]
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
