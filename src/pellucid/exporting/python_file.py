"""A graph as a file of Python that needs NumPy alone."""

import base64
import builtins
import io
import keyword
import re
from importlib.metadata import version
from typing import Any

import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.exporting.graph import Graph, Node, Value

INLINE = 8
"""Most numbers of a constant that is written where it is used."""

_INFIX = {
    "Add": "+",
    "Sub": "-",
    "Mul": "*",
    "Div": "/",
    "MatMul": "@",
    "And": "&",
    "Or": "|",
    "Equal": "==",
    "Less": "<",
    "Greater": ">",
    "LessOrEqual": "<=",
    "GreaterOrEqual": ">=",
}
_FUNCTIONS = {
    **{
        name: f"np.{name.lower()}"
        for name in ("Abs", "Sign", "Exp", "Log", "Tanh", "Sqrt", "Sin", "Cos", "Floor", "Ceil")
    },
    "Round": "np.round",
    "IsNaN": "np.isnan",
    "Erf": "erf",
    "Neg": "-",
    "Not": "~",
    "Identity": "",
}
_OF_TWO = {"Max": "np.maximum", "Min": "np.minimum", "Pow": "np.power", "Mod": "np.fmod"}
_REDUCED = {"ReduceMax": "max", "ReduceMin": "min", "ReduceSum": "sum", "ReduceProd": "prod"}
EXPRESSIONS: dict[str, str] = {
    **{kind: f"{{0}} {sign} {{1}}" for kind, sign in _INFIX.items()},
    **{kind: f"{name}({{0}})" for kind, name in _FUNCTIONS.items()},
    **{kind: f"{name}({{0}}, {{1}})" for kind, name in _OF_TWO.items()},
    **{kind: f"{{0}}.{name}({{1}}, keepdims={{keepdims}})" for kind, name in _REDUCED.items()},
    "Relu": "np.maximum({0}, 0)",
    "Sigmoid": "1 / (1 + np.exp(-{0}))",
    "Where": "np.where({0}, {1}, {2})",
    "Cast": "{0}.astype(np.{to})",
    "Expand": "np.broadcast_to({0}, {1})",
    "Reshape": "{0}.reshape({1})",
    "Transpose": "{0}.transpose({perm})",
    "Concat": "np.concatenate([{all}], {axis})",
    "Shape": "np.array({0}.shape[{start}:{end}])",
    "Gather": "np.take({0}, {1}, {axis})",
    "ArgMax": "{0}.argmax({axis})",
}
"""Each operator of networks of dense layers, and of the encoding of columns, as NumPy computes it."""
WHOLE_DIV = "({0} - np.fmod({0}, {1})) // {1}"
"""Division of whole numbers, which ONNX rounds towards 0."""
ERF = """

erf = np.vectorize(math.erf, otypes=[np.float32])
"""
TEMPLATE = '''"""{title}, as pellucid {version} exported it: needs NumPy alone.

    from {module} import predict

    predict({call})

Reads, in the axis in front one entry for each row:
{inputs}

Gives a dictionary:
{outputs}
"""

import base64
import io
{math}
import numpy as np
{erf}

def predict(inputs):
    """Compute the outputs for rows: {takes}."""
    with np.errstate(all="ignore"):
{reading}
{lines}
    return {{{results}}}


WEIGHTS = np.load(io.BytesIO(base64.b85decode("""
{weights}
""".replace("\\n", ""))))
"""The arrays of the network by layer and name."""
'''


