"""A network as a table: layer, output shape, parameters, memory, multiply-adds."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import jaxprs_in_params

from pellucid.core.types import Shape
from pellucid.network.sequential import Network


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


@dataclass(frozen=True)
class Summary:
    """The table of a network for examples of one shape; printing it draws it."""

    input_shape: Shape
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
        cells = [("layer", "output", "parameters", "memory", "multiply-adds")]
        cells.append(("input", _shape(self.input_shape), "", "", ""))
        for row in self.rows:
            numbers = (row.parameters, row.multiply_adds)
            parameters, products = (f"{number:,}" if number else "–" for number in numbers)
            cells.append((row.layer, _shape(row.output_shape), parameters, _memory(row.memory), products))
        memory = _memory(sum(row.memory for row in self.rows))
        cells.append(("total", "", f"{self.parameters:,}", memory, f"{self.multiply_adds:,}"))
        widths = [max(len(line[column]) for line in cells) for column in range(5)]
        lines = [
            "  ".join(
                text.ljust(width) if column < 2 else text.rjust(width)
                for column, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        ]
        rule = "─" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def summarize(network: Network, input_shape: Shape) -> Summary:
    """The table of ``network`` for examples of ``input_shape``. Nothing is computed: shapes only.

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
    rows: list[Row] = []
    shape = input_shape
    for name, layer in zip(network.names, network.layers, strict=True):
        output_shapes: list[Shape] = []

        def init(key: Any, layer: Any = layer, shape: Shape = shape, found: Any = output_shapes) -> Any:
            params, state, output_shape = layer.init(key, shape)
            found.append(output_shape)
            return params, state

        params, state = jax.eval_shape(init, jax.random.key(0))
        x = jax.ShapeDtypeStruct((1, *shape), jnp.float32)

        def forward(params: Any, state: Any, x: Any, layer: Any = layer) -> Any:
            return layer.forward(params, state, x, key=None, training=False)[0]

        products = _products(jax.make_jaxpr(forward)(params, state, x).jaxpr)
        count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
        shape = output_shapes[0]
        rows.append(Row(name, shape, count, 4 * (count + math.prod(shape)), products))
    return Summary(input_shape, tuple(rows))


def _products(jaxpr: Any) -> int:
    """Multiply-adds of the matrix products of a traced program."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            ((contracted, _), _) = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            output = math.prod(equation.outvars[0].aval.shape)
            total += output * math.prod(left[axis] for axis in contracted)
        for inner in jaxprs_in_params(equation.params):
            total += _products(inner)
    return total


def _shape(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "1"


def _memory(size: int) -> str:
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:.1f} KiB" if size < 1024**2 else f"{size / 1024**2:.1f} MiB"