def python_file(graph: Graph, title: str, module: str) -> str:
    """Write a graph as a Python module.

    Args:
        graph: of a network of dense layers.
        title: what the module is, in a few words.
        module: its name.

    Raises:
        InvalidValue: an operator that `EXPRESSIONS` lacks.
    """
    names = _Names(graph)
    lines = [f"        {names[node.outputs[0]]} = {_expression(node, names)}" for node in graph.nodes]
    single = len(graph.inputs) == 1
    call = "rows" if single else "{" + ", ".join(f"{value.name!r}: […]" for value in graph.inputs[:2]) + ", …}"
    texts = [f"    {value.name}: {_described(value)}" for value in (*graph.inputs, *graph.outputs)]
    return TEMPLATE.format(
        title=_in_docstring(title),
        version=version("pellucid"),
        module=module,
        call=_in_docstring(call),
        inputs=_in_docstring("\n".join(texts[: len(graph.inputs)])),
        outputs=_in_docstring("\n".join(texts[len(graph.inputs) :])),
        math="import math\n" if any(node.kind == "Erf" for node in graph.nodes) else "",
        erf=ERF if any(node.kind == "Erf" for node in graph.nodes) else "",
        takes="an array" if single else "a dictionary of columns",
        reading="\n".join(f"        {names[value.name]} = {_reading(value, single)}" for value in graph.inputs),
        lines="\n".join(lines),
        results=", ".join(f"{value.name!r}: {names[value.name]}" for value in graph.outputs),
        weights="\n".join(_wrapped(names.weights)),
    )


def _in_docstring(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


class _Names(dict[str, str]):
    """What each value is called in the module; constants by what they are."""

    def __init__(self, graph: Graph) -> None:
        self.constants = graph.constants
        self.weights: dict[str, np.ndarray] = {}
        self.taken = {*dir(builtins), *keyword.kwlist, "np", "io", "base64", "math", "erf", "inputs", "predict"}

    def __missing__(self, name: str) -> str:
        if name in self.constants:
            text = _literal(self.constants[name])
            if text is None:
                self.weights[name] = self.constants[name]
                text = f"WEIGHTS[{name!r}]"
        else:
            plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "value"
            plain = f"_{plain}" if plain[0].isdigit() else plain
            text, number = plain, 1
            while text in self.taken:
                number += 1
                text = f"{plain}_{number}"
            self.taken.add(text)
        self[name] = text
        return text


def _literal(array: np.ndarray) -> str | None:
    """A constant where it is used; None where it is too large."""
    if array.dtype == object:
        return f"np.array({array.tolist()!r}, object)"
    if array.dtype == np.int64 and array.ndim == 1:
        return repr(tuple(array.tolist()))
    if array.size > INLINE:
        return None
    numbers = np.array2string(array, separator=", ", floatmode="unique", max_line_width=10**6)
    numbers = numbers.replace("inf", "np.inf").replace("nan", "np.nan")
    return f"np.array({numbers}, np.{array.dtype})"


def _expression(node: Node, names: _Names) -> str:
    whole = node.kind == "Div" and node.dtype.kind == "i"
    form = WHOLE_DIV if whole else EXPRESSIONS.get(node.kind)
    if form is None or len(node.outputs) != 1:
        raise InvalidValue(
            f"the operator {node.kind} ({node.name}) is none of those that are written as NumPy: that file is for "
            "networks of dense layers. Export to ONNX (.onnx), which holds all layers."
        )
    inputs = [names[name] for name in node.inputs]
    attributes: dict[str, Any] = {
        key: value.name if isinstance(value, np.dtype) else bool(value) if key == "keepdims" else value
        for key, value in node.attributes.items()
    }
    return form.format(*inputs, all=", ".join(inputs), **attributes)


def _reading(value: Value, single: bool) -> str:
    source = "inputs" if single else f"inputs[{value.name!r}]"
    dtype = "object" if value.dtype.kind in "UO" else f"np.{value.dtype}"
    read = f"np.asarray({source}, {dtype})"
    return f"{read}.reshape(-1, 1)" if value.shape[1:] == (1,) else read


def _described(value: Value) -> str:
    kind = "text" if value.dtype.kind in "UO" else str(value.dtype)
    shape = ", ".join(map(str, value.shape))
    return f"({shape}{',' * (len(value.shape) == 1)}) {kind}"


def _wrapped(arrays: dict[str, np.ndarray]) -> list[str]:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # pyright: ignore[reportArgumentType]
    text = base64.b85encode(content.getvalue()).decode()
    return [text[i : i + 118] for i in range(0, len(text), 118)]
